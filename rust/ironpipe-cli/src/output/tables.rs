//! Tables of what was materialized and checked.

use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table, presets};
use ironpipe::protocol::value::Value;

/// Longer values are cut; `--json` has them whole.
const MAX_SHOWN: usize = 300;
/// As many rows are kept; of the others the number is.
const MAX_ROWS: usize = 1000;

/// Rows that become a table in the end.
#[derive(Debug)]
pub struct Rows {
    head: &'static [&'static str],
    rows: Vec<Vec<Cell>>,
    more: u64,
}

impl Rows {
    /// Materializations.
    pub const fn materializations() -> Rows {
        Rows::new(&["asset", "data version", "metadata"])
    }

    /// Asset checks.
    pub const fn checks() -> Rows {
        Rows::new(&["asset", "check", "result", "metadata"])
    }

    const fn new(head: &'static [&'static str]) -> Rows {
        Rows {
            head,
            rows: Vec::new(),
            more: 0,
        }
    }

    /// Adds a materialization; `params` are the message's.
    pub fn materialization(&mut self, params: &Value) {
        self.row(|| {
            vec![
                text(params, "asset_key").into(),
                text(params, "data_version").into(),
                metadata(params).into(),
            ]
        });
    }

    /// Adds a check; `params` are the message's.
    pub fn check(&mut self, params: &Value) {
        self.row(|| {
            let passed = params.get("passed").and_then(Value::as_bool) == Some(true);
            let severity = text(params, "severity");
            let result = match (passed, severity.as_str()) {
                (true, _) => Cell::new("passed").fg(Color::Green),
                (false, "WARN") => Cell::new("failed (WARN)").fg(Color::Yellow),
                (false, _) => Cell::new(format!("failed ({severity})")).fg(Color::Red),
            };
            vec![
                text(params, "asset_key").into(),
                text(params, "check_name").into(),
                result,
                metadata(params).into(),
            ]
        });
    }

    fn row(&mut self, row: impl FnOnce() -> Vec<Cell>) {
        if self.rows.len() < MAX_ROWS {
            self.rows.push(row());
        } else {
            self.more += 1;
        }
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        self.rows.len() as u64 + self.more
    }

    /// How many are too many to be in the table.
    pub fn more(&self) -> u64 {
        self.more
    }

    /// The table, as wide as the terminal at most. Where it is printed, anstream leaves the colours
    /// out if they don't belong there.
    pub fn table(&self) -> String {
        let bold = |title: &&str| Cell::new(title).add_attribute(Attribute::Bold);
        Table::new()
            .load_style(presets::UTF8_FULL_CONDENSED)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .enforce_styling()
            .set_header(self.head.iter().map(bold))
            .add_rows(self.rows.iter().cloned())
            .to_string()
    }
}

fn text(params: &Value, field: &str) -> String {
    match params.get(field) {
        Some(Value::String(text)) => text.clone(),
        _ => String::new(),
    }
}

/// A line an entry: `rows: 5 (int)`.
fn metadata(params: &Value) -> String {
    let entries = params.get("metadata").and_then(Value::as_object);
    let lines = entries.unwrap_or_default().iter().map(|(key, entry)| {
        let kind = match entry.get("type").and_then(Value::as_str) {
            None | Some("__infer__") => String::new(),
            Some(kind) => format!(" ({kind})"),
        };
        let value = match entry.get("raw_value") {
            Some(Value::String(text)) => shorten(text),
            Some(value) => shorten(&value.to_json()),
            None => String::new(),
        };
        format!("{key}: {value}{kind}")
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
    }
}
