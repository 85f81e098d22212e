//! The text of string literals: its escapes read.

pub(super) fn is_low(unit: u16) -> bool {
    (0xDC00..=0xDFFF).contains(&unit)
}

/// The value of each hexadecimal digit; 0x80 for any other byte.
const HEX: [u8; 256] = {
    let mut table = [0x80; 256];
    let mut value = 0u8;
    while value < 16 {
        let lower = b"0123456789abcdef"[value as usize];
        table[lower as usize] = value;
        table[lower.to_ascii_uppercase() as usize] = value;
        value += 1;
    }
    table
};

/// The unit of UTF-16 that `\uXXXX` at the start of `bytes` stands for.
#[inline(always)]
pub(crate) fn unicode_escape(bytes: &[u8]) -> Option<u16> {
    match bytes.first_chunk::<6>()? {
        [b'\\', b'u', digits @ ..] => hex4(*digits),
        _ => None,
    }
}

#[inline(always)]
fn hex4(digits: [u8; 4]) -> Option<u16> {
    let [a, b, c, d] = digits.map(|byte| HEX[byte as usize]);
    let unit = u16::from(a) << 12 | u16::from(b) << 8 | u16::from(c) << 4 | u16::from(d);
    ((a | b | c | d) < 0x80).then_some(unit)
}

/// What the text of a string literal is read into.
trait TextSink {
    /// Text without escapes: UTF-8.
    fn text(&mut self, text: &[u8]);
    /// A code point that was escaped, be it a lone surrogate.
    fn point(&mut self, point: u32);
}

/// Reads what stands between the quotes of a scanned literal.
#[inline(always)]
fn read_literal(raw: &[u8], sink: &mut impl TextSink) {
    let mut rest = raw;
    loop {
        if rest.first() != Some(&b'\\') {
            // Escapes mostly stand close together, too close for a call that searches.
            let plain = rest
                .iter()
                .position(|&byte| byte == b'\\')
                .unwrap_or(rest.len());
            // An escape is ASCII, so a cut there leaves both sides whole.
            sink.text(&rest[..plain]);
            rest = &rest[plain..];
        }
        if let Some(unit) = unicode_escape(rest) {
            rest = &rest[6..];
            let unit = u32::from(unit);
            let low = match unit & 0xFC00 {
                0xD800 => unicode_escape(rest).filter(|&low| is_low(low)),
                _ => None,
            };
            sink.point(match low {
                Some(low) => {
                    rest = &rest[6..];
                    0x10000 + ((unit - 0xD800) << 10) + (u32::from(low) - 0xDC00)
                }
                None => unit,
            });
            continue;
        }
        let Some(&escape) = rest.get(1) else {
            return;
        };
        rest = &rest[2..];
        sink.point(match escape {
            b'b' => 8,
            b'f' => 12,
            b'n' => 10,
            b'r' => 13,
            b't' => 9,
            other => u32::from(other),
        });
    }
}

impl TextSink for Vec<u32> {
    #[inline(always)]
    fn text(&mut self, text: &[u8]) {
        let ascii = text.iter().position(|&byte| byte >= 0x80);
        let (ascii, beyond) = text.split_at(ascii.unwrap_or(text.len()));
        self.extend(ascii.iter().map(|&byte| u32::from(byte)));
        if !beyond.is_empty() {
            self.extend(String::from_utf8_lossy(beyond).chars().map(u32::from));
        }
    }

    #[inline(always)]
    fn point(&mut self, point: u32) {
        self.push(point);
    }
}

/// Appends the code points of a string literal to `out`, lone surrogates among them, as a string of
/// Python has them. `raw` stands between the quotes and was scanned.
pub fn code_points(raw: &[u8], out: &mut Vec<u32>) {
    out.reserve(raw.len());
    read_literal(raw, out);
}

struct Lossy<'a> {
    out: &'a mut String,
    whole: bool,
}

impl TextSink for Lossy<'_> {
    #[inline(always)]
    fn text(&mut self, text: &[u8]) {
        match simdutf8::basic::from_utf8(text) {
            Ok(text) => self.out.push_str(text),
            Err(_) => self.out.push_str(&String::from_utf8_lossy(text)),
        }
    }

    #[inline(always)]
    fn point(&mut self, point: u32) {
        let character = char::from_u32(point);
        self.whole &= character.is_some();
        self.out
            .push(character.unwrap_or(char::REPLACEMENT_CHARACTER));
    }
}

/// Appends the text of a string literal to `out`. `raw` stands between the quotes and was scanned.
///
/// A lone surrogate has no place in a Rust string: it becomes U+FFFD, and the result is false.
pub fn unescape(raw: &[u8], out: &mut String) -> bool {
    let mut sink = Lossy { out, whole: true };
    read_literal(raw, &mut sink);
    sink.whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unescapes() {
        for (raw, text, whole) in [
            ("plain é", "plain é", true),
            (r#"\"\\\/\b\f\n\r\t"#, "\"\\/\u{8}\u{c}\n\r\t", true),
            (r"a\u00e9b", "aéb", true),
            (r"\ud83d\ude00!", "😀!", true),
            (r"\ud800x", "\u{FFFD}x", false),
            (r"\ud800\ud83d\ude00", "\u{FFFD}😀", false),
        ] {
            let mut out = String::new();
            assert_eq!(
                (unescape(raw.as_bytes(), &mut out), out.as_str()),
                (whole, text)
            );
            let mut points = Vec::new();
            code_points(raw.as_bytes(), &mut points);
            assert_eq!(points.len(), text.chars().count());
            if whole {
                assert!(text.chars().map(u32::from).eq(points));
            }
        }
    }
}
