//! Metadata as typed values.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::columns::{TableColumn, TableColumnDep, columns};
use super::{Type, check};
use crate::protocol::asset_key::AssetKey;
use crate::protocol::envelope::PARAM_DEPTH;
use crate::protocol::scan::Scanner;
use crate::protocol::value::{SerializeError, Value};

/// What stands around a raw value: the params and their envelope, the metadata, and the entry.
const RAW_VALUE_DEPTH: usize = PARAM_DEPTH + 2;

/// A metadata value: a type and what stands for it on the wire.
///
/// Made by its constructors, or from a Rust value: text, bools, integers and floats become the
/// types of these names, a path becomes a `path`, a time a `timestamp`, an asset key an `asset`, and
/// a vector or a map `json`.
///
/// ```
/// use std::path::Path;
///
/// use ironpipe::MetadataValue;
///
/// let rows = MetadataValue::from(120);
/// let file = MetadataValue::from(Path::new("/data/rows.csv"));
/// let page = MetadataValue::url("https://example.org");
/// assert_eq!(rows.kind().as_str(), "int");
/// assert_eq!(file.kind().as_str(), "path");
/// assert_eq!(page.raw_value().as_str(), Some("https://example.org"));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct MetadataValue {
    kind: Type,
    raw_value: Value,
}

impl MetadataValue {
    /// A value of any type.
    ///
    /// # Errors
    /// What Dagster would refuse, by the rules of [`check`](super::check()).
    pub fn new(kind: Type, raw_value: impl Into<Value>) -> Result<MetadataValue, String> {
        let value = MetadataValue::unchecked(kind, raw_value.into());
        value.write_checked(&mut Vec::new())?;
        Ok(value)
    }

    fn unchecked(kind: Type, raw_value: Value) -> MetadataValue {
        MetadataValue { kind, raw_value }
    }

    /// The type.
    pub fn kind(&self) -> Type {
        self.kind
    }

    /// What stands for it on the wire.
    pub fn raw_value(&self) -> &Value {
        &self.raw_value
    }

    /// A value whose type Dagster picks.
    pub fn infer(value: impl Into<Value>) -> MetadataValue {
        MetadataValue::unchecked(Type::Infer, value.into())
    }

    /// Text.
    pub fn text(text: impl Into<String>) -> MetadataValue {
        MetadataValue::unchecked(Type::Text, Value::String(text.into()))
    }

    /// The address of a page.
    pub fn url(url: impl Into<String>) -> MetadataValue {
        MetadataValue::unchecked(Type::Url, Value::String(url.into()))
    }

    /// The path of a file.
    pub fn path(path: impl Into<String>) -> MetadataValue {
        MetadataValue::unchecked(Type::Path, Value::String(path.into()))
    }

    /// The path of a notebook.
    pub fn notebook(path: impl Into<String>) -> MetadataValue {
        MetadataValue::unchecked(Type::Notebook, Value::String(path.into()))
    }

    /// A JSON array or object, text or null. Dagster takes no bare number or bool here, and a
    /// report with one is refused.
    pub fn json(value: impl Into<Value>) -> MetadataValue {
        MetadataValue::unchecked(Type::Json, value.into())
    }

    /// As [`json`](MetadataValue::json), of anything that can be serialized.
    ///
    /// ```
    /// #[derive(serde::Serialize)]
    /// struct Range {
    ///     from: u32,
    ///     to: u32,
    /// }
    ///
    /// let range = ironpipe::MetadataValue::json_of(&Range { from: 1, to: 9 }).unwrap();
    /// assert_eq!(range.raw_value().to_json(), r#"{"from":1,"to":9}"#);
    /// ```
    ///
    /// # Errors
    /// A part of it has no form as JSON; says which.
    pub fn json_of(value: &(impl Serialize + ?Sized)) -> Result<MetadataValue, SerializeError> {
        let value = Value::from_serialize_within(value, RAW_VALUE_DEPTH)?;
        Ok(MetadataValue::json(value))
    }

    /// Markdown.
    pub fn md(text: impl Into<String>) -> MetadataValue {
        MetadataValue::unchecked(Type::Md, Value::String(text.into()))
    }

    /// A float. `NaN` and infinities travel as they are.
    pub fn float(value: f64) -> MetadataValue {
        MetadataValue::unchecked(Type::Float, Value::Float(value))
    }

    /// An integer. (A `usize` goes by way of `From`.)
    pub fn int(value: impl Into<i128>) -> MetadataValue {
        MetadataValue::unchecked(Type::Int, Value::from(value.into()))
    }

    /// `true` or `false`.
    pub fn bool(value: bool) -> MetadataValue {
        MetadataValue::unchecked(Type::Bool, Value::Bool(value))
    }

    /// A moment.
    pub fn timestamp(time: SystemTime) -> MetadataValue {
        let seconds = match time.duration_since(UNIX_EPOCH) {
            Ok(after) => after.as_secs_f64(),
            Err(before) => -before.duration().as_secs_f64(),
        };
        MetadataValue::timestamp_seconds(seconds)
    }

    /// A moment, in seconds since the Unix epoch.
    pub fn timestamp_seconds(seconds: f64) -> MetadataValue {
        MetadataValue::unchecked(Type::Timestamp, Value::Float(seconds))
    }

    /// The id of a Dagster run.
    pub fn dagster_run(run_id: impl Into<String>) -> MetadataValue {
        MetadataValue::unchecked(Type::DagsterRun, Value::String(run_id.into()))
    }

    /// An asset. Of this type Dagster reads every `/` as the end of a part, escaped or not.
    pub fn asset(key: &AssetKey) -> MetadataValue {
        MetadataValue::unchecked(Type::Asset, Value::String(key.parts().join("/")))
    }

    /// Nothing.
    pub fn null() -> MetadataValue {
        MetadataValue::unchecked(Type::Null, Value::Null)
    }

    /// A table: its records, each from the names of fields to values, and its columns. All
    /// records must have the same fields.
    pub fn table<R, F, V>(
        records: impl IntoIterator<Item = R>,
        schema: impl IntoIterator<Item = TableColumn>,
    ) -> MetadataValue
    where
        R: IntoIterator<Item = (F, V)>,
        F: Into<String>,
        V: Into<Value>,
    {
        let records = records
            .into_iter()
            .map(|record| record.into_iter().collect());
        let records = Value::Array(records.collect());
        let members = [("records", records), ("schema", columns(schema))];
        MetadataValue::unchecked(Type::Table, members.into_iter().collect())
    }

    /// The columns of a table.
    pub fn table_schema(schema: impl IntoIterator<Item = TableColumn>) -> MetadataValue {
        let members = [("columns", columns(schema))];
        MetadataValue::unchecked(Type::TableSchema, members.into_iter().collect())
    }

    /// Which columns of other assets each column was made from.
    pub fn table_column_lineage<C, D>(deps_by_column: impl IntoIterator<Item = (C, D)>) -> Self
    where
        C: Into<String>,
        D: IntoIterator<Item = TableColumnDep>,
    {
        let deps: Value = deps_by_column
            .into_iter()
            .map(|(column, deps)| (column, Value::from_iter(deps.into_iter().map(Value::from))))
            .collect();
        let members = [("deps_by_column", deps)];
        MetadataValue::unchecked(Type::TableColumnLineage, members.into_iter().collect())
    }

    pub(super) fn write_json(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"raw_value\":");
        self.raw_value.write_json(out);
        out.extend_from_slice(b",\"type\":\"");
        out.extend_from_slice(self.kind.as_str().as_bytes());
        out.extend_from_slice(b"\"}");
    }

    /// Checks it and appends it as JSON text.
    pub(super) fn write_checked(&self, out: &mut Vec<u8>) -> Result<(), String> {
        out.extend_from_slice(b"{\"raw_value\":");
        let start = out.len();
        self.raw_value.write_json(out);
        // A value made by hand can nest deeper than any reader goes.
        Scanner::at(out, start)
            .within(RAW_VALUE_DEPTH)
            .value()
            .map_err(|error| error.what.to_owned())?;
        check(
            self.kind.as_str().as_bytes(),
            self.raw_value.kind(),
            &out[start..],
        )?;
        out.extend_from_slice(b",\"type\":\"");
        out.extend_from_slice(self.kind.as_str().as_bytes());
        out.extend_from_slice(b"\"}");
        Ok(())
    }
}

macro_rules! from {
    ($($kind:ident: $($type:ty)*;)*) => {$($(
        impl From<$type> for MetadataValue {
            fn from(value: $type) -> MetadataValue {
                MetadataValue::unchecked(Type::$kind, Value::from(value))
            }
        }
    )*)*};
}

from! {
    Text: &str &&str String &String char Box<str> Cow<'_, str>;
    Bool: bool;
    Int: i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize;
    Float: f32 f64;
    Null: ();
}

macro_rules! from_by {
    ($($type:ty => $make:expr;)*) => {$(
        impl From<$type> for MetadataValue {
            fn from(value: $type) -> MetadataValue {
                $make(value)
            }
        }
    )*};
}

from_by! {
    Value => MetadataValue::infer;
    serde_json::Value => MetadataValue::infer;
    SystemTime => MetadataValue::timestamp;
    AssetKey => |key| MetadataValue::asset(&key);
    &AssetKey => MetadataValue::asset;
    &Path => |path: &Path| MetadataValue::path(path.to_string_lossy());
    &PathBuf => |path: &PathBuf| MetadataValue::path(path.to_string_lossy());
    PathBuf => |path: PathBuf| MetadataValue::path(path.to_string_lossy());
}

impl<T: Into<Value>> From<Vec<T>> for MetadataValue {
    /// A JSON array.
    fn from(elements: Vec<T>) -> MetadataValue {
        MetadataValue::json(elements)
    }
}

impl<T: Into<Value>, const N: usize> From<[T; N]> for MetadataValue {
    /// A JSON array.
    fn from(elements: [T; N]) -> MetadataValue {
        MetadataValue::json(elements)
    }
}

impl<K: Into<String>, V: Into<Value>> From<BTreeMap<K, V>> for MetadataValue {
    /// A JSON object.
    fn from(members: BTreeMap<K, V>) -> MetadataValue {
        MetadataValue::json(Value::from_iter(members))
    }
}

impl<K: Into<String>, V: Into<Value>, S> From<HashMap<K, V, S>> for MetadataValue {
    /// A JSON object.
    fn from(members: HashMap<K, V, S>) -> MetadataValue {
        MetadataValue::json(Value::from_iter(members))
    }
}

impl<T: Into<MetadataValue>> From<Option<T>> for MetadataValue {
    fn from(value: Option<T>) -> MetadataValue {
        value.map_or_else(MetadataValue::null, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_types_find_their_place() {
        let path = PathBuf::from("/p");
        for (value, kind) in [
            (MetadataValue::from("x"), Type::Text),
            (Cow::from("x").into(), Type::Text),
            ('x'.into(), Type::Text),
            (1_u8.into(), Type::Int),
            (usize::MAX.into(), Type::Int),
            (1_f32.into(), Type::Float),
            (true.into(), Type::Bool),
            ((&path).into(), Type::Path),
            (path.as_path().into(), Type::Path),
            (AssetKey::new(["a"]).into(), Type::Asset),
            (UNIX_EPOCH.into(), Type::Timestamp),
            (vec![1, 2].into(), Type::Json),
            (["a", "b"].into(), Type::Json),
            (BTreeMap::from([("k", 1)]).into(), Type::Json),
            (HashMap::from([("k", vec![1.5])]).into(), Type::Json),
            (serde_json::json!({"k": [1]}).into(), Type::Infer),
            (Some("x").into(), Type::Text),
            (None::<&str>.into(), Type::Null),
        ] {
            assert_eq!(value.kind(), kind, "{value:?}");
            value.write_checked(&mut Vec::new()).unwrap();
        }
    }
}
