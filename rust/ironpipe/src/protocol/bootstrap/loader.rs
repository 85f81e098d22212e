//! Where the bootstrap values are looked for.

use std::ffi::OsString;
use std::fmt;

use super::{
    CONTEXT_FLAG, ContextParams, DAGSTER_PIPES_CONTEXT_ENV_VAR, DAGSTER_PIPES_MESSAGES_ENV_VAR,
    MAX_PARAM_BYTES, MESSAGES_FLAG, MessagesParams, decode_param_within,
};
use crate::error::{Error, Result};
use crate::protocol::value::Value;

/// A bootstrap value and the name it is known by.
#[derive(Clone)]
struct Source {
    name: String,
    value: OsString,
}

/// Where bootstrap values are looked for: the environment, the command line or a mapping.
///
/// Nothing is decoded before it is asked for, and printing it shows no values.
#[derive(Clone)]
pub struct ParamsLoader {
    context: Option<Source>,
    messages: Option<Source>,
    max_param_bytes: usize,
}

impl Default for ParamsLoader {
    /// With no values.
    fn default() -> ParamsLoader {
        ParamsLoader {
            context: None,
            messages: None,
            max_param_bytes: MAX_PARAM_BYTES,
        }
    }
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
            ..ParamsLoader::default()
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

    /// Sets what a value may unpack to, in bytes; [`MAX_PARAM_BYTES`] by default.
    #[must_use]
    pub fn max_param_bytes(mut self, bytes: usize) -> ParamsLoader {
        self.max_param_bytes = bytes;
        self
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
        self.decode(&self.context, DAGSTER_PIPES_CONTEXT_ENV_VAR)
    }

    /// The params of the messages, as JSON.
    ///
    /// # Errors
    /// [`Error::Bootstrap`] where there is no value or it can't be decoded.
    pub fn load_messages_params(&self) -> Result<Value> {
        self.decode(&self.messages, DAGSTER_PIPES_MESSAGES_ENV_VAR)
    }

    /// Where the context is.
    ///
    /// # Errors
    /// [`Error::Bootstrap`]
    pub fn context_params(&self) -> Result<ContextParams> {
        ContextParams::from_value(&self.load_context_params()?)
            .map_err(|reason| refuse(self.context_name(), reason))
    }

    /// Where messages go.
    ///
    /// # Errors
    /// [`Error::Bootstrap`]
    pub fn messages_params(&self) -> Result<MessagesParams> {
        MessagesParams::from_value(&self.load_messages_params()?)
            .map_err(|reason| refuse(self.messages_name(), reason))
    }

    /// The name of the variable or flag the context came from.
    pub fn context_name(&self) -> &str {
        name(&self.context, DAGSTER_PIPES_CONTEXT_ENV_VAR)
    }

    /// The name of the variable or flag the params of the messages came from.
    pub fn messages_name(&self) -> &str {
        name(&self.messages, DAGSTER_PIPES_MESSAGES_ENV_VAR)
    }

    fn decode(&self, source: &Option<Source>, default_name: &str) -> Result<Value> {
        let Some(source) = source else {
            return Err(Error::Bootstrap {
                name: default_name.to_owned(),
                reason: "is not set; Dagster sets it, together with its twin, for a process it \
                         launches: pass both on"
                    .into(),
            });
        };
        let decoded = match source.value.to_str() {
            Some(value) => decode_param_within(value, self.max_param_bytes),
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
}

fn refuse(name: &str, reason: String) -> Error {
    Error::Bootstrap {
        name: name.to_owned(),
        reason,
    }
}

fn name<'a>(source: &'a Option<Source>, default: &'a str) -> &'a str {
    source.as_ref().map_or(default, |source| &source.name)
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
    use super::super::{Stdio, encode_param};
    use super::*;

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
}
