//! Metadata that are tables themselves, shown below the table of what was reported.

use comfy_table::{Attribute, Cell, CellAlignment, ContentArrangement, Table, presets};
use ironpipe::protocol::value::Value;

/// As many records of a table are shown.
const MAX_RECORDS: usize = 20;
/// As many columns of a table are shown next to each other.
const MAX_WIDTH: usize = 12;
/// As many columns of a schema or a lineage are shown, one below the other.
const MAX_COLUMNS: usize = 100;
/// Longer values are cut.
const MAX_CELL: usize = 60;

/// A value of the type `table`, `table_schema` or `table_column_lineage`.
#[derive(Debug)]
pub struct Sheet {
    head: Vec<String>,
    rows: Vec<Vec<Cell>>,
    /// How many rows there are.
    length: usize,
    /// What a row is.
    unit: &'static str,
    /// How many columns there are.
    width: usize,
}

impl Sheet {
    /// The sheet of a value; none where it is of another type.
    pub fn of(kind: &str, value: &Value) -> Option<Sheet> {
        match kind {
            "table" => Some(Sheet::records(value)),
            "table_schema" => Some(Sheet::schema(value)),
            "table_column_lineage" => Some(Sheet::lineage(value)),
            _ => None,
        }
    }

    fn records(value: &Value) -> Sheet {
        let records = array(value, "records");
        let mut fields: Vec<&str> = names(array(value, "schema")).collect();
        let first = records.first().and_then(Value::as_object);
        for (field, _) in first.unwrap_or_default() {
            if !fields.contains(&field.as_str()) {
                fields.push(field);
            }
        }
        let width = fields.len();
        fields.truncate(MAX_WIDTH);
        let rows = records.iter().take(MAX_RECORDS);
        let row = |record: &Value| fields.iter().map(|field| cell(record.get(field))).collect();
        Sheet {
            rows: rows.map(row).collect(),
            head: fields.into_iter().map(str::to_owned).collect(),
            length: records.len(),
            unit: "row",
            width,
        }
    }

    fn schema(value: &Value) -> Sheet {
        let columns = array(value, "columns");
        let rows = columns.iter().take(MAX_COLUMNS).map(|column| {
            [
                text(column, "name"),
                text(column, "type"),
                constraints(column),
                text(column, "description"),
            ]
        });
        Sheet::columns(
            &["column", "type", "constraints", "description"],
            rows.collect(),
            columns.len(),
        )
    }

    fn lineage(value: &Value) -> Sheet {
        let columns = value.get("deps_by_column").and_then(Value::as_object);
        let columns = columns.unwrap_or_default();
        let rows = columns.iter().take(MAX_COLUMNS).map(|(column, deps)| {
            let deps = deps.as_array().unwrap_or_default().iter().map(|dep| {
                let parts = array(dep, "asset_key").iter().filter_map(Value::as_str);
                let asset = parts.collect::<Vec<_>>().join("/");
                format!("{asset}: {}", text(dep, "column_name"))
            });
            [column.clone(), deps.collect::<Vec<_>>().join("\n")]
        });
        Sheet::columns(&["column", "made of"], rows.collect(), columns.len())
    }

    /// A row a column; what nothing is said of is left out.
    fn columns<const N: usize>(head: &[&str; N], rows: Vec<[String; N]>, length: usize) -> Sheet {
        let said: Vec<usize> = (0..N)
            .filter(|&at| at == 0 || rows.iter().any(|row| !row[at].is_empty()))
            .collect();
        let cells = |row: &[String; N]| said.iter().map(|&at| Cell::new(&row[at])).collect();
        Sheet {
            head: said.iter().map(|&at| head[at].to_owned()).collect(),
            rows: rows.iter().map(cells).collect(),
            length,
            unit: "column",
            width: said.len(),
        }
    }

    /// What stands in the place of the value: `120 rows`.
    pub fn summary(&self) -> String {
        count(self.length, self.unit)
    }

    /// The sheet, and how much is left out.
    pub fn show(&self) -> String {
        let mut text = table(self.head.iter().map(String::as_str), &self.rows);
        let left_out = [
            (self.length - self.rows.len(), self.unit),
            (self.width - self.head.len(), "column"),
        ];
        let left_out = left_out.iter().filter(|(left, _)| *left > 0);
        let left_out: Vec<String> = left_out.map(|&(left, unit)| count(left, unit)).collect();
        if !left_out.is_empty() {
            let more = left_out.join(" and ");
            text.push_str(&format!("\n… and {more} more; --json shows all"));
        }
        text
    }
}

fn count(count: usize, unit: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural}")
}

fn array<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    let array = value.get(key).and_then(Value::as_array);
    array.unwrap_or_default()
}

fn names(columns: &[Value]) -> impl Iterator<Item = &str> {
    columns
        .iter()
        .filter_map(|column| column.get("name")?.as_str())
}

/// Numbers stand on the right.
fn cell(value: Option<&Value>) -> Cell {
    match value {
        None => Cell::new(""),
        Some(Value::String(text)) => Cell::new(shorten(text, MAX_CELL)),
        Some(value @ (Value::Int(_) | Value::BigInt(_) | Value::Float(_))) => {
            Cell::new(value.to_json()).set_alignment(CellAlignment::Right)
        }
        Some(value) => Cell::new(value.to_json()),
    }
}

fn constraints(column: &Value) -> String {
    let constraints = column.get("constraints");
    let flag = |name| constraints?.get(name)?.as_bool();
    let mut words = Vec::new();
    if flag("nullable") == Some(false) {
        words.push("not null");
    }
    if flag("unique") == Some(true) {
        words.push("unique");
    }
    let other = constraints.map(|constraints| array(constraints, "other"));
    words.extend(other.unwrap_or_default().iter().filter_map(Value::as_str));
    words.join(", ")
}

/// A table, as wide as the terminal at most. Where it is printed, anstream leaves the colours out if
/// they don't belong there.
pub fn table<'a>(head: impl Iterator<Item = &'a str>, rows: &[Vec<Cell>]) -> String {
    Table::new()
        .load_style(presets::UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .enforce_styling()
        .set_header(head.map(|title| Cell::new(title).add_attribute(Attribute::Bold)))
        .add_rows(rows.iter().cloned())
        .to_string()
}

/// A member that is text; no text at all where it is not.
pub fn text(value: &Value, name: &str) -> String {
    let text = value.get(name).and_then(Value::as_str);
    text.unwrap_or_default().to_owned()
}

/// Text that is cut where it is long.
pub fn shorten(text: &str, shown: usize) -> String {
    match text.char_indices().nth(shown) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
    }
}
