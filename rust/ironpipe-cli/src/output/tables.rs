//! Tables of what was materialized and checked.

use comfy_table::{Cell, Color};
use ironpipe::protocol::value::Value;

use super::sheets::{Sheet, shorten, table, text};

/// Longer values are cut; `--json` has them whole.
const MAX_SHOWN: usize = 300;
/// As many rows are kept; of the others the number is.
const MAX_ROWS: usize = 1000;
/// As many metadata that are tables are kept.
const MAX_SHEETS: usize = 50;

/// Rows that become a table in the end.
#[derive(Debug)]
pub struct Rows {
    head: &'static [&'static str],
    rows: Vec<Vec<Cell>>,
    more: u64,
    /// What has no room in a cell, each with whose it is.
    sheets: Vec<(String, Sheet)>,
    more_sheets: usize,
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
            sheets: Vec::new(),
            more_sheets: 0,
        }
    }

    /// Adds a materialization; `params` are the message's.
    pub fn materialization(&mut self, params: &Value) {
        self.row(|rows| {
            let asset = text(params, "asset_key");
            let metadata = rows.metadata(params, &asset);
            vec![
                asset.into(),
                text(params, "data_version").into(),
                metadata.into(),
            ]
        });
    }

    /// Adds a check; `params` are the message's.
    pub fn check(&mut self, params: &Value) {
        self.row(|rows| {
            let passed = params.get("passed").and_then(Value::as_bool) == Some(true);
            let severity = text(params, "severity");
            let result = match (passed, severity.as_str()) {
                (true, _) => Cell::new("passed").fg(Color::Green),
                (false, "WARN") => Cell::new("failed (WARN)").fg(Color::Yellow),
                (false, _) => Cell::new(format!("failed ({severity})")).fg(Color::Red),
            };
            let (asset, check) = (text(params, "asset_key"), text(params, "check_name"));
            let metadata = rows.metadata(params, &format!("{asset}, {check}"));
            vec![asset.into(), check.into(), result, metadata.into()]
        });
    }

    fn row(&mut self, row: impl FnOnce(&mut Rows) -> Vec<Cell>) {
        if self.rows.len() < MAX_ROWS {
            let row = row(self);
            self.rows.push(row);
        } else {
            self.more += 1;
        }
    }

    /// A line an entry: `rows: 5 (int)`. What is a table itself is kept for below.
    fn metadata(&mut self, params: &Value, whose: &str) -> String {
        let entries = params.get("metadata").and_then(Value::as_object);
        let lines = entries.unwrap_or_default().iter().map(|(key, entry)| {
            let kind = match entry.get("type").and_then(Value::as_str) {
                None | Some("__infer__") => "",
                Some(kind) => kind,
            };
            let value = match entry.get("raw_value") {
                Some(Value::String(text)) => shorten(text, MAX_SHOWN),
                Some(value) => match Sheet::of(kind, value) {
                    Some(sheet) => {
                        let summary = sheet.summary();
                        match self.sheets.len() < MAX_SHEETS {
                            true => self.sheets.push((format!("{whose}: {key}"), sheet)),
                            false => self.more_sheets += 1,
                        }
                        summary
                    }
                    None => shorten(&value.to_json(), MAX_SHOWN),
                },
                None => String::new(),
            };
            match kind {
                "" => format!("{key}: {value}"),
                kind => format!("{key}: {value} ({kind})"),
            }
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    /// The metadata that are tables, each with whose it is.
    pub fn sheets(&self) -> &[(String, Sheet)] {
        &self.sheets
    }

    /// How many of them are too many to be kept.
    pub fn more_sheets(&self) -> usize {
        self.more_sheets
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        self.rows.len() as u64 + self.more
    }

    /// How many are too many to be in the table.
    pub fn more(&self) -> u64 {
        self.more
    }

    /// The table.
    pub fn table(&self) -> String {
        table(self.head.iter().copied(), &self.rows)
    }
}
