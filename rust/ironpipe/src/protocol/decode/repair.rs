//! What was mended in a message, and why a line is none.

use std::fmt;

use crate::protocol::envelope::PIPES_PROTOCOL_VERSION_FIELD;

/// What was mended so that a message could be delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Repair {
    /// An empty line was passed over.
    BlankLine,
    /// A line ended in `\r\n`.
    CarriageReturn,
    /// A line began with a byte order mark.
    ByteOrderMark,
    /// Dagster does not know the level; the nearest below was taken.
    Level,
    /// The message had params that Dagster does not know; they were dropped.
    UnknownParam,
    /// The severity was not in capitals.
    Severity,
    /// `opened` or `closed` came with params of a wrong type; they were dropped.
    Params,
    /// The stamp that numbers the message is not one; the message counts as not numbered.
    Stamp,
    /// Where ordinary output shares the channel: some stood before the message on its line.
    OutputBefore,
    /// Another message stood behind this one on its line.
    NoNewline,
}

impl Repair {
    /// All of them.
    pub const ALL: [Repair; 10] = [
        Repair::BlankLine,
        Repair::CarriageReturn,
        Repair::ByteOrderMark,
        Repair::Level,
        Repair::UnknownParam,
        Repair::Severity,
        Repair::Params,
        Repair::Stamp,
        Repair::OutputBefore,
        Repair::NoNewline,
    ];

    /// What a report calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Repair::BlankLine => "blank line",
            Repair::CarriageReturn => "carriage return at the end of a line",
            Repair::ByteOrderMark => "byte order mark",
            Repair::Level => "unknown log level",
            Repair::UnknownParam => "unknown param",
            Repair::Severity => "severity not in capitals",
            Repair::Params => "params of a wrong type on opened or closed",
            Repair::Stamp => "unreadable message number",
            Repair::OutputBefore => "output before a message on its line",
            Repair::NoNewline => "no newline between two messages",
        }
    }
}

/// A set of [`Repair`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Repairs(u16);

impl Repairs {
    /// Whether nothing was mended.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Adds one.
    pub fn add(&mut self, repair: Repair) {
        self.0 |= 1 << repair as u16;
    }

    /// Those in the set.
    pub fn iter(self) -> impl Iterator<Item = Repair> {
        Repair::ALL
            .into_iter()
            .filter(move |&repair| self.0 & 1 << repair as u16 != 0)
    }
}

/// Why a line is not a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The byte of the line, from 0, to which the reason points.
    pub at: usize,
    /// What is wrong, for a person.
    pub reason: String,
    /// Whether the line claims to be a message of Pipes. Where ordinary output shares a channel
    /// with messages, only such a line is a loss.
    pub is_message: bool,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (byte {} of the line)", self.reason, self.at)
    }
}
#[cold]
pub(super) fn not_utf8(line: &[u8]) -> Rejection {
    let at = std::str::from_utf8(line)
        .err()
        .map_or(0, |error| error.valid_up_to());
    let byte = line.get(at).copied().unwrap_or_default();
    reject(line, at, format!("not UTF-8: byte 0x{byte:02x}"))
}

#[cold]
pub(super) fn reject(line: &[u8], at: usize, reason: String) -> Rejection {
    let field = PIPES_PROTOCOL_VERSION_FIELD.as_bytes();
    Rejection {
        at,
        reason,
        is_message: memchr::memmem::find(line, field).is_some(),
    }
}

/// The first bytes of `bytes`, to be shown.
pub(crate) fn head(bytes: &[u8]) -> String {
    const SHOWN: usize = 100;
    let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN)]);
    let mut text = String::with_capacity(shown.len());
    for character in shown.chars() {
        match character.is_control() {
            true => text.extend(character.escape_debug()),
            false => text.push(character),
        }
    }
    if bytes.len() > SHOWN {
        // The cut may have gone through a character.
        text.truncate(text.trim_end_matches(char::REPLACEMENT_CHARACTER).len());
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_can_not_move_the_cursor() {
        assert_eq!(
            head(b"\0\x1b[2J\t\x7f\xff \"gr\xc3\xb6\xc3\x9fe\""),
            "\\0\\u{1b}[2J\\t\\u{7f}\u{fffd} \"größe\""
        );
        let long = "é".repeat(80);
        assert_eq!(head(long.as_bytes()), format!("{}…", "é".repeat(50)));
        assert_eq!(
            head(format!("x{long}").as_bytes()),
            format!("x{}…", "é".repeat(49))
        );
    }
}
