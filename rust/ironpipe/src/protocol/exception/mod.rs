//! The exception of a `closed` message.

mod check;
mod panic;

use std::error::Error;

use super::value::{Value, write_json_string};

pub use check::check;
pub use panic::{last_panic, remember_panics};

/// How many causes of an error are told. Errors that contain themselves exist.
const MAX_CAUSES: usize = 64;

/// What ended the process, as it travels in `closed`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PipesException {
    /// What happened.
    pub message: String,
    /// Where it happened: the lines of a stack trace, the innermost last, each with its newline.
    pub stack: Vec<String>,
    /// The kind of error, in Python the name of its class.
    pub name: Option<String>,
    /// What led to it.
    pub cause: Option<Box<PipesException>>,
    /// What was being handled when it happened.
    pub context: Option<Box<PipesException>>,
}

impl PipesException {
    /// An exception with a message and nothing else.
    pub fn new(message: impl Into<String>) -> PipesException {
        PipesException {
            message: message.into(),
            ..PipesException::default()
        }
    }

    /// The exception of an error and of the chain of its sources, which become causes.
    ///
    /// An error does not tell its type, so the name is the first word of its `Debug` text
    /// (`ParseIntError`, `NotFound`), if that looks like the name of a type.
    pub fn from_error(error: &(dyn Error + 'static)) -> PipesException {
        let chain: Vec<&(dyn Error + 'static)> =
            std::iter::successors(Some(error), |&error| error.source())
                .take(MAX_CAUSES)
                .collect();
        let mut exception: Option<Box<PipesException>> = None;
        for error in chain.into_iter().rev() {
            exception = Some(Box::new(PipesException {
                message: error.to_string(),
                name: Some(type_name(error)),
                cause: exception,
                ..PipesException::default()
            }));
        }
        exception.map(|exception| *exception).unwrap_or_default()
    }

    /// Reads the value of an exception. What [`check`] takes without being of the type it should
    /// be is read as the text of it.
    ///
    /// # Errors
    /// As [`check`].
    pub fn from_value(value: &Value) -> Result<PipesException, String> {
        check(value.to_json().as_bytes())?;
        Ok(PipesException::read(value))
    }

    fn read(value: &Value) -> PipesException {
        let field = |name: &str| value.get(name).unwrap_or(&Value::Null);
        let inner = |name: &str| match field(name) {
            Value::Object(members) if !members.is_empty() => {
                Some(Box::new(PipesException::read(field(name))))
            }
            _ => None,
        };
        PipesException {
            message: text(field("message")),
            stack: match field("stack") {
                Value::Array(lines) => lines.iter().map(text).collect(),
                Value::String(trace) if trace.is_empty() => Vec::new(),
                trace => vec![text(trace)],
            },
            name: match field("name") {
                Value::Null => None,
                name => Some(text(name)),
            },
            cause: inner("cause"),
            context: inner("context"),
        }
    }

    /// Appends it as JSON text, with all five keys.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"message\":");
        write_json_string(out, &self.message);
        out.extend_from_slice(b",\"stack\":[");
        for (i, line) in self.stack.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            write_json_string(out, line);
        }
        out.extend_from_slice(b"],\"name\":");
        match &self.name {
            Some(name) => write_json_string(out, name),
            None => out.extend_from_slice(b"null"),
        }
        for (key, inner) in [("cause", &self.cause), ("context", &self.context)] {
            out.extend_from_slice(b",\"");
            out.extend_from_slice(key.as_bytes());
            out.extend_from_slice(b"\":");
            match inner {
                Some(inner) => inner.write_json(out),
                None => out.extend_from_slice(b"null"),
            }
        }
        out.push(b'}');
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_json(),
    }
}

fn type_name(error: &(dyn Error + 'static)) -> String {
    if let Some(error) = error.downcast_ref::<std::io::Error>() {
        return format!("{:?}", error.kind());
    }
    let debug = format!("{error:?}");
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let name = debug.split(|c| !is_name(c)).next().unwrap_or_default();
    let rest = &debug[name.len()..];
    // As `derive(Debug)` writes it; some errors show their message instead.
    let is_derived = rest.is_empty() || rest.starts_with('(') || rest.starts_with(" {");
    match is_derived && name.starts_with(|c: char| c.is_ascii_uppercase()) {
        true if error.to_string() != debug => name.to_owned(),
        _ => "Error".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fmt;

    #[derive(Debug)]
    struct Outer(std::num::ParseIntError);

    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("no number of rows")
        }
    }

    impl Error for Outer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    /// Shows its message in both forms, as errors of `anyhow` do.
    struct Plain(&'static str);

    impl fmt::Debug for Plain {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl fmt::Display for Plain {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Plain {}

    #[test]
    fn the_chain_of_an_error() {
        let error = Outer("x".parse::<u8>().unwrap_err());
        let exception = PipesException::from_error(&error);
        assert_eq!(exception.message, "no number of rows");
        assert_eq!(exception.name.as_deref(), Some("Outer"));
        let cause = exception.cause.unwrap();
        assert_eq!(cause.message, "invalid digit found in string");
        assert_eq!(cause.name.as_deref(), Some("ParseIntError"));
        assert_eq!(cause.cause, None);
    }

    #[test]
    fn names_of_errors_without_one() {
        let error: Box<dyn Error> = "just text".into();
        assert_eq!(
            PipesException::from_error(&*error).name.as_deref(),
            Some("Error")
        );
        for text in ["Rows are missing", "Rows"] {
            let error = Plain(text);
            let name = PipesException::from_error(&error).name;
            assert_eq!(name.as_deref(), Some("Error"));
        }
        let error = std::fs::read("/no/such/file").unwrap_err();
        assert_eq!(
            PipesException::from_error(&error).name.as_deref(),
            Some("NotFound")
        );
    }

    fn exceptions() -> impl Strategy<Value = PipesException> {
        let plain = (
            any::<String>(),
            prop::collection::vec(any::<String>(), 0..3),
            any::<Option<String>>(),
        )
            .prop_map(|(message, stack, name)| PipesException {
                message,
                stack,
                name,
                cause: None,
                context: None,
            });
        (
            plain.clone(),
            prop::option::of(plain.clone()),
            prop::option::of(plain),
        )
            .prop_map(|(outer, cause, context)| PipesException {
                cause: cause.map(Box::new),
                context: context.map(Box::new),
                ..outer
            })
    }

    proptest! {
        #[test]
        fn what_is_written_is_taken_and_reads_back(exception in exceptions()) {
            let mut json = Vec::new();
            exception.write_json(&mut json);
            prop_assert_eq!(check(&json), Ok(()));
            let value = Value::parse(&json).unwrap();
            prop_assert_eq!(PipesException::from_value(&value), Ok(exception));
        }
    }
}
