//! Checks a CSV file of sales row by row, and reports to Dagster what it found.
//!
//! Good rows go on to the target, bad ones to a file beside it with the line, the column and the
//! reason. Nothing is kept but the row at hand and the first few for the report, so a file of any
//! size will do.

mod row;
mod source;
mod target;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use ironpipe::{
    CheckResult, Materialization, MetadataValue, PipesContext, Severity, TableColumn, Value,
};

use row::{COLUMNS, Fault};
use source::Source;
use target::Target;

/// How many rows the preview shows, and how many bad ones the check names.
const SHOWN: usize = 5;
const NAMED: usize = 20;

/// So many times the log says how far it is, if the file is large enough for that.
const STEPS: u64 = 20;
const SMALLEST_STEP: u64 = 4 << 20;

/// Checks a CSV file of sales row by row
#[derive(Parser)]
#[command(version)]
struct Args {
    /// The file to read: date, product, quantity and price, in any order
    source: PathBuf,
    /// The file for the good rows; the bad ones go beside it, to one that ends in .rejected.csv
    target: PathBuf,
}

fn main() -> ExitCode {
    let args = Args::parse();
    ironpipe::run(|pipes| load(pipes, &args.source, &args.target))
}

fn load(pipes: &PipesContext, source: &Path, target: &Path) -> Result<(), Box<dyn Error>> {
    pipes.info(format!("reading {}", source.display()))?;
    let mut rows = Source::open(source)?;
    let rejected = target.with_extension("rejected.csv");
    let mut good = Target::create(target, &COLUMNS)?;
    let mut bad = Target::create(&rejected, &["line", "column", "value", "reason"])?;
    let mut found = Found::default();

    let step = (rows.size() / STEPS).max(SMALLEST_STEP);
    let mut next = step;
    while let Some(row) = rows.next()? {
        match row.check() {
            Ok(fields) => {
                good.write(fields)?;
                found.good(fields);
            }
            Err(fault) => {
                bad.write([
                    fault.line.to_string().as_str(),
                    &fault.column,
                    &fault.value,
                    &fault.reason,
                ])?;
                found.bad(fault);
            }
        }
        if rows.read() >= next {
            next += step;
            let so_far = megabytes(rows.read(), rows.size());
            pipes.info(format!("{so_far} read, {} rows", found.rows()))?;
        }
    }
    if found.rows() == 0 {
        return Err(rows.error_at(2, "there is no row behind the header").into());
    }

    pipes.report_asset_check(
        CheckResult::new("rows_are_good", found.bad == 0)
            .severity(Severity::Warn)
            .with("bad_rows", found.bad)
            .with("first_bad_rows", found.named())
            .with(
                "rejected",
                MetadataValue::path(rejected.display().to_string()),
            ),
    )?;
    // They are worth reading even if there are no others; what stands in the target then stays.
    bad.replace()?;
    if found.good == 0 {
        let why = format!("from here on no row is good; see {}", rejected.display());
        return Err(rows.error_at(2, &why).into());
    }
    good.replace()?;
    pipes.info(format!(
        "{} rows are good, {} are not",
        found.good, found.bad
    ))?;

    pipes.report_asset_materialization(
        Materialization::new()
            .with("row_count", found.good)
            .with("columns", rows.header().join(", "))
            .with("preview", MetadataValue::md(found.preview()))
            .with("bad_rows", found.bad)
            .with("source", MetadataValue::path(source.display().to_string()))
            .with(
                "output_path",
                MetadataValue::path(target.display().to_string()),
            )
            .with(
                "format",
                MetadataValue::url("https://www.rfc-editor.org/rfc/rfc4180"),
            ),
    )?;
    Ok(())
}

/// How far the file has been read; of a pipe nobody knows the size.
fn megabytes(read: u64, size: u64) -> String {
    match size {
        0 => format!("{} MB", read / 1_000_000),
        _ => format!("{} of {} MB", read / 1_000_000, size / 1_000_000),
    }
}

/// What is told of the rows: their numbers, and the first few.
#[derive(Default)]
struct Found {
    good: u64,
    bad: u64,
    first: Vec<[String; 4]>,
    faults: Vec<Fault>,
}

impl Found {
    fn good(&mut self, fields: [&str; 4]) {
        self.good += 1;
        if self.first.len() < SHOWN {
            self.first.push(fields.map(str::to_owned));
        }
    }

    fn bad(&mut self, fault: Fault) {
        self.bad += 1;
        if self.faults.len() < NAMED {
            self.faults.push(fault);
        }
    }

    fn rows(&self) -> u64 {
        self.good + self.bad
    }

    /// The first rows as a table in Markdown.
    fn preview(&self) -> String {
        let mut lines = vec![
            format!("| {} |", COLUMNS.join(" | ")),
            format!("|{}", " --- |".repeat(COLUMNS.len())),
        ];
        for row in &self.first {
            let cells = row.each_ref().map(|cell| cell.replace('|', r"\|"));
            lines.push(format!("| {} |", cells.join(" | ")));
        }
        lines.join("\n")
    }

    /// The first bad rows as a table.
    fn named(&self) -> MetadataValue {
        let records = self.faults.iter().map(|fault| {
            [
                ("line", Value::from(fault.line)),
                ("column", Value::from(fault.column.as_str())),
                ("value", Value::from(fault.value.as_str())),
                ("reason", Value::from(fault.reason.as_str())),
            ]
        });
        let columns = [
            ("line", "int"),
            ("column", "string"),
            ("value", "string"),
            ("reason", "string"),
        ];
        MetadataValue::table(
            records,
            columns.map(|(name, kind)| TableColumn::new(name, kind)),
        )
    }
}
