//! From values to JSON text.

use std::io::Write as _;

use super::Value;
use crate::protocol::scan::{is_plain, plain_end};

/// Appends `text` as a JSON string. What is not ASCII is written as it is.
#[inline]
pub fn write_json_string(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    match is_plain(bytes) {
        true => out.extend_from_slice(bytes),
        false => write_escaped(out, bytes),
    }
    out.push(b'"');
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
