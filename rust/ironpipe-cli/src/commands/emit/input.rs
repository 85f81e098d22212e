//! Text and values that stand on the command line, on stdin or in a file.

use std::fs::File;
use std::io::{self, Read};

use ironpipe::framing::MAX_LINE;
use ironpipe::protocol::value::Value;

use super::usage;
use crate::exit::Failure;

/// What is read; stdin only once.
#[derive(Debug, Default)]
pub struct Input {
    stdin_is_taken: bool,
}

impl Input {
    /// An argument as text: itself, or stdin where it is `-`, without the newline at its end.
    pub fn text(&mut self, argument: String) -> Result<String, Failure> {
        match argument.as_str() {
            "-" => {
                let mut bytes = self.file("-")?;
                if bytes.ends_with(b"\n") {
                    bytes.pop();
                }
                Ok(match String::from_utf8(bytes) {
                    Ok(text) => text,
                    Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
                })
            }
            _ => Ok(argument),
        }
    }

    /// An argument as JSON: itself, or stdin where it is `-`.
    pub fn json(&mut self, argument: String) -> Result<Value, Failure> {
        let (name, bytes) = match argument.as_str() {
            "-" => ("stdin".to_owned(), self.file("-")?),
            "" => ("the payload".to_owned(), Vec::new()),
            _ => (format!("`{argument}`"), argument.into_bytes()),
        };
        if bytes.trim_ascii().is_empty() {
            return Err(usage(format!("{name} is empty, and takes JSON")));
        }
        Value::parse(&bytes).map_err(|error| {
            usage(format!(
                "{name} is not JSON ({error}); text takes quotes (\"…\") or --text"
            ))
        })
    }

    /// What a file holds, or stdin where it is `-`. No more than fits into a message.
    pub fn file(&mut self, path: &str) -> Result<Vec<u8>, Failure> {
        let name = if path == "-" { "stdin" } else { path };
        let fail = |error: io::Error| usage(format!("can't read {name}: {error}"));
        let mut bytes = Vec::new();
        let limit = MAX_LINE as u64;
        if path != "-" {
            let file = File::open(path).map_err(fail)?;
            file.take(limit + 1).read_to_end(&mut bytes).map_err(fail)?;
        } else if std::mem::replace(&mut self.stdin_is_taken, true) {
            return Err(usage("stdin is asked for twice, and can be read once"));
        } else {
            let stdin = io::stdin().lock();
            stdin
                .take(limit + 1)
                .read_to_end(&mut bytes)
                .map_err(fail)?;
        }
        if bytes.len() as u64 > limit {
            return Err(usage(format!(
                "{name} is larger than a message may be, {limit} bytes"
            )));
        }
        Ok(bytes)
    }
}
