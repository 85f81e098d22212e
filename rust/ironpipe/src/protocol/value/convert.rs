//! From the usual types to a [`Value`].

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use super::Value;
use super::parse::Members;

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
    &&str => |value| Value::String((*value).to_owned());
    Box<str> => |value| Value::String(value.into());
    Cow<'_, str> => |value| Value::String(value.into_owned());
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

impl<K: Into<String>, V: Into<Value>> From<BTreeMap<K, V>> for Value {
    fn from(members: BTreeMap<K, V>) -> Value {
        members.into_iter().collect()
    }
}

impl<K: Into<String>, V: Into<Value>, S> From<HashMap<K, V, S>> for Value {
    fn from(members: HashMap<K, V, S>) -> Value {
        members.into_iter().collect()
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
