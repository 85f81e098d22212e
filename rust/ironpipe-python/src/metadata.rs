//! Metadata as Python gives it: by name a raw value, or a dict of a raw value and its type.

use ironpipe::protocol::metadata::{CheckedMetadata, EncodedMetadata, Type};
use ironpipe::session::external::bad_metadata;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFrozenSet, PyString};

use crate::encode::{Refusal, encode, entries, quoted};
use crate::error::{is_not_json, pipes_error, to_python, wrong_type};

/// How deep a raw value stands in its line: in the line, the params, the metadata and its entry.
const RAW_VALUE: usize = 4;

/// The type of what Dagster shall find out the type of.
const INFER: &str = "__infer__";

/// Metadata that Dagster takes.
pub struct Metadata<'py> {
    entries: Vec<Entry<'py>>,
    encoded: EncodedMetadata,
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
        let encoded = match encoded(&entries, method) {
            Ok(encoded) => encoded,
            Err(error) if lenient && is_not_json(value.py(), &error) => EncodedMetadata::default(),
            Err(error) => return Err(error),
        };
        Ok(Some(Metadata { entries, encoded }))
    }

    /// Its JSON text, where it has one.
    pub fn encoded(&self) -> &EncodedMetadata {
        &self.encoded
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

fn encoded(entries: &[Entry<'_>], method: &str) -> PyResult<EncodedMetadata> {
    let mut metadata = CheckedMetadata::new();
    for Entry { name, value } in entries {
        let py = name.py();
        let place = || format!("metadata[{}]", quoted(&name.to_string_lossy()));
        let refuse = |refusal: Box<Refusal>| refusal.into_error(py, &place());
        metadata
            .begin(|out| encode(name, RAW_VALUE, out))
            .map_err(refuse)?;
        // That both keys are there was checked; None is for a dict that changes meanwhile.
        let none = py.None().into_bound(py);
        let ended = match value {
            Value::Raw(raw) => {
                let kind = encode(raw, RAW_VALUE, metadata.value()).map_err(refuse)?;
                metadata.end(kind, INFER)
            }
            Value::Typed(typed) => {
                let raw = typed.get_item(intern!(py, "raw_value"))?.unwrap_or(none);
                let kind = encode(&raw, RAW_VALUE, metadata.value()).map_err(refuse)?;
                let type_name = typed.get_item(intern!(py, "type"))?;
                let type_name = type_name.as_ref().and_then(|name| name.cast().ok());
                metadata.end(kind, type_name.map_or(Ok(INFER), PyStringMethods::to_str)?)
            }
        };
        ended.map_err(|why| to_python(py, bad_metadata(method, &format!("{}: {why}", place()))))?;
    }
    Ok(metadata.finish())
}
