//! Reading messages from Python: every wait releases the interpreter and ends on a signal.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use ironpipe::fork::generation;
use ironpipe::framing::MAX_LINE;
use ironpipe::protocol::envelope::Method;
use ironpipe::reader::{MessageReader as Reader, ReaderHandle, Step, TailOptions};
use pyo3::exceptions::{PyOverflowError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::PyDict;

use crate::batch::{Batch, Kept};
use crate::error::to_python;
use crate::messages::{params_dict, wrap};
use crate::report::DeliveryReport;

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<MessageReader>()?;
    module.add_class::<ParamsIterator>()?;
    module.add_function(wrap_pyfunction!(read_messages, module)?)?;
    module.add_function(wrap_pyfunction!(tail_messages, module)?)
}

#[pyfunction]
#[pyo3(signature = (path, *, max_line = MAX_LINE))]
fn read_messages(py: Python<'_>, path: PathBuf, max_line: usize) -> PyResult<MessageReader> {
    let opened = py.detach(|| Reader::read(path, max_line));
    opened
        .map(MessageReader::new)
        .map_err(|error| to_python(py, error))
}

#[pyfunction]
#[pyo3(signature = (path, *, until_closed = true, max_line = MAX_LINE))]
fn tail_messages(
    py: Python<'_>,
    path: PathBuf,
    until_closed: bool,
    max_line: usize,
) -> PyResult<MessageReader> {
    let options = TailOptions {
        max_line,
        until_closed,
    };
    let opened = py.detach(|| Reader::tail(path, options));
    opened
        .map(MessageReader::new)
        .map_err(|error| to_python(py, error))
}

#[pyclass(frozen, module = "ironpipe")]
pub struct MessageReader {
    /// None once it is closed. Held while waiting, with the interpreter released: take it only
    /// through `lock`.
    reader: Mutex<Option<Reader>>,
    handle: ReaderHandle,
    /// Set before it is closed, so that who reads meanwhile stops.
    closing: AtomicBool,
    /// The process of the wait that began last, as [`generation`] tells one from its children.
    waits_in: AtomicU64,
}

impl MessageReader {
    pub fn new(reader: Reader) -> Self {
        MessageReader {
            handle: reader.handle(),
            reader: Mutex::new(Some(reader)),
            closing: AtomicBool::new(false),
            waits_in: AtomicU64::new(0),
        }
    }

    #[inline(always)]
    fn lock(&self, py: Python<'_>) -> PyResult<MutexGuard<'_, Option<Reader>>> {
        match self.reader.try_lock() {
            Ok(guard) => Ok(guard),
            Err(TryLockError::Poisoned(poisoned)) => Ok(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => self.lock_held_by_another(py),
        }
    }

    #[cold]
    fn lock_held_by_another(&self, py: Python<'_>) -> PyResult<MutexGuard<'_, Option<Reader>>> {
        if self.waits_in.load(SeqCst) != generation() {
            // It would never be given back.
            return Err(PyRuntimeError::new_err(
                "a thread of the parent was reading when this process was forked; \
                 open a reader of its own here",
            ));
        }
        let locked = self.reader.lock_py_attached(py);
        Ok(locked.unwrap_or_else(PoisonError::into_inner))
    }

    /// What `use_message` makes of the next message; none at the end or once the time is up.
    #[inline]
    fn next_with<T>(
        &self,
        py: Python<'_>,
        deadline: Option<Instant>,
        mut use_message: impl FnMut(&mut Reader) -> Option<T>,
    ) -> PyResult<Option<T>> {
        loop {
            let mut guard = self.lock(py)?;
            let Some(reader) = guard.as_mut().filter(|_| !self.closing.load(SeqCst)) else {
                return Err(PyValueError::new_err("the message reader is closed"));
            };
            if let Some(message) = use_message(reader) {
                return Ok(Some(message));
            }
            // A signal that comes just before the wait does not end it.
            let soon = Instant::now() + SIGNALS_AT_LEAST;
            let until = deadline.map_or(soon, |deadline| deadline.min(soon));
            self.waits_in.store(generation(), SeqCst);
            let step = py.detach(|| reader.advance(Some(until)));
            drop(guard);
            match step.map_err(|error| to_python(py, error))? {
                Step::Ready => {}
                Step::Ended => return Ok(None),
                Step::TimedOut if deadline == Some(until) => return Ok(None),
                Step::TimedOut | Step::Interrupted => py.check_signals()?,
            }
        }
    }
}

impl MessageReader {
    /// What an iterator gives next: `use_message` says what becomes of a message.
    #[inline(always)]
    fn iterate<T>(
        &self,
        py: Python<'_>,
        mut use_message: impl FnMut(&mut Reader) -> Option<PyResult<T>>,
    ) -> PyResult<Option<T>> {
        // Most often nobody else has it and there is one.
        if let Ok(mut guard) = self.reader.try_lock()
            && let Some(reader) = guard.as_mut()
            && let Some(next) = use_message(reader)
        {
            return next.map(Some);
        }
        match self.next_with(py, None, use_message) {
            // Who iterates while another closes is at the end.
            Err(error) if self.closing.load(SeqCst) && error.is_instance_of::<PyValueError>(py) => {
                Ok(None)
            }
            next => next?.transpose(),
        }
    }
}

/// How often a wait looks whether a signal has arrived unnoticed.
const SIGNALS_AT_LEAST: Duration = Duration::from_secs(1);

/// When a time-out in seconds is over; none if it never is.
fn deadline(timeout: Option<f64>) -> PyResult<Option<Instant>> {
    let Some(seconds) = timeout else {
        return Ok(None);
    };
    let time = Duration::try_from_secs_f64(seconds.max(0.0))
        .map_err(|_| PyOverflowError::new_err(format!("timeout: {seconds} is no time to wait")))?;
    Ok(Instant::now().checked_add(time))
}

#[pymethods]
impl MessageReader {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.iterate(py, |reader| reader.take().map(|message| wrap(py, message)))
    }

    #[pyo3(signature = (timeout = None))]
    fn next<'py>(
        &self,
        py: Python<'py>,
        timeout: Option<f64>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let next = |reader: &mut Reader| reader.take().map(|message| wrap(py, message));
        self.next_with(py, deadline(timeout)?, next)?.transpose()
    }

    #[pyo3(signature = (max = 10_000, timeout = None))]
    fn next_batch(&self, py: Python<'_>, max: usize, timeout: Option<f64>) -> PyResult<Batch> {
        let mut messages = Vec::new();
        let mut until = deadline(timeout)?;
        while messages.len() < max {
            let taken = self.next_with(py, until, |reader| {
                let before = messages.len();
                while messages.len() < max {
                    let Some(message) = reader.take() else { break };
                    messages.push(Kept::Message(message.to_owned()));
                }
                (messages.len() > before).then_some(())
            });
            match taken {
                Ok(Some(())) => {}
                Ok(None) => break,
                // It comes again at the next call; what there is must not go with it.
                Err(_) if !messages.is_empty() => break,
                Err(error) => return Err(error),
            }
            // What has arrived comes along; nothing more is waited for.
            until = Some(Instant::now());
        }
        Ok(Batch::new(messages))
    }

    #[pyo3(signature = (method = None))]
    fn params(slf: Bound<'_, Self>, method: Option<&str>) -> PyResult<ParamsIterator> {
        let only = method.map(|name| {
            Method::from_name(name.as_bytes()).ok_or_else(|| {
                let known = Method::ALL.map(Method::as_str).join("`, `");
                PyValueError::new_err(format!("unknown method `{name}`; there are `{known}`"))
            })
        });
        Ok(ParamsIterator {
            only: only.transpose()?,
            reader: slf.unbind(),
        })
    }

    #[getter]
    fn ended(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self.lock(py)?.as_ref().is_none_or(Reader::is_ended))
    }

    #[getter]
    pub fn report(&self) -> DeliveryReport {
        DeliveryReport(self.handle.report())
    }

    pub fn finish(&self) {
        self.handle.finish();
    }

    pub fn close(&self, py: Python<'_>) -> PyResult<()> {
        // A wait in another thread ends first.
        self.closing.store(true, SeqCst);
        self.handle.finish();
        *self.lock(py)? = None;
        Ok(())
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

/// The params of messages as dicts, with no object for the message around them.
#[pyclass(frozen, module = "ironpipe")]
pub struct ParamsIterator {
    reader: Py<MessageReader>,
    /// The one method whose messages are wanted; the others are passed over.
    only: Option<Method>,
}

#[pymethods]
impl ParamsIterator {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        self.reader.get().iterate(py, |reader| {
            loop {
                let message = reader.take()?;
                if self.only.is_none_or(|only| only == message.method()) {
                    return Some(params_dict(py, message));
                }
            }
        })
    }
}
