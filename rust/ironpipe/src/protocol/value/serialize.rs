//! From anything that can be serialized to a [`Value`].
//!
//! serde_json writes `NaN` as null without a word; this keeps it, as Python does.

use serde::ser::{self, Error as _, Serialize};
use serde_json::Error;

use super::{Object, Value};

pub(super) struct ValueSerializer;

type Done = Result<Value, Error>;

macro_rules! from {
    ($($method:ident: $type:ty),*) => {$(
        fn $method(self, value: $type) -> Done {
            Ok(Value::from(value))
        }
    )*};
}

impl ser::Serializer for ValueSerializer {
    type Ok = Value;
    type Error = Error;
    type SerializeSeq = Elements;
    type SerializeTuple = Elements;
    type SerializeTupleStruct = Elements;
    type SerializeTupleVariant = Variant<Elements>;
    type SerializeMap = Members;
    type SerializeStruct = Members;
    type SerializeStructVariant = Variant<Members>;

    from!(
        serialize_bool: bool, serialize_i8: i8, serialize_i16: i16, serialize_i32: i32,
        serialize_i64: i64, serialize_i128: i128, serialize_u8: u8, serialize_u16: u16,
        serialize_u32: u32, serialize_u64: u64, serialize_u128: u128, serialize_f32: f32,
        serialize_f64: f64, serialize_char: char, serialize_str: &str
    );

    fn serialize_bytes(self, bytes: &[u8]) -> Done {
        Ok(bytes.iter().copied().collect())
    }

    fn serialize_none(self) -> Done {
        Ok(Value::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Done {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Done {
        Ok(Value::Null)
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Done {
        Ok(Value::Null)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Done {
        Ok(Value::from(variant))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Done {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Done {
        Ok(tagged(variant, value.serialize(self)?))
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Elements, Error> {
        // A length is a claim of the type's author: no reason to reserve without bound.
        Ok(Elements(Vec::with_capacity(length.unwrap_or(0).min(1024))))
    }

    fn serialize_tuple(self, length: usize) -> Result<Elements, Error> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_struct(self, _: &'static str, length: usize) -> Result<Elements, Error> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Variant<Elements>, Error> {
        Ok(Variant(variant, self.serialize_seq(Some(length))?))
    }

    fn serialize_map(self, _length: Option<usize>) -> Result<Members, Error> {
        Ok(Members::default())
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Members, Error> {
        Ok(Members::default())
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Variant<Members>, Error> {
        Ok(Variant(variant, Members::default()))
    }
}

fn tagged(variant: &str, value: Value) -> Value {
    Value::Object(vec![(variant.to_owned(), value)])
}

/// An array that is being filled.
pub(super) struct Elements(Vec<Value>);

/// An object that is being filled.
#[derive(Default)]
pub(super) struct Members {
    members: Object,
    key: String,
}

/// What stands in a variant of an enum, below its name.
pub(super) struct Variant<T>(&'static str, T);

impl Elements {
    fn add<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.0.push(value.serialize(ValueSerializer)?);
        Ok(())
    }
}

impl Members {
    fn add<T: Serialize + ?Sized>(&mut self, key: String, value: &T) -> Result<(), Error> {
        self.members.push((key, value.serialize(ValueSerializer)?));
        Ok(())
    }

    fn done(self) -> Value {
        // By way of the iterator, which lets the last of equal keys count.
        self.members.into_iter().collect()
    }
}

impl ser::SerializeSeq for Elements {
    type Ok = Value;
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.add(value)
    }

    fn end(self) -> Done {
        Ok(Value::Array(self.0))
    }
}

impl ser::SerializeTuple for Elements {
    type Ok = Value;
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.add(value)
    }

    fn end(self) -> Done {
        Ok(Value::Array(self.0))
    }
}

impl ser::SerializeTupleStruct for Elements {
    type Ok = Value;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.add(value)
    }

    fn end(self) -> Done {
        Ok(Value::Array(self.0))
    }
}

impl ser::SerializeTupleVariant for Variant<Elements> {
    type Ok = Value;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.1.add(value)
    }

    fn end(self) -> Done {
        Ok(tagged(self.0, Value::Array(self.1.0)))
    }
}

impl ser::SerializeMap for Members {
    type Ok = Value;
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        // The key rules of Python's json.dumps: numbers, bools and null become text.
        self.key = match key.serialize(ValueSerializer)? {
            Value::String(text) => text,
            Value::Array(_) | Value::Object(_) => {
                return Err(Error::custom(
                    "a key must be a string, a number, a bool or null",
                ));
            }
            other => other.to_json(),
        };
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let key = std::mem::take(&mut self.key);
        self.add(key, value)
    }

    fn end(self) -> Done {
        Ok(self.done())
    }
}

impl ser::SerializeStruct for Members {
    type Ok = Value;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.add(key.to_owned(), value)
    }

    fn end(self) -> Done {
        Ok(self.done())
    }
}

impl ser::SerializeStructVariant for Variant<Members> {
    type Ok = Value;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.1.add(key.to_owned(), value)
    }

    fn end(self) -> Done {
        Ok(tagged(self.0, self.1.done()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[derive(serde::Serialize)]
    enum Shape {
        Unit,
        New(u8),
        Tuple(u8, f64),
        Struct { a: Option<u8>, b: u128 },
    }

    #[test]
    fn all_shapes_of_serde() {
        let value = (
            [
                Shape::Unit,
                Shape::New(1),
                Shape::Tuple(2, f64::NAN),
                Shape::Struct {
                    a: None,
                    b: u128::MAX,
                },
            ],
            BTreeMap::from([(1, 'x'), (2, 'y')]),
            (),
        );
        assert_eq!(
            Value::from_serialize(&value).unwrap().to_json(),
            concat!(
                r#"[["Unit",{"New":1},{"Tuple":[2,NaN]},"#,
                r#"{"Struct":{"a":null,"b":340282366920938463463374607431768211455}}],"#,
                r#"{"1":"x","2":"y"},null]"#
            )
        );
        let keyed = BTreeMap::from([([1], 1)]);
        assert!(Value::from_serialize(&keyed).is_err());
    }
}
