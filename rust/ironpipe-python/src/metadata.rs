//! Metadata as Python gives it: by name a raw value, or a dict of a raw value and its type.

use ironpipe::protocol::metadata::{CheckedMetadata, EncodedMetadata, Type};
use ironpipe::protocol::value::quoted;
use ironpipe::session::external::bad_metadata;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFrozenSet, PyString};

use crate::encode::{Refusal, encode, entries};
use crate::error::{is_not_json, pipes_error, to_python, wrong_type};
use crate::plain;

/// How deep a raw value stands in its line: in the line, the params, the metadata and its entry.
const RAW_VALUE: usize = 4;

/// Metadata that Dagster takes.
pub struct Metadata<'py> {
    /// Its entries, where a channel of the user's will want them.
    entries: Vec<Entry<'py>>,
    encoded: EncodedMetadata,
}

/// A name, and what stands under it on the wire.
struct Entry<'py> {
    name: Bound<'py, PyString>,
    raw_value: Bound<'py, PyAny>,
    type_name: Type,
    /// The dict of the two, where it was given as one.
    typed: Option<Bound<'py, PyDict>>,
}

impl<'py> Metadata<'py> {
    /// Takes metadata as it is given; none where there is nothing in it.
    ///
    /// `keep` keeps what a channel of the user's is handed. `any_value` lets it have values that
    /// are not JSON: that channel may have a way of its own to write them.
    pub fn take(
        value: &Bound<'py, PyAny>,
        method: &str,
        keep: bool,
        any_value: bool,
    ) -> PyResult<Option<Metadata<'py>>> {
        if !value.is_truthy()? {
            return Ok(None);
        }
        let Ok(dict) = value.cast::<PyDict>() else {
            return Err(wrong_type(value, method, "metadata", "<class 'dict'>"));
        };
        let mut kept = Vec::new();
        let mut checked = CheckedMetadata::new();
        if !keep && plain::metadata(dict, RAW_VALUE, &mut checked).is_some() {
            return Ok(Some(Metadata {
                entries: kept,
                encoded: checked.finish(),
            }));
        }
        checked = CheckedMetadata::new();
        let mut is_json = true;
        for (key, value) in entries(dict)? {
            let entry = Entry::take(key, value, method)?;
            match entry.encode(&mut checked, method) {
                Err(error) if any_value && is_not_json(dict.py(), &error) => is_json = false,
                encoded => encoded?,
            }
            if keep {
                kept.push(entry);
            }
        }
        Ok(Some(Metadata {
            entries: kept,
            encoded: match is_json {
                true => checked.finish(),
                false => EncodedMetadata::default(),
            },
        }))
    }

    /// Its JSON text, where it has one.
    pub fn encoded(&self) -> &EncodedMetadata {
        &self.encoded
    }

    /// Its entries with their types, as the official client hands them to a channel.
    pub fn dict(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        for entry in &self.entries {
            match &entry.typed {
                Some(typed) => dict.set_item(&entry.name, typed)?,
                None => {
                    let typed = PyDict::new(py);
                    typed.set_item(intern!(py, "raw_value"), &entry.raw_value)?;
                    typed.set_item(intern!(py, "type"), entry.type_name.as_str())?;
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
        match value.cast_into::<PyDict>() {
            Err(error) => Ok(Entry {
                name,
                raw_value: error.into_inner(),
                type_name: Type::Infer,
                typed: None,
            }),
            Ok(typed) => {
                let (raw_value, type_name) = take_typed(&name, &typed, method)?;
                Ok(Entry {
                    name,
                    raw_value,
                    type_name,
                    typed: Some(typed),
                })
            }
        }
    }

    fn encode(&self, metadata: &mut CheckedMetadata, method: &str) -> PyResult<()> {
        let py = self.name.py();
        let place = || format!("metadata[{}]", quoted(&self.name.to_string_lossy()));
        let refuse = |refusal: Box<Refusal>| refusal.into_error(py, &place());
        metadata
            .begin(|out| encode(&self.name, RAW_VALUE, out))
            .map_err(refuse)?;
        let kind = encode(&self.raw_value, RAW_VALUE, metadata.value()).map_err(refuse)?;
        metadata
            .end(kind, self.type_name)
            .map_err(|why| to_python(py, bad_metadata(method, &format!("{}: {why}", place()))))
    }
}

/// The raw value and the type of an entry that is given with both.
fn take_typed<'py>(
    name: &Bound<'py, PyString>,
    typed: &Bound<'py, PyDict>,
    method: &str,
) -> PyResult<(Bound<'py, PyAny>, Type)> {
    let py = typed.py();
    let raw_value = typed.get_item(intern!(py, "raw_value"))?;
    let type_name = typed.get_item(intern!(py, "type"))?;
    let (Some(raw_value), Some(type_name), 2) = (raw_value, type_name, typed.len()) else {
        let text = format!(
            "Invalid type for parameter `metadata` of `{method}`. Expected a dict with string keys \
             and values that are either raw metadata values or dictionaries with schema \
             `{{raw_value: ..., type: ...}}`. Got a value `{typed}`."
        );
        return Err(pipes_error(py, text));
    };
    let text = type_name.cast::<PyString>().ok();
    let text = text.and_then(|text| text.to_str().ok());
    if let Some(known) = text.and_then(|text| Type::from_name(text.as_bytes())) {
        return Ok((raw_value, known));
    }
    let known = PyFrozenSet::new(py, Type::ALL.iter().map(|known| known.as_str()))?;
    let text = format!(
        "Invalid value for parameter `metadata.{name}.type` of `{method}`. Expected one of \
         `{known}`, got `{type_name}`."
    );
    Err(pipes_error(py, text))
}
