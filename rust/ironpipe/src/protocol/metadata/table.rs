//! The rules of the table types: records, schema and column lineage.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use crate::protocol::parts::{self, Key, Part, elements, member, members};
use crate::protocol::scan::{Kind, plain_end};

type Check = Result<(), String>;

/// `{"records": […], "schema": […]}`
pub(super) fn check_table(part: Part<'_>) -> Check {
    let table = object(part, "table")?;
    let records = required(&table, "records")?;
    check_records(&sequence(records, "records")?)?;
    check_columns(required(&table, "schema")?, "schema")
}

/// `{"columns": […]}`
pub(super) fn check_schema(part: Part<'_>) -> Check {
    if is_plain_schema(part.raw) {
        return Ok(());
    }
    let schema = object(part, "table_schema")?;
    check_columns(required(&schema, "columns")?, "columns")
}

/// Whether it is `{"columns": [{"name": "…", "type": "…"}, …]}` letter by letter, as nearly every
/// schema is: then nothing has to be taken apart.
fn is_plain_schema(raw: &[u8]) -> bool {
    let columns = |rest| {
        let mut rest = after(after(rest, b"{\"columns\":")?, b"[")?;
        loop {
            rest = after(after(rest, b"{\"name\":")?, b"\"")?;
            rest = after(behind_string(rest)?, b",")?;
            rest = after(after(rest, b"\"type\":")?, b"\"")?;
            rest = after(behind_string(rest)?, b"}")?;
            match after(rest, b",") {
                Some(more) => rest = more,
                None => return after(rest, b"]}"),
            }
        }
    };
    columns(raw).is_some_and(<[u8]>::is_empty)
}

/// What follows `text`, and the space behind it that Python writes.
#[inline(always)]
fn after<'a>(rest: &'a [u8], text: &[u8]) -> Option<&'a [u8]> {
    let rest = rest.strip_prefix(text)?;
    Some(match text.ends_with(b"\"") {
        true => rest,
        false => rest.strip_prefix(b" ").unwrap_or(rest),
    })
}

/// What follows the string whose text begins here; none where it has escapes.
#[inline(always)]
fn behind_string(rest: &[u8]) -> Option<&[u8]> {
    rest[plain_end(rest, 0).0..].strip_prefix(b"\"")
}

/// `{"deps_by_column": {column: [{"asset_key", "column_name"}, …]}}`
pub(super) fn check_lineage(part: Part<'_>) -> Check {
    let lineage = object(part, "table_column_lineage")?;
    let columns = required(&lineage, "deps_by_column")?;
    if columns.kind != Kind::Object {
        return Err(wrong("deps_by_column", "an object", columns));
    }
    for (column, deps) in members(columns.raw) {
        let at = format!("deps_by_column['{column}']");
        check_deps(&sequence(deps, &at)?, &at)?;
    }
    Ok(())
}

fn check_records(records: &[Part<'_>]) -> Check {
    let mut fields: Option<Vec<Key<'_>>> = None;
    for (i, &record) in records.iter().enumerate() {
        if record.kind != Kind::Object {
            return Err(wrong(&format!("records[{i}]"), "an object", record));
        }
        let cells = members(record.raw);
        if let Some((name, cell)) = cells
            .iter()
            .find(|(_, cell)| matches!(cell.kind, Kind::Array | Kind::Object))
        {
            let at = format!("records[{i}]['{name}']");
            return Err(wrong(&at, "a string, a number, a bool or null", *cell));
        }
        let mut names: Vec<Key<'_>> = cells.into_iter().map(|(name, _)| name).collect();
        names.sort_unstable();
        match &fields {
            None => fields = Some(names),
            Some(first) if *first == names => {}
            Some(_) => {
                return Err(format!(
                    "records[{i}]: all records must have the same fields"
                ));
            }
        }
    }
    Ok(())
}

fn check_columns(part: Part<'_>, at: &str) -> Check {
    for (i, column) in sequence(part, at)?.into_iter().enumerate() {
        check_column(column).map_err(|why| format!("{at}[{i}]: {why}"))?;
    }
    Ok(())
}

fn check_column(part: Part<'_>) -> Check {
    if part.kind != Kind::Object {
        return Err(format!(
            "a column must be an object, not {}",
            part.kind.name()
        ));
    }
    let column = members(part.raw);
    for name in ["name", "type"] {
        let value = required(&column, name)?;
        if value.kind != Kind::String {
            return Err(wrong(name, "a string", value));
        }
    }
    if let Some(description) = given(&column, "description")
        && description.kind != Kind::String
    {
        return Err(wrong("description", "a string or null", description));
    }
    if let Some(tags) = given(&column, "tags") {
        let strings = tags.kind == Kind::Object
            && members(tags.raw)
                .iter()
                .all(|(_, tag)| tag.kind == Kind::String);
        if !strings {
            return Err("`tags` must be an object of strings".into());
        }
    }
    match member(&column, "constraints") {
        Some(constraints) if !constraints.is_falsy() => check_constraints(constraints),
        _ => Ok(()),
    }
}

fn check_constraints(part: Part<'_>) -> Check {
    if part.kind != Kind::Object {
        return Err(wrong("constraints", "an object", part));
    }
    for (name, value) in members(part.raw) {
        let fits = if name.is("nullable") || name.is("unique") {
            value.kind == Kind::Bool
        } else if name.is("other") {
            match value.kind {
                Kind::Null => true,
                Kind::Array => elements(value.raw)
                    .iter()
                    .all(|other| other.kind == Kind::String),
                _ => false,
            }
        } else {
            return Err(format!("constraints: `{name}` is not known"));
        };
        if !fits {
            return Err(match name.is("other") {
                true => "constraints: `other` must be an array of strings".into(),
                false => wrong(&format!("constraints: {name}"), "a bool", value),
            });
        }
    }
    Ok(())
}

fn check_deps(deps: &[Part<'_>], at: &str) -> Check {
    // Dagster sorts the columns of one asset and wants them different.
    let mut seen: HashMap<Vec<Key<'_>>, HashSet<Column<'_>>> = HashMap::new();
    for (i, &part) in deps.iter().enumerate() {
        let at = format!("{at}[{i}]");
        let dep = match part.kind {
            Kind::Object => members(part.raw),
            _ => return Err(wrong(&at, "an object", part)),
        };
        let asset_key = member(&dep, "asset_key");
        let column = member(&dep, "column_name");
        let (Some(asset_key), Some(column), 2) = (asset_key, column, dep.len()) else {
            return Err(format!(
                "{at} must have the keys `asset_key` and `column_name`, no others"
            ));
        };
        let asset_key = asset_key_parts(asset_key)
            .ok_or_else(|| wrong(&format!("{at}.asset_key"), "an array of strings", asset_key))?;
        let column = Column::new(column)
            .ok_or_else(|| wrong(&format!("{at}.column_name"), "a string", column))?;
        let columns = seen.entry(asset_key).or_default();
        // Those that are in are of one type, so one of them speaks for all.
        if columns
            .iter()
            .next()
            .is_some_and(|other| !other.comparable(&column))
        {
            return Err(format!(
                "{at}.column_name is of another type than its peers"
            ));
        }
        if !columns.insert(column) {
            return Err(format!("{at} stands there twice"));
        }
    }
    Ok(())
}

fn asset_key_parts(part: Part<'_>) -> Option<Vec<Key<'_>>> {
    match part.kind {
        Kind::String => Some(vec![part.text()]),
        Kind::Array => elements(part.raw)
            .into_iter()
            .map(|part| (part.kind == Kind::String).then(|| part.text()))
            .collect(),
        _ => None,
    }
}

/// The name of a column, of which Dagster only asks that it can be compared and hashed.
#[derive(PartialEq, Eq, Hash)]
enum Column<'a> {
    Name(Key<'a>),
    /// A number in one spelling for each value: the digits if it is whole, else the shortest that
    /// reads back as it. Python's `1`, `1.0` and `true` are equal.
    Number(Cow<'a, str>),
    Null,
}

impl<'a> Column<'a> {
    fn new(part: Part<'a>) -> Option<Self> {
        Some(match part.kind {
            Kind::String => Column::Name(part.text()),
            Kind::Null => Column::Null,
            Kind::Bool if part.raw == b"true" => Column::Number("1".into()),
            Kind::Bool => Column::Number("0".into()),
            Kind::Int if part.raw == b"-0" => Column::Number("0".into()),
            Kind::Int => Column::Number(String::from_utf8_lossy(part.raw)),
            Kind::Float => Column::Number(match parts::number(part.raw)? {
                0.0 => "0".into(),
                whole if whole.is_finite() && whole.fract() == 0.0 => format!("{whole:.0}").into(),
                other => other.to_string().into(),
            }),
            Kind::Array | Kind::Object => return None,
        })
    }

    fn comparable(&self, other: &Self) -> bool {
        matches!(
            (self, other),
            (Column::Name(_), Column::Name(_)) | (Column::Number(_), Column::Number(_))
        )
    }
}

fn object<'a>(part: Part<'a>, name: &str) -> Result<Vec<(Key<'a>, Part<'a>)>, String> {
    match part.kind {
        Kind::Object => Ok(members(part.raw)),
        _ => Err(format!(
            "type {name:?} takes an object, not {}",
            part.kind.name()
        )),
    }
}

/// What Dagster loops over. A loop over an empty object or string is empty; the keys or letters of
/// any other are no elements it takes.
fn sequence<'a>(part: Part<'a>, at: &str) -> Result<Vec<Part<'a>>, String> {
    match part.kind {
        Kind::Array => Ok(elements(part.raw)),
        Kind::Object | Kind::String if part.is_falsy() => Ok(Vec::new()),
        _ => Err(wrong(at, "an array", part)),
    }
}

fn required<'a>(members: &[(Key<'a>, Part<'a>)], name: &str) -> Result<Part<'a>, String> {
    member(members, name).ok_or_else(|| format!("`{name}` is missing"))
}

fn given<'a>(members: &[(Key<'a>, Part<'a>)], name: &str) -> Option<Part<'a>> {
    member(members, name).filter(|part| part.kind != Kind::Null)
}

fn wrong(at: &str, must: &str, part: Part<'_>) -> String {
    format!("{at} must be {must}, not {}", part.kind.name())
}
