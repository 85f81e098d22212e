//! From values to JSON text.

use std::io::Write as _;

use super::Value;
use crate::protocol::scan::{is_plain, plain_end};

/// Appends `text` as a JSON string. What is not ASCII is written as it is.
#[inline]
pub fn write_json_string(out: &mut Vec<u8>, text: &str) {
    write_between(out, b"\"", text.as_bytes(), b"\"");
}

/// Appends the key of a member behind `before`: the brace that begins its object, or the comma that
/// parts it from the member before it.
#[inline]
pub fn write_json_key(out: &mut Vec<u8>, before: u8, key: &str) {
    write_between(out, &[before, b'"'], key.as_bytes(), b"\":");
}

/// Appends the text of a string literal, and what stands around it.
#[inline(always)]
fn write_between<const B: usize, const A: usize>(
    out: &mut Vec<u8>,
    before: &[u8; B],
    text: &[u8],
    after: &[u8; A],
) {
    if text.len() <= SHORT && write_short(out, before, text, after) {
        return;
    }
    out.reserve(B + text.len() + A);
    out.extend_from_slice(before);
    match is_plain(text) {
        true => out.extend_from_slice(text),
        false => write_escaped(out, text),
    }
    out.extend_from_slice(after);
}

/// The length up to which two words hold a string.
const SHORT: usize = 16;

/// As [`write_between`], if nothing is to be escaped. Most strings are short: these are not worth a
/// call that copies, and room for all of it is made once.
#[inline(always)]
fn write_short<const B: usize, const A: usize>(
    out: &mut Vec<u8>,
    before: &[u8; B],
    text: &[u8],
    after: &[u8; A],
) -> bool {
    const ROOM: usize = SHORT + 4;
    const { assert!(B + A <= ROOM - SHORT) };
    let start = out.len();
    let end = B + text.len();
    if !is_plain(text) {
        return false;
    }
    out.extend_from_slice(&[0; ROOM]);
    let Some(room) = out.last_chunk_mut::<ROOM>() else {
        return false;
    };
    room[..B].copy_from_slice(before);
    if !copy_words::<8>(&mut room[B..], text) && !copy_words::<4>(&mut room[B..], text) {
        for (place, &byte) in room[B..].iter_mut().zip(text) {
            *place = byte;
        }
    }
    room[end..end + A].copy_from_slice(after);
    out.truncate(start + end + A);
    true
}

/// Copies the first and the last `N` bytes, which may overlap, if there are as many.
#[inline(always)]
fn copy_words<const N: usize>(room: &mut [u8], text: &[u8]) -> bool {
    let (Some(first), Some(last)) = (text.first_chunk::<N>(), text.last_chunk::<N>()) else {
        return false;
    };
    room[..N].copy_from_slice(first);
    room[text.len() - N..text.len()].copy_from_slice(last);
    true
}

#[cold]
fn write_escaped(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut from = 0;
    loop {
        let (end, _) = plain_end(bytes, from);
        out.extend_from_slice(&bytes[from..end]);
        let Some(&byte) = bytes.get(end) else { break };
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                let _ = write!(out, "\\u{byte:04x}");
            }
        }
        from = end + 1;
    }
}

/// Appends an integer.
#[inline]
pub fn write_json_integer(out: &mut Vec<u8>, value: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends a double so that it reads back as one: `1.0`, never `1`.
#[inline]
pub fn write_json_float(out: &mut Vec<u8>, value: f64) {
    if value.is_nan() {
        out.extend_from_slice(b"NaN");
    } else if value.is_infinite() {
        out.extend_from_slice(match value > 0.0 {
            true => b"Infinity".as_slice(),
            false => b"-Infinity",
        });
    } else {
        // The shortest text that reads back as the same double.
        out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
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

/// Whether `digits` are those of an integer.
pub(super) fn is_integer(digits: &str) -> bool {
    let digits = digits.strip_prefix('-').unwrap_or(digits);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}
