//! What the bootstrap values say.

use std::fmt;
use std::path::PathBuf;

use super::store::{StoreParams, mistyped};
use crate::protocol::value::Value;

/// Where the context is.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ContextParams {
    /// In a JSON file.
    Path(PathBuf),
    /// In a JSON object of an object store.
    Store(StoreParams),
    /// Here.
    Data(Value),
}

impl ContextParams {
    /// Reads the params. A `path` wins over `data`, as in the official loader; a `url` stands in
    /// between.
    ///
    /// # Errors
    /// None of them is there, or one has another type. The text is for a sentence that begins with the name
    /// of what held the params.
    pub fn from_value(params: &Value) -> Result<ContextParams, String> {
        if let Some(path) = params.get("path") {
            let path = path
                .as_str()
                .ok_or_else(|| mistyped("path", "a string", path))?;
            return Ok(ContextParams::Path(path.into()));
        }
        if let Some(store) = StoreParams::from_value(params)? {
            return Ok(ContextParams::Store(store));
        }
        match params.get("data") {
            Some(data @ Value::Object(_)) => Ok(ContextParams::Data(data.clone())),
            Some(data) => Err(mistyped("data", "an object", data)),
            None => Err(unexpected(
                params,
                "`path`, `url` or `data`",
                "context injector",
                "context loader",
            )),
        }
    }

    /// The params as they are packed.
    pub fn to_value(&self) -> Value {
        match self {
            ContextParams::Path(path) => object("path", path.to_string_lossy().into_owned()),
            ContextParams::Store(store) => Value::Object(store.members()),
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
#[non_exhaustive]
pub enum MessagesParams {
    /// To a file, a line each; or, where a directory is there, in chunks to that.
    File {
        /// The file or directory.
        path: PathBuf,
        /// Whether what the process prints shall travel as messages too.
        include_stdio_in_messages: bool,
    },
    /// To an object store, in chunks.
    Store {
        /// The store, and what the keys of the session begin with.
        store: StoreParams,
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
        let include = params.get("include_stdio_in_messages");
        let include_stdio_in_messages = include.and_then(Value::as_bool).unwrap_or(false);
        if let Some(path) = params.get("path") {
            let path = path
                .as_str()
                .ok_or_else(|| mistyped("path", "a string", path))?;
            return Ok(MessagesParams::File {
                path: path.into(),
                include_stdio_in_messages,
            });
        }
        if let Some(store) = StoreParams::from_value(params)? {
            return Ok(MessagesParams::Store {
                store,
                include_stdio_in_messages,
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
            "`path`, `url`, `stdio` or `buffered_stdio`",
            "message reader",
            "message writer",
        ))
    }

    /// Whether what the process prints shall travel as messages too.
    pub fn include_stdio_in_messages(&self) -> bool {
        match self {
            MessagesParams::File {
                include_stdio_in_messages,
                ..
            }
            | MessagesParams::Store {
                include_stdio_in_messages,
                ..
            } => *include_stdio_in_messages,
            MessagesParams::Stream(_) | MessagesParams::BufferedStream(_) => false,
        }
    }

    /// The params as they are packed.
    pub fn to_value(&self) -> Value {
        let mut members = match self {
            MessagesParams::File { path, .. } => {
                vec![(
                    "path".to_owned(),
                    path.to_string_lossy().into_owned().into(),
                )]
            }
            MessagesParams::Store { store, .. } => store.members(),
            MessagesParams::Stream(stream) => return object("stdio", stream.as_str()),
            MessagesParams::BufferedStream(stream) => {
                return object("buffered_stdio", stream.as_str());
            }
        };
        let include = self.include_stdio_in_messages();
        members.push(("include_stdio_in_messages".to_owned(), include.into()));
        Value::Object(members)
    }
}

fn object(key: &str, value: impl Into<Value>) -> Value {
    Value::Object(vec![(key.to_owned(), value.into())])
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn params_come_back() {
        let store = StoreParams {
            url: "s3://bucket/prefix".into(),
            options: vec![("region".into(), "eu-west-1".into())],
        };
        for params in [
            MessagesParams::Store {
                store: store.clone(),
                include_stdio_in_messages: true,
            },
            MessagesParams::File {
                path: "/x".into(),
                include_stdio_in_messages: true,
            },
            MessagesParams::Stream(Stdio::Stdout),
            MessagesParams::BufferedStream(Stdio::Stderr),
        ] {
            assert_eq!(MessagesParams::from_value(&params.to_value()), Ok(params));
        }
        for params in [
            ContextParams::Path("/x".into()),
            ContextParams::Store(store),
        ] {
            assert_eq!(ContextParams::from_value(&params.to_value()), Ok(params));
        }
    }
}
