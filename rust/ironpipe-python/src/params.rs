//! Bootstrap values and the context file, as Python values.
//!
//! The engine unpacks, checks and limits; the values of the JSON text are made by Python's own
//! `json.loads`, so that they are exactly those the official client gives.

use std::fs::File;
use std::io::Read;

use ironpipe::Error;
use ironpipe::protocol::bootstrap;
use ironpipe::protocol::context::MAX_CONTEXT_BYTES;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::encode::encode;
use crate::error::{pipes_error, to_python};

/// Packs a value as a bootstrap value.
#[pyfunction]
#[pyo3(signature = (value, /))]
fn encode_param(value: &Bound<'_, PyAny>) -> PyResult<String> {
    let mut json = Vec::new();
    encode(value, 0, &mut json).map_err(|refusal| refusal.into_error(value.py(), "value"))?;
    // The encoder writes nothing but UTF-8.
    Ok(bootstrap::encode_param(&String::from_utf8_lossy(&json)))
}

/// Unpacks a bootstrap value; `name` is what errors call it.
#[pyfunction]
#[pyo3(signature = (value, name, /))]
fn decode_param<'py>(py: Python<'py>, value: &str, name: &str) -> PyResult<Bound<'py, PyAny>> {
    let json = py
        .detach(|| bootstrap::decode_param(value))
        .map_err(|reason| pipes_error(py, format!("{name} {reason}")))?;
    loads(py, &json, name)
}

/// Reads the context from a file.
#[pyfunction]
#[pyo3(signature = (path, /))]
fn read_context<'py>(py: Python<'py>, path: &str) -> PyResult<Bound<'py, PyAny>> {
    let json = py
        .detach(|| read_limited(path))
        .map_err(|error| to_python(py, error))?;
    let name = format!("the Pipes context in {path}");
    match std::str::from_utf8(&json) {
        Ok(json) => loads(py, json, &name),
        Err(error) => Err(pipes_error(py, format!("{name} is not UTF-8: {error}"))),
    }
}

fn read_limited(path: &str) -> ironpipe::Result<Vec<u8>> {
    let mut json = Vec::new();
    let read = File::open(path).and_then(|file| {
        let mut start = file.take(MAX_CONTEXT_BYTES + 1);
        start.read_to_end(&mut json)
    });
    if let Err(source) = read {
        return Err(Error::Channel {
            action: "read",
            path: path.into(),
            source,
        });
    }
    if json.len() as u64 > MAX_CONTEXT_BYTES {
        return Err(Error::Context {
            location: path.to_owned(),
            reason: format!("it is larger than the limit of {MAX_CONTEXT_BYTES} bytes"),
        });
    }
    Ok(json)
}

fn loads<'py>(py: Python<'py>, json: &str, name: &str) -> PyResult<Bound<'py, PyAny>> {
    static LOADS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let loads = LOADS.import(py, "json", "loads")?;
    loads.call1((json,)).map_err(|error| {
        let reason = error.value(py).to_string();
        pipes_error(py, format!("{name} is not JSON: {reason}"))
    })
}

/// Adds the functions of this file to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(encode_param, module)?)?;
    module.add_function(wrap_pyfunction!(decode_param, module)?)?;
    module.add_function(wrap_pyfunction!(read_context, module)?)
}
