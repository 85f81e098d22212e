//! Metadata as typed values.

use std::time::{SystemTime, UNIX_EPOCH};

use super::{Type, check};
use crate::protocol::asset_key::AssetKey;
use crate::protocol::scan::Scanner;
use crate::protocol::value::{Object, Value, write_json_string};

/// A metadata value: a type and what stands for it on the wire.
///
/// Made by its constructors, or from a Rust value: text, bools, integers and floats become the
/// types of these names.
///
/// ```
/// use ironpipe::MetadataValue;
///
/// let rows = MetadataValue::from(120);
/// let page = MetadataValue::url("https://example.org");
/// assert_eq!(rows.kind().as_str(), "int");
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

    fn write_json(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"raw_value\":");
        self.raw_value.write_json(out);
        out.extend_from_slice(b",\"type\":\"");
        out.extend_from_slice(self.kind.as_str().as_bytes());
        out.extend_from_slice(b"\"}");
    }

    /// Checks it and appends it as JSON text.
    fn write_checked(&self, out: &mut Vec<u8>) -> Result<(), String> {
        out.extend_from_slice(b"{\"raw_value\":");
        let start = out.len();
        self.raw_value.write_json(out);
        // A value made by hand can nest deeper than any reader goes.
        Scanner::at(out, start)
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
    Text: &str String &String char;
    Bool: bool;
    Int: i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize;
    Float: f32 f64;
    Null: ();
}

impl From<Value> for MetadataValue {
    /// Dagster picks the type.
    fn from(value: Value) -> MetadataValue {
        MetadataValue::infer(value)
    }
}

impl From<SystemTime> for MetadataValue {
    fn from(time: SystemTime) -> MetadataValue {
        MetadataValue::timestamp(time)
    }
}

impl From<&AssetKey> for MetadataValue {
    fn from(key: &AssetKey) -> MetadataValue {
        MetadataValue::asset(key)
    }
}

impl<T: Into<MetadataValue>> From<Option<T>> for MetadataValue {
    fn from(value: Option<T>) -> MetadataValue {
        value.map_or_else(MetadataValue::null, Into::into)
    }
}

fn columns(schema: impl IntoIterator<Item = TableColumn>) -> Value {
    Value::from_iter(schema.into_iter().map(Value::from))
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TableColumn {
    /// Its name.
    pub name: String,
    /// Its type, any text: `int`, `string`.
    pub kind: String,
    /// What it holds.
    pub description: Option<String>,
    /// Labels.
    pub tags: Vec<(String, String)>,
    /// Whether it may hold null, `true` where nothing is said.
    pub nullable: Option<bool>,
    /// Whether no value stands there twice, `false` where nothing is said.
    pub unique: Option<bool>,
    /// Other things that hold, in words.
    pub other: Vec<String>,
}

impl TableColumn {
    /// A column with a name and a type.
    pub fn new(name: impl Into<String>, kind: impl Into<String>) -> TableColumn {
        TableColumn {
            name: name.into(),
            kind: kind.into(),
            ..TableColumn::default()
        }
    }
}

impl From<TableColumn> for Value {
    fn from(column: TableColumn) -> Value {
        let mut members: Object = vec![
            ("name".into(), column.name.into()),
            ("type".into(), column.kind.into()),
        ];
        if let Some(description) = column.description {
            members.push(("description".into(), description.into()));
        }
        if !column.tags.is_empty() {
            members.push(("tags".into(), column.tags.into_iter().collect()));
        }
        let mut constraints: Object = Vec::new();
        for (key, value) in [("nullable", column.nullable), ("unique", column.unique)] {
            constraints.extend(value.map(|value| (key.to_owned(), Value::Bool(value))));
        }
        if !column.other.is_empty() {
            constraints.push(("other".into(), column.other.into()));
        }
        if !constraints.is_empty() {
            members.push(("constraints".into(), Value::Object(constraints)));
        }
        Value::Object(members)
    }
}

/// A column of another asset that a column was made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableColumnDep {
    /// The asset.
    pub asset_key: AssetKey,
    /// The column.
    pub column_name: String,
}

impl TableColumnDep {
    /// The column `column_name` of `asset_key`.
    pub fn new(asset_key: AssetKey, column_name: impl Into<String>) -> TableColumnDep {
        TableColumnDep {
            asset_key,
            column_name: column_name.into(),
        }
    }
}

impl From<TableColumnDep> for Value {
    fn from(dep: TableColumnDep) -> Value {
        let parts = dep.asset_key.parts().to_vec();
        Value::Object(vec![
            ("asset_key".into(), parts.into()),
            ("column_name".into(), dep.column_name.into()),
        ])
    }
}

/// The metadata of a report: labels and values, in order.
///
/// ```
/// use ironpipe::{Metadata, MetadataValue};
///
/// let metadata = Metadata::new()
///     .with("rows", 120)
///     .with("mean", 0.5)
///     .with("page", MetadataValue::url("https://example.org"));
/// assert_eq!(metadata, Metadata::from([
///     ("rows", 120.into()),
///     ("mean", 0.5.into()),
///     ("page", MetadataValue::url("https://example.org")),
/// ]));
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Metadata {
    // No label stands there twice.
    entries: Vec<(String, MetadataValue)>,
}

impl Metadata {
    /// None yet.
    pub fn new() -> Metadata {
        Metadata::default()
    }

    /// It with one entry more.
    #[must_use]
    pub fn with(mut self, label: impl Into<String>, value: impl Into<MetadataValue>) -> Metadata {
        self.insert(label, value);
        self
    }

    /// Adds an entry, or replaces the one of the same label.
    pub fn insert(&mut self, label: impl Into<String>, value: impl Into<MetadataValue>) {
        let (label, value) = (label.into(), value.into());
        match self.entries.iter_mut().find(|(known, _)| *known == label) {
            Some((_, old)) => *old = value,
            None => self.entries.push((label, value)),
        }
    }

    /// The value of a label.
    pub fn get(&self, label: &str) -> Option<&MetadataValue> {
        let found = self.entries.iter().find(|(known, _)| known == label);
        found.map(|(_, value)| value)
    }

    /// Labels and values, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &MetadataValue)> {
        self.entries
            .iter()
            .map(|(label, value)| (label.as_str(), value))
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Reads the metadata of a message, null or an object.
    ///
    /// # Errors
    /// The first entry that Dagster would refuse, and why.
    pub fn from_value(value: &Value) -> Result<Metadata, String> {
        let members = match value {
            Value::Null => return Ok(Metadata::new()),
            Value::Object(members) => members,
            other => {
                return Err(format!(
                    "metadata must be an object, not {}",
                    other.kind().name()
                ));
            }
        };
        let mut entries = Vec::with_capacity(members.len());
        for (label, entry) in members {
            let value = read_entry(entry).map_err(|why| format!("metadata['{label}']: {why}"))?;
            entries.push((label.clone(), value));
        }
        Ok(Metadata { entries })
    }

    /// Appends it as JSON text, null where it is empty, as the official client does.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        // Nothing is refused here, so nothing can go wrong.
        let _ = self.write(out, |value, out| {
            value.write_json(out);
            Ok(())
        });
    }

    /// As [`write_json`](Metadata::write_json), if Dagster takes all of it.
    ///
    /// # Errors
    /// The first entry that it would refuse, and why.
    pub fn write_checked(&self, out: &mut Vec<u8>) -> Result<(), String> {
        self.write(out, MetadataValue::write_checked)
    }

    fn write(
        &self,
        out: &mut Vec<u8>,
        write_value: impl Fn(&MetadataValue, &mut Vec<u8>) -> Result<(), String>,
    ) -> Result<(), String> {
        if self.entries.is_empty() {
            out.extend_from_slice(b"null");
            return Ok(());
        }
        out.push(b'{');
        for (i, (label, value)) in self.entries.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            write_json_string(out, label);
            out.push(b':');
            write_value(value, out).map_err(|why| format!("metadata['{label}']: {why}"))?;
        }
        out.push(b'}');
        Ok(())
    }
}

fn read_entry(entry: &Value) -> Result<MetadataValue, String> {
    let (Some(raw_value), Some(kind)) = (entry.get("raw_value"), entry.get("type")) else {
        return Err("an entry must be an object with the keys `raw_value` and `type`".into());
    };
    let name = kind.as_str().unwrap_or_default();
    let Some(kind) = Type::from_name(name.as_bytes()) else {
        // For its text.
        check(name.as_bytes(), raw_value.kind(), b"")?;
        return Err(format!("{name:?} is no metadata type"));
    };
    MetadataValue::new(kind, raw_value.clone())
}

impl<K: Into<String>, V: Into<MetadataValue>, const N: usize> From<[(K, V); N]> for Metadata {
    fn from(entries: [(K, V); N]) -> Metadata {
        entries.into_iter().collect()
    }
}

impl<K: Into<String>, V: Into<MetadataValue>> FromIterator<(K, V)> for Metadata {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Metadata {
        let mut metadata = Metadata::new();
        metadata.extend(entries);
        metadata
    }
}

impl<K: Into<String>, V: Into<MetadataValue>> Extend<(K, V)> for Metadata {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, entries: I) {
        for (label, value) in entries {
            self.insert(label, value);
        }
    }
}

impl IntoIterator for Metadata {
    type Item = (String, MetadataValue);
    type IntoIter = std::vec::IntoIter<(String, MetadataValue)>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lineage() -> MetadataValue {
        let dep = TableColumnDep::new(AssetKey::new(["a", "b"]), "x");
        MetadataValue::table_column_lineage([("c", [dep])])
    }

    fn all() -> Metadata {
        let column = TableColumn {
            description: Some("how many".into()),
            tags: vec![("k".into(), "v".into())],
            nullable: Some(false),
            unique: Some(true),
            other: vec!["> 0".into()],
            ..TableColumn::new("n", "int")
        };
        Metadata::new()
            .with("infer", Value::from([1, 2]))
            .with("text", "é")
            .with("url", MetadataValue::url("u"))
            .with("path", MetadataValue::path("p"))
            .with("notebook", MetadataValue::notebook("n"))
            .with("json", MetadataValue::json(Value::from(["x"])))
            .with("md", MetadataValue::md("# m"))
            .with("float", 1.0)
            .with("int", u64::MAX)
            .with("bool", true)
            .with("run", MetadataValue::dagster_run("r"))
            .with("asset", &AssetKey::new(["a", "b"]))
            .with("null", ())
            .with(
                "table",
                MetadataValue::table([[("n", 1)]], [column.clone()]),
            )
            .with("schema", MetadataValue::table_schema([column]))
            .with("lineage", lineage())
            .with("time", SystemTime::UNIX_EPOCH)
    }

    #[test]
    fn every_type_is_taken_and_reads_back() {
        let metadata = all();
        assert_eq!(metadata.len(), Type::ALL.len());
        let mut json = Vec::new();
        metadata.write_checked(&mut json).unwrap();
        assert_eq!(super::super::check_map(&json), Ok(()));
        let value = Value::parse(&json).unwrap();
        assert_eq!(Metadata::from_value(&value).unwrap(), metadata);
    }

    #[test]
    fn shapes_on_the_wire() {
        assert_eq!(
            lineage().raw_value().to_json(),
            r#"{"deps_by_column":{"c":[{"asset_key":["a","b"],"column_name":"x"}]}}"#
        );
        assert_eq!(
            all().get("schema").unwrap().raw_value().to_json(),
            concat!(
                r#"{"columns":[{"name":"n","type":"int","description":"how many","#,
                r#""tags":{"k":"v"},"constraints":{"nullable":false,"unique":true,"other":["> 0"]}}]}"#
            )
        );
    }

    #[test]
    fn refusals_name_the_entry() {
        let metadata = Metadata::new().with("n", MetadataValue::json(1));
        let why = metadata.write_checked(&mut Vec::new()).unwrap_err();
        assert!(why.starts_with("metadata['n']: type \"json\""), "{why}");
        let deep = (0..600).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
        let metadata = Metadata::new().with("d", MetadataValue::json(deep));
        assert!(metadata.write_checked(&mut Vec::new()).is_err());
        assert!(MetadataValue::new(Type::Bool, 1).is_err());
    }

    #[test]
    fn empty_is_null() {
        let mut json = Vec::new();
        Metadata::new().write_json(&mut json);
        assert_eq!(json, b"null");
        assert_eq!(Metadata::from_value(&Value::Null), Ok(Metadata::new()));
    }

    proptest! {
        #[test]
        fn simple_values_round_trip(
            entries in prop::collection::vec((any::<String>(), prop_oneof![
                any::<String>().prop_map(MetadataValue::from),
                any::<i128>().prop_map(MetadataValue::from),
                any::<bool>().prop_map(MetadataValue::from),
                (-1e300..1e300).prop_map(MetadataValue::from),
                (-1e300..1e300).prop_map(MetadataValue::timestamp_seconds),
            ]), 0..8),
        ) {
            let metadata: Metadata = entries.into_iter().collect();
            let mut json = Vec::new();
            prop_assert_eq!(metadata.write_checked(&mut json), Ok(()));
            let value = Value::parse(&json).unwrap();
            prop_assert_eq!(Metadata::from_value(&value), Ok(metadata));
        }
    }
}
