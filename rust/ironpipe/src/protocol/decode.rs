//! A line to a message: what it is, where its parts stand, and what had to be mended.
//!
//! [`decode`] reads a line once. It builds no values: a [`Decoded`] says where in the line the
//! parts of the message stand. A line that Dagster's own handler would refuse is a
//! [`Rejection`], but for what can be mended without changing what was meant (see [`Repair`]);
//! then the params are written anew.

use std::fmt;

use super::envelope::{Method, PIPES_PROTOCOL_VERSION_FIELD, STAMP_FIELD, Stamp, WriterId};
use super::level::Level;
use super::scan::{Kind, Scanner, SyntaxError, Text, code_points, unescape};
use super::{exception, metadata};

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
}

impl Repair {
    /// All of them.
    pub const ALL: [Repair; 8] = [
        Repair::BlankLine,
        Repair::CarriageReturn,
        Repair::ByteOrderMark,
        Repair::Level,
        Repair::UnknownParam,
        Repair::Severity,
        Repair::Params,
        Repair::Stamp,
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
        }
    }
}

/// A set of [`Repair`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Repairs(u8);

impl Repairs {
    /// Whether nothing was mended.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Adds one.
    pub fn add(&mut self, repair: Repair) {
        self.0 |= 1 << repair as u8;
    }

    /// Those in the set.
    pub fn iter(self) -> impl Iterator<Item = Repair> {
        Repair::ALL
            .into_iter()
            .filter(move |&repair| self.0 & 1 << repair as u8 != 0)
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

/// A part of the params: where it stands and what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part {
    start: u32,
    end: u32,
    kind: Kind,
    escaped: bool,
}

impl Part {
    const NONE: Part = Part {
        start: 0,
        end: 0,
        kind: Kind::Null,
        escaped: false,
    };

    fn new(kind: Kind, start: usize, end: usize, escaped: bool) -> Part {
        // `decode` refuses lines whose length is not a u32.
        Part {
            start: start as u32,
            end: end as u32,
            kind,
            escaped,
        }
    }

    fn of(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.start as usize..self.end as usize]
    }

    /// A string with its quotes, which stand outside the part.
    #[inline]
    fn literal<'a>(self, bytes: &'a [u8]) -> WireText<'a> {
        let around = (self.start as usize).wrapping_sub(1)..self.end as usize + 1;
        WireText {
            literal: bytes.get(around).unwrap_or_default(),
            escaped: self.escaped,
        }
    }
}

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

/// The params that some method has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Param {
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

use Param as P;

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

    fn name(self) -> &'static str {
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

/// What a method's params are: those it must have, and those it may have.
fn signature(method: Method) -> (&'static [Param], &'static [Param]) {
    match method {
        Method::Opened => (&[], &[P::Extras]),
        Method::Closed => (&[], &[P::Exception]),
        Method::Log => (&[P::Message], &[P::Level]),
        Method::ReportAssetMaterialization => (&[P::AssetKey, P::DataVersion, P::Metadata], &[]),
        Method::ReportAssetCheck => (
            &[
                P::AssetKey,
                P::CheckName,
                P::Passed,
                P::Severity,
                P::Metadata,
            ],
            &[],
        ),
        Method::ReportCustomMessage => (&[P::Payload], &[]),
        Method::LogExternalStream => (&[P::Stream, P::Text], &[P::Extras]),
    }
}

/// The params of a line, whatever its method turns out to be.
#[derive(Debug, Clone, Copy)]
struct Params {
    whole: Part,
    parts: [Part; 13],
    /// A bit for each [`Param`] that stands in `parts`.
    present: u16,
    unknown: bool,
    /// Whether an entry of `metadata` was refused; an equal key behind it may still replace it.
    metadata_suspect: bool,
}

impl Params {
    const NONE: Params = Params {
        whole: Part::NONE,
        parts: [Part::NONE; 13],
        present: 0,
        unknown: false,
        metadata_suspect: false,
    };

    #[inline(always)]
    fn get(&self, param: Param) -> Option<Part> {
        (self.present & 1 << param as u16 != 0).then(|| self.parts[param as usize])
    }

    #[inline(always)]
    fn scan(scanner: &mut Scanner<'_>) -> Result<Params, SyntaxError> {
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
fn scan_part(scanner: &mut Scanner<'_>) -> Result<Part, SyntaxError> {
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
fn named<T>(bytes: &[u8], key: Text, find: impl Fn(&[u8]) -> Option<T>) -> Option<T> {
    if !key.escaped {
        return find(&bytes[key.range()]);
    }
    let mut name = String::new();
    unescape(&bytes[key.range()], &mut name);
    find(name.as_bytes())
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
fn plain_log(text: &[u8]) -> Option<(Decoded, usize)> {
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
        .take(17)
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

/// Takes `[writer, number, microseconds]`; none if it is another JSON value.
fn scan_stamp(scanner: &mut Scanner<'_>) -> Result<Option<Stamp>, SyntaxError> {
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
fn integer(digits: &[u8]) -> Option<u64> {
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

/// The text of a string part.
fn text_of(line: &[u8], part: Part) -> std::borrow::Cow<'_, str> {
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

/// Holds the params to what Dagster's handler of the method takes, and fills in the rest of
/// `decoded`; else where the fault is and what.
#[inline(always)]
fn shape(line: &[u8], params: Params, decoded: &mut Decoded) -> Result<(), (usize, String)> {
    let method = decoded.method;
    let start = params.whole.start as usize;
    let lifecycle = matches!(method, Method::Opened | Method::Closed);
    if params.whole.kind != Kind::Object {
        if !lifecycle {
            let kind = params.whole.kind.name();
            return Err((start, format!("`params` is {kind}, not an object")));
        }
        if params.whole.kind != Kind::Null {
            decoded.repairs.add(Repair::Params);
            decoded.mend(Box::from(*b"{}"));
        }
        return Ok(());
    }

    let (required, optional) = signature(method);
    let mut known = 0u16;
    for &param in required {
        known |= 1 << param as u16;
        let Some(part) = params.get(param) else {
            return Err((start, format!("`{}` is missing", param.name())));
        };
        check_param(line, param, part, &params).map_err(|reason| (part.start as usize, reason))?;
    }
    for &param in optional {
        known |= 1 << param as u16;
    }

    // What is to stand in the place of a param's text; none to drop it.
    let mut replaced: Option<(Param, Option<&'static str>)> = None;
    match method {
        Method::Opened => {
            if let Some(extras) = params.get(P::Extras)
                && !matches!(extras.kind, Kind::Object | Kind::Null)
            {
                decoded.repairs.add(Repair::Params);
                replaced = Some((P::Extras, None));
            }
        }
        Method::Closed => match params.get(P::Exception) {
            Some(part) if part.kind == Kind::Null => {
                decoded.repairs.add(Repair::Params);
                replaced = Some((P::Exception, None));
            }
            Some(part) => exception::check(part.of(line))
                .map_err(|reason| (part.start as usize, format!("`exception`: {reason}")))?,
            None => {}
        },
        Method::Log => {
            decoded.text = params.parts[P::Message as usize];
            if let Some(level) = params.get(P::Level) {
                decoded.label = level;
                if let Some(nearest) =
                    mend_level(line, level).map_err(|reason| (level.start as usize, reason))?
                {
                    decoded.repairs.add(Repair::Level);
                    replaced = Some((P::Level, Some(nearest.as_str())));
                }
            }
        }
        Method::ReportAssetCheck => {
            let severity = text_of(line, params.parts[P::Severity as usize]);
            if !matches!(&*severity, "WARN" | "ERROR") {
                decoded.repairs.add(Repair::Severity);
                let proper = match severity.eq_ignore_ascii_case("WARN") {
                    true => "WARN",
                    false => "ERROR",
                };
                replaced = Some((P::Severity, Some(proper)));
            }
        }
        Method::LogExternalStream => {
            decoded.text = params.parts[P::Text as usize];
            decoded.label = params.parts[P::Stream as usize];
        }
        Method::ReportAssetMaterialization | Method::ReportCustomMessage => {}
    }

    let mut unknown = params.unknown || params.present & !known != 0;
    // Dagster passes over what it does not know in these two.
    unknown &= !lifecycle;
    if unknown {
        decoded.repairs.add(Repair::UnknownParam);
    }
    if unknown || replaced.is_some() {
        let mended = rewrite(line, &params, required.iter().chain(optional), replaced);
        decoded.mend(mended);
    }
    Ok(())
}

#[inline(always)]
fn check_param(line: &[u8], param: Param, part: Part, params: &Params) -> Result<(), String> {
    let expected = match param {
        P::AssetKey | P::CheckName | P::Message | P::Text if part.kind != Kind::String => {
            "a string"
        }
        P::DataVersion if !matches!(part.kind, Kind::String | Kind::Null) => "a string or null",
        P::Passed if part.kind != Kind::Bool => "a bool",
        P::Metadata if !matches!(part.kind, Kind::Object | Kind::Null) => "an object or null",
        P::Metadata if params.metadata_suspect && part.kind == Kind::Object => {
            return metadata::check_map(part.of(line));
        }
        P::Severity => {
            let severity = text_of(line, part);
            let known = part.kind == Kind::String
                && ["WARN", "ERROR"]
                    .iter()
                    .any(|s| s.eq_ignore_ascii_case(&severity));
            return match known {
                true => Ok(()),
                false => Err(format!(
                    "`severity` is `{}`, expected `WARN` or `ERROR`",
                    head(part.of(line))
                )),
            };
        }
        P::Stream => {
            let stream = text_of(line, part);
            return match part.kind == Kind::String && matches!(&*stream, "stdout" | "stderr") {
                true => Ok(()),
                false => Err(format!(
                    "`stream` is `{}`, expected `stdout` or `stderr`",
                    head(part.of(line))
                )),
            };
        }
        _ => return Ok(()),
    };
    Err(format!(
        "`{}` is {}, expected {expected}",
        param.name(),
        part.kind.name()
    ))
}

/// The level to put in the place of one that Dagster refuses.
#[inline(always)]
fn mend_level(line: &[u8], level: Part) -> Result<Option<Level>, String> {
    if level.kind == Kind::String && !level.escaped && level.of(line) == b"INFO" {
        return Ok(None);
    }
    match level.kind {
        Kind::String => {
            let name = text_of(line, level);
            Ok(match Level::from_name(&name) {
                Some(_) => None,
                None => Some(Level::nearest(&name)),
            })
        }
        Kind::Int => {
            let digits = level.of(line);
            let number = std::str::from_utf8(digits)
                .ok()
                .and_then(|text| text.parse().ok());
            let beyond = if digits.starts_with(b"-") {
                i64::MIN
            } else {
                i64::MAX
            };
            Ok(Some(Level::from_number(number.unwrap_or(beyond))))
        }
        // Python's bool is an integer, 0 or 1.
        Kind::Bool => Ok(Some(Level::Debug)),
        Kind::Null => Ok(Some(Level::Info)),
        kind => Err(format!("`level` is {}, expected a string", kind.name())),
    }
}

/// The params with nothing in them but `keep`, one of them replaced or left out.
fn rewrite<'a>(
    line: &[u8],
    params: &Params,
    keep: impl Iterator<Item = &'a Param>,
    replaced: Option<(Param, Option<&'static str>)>,
) -> Box<[u8]> {
    let mut out = vec![b'{'];
    for &param in keep {
        let Some(part) = params.get(param) else {
            continue;
        };
        let text = match replaced {
            Some((which, None)) if which == param => continue,
            Some((which, Some(text))) if which == param => Some(text),
            _ => None,
        };
        if out.len() > 1 {
            out.push(b',');
        }
        let quote: &[u8] = match text.is_some() || part.kind == Kind::String {
            true => b"\"",
            false => b"",
        };
        out.extend_from_slice(format!("\"{}\":", param.name()).as_bytes());
        out.extend_from_slice(quote);
        out.extend_from_slice(text.map_or(part.of(line), str::as_bytes));
        out.extend_from_slice(quote);
    }
    out.push(b'}');
    out.into_boxed_slice()
}

impl Decoded {
    /// Puts `params` in the place of those in the line.
    fn mend(&mut self, params: Box<[u8]>) {
        let mut scanner = Scanner::new(&params);
        // What `rewrite` writes is JSON, put together from scanned parts.
        if let Ok(parts) = Params::scan(&mut scanner) {
            self.params = parts.whole;
            let (text, label) = match self.method {
                Method::Log => (P::Message, P::Level),
                _ => (P::Text, P::Stream),
            };
            self.text = parts.get(text).unwrap_or(Part::NONE);
            self.label = parts.get(label).unwrap_or(Part::NONE);
        }
        self.mended = Some(params);
    }
}

#[cold]
fn not_utf8(line: &[u8]) -> Rejection {
    let at = std::str::from_utf8(line)
        .err()
        .map_or(0, |error| error.valid_up_to());
    let byte = line.get(at).copied().unwrap_or_default();
    reject(line, at, format!("not UTF-8: byte 0x{byte:02x}"))
}

#[cold]
fn reject(line: &[u8], at: usize, reason: String) -> Rejection {
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
    let mut text = String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN)]).into_owned();
    if bytes.len() > SHOWN {
        // The cut may have gone through a character.
        text.truncate(text.trim_end_matches(char::REPLACEMENT_CHARACTER).len());
        text.push('…');
    }
    text
}
