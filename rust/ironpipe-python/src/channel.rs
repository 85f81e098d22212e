//! The channels of the engine, as Python's own message channels use them.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ironpipe::Error;
use ironpipe::channel::chunks::{ChunkChannel, UploadOptions, Uploads, Work};
use ironpipe::channel::{FileChannel, MessageChannel};
use ironpipe::fork::generation;
use ironpipe::protocol::bootstrap::Stdio;
use ironpipe::protocol::decode::decode;
use ironpipe::protocol::envelope::Method;
use ironpipe::protocol::message::{ExternalStream, Message};
use ironpipe::session::stdio::StdioCapture;
use ironpipe::writer::MessageWriter;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::{PyCFunction, PyDict, PyMapping, PyTuple};

use crate::calls;
use crate::chunks::{ChunkStore, seconds};
use crate::encode::encode;
use crate::error::{pipes_error, to_python};
use crate::fork;

/// A file that messages are appended to, and the streams that are captured for it.
#[pyclass(frozen, module = "ironpipe._ironpipe")]
pub struct Channel {
    writer: Arc<MessageWriter>,
    captures: Mutex<Vec<StdioCapture>>,
    /// Whether there are captures, and in which process.
    capturing: AtomicBool,
    process: u64,
    /// What is on its way, where messages go in chunks.
    uploads: Option<Uploads>,
}

impl Channel {
    fn over(channel: impl MessageChannel + 'static, uploads: Option<Uploads>) -> Channel {
        Channel {
            writer: Arc::new(MessageWriter::new(channel)),
            captures: Mutex::default(),
            capturing: AtomicBool::new(false),
            process: generation(),
            uploads,
        }
    }

    /// What numbers and writes.
    pub fn writer(&self) -> Arc<MessageWriter> {
        Arc::clone(&self.writer)
    }

    /// Sends what was captured so far, so that it stands before what is sent next.
    #[inline]
    pub fn drain(&self, py: Python<'_>) -> PyResult<()> {
        if !self.capturing.load(Relaxed) || self.is_forked() {
            return Ok(());
        }
        flush(py, "flush")?;
        let captures = self.lock(py);
        py.detach(|| captures.iter().for_each(StdioCapture::drain));
        Ok(())
    }

    /// Whether this is a child of the process that captures, to which the captures do not belong.
    /// Their lock may have been taken by a thread that the child does not have.
    fn is_forked(&self) -> bool {
        self.process != generation()
    }

    fn lock(&self, py: Python<'_>) -> MutexGuard<'_, Vec<StdioCapture>> {
        self.captures
            .lock_py_attached(py)
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Channel {
    #[new]
    fn new(py: Python<'_>, path: &str) -> PyResult<Self> {
        let channel = py
            .detach(|| FileChannel::open(path))
            .map_err(|error| to_python(py, error))?;
        Ok(Channel::over(channel, None))
    }

    #[staticmethod]
    #[pyo3(signature = (store, prefix = "", *, interval = 0.5, patience = 60.0))]
    fn chunks(store: &ChunkStore, prefix: &str, interval: f64, patience: f64) -> PyResult<Self> {
        let options = UploadOptions {
            interval: seconds(interval)?,
            patience: seconds(patience)?,
            ..UploadOptions::default()
        };
        let prefix = store.below(prefix);
        // The end of the uploads is waited for in `close`, when nothing holds off a fork.
        let channel = match store.python {
            false => ChunkChannel::new(prefix, options),
            true => ChunkChannel::on(prefix, options, on_a_thread_of_python),
        }
        .deferred();
        let uploads = channel.uploads();
        Ok(Channel::over(channel, Some(uploads)))
    }

    /// Whether messages of this very process are lost if it ends without closing.
    #[getter]
    fn holds_back(&self) -> bool {
        self.uploads.is_some() && self.writer.has_written()
    }

    #[pyo3(signature = (message, /))]
    fn write_message(&self, message: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = message.py();
        let (method, params) = checked(message)?;
        self.drain(py)?;
        py.detach(|| {
            let _whole = fork::hold_off();
            self.writer.write(method, &params)
        })
        .map_err(|error| to_python(py, error))
    }

    fn capture(&self, py: Python<'_>) -> PyResult<()> {
        flush(py, "flush_all")?;
        let mut captures = self.lock(py);
        self.capturing.store(true, Relaxed);
        for stream in [Stdio::Stdout, Stdio::Stderr] {
            let writer = self.writer();
            let sink = move |stream, text: &str| {
                let _whole = fork::hold_off();
                writer.write_message(&Message::ExternalStream(ExternalStream {
                    stream,
                    text: text.to_owned(),
                    extras: Vec::new(),
                }))
            };
            let capture = StdioCapture::start(stream, Box::new(sink));
            captures.push(capture.map_err(|error| to_python(py, error))?);
        }
        Ok(())
    }

    pub fn stop_capture(&self, py: Python<'_>) -> PyResult<()> {
        if !self.capturing.swap(false, Relaxed) {
            return Ok(());
        }
        let captures = match self.is_forked() {
            false => std::mem::take(&mut *self.lock(py)),
            true => match self.captures.try_lock() {
                Ok(mut captures) => std::mem::take(&mut *captures),
                Err(_) => return Ok(()),
            },
        };
        flush(py, "flush_all")?;
        let finish = |mut capture: StdioCapture| capture.finish();
        // All of them are turned back, whichever fails first.
        let ends: Vec<_> = py.detach(|| captures.into_iter().map(finish).collect());
        let end: ironpipe::Result<()> = ends.into_iter().collect();
        end.map_err(|error| to_python(py, error))
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let captured = self.stop_capture(py);
        if let Some(uploads) = &self.uploads {
            loop {
                let slice = Duration::from_millis(200);
                match py.detach(|| uploads.wait_at_most(slice)) {
                    Some(Ok(())) => break,
                    Some(Err(source)) => {
                        let path = uploads.name().to_owned();
                        let action = "deliver to";
                        let error = Error::Channel {
                            action,
                            path,
                            source,
                        };
                        return Err(to_python(py, error));
                    }
                    None => py.check_signals()?,
                }
            }
        }
        captured
    }
}

/// Starts work that calls Python on a thread that Python knows. A thread of the engine's asks it to,
/// since this may be called by one that has a lock and not the interpreter.
fn on_a_thread_of_python(work: Work) -> io::Result<()> {
    let start = move || {
        let work = Mutex::new(Some(work));
        let run = move |args: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| {
            let work = work.lock().unwrap_or_else(PoisonError::into_inner).take();
            args.py().detach(|| work.map(|work| work()));
        };
        calls::call(|py| -> PyResult<()> {
            let options = PyDict::new(py);
            options.set_item("target", PyCFunction::new_closure(py, None, None, run)?)?;
            options.set_item("name", "ironpipe-upload")?;
            options.set_item("daemon", true)?;
            let thread = py
                .import("threading")?
                .call_method("Thread", (), Some(&options))?;
            thread.call_method0("start").map(|_| ())
        })
    };
    let starter = std::thread::Builder::new().name("ironpipe-upload".into());
    starter.spawn(start).map(|_| ())
}

/// Empties what Python has buffered for stdout and stderr: `flush`; or the C library below it, too:
/// `flush_all`.
fn flush(py: Python<'_>, how: &str) -> PyResult<()> {
    py.import("ironpipe._stdio")?.call_method0(how)?;
    Ok(())
}

/// The method and the params of a message that Dagster takes: those of the envelope, mended as a
/// reader would mend them.
fn checked(message: &Bound<'_, PyAny>) -> PyResult<(Method, Vec<u8>)> {
    let py = message.py();
    let message = message.cast::<PyMapping>()?;
    let name = message.get_item(intern!(py, "method"))?;
    let params = message.get_item(intern!(py, "params"))?;

    let mut line = b"{\"method\":".to_vec();
    encode(&name, 1, &mut line).map_err(|refusal| refusal.into_error(py, "method"))?;
    line.extend_from_slice(b",\"params\":");
    encode(&params, 1, &mut line).map_err(|refusal| refusal.into_error(py, "params"))?;
    line.push(b'}');

    let decoded = decode(&line).map_err(|rejection| {
        let reason = rejection.reason;
        pipes_error(py, format!("Dagster would refuse this message: {reason}"))
    })?;
    Ok((decoded.method, decoded.params(&line).to_vec()))
}

/// Makes the lines of one writer, for a stream that Python writes to.
#[pyclass(frozen, module = "ironpipe._ironpipe")]
pub struct LineWriter {
    writer: MessageWriter,
    line: Line,
}

/// The line that was written last.
#[derive(Clone, Default)]
struct Line(Arc<Mutex<Vec<u8>>>);

impl MessageChannel for Line {
    fn write_line(&mut self, line: &[u8]) -> io::Result<()> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.clear();
        kept.extend_from_slice(line);
        Ok(())
    }

    fn name(&self) -> &Path {
        Path::new("stream")
    }
}

#[pymethods]
impl LineWriter {
    #[new]
    fn new() -> Self {
        let line = Line::default();
        LineWriter {
            writer: MessageWriter::new(line.clone()),
            line,
        }
    }

    #[pyo3(signature = (message, /))]
    fn line(&self, message: &Bound<'_, PyAny>) -> PyResult<String> {
        let py = message.py();
        let (method, params) = checked(message)?;
        // The interpreter is not released in between, so no other thread can take this line.
        self.writer
            .write(method, &params)
            .map_err(|error| to_python(py, error))?;
        let line = std::mem::take(&mut *self.line.0.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(ascii(&String::from_utf8_lossy(&line)))
    }
}

/// The same JSON text in ASCII. Outside of strings it is ASCII already.
fn ascii(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() {
            out.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            out.push_str(&format!("\\u{unit:04x}"));
        }
    }
    out
}

/// Adds the classes of this file to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Channel>()?;
    module.add_class::<LineWriter>()
}
