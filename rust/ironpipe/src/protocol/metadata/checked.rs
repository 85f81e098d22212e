//! Metadata that is checked while it is encoded, so that nobody has to read it again.

use super::{Type, check::check_type};
use crate::protocol::scan::Kind;

/// Builds the JSON text of metadata that Dagster takes, an entry at a time, for an encoder of
/// another language. That the texts it is given are JSON is the encoder's to see to.
///
/// ```
/// use ironpipe::protocol::metadata::{CheckedMetadata, Type};
/// use ironpipe::protocol::scan::Kind;
///
/// let mut metadata = CheckedMetadata::new();
/// metadata.begin(|out| out.extend_from_slice(b"\"rows\""));
/// metadata.value().extend_from_slice(b"3");
/// metadata.end(Kind::Int, Type::Int).unwrap();
/// assert_eq!(metadata.finish().as_json(), br#"{"rows":{"raw_value":3,"type":"int"}}"#);
/// ```
#[derive(Debug, Clone, Default)]
pub struct CheckedMetadata {
    json: Vec<u8>,
    /// Where the raw value of the last entry begins.
    value: usize,
}

impl CheckedMetadata {
    /// No metadata.
    pub fn new() -> CheckedMetadata {
        CheckedMetadata {
            // Enough for most, so that it grows but once.
            json: Vec::with_capacity(1024),
            value: 0,
        }
    }

    /// Begins an entry, whose name `name` appends as a JSON string.
    pub fn begin<T>(&mut self, name: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        self.json
            .push(if self.json.is_empty() { b'{' } else { b',' });
        let named = name(&mut self.json);
        self.json.extend_from_slice(b":{\"raw_value\":");
        self.value = self.json.len();
        named
    }

    /// What the raw value of the entry is to be appended to, as JSON text.
    pub fn value(&mut self) -> &mut Vec<u8> {
        &mut self.json
    }

    /// Ends the entry with the type it is given; `kind` is what the raw value is.
    ///
    /// # Errors
    /// Dagster takes no such value of this type; says what is wrong. The text is of no more use.
    #[inline]
    pub fn end(&mut self, kind: Kind, name: Type) -> Result<(), String> {
        check_type(name, kind, &self.json[self.value..])?;
        self.json.extend_from_slice(b",\"type\":\"");
        self.json.extend_from_slice(name.as_str().as_bytes());
        self.json.extend_from_slice(b"\"}");
        Ok(())
    }

    /// All of it.
    pub fn finish(mut self) -> EncodedMetadata {
        if !self.json.is_empty() {
            self.json.push(b'}');
        }
        EncodedMetadata { json: self.json }
    }
}

/// Metadata that Dagster takes, as JSON text: the proof that it was checked. By default there is
/// none.
#[derive(Debug, Clone, Default)]
pub struct EncodedMetadata {
    json: Vec<u8>,
}

impl EncodedMetadata {
    /// A JSON object; `null` where there is no metadata, as the official client sends it.
    pub fn as_json(&self) -> &[u8] {
        match self.json.is_empty() {
            true => b"null",
            false => &self.json,
        }
    }
}
