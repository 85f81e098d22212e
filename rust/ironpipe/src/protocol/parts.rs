//! Arrays and objects as spans of JSON text, for rules that look into a value without building it.
//!
//! All functions here take text that was scanned before, so what they can't read they pass over.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write;

use super::scan::{Kind, Scanner, Text, code_points, unescape};

/// A value where it stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part<'a> {
    /// Its type.
    pub kind: Kind,
    /// Its text.
    pub raw: &'a [u8],
}

impl<'a> Part<'a> {
    /// Whether Python's `bool()` of it is false, by which Dagster often means "not given".
    pub fn is_falsy(self) -> bool {
        match self.kind {
            Kind::Null => true,
            Kind::Bool => self.raw == b"false",
            Kind::Int | Kind::Float => number(self.raw) == Some(0.0),
            Kind::String => self.raw == b"\"\"",
            Kind::Array => elements(self.raw).is_empty(),
            Kind::Object => members(self.raw).is_empty(),
        }
    }

    /// The text of a string.
    pub fn text(self) -> Key<'a> {
        let inner = self.raw.get(1..self.raw.len().saturating_sub(1));
        Key::new(inner.unwrap_or_default(), self.raw.contains(&b'\\'))
    }
}

/// The text of a string literal, to be compared. Lone surrogates stay apart from one another,
/// which they can't in a Rust string.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Key<'a> {
    /// Text.
    Text(Cow<'a, str>),
    /// The code points of a text with lone surrogates.
    Points(Vec<u32>),
}

impl<'a> Key<'a> {
    /// The text that stands between the quotes of a scanned literal.
    pub fn new(raw: &'a [u8], escaped: bool) -> Self {
        if !escaped {
            return Key::Text(String::from_utf8_lossy(raw));
        }
        let mut text = String::with_capacity(raw.len());
        if unescape(raw, &mut text) {
            Key::Text(Cow::Owned(text))
        } else {
            let mut points = Vec::new();
            code_points(raw, &mut points);
            Key::Points(points)
        }
    }

    /// Whether it is this text.
    pub fn is(&self, text: &str) -> bool {
        matches!(self, Key::Text(own) if own == text)
    }
}

impl std::fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Key::Text(text) => f.write_str(text),
            Key::Points(points) => points.iter().try_for_each(|&point| {
                f.write_char(char::from_u32(point).unwrap_or(char::REPLACEMENT_CHARACTER))
            }),
        }
    }
}

/// The members of an object. Of a key that stands there twice the last value counts, at the place
/// of the first, as in a Python dict.
pub(crate) fn members(raw: &[u8]) -> Vec<(Key<'_>, Part<'_>)> {
    let mut found: Vec<(Key<'_>, Part<'_>)> = Vec::new();
    let mut places: HashMap<Key<'_>, usize> = HashMap::new();
    let _ = Scanner::new(raw).object(|scanner, key: Text| {
        let part = take(scanner, raw)?;
        let key = Key::new(&raw[key.range()], key.escaped);
        // Small objects, which are nearly all, are searched; large ones get a table.
        if found.len() == 16 {
            places.extend(found.iter().map(|(key, _)| key.clone()).zip(0..));
        }
        let place = match places.is_empty() {
            true => found.iter().position(|(known, _)| *known == key),
            false => places.get(&key).copied(),
        };
        match place {
            Some(place) => found[place].1 = part,
            None => {
                if !places.is_empty() {
                    places.insert(key.clone(), found.len());
                }
                found.push((key, part));
            }
        }
        Ok(())
    });
    found
}

/// The elements of an array.
pub(crate) fn elements(raw: &[u8]) -> Vec<Part<'_>> {
    let mut found = Vec::new();
    let _ = Scanner::new(raw).array(|scanner| {
        found.push(take(scanner, raw)?);
        Ok(())
    });
    found
}

/// The value of the member `name`.
pub(crate) fn member<'a>(members: &[(Key<'a>, Part<'a>)], name: &str) -> Option<Part<'a>> {
    members
        .iter()
        .find(|(key, _)| key.is(name))
        .map(|&(_, part)| part)
}

fn take<'a>(
    scanner: &mut Scanner<'a>,
    raw: &'a [u8],
) -> Result<Part<'a>, super::scan::SyntaxError> {
    let start = scanner.pos();
    let kind = scanner.value()?;
    Ok(Part {
        kind,
        raw: &raw[start..scanner.pos()],
    })
}

/// The value of a number as a double, infinite where it is too large for one.
pub(crate) fn number(raw: &[u8]) -> Option<f64> {
    match raw {
        b"NaN" => Some(f64::NAN),
        b"Infinity" => Some(f64::INFINITY),
        b"-Infinity" => Some(f64::NEG_INFINITY),
        _ => std::str::from_utf8(raw).ok()?.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_two_equal_keys_counts() {
        let text = br#"{"a":1,"b":2,"\u0061":[3]}"#;
        let found = members(text);
        assert_eq!(found.len(), 2);
        assert!(found[0].0.is("a"));
        assert_eq!(found[0].1.raw, b"[3]");

        let many: Vec<String> = (0..100).map(|i| format!("\"k{}\":{i}", i % 50)).collect();
        let text = format!("{{{}}}", many.join(","));
        let found = members(text.as_bytes());
        assert_eq!(found.len(), 50);
        assert_eq!(found[3].1.raw, b"53");
    }

    #[test]
    fn lone_surrogates_are_different_keys() {
        let text = br#"{"\ud800":1,"\ud801":2,"\ufffd":3,"\ud800\n\ud83d\ude00":4}"#;
        assert_eq!(members(text).len(), 4);
    }

    #[test]
    fn what_python_calls_false() {
        for (text, falsy) in [
            ("null", true),
            ("0", true),
            ("-0.0", true),
            ("1e-999", true),
            ("\"\"", true),
            ("[ ]", true),
            ("{ }", true),
            ("false", true),
            ("NaN", false),
            ("[0]", false),
            ("\" \"", false),
        ] {
            let mut scanner = Scanner::new(text.as_bytes());
            let part = take(&mut scanner, text.as_bytes()).unwrap();
            assert_eq!(part.is_falsy(), falsy, "{text}");
        }
    }
}
