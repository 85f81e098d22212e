//! Metadata as Python gives it: by name a raw value, or a dict of a raw value and its type.

use ironpipe::protocol::metadata::Type;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFrozenSet, PyString};

use crate::context::wrong_type;
use crate::encode::{encode, entries, quoted};
use crate::error::pipes_error;

/// How deep a raw value stands in its line: in the line, the params, the metadata and its entry.
const RAW_VALUE: usize = 4;

/// The type of what Dagster shall find out the type of.
const INFER: &str = "__infer__";

/// Metadata that has the right shape.
pub struct Metadata<'py> {
    entries: Vec<Entry<'py>>,
    json: Option<Vec<u8>>,
}

/// A name, and what stands under it on the wire.
struct Entry<'py> {
    name: Bound<'py, PyString>,
    value: Value<'py>,
}

enum Value<'py> {
    Raw(Bound<'py, PyAny>),
    Typed(Bound<'py, PyDict>),
}

impl<'py> Metadata<'py> {
    /// Takes metadata as it is given; none where there is nothing in it.
    ///
    /// `lenient` lets it have values that are not JSON, for a channel of the user's that may have
    /// a way of its own to write them.
    pub fn take(
        value: &Bound<'py, PyAny>,
        method: &str,
        lenient: bool,
    ) -> PyResult<Option<Metadata<'py>>> {
        if !value.is_truthy()? {
            return Ok(None);
        }
        let Ok(dict) = value.cast::<PyDict>() else {
            return Err(wrong_type(value, method, "metadata", "<class 'dict'>"));
        };
        let entries = entries(dict)?
            .into_iter()
            .map(|(key, value)| Entry::take(key, value, method))
            .collect::<PyResult<Vec<_>>>()?;
        let json = match json(&entries) {
            Ok(json) => Some(json),
            Err(_) if lenient => None,
            Err(error) => return Err(error),
        };
        Ok(Some(Metadata { entries, json }))
    }

    /// Its JSON text, where it has one.
    pub fn json(&self) -> Option<&[u8]> {
        self.json.as_deref()
    }

    /// Its entries with their types, as the official client hands them to a channel.
    pub fn dict(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        for entry in &self.entries {
            match &entry.value {
                Value::Typed(typed) => dict.set_item(&entry.name, typed)?,
                Value::Raw(raw) => {
                    let typed = PyDict::new(py);
                    typed.set_item(intern!(py, "raw_value"), raw)?;
                    typed.set_item(intern!(py, "type"), INFER)?;
                    dict.set_item(&entry.name, typed)?;
                }
            }
        }
        Ok(dict)
    }
}

impl<'py> Entry<'py> {
    /// The texts are the official client's.
    fn take(
        key: Bound<'py, PyAny>,
        value: Bound<'py, PyAny>,
        method: &str,
    ) -> PyResult<Entry<'py>> {
        let py = key.py();
        let name = key.cast_into::<PyString>().map_err(|error| {
            let key = error.into_inner();
            let text = format!(
                "Invalid type for parameter `metadata` of `{method}`. Expected a dict with string \
                 keys, got a key `{key}` of type `{}`.",
                key.get_type()
            );
            pipes_error(py, text)
        })?;
        let value = match value.cast_into::<PyDict>() {
            Err(error) => Value::Raw(error.into_inner()),
            Ok(typed) => {
                check_typed(&name, &typed, method)?;
                Value::Typed(typed)
            }
        };
        Ok(Entry { name, value })
    }
}

fn check_typed(
    name: &Bound<'_, PyString>,
    typed: &Bound<'_, PyDict>,
    method: &str,
) -> PyResult<()> {
    let py = typed.py();
    let type_name = typed.get_item(intern!(py, "type"))?;
    let shaped = typed.len() == 2 && typed.contains(intern!(py, "raw_value"))?;
    let Some(type_name) = type_name.filter(|_| shaped) else {
        let text = format!(
            "Invalid type for parameter `metadata` of `{method}`. Expected a dict with string keys \
             and values that are either raw metadata values or dictionaries with schema \
             `{{raw_value: ..., type: ...}}`. Got a value `{typed}`."
        );
        return Err(pipes_error(py, text));
    };
    if let Ok(text) = type_name.cast::<PyString>()
        && let Ok(text) = text.to_str()
        && Type::from_name(text.as_bytes()).is_some()
    {
        return Ok(());
    }
    let known = PyFrozenSet::new(py, Type::ALL.iter().map(|known| known.as_str()))?;
    let text = format!(
        "Invalid value for parameter `metadata.{name}.type` of `{method}`. Expected one of \
         `{known}`, got `{type_name}`."
    );
    Err(pipes_error(py, text))
}

fn json(entries: &[Entry<'_>]) -> PyResult<Vec<u8>> {
    let mut out = Vec::with_capacity(64 * entries.len());
    out.push(b'{');
    for Entry { name, value } in entries {
        if out.len() > 1 {
            out.push(b',');
        }
        write_entry(name, value, &mut out)?;
    }
    out.push(b'}');
    Ok(out)
}

fn write_entry(name: &Bound<'_, PyString>, value: &Value<'_>, out: &mut Vec<u8>) -> PyResult<()> {
    let py = name.py();
    let write = |value: &Bound<'_, PyAny>, out: &mut Vec<u8>| match encode(value, RAW_VALUE, out) {
        Ok(_) => Ok(()),
        Err(refusal) => {
            let place = format!("metadata[{}]", quoted(&name.to_string_lossy()));
            Err(refusal.into_error(py, &place))
        }
    };
    write(name, out)?;
    match value {
        Value::Raw(raw) => {
            out.extend_from_slice(b":{\"raw_value\":");
            write(raw, out)?;
            out.extend_from_slice(b",\"type\":\"__infer__\"}");
        }
        Value::Typed(typed) => {
            out.extend_from_slice(b":{\"raw_value\":");
            // That both are there was checked; None is what a dict that changes meanwhile gets.
            let none = py.None().into_bound(py);
            let raw = typed.get_item(intern!(py, "raw_value"))?;
            write(raw.as_ref().unwrap_or(&none), out)?;
            out.extend_from_slice(b",\"type\":");
            let type_name = typed.get_item(intern!(py, "type"))?;
            write(type_name.as_ref().unwrap_or(&none), out)?;
            out.push(b'}');
        }
    }
    Ok(())
}
