//! The one table from errors of the engine to exceptions of Python.
//!
//! The classes are Python's own, in `ironpipe._errors`: a class made here could not subclass a
//! built-in one under the stable ABI of CPython 3.10 and 3.11.

use std::io::ErrorKind;
use std::path::Path;

use ironpipe::Error;
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

const MODULE: &str = "ironpipe._errors";

static DAGSTER_PIPES_ERROR: PyOnceLock<Py<PyType>> = PyOnceLock::new();
static NOT_JSON_ERROR: PyOnceLock<Py<PyType>> = PyOnceLock::new();

/// The exception for an error of the engine.
///
/// What the system refused is an `OSError` with its number, text and file name, so that
/// `FileNotFoundError` and its kin can be caught as such; all else is a `DagsterPipesError`.
pub fn to_python(py: Python<'_>, error: Error) -> PyErr {
    match error {
        // As Python's own `open` has it; no system call was made.
        Error::Channel { path, .. } if path.to_string_lossy().contains('\0') => {
            PyValueError::new_err("embedded null byte")
        }
        Error::Channel { path, source, .. } => os_error(py, &source, &path),
        other => pipes_error(py, other.to_string()),
    }
}

/// A `DagsterPipesError`.
pub fn pipes_error(py: Python<'_>, text: String) -> PyErr {
    raise(py, &DAGSTER_PIPES_ERROR, "DagsterPipesError", text)
}

/// A `NotJsonError`: a value that JSON does not have.
pub fn not_json(py: Python<'_>, text: String) -> PyErr {
    raise(py, &NOT_JSON_ERROR, "NotJsonError", text)
}

/// The refusal of an argument of another type than the expected one, in the official client's words.
pub fn wrong_type(value: &Bound<'_, PyAny>, method: &str, name: &str, expected: &str) -> PyErr {
    let text = format!(
        "Invalid type for parameter `{name}` of `{method}`. Expected `{expected}`, got `{}`.",
        value.get_type()
    );
    pipes_error(value.py(), text)
}

/// Whether an error is a `NotJsonError`.
pub fn is_not_json(py: Python<'_>, error: &PyErr) -> bool {
    let class = NOT_JSON_ERROR.import(py, MODULE, "NotJsonError");
    class.is_ok_and(|class| error.is_instance(py, class))
}

fn raise(
    py: Python<'_>,
    class: &PyOnceLock<Py<PyType>>,
    name: &'static str,
    text: String,
) -> PyErr {
    match class.import(py, MODULE, name) {
        Ok(class) => PyErr::from_type(class.clone(), text),
        Err(error) => error,
    }
}

/// An `OSError` of the class that its number asks for.
fn os_error(py: Python<'_>, error: &std::io::Error, path: &Path) -> PyErr {
    // What no system call said has a number all the same: one that every Unix and Windows has.
    const ENOENT: i32 = 2;
    const EIO: i32 = 5;
    const EISDIR: i32 = 21;
    let (number, text) = match (error.raw_os_error(), error.kind()) {
        (Some(number), _) => (number, system_text(py, number)),
        (None, ErrorKind::NotFound) => (ENOENT, system_text(py, ENOENT)),
        (None, ErrorKind::IsADirectory) => (EISDIR, system_text(py, EISDIR)),
        (None, _) => (EIO, None),
    };
    let text = text.unwrap_or_else(|| error.to_string());
    PyOSError::new_err((number, text, path.to_string_lossy().into_owned()))
}

/// What `os.strerror` says, without the number that Rust's text repeats.
fn system_text(py: Python<'_>, number: i32) -> Option<String> {
    py.import("os")
        .and_then(|os| os.call_method1("strerror", (number,)))
        .and_then(|text| text.extract())
        .ok()
}
