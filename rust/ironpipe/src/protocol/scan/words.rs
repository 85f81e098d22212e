//! Eight bytes at a time.

const LOW: u64 = 0x0101_0101_0101_0101;
pub(super) const HIGH: u64 = 0x8080_8080_8080_8080;

/// Marks the high bit of the first byte of a word that can't stand in plain string text: a quote, a
/// backslash or a control character.
#[inline(always)]
fn ends_plain(word: u64) -> u64 {
    // Each term marks a byte it is looking for; a borrow can only mark bytes above the first such
    // one, and only the first one is used.
    let quote = word ^ (LOW * b'"' as u64);
    let slash = word ^ (LOW * b'\\' as u64);
    (quote.wrapping_sub(LOW) & !quote
        | slash.wrapping_sub(LOW) & !slash
        | word.wrapping_sub(LOW * 0x20) & !word)
        & HIGH
}

/// The first byte from `pos` that ends a run of plain string text, or the end of `bytes`; and the
/// bits of all bytes looked at, eight bytes on eight.
#[inline(always)]
pub(crate) fn plain_end(bytes: &[u8], mut pos: usize) -> (usize, u64) {
    let mut seen = 0;
    while let Some(chunk) = bytes.get(pos..).and_then(<[u8]>::first_chunk) {
        let word = u64::from_le_bytes(*chunk);
        seen |= word;
        let ends = ends_plain(word);
        if ends != 0 {
            return (pos + (ends.trailing_zeros() / 8) as usize, seen);
        }
        pos += 8;
    }
    while let Some(&byte) = bytes.get(pos) {
        if byte == b'"' || byte == b'\\' || byte < 0x20 {
            break;
        }
        seen |= u64::from(byte);
        pos += 1;
    }
    (pos, seen)
}

/// Whether `bytes` are nothing but plain string text. Most are short: two words, which may overlap,
/// then hold all of them.
#[inline(always)]
pub(crate) fn is_plain(bytes: &[u8]) -> bool {
    let word = |chunk: &[u8; 8]| ends_plain(u64::from_le_bytes(*chunk));
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        let marks = word(first) | word(last);
        return marks == 0 && (bytes.len() <= 16 || plain_end(bytes, 8).0 == bytes.len());
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
        return ends_plain(u64::from(first) << 32 | u64::from(last)) == 0;
    }
    plain_end(bytes, 0).0 == bytes.len()
}

/// The first byte from `pos` that is no digit, or the end of `bytes`. How many digits a number has
/// is what a processor predicts badly.
#[inline(always)]
pub(super) fn digits_end(bytes: &[u8], mut pos: usize) -> usize {
    while let Some(chunk) = bytes.get(pos..).and_then(<[u8]>::first_chunk) {
        let word = u64::from_le_bytes(*chunk);
        // A digit is 0x30 to 0x39: the first term marks what is above, the second what is below
        // or beyond 0x7F. A carry or borrow can only mark bytes above a marked one.
        let others = (word.wrapping_add(LOW * 0x46) | word.wrapping_sub(LOW * 0x30)) & HIGH;
        if others != 0 {
            return pos + (others.trailing_zeros() / 8) as usize;
        }
        pos += 8;
    }
    while bytes.get(pos).is_some_and(u8::is_ascii_digit) {
        pos += 1;
    }
    pos
}

#[cfg(test)]
mod tests {
    use super::super::Scanner;
    use super::*;

    #[test]
    fn every_byte_ends_a_run_of_digits_or_not() {
        for length in 0..20 {
            for byte in 0..=u8::MAX {
                let mut text = vec![b'7'; length];
                text.push(byte);
                text.extend_from_slice(b"0123456789\xff\xff");
                let expected = text.iter().position(|b| !b.is_ascii_digit());
                assert_eq!(Some(digits_end(&text, 0)), expected, "{text:?}");
            }
        }
    }

    #[test]
    fn every_byte_of_a_word_is_seen() {
        for length in 0..40 {
            for (byte, ok) in [(b'"', true), (b'\\', false), (0x1F, false)] {
                let mut text = vec![b'x'; length];
                text.push(byte);
                assert_eq!(plain_end(&text, 0).0, length);
                text.insert(0, b'"');
                assert_eq!(Scanner::new(&text).string().is_ok(), ok);
            }
            assert_eq!(plain_end("é".repeat(length).as_bytes(), 0).0, 2 * length);
            assert_eq!(plain_end(&vec![0x7F; length], 0).0, length);
        }
    }
}
