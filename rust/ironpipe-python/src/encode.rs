//! Python values to JSON text, strictly and in one walk.
//!
//! The rules are `json.dumps`'s: `dict`, `list`, `tuple`, `str`, `int`, `float`, `bool`, `None` and
//! their subclasses are values; `str`, `int`, `float`, `bool` and `None` are keys; `NaN` and the
//! infinities keep the names it gives them; a lone surrogate becomes its escape. Everything else is
//! refused, and the refusal says where in the value it stands. No code of the value runs, but for
//! the `items` of a subclass of `dict`, which `json.dumps` calls too.

use ironpipe::protocol::scan::{Kind, MAX_NESTING};
use ironpipe::protocol::value::{
    Place, Step, write_json_float, write_json_integer, write_json_string,
};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple, PyType};

use crate::error::not_json;
use crate::plain::{self, SUSPECT};

/// Why a value has no JSON text.
#[derive(Debug)]
pub struct Refusal {
    place: Place,
    why: Why,
}

#[derive(Debug)]
enum Why {
    /// Not a value that JSON has, or one that the reader would refuse.
    Text(String),
    /// Code of the value itself raised.
    Raised(PyErr),
}

impl Refusal {
    fn new(text: String) -> Box<Self> {
        Refusal::of(Why::Text(text))
    }

    fn of(why: Why) -> Box<Self> {
        Box::new(Refusal {
            place: Place::default(),
            why,
        })
    }

    /// The error for a value that stands at `root`, which is a Python expression such as `payload`
    /// or `metadata['x']`, or empty where its members have names of their own.
    pub fn into_error(self, py: Python<'_>, root: &str) -> PyErr {
        match self.why {
            Why::Raised(error) => error,
            Why::Text(text) => not_json(py, format!("{text}: {}", self.place.text(root))),
        }
    }
}

/// What a walk gives back.
type Walk<T = ()> = Result<T, Box<Refusal>>;

/// Appends the JSON text of `value` to `out`, and says what it is.
///
/// `depth` is how many arrays and objects will stand around it in the line, so that what is written
/// is not deeper than what a reader takes. After a refusal `out` holds a fragment.
pub fn encode(value: &Bound<'_, PyAny>, depth: usize, out: &mut Vec<u8>) -> Walk<Kind> {
    let start = out.len();
    if let Some(kind) = plain::write(value.as_borrowed(), depth, out) {
        return Ok(kind);
    }
    out.truncate(start);
    encode_any(value, depth, out)
}

/// As [`encode`], of any value.
#[cold]
fn encode_any(value: &Bound<'_, PyAny>, depth: usize, out: &mut Vec<u8>) -> Walk<Kind> {
    let mut walker = Walker {
        out,
        above: Vec::new(),
    };
    walker.value(value, depth)
}

struct Walker<'a, 'py> {
    out: &'a mut Vec<u8>,
    /// The containers that are being written, outermost first; kept only once the depth is past
    /// [`SUSPECT`], since a cycle is found soon enough there.
    above: Vec<Bound<'py, PyAny>>,
}

impl<'py> Walker<'_, 'py> {
    fn value(&mut self, value: &Bound<'py, PyAny>, depth: usize) -> Walk<Kind> {
        if let Ok(text) = value.cast::<PyString>() {
            self.string(text)
        } else if let Ok(flag) = value.cast_exact::<PyBool>() {
            self.raw(if flag.is_true() { "true" } else { "false" });
            Ok(Kind::Bool)
        } else if let Ok(number) = value.cast::<PyInt>() {
            self.integer(number)
        } else if let Ok(number) = value.cast::<PyFloat>() {
            Ok(self.float(number))
        } else if let Ok(object) = value.cast::<PyDict>() {
            self.object(object, depth)
        } else if let Ok(list) = value.cast::<PyList>() {
            self.array(value, list.iter(), depth)
        } else if let Ok(tuple) = value.cast::<PyTuple>() {
            self.array(value, tuple.iter(), depth)
        } else if value.is_none() {
            self.raw("null");
            Ok(Kind::Null)
        } else {
            Err(Refusal::new(format!(
                "Object of type {} is not JSON serializable",
                type_name(value)
            )))
        }
    }

    fn enter(&mut self, value: &Bound<'py, PyAny>, depth: usize) -> Walk {
        if depth < SUSPECT {
            return Ok(());
        }
        if self.above.iter().any(|outer| outer.is(value)) {
            return Err(Refusal::new(
                "Circular reference detected, the value holds itself".to_owned(),
            ));
        }
        if depth >= MAX_NESTING {
            return Err(Refusal::new(format!(
                "values are nested deeper than {MAX_NESTING} levels"
            )));
        }
        self.above.push(value.clone());
        Ok(())
    }

    fn leave(&mut self, depth: usize) {
        if depth >= SUSPECT {
            self.above.pop();
        }
    }

    fn array(
        &mut self,
        array: &Bound<'py, PyAny>,
        values: impl Iterator<Item = Bound<'py, PyAny>>,
        depth: usize,
    ) -> Walk<Kind> {
        self.enter(array, depth)?;
        self.out.push(b'[');
        for (index, value) in values.enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            self.value(&value, depth + 1)
                .map_err(|refusal| within(refusal, || Step::Index(index)))?;
        }
        self.out.push(b']');
        self.leave(depth);
        Ok(Kind::Array)
    }

    fn object(&mut self, object: &Bound<'py, PyDict>, depth: usize) -> Walk<Kind> {
        self.enter(object, depth)?;
        // A copy of the entries, as json.dumps takes one: code of a value deeper down may change
        // the dict.
        let entries = entries(object).map_err(|error| Refusal::of(Why::Raised(error)))?;
        self.out.push(b'{');
        for (index, (key, value)) in entries.into_iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            self.key(&key)?;
            self.out.push(b':');
            self.value(&value, depth + 1)
                .map_err(|refusal| within(refusal, || Step::Key(key_text(&key))))?;
        }
        self.out.push(b'}');
        self.leave(depth);
        Ok(Kind::Object)
    }

    fn key(&mut self, key: &Bound<'py, PyAny>) -> Walk {
        if let Ok(text) = key.cast::<PyString>() {
            return self.string(text).map(drop);
        }
        self.out.push(b'"');
        if let Ok(number) = key.cast::<PyFloat>() {
            // As text the spelling counts, so it is Python's own.
            if number.value().is_finite() {
                let repr = repr_of::<PyFloat>(key)?;
                self.raw(&repr);
            } else {
                self.float(number);
            }
        } else if let Ok(number) = key.cast::<PyInt>() {
            match key.cast_exact::<PyBool>() {
                Ok(flag) => self.raw(if flag.is_true() { "true" } else { "false" }),
                Err(_) => drop(self.integer(number)?),
            }
        } else if key.is_none() {
            self.raw("null");
        } else {
            return Err(Refusal::new(format!(
                "keys must be str, int, float, bool or None, not {}",
                type_name(key)
            )));
        }
        self.out.push(b'"');
        Ok(())
    }

    fn string(&mut self, text: &Bound<'py, PyString>) -> Walk<Kind> {
        match text.to_str() {
            Ok(text) => write_json_string(self.out, text),
            Err(_) => self.surrogates(text)?,
        }
        Ok(Kind::String)
    }

    /// Writes a string that has lone surrogates, which UTF-8 has no bytes for.
    #[cold]
    fn surrogates(&mut self, text: &Bound<'py, PyString>) -> Walk {
        let wtf8 = text
            .py()
            .get_type::<PyString>()
            .call_method1("encode", (text, "utf-8", "surrogatepass"))
            .and_then(|bytes| Ok(bytes.cast_into::<PyBytes>()?))
            .map_err(|error| Refusal::of(Why::Raised(error)))?;
        let mut rest = wtf8.as_bytes();
        let mut piece = Vec::new();
        self.out.push(b'"');
        while !rest.is_empty() {
            let end = rest
                .windows(2)
                .position(|pair| pair[0] == 0xed && pair[1] >= 0xa0)
                .unwrap_or(rest.len());
            let (plain, from) = rest.split_at(end);
            piece.clear();
            write_json_string(&mut piece, &String::from_utf8_lossy(plain));
            self.out.extend_from_slice(&piece[1..piece.len() - 1]);
            if let [_, middle, low, ..] = from {
                let unit = 0xd000 | u32::from(middle & 0x3f) << 6 | u32::from(low & 0x3f);
                self.raw(&format!("\\u{unit:04x}"));
            }
            rest = from.get(3..).unwrap_or_default();
        }
        self.out.push(b'"');
        Ok(())
    }

    fn integer(&mut self, number: &Bound<'py, PyInt>) -> Walk<Kind> {
        match number.extract::<i64>() {
            Ok(number) => write_json_integer(self.out, number),
            Err(_) => {
                let digits = repr_of::<PyInt>(number.as_any())?;
                self.raw(&digits);
            }
        }
        Ok(Kind::Int)
    }

    fn float(&mut self, number: &Bound<'py, PyFloat>) -> Kind {
        write_json_float(self.out, number.value());
        Kind::Float
    }

    fn raw(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }
}

/// Adds a step to the place of a refusal.
#[cold]
fn within(mut refusal: Box<Refusal>, step: impl FnOnce() -> Step) -> Box<Refusal> {
    refusal.place.push(step());
    refusal
}

type Entries<'py> = Vec<(Bound<'py, PyAny>, Bound<'py, PyAny>)>;

/// The entries of a dict at this moment; those its `items` gives where it is of a subclass.
pub fn entries<'py>(object: &Bound<'py, PyDict>) -> PyResult<Entries<'py>> {
    if object.cast_exact::<PyDict>().is_ok() {
        return Ok(object.iter().collect());
    }
    object
        .call_method0("items")?
        .try_iter()?
        .map(|item| item?.extract())
        .collect()
}

/// What the built-in type `T`, not the subclass, writes for `number`.
#[cold]
fn repr_of<'py, T: pyo3::PyTypeInfo>(number: &Bound<'py, PyAny>) -> Walk<String> {
    let repr = number
        .py()
        .get_type::<T>()
        .call_method1("__repr__", (number,))
        .and_then(|text| text.extract());
    repr.map_err(|error| {
        // An integer of more digits than the interpreter writes and than any reader takes.
        if error.is_instance_of::<PyValueError>(number.py()) {
            Refusal::new(format!("{}", error.value(number.py())))
        } else {
            Refusal::of(Why::Raised(error))
        }
    })
}

/// The name of the type of a value, as errors of the interpreter have it.
fn type_name(value: &Bound<'_, PyAny>) -> String {
    let kind: Bound<'_, PyType> = value.get_type();
    kind.name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_else(|_| "?".to_owned())
}

fn key_text(key: &Bound<'_, PyAny>) -> String {
    match key.cast::<PyString>() {
        Ok(text) => text.to_string_lossy().into_owned(),
        Err(_) => key.to_string(),
    }
}

/// The JSON text of a value, as UTF-8; `name` is what errors call it.
#[pyfunction]
#[pyo3(signature = (value, name = "value", /))]
fn dumps<'py>(value: &Bound<'py, PyAny>, name: &str) -> PyResult<Bound<'py, PyBytes>> {
    let mut out = Vec::new();
    encode(value, 0, &mut out).map_err(|refusal| refusal.into_error(value.py(), name))?;
    Ok(PyBytes::new(value.py(), &out))
}

/// Adds the function of this file to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(dumps, module)?)
}
