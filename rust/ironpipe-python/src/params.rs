//! Bootstrap values and the context file, as Python values.
//!
//! The engine unpacks, checks and limits; the values of the JSON text are made by Python's own
//! `json.loads`, so that they are exactly those the official client gives.

use std::path::Path;

use ironpipe::protocol::bootstrap;
use ironpipe::protocol::context::{MAX_CONTEXT_BYTES, read_limited};
use ironpipe::session::host::ContextSpec;
use ironpipe::{AssetKey, Error};
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
    let json = py.detach(|| read_limited(Path::new(path), MAX_CONTEXT_BYTES));
    let name = format!("the Pipes context in {path}");
    let json = json.map_err(|source| {
        let path = path.into();
        let action = "read";
        to_python(
            py,
            Error::Channel {
                action,
                path,
                source,
            },
        )
    })?;
    let Some(json) = json else {
        let text = format!("{name} is larger than the limit of {MAX_CONTEXT_BYTES} bytes");
        return Err(pipes_error(py, text));
    };
    match std::str::from_utf8(&json) {
        Ok(json) => loads(py, json, &name),
        Err(error) => Err(pipes_error(py, format!("{name} is not UTF-8: {error}"))),
    }
}

/// The parts of an asset key.
#[pyfunction]
#[pyo3(signature = (asset_key, /))]
fn asset_key_parts(asset_key: &str) -> Vec<String> {
    AssetKey::parse(asset_key).into_parts()
}

/// The context of a hosted process, but for its extras.
#[pyfunction]
#[pyo3(signature = (asset_keys, partition_key, run_id, job_name, retry_number, /))]
fn new_context<'py>(
    py: Python<'py>,
    asset_keys: Option<Vec<String>>,
    partition_key: Option<String>,
    run_id: Option<String>,
    job_name: Option<String>,
    retry_number: i64,
) -> PyResult<Bound<'py, PyAny>> {
    let spec = ContextSpec {
        asset_keys,
        partition_key,
        run_id,
        job_name,
        retry_number: Some(retry_number),
        extras: Vec::new(),
    };
    loads(py, &spec.to_value().to_json(), "the context")
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
    module.add_function(wrap_pyfunction!(read_context, module)?)?;
    module.add_function(wrap_pyfunction!(asset_key_parts, module)?)?;
    module.add_function(wrap_pyfunction!(new_context, module)?)
}
