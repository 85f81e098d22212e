//! Metadata of materializations and checks: its types, its values and what Dagster takes.

mod check;
mod checked;
mod columns;
mod map;
mod table;
mod value;

pub use check::{check, check_map, check_map_to_send};
pub use checked::{CheckedMetadata, EncodedMetadata};
pub use columns::{TableColumn, TableColumnDep};
pub use map::Metadata;
pub use value::MetadataValue;

/// The type of a metadata value, as its name stands on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Type {
    /// `__infer__`: Dagster picks the type by the value.
    Infer,
    /// `text`
    Text,
    /// `url`
    Url,
    /// `path`
    Path,
    /// `notebook`
    Notebook,
    /// `json`
    Json,
    /// `md`, Markdown
    Md,
    /// `float`
    Float,
    /// `int`
    Int,
    /// `bool`
    Bool,
    /// `dagster_run`, the id of a run
    DagsterRun,
    /// `asset`, the key of an asset
    Asset,
    /// `null`
    Null,
    /// `table`
    Table,
    /// `table_schema`
    TableSchema,
    /// `table_column_lineage`
    TableColumnLineage,
    /// `timestamp`, seconds since the Unix epoch
    Timestamp,
}

impl Type {
    /// All of them.
    pub const ALL: [Type; 17] = [
        Type::Infer,
        Type::Text,
        Type::Int,
        Type::Float,
        Type::Bool,
        Type::Json,
        Type::Md,
        Type::Url,
        Type::Path,
        Type::Notebook,
        Type::Timestamp,
        Type::Asset,
        Type::DagsterRun,
        Type::Null,
        Type::Table,
        Type::TableSchema,
        Type::TableColumnLineage,
    ];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Type::Infer => "__infer__",
            Type::Text => "text",
            Type::Url => "url",
            Type::Path => "path",
            Type::Notebook => "notebook",
            Type::Json => "json",
            Type::Md => "md",
            Type::Float => "float",
            Type::Int => "int",
            Type::Bool => "bool",
            Type::DagsterRun => "dagster_run",
            Type::Asset => "asset",
            Type::Null => "null",
            Type::Table => "table",
            Type::TableSchema => "table_schema",
            Type::TableColumnLineage => "table_column_lineage",
            Type::Timestamp => "timestamp",
        }
    }

    /// The type of a name, which must be exact.
    #[inline]
    pub fn from_name(name: &[u8]) -> Option<Type> {
        // The length and the first byte tell the names apart; one comparison then makes sure.
        let known = match (name.len(), name.first()?) {
            (9, b'_') => Type::Infer,
            (4, b't') => Type::Text,
            (3, b'u') => Type::Url,
            (4, b'p') => Type::Path,
            (8, b'n') => Type::Notebook,
            (4, b'j') => Type::Json,
            (2, b'm') => Type::Md,
            (5, b'f') => Type::Float,
            (3, b'i') => Type::Int,
            (4, b'b') => Type::Bool,
            (11, b'd') => Type::DagsterRun,
            (5, b'a') => Type::Asset,
            (4, b'n') => Type::Null,
            (5, b't') => Type::Table,
            (12, b't') => Type::TableSchema,
            (20, b't') => Type::TableColumnLineage,
            (9, b't') => Type::Timestamp,
            _ => return None,
        };
        (known.as_str().as_bytes() == name).then_some(known)
    }
}

#[cfg(test)]
mod tests {
    use super::Type;

    #[test]
    fn every_type_is_found_by_its_name() {
        for known in Type::ALL {
            assert_eq!(Type::from_name(known.as_str().as_bytes()), Some(known));
        }
        assert_eq!(Type::from_name(b"test"), None);
    }
}
