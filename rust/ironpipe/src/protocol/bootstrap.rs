//! The two values that tell an external process where its context is and where to send messages.
//!
//! Each is `base64(zlib(JSON))`, in an environment variable or behind a flag.

use std::ffi::OsString;
use std::fmt;
use std::io::Write as _;
use std::path::PathBuf;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use flate2::{Compression, Decompress, FlushDecompress, Status, write::ZlibEncoder};

use super::value::Value;
use crate::error::{Error, Result};

/// The environment variable of the context params. A process is a Pipes process if it is set.
pub const DAGSTER_PIPES_CONTEXT_ENV_VAR: &str = "DAGSTER_PIPES_CONTEXT";
/// The environment variable of the messages params.
pub const DAGSTER_PIPES_MESSAGES_ENV_VAR: &str = "DAGSTER_PIPES_MESSAGES";
/// The flag of the context params.
pub const CONTEXT_FLAG: &str = "--dagster-pipes-context";
/// The flag of the messages params.
pub const MESSAGES_FLAG: &str = "--dagster-pipes-messages";
/// What the params may unpack to, in bytes (16 MiB).
pub const MAX_PARAM_BYTES: usize = 16 << 20;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Packs JSON text as a bootstrap value.
///
/// ```
/// use ironpipe::protocol::bootstrap::{decode_param, encode_param};
///
/// let value = encode_param(r#"{"path": "/tmp/x"}"#);
/// assert_eq!(decode_param(&value).unwrap(), r#"{"path": "/tmp/x"}"#);
/// ```
pub fn encode_param(json: &str) -> String {
    let mut packer = ZlibEncoder::new(Vec::new(), Compression::new(6));
    // Writing to a Vec can't fail.
    let packed = packer
        .write_all(json.as_bytes())
        .and_then(|()| packer.finish())
        .unwrap_or_default();
    BASE64.encode(packed)
}

/// Unpacks a bootstrap value to JSON text, which is not parsed here.
///
/// White space in the base64 and bytes behind the zlib stream are passed over, as in Python.
///
/// # Errors
/// What is wrong with it: not base64, not zlib, cut off, more than [`MAX_PARAM_BYTES`], not UTF-8.
/// The value itself is never shown.
pub fn decode_param(value: &str) -> Result<String, String> {
    let letters: Vec<u8> = value
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    if letters.is_empty() {
        return Err("is empty".into());
    }
    let packed = BASE64
        .decode(letters)
        .map_err(|error| format!("is not base64: {error}"))?;
    let json = unpack(&packed)?;
    String::from_utf8(json)
        .map_err(|error| format!("is not UTF-8 once unpacked: {}", error.utf8_error()))
}

fn unpack(packed: &[u8]) -> Result<Vec<u8>, String> {
    if packed.starts_with(&[0x1F, 0x8B]) {
        return Err("is packed with gzip; Pipes wants zlib".into());
    }
    let mut unpacker = Decompress::new(true);
    let mut json = Vec::with_capacity(packed.len().saturating_mul(4).clamp(1024, 1 << 16));
    loop {
        let rest = &packed[unpacker.total_in() as usize..];
        let before = (unpacker.total_in(), json.len());
        let status = unpacker
            .decompress_vec(rest, &mut json, FlushDecompress::None)
            .map_err(|error| format!("is base64, but not of a zlib stream: {error}"))?;
        if json.len() > MAX_PARAM_BYTES {
            return Err(format!(
                "unpacks to more than the limit of {MAX_PARAM_BYTES} bytes"
            ));
        }
        if status == Status::StreamEnd {
            return Ok(json);
        }
        if json.len() < json.capacity() && before == (unpacker.total_in(), json.len()) {
            return Err("is cut off: its zlib stream has no end".into());
        }
        // At most twice the limit is ever asked for.
        json.reserve(json.len().max(1024));
    }
}

/// Where the context is.
#[derive(Debug, Clone, PartialEq)]
pub enum ContextParams {
    /// In a JSON file.
    Path(PathBuf),
    /// Here.
    Data(Value),
}

impl ContextParams {
    /// Reads the params. A `path` wins over `data`, as in the official loader.
    ///
    /// # Errors
    /// Neither is there, or not of its type. The text is for a sentence that begins with the name
    /// of what held the params.
    pub fn from_value(params: &Value) -> Result<ContextParams, String> {
        if let Some(path) = params.get("path") {
            let path = path
                .as_str()
                .ok_or_else(|| mistyped("path", "a string", path))?;
            return Ok(ContextParams::Path(path.into()));
        }
        match params.get("data") {
            Some(data @ Value::Object(_)) => Ok(ContextParams::Data(data.clone())),
            Some(data) => Err(mistyped("data", "an object", data)),
            None => Err(unexpected(
                params,
                "`path` or `data`",
                "context injector",
                "context loader",
            )),
        }
    }

    /// The params as they are packed.
    pub fn to_value(&self) -> Value {
        match self {
            ContextParams::Path(path) => object("path", path.to_string_lossy().into_owned()),
            ContextParams::Data(data) => object("data", data.clone()),
        }
    }
}

/// One of the two output streams of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stdio {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stdio {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Stdio::Stdout => "stdout",
            Stdio::Stderr => "stderr",
        }
    }

    /// The stream of a name, which must be exact.
    pub fn from_name(name: &str) -> Option<Stdio> {
        [Stdio::Stdout, Stdio::Stderr]
            .into_iter()
            .find(|stream| stream.as_str() == name)
    }
}

impl fmt::Display for Stdio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where messages go.
#[derive(Debug, Clone, PartialEq)]
pub enum MessagesParams {
    /// To a file, a line each.
    File {
        /// The file.
        path: PathBuf,
        /// Whether what the process prints shall travel as messages too.
        include_stdio_in_messages: bool,
    },
    /// To a stream, at once.
    Stream(Stdio),
    /// To a stream, all of them at close.
    BufferedStream(Stdio),
}

impl MessagesParams {
    /// Reads the params.
    ///
    /// # Errors
    /// None of the known keys is there, or one has another type. The text is for a sentence that
    /// begins with the name of what held the params.
    pub fn from_value(params: &Value) -> Result<MessagesParams, String> {
        if let Some(path) = params.get("path") {
            let path = path
                .as_str()
                .ok_or_else(|| mistyped("path", "a string", path))?;
            let include = params.get("include_stdio_in_messages");
            return Ok(MessagesParams::File {
                path: path.into(),
                include_stdio_in_messages: include.and_then(Value::as_bool).unwrap_or(false),
            });
        }
        for (key, make) in [
            ("stdio", MessagesParams::Stream as fn(Stdio) -> _),
            ("buffered_stdio", MessagesParams::BufferedStream),
        ] {
            let Some(stream) = params.get(key) else {
                continue;
            };
            let known = stream.as_str().and_then(Stdio::from_name);
            return known.map(make).ok_or_else(|| {
                format!("holds `{key}`, which must be \"stdout\" or \"stderr\", not {stream}")
            });
        }
        Err(unexpected(
            params,
            "`path`, `stdio` or `buffered_stdio`",
            "message reader",
            "message writer",
        ))
    }

    /// The params as they are packed.
    pub fn to_value(&self) -> Value {
        match self {
            MessagesParams::File {
                path,
                include_stdio_in_messages,
            } => Value::Object(vec![
                ("path".into(), path.to_string_lossy().into_owned().into()),
                (
                    "include_stdio_in_messages".into(),
                    (*include_stdio_in_messages).into(),
                ),
            ]),
            MessagesParams::Stream(stream) => object("stdio", stream.as_str()),
            MessagesParams::BufferedStream(stream) => object("buffered_stdio", stream.as_str()),
        }
    }
}

fn object(key: &str, value: impl Into<Value>) -> Value {
    Value::Object(vec![(key.to_owned(), value.into())])
}

fn mistyped(key: &str, must: &str, value: &Value) -> String {
    let kind = value.kind().name();
    format!("holds `{key}`, which must be {must}, not {kind}")
}

/// Names the keys that are there, never their values: params may hold credentials.
fn unexpected(params: &Value, keys: &str, theirs: &str, ours: &str) -> String {
    let Some(members) = params.as_object() else {
        let kind = params.kind().name();
        return format!("must hold an object with the key {keys}, not {kind}");
    };
    let found: Vec<String> = members.iter().map(|(key, _)| format!("`{key}`")).collect();
    let found = match found.is_empty() {
        true => "nothing".to_owned(),
        false => found.join(", "),
    };
    format!(
        "must hold the key {keys}, but holds {found}; \
         the {theirs} of the orchestration side may expect another {ours}"
    )
}

/// A bootstrap value and the name it is known by.
#[derive(Clone)]
struct Source {
    name: String,
    value: OsString,
}

/// Where bootstrap values are looked for: the environment, the command line or a mapping.
///
/// Nothing is decoded before it is asked for, and printing it shows no values.
#[derive(Clone, Default)]
pub struct ParamsLoader {
    context: Option<Source>,
    messages: Option<Source>,
}

impl ParamsLoader {
    /// From the environment of the process.
    pub fn from_env() -> ParamsLoader {
        let read = |name: &str| {
            std::env::var_os(name).map(|value| Source {
                name: name.to_owned(),
                value,
            })
        };
        ParamsLoader {
            context: read(DAGSTER_PIPES_CONTEXT_ENV_VAR),
            messages: read(DAGSTER_PIPES_MESSAGES_ENV_VAR),
        }
    }

    /// From a command line: `--dagster-pipes-context V` and `--dagster-pipes-context=V`, and the
    /// same for messages. Other arguments are passed over; of equal ones the last counts.
    pub fn from_args<A: Into<OsString>>(args: impl IntoIterator<Item = A>) -> ParamsLoader {
        let mut loader = ParamsLoader::default();
        let mut args = args.into_iter().map(Into::into);
        while let Some(arg) = args.next() {
            let Some(arg) = arg.to_str() else { continue };
            let (flag, value) = match arg.split_once('=') {
                Some((flag, value)) => (flag, Some(OsString::from(value))),
                None => (arg, None),
            };
            let slot = match flag {
                CONTEXT_FLAG => &mut loader.context,
                MESSAGES_FLAG => &mut loader.messages,
                _ => continue,
            };
            if let Some(value) = value.or_else(|| args.next()) {
                *slot = Some(Source {
                    name: flag.to_owned(),
                    value,
                });
            }
        }
        loader
    }

    /// From pairs with the names of the environment variables. Other names are passed over.
    pub fn from_mapping<K: AsRef<str>, V: Into<OsString>>(
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> ParamsLoader {
        let mut loader = ParamsLoader::default();
        for (name, value) in pairs {
            let name = name.as_ref();
            let slot = match name {
                DAGSTER_PIPES_CONTEXT_ENV_VAR => &mut loader.context,
                DAGSTER_PIPES_MESSAGES_ENV_VAR => &mut loader.messages,
                _ => continue,
            };
            *slot = Some(Source {
                name: name.to_owned(),
                value: value.into(),
            });
        }
        loader
    }

    /// Whether Dagster launched this process: whether there is a value for the context.
    pub fn is_dagster_pipes_process(&self) -> bool {
        self.context.is_some()
    }

    /// The params of the context, as JSON.
    ///
    /// # Errors
    /// [`Error::Bootstrap`] where there is no value or it can't be decoded.
    pub fn load_context_params(&self) -> Result<Value> {
        decode(self.context.as_ref(), DAGSTER_PIPES_CONTEXT_ENV_VAR)
    }

    /// The params of the messages, as JSON.
    ///
    /// # Errors
    /// [`Error::Bootstrap`] where there is no value or it can't be decoded.
    pub fn load_messages_params(&self) -> Result<Value> {
        decode(self.messages.as_ref(), DAGSTER_PIPES_MESSAGES_ENV_VAR)
    }

    /// Where the context is.
    ///
    /// # Errors
    /// [`Error::Bootstrap`]
    pub fn context_params(&self) -> Result<ContextParams> {
        ContextParams::from_value(&self.load_context_params()?)
            .map_err(|reason| self.refuse(&self.context, reason))
    }

    /// Where messages go.
    ///
    /// # Errors
    /// [`Error::Bootstrap`]
    pub fn messages_params(&self) -> Result<MessagesParams> {
        MessagesParams::from_value(&self.load_messages_params()?)
            .map_err(|reason| self.refuse(&self.messages, reason))
    }

    /// The name of the variable or flag the context came from.
    pub fn context_name(&self) -> &str {
        self.context
            .as_ref()
            .map_or(DAGSTER_PIPES_CONTEXT_ENV_VAR, |source| &source.name)
    }

    fn refuse(&self, source: &Option<Source>, reason: String) -> Error {
        let name = source.as_ref().map(|source| source.name.clone());
        Error::Bootstrap {
            name: name.unwrap_or_default(),
            reason,
        }
    }
}

fn decode(source: Option<&Source>, default_name: &str) -> Result<Value> {
    let Some(source) = source else {
        return Err(Error::Bootstrap {
            name: default_name.to_owned(),
            reason: "is not set; Dagster sets it, together with its twin, for a process it \
                     launches: pass both on"
                .into(),
        });
    };
    let decoded = match source.value.to_str() {
        Some(value) => decode_param(value),
        None => Err("is not UTF-8".into()),
    };
    let value = decoded.and_then(|json| {
        Value::parse(json.as_bytes()).map_err(|error| {
            format!(
                "is not JSON once unpacked: {} at byte {}",
                error.what, error.at
            )
        })
    });
    value.map_err(|reason| Error::Bootstrap {
        name: source.name.clone(),
        reason,
    })
}

impl fmt::Debug for ParamsLoader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |source: &Option<Source>| source.as_ref().map(|source| source.name.clone());
        f.debug_struct("ParamsLoader")
            .field("context", &name(&self.context))
            .field("messages", &name(&self.messages))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENTED: &str = "eJyrVipILMlQslJQ0i/JLdCvUKoFADYYBa8=";

    fn reason(value: &str) -> String {
        decode_param(value).unwrap_err()
    }

    #[test]
    fn the_documented_value() {
        assert_eq!(encode_param(r#"{"path": "/tmp/x"}"#), DOCUMENTED);
        assert_eq!(decode_param(DOCUMENTED).unwrap(), r#"{"path": "/tmp/x"}"#);
    }

    #[test]
    fn what_pythons_decoder_passes_over() {
        let spaced = format!(" {}\n{}\t", &DOCUMENTED[..9], &DOCUMENTED[9..]);
        assert_eq!(decode_param(&spaced).unwrap(), r#"{"path": "/tmp/x"}"#);
        let mut packed = BASE64.decode(DOCUMENTED).unwrap();
        packed.extend_from_slice(b"more");
        assert_eq!(
            decode_param(&BASE64.encode(packed)).unwrap(),
            r#"{"path": "/tmp/x"}"#
        );
    }

    #[test]
    fn any_zlib_level() {
        for level in 0..=9 {
            let mut packer = ZlibEncoder::new(Vec::new(), Compression::new(level));
            let text = "{\"data\":{}}".repeat(10_000);
            packer.write_all(text.as_bytes()).unwrap();
            let value = BASE64.encode(packer.finish().unwrap());
            assert_eq!(decode_param(&value).unwrap(), text);
        }
    }

    #[test]
    fn bad_values_have_reasons() {
        assert!(reason("").contains("is empty"));
        assert!(reason("not base64!").contains("not base64"));
        assert!(reason(&BASE64.encode("hello, world")).contains("zlib"));
        assert!(reason(&BASE64.encode(b"\x1f\x8b\x08\0\0\0")).contains("gzip"));
        let packed = BASE64.decode(DOCUMENTED).unwrap();
        for length in 1..packed.len() {
            let why = reason(&BASE64.encode(&packed[..length]));
            assert!(why.contains("cut off"), "{length}: {why}");
        }
        let mut wrong_sum = packed.clone();
        *wrong_sum.last_mut().unwrap() ^= 1;
        assert!(reason(&BASE64.encode(wrong_sum)).contains("zlib"));
        let mut packer = ZlibEncoder::new(Vec::new(), Compression::new(6));
        packer.write_all(b"\"\xff\"").unwrap();
        assert!(reason(&BASE64.encode(packer.finish().unwrap())).contains("UTF-8"));
    }

    #[test]
    fn bombs_are_let_alone() {
        let bomb = encode_param(&" ".repeat(MAX_PARAM_BYTES + 1));
        assert!(reason(&bomb).contains("limit of 16777216 bytes"));
        let large = encode_param(&" ".repeat(MAX_PARAM_BYTES));
        assert_eq!(decode_param(&large).unwrap().len(), MAX_PARAM_BYTES);
    }

    #[test]
    fn the_command_line() {
        let context = encode_param(r#"{"data":{}}"#);
        let messages = encode_param(r#"{"stdio":"stderr"}"#);
        for args in [
            vec!["x", CONTEXT_FLAG, &context, MESSAGES_FLAG, &messages, "y"],
            vec![
                &format!("{CONTEXT_FLAG}={context}"),
                &format!("{MESSAGES_FLAG}={messages}"),
            ],
        ] {
            let loader = ParamsLoader::from_args(args);
            assert!(loader.is_dagster_pipes_process());
            assert_eq!(
                loader.context_params().unwrap(),
                ContextParams::Data(Value::Object(vec![]))
            );
            assert_eq!(
                loader.messages_params().unwrap(),
                MessagesParams::Stream(Stdio::Stderr)
            );
        }
        assert!(!ParamsLoader::from_args(["x", CONTEXT_FLAG]).is_dagster_pipes_process());
    }

    #[test]
    fn errors_name_the_variable_and_never_the_value() {
        let params = |json: &str| {
            ParamsLoader::from_mapping([
                (DAGSTER_PIPES_CONTEXT_ENV_VAR, encode_param(json)),
                (DAGSTER_PIPES_MESSAGES_ENV_VAR, encode_param(json)),
            ])
        };
        let loader = params(r#"{"bucket":"hidden","key":"hidden"}"#);
        let why = loader.context_params().unwrap_err().to_string();
        assert!(why.starts_with("DAGSTER_PIPES_CONTEXT: "), "{why}");
        assert!(
            why.contains("`bucket`, `key`") && !why.contains("hidden"),
            "{why}"
        );
        let why = loader.messages_params().unwrap_err().to_string();
        assert!(why.starts_with("DAGSTER_PIPES_MESSAGES: "), "{why}");
        for (json, part) in [
            ("{}", "holds nothing"),
            ("[1]", "not an array"),
            (r#"{"path":1}"#, "must be a string"),
            ("{", "not JSON"),
        ] {
            let why = params(json).context_params().unwrap_err().to_string();
            assert!(why.contains(part), "{why}");
        }
        let why = params(r#"{"stdio":"x"}"#).messages_params().unwrap_err();
        assert!(
            why.to_string().contains("\"stdout\" or \"stderr\""),
            "{why}"
        );
        let why = ParamsLoader::default().messages_params().unwrap_err();
        assert!(why.to_string().contains("is not set"), "{why}");
        assert!(!format!("{loader:?}").contains("eJ"));
    }

    #[test]
    fn params_come_back() {
        for params in [
            MessagesParams::File {
                path: "/x".into(),
                include_stdio_in_messages: true,
            },
            MessagesParams::Stream(Stdio::Stdout),
            MessagesParams::BufferedStream(Stdio::Stderr),
        ] {
            assert_eq!(MessagesParams::from_value(&params.to_value()), Ok(params));
        }
        let params = ContextParams::Path("/x".into());
        assert_eq!(ContextParams::from_value(&params.to_value()), Ok(params));
    }
}
