//! What stands around the params of a message: the method, and the stamp that numbers it.

use std::fmt;
use std::num::NonZeroU64;

use super::value::write_json_integer;

/// The key every message has, and its value.
pub const PIPES_PROTOCOL_VERSION_FIELD: &str = "__dagster_pipes_version";
/// The version of the protocol that is written. The value is never compared when reading.
pub const PIPES_PROTOCOL_VERSION: &str = "0.1";
/// The key of the [`Stamp`]. Official readers pass over envelope keys they do not know.
pub const STAMP_FIELD: &str = "__ironpipe";

/// How many objects stand around the value of a param: the envelope, and the params. They count as
/// nesting.
pub const PARAM_DEPTH: usize = 2;

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// The first message of a writer.
    Opened,
    /// The last one.
    Closed,
    /// A log message.
    Log,
    /// An asset was materialized.
    ReportAssetMaterialization,
    /// An asset check was made.
    ReportAssetCheck,
    /// Any JSON value.
    ReportCustomMessage,
    /// Captured output of the process.
    LogExternalStream,
}

impl Method {
    /// All of them.
    pub const ALL: [Method; 7] = [
        Method::Opened,
        Method::Closed,
        Method::Log,
        Method::ReportAssetMaterialization,
        Method::ReportAssetCheck,
        Method::ReportCustomMessage,
        Method::LogExternalStream,
    ];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Opened => "opened",
            Method::Closed => "closed",
            Method::Log => "log",
            Method::ReportAssetMaterialization => "report_asset_materialization",
            Method::ReportAssetCheck => "report_asset_check",
            Method::ReportCustomMessage => "report_custom_message",
            Method::LogExternalStream => "log_external_stream",
        }
    }

    /// The method of a name, which must be exact.
    #[inline]
    pub fn from_name(name: &[u8]) -> Option<Method> {
        let method = match name.len() {
            3 => Method::Log,
            6 if name[0] == b'o' => Method::Opened,
            6 => Method::Closed,
            28 => Method::ReportAssetMaterialization,
            18 => Method::ReportAssetCheck,
            21 => Method::ReportCustomMessage,
            19 => Method::LogExternalStream,
            _ => return None,
        };
        (method.as_str().as_bytes() == name).then_some(method)
    }

    /// The method whose name is most like `name`, if one is like it at all:
    /// `ReportAssetCheck` is like `report_asset_check`.
    pub fn nearest(name: &str) -> Option<Method> {
        let mut snake = String::with_capacity(name.len() + 4);
        for (i, c) in name.chars().enumerate().take(64) {
            if c.is_ascii_uppercase() && i > 0 && !snake.ends_with('_') {
                snake.push('_');
            }
            snake.push(if c == '-' || c == ' ' {
                '_'
            } else {
                c.to_ascii_lowercase()
            });
        }
        let (method, likeness) = Method::ALL
            .into_iter()
            .map(|method| {
                (
                    method,
                    strsim::normalized_levenshtein(&snake, method.as_str()),
                )
            })
            .max_by(|a, b| a.1.total_cmp(&b.1))?;
        (likeness > 0.6).then_some(method)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name of a writer: up to 8 bytes of printable ASCII, chosen at random.
///
/// One that begins with `1` is that of a writer of a single message, which has nothing to close.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct WriterId {
    /// The bytes of the name, the first one lowest, 0 behind the last: a name is copied and
    /// compared as a number.
    name: NonZeroU64,
}

impl WriterId {
    /// A new name, eight letters and digits.
    ///
    /// Names need only differ among the writers of one session. Where the system gives no random
    /// bytes, the process id and the clock stand in for them.
    pub fn random() -> WriterId {
        const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
        let seed = seed();
        WriterId::of(std::array::from_fn(|at| {
            LETTERS[(seed >> (5 * at)) as usize & 31]
        }))
    }

    /// A new name of a writer of a single message. There may be thousands in a session, so it is
    /// drawn from more letters.
    pub fn single() -> WriterId {
        const LETTERS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let seed = seed();
        WriterId::of(std::array::from_fn(|at| match at {
            0 => SINGLE,
            _ => LETTERS[(seed >> (6 * at)) as usize & 63],
        }))
    }

    /// Whether it is the name of a writer of a single message.
    #[inline]
    pub fn is_single(self) -> bool {
        self.name.get() as u8 == SINGLE
    }

    fn of(name: [u8; 8]) -> WriterId {
        // No letter is 0, so neither is the name.
        let name = NonZeroU64::new(u64::from_le_bytes(name)).unwrap_or(NonZeroU64::MAX);
        WriterId { name }
    }

    /// The writer of this name, if it can be one.
    #[inline]
    pub fn new(name: &[u8]) -> Option<WriterId> {
        if name.len() > 8 || !name.iter().all(u8::is_ascii_graphic) {
            return None;
        }
        let mut bytes = [0; 8];
        bytes[..name.len()].copy_from_slice(name);
        let name = NonZeroU64::new(u64::from_le_bytes(bytes))?;
        Some(WriterId { name })
    }
}

/// What the names of writers of a single message begin with. It is none of the letters of the others.
const SINGLE: u8 = b'1';

fn seed() -> u64 {
    getrandom::u64().unwrap_or_else(|_| {
        let clock = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
        u64::from(std::process::id()) << 32 ^ clock.as_nanos() as u64
    })
}

impl fmt::Display for WriterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.name.get().to_le_bytes();
        bytes
            .iter()
            .take_while(|&&byte| byte != 0)
            .try_for_each(|&byte| fmt::Write::write_char(f, byte as char))
    }
}

impl fmt::Debug for WriterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Which message of which writer this is, and when it was sent: `[writer, number, microseconds]`
/// under [`STAMP_FIELD`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Who wrote it.
    pub writer: WriterId,
    /// 1, 2, 3 … for each writer.
    pub number: u64,
    /// The writer's clock, in microseconds since the Unix epoch.
    pub micros: u64,
}

/// Appends what stands before the params in a line. They follow as JSON text without a newline.
pub fn write_head(out: &mut Vec<u8>, method: Method) {
    out.extend_from_slice(b"{\"__dagster_pipes_version\":\"0.1\",\"method\":\"");
    out.extend_from_slice(method.as_str().as_bytes());
    out.extend_from_slice(b"\",\"params\":");
}

/// Appends what stands behind the params in a line, its newline included.
pub fn write_tail(out: &mut Vec<u8>, stamp: &Stamp) {
    out.extend_from_slice(b",\"__ironpipe\":[\"");
    let name = stamp.writer.name.get().to_le_bytes();
    let length = name.iter().take_while(|&&byte| byte != 0).count();
    out.extend_from_slice(&name[..length]);
    out.extend_from_slice(b"\",");
    write_json_integer(out, stamp.number);
    out.push(b',');
    write_json_integer(out, stamp.micros);
    out.extend_from_slice(b"]}\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_miss_names_the_method() {
        for (name, method) in [
            ("ReportAssetCheck", Some(Method::ReportAssetCheck)),
            ("Opened", Some(Method::Opened)),
            ("logs", Some(Method::Log)),
            (
                "report_materialization",
                Some(Method::ReportAssetMaterialization),
            ),
            ("frobnicate", None),
        ] {
            assert_eq!(Method::nearest(name), method, "{name}");
        }
    }

    #[test]
    fn every_method_is_found_by_its_name() {
        for method in Method::ALL {
            assert_eq!(Method::from_name(method.as_str().as_bytes()), Some(method));
        }
        assert_eq!(Method::from_name(b"pog"), None);
    }

    #[test]
    fn writer_names() {
        assert_ne!(WriterId::random(), WriterId::random());
        assert_eq!(WriterId::random().to_string().len(), 8);
        assert!((0..1000).all(|_| !WriterId::random().is_single()));
        assert!((0..1000).all(|_| WriterId::single().is_single()));
        assert!(WriterId::new(WriterId::single().to_string().as_bytes()).is_some());
        for name in ["a", "12345678"] {
            assert_eq!(WriterId::new(name.as_bytes()).unwrap().to_string(), name);
        }
        for bad in [&b""[..], b"123456789", b"a b", b"\xff"] {
            assert_eq!(WriterId::new(bad), None);
        }
    }

    #[test]
    fn a_line() {
        let stamp = Stamp {
            writer: WriterId::new(b"w").unwrap(),
            number: 1,
            micros: 20,
        };
        let mut line = Vec::new();
        write_head(&mut line, Method::Closed);
        line.extend_from_slice(b"{}");
        write_tail(&mut line, &stamp);
        assert_eq!(
            String::from_utf8(line).unwrap(),
            "{\"__dagster_pipes_version\":\"0.1\",\"method\":\"closed\",\"params\":{},\"__ironpipe\":[\"w\",1,20]}\n"
        );
    }
}
