//! A line to a message: what it is, where its parts stand, and what had to be mended.
//!
//! [`decode`] reads a line once. It builds no values: a [`Decoded`] says where in the line the
//! parts of the message stand. A line that Dagster's own handler would refuse is a
//! [`Rejection`], but for what can be mended without changing what was meant (see [`Repair`]);
//! then the params are written anew.

mod parts;
mod plain;
mod repair;
mod shape;

use crate::protocol::envelope::{Method, STAMP_FIELD, Stamp};
use crate::protocol::scan::{Kind, Scanner, SyntaxError, code_points, unescape};
use parts::{Params, Part, named, scan_part, scan_stamp, text_of};
pub(crate) use plain::decode_plain_log;
use plain::plain_log;
pub(crate) use repair::head;
pub use repair::{Rejection, Repair, Repairs};
use repair::{not_utf8, reject};
use shape::shape;

/// A string as it stands on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WireText<'a> {
    /// The JSON literal, its quotes included: UTF-8. Empty where there is no string.
    pub literal: &'a [u8],
    /// Whether there are escapes in it.
    pub escaped: bool,
}

impl<'a> WireText<'a> {
    /// What stands between the quotes; the text itself, if nothing is escaped.
    #[inline]
    pub fn raw(self) -> &'a [u8] {
        match self.literal {
            [_, raw @ .., _] => raw,
            _ => &[],
        }
    }

    /// Appends the text to `out`; false if a lone surrogate had to become U+FFFD.
    pub fn read(self, out: &mut String) -> bool {
        unescape(self.raw(), out)
    }

    /// Appends the code points of the text to `out`, lone surrogates among them.
    pub fn code_points(self, out: &mut Vec<u32>) {
        code_points(self.raw(), out);
    }
}

/// A message, by the places of its parts. All of them stand in the line that was decoded, or, once
/// the params were mended, in a text of its own: pass that same line to the methods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// What the message is.
    pub method: Method,
    /// Whether a strict JSON parser reads the params as `json.loads` does. Where it does not,
    /// only `json.loads` may read them.
    pub exact: bool,
    /// What was mended.
    pub repairs: Repairs,
    /// Which message of which writer it is, where the writer says so.
    pub stamp: Option<Stamp>,
    params: Part,
    /// `message` of a log, `text` of an external stream.
    text: Part,
    /// `level` of a log, `stream` of an external stream.
    label: Part,
    mended: Option<Box<[u8]>>,
}

impl Decoded {
    fn source<'a>(&'a self, line: &'a [u8]) -> &'a [u8] {
        self.mended.as_deref().unwrap_or(line)
    }

    /// The params as JSON text: an object, or `null` for `opened` and `closed`.
    pub fn params<'a>(&'a self, line: &'a [u8]) -> &'a [u8] {
        self.params.of(self.source(line))
    }

    /// `message` of a log, `text` of an external stream, else empty.
    #[inline]
    pub fn text<'a>(&'a self, line: &'a [u8]) -> WireText<'a> {
        self.text.literal(self.source(line))
    }

    /// `level` of a log (empty where it names none), `stream` of an external stream, else empty.
    #[inline]
    pub fn label<'a>(&'a self, line: &'a [u8]) -> WireText<'a> {
        self.label.literal(self.source(line))
    }
}
/// Reads one line, without its newline.
///
/// # Errors
/// The line is not UTF-8, not JSON, or not a message that Dagster's handler takes.
#[inline]
pub fn decode(line: &[u8]) -> Result<Decoded, Rejection> {
    if u32::try_from(line.len()).is_err() {
        return Err(reject(line, 0, "the line is longer than 4 GiB".into()));
    }
    match plain_log(line) {
        Some((decoded, length)) if length == line.len() => Ok(decoded),
        _ => general(line),
    }
}
fn general(line: &[u8]) -> Result<Decoded, Rejection> {
    let mut repairs = Repairs::default();
    let mut line_start = 0;
    if line.starts_with(b"\xEF\xBB\xBF") {
        repairs.add(Repair::ByteOrderMark);
        line_start = 3;
    }
    if line.ends_with(b"\r") {
        repairs.add(Repair::CarriageReturn);
    }
    let mut scanner = Scanner::at(line, line_start);
    let mut envelope = Envelope::default();
    let scanned = envelope.scan(&mut scanner);
    if scanned.is_err() || !scanner.is_ascii() {
        simdutf8::basic::from_utf8(line).map_err(|_| not_utf8(line))?;
    }
    let refuse = |at, reason: String| Err(reject(line, at, reason));
    match scanned {
        Err(error) => return refuse(error.at, format!("not JSON: {}", error.what)),
        Ok(Some(kind)) => {
            let reason = format!("a message is a JSON object, this is {}", kind.name());
            return refuse(line_start, reason);
        }
        Ok(None) => {}
    }
    if envelope.bad_stamp {
        repairs.add(Repair::Stamp);
    }
    let Some(name) = envelope.method else {
        return refuse(line_start, "the message has no `method`".into());
    };
    let method = match method_of(line, name) {
        Ok(method) => method,
        Err(reason) => return refuse(name.start as usize, reason),
    };
    let Some(params) = envelope.params else {
        return refuse(line_start, "the message has no `params`".into());
    };
    let mut decoded = Decoded {
        method,
        exact: scanner.exact(),
        repairs,
        stamp: envelope.stamp,
        params: params.whole,
        text: Part::NONE,
        label: Part::NONE,
        mended: None,
    };
    match shape(line, params, &mut decoded) {
        Ok(()) => Ok(decoded),
        Err((at, reason)) => refuse(at, format!("{method}: {reason}")),
    }
}

#[derive(Default)]
struct Envelope {
    method: Option<Part>,
    params: Option<Params>,
    stamp: Option<Stamp>,
    bad_stamp: bool,
}

impl Envelope {
    /// Takes the whole line; what it is, if not an object.
    #[inline(always)]
    fn scan(&mut self, scanner: &mut Scanner<'_>) -> Result<Option<Kind>, SyntaxError> {
        enum Key {
            Method,
            Params,
            Stamp,
        }
        scanner.space();
        if scanner.peek() != b'{' {
            let kind = scanner.value()?;
            return scanner.end().map(|()| Some(kind));
        }
        scanner.object(|scanner, key| {
            let key = named(scanner.bytes(), key, |name| match name {
                b"method" => Some(Key::Method),
                b"params" => Some(Key::Params),
                _ if name == STAMP_FIELD.as_bytes() => Some(Key::Stamp),
                _ => None,
            });
            match key {
                Some(Key::Method) => self.method = Some(scan_part(scanner)?),
                Some(Key::Params) => self.params = Some(Params::scan(scanner)?),
                Some(Key::Stamp) => {
                    self.stamp = scan_stamp(scanner)?;
                    self.bad_stamp = self.stamp.is_none();
                }
                None => drop(scanner.value()?),
            }
            Ok(())
        })?;
        scanner.end().map(|()| None)
    }
}

fn method_of(line: &[u8], name: Part) -> Result<Method, String> {
    if name.kind != Kind::String {
        return Err(format!("`method` is {}, not a string", name.kind.name()));
    }
    let name = text_of(line, name);
    Method::from_name(name.as_bytes()).ok_or_else(|| {
        let nearest = Method::nearest(&name);
        let hint = nearest.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
        format!("unknown method `{}`{hint}", head(name.as_bytes()))
    })
}
