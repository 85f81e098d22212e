//! One pass over JSON text: checks it and says where its parts stand, without building values.
//!
//! The grammar is the one Python's `json.loads` takes, which is wider than RFC 8259: `NaN`,
//! `Infinity`, `-Infinity`, integers of up to 4,300 digits and lone surrogates are values. A text
//! that holds one of these is flagged as not [`Scanner::exact`], because a strict parser would
//! refuse it or, worse, read it as another value.

mod text;
mod words;

use std::ops::Range;

pub use text::{code_points, unescape};
use text::{is_low, unicode_escape};
use words::{HIGH, digits_end};
pub(crate) use words::{is_plain, plain_end};

/// How deep arrays and objects may stand in one another.
pub const MAX_NESTING: usize = 512;

/// The digits an integer may have: the default of Python's `sys.set_int_max_str_digits`.
pub const MAX_INTEGER_DIGITS: usize = 4300;

/// Why a text is not JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {at}")]
pub struct SyntaxError {
    /// The byte, counted from the start of the text, at which reading stopped.
    pub at: usize,
    /// What was wrong there.
    pub what: &'static str,
}

/// The type of a JSON value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `null`
    Null,
    /// `true` or `false`
    Bool,
    /// A number without fraction and exponent.
    Int,
    /// Any other number, `NaN` and the infinities among them.
    Float,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

impl Kind {
    /// The name a reader of an error knows it by.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Null => "null",
            Kind::Bool => "a bool",
            Kind::Int => "an integer",
            Kind::Float => "a float",
            Kind::String => "a string",
            Kind::Array => "an array",
            Kind::Object => "an object",
        }
    }
}

/// A string literal: where its text stands, without the quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text {
    /// First byte of the text.
    pub start: usize,
    /// One past its last byte, which is where the closing quote stands.
    pub end: usize,
    /// Whether it has escapes, so that the bytes are not yet the text.
    pub escaped: bool,
}

impl Text {
    /// The bytes of the text, escapes and all.
    pub fn range(self) -> Range<usize> {
        self.start..self.end
    }
}

/// A place in JSON text. Every method leaves `pos` behind what it took.
#[derive(Debug, Clone, Copy)]
pub struct Scanner<'a> {
    bytes: &'a [u8],
    pos: usize,
    exact: bool,
    /// Some byte of a string may be beyond ASCII.
    beyond_ascii: bool,
    /// How many arrays and objects the caller has open around `pos`.
    depth: usize,
}

type Scan<T> = Result<T, SyntaxError>;

impl<'a> Scanner<'a> {
    /// A scanner at the start of `bytes`. Whether they are UTF-8 is not checked here.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self::at(bytes, 0)
    }

    /// A scanner at `pos`.
    pub fn at(bytes: &'a [u8], pos: usize) -> Self {
        Scanner {
            bytes,
            pos,
            exact: true,
            beyond_ascii: false,
            depth: 0,
        }
    }

    /// For text that `depth` arrays and objects will stand around, which count as nesting.
    #[must_use]
    pub fn within(mut self, depth: usize) -> Self {
        self.depth = depth;
        self
    }

    /// The next byte to be read.
    pub fn pos(&self) -> usize {
        self.pos
    }

    /// Whether a strict JSON parser reads all that was scanned as the same values.
    pub fn exact(&self) -> bool {
        self.exact
    }

    /// Whether all that was scanned is ASCII; false also where that is not sure. JSON has bytes
    /// beyond ASCII in strings only, so where this is true and the scan came to the end of the
    /// text, the text is UTF-8.
    pub fn is_ascii(&self) -> bool {
        !self.beyond_ascii
    }

    /// The text that is scanned.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The byte at `pos`, 0 at the end (no JSON text holds a 0).
    #[inline(always)]
    pub fn peek(&self) -> u8 {
        self.bytes.get(self.pos).copied().unwrap_or(0)
    }

    #[inline(always)]
    fn fail<T>(&self, what: &'static str) -> Scan<T> {
        Err(syntax_error(self.pos, self.bytes.len(), what))
    }

    /// Passes over white space.
    #[inline(always)]
    pub fn space(&mut self) {
        // Most often there is none.
        while self.peek() <= b' ' && matches!(self.peek(), b' ' | b'\n' | b'\r' | b'\t') {
            self.pos += 1;
        }
    }

    /// Takes `literal` if it stands here.
    #[inline(always)]
    pub fn take(&mut self, literal: &[u8]) -> bool {
        let found = self.bytes[self.pos..].starts_with(literal);
        if found {
            self.pos += literal.len();
        }
        found
    }

    #[inline(always)]
    fn expect(&mut self, byte: u8, what: &'static str) -> Scan<()> {
        if self.peek() != byte {
            return self.fail(what);
        }
        self.pos += 1;
        Ok(())
    }

    /// Passes over white space and says that nothing else follows.
    pub fn end(&mut self) -> Scan<()> {
        self.space();
        if self.pos < self.bytes.len() {
            return Err(SyntaxError {
                at: self.pos,
                what: "something follows the JSON value",
            });
        }
        Ok(())
    }

    /// Takes a string, its opening quote first.
    #[inline(always)]
    pub fn string(&mut self) -> Scan<Text> {
        self.expect(b'"', "a string was expected")?;
        self.string_rest()
    }

    /// Takes a string whose opening quote was taken.
    #[inline(always)]
    pub fn string_rest(&mut self) -> Scan<Text> {
        let start = self.pos;
        let mut escaped = false;
        loop {
            let (end, seen) = plain_end(self.bytes, self.pos);
            self.pos = end;
            self.beyond_ascii |= seen & HIGH != 0;
            match self.peek() {
                b'"' => {
                    let end = self.pos;
                    self.pos += 1;
                    return Ok(Text {
                        start,
                        end,
                        escaped,
                    });
                }
                b'\\' => {
                    escaped = true;
                    self.escape()?;
                }
                _ => return self.fail("a control character stands in a string"),
            }
        }
    }

    /// Takes escapes, as many as follow one another.
    #[inline(always)]
    fn escape(&mut self) -> Scan<()> {
        while self.peek() == b'\\' {
            if let Some(unit) = unicode_escape(&self.bytes[self.pos..]) {
                self.pos += 6;
                // A lone half is a value for Python and none for a strict parser.
                if unit & 0xF800 == 0xD800 {
                    let low = unicode_escape(&self.bytes[self.pos..]).filter(|&low| is_low(low));
                    match low.filter(|_| unit < 0xDC00) {
                        Some(_) => self.pos += 6,
                        None => self.exact = false,
                    }
                }
                continue;
            }
            match self.bytes.get(self.pos + 1) {
                Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.pos += 2,
                Some(b'u') => {
                    self.pos += 2;
                    return self.fail("four hexadecimal digits were expected after \\u");
                }
                _ => {
                    self.pos += 1;
                    return self.fail("a string has an unknown escape");
                }
            }
        }
        Ok(())
    }

    /// Takes a number, `NaN` or an infinity.
    #[inline(always)]
    fn number(&mut self) -> Scan<Kind> {
        let start = self.pos;
        let negative = self.peek() == b'-';
        if negative {
            self.pos += 1;
        }
        let digits = match self.peek() {
            b'0' => {
                self.pos += 1;
                1
            }
            b'1'..=b'9' => self.digits(),
            b'I' if self.take(b"Infinity") => {
                self.exact = false;
                return Ok(Kind::Float);
            }
            b'N' if !negative && self.take(b"NaN") => {
                self.exact = false;
                return Ok(Kind::Float);
            }
            _ => return self.fail("a value was expected"),
        };
        let mut kind = Kind::Int;
        let mut exponent_digits = 0;
        // Python takes `1.` and `1e` as the number 1 with something behind it: the same refusal.
        if self.peek() == b'.' && self.digit_at(self.pos + 1) {
            self.pos += 1;
            self.digits();
            kind = Kind::Float;
        }
        if matches!(self.peek(), b'e' | b'E') {
            let sign = usize::from(matches!(self.bytes.get(self.pos + 1), Some(b'+' | b'-')));
            if self.digit_at(self.pos + 1 + sign) {
                self.pos += 1 + sign;
                exponent_digits = self.digits();
                kind = Kind::Float;
            }
        }
        match kind {
            Kind::Int if digits > MAX_INTEGER_DIGITS => {
                self.pos = start;
                return self.fail("an integer has more than 4,300 digits");
            }
            Kind::Int => self.exact &= digits < 19 || (digits == 19 && !negative),
            // Up to 10^(200 + 99): on the safe side of the end of a double's range.
            _ => self.exact &= exponent_digits < 3 && digits < 200,
        }
        Ok(kind)
    }

    #[inline(always)]
    fn digit_at(&self, pos: usize) -> bool {
        self.bytes.get(pos).is_some_and(u8::is_ascii_digit)
    }

    /// Passes over digits; how many there were.
    #[inline(always)]
    fn digits(&mut self) -> usize {
        let start = self.pos;
        self.pos = digits_end(self.bytes, start);
        self.pos - start
    }

    /// Takes a value of any type and all that stands in it.
    #[inline]
    pub fn value(&mut self) -> Scan<Kind> {
        match self.peek() {
            b'"' => {
                self.pos += 1;
                self.string_rest().map(|_| Kind::String)
            }
            b'{' => self.containers().map(|()| Kind::Object),
            b'[' => self.containers().map(|()| Kind::Array),
            _ => self.scalar(),
        }
    }

    #[inline(always)]
    fn scalar(&mut self) -> Scan<Kind> {
        match self.peek() {
            b'n' if self.take(b"null") => Ok(Kind::Null),
            b't' if self.take(b"true") => Ok(Kind::Bool),
            b'f' if self.take(b"false") => Ok(Kind::Bool),
            _ => self.number(),
        }
    }

    /// Takes an array or object with a bit for each level, so that no input grows the stack.
    #[inline(never)]
    fn containers(&mut self) -> Scan<()> {
        // A copy that is this function's alone lives in registers.
        let mut scanner = *self;
        let taken = scanner.take_containers();
        *self = scanner;
        taken
    }

    #[inline(always)]
    fn take_containers(&mut self) -> Scan<()> {
        // Bit n of word w: whether level 64 w + n is an object.
        let mut levels = [0u64; MAX_NESTING / 64];
        let mut depth = 0;
        let mut in_object = false;
        'value: loop {
            // At the start of a value.
            match self.peek() {
                b'"' => {
                    self.pos += 1;
                    self.string_rest()?;
                }
                byte @ (b'{' | b'[') => {
                    if depth + self.depth >= MAX_NESTING {
                        return self.fail("values are nested deeper than 512 levels");
                    }
                    if depth > 0 {
                        let bit = 1u64 << ((depth - 1) % 64);
                        let word = &mut levels[(depth - 1) / 64];
                        *word = if in_object { *word | bit } else { *word & !bit };
                    }
                    depth += 1;
                    in_object = byte == b'{';
                    self.pos += 1;
                    self.space();
                    // `]` and `}` stand two behind `[` and `{`.
                    if self.peek() != byte + 2 {
                        if in_object {
                            self.key()?;
                        }
                        continue 'value;
                    }
                }
                _ => {
                    self.scalar()?;
                }
            }
            // Behind a value, or at the end of an empty container.
            loop {
                self.space();
                match self.peek() {
                    b',' => {
                        self.pos += 1;
                        self.space();
                        if in_object {
                            self.key()?;
                        }
                        continue 'value;
                    }
                    b'}' if in_object => self.pos += 1,
                    b']' if !in_object => self.pos += 1,
                    _ if in_object => return self.fail("`,` or `}` was expected"),
                    _ => return self.fail("`,` or `]` was expected"),
                }
                depth -= 1;
                if depth == 0 {
                    return Ok(());
                }
                in_object = levels[(depth - 1) / 64] & (1u64 << ((depth - 1) % 64)) != 0;
            }
        }
    }

    /// Takes a key, the colon and the space around it.
    #[inline(always)]
    fn key(&mut self) -> Scan<Text> {
        self.expect(b'"', "a key in double quotes was expected")?;
        let key = self.string_rest()?;
        self.space();
        self.expect(b':', "`:` was expected")?;
        self.space();
        Ok(key)
    }

    /// Takes an object. `member` is called behind each colon and takes the value.
    #[inline(always)]
    pub fn object(&mut self, mut member: impl FnMut(&mut Self, Text) -> Scan<()>) -> Scan<()> {
        self.expect(b'{', "an object was expected")?;
        self.enter()?;
        self.space();
        if self.peek() == b'}' {
            self.pos += 1;
        } else {
            loop {
                let key = self.key()?;
                member(self, key)?;
                self.space();
                match self.peek() {
                    b',' => {
                        self.pos += 1;
                        self.space();
                    }
                    b'}' => {
                        self.pos += 1;
                        break;
                    }
                    _ => return self.fail("`,` or `}` was expected"),
                }
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// Takes an array. `element` is called at each element and takes it.
    #[inline(always)]
    pub fn array(&mut self, mut element: impl FnMut(&mut Self) -> Scan<()>) -> Scan<()> {
        self.expect(b'[', "an array was expected")?;
        self.enter()?;
        self.space();
        if self.peek() == b']' {
            self.pos += 1;
        } else {
            loop {
                element(self)?;
                self.space();
                match self.peek() {
                    b',' => {
                        self.pos += 1;
                        self.space();
                    }
                    b']' => {
                        self.pos += 1;
                        break;
                    }
                    _ => return self.fail("`,` or `]` was expected"),
                }
            }
        }
        self.depth -= 1;
        Ok(())
    }

    #[inline(always)]
    fn enter(&mut self) -> Scan<()> {
        if self.depth >= MAX_NESTING {
            return self.fail("values are nested deeper than 512 levels");
        }
        self.depth += 1;
        Ok(())
    }
}

/// By value, so that a scanner whose address nobody takes can live in registers.
#[cold]
#[inline(never)]
fn syntax_error(at: usize, length: usize, what: &'static str) -> SyntaxError {
    let what = match at >= length {
        true => "the line ends too early",
        false => what,
    };
    SyntaxError { at, what }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(text: &str) -> Result<(Kind, bool), SyntaxError> {
        let mut scanner = Scanner::new(text.as_bytes());
        scanner.space();
        let kind = scanner.value()?;
        scanner.end()?;
        Ok((kind, scanner.exact()))
    }

    #[test]
    fn takes_what_json_loads_takes() {
        for (text, kind, exact) in [
            ("null", Kind::Null, true),
            (" true ", Kind::Bool, true),
            ("-0", Kind::Int, true),
            ("9223372036854775807", Kind::Int, true),
            ("-9223372036854775808", Kind::Int, false),
            ("18446744073709551616", Kind::Int, false),
            ("1.5e10", Kind::Float, true),
            ("1e400", Kind::Float, false),
            ("12345678901234567", Kind::Int, true),
            ("1234567890.12345678e-9", Kind::Float, true),
            ("NaN", Kind::Float, false),
            ("-Infinity", Kind::Float, false),
            ("\"\\ud83d\\ude00\"", Kind::String, true),
            ("\"\\ud800\"", Kind::String, false),
            ("\"\\udc00\\ud800\"", Kind::String, false),
            ("[1, [], {\"a\": {}}, \"x\"]", Kind::Array, true),
            ("{\"a\" : [ 1 , 2 ] }", Kind::Object, true),
        ] {
            assert_eq!(scan(text), Ok((kind, exact)), "{text}");
        }
    }

    #[test]
    fn refuses_what_json_loads_refuses() {
        for (text, at) in [
            ("", 0),
            ("01", 1),
            ("1.", 1),
            ("1e", 1),
            ("-", 1),
            ("-NaN", 1),
            ("+1", 0),
            ("nul", 0),
            ("[1,]", 3),
            ("[1 2]", 3),
            ("{\"a\":1,}", 7),
            ("{a:1}", 1),
            ("{\"a\" 1}", 5),
            ("\"a\tb\"", 2),
            ("\"\\x\"", 2),
            ("\"\\u12g4\"", 3),
            ("\"abc", 4),
            ("[", 1),
            ("{} {}", 3),
            ("[}", 1),
        ] {
            assert_eq!(scan(text).map_err(|e| e.at), Err(at), "{text}");
        }
    }

    #[test]
    fn nesting_has_a_limit() {
        let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(scan(&deep(MAX_NESTING)).is_ok());
        assert!(scan(&deep(MAX_NESTING + 1)).is_err());
        assert!(scan(&"[".repeat(1_000_000)).is_err());
    }

    #[test]
    fn integers_have_a_limit() {
        assert_eq!(scan(&"9".repeat(4300)), Ok((Kind::Int, false)));
        assert!(scan(&"9".repeat(4301)).is_err());
    }
}
