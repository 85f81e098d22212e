//! What Dagster takes as the exception of a `closed` message.

use crate::protocol::parts::{Key, Part, elements};
use crate::protocol::scan::{Kind, Scanner};

/// The keys Dagster wants in every exception.
const KEYS: [&str; 5] = ["message", "stack", "name", "cause", "context"];

/// Says whether Dagster takes `raw`, which is scanned JSON text, as the `exception` of a `closed`
/// message.
///
/// All five keys must be there. `cause` and `context` are exceptions themselves, or anything that
/// Python calls false. Of the others Dagster wants what has a length, so a `stack` that is one
/// string passes.
///
/// # Errors
/// What is wrong and where: ``exception.cause: `name` is missing``.
pub fn check(raw: &[u8]) -> Result<(), String> {
    match check_levels(&mut Scanner::new(raw)) {
        Some(Ok(())) => Ok(()),
        Some(Err(Fault { path, why })) => Err(format!("exception{path}: {why}")),
        None => Err("exception: is no JSON value".into()),
    }
}

/// A refusal, found deep inside, which gathers its path on the way out.
struct Fault {
    path: String,
    why: String,
}

type Check = Result<(), Fault>;

fn fault(why: String) -> Check {
    Err(Fault {
        path: String::new(),
        why,
    })
}

/// An exception that is being read.
struct Level {
    /// What came of each key. A later value of the same key replaces it.
    outcomes: [Option<Check>; 5],
    /// The key whose exception stands one level deeper.
    inner: usize,
}

impl Level {
    const NEW: Level = Level {
        outcomes: [const { None }; 5],
        inner: 0,
    };

    fn outcome(self) -> Check {
        for (name, outcome) in KEYS.into_iter().zip(self.outcomes) {
            outcome.unwrap_or_else(|| fault(format!("`{name}` is missing")))?;
        }
        Ok(())
    }
}

/// One pass over the text with a stack of its own: neither a long chain nor one of large links
/// costs more than its length. `None` where the text is no JSON.
fn check_levels(scanner: &mut Scanner<'_>) -> Option<Check> {
    if scanner.peek() != b'{' {
        let kind = scanner.value().ok()?;
        return Some(fault(format!("must be an object, not {}", kind.name())));
    }
    scanner.take(b"{");
    let mut levels = vec![Level::NEW];
    loop {
        scanner.space();
        if scanner.take(b"}") {
            let outcome = levels.pop()?.outcome();
            let Some(outer) = levels.last_mut() else {
                return Some(outcome);
            };
            let name = KEYS[outer.inner];
            outer.outcomes[outer.inner] = Some(outcome.map_err(|fault| Fault {
                path: format!(".{name}{}", fault.path),
                ..fault
            }));
            continue;
        }
        if scanner.take(b",") {
            scanner.space();
        }
        let key = scanner.string().ok()?;
        scanner.space();
        scanner.take(b":");
        scanner.space();
        let name = Key::new(&scanner.bytes()[key.range()], key.escaped);
        let index = KEYS.iter().position(|known| name.is(known));
        if let Some(inner @ 3..) = index
            && scanner.peek() == b'{'
            && !empty_object(scanner)
        {
            scanner.take(b"{");
            levels.last_mut()?.inner = inner;
            levels.push(Level::NEW);
            continue;
        }
        let part = take(scanner)?;
        if let Some(index) = index {
            levels.last_mut()?.outcomes[index] = Some(check_field(KEYS[index], part));
        }
    }
}

fn check_field(name: &str, part: Part<'_>) -> Check {
    let has_length = |kind| matches!(kind, Kind::String | Kind::Array | Kind::Object);
    let (fits, must) = match name {
        "message" => (has_length(part.kind), "a string"),
        "name" => (has_length(part.kind) || part.is_falsy(), "a string or null"),
        "stack" => {
            let fits = match part.kind {
                Kind::Array => elements(part.raw)
                    .iter()
                    .all(|line| line.kind == Kind::String),
                other => has_length(other),
            };
            (fits, "an array of strings")
        }
        _ => (part.is_falsy(), "an object or null"),
    };
    if fits {
        return Ok(());
    }
    let found = match part.kind {
        Kind::Array => "an array of other things",
        kind => kind.name(),
    };
    fault(format!("`{name}` must be {must}, not {found}"))
}

fn take<'a>(scanner: &mut Scanner<'a>) -> Option<Part<'a>> {
    let start = scanner.pos();
    let kind = scanner.value().ok()?;
    Some(Part {
        kind,
        raw: &scanner.bytes()[start..scanner.pos()],
    })
}

fn empty_object(scanner: &Scanner<'_>) -> bool {
    let mut ahead = Scanner::at(scanner.bytes(), scanner.pos() + 1);
    ahead.space();
    ahead.peek() == b'}'
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = r#"{"message":"m","stack":["s"],"name":null,"cause":null,"context":null}"#;

    #[test]
    fn takes_what_dagster_takes() {
        let inner = |cause: &str| PLAIN.replace(r#""cause":null"#, &format!(r#""cause":{cause}"#));
        for good in [
            PLAIN.to_owned(),
            inner(PLAIN),
            inner(&inner(PLAIN)),
            inner("{ }"),
            inner("0"),
            inner("\"\""),
            inner(r#"1,"c\u0061use":null"#),
            PLAIN.replace(r#"["s"]"#, r#""a whole trace""#),
            PLAIN.replace(r#""name""#, r#""more":1,"name""#),
        ] {
            assert_eq!(check(good.as_bytes()), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("null".into(), "exception: must be an object, not null"),
            (
                PLAIN.replace(r#""m""#, "1"),
                "exception: `message` must be a string, not an integer",
            ),
            (
                PLAIN.replace(r#"["s"]"#, "[1]"),
                "exception: `stack` must be an array of strings, not an array of other things",
            ),
            (
                inner(&inner(r#"{"a":1}"#)),
                "exception.cause.cause: `message` is missing",
            ),
            (
                inner("7"),
                "exception: `cause` must be an object or null, not an integer",
            ),
            (
                inner(r#"null,"cause":[1]"#),
                "exception: `cause` must be an object or null, not an array of other things",
            ),
        ] {
            assert_eq!(check(bad.as_bytes()), Err(why.into()), "{bad}");
        }
    }

    #[test]
    fn a_deep_chain_is_one_pass() {
        let mut chain = PLAIN.to_owned();
        for _ in 0..500 {
            chain = PLAIN.replace(r#""cause":null"#, &format!(r#""cause":{chain}"#));
        }
        assert_eq!(check(chain.as_bytes()), Ok(()));
    }
}
