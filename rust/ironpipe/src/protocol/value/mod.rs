//! Any JSON value, as Python has it: integers of any size, `NaN` and infinities, keys in order.

mod convert;
mod parse;
mod place;
mod serialize;
mod write;

use std::fmt;

use serde::de::DeserializeOwned;
use serde::ser::{Error as _, Serialize, SerializeMap, Serializer};

use super::scan::{Kind, SyntaxError};
use write::is_integer;

pub use place::{Place, Step, quoted};
pub use serialize::SerializeError;
pub(crate) use write::write_json_object;
pub use write::{write_json_float, write_json_integer, write_json_key, write_json_string};

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
        parse::parse(text)
    }

    /// The value of anything that can be serialized.
    ///
    /// # Errors
    /// What its `Serialize` says, a key of a map that is no string, number, bool or null, or
    /// nesting deeper than [`MAX_NESTING`](super::scan::MAX_NESTING); with the place.
    pub fn from_serialize(value: &(impl Serialize + ?Sized)) -> Result<Value, SerializeError> {
        Value::from_serialize_within(value, 0)
    }

    /// The same, for a value that `depth` arrays and objects will stand around.
    pub(crate) fn from_serialize_within(
        value: &(impl Serialize + ?Sized),
        depth: usize,
    ) -> Result<Value, SerializeError> {
        value.serialize(serialize::ValueSerializer { depth })
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
            Value::Int(value) => write_json_integer(out, *value),
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
        for (value, text) in [(1.0, "1.0"), (1e16, "1e+16"), (-0.0, "-0.0")] {
            assert_eq!(Value::Float(value).to_json(), text);
        }
    }

    #[test]
    fn a_bad_big_integer_can_not_break_the_line() {
        assert_eq!(Value::BigInt("1\n".into()).to_json(), "\"1\\n\"");
    }
}
