//! Stores of chunks, and what is read and written through them.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ironpipe::channel::chunks::{
    Bytes, ChunkPrefix, ChunkStore as Store, DirectoryStore, FeedOptions, MAX_CHUNK,
    ObjectChunkStore, Put, Request, Retry, StoreError, once,
};
use ironpipe::channel::watch::{Wake, Waker};
use ironpipe::framing::MAX_LINE;
use ironpipe::reader::{MessageReader as Reader, TailOptions};
use pyo3::exceptions::{PyOSError, PyOverflowError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::calls;
use crate::error::to_python;
use crate::reader::MessageReader;

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<ChunkStore>()?;
    module.add_class::<Ready>()?;
    module.add_function(wrap_pyfunction!(tail_chunks, module)?)
}

#[pyclass(frozen, module = "ironpipe")]
pub struct ChunkStore {
    prefix: ChunkPrefix,
    /// Whether requests run Python.
    pub python: bool,
}

impl ChunkStore {
    /// The part of the store below its own prefix.
    pub fn below(&self, prefix: &str) -> ChunkPrefix {
        ChunkPrefix {
            store: self.prefix.store.clone(),
            prefix: self.join(prefix.trim_end_matches('/')),
        }
    }

    fn join(&self, key: &str) -> String {
        match (self.prefix.prefix.as_str(), key) {
            ("", key) => key.to_owned(),
            (prefix, "") => prefix.to_owned(),
            (prefix, key) => format!("{prefix}/{key}"),
        }
    }

    fn failed(&self, action: &str, key: &str, error: &StoreError) -> PyErr {
        let place = self.below("");
        PyOSError::new_err(format!("can't {action} {key} in {place}: {error}"))
    }
}

#[pymethods]
impl ChunkStore {
    #[staticmethod]
    #[pyo3(signature = (url, options = None))]
    fn open(py: Python<'_>, url: &str, options: Option<HashMap<String, String>>) -> PyResult<Self> {
        let options: Vec<_> = options.unwrap_or_default().into_iter().collect();
        let prefix = py
            .detach(|| ObjectChunkStore::open(url, &options))
            .map_err(|error| to_python(py, error))?;
        Ok(ChunkStore {
            prefix,
            python: false,
        })
    }

    #[staticmethod]
    fn directory(path: PathBuf) -> Self {
        ChunkStore {
            prefix: ChunkPrefix::new(DirectoryStore::new(path), ""),
            python: false,
        }
    }

    #[staticmethod]
    #[pyo3(signature = (object, /, *, location = "a store"))]
    fn of(py: Python<'_>, object: Py<PyAny>, location: &str) -> PyResult<Self> {
        calls::watch(py)?;
        let store = PythonStore {
            object,
            location: location.to_owned(),
        };
        Ok(ChunkStore {
            prefix: ChunkPrefix::new(store, ""),
            python: true,
        })
    }

    fn put(&self, py: Python<'_>, key: &str, data: &[u8]) -> PyResult<bool> {
        let (name, body) = (self.join(key), Bytes::copy_from_slice(data));
        py.detach(|| once::put(&*self.prefix.store, &name, body, once::PATIENCE))
            .map(|put| put == Put::Stored)
            .map_err(|error| self.failed("put", key, &error))
    }

    fn get<'py>(&self, py: Python<'py>, key: &str) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let name = self.join(key);
        let body = py
            .detach(|| once::get(&*self.prefix.store, &name, MAX_CHUNK, once::PATIENCE))
            .map_err(|error| self.failed("get", key, &error))?;
        Ok(body.map(|body| PyBytes::new(py, &body)))
    }

    fn remove(&self, py: Python<'_>, key: &str) -> PyResult<()> {
        let name = self.join(key);
        py.detach(|| once::remove(&*self.prefix.store, &name, once::PATIENCE))
            .map_err(|error| self.failed("remove", key, &error))
    }

    fn remove_chunks(&self, py: Python<'_>, prefix: &str, count: u64) -> PyResult<()> {
        let chunks = self.below(prefix);
        py.detach(|| once::remove_chunks(&chunks, count, once::PATIENCE))
            .map_err(|error| self.failed("remove the chunks of", prefix, &error))
    }

    fn __repr__(&self) -> String {
        format!("<ChunkStore {}>", self.below(""))
    }
}

/// A store that is a Python object: its `put`, `get` and, if it has one, `remove`.
struct PythonStore {
    object: Py<PyAny>,
    location: String,
}

impl fmt::Debug for PythonStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PythonStore")
    }
}

impl PythonStore {
    /// Calls Python, unless the interpreter is on its way out. `not_found`: what it means where the
    /// answer is 404.
    fn call<T>(
        &self,
        not_found: Retry,
        ask: impl for<'py> FnOnce(&Bound<'py, PyAny>) -> PyResult<T>,
    ) -> Result<T, StoreError> {
        let answer = calls::call(|py| {
            ask(self.object.bind(py)).map_err(|error| StoreError {
                retry: retry(error.value(py), not_found),
                reason: error.to_string(),
            })
        });
        answer.unwrap_or_else(|| {
            Err(StoreError {
                retry: Retry::Never,
                reason: "the interpreter has ended".into(),
            })
        })
    }
}

/// Whether it is worth to ask again after an exception: what its HTTP status says, where it has one,
/// or what kind of `OSError` it is.
fn retry(error: &Bound<'_, PyAny>, not_found: Retry) -> Retry {
    match status(error) {
        Some(429 | 503) => Retry::Slower,
        Some(401 | 403) => Retry::Mended,
        Some(404) => not_found,
        // One that took too long is a 400 on S3.
        Some(400) if !error.to_string().contains("RequestTimeout") => Retry::Mended,
        Some(_) => Retry::Soon,
        None if error.is_instance_of::<PyOSError>() => {
            let error = PyErr::from_value(error.clone());
            StoreError::from(io::Error::from(error)).retry
        }
        None => Retry::Soon,
    }
}

/// The HTTP status that an exception of a client tells of: by `response` in botocore and requests, by
/// `status_code` in those of Azure, by `code` in those of Google.
fn status(error: &Bound<'_, PyAny>) -> Option<u16> {
    let attribute = |of: &Bound<'_, PyAny>, name: &str| of.getattr(name).ok()?.extract().ok();
    let response = error.getattr("response").ok();
    let botocore = response.as_ref().and_then(|response| {
        let metadata = response.get_item("ResponseMetadata").ok()?;
        metadata.get_item("HTTPStatusCode").ok()?.extract().ok()
    });
    let response = response.as_ref();
    botocore
        .or_else(|| response.and_then(|response| attribute(response, "status_code")))
        .or_else(|| attribute(error, "status_code"))
        .or_else(|| attribute(error, "code"))
}

impl Store for PythonStore {
    fn put<'a>(&'a self, key: &'a str, body: Bytes) -> Request<'a, Put> {
        Box::pin(async move {
            self.call(Retry::Mended, |object| {
                let py = object.py();
                let body = PyBytes::new(py, &body);
                let put = object.call_method1(intern!(py, "put"), (key, body))?;
                // Nothing at all is a success, too.
                match put.is_none() || put.is_truthy()? {
                    true => Ok(Put::Stored),
                    false => Ok(Put::Taken),
                }
            })
        })
    }

    fn get<'a>(&'a self, key: &'a str, limit: u64) -> Request<'a, Option<Bytes>> {
        Box::pin(async move {
            let body = self.call(Retry::Soon, |object| {
                let py = object.py();
                let found = object.call_method1(intern!(py, "get"), (key,))?;
                let body: Option<Bound<'_, PyBytes>> = found.extract()?;
                Ok(body.map(|body| Bytes::copy_from_slice(body.as_bytes())))
            })?;
            match body {
                Some(body) if body.len() as u64 > limit => {
                    Err(StoreError::too_large(body.len() as u64, limit))
                }
                body => Ok(body),
            }
        })
    }

    fn remove<'a>(&'a self, key: &'a str) -> Request<'a, ()> {
        Box::pin(async move {
            self.call(Retry::Soon, |object| {
                let py = object.py();
                if let Some(remove) = object.getattr_opt(intern!(py, "remove"))? {
                    remove.call1((key,))?;
                }
                Ok(())
            })
        })
    }

    fn location(&self) -> String {
        self.location.clone()
    }
}

/// The readers that have something to do, for one thread that serves many.
#[pyclass(frozen, module = "ironpipe")]
#[derive(Default)]
pub struct Ready(Arc<Calls>);

#[derive(Default)]
struct Calls {
    keys: Mutex<BTreeSet<u64>>,
    waker: Waker,
}

impl Calls {
    fn call(&self, key: u64) {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.insert(key);
        drop(keys);
        self.waker.wake();
    }

    fn take(&self) -> Vec<u64> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *keys).into_iter().collect()
    }
}

#[pymethods]
impl Ready {
    #[new]
    fn new() -> Self {
        Ready::default()
    }

    #[pyo3(signature = (timeout = None))]
    fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Vec<u64>> {
        let deadline = Instant::now() + seconds(timeout.unwrap_or(1e9).max(0.0))?;
        loop {
            let keys = self.0.take();
            let left = deadline.saturating_duration_since(Instant::now());
            if !keys.is_empty() || left.is_zero() {
                return Ok(keys);
            }
            let slice = left.min(Duration::from_secs(1));
            if py.detach(|| self.0.waker.sleep(slice)) != Wake::Changed {
                py.check_signals()?;
            }
        }
    }
}

/// A time in seconds. For ever is a hundred years: more can't be added to a clock.
pub fn seconds(time: f64) -> PyResult<Duration> {
    const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 86_400);
    let time = Duration::try_from_secs_f64(time.min(FOR_EVER.as_secs_f64()));
    time.map_err(|error| PyOverflowError::new_err(error.to_string()))
}

#[pyfunction]
#[pyo3(signature = (
    store,
    prefix = "",
    *,
    until_closed = true,
    max_line = MAX_LINE,
    max_chunk = MAX_CHUNK,
    quiet = 1.5,
    drain = 3.0,
    patience = 60.0,
    ready = None,
    key = 0,
))]
#[allow(clippy::too_many_arguments)] // Keywords, on the Python side.
fn tail_chunks(
    store: &ChunkStore,
    prefix: &str,
    until_closed: bool,
    max_line: usize,
    max_chunk: u64,
    quiet: f64,
    drain: f64,
    patience: f64,
    ready: Option<Bound<'_, Ready>>,
    key: u64,
) -> PyResult<MessageReader> {
    let options = TailOptions {
        max_line,
        until_closed,
    };
    let feed = FeedOptions {
        quiet: seconds(quiet)?,
        drain: seconds(drain)?,
        patience: seconds(patience)?,
        max_chunk,
        ..FeedOptions::default()
    };
    let calls = ready.map(|ready| ready.get().0.clone());
    let call = move || {
        if let Some(calls) = &calls {
            calls.call(key);
        }
    };
    let reader = Reader::tail_chunks(store.below(prefix), options, feed, call);
    Ok(MessageReader::new(reader?))
}
