//! The two values that tell an external process where its context is and where to send messages.
//!
//! Each is `base64(zlib(JSON))`, in an environment variable or behind a flag.

mod loader;
mod params;
mod store;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use miniz_oxide::deflate::compress_to_vec_zlib;
use miniz_oxide::inflate::{TINFLStatus, decompress_to_vec_zlib_with_limit};

pub use loader::ParamsLoader;
pub use params::{ContextParams, MessagesParams, Stdio};
pub use store::StoreParams;
#[cfg(feature = "object-store")]
pub(crate) use store::without_secrets;

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
    BASE64.encode(compress_to_vec_zlib(json.as_bytes(), 6))
}

/// Unpacks a bootstrap value of at most [`MAX_PARAM_BYTES`] to JSON text, which is not parsed here.
///
/// White space in the base64 and bytes behind the zlib stream are passed over, as in Python.
///
/// # Errors
/// What is wrong with it: not base64, not zlib, cut off, too large, not UTF-8. The value itself is
/// never shown.
pub fn decode_param(value: &str) -> Result<String, String> {
    decode_param_within(value, MAX_PARAM_BYTES)
}

/// As [`decode_param`], with a limit of `max_bytes` for the JSON text.
///
/// # Errors
/// The same.
pub fn decode_param_within(value: &str, max_bytes: usize) -> Result<String, String> {
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
    let json = unpack(&packed, max_bytes)?;
    String::from_utf8(json)
        .map_err(|error| format!("is not UTF-8 once unpacked: {}", error.utf8_error()))
}

fn unpack(packed: &[u8], max_bytes: usize) -> Result<Vec<u8>, String> {
    if packed.starts_with(&[0x1F, 0x8B]) {
        return Err("is packed with gzip; Pipes wants zlib".into());
    }
    decompress_to_vec_zlib_with_limit(packed, max_bytes).map_err(|error| match error.status {
        TINFLStatus::HasMoreOutput => format!(
            "unpacks to more than the limit of {max_bytes} bytes; raise `max_param_bytes` to allow \
             it"
        ),
        TINFLStatus::NeedsMoreInput | TINFLStatus::FailedCannotMakeProgress => {
            "is cut off: its zlib stream has no end".into()
        }
        _ => "is base64, but not of a zlib stream".into(),
    })
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
            let text = "{\"data\":{}}".repeat(10_000);
            let value = BASE64.encode(compress_to_vec_zlib(text.as_bytes(), level));
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
        let packed = compress_to_vec_zlib(b"\"\xff\"", 6);
        assert!(reason(&BASE64.encode(packed)).contains("UTF-8"));
    }

    #[test]
    fn bombs_are_let_alone() {
        let bomb = encode_param(&" ".repeat(MAX_PARAM_BYTES + 1));
        assert!(reason(&bomb).contains("limit of 16777216 bytes"));
        let large = encode_param(&" ".repeat(MAX_PARAM_BYTES));
        assert_eq!(decode_param(&large).unwrap().len(), MAX_PARAM_BYTES);
    }
}
