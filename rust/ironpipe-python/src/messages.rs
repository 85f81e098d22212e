//! The messages as Python sees them: frozen, cheap, and made to be matched.
//!
//! A log owns its two strings; any other message owns the bytes of its params and decodes them
//! when they are first asked for. None of the classes takes part in cycle collection: what they
//! own can't refer back to them.

use ironpipe::protocol::decode::WireText;
use ironpipe::protocol::envelope::{Method, Stamp};
use ironpipe::reader::{MessageRef, OwnedMessage};
use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyString, PyTuple};
use pyo3::{PyClass, PyClassInitializer};

use crate::encode;

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Message>()?;
    module.add_class::<Opened>()?;
    module.add_class::<Closed>()?;
    module.add_class::<Log>()?;
    module.add_class::<AssetMaterialization>()?;
    module.add_class::<AssetCheck>()?;
    module.add_class::<CustomMessage>()?;
    module.add_class::<ExternalStream>()
}

/// What all messages have in common.
#[pyclass(subclass, frozen, module = "ironpipe")]
pub struct Message {
    body: Body,
    stamp: Option<Stamp>,
}

enum Body {
    Log {
        message: Py<PyString>,
        /// None where the message names no level.
        level: Option<Py<PyString>>,
    },
    Params {
        method: Method,
        json: Py<PyBytes>,
        /// Whether orjson reads `json` as `json.loads` does.
        exact: bool,
        dict: PyOnceLock<Py<PyDict>>,
    },
}

/// The message as an object of its class.
#[inline]
pub fn wrap<'py>(py: Python<'py>, message: MessageRef<'_>) -> PyResult<Bound<'py, PyAny>> {
    let base = Message::new(py, message)?;
    match message.method() {
        Method::Log => object(py, base, Log),
        Method::Opened => object(py, base, Opened),
        Method::Closed => object(py, base, Closed),
        Method::ReportAssetMaterialization => object(py, base, AssetMaterialization),
        Method::ReportAssetCheck => object(py, base, AssetCheck),
        Method::ReportCustomMessage => object(py, base, CustomMessage),
        Method::LogExternalStream => object(py, base, ExternalStream),
    }
}

#[inline(always)]
fn object<'py, T>(py: Python<'py>, base: Message, class: T) -> PyResult<Bound<'py, PyAny>>
where
    T: PyClass<BaseType = Message>,
    PyClassInitializer<T>: From<(T, Message)>,
{
    Ok(Bound::new(py, (class, base))?.into_any())
}

/// The text of a string of the wire.
#[inline]
fn string<'py>(py: Python<'py>, text: WireText<'_>) -> PyResult<Bound<'py, PyString>> {
    if !text.escaped {
        return PyString::from_bytes(py, text.raw);
    }
    let mut unescaped = String::with_capacity(text.raw.len());
    if text.read(&mut unescaped) {
        return Ok(PyString::new(py, &unescaped));
    }
    // A lone surrogate: Python's strings can hold it, ours can't.
    let literal = [b"\"", text.raw, b"\""].concat();
    let value = json_loads(py, &PyBytes::new(py, &literal))?;
    Ok(value.cast_into::<PyString>()?)
}

#[inline]
fn level(py: Python<'_>, level: WireText<'_>) -> PyResult<Option<Py<PyString>>> {
    let known = match level.raw {
        b"INFO" => intern!(py, "INFO"),
        b"DEBUG" => intern!(py, "DEBUG"),
        b"WARNING" => intern!(py, "WARNING"),
        b"ERROR" => intern!(py, "ERROR"),
        b"CRITICAL" => intern!(py, "CRITICAL"),
        b"" => return Ok(None),
        _ => return Ok(Some(string(py, level)?.unbind())),
    };
    Ok(Some(known.clone().unbind()))
}

fn json_loads<'py>(py: Python<'py>, json: &Bound<'py, PyBytes>) -> PyResult<Bound<'py, PyAny>> {
    static LOADS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    LOADS.import(py, "json", "loads")?.call1((json,))
}

fn orjson_loads<'py>(py: Python<'py>, json: &Bound<'py, PyBytes>) -> PyResult<Bound<'py, PyAny>> {
    static LOADS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    LOADS.import(py, "orjson", "loads")?.call1((json,))
}

impl Message {
    #[inline]
    fn new(py: Python<'_>, message: MessageRef<'_>) -> PyResult<Message> {
        let body = match message.method() {
            Method::Log => Body::Log {
                message: string(py, message.text())?.unbind(),
                level: level(py, message.label())?,
            },
            method => Body::Params {
                method,
                json: PyBytes::new(py, message.params()).unbind(),
                exact: message.exact(),
                dict: PyOnceLock::new(),
            },
        };
        let stamp = message.stamp();
        Ok(Message { body, stamp })
    }

    fn method(&self) -> Method {
        match &self.body {
            Body::Log { .. } => Method::Log,
            Body::Params { method, .. } => *method,
        }
    }

    fn params<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        match &self.body {
            Body::Log { message, level } => {
                let params = PyDict::new(py);
                params.set_item(intern!(py, "message"), message)?;
                if let Some(level) = level {
                    params.set_item(intern!(py, "level"), level)?;
                }
                Ok(params)
            }
            Body::Params { json, exact, .. } => {
                let json = json.bind(py);
                let params = match exact {
                    true => orjson_loads(py, json)?,
                    false => json_loads(py, json)?,
                };
                if params.is_none() {
                    return Ok(PyDict::new(py));
                }
                Ok(params.cast_into::<PyDict>()?)
            }
        }
    }

    /// One of the params; none where it is not there.
    fn field<'py>(
        &self,
        py: Python<'py>,
        name: &Bound<'py, PyString>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let found = match &self.body {
            Body::Params { dict, .. } => dict
                .get_or_try_init(py, || self.params(py).map(Bound::unbind))?
                .bind(py)
                .get_item(name)?,
            Body::Log { .. } => self.params(py)?.get_item(name)?,
        };
        Ok(found.unwrap_or_else(|| py.None().into_bound(py)))
    }

    /// A message made in Python goes the way of one that was read.
    fn from_fields(
        py: Python<'_>,
        method: Method,
        fields: &[(&str, Option<Bound<'_, PyAny>>)],
    ) -> PyResult<Message> {
        let params = PyDict::new(py);
        for (name, value) in fields {
            params.set_item(name, value)?;
        }
        let mut json = Vec::new();
        encode::encode(&params, 1, &mut json)
            .map_err(|refusal| refusal.into_error(py, method.as_str()))?;
        let mut line = format!("{{\"method\":\"{method}\",\"params\":").into_bytes();
        line.extend_from_slice(&json);
        line.push(b'}');
        let message = OwnedMessage::decode(line)
            .map_err(|rejection| PyValueError::new_err(rejection.reason))?;
        Message::new(py, message.get())
    }
}

#[pymethods]
impl Message {
    #[getter(method)]
    fn method_name(&self) -> &'static str {
        self.method().as_str()
    }

    #[getter(params)]
    fn params_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.params(py)
    }

    #[getter]
    fn writer(&self) -> Option<String> {
        self.stamp.map(|stamp| stamp.writer.to_string())
    }

    #[getter]
    fn number(&self) -> Option<u64> {
        self.stamp.map(|stamp| stamp.number)
    }

    #[getter]
    fn sent_at(&self) -> Option<f64> {
        self.stamp.map(|stamp| stamp.micros as f64 / 1e6)
    }

    fn __eq__(slf: &Bound<'_, Self>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        let Ok(other) = other.cast::<Message>() else {
            return Ok(py.NotImplemented());
        };
        let equal = slf.get().method() == other.get().method()
            && slf.get().stamp == other.get().stamp
            && slf.get().params(py)?.eq(other.get().params(py)?)?;
        Ok(equal.into_pyobject(py)?.to_owned().into_any().unbind())
    }

    fn __hash__(slf: &Bound<'_, Self>) -> PyResult<isize> {
        let py = slf.py();
        let message = slf.get();
        (message.method_name(), message.writer(), message.number())
            .into_pyobject(py)?
            .hash()
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let py = slf.py();
        let names = slf.get_type().getattr(intern!(py, "__match_args__"))?;
        let fields = names
            .cast::<PyTuple>()?
            .iter()
            .map(|name| {
                Ok(format!(
                    "{name}={}",
                    slf.getattr(name.cast::<PyString>()?)?.repr()?
                ))
            })
            .collect::<PyResult<Vec<_>>>()?;
        Ok(format!("{}({})", slf.get_type().name()?, fields.join(", ")))
    }

    /// Rebuilds the message from its fields; the stamp stays behind.
    fn __reduce__<'py>(
        slf: &Bound<'py, Self>,
    ) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let py = slf.py();
        let class = slf.get_type();
        let names = class.getattr(intern!(py, "__match_args__"))?;
        let fields = names
            .cast::<PyTuple>()?
            .iter()
            .map(|name| slf.getattr(name.cast::<PyString>()?))
            .collect::<PyResult<Vec<_>>>()?;
        Ok((class.into_any(), PyTuple::new(py, fields)?))
    }
}

/// A class for one method: its fields are the params of the wire, in the order in which they are
/// matched, and its constructor takes them.
macro_rules! message_class {
    ($class:ident, $method:ident, ($($field:ident),+), $signature:tt) => {
        #[pyclass(frozen, extends = Message, module = "ironpipe")]
        pub struct $class;

        #[pymethods]
        impl $class {
            #[classattr]
            const __match_args__: ($(message_class!(@text $field),)+) = ($(stringify!($field),)+);

            #[new]
            #[pyo3(signature = $signature)]
            fn new(
                py: Python<'_>,
                $($field: Option<Bound<'_, PyAny>>),+
            ) -> PyResult<(Self, Message)> {
                let fields = [$((stringify!($field), $field)),+];
                Ok(($class, Message::from_fields(py, Method::$method, &fields)?))
            }

            $(
                #[getter]
                fn $field<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
                    let py = slf.py();
                    slf.as_super().get().field(py, intern!(py, stringify!($field)))
                }
            )+
        }
    };
    (@text $field:ident) => { &'static str };
}

message_class!(Opened, Opened, (extras), (extras = None));
message_class!(Closed, Closed, (exception), (exception = None));
message_class!(
    AssetMaterialization,
    ReportAssetMaterialization,
    (asset_key, data_version, metadata),
    (asset_key, data_version = None, metadata = None)
);
message_class!(
    AssetCheck,
    ReportAssetCheck,
    (asset_key, check_name, passed, severity, metadata),
    (asset_key, check_name, passed, severity, metadata = None)
);
message_class!(CustomMessage, ReportCustomMessage, (payload), (payload));
message_class!(
    ExternalStream,
    LogExternalStream,
    (stream, text, extras),
    (stream, text, extras = None)
);

#[pyclass(frozen, extends = Message, module = "ironpipe")]
pub struct Log;

#[pymethods]
impl Log {
    #[classattr]
    const __match_args__: (&'static str, &'static str) = ("message", "level");

    #[new]
    #[pyo3(signature = (message, level = None))]
    fn new(
        py: Python<'_>,
        message: Option<Bound<'_, PyAny>>,
        level: Option<Bound<'_, PyAny>>,
    ) -> PyResult<(Self, Message)> {
        let mut fields = vec![("message", message)];
        if level.is_some() {
            fields.push(("level", level));
        }
        Ok((Log, Message::from_fields(py, Method::Log, &fields)?))
    }

    #[getter]
    fn message<'py>(slf: &Bound<'py, Self>) -> Bound<'py, PyAny> {
        match &slf.as_super().get().body {
            Body::Log { message, .. } => message.bind(slf.py()).clone().into_any(),
            Body::Params { .. } => slf.py().None().into_bound(slf.py()),
        }
    }

    #[getter]
    fn level<'py>(slf: &Bound<'py, Self>) -> Bound<'py, PyString> {
        match &slf.as_super().get().body {
            Body::Log {
                level: Some(level), ..
            } => level.bind(slf.py()).clone(),
            _ => intern!(slf.py(), "info").clone(),
        }
    }
}
