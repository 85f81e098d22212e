//! From anything that can be serialized to a [`Value`].
//!
//! serde_json writes `NaN` as null without a word; this keeps it, as Python does.

use std::fmt;

use serde::ser::{self, Error as _, Serialize};

use super::place::{Place, Step};
use super::{Object, Value};
use crate::protocol::scan::MAX_NESTING;

/// Why something can't be sent as JSON, and where in it.
///
/// ```
/// use std::collections::BTreeMap;
///
/// use ironpipe::Value;
///
/// let rows = BTreeMap::from([("rows", [BTreeMap::from([((1, 2), 3)])])]);
/// let error = Value::from_serialize(&rows).unwrap_err();
/// assert_eq!(error.place("payload"), "payload.rows[0]");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SerializeError {
    why: String,
    // In a box, since nearly every call of a serializer returns a value.
    place: Box<Place>,
}

impl SerializeError {
    /// The place of what can't be sent, in something called `root`: `payload.rows[3]`.
    pub fn place(&self, root: &str) -> String {
        self.place.text(root)
    }

    /// What is wrong with it.
    pub fn reason(&self) -> &str {
        &self.why
    }

    fn within(mut self, step: Step) -> SerializeError {
        self.place.push(step);
        self
    }
}

impl fmt::Display for SerializeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.why, self.place("value"))
    }
}

impl std::error::Error for SerializeError {}

impl ser::Error for SerializeError {
    fn custom<T: fmt::Display>(why: T) -> SerializeError {
        SerializeError {
            why: why.to_string(),
            place: Box::default(),
        }
    }
}

use SerializeError as Error;

/// Makes a value of what stands below `depth` arrays and objects.
#[derive(Clone, Copy)]
pub(super) struct ValueSerializer {
    pub depth: usize,
}

impl ValueSerializer {
    /// For what stands in an array or object here. No reader goes deeper than the limit, and no
    /// type that contains itself shall exhaust the stack.
    fn deeper(self) -> Result<ValueSerializer, Error> {
        if self.depth >= MAX_NESTING {
            return Err(Error::custom(format_args!(
                "values are nested deeper than {MAX_NESTING} levels"
            )));
        }
        let depth = self.depth + 1;
        Ok(ValueSerializer { depth })
    }
}

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
        let value = value.serialize(self.deeper()?);
        Ok(tagged(
            variant,
            value.map_err(|error| error.within(Step::key(variant)))?,
        ))
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Elements, Error> {
        Ok(Elements {
            // A length is a claim of the type's author: no reason to reserve without bound.
            elements: Vec::with_capacity(length.unwrap_or(0).min(1024)),
            inside: self.deeper()?,
        })
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
        Ok(Variant(
            variant,
            self.deeper()?.serialize_seq(Some(length))?,
        ))
    }

    fn serialize_map(self, _length: Option<usize>) -> Result<Members, Error> {
        Ok(Members {
            members: Object::new(),
            key: String::new(),
            inside: self.deeper()?,
        })
    }

    fn serialize_struct(self, _: &'static str, length: usize) -> Result<Members, Error> {
        self.serialize_map(Some(length))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Variant<Members>, Error> {
        Ok(Variant(
            variant,
            self.deeper()?.serialize_map(Some(length))?,
        ))
    }
}

fn tagged(variant: &str, value: Value) -> Value {
    Value::Object(vec![(variant.to_owned(), value)])
}

/// An array that is being filled.
pub(super) struct Elements {
    elements: Vec<Value>,
    inside: ValueSerializer,
}

/// An object that is being filled.
pub(super) struct Members {
    members: Object,
    key: String,
    inside: ValueSerializer,
}

/// What stands in a variant of an enum, below its name.
pub(super) struct Variant<T>(&'static str, T);

impl Elements {
    fn add<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let value = value.serialize(self.inside);
        let at = Step::Index(self.elements.len());
        self.elements.push(value.map_err(|error| error.within(at))?);
        Ok(())
    }
}

impl Members {
    fn add<T: Serialize + ?Sized>(&mut self, key: String, value: &T) -> Result<(), Error> {
        match value.serialize(self.inside) {
            Ok(value) => self.members.push((key, value)),
            Err(error) => return Err(error.within(Step::Key(key))),
        }
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
        Ok(Value::Array(self.elements))
    }
}

impl ser::SerializeTuple for Elements {
    type Ok = Value;
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.add(value)
    }

    fn end(self) -> Done {
        Ok(Value::Array(self.elements))
    }
}

impl ser::SerializeTupleStruct for Elements {
    type Ok = Value;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.add(value)
    }

    fn end(self) -> Done {
        Ok(Value::Array(self.elements))
    }
}

impl ser::SerializeTupleVariant for Variant<Elements> {
    type Ok = Value;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.1
            .add(value)
            .map_err(|error| error.within(Step::key(self.0)))
    }

    fn end(self) -> Done {
        Ok(tagged(self.0, Value::Array(self.1.elements)))
    }
}

impl ser::SerializeMap for Members {
    type Ok = Value;
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        // The key rules of Python's json.dumps: numbers, bools and null become text.
        self.key = match key.serialize(self.inside)? {
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
        self.1
            .add(key.to_owned(), value)
            .map_err(|error| error.within(Step::key(self.0)))
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
    }

    struct Bad;

    impl Serialize for Bad {
        fn serialize<S: ser::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(S::Error::custom("it is locked"))
        }
    }

    #[derive(serde::Serialize)]
    enum Deep {
        New(Bad),
        Tuple(u8, Bad),
        Struct { a: Vec<Bad> },
    }

    #[test]
    fn errors_say_where() {
        fn error(value: impl Serialize) -> String {
            let error = Value::from_serialize(&value).unwrap_err();
            format!("{}: {}", error.reason(), error.place("payload"))
        }
        assert_eq!(error(Bad), "it is locked: payload");
        assert_eq!(error((1, Deep::New(Bad))), "it is locked: payload[1].New");
        assert_eq!(error(Deep::Tuple(1, Bad)), "it is locked: payload.Tuple[1]");
        assert_eq!(
            error(BTreeMap::from([("a key", Deep::Struct { a: vec![Bad] })])),
            "it is locked: payload['a key'].Struct.a[0]"
        );
        assert_eq!(
            error(BTreeMap::from([("x", BTreeMap::from([([1], 1)]))])),
            "a key must be a string, a number, a bool or null: payload.x"
        );
    }

    /// Contains itself without end.
    struct Endless;

    impl Serialize for Endless {
        fn serialize<S: ser::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_seq([Endless])
        }
    }

    #[test]
    fn what_has_no_end_is_refused() {
        let error = Value::from_serialize(&Endless).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("values are nested deeper than 512")
        );
        assert!(error.to_string().ends_with("[0][0]…"), "{error}");
    }
}
