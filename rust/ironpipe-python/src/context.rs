//! The session of an external process, for `ironpipe._context`: the rules are the engine's, the
//! types of arguments are checked here, with the texts of the official client.

use std::cell::Cell;
use std::io;
use std::path::Path;
use std::sync::Arc;

use ironpipe::Error;
use ironpipe::channel::MessageChannel;
use ironpipe::protocol::bootstrap::Stdio;
use ironpipe::protocol::context::ContextData;
use ironpipe::protocol::envelope::{Method, PIPES_PROTOCOL_VERSION, PIPES_PROTOCOL_VERSION_FIELD};
use ironpipe::protocol::level::Level;
use ironpipe::protocol::metadata::EncodedMetadata;
use ironpipe::session::external::PipesContext;
use ironpipe::writer::MessageWriter;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyString};

use crate::channel::Channel;
use crate::encode::encode;
use crate::error::{pipes_error, to_python, wrong_type};
use crate::fork;
use crate::metadata::Metadata;

/// How deep a param stands in its line.
const PARAM: usize = 2;

const MATERIALIZE: &str = "report_asset_materialization";
const CHECK: &str = "report_asset_check";
const STREAM: &str = "log_external_stream";

/// How large a buffer is kept for the next message, in bytes.
const KEPT: usize = 1 << 16;

thread_local! {
    /// The buffer of the last message that this thread has sent.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

#[pyclass(frozen, module = "ironpipe._ironpipe")]
pub struct Context {
    engine: PipesContext,
    sink: Sink,
}

/// Where messages go.
enum Sink {
    /// To a file of the engine, which writes by itself.
    Engine(Py<Channel>),
    /// To an object of the user's, which is handed each message once the engine has agreed to it.
    /// The engine's own channel leads nowhere.
    Python {
        channel: Py<PyAny>,
        /// Whether it is handed what is not JSON, too: it may have a way of its own to write it.
        any_value: bool,
    },
}

/// The channel that leads nowhere.
struct Nowhere;

impl MessageChannel for Nowhere {
    fn write_line(&mut self, _line: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn name(&self) -> &Path {
        Path::new("nowhere")
    }
}

impl Drop for Context {
    /// An object of Python may go at any time, for example while the interpreter shuts down after
    /// an error: that is no orderly end, and must not be told as one.
    fn drop(&mut self) {
        std::mem::replace(&mut self.engine, PipesContext::inactive()).abandon();
    }
}

impl Context {
    /// Has the engine check a message and write it, and hands it to the user's channel where there
    /// is one.
    fn send<'py>(
        &self,
        py: Python<'py>,
        method: Method,
        write: impl FnOnce(&PipesContext) -> ironpipe::Result<()> + Send,
        params: impl FnOnce(&Bound<'py, PyDict>) -> PyResult<()>,
    ) -> PyResult<()> {
        self.write(py, write)?;
        self.hand_over(py, method, params)
    }

    /// Waits for nothing while it holds the interpreter.
    fn write(
        &self,
        py: Python<'_>,
        write: impl FnOnce(&PipesContext) -> ironpipe::Result<()> + Send,
    ) -> PyResult<()> {
        if let Sink::Engine(channel) = &self.sink {
            channel.get().drain(py)?;
        }
        py.detach(|| {
            let _whole = fork::hold_off();
            write(&self.engine)
        })
        .map_err(|error| to_python(py, error))
    }

    /// Hands a message that the engine has agreed to to the user's channel, where there is one.
    fn hand_over<'py>(
        &self,
        py: Python<'py>,
        method: Method,
        params: impl FnOnce(&Bound<'py, PyDict>) -> PyResult<()>,
    ) -> PyResult<()> {
        let Sink::Python { channel, .. } = &self.sink else {
            return Ok(());
        };
        let dict = PyDict::new(py);
        params(&dict)?;
        hand_over(channel.bind(py), method, dict)
    }

    /// The JSON text of a param. None where it has none but the user's channel may have a way of
    /// its own to write it.
    fn json(&self, value: &Bound<'_, PyAny>, name: &str) -> PyResult<Option<Vec<u8>>> {
        let mut json = SPARE.take();
        json.clear();
        json.reserve(256);
        match encode(value, PARAM, &mut json) {
            Ok(_) => Ok(Some(json)),
            Err(_) if self.takes_any_value() => Ok(None),
            Err(refusal) => Err(refusal.into_error(value.py(), name)),
        }
    }

    fn metadata<'py>(
        &self,
        value: &Bound<'py, PyAny>,
        method: &str,
    ) -> PyResult<Option<Metadata<'py>>> {
        let keep = matches!(self.sink, Sink::Python { .. });
        Metadata::take(value, method, keep, self.takes_any_value())
    }

    fn takes_any_value(&self) -> bool {
        let Sink::Python { any_value, .. } = self.sink else {
            return false;
        };
        any_value
    }
}

/// Hands a message to a channel of the user's, in the form of the official client.
fn hand_over(
    channel: &Bound<'_, PyAny>,
    method: Method,
    params: Bound<'_, PyDict>,
) -> PyResult<()> {
    let py = channel.py();
    let message = PyDict::new(py);
    message.set_item(
        intern!(py, PIPES_PROTOCOL_VERSION_FIELD),
        intern!(py, PIPES_PROTOCOL_VERSION),
    )?;
    message.set_item(intern!(py, "method"), method.as_str())?;
    message.set_item(intern!(py, "params"), params)?;
    channel.call_method1(intern!(py, "write_message"), (message,))?;
    Ok(())
}

#[pymethods]
impl Context {
    #[new]
    fn new(data: &Bound<'_, PyAny>, channel: &Bound<'_, PyAny>) -> PyResult<Self> {
        let context = context_data(data)?;
        let (writer, sink) = match channel.cast::<Channel>() {
            Ok(channel) => (
                channel.get().writer(),
                Sink::Engine(channel.clone().unbind()),
            ),
            Err(_) => (
                Arc::new(MessageWriter::new(Nowhere)),
                Sink::Python {
                    channel: channel.clone().unbind(),
                    // One that uploads messages later has nobody left to tell that it can't.
                    any_value: !channel.hasattr(intern!(channel.py(), "upload_messages_chunk"))?,
                },
            ),
        };
        Ok(Context {
            engine: PipesContext::new(context, writer),
            sink,
        })
    }

    #[getter]
    fn is_closed(&self, py: Python<'_>) -> bool {
        py.detach(|| {
            let _whole = fork::hold_off();
            self.engine.is_closed()
        })
    }

    #[pyo3(signature = (accessor, /))]
    fn check_access(&self, py: Python<'_>, accessor: &str) -> PyResult<()> {
        let context = self.engine.context();
        context
            .and_then(|context| context.check_access(accessor))
            .map_err(|error| to_python(py, error))
    }

    #[pyo3(signature = (key, /))]
    fn check_extra(&self, py: Python<'_>, key: &str) -> PyResult<()> {
        let extra = self.engine.get_extra(key);
        extra.map(drop).map_err(|error| to_python(py, error))
    }

    #[pyo3(signature = (payload, /))]
    fn opened(&self, payload: &Bound<'_, PyAny>) -> PyResult<()> {
        let json = self.json(payload, "opened")?;
        let json = json.as_deref().unwrap_or(b"{}");
        self.send(
            payload.py(),
            Method::Opened,
            |engine| engine.opened_json(json),
            |params| params.update(payload.cast()?),
        )
    }

    #[pyo3(signature = (level, message, /))]
    fn log(&self, level: i64, message: &Bound<'_, PyString>) -> PyResult<()> {
        let py = message.py();
        let level = Level::from_number(level);
        let params = |params: &Bound<'_, PyDict>| {
            params.set_item(intern!(py, "message"), message)?;
            params.set_item(intern!(py, "level"), level.as_str())
        };
        match message.to_str() {
            Ok(text) => self.send(py, Method::Log, |engine| engine.log(level, text), params),
            // It has lone surrogates, for which only JSON has a form.
            Err(_) => {
                let json = self.json(message, "message")?.unwrap_or_default();
                let write = |engine: &PipesContext| engine.log_json(level, &json);
                self.send(py, Method::Log, write, params)
            }
        }
    }

    #[pyo3(signature = (metadata, data_version, asset_key, /))]
    fn report_asset_materialization(
        &self,
        metadata: &Bound<'_, PyAny>,
        data_version: &Bound<'_, PyAny>,
        asset_key: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let py = metadata.py();
        let key = optional_text(asset_key, MATERIALIZE, "asset_key")?;
        let metadata = self.metadata(metadata, MATERIALIZE)?;
        let version = optional_text(data_version, MATERIALIZE, "data_version")?;
        let none = EncodedMetadata::default();
        let json = metadata.as_ref().map_or(&none, Metadata::encoded);
        self.write(py, |engine| {
            engine.report_asset_materialization_encoded(key, version, json)
        })?;
        let handed = self.hand_over(py, Method::ReportAssetMaterialization, |params| {
            let resolved = self.resolve(py, key, MATERIALIZE)?;
            params.set_item(intern!(py, "asset_key"), resolved)?;
            params.set_item(intern!(py, "data_version"), version)?;
            let dict = metadata.as_ref().map(|metadata| metadata.dict(py));
            params.set_item(intern!(py, "metadata"), dict.transpose()?)
        });
        if handed.is_err() {
            self.engine.unreport(key);
        }
        handed
    }

    #[pyo3(signature = (check_name, passed, severity, metadata, asset_key, /))]
    fn report_asset_check(
        &self,
        check_name: &Bound<'_, PyAny>,
        passed: &Bound<'_, PyAny>,
        severity: &Bound<'_, PyAny>,
        metadata: &Bound<'_, PyAny>,
        asset_key: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let py = metadata.py();
        let key = optional_text(asset_key, CHECK, "asset_key")?;
        let name = text(check_name, CHECK, "check_name")?;
        let Ok(flag) = passed.cast_exact::<PyBool>() else {
            return Err(wrong_type(passed, CHECK, "passed", "<class 'bool'>"));
        };
        let flag = flag.is_true();
        let metadata = self.metadata(metadata, CHECK)?;
        let severity = text(severity, CHECK, "severity")?;
        let none = EncodedMetadata::default();
        let json = metadata.as_ref().map_or(&none, Metadata::encoded);
        self.send(
            py,
            Method::ReportAssetCheck,
            |engine| engine.report_asset_check_encoded(key, name, flag, severity, json),
            |params| {
                params.set_item(intern!(py, "asset_key"), self.resolve(py, key, CHECK)?)?;
                params.set_item(intern!(py, "check_name"), name)?;
                params.set_item(intern!(py, "passed"), flag)?;
                let dict = metadata.as_ref().map(|metadata| metadata.dict(py));
                params.set_item(intern!(py, "metadata"), dict.transpose()?)?;
                params.set_item(intern!(py, "severity"), severity)
            },
        )
    }

    #[pyo3(signature = (payload, /))]
    fn report_custom_message(&self, payload: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = payload.py();
        let json = self.json(payload, "payload")?;
        let text = json.as_deref().unwrap_or(b"null");
        self.send(
            py,
            Method::ReportCustomMessage,
            |engine| engine.report_custom_message_encoded(text),
            |params| params.set_item(intern!(py, "payload"), payload),
        )?;
        SPARE.set(
            json.filter(|json| json.capacity() <= KEPT)
                .unwrap_or_default(),
        );
        Ok(())
    }

    #[pyo3(signature = (stream, text, extras, /))]
    fn log_external_stream(
        &self,
        stream: &Bound<'_, PyAny>,
        text: &Bound<'_, PyAny>,
        extras: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let py = text.py();
        let stream = string(stream, STREAM, "stream")?.to_str()?;
        let Some(known) = Stdio::from_name(stream) else {
            let message = format!(
                "Invalid value for parameter `stream` of `{STREAM}`. Expected one of \
                 `['stdout', 'stderr']`, got `{stream}`."
            );
            return Err(pipes_error(py, message));
        };
        let text = string(text, STREAM, "text")?;
        let json = self.json(text, "text")?.unwrap_or_default();
        let has_extras = extras.is_truthy()?;
        let more = match has_extras {
            true => self.json(extras, "extras")?,
            false => None,
        };
        self.send(
            py,
            Method::LogExternalStream,
            |engine| engine.log_external_stream_json(known, &json, more.as_deref()),
            |params| {
                params.set_item(intern!(py, "stream"), stream)?;
                params.set_item(intern!(py, "text"), text)?;
                match has_extras {
                    true => params.set_item(intern!(py, "extras"), extras),
                    false => params.set_item(intern!(py, "extras"), PyDict::new(py)),
                }
            },
        )
    }

    #[pyo3(signature = (exception, /))]
    fn close(&self, exception: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = exception.py();
        if self.is_closed(py) {
            return Ok(());
        }
        let failed = exception.is_truthy()?;
        let json = match failed {
            true => self.json(exception, "exc")?,
            false => None,
        };
        // Captured output comes before the end; if it can't be sent, the end still is.
        let captured = match &self.sink {
            Sink::Engine(channel) => channel.get().stop_capture(py),
            Sink::Python { .. } => Ok(()),
        };
        self.send(
            py,
            Method::Closed,
            |engine| engine.close_json(json.as_deref()),
            |params| match failed {
                true => params.set_item(intern!(py, "exception"), exception),
                false => Ok(()),
            },
        )?;
        captured
    }
}

impl Context {
    /// The asset that a report is about, which the engine has agreed to.
    fn resolve(&self, py: Python<'_>, key: Option<&str>, method: &str) -> PyResult<String> {
        let context = self.engine.context();
        context
            .and_then(|context| context.resolve_asset_key(key, method))
            .map_err(|error| to_python(py, error))
    }
}

/// The context for the engine: its known keys, of the extras only the names. What else the user's
/// loader has put there need not be JSON.
fn context_data(data: &Bound<'_, PyAny>) -> PyResult<ContextData> {
    const KEYS: [&str; 9] = [
        "asset_keys",
        "code_version_by_asset_key",
        "provenance_by_asset_key",
        "partition_key",
        "partition_key_range",
        "partition_time_window",
        "run_id",
        "job_name",
        "retry_number",
    ];
    let py = data.py();
    let refuse = |reason: String| {
        let location = "the context loader".to_owned();
        to_python(py, Error::Context { location, reason })
    };
    if !data.hasattr(intern!(py, "keys"))? {
        let kind = data.get_type().name()?;
        return Err(refuse(format!("it must be an object, not {kind}")));
    }
    let known = PyDict::new(py);
    for key in KEYS {
        if data.contains(key)? {
            known.set_item(key, data.get_item(key)?)?;
        }
    }
    let extras = intern!(py, "extras");
    if data.contains(extras)? {
        let given = data.get_item(extras)?;
        let names = match given.hasattr(intern!(py, "keys"))? {
            true => py
                .get_type::<PyDict>()
                .call_method1(intern!(py, "fromkeys"), (given,))?,
            false => given,
        };
        known.set_item(extras, names)?;
    }
    let mut json = Vec::new();
    encode(&known, 0, &mut json).map_err(|refusal| refusal.into_error(py, "context"))?;
    ContextData::parse(&json).map_err(refuse)
}

/// An argument that must be a string, which may hold lone surrogates.
fn string<'a, 'py>(
    value: &'a Bound<'py, PyAny>,
    method: &str,
    name: &str,
) -> PyResult<&'a Bound<'py, PyString>> {
    let text = value.cast();
    text.map_err(|_| wrong_type(value, method, name, "<class 'str'>"))
}

/// An argument that must be a string.
fn text<'a>(value: &'a Bound<'_, PyAny>, method: &str, name: &str) -> PyResult<&'a str> {
    string(value, method, name)?.to_str()
}

/// An argument that must be a string or None.
fn optional_text<'a>(
    value: &'a Bound<'_, PyAny>,
    method: &str,
    name: &str,
) -> PyResult<Option<&'a str>> {
    if value.is_none() {
        return Ok(None);
    }
    match value.cast::<PyString>() {
        Ok(text) => text.to_str().map(Some),
        Err(_) => Err(wrong_type(value, method, name, "Optional[<class 'str'>]")),
    }
}

/// Adds the class of this file to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Context>()
}
