//! Hosting an external process from Python.

use std::sync::{Mutex, MutexGuard, PoisonError};

use ironpipe::reader::TailOptions;
use ironpipe::session::host::{Session as Host, SessionFiles, SessionOptions};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::encode;
use crate::error::to_python;
use crate::reader::MessageReader;

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Session>()
}

#[pyclass(frozen, module = "ironpipe")]
pub struct Session {
    #[pyo3(get)]
    reader: Py<MessageReader>,
    /// None once it is closed.
    files: Mutex<Option<SessionFiles>>,
}

impl Session {
    fn files(&self) -> MutexGuard<'_, Option<SessionFiles>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with_files<T>(&self, use_files: impl FnOnce(&SessionFiles) -> T) -> PyResult<T> {
        match self.files().as_ref() {
            Some(files) => Ok(use_files(files)),
            None => Err(PyValueError::new_err("the session is closed")),
        }
    }
}

#[pymethods]
impl Session {
    #[new]
    #[pyo3(signature = (context, *, include_stdio = false))]
    fn new(py: Python<'_>, context: &Bound<'_, PyAny>, include_stdio: bool) -> PyResult<Self> {
        let mut json = Vec::new();
        encode::encode(context, 0, &mut json)
            .map_err(|refusal| refusal.into_error(py, "context"))?;
        let options = SessionOptions {
            include_stdio,
            tail: TailOptions {
                until_closed: false,
                ..TailOptions::default()
            },
            ..SessionOptions::default()
        };
        let session = py.detach(|| Host::open(&json, options));
        let (reader, files) = session.map_err(|error| to_python(py, error))?.split();
        Ok(Session {
            reader: Py::new(py, MessageReader::new(reader))?,
            files: Mutex::new(Some(files)),
        })
    }

    #[getter]
    fn env<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let env = PyDict::new(py);
        self.with_files(|files| {
            let mut values = files.env().into_iter();
            values.try_for_each(|(name, value)| env.set_item(name, value))
        })??;
        Ok(env)
    }

    #[getter]
    fn context_path(&self) -> PyResult<String> {
        self.with_files(|files| files.context_path().to_string_lossy().into_owned())
    }

    #[getter]
    fn messages_path(&self) -> PyResult<String> {
        self.with_files(|files| files.messages_path().to_string_lossy().into_owned())
    }

    #[getter]
    fn report(&self) -> crate::report::DeliveryReport {
        self.reader.get().report()
    }

    /// Gives the reader, so that what is left can be read at once.
    fn finish(&self, py: Python<'_>) -> Py<MessageReader> {
        self.reader.get().finish();
        self.reader.clone_ref(py)
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.reader.get().close(py)?;
        let files = self.files().take();
        match files {
            Some(files) => py
                .detach(|| files.remove())
                .map_err(|error| to_python(py, error)),
            None => Ok(()),
        }
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __exit__(
        &self,
        py: Python<'_>,
        _exc_type: &Bound<'_, PyAny>,
        _exc_value: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        self.close(py)
    }
}
