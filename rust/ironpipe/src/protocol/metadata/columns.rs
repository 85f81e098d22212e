//! Columns of tables, and where they come from.

use crate::protocol::asset_key::AssetKey;
use crate::protocol::value::{Object, Value};

pub(super) fn columns(schema: impl IntoIterator<Item = TableColumn>) -> Value {
    Value::from_iter(schema.into_iter().map(Value::from))
}

/// A column of a table.
///
/// ```
/// use ironpipe::{MetadataValue, TableColumn};
///
/// let schema = MetadataValue::table_schema([
///     TableColumn::new("id", "int").nullable(false).unique(true),
///     TableColumn::new("name", "string").description("as in the passport"),
/// ]);
/// # assert_eq!(schema.kind().as_str(), "table_schema");
/// ```
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

    /// Says what it holds.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> TableColumn {
        self.description = Some(description.into());
        self
    }

    /// Adds a label.
    #[must_use]
    pub fn tag(mut self, name: impl Into<String>, value: impl Into<String>) -> TableColumn {
        self.tags.push((name.into(), value.into()));
        self
    }

    /// Says whether it may hold null.
    #[must_use]
    pub fn nullable(mut self, nullable: bool) -> TableColumn {
        self.nullable = Some(nullable);
        self
    }

    /// Says whether no value stands there twice.
    #[must_use]
    pub fn unique(mut self, unique: bool) -> TableColumn {
        self.unique = Some(unique);
        self
    }

    /// Says in words what else holds.
    #[must_use]
    pub fn constraint(mut self, words: impl Into<String>) -> TableColumn {
        self.other.push(words.into());
        self
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
