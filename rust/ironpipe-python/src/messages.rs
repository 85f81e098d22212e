//! The messages as Python sees them: frozen, cheap, and made to be matched.
//!
//! A log owns its two strings; any other message owns the bytes of its params and decodes them
//! when they are first asked for. None of the classes takes part in cycle collection: what they
//! own can't refer back to them.

use ironpipe::protocol::decode::WireText;
use ironpipe::protocol::envelope::{Method, Stamp};
use ironpipe::reader::{MessageRef, OwnedMessage};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyString, PyTuple, PyType};
use pyo3::{PyClass, PyClassInitializer, ffi, intern};

use crate::encode;

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Opened>()?;
    module.add_class::<Closed>()?;
    module.add_class::<Log>()?;
    module.add_class::<AssetMaterialization>()?;
    module.add_class::<AssetCheck>()?;
    module.add_class::<CustomMessage>()?;
    module.add_class::<ExternalStream>()?;
    module.add_function(wrap_pyfunction!(decode_message, module)?)
}

/// One line, without its newline, as bytes.
#[pyfunction]
fn decode_message<'py>(py: Python<'py>, line: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let message = OwnedMessage::decode(line)
        .map_err(|rejection| PyValueError::new_err(rejection.to_string()))?;
    wrap(py, message.get())
}

/// The message as an object of its class.
#[inline]
pub fn wrap<'py>(py: Python<'py>, message: MessageRef<'_>) -> PyResult<Bound<'py, PyAny>> {
    #[inline(always)]
    fn object<T>(py: Python<'_>, value: T) -> PyResult<Bound<'_, PyAny>>
    where
        T: PyClass + Into<PyClassInitializer<T>>,
    {
        Ok(Bound::new(py, value)?.into_any())
    }
    match message.method() {
        Method::Log => object(py, Log::read(py, message)?),
        Method::Opened => object(py, Opened(Params::read(py, message))),
        Method::Closed => object(py, Closed(Params::read(py, message))),
        Method::ReportAssetMaterialization => {
            object(py, AssetMaterialization(Params::read(py, message)))
        }
        Method::ReportAssetCheck => object(py, AssetCheck(Params::read(py, message))),
        Method::ReportCustomMessage => object(py, CustomMessage(Params::read(py, message))),
        Method::LogExternalStream => object(py, ExternalStream(Params::read(py, message))),
    }
}

/// A log message.
#[pyclass(frozen, module = "ironpipe")]
pub struct Log {
    #[pyo3(get)]
    message: Py<PyString>,
    #[pyo3(get)]
    level: Py<PyString>,
    names_level: bool,
    stamp: Option<Stamp>,
}

impl Log {
    #[inline(always)]
    fn read(py: Python<'_>, message: MessageRef<'_>) -> PyResult<Log> {
        let label = message.label();
        Ok(Log {
            message: string(py, message.text())?.unbind(),
            level: level(py, label)?.unbind(),
            names_level: !label.raw().is_empty(),
            stamp: message.stamp(),
        })
    }

    fn make(py: Python<'_>, message: MessageRef<'_>) -> PyResult<Self> {
        Log::read(py, message)
    }

    fn stamp(&self) -> Option<&Stamp> {
        self.stamp.as_ref()
    }

    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let level = self.names_level.then(|| self.level.bind(py));
        log_dict(self.message.bind(py), level)
    }
}

/// The params of a message as a dict of the caller's own.
#[inline]
pub fn params_dict<'py>(py: Python<'py>, message: MessageRef<'_>) -> PyResult<Bound<'py, PyDict>> {
    if message.method() != Method::Log {
        return json_dict(&PyBytes::new(py, message.params()), message.exact());
    }
    let label = message.label();
    let level = match label.raw() {
        b"" => None,
        _ => Some(level(py, label)?),
    };
    log_dict(&string(py, message.text())?, level.as_ref())
}

#[inline(always)]
fn log_dict<'py>(
    message: &Bound<'py, PyString>,
    level: Option<&Bound<'py, PyString>>,
) -> PyResult<Bound<'py, PyDict>> {
    let py = message.py();
    let params = PyDict::new(py);
    params.set_item(intern!(py, "message"), message)?;
    if let Some(level) = level {
        params.set_item(intern!(py, "level"), level)?;
    }
    Ok(params)
}

fn json_dict<'py>(json: &Bound<'py, PyBytes>, exact: bool) -> PyResult<Bound<'py, PyDict>> {
    static ORJSON: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    static JSON: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = json.py();
    let loads = match exact {
        true => ORJSON.import(py, "orjson", "loads")?,
        // orjson would refuse it or, without a word, read another value.
        false => JSON.import(py, "json", "loads")?,
    };
    let params = loads.call1((json,))?;
    match params.is_none() {
        true => Ok(PyDict::new(py)),
        false => Ok(params.cast_into()?),
    }
}

/// The level as it came; `info`, which is what Dagster takes, where none did.
#[inline(always)]
fn level<'py>(py: Python<'py>, label: WireText<'_>) -> PyResult<Bound<'py, PyString>> {
    let known = match label.raw() {
        b"INFO" => intern!(py, "INFO"),
        b"DEBUG" => intern!(py, "DEBUG"),
        b"WARNING" => intern!(py, "WARNING"),
        b"ERROR" => intern!(py, "ERROR"),
        b"CRITICAL" => intern!(py, "CRITICAL"),
        b"" => intern!(py, "info"),
        _ => return string(py, label),
    };
    Ok(known.clone())
}

/// The text of a string of the wire.
#[inline(always)]
fn string<'py>(py: Python<'py>, text: WireText<'_>) -> PyResult<Bound<'py, PyString>> {
    match text.escaped {
        false => PyString::from_bytes(py, text.raw()),
        true => unescaped(py, text),
    }
}

/// Made of code points, not by way of UTF-8: lone surrogates come along, and CPython is faster.
#[inline(never)]
#[allow(unsafe_code)]
fn unescaped<'py>(py: Python<'py>, text: WireText<'_>) -> PyResult<Bound<'py, PyString>> {
    let mut points = Vec::new();
    text.code_points(&mut points);
    // A `wchar_t` is a code point, but on Windows a unit of UTF-16.
    #[cfg(windows)]
    let points: Vec<u16> = points
        .into_iter()
        .flat_map(|point| match point.checked_sub(0x10000) {
            Some(high) => vec![0xD800 | (high >> 10) as u16, 0xDC00 | (high & 0x3FF) as u16],
            None => vec![point as u16],
        })
        .collect();
    // SAFETY: the pointer and the length are those of one buffer, which lives through the call;
    // the call copies it and gives a new reference or an error.
    unsafe {
        let length = points.len() as ffi::Py_ssize_t;
        let string = ffi::PyUnicode_FromWideChar(points.as_ptr().cast(), length);
        Ok(Bound::from_owned_ptr_or_err(py, string)?.cast_into()?)
    }
}

/// What every other message is: its params as they came, read when they are first asked for.
struct Params {
    json: Py<PyBytes>,
    /// Whether orjson reads `json` as `json.loads` does.
    exact: bool,
    dict: PyOnceLock<Py<PyDict>>,
    stamp: Option<Stamp>,
}

impl Params {
    #[inline(always)]
    fn read(py: Python<'_>, message: MessageRef<'_>) -> Params {
        Params {
            json: PyBytes::new(py, message.params()).unbind(),
            exact: message.exact(),
            dict: PyOnceLock::new(),
            stamp: message.stamp(),
        }
    }

    /// A dict of the caller's own.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        json_dict(self.json.bind(py), self.exact)
    }

    /// One of the params; none where it is not there.
    fn field<'py>(&self, name: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
        let py = name.py();
        let dict = self
            .dict
            .get_or_try_init(py, || self.to_dict(py).map(Bound::unbind))?;
        let found = dict.bind(py).get_item(name)?;
        Ok(found.unwrap_or_else(|| py.None().into_bound(py)))
    }
}

/// A message made in Python goes the way of one that was read; what makes the object of it is
/// `make`.
fn from_fields<T>(
    py: Python<'_>,
    method: Method,
    fields: &[(&str, Option<Bound<'_, PyAny>>)],
    make: impl FnOnce(Python<'_>, MessageRef<'_>) -> PyResult<T>,
) -> PyResult<T> {
    let params = PyDict::new(py);
    for (name, value) in fields {
        // A log that names no level has no such param; every other param may be null.
        if value.is_some() || *name != "level" {
            params.set_item(name, value)?;
        }
    }
    let mut json = Vec::new();
    encode::encode(&params, 1, &mut json)
        .map_err(|refusal| refusal.into_error(py, method.as_str()))?;
    let mut line = format!("{{\"method\":\"{method}\",\"params\":").into_bytes();
    line.extend_from_slice(&json);
    line.push(b'}');
    let message =
        OwnedMessage::decode(line).map_err(|rejection| PyValueError::new_err(rejection.reason))?;
    make(py, message.get())
}

/// What a class prints and is rebuilt from: its fields, by the names it is matched with.
fn fields<'py>(
    object: &Bound<'py, PyAny>,
) -> PyResult<Vec<(Bound<'py, PyString>, Bound<'py, PyAny>)>> {
    let names = object
        .get_type()
        .getattr(intern!(object.py(), "__match_args__"))?;
    let names = names.cast_into::<PyTuple>()?;
    names
        .iter()
        .map(|name| {
            let name = name.cast_into::<PyString>()?;
            let value = object.getattr(&name)?;
            Ok((name, value))
        })
        .collect()
}

/// The methods of a class for one method of the wire: its fields are the params, in the order in
/// which they are matched, and its constructor takes them.
macro_rules! message_methods {
    (
        $class:ident, $method:ident, ($($field:ident),+), $signature:tt,
        { $($getters:tt)* }
    ) => {
        #[pymethods]
        impl $class {
            #[classattr]
            #[pyo3(name = "__match_args__")]
            const MATCH_ARGS: ($(message_methods!(@text $field),)+) = ($(stringify!($field),)+);

            #[new]
            #[pyo3(signature = $signature)]
            fn new(py: Python<'_>, $($field: Option<Bound<'_, PyAny>>),+) -> PyResult<Self> {
                let fields = [$((stringify!($field), $field)),+];
                from_fields(py, Method::$method, &fields, $class::make)
            }

            $($getters)*

            #[getter]
            fn method(&self) -> &'static str {
                Method::$method.as_str()
            }

            #[getter]
            fn params<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
                self.to_dict(py)
            }

            #[getter]
            fn writer(&self) -> Option<String> {
                self.stamp().map(|stamp| stamp.writer.to_string())
            }

            #[getter]
            fn number(&self) -> Option<u64> {
                self.stamp().map(|stamp| stamp.number)
            }

            #[getter]
            fn sent_at(&self) -> Option<f64> {
                self.stamp().map(|stamp| stamp.micros as f64 / 1e6)
            }

            fn __eq__(&self, other: &Bound<'_, PyAny>) -> PyResult<bool> {
                let Ok(other) = other.cast::<$class>() else {
                    return Ok(false);
                };
                let (py, other) = (other.py(), other.get());
                Ok(self.stamp() == other.stamp() && self.to_dict(py)?.eq(other.to_dict(py)?)?)
            }

            fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
                (self.method(), self.writer(), self.number()).into_pyobject(py)?.hash()
            }

            fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
                let shown = fields(slf.as_any())?
                    .into_iter()
                    .map(|(name, value)| Ok(format!("{name}={}", value.repr()?)))
                    .collect::<PyResult<Vec<_>>>()?;
                Ok(format!("{}({})", stringify!($class), shown.join(", ")))
            }

            /// Rebuilds the message from its fields; the stamp stays behind.
            fn __reduce__<'py>(
                slf: &Bound<'py, Self>,
            ) -> PyResult<(Bound<'py, PyType>, Bound<'py, PyTuple>)> {
                let fields = fields(slf.as_any())?.into_iter().map(|(_, value)| value);
                Ok((slf.get_type(), PyTuple::new(slf.py(), fields.collect::<Vec<_>>())?))
            }
        }
    };
    (@text $field:ident) => { &'static str };
}

/// A class around [`Params`].
macro_rules! params_class {
    ($class:ident, $method:ident, ($($field:ident),+), $signature:tt) => {
        #[pyclass(frozen, module = "ironpipe")]
        pub struct $class(Params);

        impl $class {
            fn make(py: Python<'_>, message: MessageRef<'_>) -> PyResult<Self> {
                Ok($class(Params::read(py, message)))
            }

            fn stamp(&self) -> Option<&Stamp> {
                self.0.stamp.as_ref()
            }

            fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
                self.0.to_dict(py)
            }
        }

        message_methods!($class, $method, ($($field),+), $signature, {
            $(
                #[getter]
                fn $field<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                    self.0.field(intern!(py, stringify!($field)))
                }
            )+
        });
    };
}

message_methods!(Log, Log, (message, level), (message, level = None), {});
params_class!(Opened, Opened, (extras), (extras = None));
params_class!(Closed, Closed, (exception), (exception = None));
params_class!(
    AssetMaterialization,
    ReportAssetMaterialization,
    (asset_key, data_version, metadata),
    (asset_key, data_version = None, metadata = None)
);
params_class!(
    AssetCheck,
    ReportAssetCheck,
    (asset_key, check_name, passed, severity, metadata),
    (asset_key, check_name, passed, severity, metadata = None)
);
params_class!(CustomMessage, ReportCustomMessage, (payload), (payload));
params_class!(
    ExternalStream,
    LogExternalStream,
    (stream, text, extras),
    (stream, text, extras = None)
);
