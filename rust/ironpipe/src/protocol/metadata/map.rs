//! Labels and their values.

use std::collections::{BTreeMap, HashMap};

use super::{MetadataValue, Type, check};
use crate::protocol::value::{Value, quoted, write_json_string};

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
            let value =
                read_entry(entry).map_err(|why| format!("metadata[{}]: {why}", quoted(label)))?;
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
            write_value(value, out).map_err(|why| format!("metadata[{}]: {why}", quoted(label)))?;
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

macro_rules! from_collections {
    ($([$($bounds:tt)*] $type:ty;)*) => {$(
        impl<$($bounds)*> From<$type> for Metadata {
            fn from(entries: $type) -> Metadata {
                entries.into_iter().collect()
            }
        }
    )*};
}

from_collections! {
    [K: Into<String>, V: Into<MetadataValue>, const N: usize] [(K, V); N];
    [K: Into<String>, V: Into<MetadataValue>] Vec<(K, V)>;
    [K: Into<String>, V: Into<MetadataValue>] BTreeMap<K, V>;
    [K: Into<String>, V: Into<MetadataValue>, S] HashMap<K, V, S>;
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
    use super::super::{TableColumn, TableColumnDep, check_map};
    use super::*;
    use crate::protocol::asset_key::AssetKey;
    use proptest::prelude::*;
    use std::time::SystemTime;

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
            .with("asset", AssetKey::new(["a", "b"]))
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
        assert_eq!(check_map(&json), Ok(()));
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
