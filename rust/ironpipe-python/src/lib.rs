//! The Python binding: extract, detach, one call of the engine, wrap.

mod encode;
mod error;
mod messages;
mod reader;
mod report;

use pyo3::prelude::*;

#[pymodule]
fn _ironpipe(module: &Bound<'_, PyModule>) -> PyResult<()> {
    encode::register(module)?;
    messages::register(module)?;
    reader::register(module)?;
    report::register(module)
}
