//! From JSON text to a [`Value`].

use std::collections::HashMap;

use super::{Object, Value};
use crate::protocol::parts;
use crate::protocol::scan::{Kind, Scanner, SyntaxError, Text, unescape};

pub(super) fn parse(text: &[u8]) -> Result<Value, SyntaxError> {
    if let Err(error) = std::str::from_utf8(text) {
        return Err(SyntaxError {
            at: error.valid_up_to(),
            what: "a byte is not UTF-8",
        });
    }
    // Once to know that all is well, which is fast; then building has nothing to doubt.
    let mut scanner = Scanner::new(text);
    scanner.space();
    scanner.value()?;
    scanner.end()?;
    let mut scanner = Scanner::new(text);
    scanner.space();
    build(&mut scanner)
}

/// An array or object that is being built.
enum Open {
    Array(Vec<Value>),
    Object(Members),
}

/// An object that is being built, and the key whose value comes next.
#[derive(Default)]
pub(super) struct Members {
    pub members: Object,
    pub key: String,
    // Small objects, which are nearly all, are searched; this is empty until one is large.
    places: HashMap<String, usize>,
}

impl Members {
    pub fn add(&mut self, value: Value) {
        let key = std::mem::take(&mut self.key);
        if self.members.len() == 16 {
            let keys = self.members.iter().map(|(key, _)| key.clone());
            self.places = keys.zip(0..).collect();
        }
        let place = match self.places.is_empty() {
            true => self.members.iter().position(|(known, _)| *known == key),
            false => self.places.get(&key).copied(),
        };
        match place {
            Some(place) => self.members[place].1 = value,
            None => {
                if !self.places.is_empty() {
                    self.places.insert(key.clone(), self.members.len());
                }
                self.members.push((key, value));
            }
        }
    }
}

/// Builds the value that stands here, with a stack of its own, so that no input grows the
/// thread's.
fn build(scanner: &mut Scanner<'_>) -> Result<Value, SyntaxError> {
    let mut open: Vec<Open> = Vec::new();
    loop {
        // At the start of a value, or at the end of an array or object.
        let mut value = match scanner.peek() {
            b'[' => {
                scanner.take(b"[");
                open.push(Open::Array(Vec::new()));
                None
            }
            b'{' => {
                scanner.take(b"{");
                open.push(Open::Object(Members::default()));
                None
            }
            _ => Some(scalar(scanner)?),
        };
        // Behind a value, or an opening bracket.
        loop {
            scanner.space();
            if let Some(value) = value.take() {
                match open.last_mut() {
                    None => return Ok(value),
                    Some(Open::Array(elements)) => elements.push(value),
                    Some(Open::Object(members)) => members.add(value),
                }
            }
            if scanner.take(b"]") || scanner.take(b"}") {
                value = open.pop().map(|open| match open {
                    Open::Array(elements) => Value::Array(elements),
                    Open::Object(members) => Value::Object(members.members),
                });
                continue;
            }
            if scanner.take(b",") {
                scanner.space();
            }
            if let Some(Open::Object(members)) = open.last_mut() {
                let key = scanner.string()?;
                members.key = text(scanner, key);
                scanner.space();
                scanner.take(b":");
                scanner.space();
            }
            break;
        }
    }
}

fn scalar(scanner: &mut Scanner<'_>) -> Result<Value, SyntaxError> {
    if scanner.peek() == b'"' {
        let literal = scanner.string()?;
        return Ok(Value::String(text(scanner, literal)));
    }
    let start = scanner.pos();
    let kind = scanner.value()?;
    let raw = &scanner.bytes()[start..scanner.pos()];
    Ok(match kind {
        Kind::Null => Value::Null,
        Kind::Bool => Value::Bool(raw == b"true"),
        Kind::Int => {
            let digits = String::from_utf8_lossy(raw);
            match digits.parse() {
                Ok(value) => Value::Int(value),
                Err(_) => Value::BigInt(digits.into_owned()),
            }
        }
        _ => Value::Float(parts::number(raw).unwrap_or(f64::NAN)),
    })
}

fn text(scanner: &Scanner<'_>, literal: Text) -> String {
    let raw = &scanner.bytes()[literal.range()];
    if !literal.escaped {
        return String::from_utf8_lossy(raw).into_owned();
    }
    let mut text = String::with_capacity(raw.len());
    unescape(raw, &mut text);
    text
}
