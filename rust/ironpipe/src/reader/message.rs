//! The messages that a reader hands out: where they stand, or with a line of their own.

use crate::protocol::decode::{Decoded, Rejection, WireText, decode};
use crate::protocol::envelope::{Method, Stamp};
use crate::protocol::message::Message;

/// A message where it stands in the reader's memory.
#[derive(Debug, Clone, Copy)]
pub struct MessageRef<'a> {
    pub(super) decoded: &'a Decoded,
    pub(super) line: &'a [u8],
}

impl<'a> MessageRef<'a> {
    /// What it is.
    pub fn method(self) -> Method {
        self.decoded.method
    }

    /// The params as JSON text.
    pub fn params(self) -> &'a [u8] {
        self.decoded.params(self.line)
    }

    /// Whether any JSON parser reads the params right; else only `json.loads` does.
    pub fn exact(self) -> bool {
        self.decoded.exact
    }

    /// `message` of a log, `text` of an external stream.
    #[inline]
    pub fn text(self) -> WireText<'a> {
        self.decoded.text(self.line)
    }

    /// `level` of a log (empty where it names none), `stream` of an external stream.
    #[inline]
    pub fn label(self) -> WireText<'a> {
        self.decoded.label(self.line)
    }

    /// Which message of which writer it is, where the writer says so.
    #[inline]
    pub fn stamp(self) -> Option<Stamp> {
        self.decoded.stamp
    }

    /// A copy that stays when the reader goes on.
    pub fn to_owned(self) -> OwnedMessage {
        OwnedMessage {
            decoded: self.decoded.clone(),
            line: self.line.into(),
        }
    }
}

/// A message that owns its line, to be kept for later.
#[derive(Debug, Clone)]
pub struct OwnedMessage {
    decoded: Decoded,
    line: Box<[u8]>,
}

impl OwnedMessage {
    /// Decodes a line, without its newline.
    ///
    /// # Errors
    /// It is not a message: see [`decode`].
    pub fn decode(line: impl Into<Box<[u8]>>) -> Result<OwnedMessage, Rejection> {
        let line = line.into();
        let decoded = decode(&line)?;
        Ok(OwnedMessage { decoded, line })
    }

    /// The message where it stands in this value.
    pub fn get(&self) -> MessageRef<'_> {
        MessageRef {
            decoded: &self.decoded,
            line: &self.line,
        }
    }
}

/// A message and its stamp.
#[derive(Debug, Clone, PartialEq)]
pub struct Received {
    /// The message.
    pub message: Message,
    /// Which message of which writer it is, where the writer says so.
    pub stamp: Option<Stamp>,
}
