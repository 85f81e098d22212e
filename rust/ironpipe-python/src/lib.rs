//! The Python binding: extract, detach, one call of the engine, wrap.

mod batch;
mod calls;
mod capture;
mod channel;
mod chunks;
mod context;
mod decoder;
mod encode;
mod error;
mod fork;
mod messages;
mod metadata;
mod params;
mod plain;
mod reader;
mod report;
mod session;

use pyo3::prelude::*;

#[pymodule]
fn _ironpipe(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    batch::register(module)?;
    capture::register(module)?;
    channel::register(module)?;
    chunks::register(module)?;
    context::register(module)?;
    decoder::register(module)?;
    encode::register(module)?;
    fork::register(module)?;
    messages::register(module)?;
    params::register(module)?;
    reader::register(module)?;
    report::register(module)?;
    session::register(module)
}
