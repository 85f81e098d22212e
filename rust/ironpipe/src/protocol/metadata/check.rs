//! What Dagster takes as the metadata of a report.
//!
//! The rules are those of the constructors of Dagster's metadata values, each tried with each type
//! of JSON value. Where they depend on Python's own conversions (a bool is an integer, an empty
//! string is a sequence) so do these.

use super::Type;
use super::table;
use crate::protocol::parts::{self, Part};
use crate::protocol::scan::Kind;
use crate::protocol::value::quoted;

/// Says whether Dagster takes the pair of a type and a raw value.
///
/// `type_name` is the text of the `type` without quotes and escapes, `raw` the JSON text of the
/// `raw_value` and `kind` its type. The text must have been scanned.
///
/// # Errors
/// What is wrong, for the end of a sentence about the entry: `type "int" takes an integer or null,
/// not a string`.
#[inline]
pub fn check(type_name: &[u8], kind: Kind, raw: &[u8]) -> Result<(), String> {
    match Type::from_name(type_name) {
        Some(name) => check_type(name, kind, raw),
        None => Err(unknown(type_name)),
    }
}

/// As [`check`], of a type that is known.
#[inline]
pub(super) fn check_type(name: Type, kind: Kind, raw: &[u8]) -> Result<(), String> {
    let part = Part { kind, raw };
    let fits = match name {
        Type::Infer | Type::Null => true,
        Type::DagsterRun | Type::Asset => kind == Kind::String,
        Type::Text | Type::Url | Type::Md | Type::Path | Type::Notebook => {
            matches!(kind, Kind::String | Kind::Null)
        }
        Type::Json => matches!(kind, Kind::Object | Kind::Array | Kind::String | Kind::Null),
        Type::Float => matches!(kind, Kind::Float | Kind::Null),
        Type::Int => matches!(kind, Kind::Int | Kind::Bool | Kind::Null),
        Type::Bool => matches!(kind, Kind::Bool | Kind::Null),
        Type::Timestamp => match kind {
            Kind::Float | Kind::Bool => true,
            // Dagster makes a double of it, which overflows.
            Kind::Int if parts::number(raw).is_some_and(f64::is_finite) => true,
            Kind::Int => {
                return Err("type \"timestamp\" takes no integer too large for a double".into());
            }
            _ => false,
        },
        Type::Table => return table::check_table(part),
        Type::TableSchema => return table::check_schema(part),
        Type::TableColumnLineage => return table::check_lineage(part),
    };
    if fits {
        Ok(())
    } else {
        Err(misfit(name, kind))
    }
}

/// Says whether Dagster takes all of a metadata object, given as scanned JSON text.
///
/// Each entry must be an object with the keys `raw_value` and `type`. Dagster passes over further
/// keys; [`check_map_to_send`] does not.
///
/// # Errors
/// The first entry that is refused, by its key, and why.
pub fn check_map(raw: &[u8]) -> Result<(), String> {
    check_entries(raw, false)
}

/// As [`check_map`], and no entry may have further keys: the official client refuses those before
/// it sends them.
///
/// # Errors
/// The first entry that is refused, by its key, and why.
pub fn check_map_to_send(raw: &[u8]) -> Result<(), String> {
    check_entries(raw, true)
}

fn check_entries(raw: &[u8], no_others: bool) -> Result<(), String> {
    if raw.first() != Some(&b'{') {
        return Err("metadata must be an object".into());
    }
    for (key, entry) in parts::members(raw) {
        check_entry(entry, no_others)
            .map_err(|why| format!("metadata[{}]: {why}", quoted(&key.to_string())))?;
    }
    Ok(())
}

fn check_entry(entry: Part<'_>, no_others: bool) -> Result<(), String> {
    let shape = match no_others {
        true => "an entry must be an object with the keys `raw_value` and `type`, no others",
        false => "an entry must be an object with the keys `raw_value` and `type`",
    };
    if entry.kind != Kind::Object {
        return Err(format!("{shape}; it is {}", entry.kind.name()));
    }
    let members = parts::members(entry.raw);
    let value = parts::member(&members, "raw_value");
    let type_name = parts::member(&members, "type");
    let (Some(value), Some(type_name)) = (value, type_name) else {
        return Err(shape.into());
    };
    if no_others && members.len() > 2 {
        return Err(shape.into());
    }
    if type_name.kind != Kind::String {
        return Err(format!(
            "`type` must be a string, not {}",
            type_name.kind.name()
        ));
    }
    check(
        type_name.text().to_string().as_bytes(),
        value.kind,
        value.raw,
    )
}

#[cold]
fn unknown(type_name: &[u8]) -> String {
    let name = String::from_utf8_lossy(type_name);
    let name: String = name.chars().take(64).collect();
    let nearest = Type::ALL
        .iter()
        .map(|known| known.as_str())
        .max_by(|a, b| {
            let likeness =
                |known: &str| strsim::normalized_levenshtein(&name.to_lowercase(), known);
            likeness(a).total_cmp(&likeness(b))
        })
        .filter(|known| strsim::normalized_levenshtein(&name.to_lowercase(), known) > 0.5);
    match nearest {
        Some(nearest) => format!("{name:?} is no metadata type; did you mean {nearest:?}?"),
        None => format!("{name:?} is no metadata type"),
    }
}

#[cold]
fn misfit(name: Type, kind: Kind) -> String {
    let takes = match name {
        Type::DagsterRun | Type::Asset => "a string",
        Type::Json => "an object, an array, a string or null",
        Type::Float => "a float (write 1.0, not 1) or null",
        Type::Int => "an integer or null",
        Type::Bool => "a bool or null",
        Type::Timestamp => "a number, the seconds since the epoch",
        _ => "a string or null",
    };
    format!(
        "type {:?} takes {takes}, not {}",
        name.as_str(),
        kind.name()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::scan::Scanner;

    fn checked(type_name: &str, text: &str) -> Result<(), String> {
        let kind = Scanner::new(text.as_bytes()).value().unwrap();
        check(type_name.as_bytes(), kind, text.as_bytes())
    }

    #[test]
    fn simple_types() {
        // One letter for each value that is taken.
        const VALUES: [(char, &str); 8] = [
            ('n', "null"),
            ('b', "true"),
            ('i', "1"),
            ('f', "1.5"),
            ('N', "NaN"),
            ('s', "\"x\""),
            ('a', "[]"),
            ('o', "{}"),
        ];
        for (type_name, taken) in [
            ("text", "ns"),
            ("url", "ns"),
            ("md", "ns"),
            ("dagster_run", "s"),
            ("asset", "s"),
            ("path", "ns"),
            ("notebook", "ns"),
            ("json", "nsao"),
            ("float", "nfN"),
            ("int", "nbi"),
            ("bool", "nb"),
            ("timestamp", "bifN"),
            ("null", "nbifNsao"),
            ("__infer__", "nbifNsao"),
            ("job", ""),
            ("Int", ""),
        ] {
            for (letter, text) in VALUES {
                assert_eq!(
                    checked(type_name, text).is_ok(),
                    taken.contains(letter),
                    "{type_name} {text}"
                );
            }
        }
        assert!(checked("timestamp", &"9".repeat(400)).is_err());
        assert!(checked("int", &"9".repeat(400)).is_ok());
    }

    #[test]
    fn errors_say_what_to_write() {
        let why = checked("Int", "1").unwrap_err();
        assert_eq!(why, r#""Int" is no metadata type; did you mean "int"?"#);
        let why = checked("float", "1").unwrap_err();
        assert!(why.contains("1.0"), "{why}");
    }

    #[test]
    fn maps() {
        assert_eq!(check_map(br#"{"a":{"raw_value":1,"type":"int"}}"#), Ok(()));
        assert_eq!(check_map(b"{}"), Ok(()));
        for bad in [
            r#"[]"#,
            r#"{"a":1}"#,
            r#"{"a":{"raw_value":1}}"#,
            r#"{"a":{"raw_value":1,"type":["int"]}}"#,
        ] {
            assert!(check_map(bad.as_bytes()).is_err(), "{bad}");
        }
        let more = br#"{"a":{"raw_value":1,"type":"int","x":1}}"#;
        assert_eq!(check_map(more), Ok(()));
        assert!(check_map_to_send(more).is_err());
        let why = check_map(br#"{"a":{"raw_value":"1","type":"int"}}"#).unwrap_err();
        assert!(why.starts_with("metadata['a']: "), "{why}");
    }
}
