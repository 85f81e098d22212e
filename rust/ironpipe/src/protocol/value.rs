//! Any JSON value, as Python has it: integers of any size, `NaN` and infinities, keys in order.

use std::collections::HashMap;
use std::fmt;
use std::io::Write as _;

use serde::de::DeserializeOwned;
use serde::ser::{Error as _, Serialize, SerializeMap, Serializer};

use super::scan::{Kind, Scanner, SyntaxError, Text, unescape};

/// The members of an object, in order. Of equal keys only the last one counts.
pub type Object = Vec<(String, Value)>;

/// A JSON value.
///
/// Two objects are equal if they hold the same members in the same order, and `NaN` equals
/// nothing, as everywhere in Rust.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    /// `null`
    #[default]
    Null,
    /// `true` or `false`
    Bool(bool),
    /// An integer of 64 bits.
    Int(i64),
    /// Any other integer, as decimal digits with a `-` before them where it is negative.
    BigInt(String),
    /// Any other number.
    Float(f64),
    /// Text. (A lone surrogate has no place in it and is U+FFFD.)
    String(String),
    /// An array.
    Array(Vec<Value>),
    /// An object.
    Object(Object),
}

impl Value {
    /// Reads JSON text, all that Python's `json.loads` takes.
    ///
    /// # Errors
    /// The byte at which it stops being JSON or UTF-8, or the nesting goes deeper than
    /// [`MAX_NESTING`](super::scan::MAX_NESTING).
    pub fn parse(text: &[u8]) -> Result<Value, SyntaxError> {
        if let Err(error) = std::str::from_utf8(text) {
            return Err(SyntaxError {
                at: error.valid_up_to(),
                what: "a byte is not UTF-8",
            });
        }
        // Once to know that all is well, which is fast; then building has nothing to doubt.
        let mut scanner = Scanner::new(text);
        scanner.space();
        scanner.value()?;
        scanner.end()?;
        let mut scanner = Scanner::new(text);
        scanner.space();
        build(&mut scanner)
    }

    /// The value of anything that can be serialized.
    ///
    /// # Errors
    /// What its `Serialize` says, or a key of a map that is no string.
    pub fn from_serialize(value: &(impl Serialize + ?Sized)) -> Result<Value, serde_json::Error> {
        value.serialize(super::ser::ValueSerializer)
    }

    /// Reads a type of yours from it.
    ///
    /// # Errors
    /// What its `Deserialize` says. `NaN` and infinities are null to it.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_value(serde_json::to_value(self)?)
    }

    /// Appends it as JSON text on one line, `NaN` and infinities spelled as Python does.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        match self {
            Value::Null => out.extend_from_slice(b"null"),
            Value::Bool(true) => out.extend_from_slice(b"true"),
            Value::Bool(false) => out.extend_from_slice(b"false"),
            Value::Int(value) => {
                let _ = write!(out, "{value}");
            }
            Value::BigInt(digits) if is_integer(digits) => out.extend_from_slice(digits.as_bytes()),
            Value::BigInt(other) => write_json_string(out, other),
            Value::Float(value) => write_json_float(out, *value),
            Value::String(text) => write_json_string(out, text),
            Value::Array(elements) => {
                out.push(b'[');
                for (i, element) in elements.iter().enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    element.write_json(out);
                }
                out.push(b']');
            }
            Value::Object(members) => write_json_object(out, members),
        }
    }

    /// It as JSON text.
    pub fn to_json(&self) -> String {
        let mut out = Vec::new();
        self.write_json(&mut out);
        // Every part that is written is UTF-8.
        String::from_utf8(out).unwrap_or_default()
    }

    /// Its type.
    pub fn kind(&self) -> Kind {
        match self {
            Value::Null => Kind::Null,
            Value::Bool(_) => Kind::Bool,
            Value::Int(_) | Value::BigInt(_) => Kind::Int,
            Value::Float(_) => Kind::Float,
            Value::String(_) => Kind::String,
            Value::Array(_) => Kind::Array,
            Value::Object(_) => Kind::Object,
        }
    }

    /// The text, if it is a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The value, if it is `true` or `false`.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The number, if it is an integer of 64 bits.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Value::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// The nearest double, if it is a number.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::Int(value) => Some(*value as f64),
            Value::BigInt(digits) => digits.parse().ok(),
            Value::Float(value) => Some(*value),
            _ => None,
        }
    }

    /// The elements, if it is an array.
    pub fn as_array(&self) -> Option<&[Value]> {
        match self {
            Value::Array(elements) => Some(elements),
            _ => None,
        }
    }

    /// The members, if it is an object.
    pub fn as_object(&self) -> Option<&[(String, Value)]> {
        match self {
            Value::Object(members) => Some(members),
            _ => None,
        }
    }

    /// The member `key`, if it is an object that has one.
    pub fn get(&self, key: &str) -> Option<&Value> {
        // From the end, as the last of equal keys counts in an object made by hand.
        let found = self.as_object()?.iter().rev().find(|(name, _)| name == key);
        found.map(|(_, value)| value)
    }

    /// Whether it is null.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }
}

/// Appends `text` as a JSON string. What is not ASCII is written as it is.
pub fn write_json_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut plain = 0;
    for (i, &byte) in bytes.iter().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[plain..i]);
        plain = i + 1;
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                let _ = write!(out, "\\u{byte:04x}");
            }
        }
    }
    out.extend_from_slice(&bytes[plain..]);
    out.push(b'"');
}

/// Appends a double so that it reads back as one: `1.0`, never `1`.
pub(crate) fn write_json_float(out: &mut Vec<u8>, value: f64) {
    if value.is_nan() {
        out.extend_from_slice(b"NaN");
    } else if value.is_infinite() {
        out.extend_from_slice(match value > 0.0 {
            true => b"Infinity".as_slice(),
            false => b"-Infinity",
        });
    } else {
        let _ = write!(out, "{value:?}");
    }
}

pub(crate) fn write_json_object(out: &mut Vec<u8>, members: &[(String, Value)]) {
    out.push(b'{');
    for (i, (key, value)) in members.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write_json_string(out, key);
        out.push(b':');
        value.write_json(out);
    }
    out.push(b'}');
}

fn is_integer(digits: &str) -> bool {
    let digits = digits.strip_prefix('-').unwrap_or(digits);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// An array or object that is being built.
enum Open {
    Array(Vec<Value>),
    Object(Members),
}

/// An object that is being built, and the key whose value comes next.
#[derive(Default)]
struct Members {
    members: Object,
    key: String,
    // Small objects, which are nearly all, are searched; this is empty until one is large.
    places: HashMap<String, usize>,
}

impl Members {
    fn add(&mut self, value: Value) {
        let key = std::mem::take(&mut self.key);
        if self.members.len() == 16 {
            let keys = self.members.iter().map(|(key, _)| key.clone());
            self.places = keys.zip(0..).collect();
        }
        let place = match self.places.is_empty() {
            true => self.members.iter().position(|(known, _)| *known == key),
            false => self.places.get(&key).copied(),
        };
        match place {
            Some(place) => self.members[place].1 = value,
            None => {
                if !self.places.is_empty() {
                    self.places.insert(key.clone(), self.members.len());
                }
                self.members.push((key, value));
            }
        }
    }
}

/// Builds the value that stands here, with a stack of its own, so that no input grows the
/// thread's.
fn build(scanner: &mut Scanner<'_>) -> Result<Value, SyntaxError> {
    let mut open: Vec<Open> = Vec::new();
    loop {
        // At the start of a value, or at the end of an array or object.
        let mut value = match scanner.peek() {
            b'[' => {
                scanner.take(b"[");
                open.push(Open::Array(Vec::new()));
                None
            }
            b'{' => {
                scanner.take(b"{");
                open.push(Open::Object(Members::default()));
                None
            }
            _ => Some(scalar(scanner)?),
        };
        // Behind a value, or an opening bracket.
        loop {
            scanner.space();
            if let Some(value) = value.take() {
                match open.last_mut() {
                    None => return Ok(value),
                    Some(Open::Array(elements)) => elements.push(value),
                    Some(Open::Object(members)) => members.add(value),
                }
            }
            if scanner.take(b"]") || scanner.take(b"}") {
                value = open.pop().map(|open| match open {
                    Open::Array(elements) => Value::Array(elements),
                    Open::Object(members) => Value::Object(members.members),
                });
                continue;
            }
            if scanner.take(b",") {
                scanner.space();
            }
            if let Some(Open::Object(members)) = open.last_mut() {
                let key = scanner.string()?;
                members.key = text(scanner, key);
                scanner.space();
                scanner.take(b":");
                scanner.space();
            }
            break;
        }
    }
}

fn scalar(scanner: &mut Scanner<'_>) -> Result<Value, SyntaxError> {
    if scanner.peek() == b'"' {
        let literal = scanner.string()?;
        return Ok(Value::String(text(scanner, literal)));
    }
    let start = scanner.pos();
    let kind = scanner.value()?;
    let raw = &scanner.bytes()[start..scanner.pos()];
    Ok(match kind {
        Kind::Null => Value::Null,
        Kind::Bool => Value::Bool(raw == b"true"),
        Kind::Int => {
            let digits = String::from_utf8_lossy(raw);
            match digits.parse() {
                Ok(value) => Value::Int(value),
                Err(_) => Value::BigInt(digits.into_owned()),
            }
        }
        _ => Value::Float(super::parts::number(raw).unwrap_or(f64::NAN)),
    })
}

fn text(scanner: &Scanner<'_>, literal: Text) -> String {
    let raw = &scanner.bytes()[literal.range()];
    if !literal.escaped {
        return String::from_utf8_lossy(raw).into_owned();
    }
    let mut text = String::with_capacity(raw.len());
    unescape(raw, &mut text);
    text
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_json())
    }
}

impl Serialize for Value {
    /// An integer beyond 128 bits is an error: no serde type holds it.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Int(value) => serializer.serialize_i64(*value),
            Value::BigInt(digits) => match (digits.parse::<u64>(), digits.parse::<i128>()) {
                (Ok(value), _) => serializer.serialize_u64(value),
                (_, Ok(value)) => serializer.serialize_i128(value),
                _ => Err(S::Error::custom(format_args!(
                    "an integer of {} digits",
                    digits.len()
                ))),
            },
            Value::Float(value) => serializer.serialize_f64(*value),
            Value::String(text) => serializer.serialize_str(text),
            Value::Array(elements) => serializer.collect_seq(elements),
            Value::Object(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (key, value) in members {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}

macro_rules! from {
    ($($type:ty => |$value:ident| $make:expr;)*) => {$(
        impl From<$type> for Value {
            fn from($value: $type) -> Value {
                $make
            }
        }
    )*};
}

from! {
    () => |_value| Value::Null;
    bool => |value| Value::Bool(value);
    i8 => |value| Value::Int(value.into());
    i16 => |value| Value::Int(value.into());
    i32 => |value| Value::Int(value.into());
    i64 => |value| Value::Int(value);
    isize => |value| Value::Int(value as i64);
    u8 => |value| Value::Int(value.into());
    u16 => |value| Value::Int(value.into());
    u32 => |value| Value::Int(value.into());
    u64 => |value| i64::try_from(value).map_or_else(|_| Value::BigInt(value.to_string()), Value::Int);
    usize => |value| Value::from(value as u64);
    i128 => |value| i64::try_from(value).map_or_else(|_| Value::BigInt(value.to_string()), Value::Int);
    u128 => |value| i64::try_from(value).map_or_else(|_| Value::BigInt(value.to_string()), Value::Int);
    f32 => |value| Value::Float(value.into());
    f64 => |value| Value::Float(value);
    char => |value| Value::String(value.into());
    &str => |value| Value::String(value.to_owned());
    String => |value| Value::String(value);
    &String => |value| Value::String(value.clone());
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::Null, Into::into)
    }
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(elements: Vec<T>) -> Value {
        elements.into_iter().collect()
    }
}

impl<T: Into<Value>, const N: usize> From<[T; N]> for Value {
    fn from(elements: [T; N]) -> Value {
        elements.into_iter().collect()
    }
}

impl<T: Into<Value>> FromIterator<T> for Value {
    fn from_iter<I: IntoIterator<Item = T>>(elements: I) -> Value {
        Value::Array(elements.into_iter().map(Into::into).collect())
    }
}

impl<K: Into<String>, V: Into<Value>> FromIterator<(K, V)> for Value {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(members: I) -> Value {
        let mut object = Members::default();
        for (key, value) in members {
            object.key = key.into();
            object.add(value.into());
        }
        Value::Object(object.members)
    }
}

impl From<serde_json::Value> for Value {
    fn from(value: serde_json::Value) -> Value {
        match value {
            serde_json::Value::Null => Value::Null,
            serde_json::Value::Bool(value) => Value::Bool(value),
            serde_json::Value::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(value), _) => Value::Int(value),
                (_, Some(value)) => Value::from(value),
                _ => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            serde_json::Value::String(text) => Value::String(text),
            serde_json::Value::Array(elements) => elements.into_iter().collect(),
            serde_json::Value::Object(members) => members.into_iter().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            "-?[1-9][0-9]{19,60}".prop_map(Value::BigInt),
            any::<f64>()
                .prop_filter("NaN equals nothing", |value| !value.is_nan())
                .prop_map(Value::Float),
            any::<String>().prop_map(Value::String),
        ];
        leaf.prop_recursive(6, 64, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Value::Array),
                prop::collection::vec((any::<String>(), inner), 0..24)
                    .prop_map(|members| members.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(value in values()) {
            let text = value.to_json();
            prop_assert!(!text.contains('\n'));
            prop_assert_eq!(Value::parse(text.as_bytes()).unwrap(), value);
        }

        #[test]
        fn serializing_gives_the_same_value(value in values()) {
            if let Ok(same) = Value::from_serialize(&value) {
                prop_assert_eq!(same, value);
            }
        }

        #[test]
        fn nothing_makes_it_panic(text in any::<Vec<u8>>()) {
            let _ = Value::parse(&text);
        }
    }

    #[test]
    fn reads_what_python_writes() {
        let text = br#" {"a": [NaN, -Infinity, 18446744073709551616, -0, 1e400, "\ud800x"], "b": {}, "a": 1} "#;
        let value = Value::parse(text).unwrap();
        assert_eq!(value.to_json(), r#"{"a":1,"b":{}}"#);
        let value = Value::parse(&text[7..].replace_tail()).unwrap();
        assert_eq!(
            value.to_json(),
            "[NaN,-Infinity,18446744073709551616,0,Infinity,\"\u{FFFD}x\"]"
        );
    }

    trait ReplaceTail {
        fn replace_tail(&self) -> Vec<u8>;
    }

    impl ReplaceTail for [u8] {
        /// Up to the first `]`.
        fn replace_tail(&self) -> Vec<u8> {
            let end = self.iter().position(|&b| b == b']').unwrap();
            self[..=end].to_vec()
        }
    }

    #[test]
    fn depth_is_no_matter_up_to_the_limit() {
        let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(Value::parse(deep(512).as_bytes()).is_ok());
        assert!(Value::parse(deep(513).as_bytes()).is_err());
    }

    #[test]
    fn errors_say_where() {
        let error = Value::parse(b"{\"a\": \xff}").unwrap_err();
        assert_eq!((error.at, error.what), (6, "a byte is not UTF-8"));
        assert_eq!(Value::parse(b"[1,]").unwrap_err().at, 3);
    }

    #[test]
    fn strings_are_escaped_no_more_than_needed() {
        let mut out = Vec::new();
        write_json_string(&mut out, "a\"\\\n\r\t\u{1}\u{7f}é😀");
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "\"a\\\"\\\\\\n\\r\\t\\u0001\u{7f}é😀\""
        );
    }

    #[test]
    fn floats_stay_floats() {
        for (value, text) in [(1.0, "1.0"), (1e16, "1e16"), (-0.0, "-0.0")] {
            assert_eq!(Value::Float(value).to_json(), text);
        }
    }

    #[test]
    fn a_bad_big_integer_can_not_break_the_line() {
        assert_eq!(Value::BigInt("1\n".into()).to_json(), "\"1\\n\"");
    }
}
