//! The two forms in which nearly every log message comes.

use super::parts::Part;
use super::{Decoded, Repairs};
use crate::protocol::envelope::{Method, Stamp, WriterId};
use crate::protocol::scan::{Kind, Scanner};

/// Reads a log message off the start of `text` if it stands there in one of the two forms in which
/// nearly every one comes, with its newline; and the length of the line without that. It saves the
/// search for the newline. Where this gives nothing, [`decode`] must be asked.
#[inline(always)]
pub(crate) fn decode_plain_log(text: &[u8]) -> Option<(Decoded, usize)> {
    plain_log(text).filter(|&(_, length)| text.get(length) == Some(&b'\n'))
}

/// The two forms in which nearly every log message comes, the official Python client's and ours,
/// byte for byte. Anything else, or anything unusual in them, is left to [`general`].
#[inline(always)]
pub(super) fn plain_log(text: &[u8]) -> Option<(Decoded, usize)> {
    const OFFICIAL: &[u8; 75] =
        br#"{"__dagster_pipes_version": "0.1", "method": "log", "params": {"message": ""#;
    const OURS: &[u8; 69] =
        br#"{"__dagster_pipes_version":"0.1","method":"log","params":{"message":""#;
    if is_prefix(text, OURS) {
        plain_log_behind(text, OURS.len(), br#"{"message":""#.len(), |scanner| {
            scanner.take(br#","level":""#)
        })
    } else if is_prefix(text, OFFICIAL) {
        plain_log_behind(text, OFFICIAL.len(), br#"{"message": ""#.len(), |scanner| {
            scanner.take(br#", "level": ""#)
        })
    } else {
        None
    }
}

/// What follows the first `prefix` bytes, the last `opening` of which belong to the params. (The
/// literal before the level comes as a call, so that it is compared as the constant it is.)
#[inline(always)]
fn plain_log_behind(
    text: &[u8],
    prefix: usize,
    opening: usize,
    take_level: impl Fn(&mut Scanner<'_>) -> bool,
) -> Option<(Decoded, usize)> {
    let mut scanner = Scanner::at(text, prefix);
    let message = scanner.string_rest().ok()?;
    if !take_level(&mut scanner) {
        return None;
    }
    let label = scanner.pos();
    let known = scanner.take(b"INFO\"}")
        || scanner.take(b"DEBUG\"}")
        || scanner.take(b"WARNING\"}")
        || scanner.take(b"ERROR\"}")
        || scanner.take(b"CRITICAL\"}");
    if !known {
        return None;
    }
    let params_end = scanner.pos();
    let (stamp, length) = match scanner.take(b"}") {
        true => (None, scanner.pos()),
        false => plain_stamp(&text[params_end..])
            .map(|(stamp, length)| (Some(stamp), params_end + length))?,
    };
    // Whole registers were looked at, so bytes of the next line may be what is not ASCII.
    if !scanner.is_ascii() && simdutf8::basic::from_utf8(&text[..length]).is_err() {
        return None;
    }
    let decoded = Decoded {
        method: Method::Log,
        exact: scanner.exact(),
        repairs: Repairs::default(),
        stamp,
        params: Part::new(Kind::Object, prefix - opening, params_end, false),
        text: Part::new(Kind::String, message.start, message.end, message.escaped),
        label: Part::new(Kind::String, label, params_end - 2, false),
        mended: None,
    };
    Some((decoded, length))
}

/// Compares in registers what would else be a call, for a prefix of 16 bytes and more.
#[inline(always)]
fn is_prefix<const N: usize>(line: &[u8], prefix: &[u8; N]) -> bool {
    let Some(start) = line.first_chunk::<N>() else {
        return false;
    };
    let word = |bytes: &[u8; N], at: usize| {
        bytes[at..]
            .first_chunk()
            .map_or(0, |word| u128::from_le_bytes(*word))
    };
    // The last word overlaps the one before it.
    let places = (0..N / 16).map(|n| 16 * n).chain([N - 16]);
    places.fold(0, |unlike, at| {
        unlike | (word(start, at) ^ word(prefix, at))
    }) == 0
}

/// The rest of a line of ours behind its params, and its length.
#[inline(always)]
fn plain_stamp(rest: &[u8]) -> Option<(Stamp, usize)> {
    const PREFIX: &[u8; 16] = br#","__ironpipe":[""#;
    if !is_prefix(rest, PREFIX) {
        return None;
    }
    let name = &rest[PREFIX.len()..];
    let length = name
        .iter()
        .take(9) // Eight bytes of a name and the quote.
        .position(|&b| b == b'"' || b == b'\\')?;
    let writer = WriterId::new(&name[..length])?;
    let mut at = PREFIX.len() + length;
    let mut number = |before: &[u8]| {
        at += rest
            .get(at..)?
            .starts_with(before)
            .then_some(before.len())?;
        let start = at;
        let mut value = 0u64;
        while let Some(digit) = rest
            .get(at)
            .map(|b| b.wrapping_sub(b'0'))
            .filter(|&d| d < 10)
        {
            value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
            at += 1;
        }
        // So many digits fit; a leading zero is no number of JSON.
        ((1..=19).contains(&(at - start)) && rest[start] != b'0').then_some(value)
    };
    let stamp = Stamp {
        writer,
        number: number(b"\",")?,
        micros: number(b",")?,
    };
    rest[at..].starts_with(b"]}").then_some((stamp, at + 2))
}
