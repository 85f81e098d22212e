//! Captured stdout or stderr in a file, for the log writers of Python.
//!
//! A file stands between the capture and Python, so that what a process prints never waits for the
//! interpreter, which may be held by the very code that prints.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ironpipe::Error;
use ironpipe::protocol::bootstrap::Stdio;
use ironpipe::session::stdio;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::error::to_python;

/// A stream whose text goes to a file as well as to where it went before.
#[pyclass(frozen, module = "ironpipe._ironpipe")]
pub struct StdioCapture {
    /// None once it is over. Locked only with the interpreter held, so that a fork finds it free.
    capture: Mutex<Option<stdio::StdioCapture>>,
}

#[pymethods]
impl StdioCapture {
    #[new]
    #[pyo3(signature = (stream, path, /))]
    fn new(py: Python<'_>, stream: &str, path: PathBuf) -> PyResult<Self> {
        let Some(stream) = Stdio::from_name(stream) else {
            let text = format!("stream must be 'stdout' or 'stderr', got {stream}");
            return Err(PyValueError::new_err(text));
        };
        let begin = || {
            let failed = |path: &PathBuf, source| Error::Channel {
                action: "write to",
                path: path.clone(),
                source,
            };
            let mut file = OpenOptions::new()
                .append(true)
                .open(&path)
                .map_err(|error| failed(&path, error))?;
            let sink = move |_, text: &str| {
                let written = file.write_all(text.as_bytes());
                written.map_err(|error| failed(&path, error))
            };
            stdio::StdioCapture::start(stream, Box::new(sink))
        };
        let capture = py.detach(begin).map_err(|error| to_python(py, error))?;
        Ok(StdioCapture {
            capture: Mutex::new(Some(capture)),
        })
    }

    /// Turns the stream back. Then all that was written to it is in the file.
    fn finish(&self, py: Python<'_>) -> PyResult<()> {
        let capture = self.lock().take();
        let finish = |mut capture: stdio::StdioCapture| capture.finish();
        py.detach(|| capture.map_or(Ok(()), finish))
            .map_err(|error| to_python(py, error))
    }
}

impl StdioCapture {
    fn lock(&self) -> MutexGuard<'_, Option<stdio::StdioCapture>> {
        self.capture.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds the class of this file to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<StdioCapture>()
}
