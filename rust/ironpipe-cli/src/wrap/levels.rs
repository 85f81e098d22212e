//! Which level a line has: by what programs usually write, or by the user's own patterns.

use ironpipe::Level;
use ironpipe::protocol::value::Value;
use regex::Regex;

use super::head;

/// What a line says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reading {
    /// Its level, if it names one.
    pub level: Option<Level>,
    /// What to send in place of the whole line.
    pub message: Option<String>,
}

/// Reads levels out of lines.
#[derive(Debug)]
pub enum Levels {
    /// The forms of [`FORMS`], and lines of JSON.
    Usual(Vec<(Regex, Option<Level>)>),
    /// The user's, each with a group `level` and maybe a group `message`; the first that matches.
    Own(Vec<Regex>),
}

/// How far into a line its level is looked for, in bytes. Behind that is no head of a log line.
const HEAD: usize = 512;

/// Any case, where something around the word shows that it is a level.
const WORD: &str =
    "(?i:trace|debug|info|notice|warn(?:ing)?|err(?:or)?|crit(?:ical)?|fatal|severe|alert|emerg)";

/// In capitals, where the word stands alone.
const CAPITALS: &str = "(?:TRACE|DEBUG|VERBOSE|INFO|NOTICE|SUCCESS|WARN(?:ING)?|ERR(?:OR)?|\
                        CRIT(?:ICAL)?|FATAL|SEVERE|ALERT|EMERG(?:ENCY)?|PANIC)";

/// A time or a date, and what usually stands between it and the level: zones, threads, places.
const TIME: &str = r"(?:\[[^\]]*\d[^\]]*\]|\d[\d:/.,+TZ-]*\d[\d:/.,+TZ-]*)";
const BETWEEN: &str = r"(?:\s|\[[^\]]*\]|\{[^}]*\}|\(\S*\)|[|-]|[\d:/.,+TZ-]+|UTC|GMT|[AP]M)*";

/// The usual forms, the surest first. `{…}` stands for the parts above; the group `level` holds the
/// level, or the form has one.
const FORMS: [(&str, Option<Level>); 23] = [
    // Python's logging as it comes, git, pip, rustc: `ERROR:root:…`, `fatal: …`, `error[E0308]: …`
    (
        r"^\s*(?P<level>{WORD})(?:\[[\w:-]+\]|\(\w+\))?:(?:\W|\w)",
        None,
    ),
    // Maven, Gradle, and with a time before it nginx, Apache, gunicorn, dbt, the JVM's own log
    (
        r"^\s*(?:{TIME}{BETWEEN})?\[\s*(?:\w+:)?(?P<level>{WORD})\s*\]",
        None,
    ),
    (r"^\s*[<(](?P<level>{WORD})[>)]", None),
    // env_logger: `[2024-01-02T03:04:05Z WARN  krate] …`
    (r"^\[\d[\dT:.+Z-]+\s+(?P<level>{CAPITALS})\s", None),
    // Log4j, Logback, Spark, Python, tracing, loguru, zap: the level behind the time
    (
        r"^\s*{TIME}{BETWEEN}\s*(?P<level>{CAPITALS})(?:[\s:|\])-]|$)",
        None,
    ),
    // `WARN  [main] …`, `INFO | …`, `INFO[0001] …`
    (r"^\s*(?P<level>{CAPITALS})(?:\s|[|\[(]|$)", None),
    // logrus on a terminal: `ERRO[0001] …`
    (r"^(?P<level>DEBU|ERRO|FATA|PANI|TRAC)\[\d", None),
    // Python's `%(asctime)s - %(name)s - %(levelname)s - %(message)s`
    (r"^\S.{0,160}? - (?P<level>{CAPITALS}) - ", None),
    // Postgres, dbt: `12:30:00  1 of 2 ERROR creating …`, `… UTC [7] name@db ERROR:  …`
    (
        r"^\s*\d[\d/-]*[ T:]?\d*:\d\d.{0,80}?\s(?P<level>{CAPITALS})(?::|\s)",
        None,
    ),
    (
        r"^\d\d:\d\d:\d\d[.\d]*\s+(?:\w+ Error in |Encountered an error|Completed with [1-9]\d* error)",
        Some(Level::Error),
    ),
    // glog and klog: `E0102 15:04:05.678901 …`
    (r"^(?P<level>[DIWEF])\d{4} \d\d:\d\d:\d\d", None),
    // logfmt, GELF in words
    (
        r#"(?:^|\s)(?:level|lvl|severity|loglevel|log\.level)="?(?P<level>{WORD}|panic)\b"#,
        None,
    ),
    // Compilers: `main.c:3:5: error: …`
    (
        r"^[^\s:][^:]*:\d+(?::\d+)?:\s+(?:fatal )?(?P<level>error|warning)\b",
        None,
    ),
    // Tools that say who speaks: `collect2: error: …`, `npm warn …`, `npm ERR! …`
    (
        r"^[\w./+-]+:\s+(?:fatal )?(?P<level>error|warning|fatal)(?: error)?:",
        None,
    ),
    (r"^npm (?P<level>ERR|error|WARN|warn|notice|verb)\b", None),
    // apt
    (r"^(?P<level>[EW]): ", None),
    (r"^make(?:\[\d+\])?: \*\*\* ", Some(Level::Error)),
    (r"^curl: \(\d+\) ", Some(Level::Error)),
    // Python's warnings module
    (r"^\S+:\d+: \w*Warning: ", Some(Level::Warning)),
    // What a program dies of
    (
        r"^\s*(?:[+|] )?(?:Exception Group )?Traceback \(most recent call last\):",
        Some(Level::Error),
    ),
    (
        r"^thread '.*' (?:\(\d+\) )?panicked at ",
        Some(Level::Error),
    ),
    (
        r"^(?:Exception in thread |panic: |Segmentation fault)",
        Some(Level::Error),
    ),
    (
        r"^(?:[\w$]+\.)*[A-Z]\w*(?:Error|Exception)(?:: |$)",
        Some(Level::Error),
    ),
];

impl Levels {
    /// The usual forms.
    ///
    /// # Errors
    /// None that a test would not have found.
    pub fn usual() -> Result<Levels, regex::Error> {
        let compile = |(form, level): (&str, Option<Level>)| {
            let pattern = form
                .replace("{WORD}", WORD)
                .replace("{CAPITALS}", CAPITALS)
                .replace("{TIME}", TIME)
                .replace("{BETWEEN}", BETWEEN);
            Ok((Regex::new(&pattern)?, level))
        };
        Ok(Levels::Usual(
            FORMS.into_iter().map(compile).collect::<Result<_, _>>()?,
        ))
    }

    /// What `line` says of itself.
    pub fn read(&self, line: &str) -> Reading {
        match self {
            Levels::Usual(forms) => json(line).unwrap_or_else(|| Reading {
                level: usual(forms, line),
                message: None,
            }),
            Levels::Own(patterns) => patterns
                .iter()
                .find_map(|pattern| pattern.captures(line))
                .map_or_else(Reading::default, |found| Reading {
                    level: found
                        .name("level")
                        .map(|word| level_of(word.as_str().trim()).unwrap_or_default()),
                    message: found
                        .name("message")
                        .map(|message| message.as_str().to_owned()),
                }),
        }
    }
}

/// One of the user's patterns.
///
/// # Errors
/// What is wrong with it, for `--level-pattern`.
pub fn own_pattern(pattern: &str) -> Result<Regex, String> {
    let pattern = Regex::new(pattern).map_err(|error| error.to_string())?;
    if pattern
        .capture_names()
        .flatten()
        .all(|name| name != "level")
    {
        return Err("it needs a group for the level: (?P<level>…)".to_owned());
    }
    Ok(pattern)
}

fn usual(forms: &[(Regex, Option<Level>)], line: &str) -> Option<Level> {
    let head = head(line, HEAD);
    forms.iter().find_map(|(form, level)| {
        let found = form.captures(head)?;
        match level {
            Some(level) => Some(*level),
            None => level_of(found.name("level")?.as_str()),
        }
    })
}

/// The level of a word, also of what some write for short; none of a word that names no level.
fn level_of(word: &str) -> Option<Level> {
    let word = word.to_ascii_uppercase();
    Some(match word.as_str() {
        "T" | "D" | "V" | "DEBU" | "TRAC" | "VERB" => Level::Debug,
        "I" | "N" | "NOTICE" | "SUCCESS" | "OK" | "DEFAULT" => Level::Info,
        "W" => Level::Warning,
        "E" | "ERRO" => Level::Error,
        "F" | "C" | "FATA" | "PANI" => Level::Critical,
        _ => match Level::nearest(&word) {
            // What it does not know it takes for INFO.
            Level::Info if !word.starts_with("INFO") && word.parse::<i64>().is_err() => {
                return None;
            }
            level => level,
        },
    })
}

/// A line that is a JSON object with a level in it.
fn json(line: &str) -> Option<Reading> {
    let line = line.trim();
    if !line.starts_with('{') || !line.ends_with('}') {
        return None;
    }
    let Ok(Value::Object(mut fields)) = Value::parse(line.as_bytes()) else {
        return None;
    };
    let level = take_level(&mut fields)?;
    let message = take(&mut fields, &["message", "msg", "event"], |value| {
        value.as_str().map(str::to_owned)
    });
    // dbt has both in an object of their own.
    let message = message.or_else(|| {
        inner(&mut fields).and_then(|fields| {
            take(fields, &["msg", "message"], |value| {
                value.as_str().map(str::to_owned)
            })
        })
    });
    Some(Reading {
        level: Some(level),
        message: message.map(|mut message| {
            // Nothing of the line is left out.
            if !fields.is_empty() {
                if !message.is_empty() {
                    message.push(' ');
                }
                message.push_str(&Value::Object(fields).to_json());
            }
            message
        }),
    })
}

type Fields = Vec<(String, Value)>;

const LEVEL_KEYS: [&str; 6] = [
    "level",
    "levelname",
    "severity",
    "lvl",
    "log.level",
    "loglevel",
];

fn take_level(fields: &mut Fields) -> Option<Level> {
    take(fields, &LEVEL_KEYS, value_level)
        .or_else(|| inner(fields).and_then(|fields| take(fields, &LEVEL_KEYS, value_level)))
}

fn inner(fields: &mut Fields) -> Option<&mut Fields> {
    fields.iter_mut().find_map(|(key, value)| match value {
        Value::Object(fields) if key == "info" || key == "log" => Some(fields),
        _ => None,
    })
}

/// Takes out the first of these keys that has a value to read.
fn take<T>(fields: &mut Fields, keys: &[&str], read: impl Fn(&Value) -> Option<T>) -> Option<T> {
    keys.iter().find_map(|name| {
        let at = fields.iter().position(|(key, _)| key == name)?;
        let found = read(&fields[at].1)?;
        fields.remove(at);
        Some(found)
    })
}

fn value_level(value: &Value) -> Option<Level> {
    if let Some(word) = value.as_str() {
        return level_of(word.trim());
    }
    // Numbers: of syslog up to 7, above that of bunyan and pino.
    Some(match value.to_json().parse::<i64>().ok()? {
        ..0 => return None,
        0..=2 | 60.. => Level::Critical,
        3 | 50..60 => Level::Error,
        4 | 40..50 => Level::Warning,
        5 | 6 | 30..40 => Level::Info,
        7..30 => Level::Debug,
    })
}

#[cfg(test)]
mod tests;
