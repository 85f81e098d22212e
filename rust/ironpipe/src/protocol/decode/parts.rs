//! The parts of a line: where each stands and what it is.

use std::borrow::Cow;

use super::WireText;
use crate::protocol::envelope::{Stamp, WriterId};
use crate::protocol::metadata;
use crate::protocol::scan::{Kind, Scanner, SyntaxError, Text, unescape};

/// A part of the params: where it stands and what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    pub start: u32,
    pub end: u32,
    pub kind: Kind,
    pub escaped: bool,
}

impl Part {
    pub const NONE: Part = Part {
        start: 0,
        end: 0,
        kind: Kind::Null,
        escaped: false,
    };

    pub fn new(kind: Kind, start: usize, end: usize, escaped: bool) -> Part {
        // `decode` refuses lines whose length is not a u32.
        Part {
            start: start as u32,
            end: end as u32,
            kind,
            escaped,
        }
    }

    pub fn of(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.start as usize..self.end as usize]
    }

    /// A string with its quotes, which stand outside the part.
    #[inline]
    pub fn literal<'a>(self, bytes: &'a [u8]) -> WireText<'a> {
        let around = (self.start as usize).wrapping_sub(1)..self.end as usize + 1;
        WireText {
            literal: bytes.get(around).unwrap_or_default(),
            escaped: self.escaped,
        }
    }
}
/// The params that some method has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Param {
    Message,
    Level,
    AssetKey,
    DataVersion,
    Metadata,
    CheckName,
    Passed,
    Severity,
    Payload,
    Stream,
    Text,
    Extras,
    Exception,
}

pub(super) use Param as P;

impl Param {
    const NAMES: [(&'static str, Param); 13] = [
        ("message", P::Message),
        ("level", P::Level),
        ("asset_key", P::AssetKey),
        ("data_version", P::DataVersion),
        ("metadata", P::Metadata),
        ("check_name", P::CheckName),
        ("passed", P::Passed),
        ("severity", P::Severity),
        ("payload", P::Payload),
        ("stream", P::Stream),
        ("text", P::Text),
        ("extras", P::Extras),
        ("exception", P::Exception),
    ];

    pub fn name(self) -> &'static str {
        Param::NAMES[self as usize].0
    }

    #[inline(always)]
    fn from_name(name: &[u8]) -> Option<Param> {
        // A length and two bytes tell the names apart; one comparison then makes sure.
        let param = match (name.len(), name.first()?) {
            (7, b'm') => P::Message,
            (7, b'p') => P::Payload,
            (5, b'l') => P::Level,
            (9, b'a') => P::AssetKey,
            (9, b'e') => P::Exception,
            (12, b'd') => P::DataVersion,
            (8, b'm') => P::Metadata,
            (8, b's') => P::Severity,
            (10, b'c') => P::CheckName,
            (6, b'p') => P::Passed,
            (6, b's') => P::Stream,
            (6, b'e') => P::Extras,
            (4, b't') => P::Text,
            _ => return None,
        };
        (param.name().as_bytes() == name).then_some(param)
    }
}
/// The params of a line, whatever its method turns out to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Params {
    pub whole: Part,
    pub parts: [Part; 13],
    /// A bit for each [`Param`] that stands in `parts`.
    pub present: u16,
    pub unknown: bool,
    /// Whether an entry of `metadata` was refused; an equal key behind it may still replace it.
    pub metadata_suspect: bool,
}

impl Params {
    pub const NONE: Params = Params {
        whole: Part::NONE,
        parts: [Part::NONE; 13],
        present: 0,
        unknown: false,
        metadata_suspect: false,
    };

    #[inline(always)]
    pub fn get(&self, param: Param) -> Option<Part> {
        (self.present & 1 << param as u16 != 0).then(|| self.parts[param as usize])
    }

    #[inline(always)]
    pub fn scan(scanner: &mut Scanner<'_>) -> Result<Params, SyntaxError> {
        let mut params = Params::NONE;
        let start = scanner.pos();
        let kind = if scanner.peek() == b'{' {
            scanner.object(|scanner, key| {
                let found = named(scanner.bytes(), key, Param::from_name);
                let Some(param) = found else {
                    params.unknown = true;
                    return scanner.value().map(drop);
                };
                params.parts[param as usize] = if param == P::Metadata && scanner.peek() == b'{' {
                    let start = scanner.pos();
                    params.metadata_suspect = !scan_metadata(scanner)?;
                    Part::new(Kind::Object, start, scanner.pos(), false)
                } else {
                    scan_part(scanner)?
                };
                params.present |= 1 << param as u16;
                Ok(())
            })?;
            Kind::Object
        } else {
            scanner.value()?
        };
        params.whole = Part::new(kind, start, scanner.pos(), false);
        Ok(params)
    }
}

/// Takes a value; a string without its quotes.
#[inline(always)]
pub(super) fn scan_part(scanner: &mut Scanner<'_>) -> Result<Part, SyntaxError> {
    if scanner.peek() == b'"' {
        let Text {
            start,
            end,
            escaped,
        } = scanner.string()?;
        return Ok(Part::new(Kind::String, start, end, escaped));
    }
    let start = scanner.pos();
    let kind = scanner.value()?;
    Ok(Part::new(kind, start, scanner.pos(), false))
}

/// Takes a metadata object; false if Dagster may refuse an entry.
fn scan_metadata(scanner: &mut Scanner<'_>) -> Result<bool, SyntaxError> {
    let mut fine = true;
    scanner.object(|scanner, _| {
        if scanner.peek() != b'{' {
            fine = false;
            return scanner.value().map(drop);
        }
        let (mut raw_value, mut type_name) = (None, None);
        scanner.object(|scanner, key| {
            let slot = named(scanner.bytes(), key, |name| match name {
                b"raw_value" => Some(true),
                b"type" => Some(false),
                _ => None,
            });
            let start = scanner.pos();
            match slot {
                Some(true) => raw_value = Some((scanner.value()?, start, scanner.pos())),
                Some(false) => type_name = Some(scan_part(scanner)?),
                None => drop(scanner.value()?),
            }
            Ok(())
        })?;
        let bytes = scanner.bytes();
        fine &= match (raw_value, type_name) {
            (Some((kind, start, end)), Some(name))
                if name.kind == Kind::String && !name.escaped =>
            {
                metadata::check(name.of(bytes), kind, &bytes[start..end]).is_ok()
            }
            _ => false,
        };
        Ok(())
    })?;
    Ok(fine)
}

/// What `find` says of the text of a key, its escapes read first.
#[inline(always)]
pub(super) fn named<T>(bytes: &[u8], key: Text, find: impl Fn(&[u8]) -> Option<T>) -> Option<T> {
    if !key.escaped {
        return find(&bytes[key.range()]);
    }
    let mut name = String::new();
    unescape(&bytes[key.range()], &mut name);
    find(name.as_bytes())
}
/// Takes `[writer, number, microseconds]`; none if it is another JSON value.
pub(super) fn scan_stamp(scanner: &mut Scanner<'_>) -> Result<Option<Stamp>, SyntaxError> {
    if scanner.peek() != b'[' {
        return scanner.value().map(|_| None);
    }
    let (mut writer, mut number, mut micros) = (None, None, None);
    let mut index = 0;
    scanner.array(|scanner| {
        let part = scan_part(scanner)?;
        let bytes = part.of(scanner.bytes());
        match (index, part.kind) {
            (0, Kind::String) => {
                writer = WriterId::new(text_of(scanner.bytes(), part).as_bytes());
            }
            (1, Kind::Int) => number = integer(bytes).filter(|&n| n > 0),
            (2, Kind::Int) => micros = integer(bytes),
            _ => {}
        }
        index += 1;
        Ok(())
    })?;
    Ok(match (writer, number, micros) {
        (Some(writer), Some(number), Some(micros)) => Some(Stamp {
            writer,
            number,
            micros,
        }),
        _ => None,
    })
}

/// The value of digits, if a u64 holds it.
pub(super) fn integer(digits: &[u8]) -> Option<u64> {
    // Python reads `-0` as 0.
    let digits = digits
        .strip_prefix(b"-")
        .filter(|&d| d == b"0")
        .unwrap_or(digits);
    digits.iter().try_fold(0u64, |value, &byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })
}

/// The text of a string part.
pub(super) fn text_of(line: &[u8], part: Part) -> Cow<'_, str> {
    let raw = part.of(line);
    match std::str::from_utf8(raw) {
        Ok(text) if !part.escaped => text.into(),
        _ => {
            let mut text = String::new();
            unescape(raw, &mut text);
            text.into()
        }
    }
}
