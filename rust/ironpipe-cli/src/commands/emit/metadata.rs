//! Metadata on the command line.

use ironpipe::protocol::metadata::{Type, check};
use ironpipe::protocol::scan::Kind;
use ironpipe::protocol::value::Value;
use ironpipe::{Metadata, MetadataValue};

use super::input::Input;
use super::usage;
use crate::exit::Failure;

/// What is known about what is reported.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// One thing that is known; may be repeated.
    ///
    /// rows=12 has Dagster pick the type: a number, true, false, null and JSON objects and arrays are
    /// taken as such, anything else as text. rows:int=12 names it: text, url, path, notebook, md,
    /// json, int, float, bool, null, timestamp (seconds, or 2024-01-02T03:04:05Z), asset, dagster_run,
    /// table, table_schema, table_column_lineage. summary:md@=FILE takes the value from a file (- is
    /// stdin), and @FILE all of it from a JSON object.
    #[arg(
        long = "metadata",
        short = 'm',
        value_name = "LABEL[:TYPE]=VALUE | @FILE"
    )]
    entries: Vec<String>,
}

impl Args {
    /// All of it; a label given again counts as given last.
    pub fn read(&self, input: &mut Input) -> Result<Metadata, Failure> {
        let mut metadata = Metadata::new();
        for argument in &self.entries {
            if let Some(path) = argument.strip_prefix('@') {
                metadata.extend(read_object(path, &input.file(path)?)?);
                continue;
            }
            let fail = |why: String| usage(format!("--metadata {argument}: {why}"));
            let Some((head, text)) = argument.split_once('=') else {
                let why = "it takes LABEL=VALUE, LABEL:TYPE=VALUE or @FILE";
                return Err(fail(why.to_owned()));
            };
            let (head, text) = match head.strip_suffix('@') {
                Some(head) => {
                    let text = String::from_utf8(input.file(text)?)
                        .map_err(|_| fail(format!("{text} is not UTF-8")))?;
                    (head, text)
                }
                None => (head, text.to_owned()),
            };
            let (label, value) = entry(head, text).map_err(fail)?;
            metadata.insert(label, value);
        }
        Ok(metadata)
    }
}

fn entry(head: &str, text: String) -> Result<(String, MetadataValue), String> {
    let (label, value) = match head.rsplit_once(':') {
        None => (head, MetadataValue::infer(infer(text))),
        Some((label, name)) => (label, typed(name, text)?),
    };
    match label.is_empty() {
        true => Err("it has no label".to_owned()),
        false => Ok((label.to_owned(), value)),
    }
}

/// What text most likely means.
fn infer(text: String) -> Value {
    Value::parse(text.as_bytes()).unwrap_or(Value::String(text))
}

fn typed(name: &str, text: String) -> Result<MetadataValue, String> {
    let Some(kind) = Type::from_name(name.as_bytes()) else {
        let why = check(name.as_bytes(), Kind::Null, b"null").err();
        let known = Type::ALL.iter().filter(|known| **known != Type::Infer);
        let known: Vec<&str> = known.map(|known| known.as_str()).collect();
        return Err(format!(
            "{}; what stands behind the last colon of a label is its type, one of {}",
            why.unwrap_or_default(),
            known.join(", ")
        ));
    };
    let json = |text: &str| {
        Value::parse(text.as_bytes()).map_err(|error| format!("{text:?} is not JSON: {error}"))
    };
    let raw_value = match kind {
        Type::Infer => infer(text),
        Type::Text
        | Type::Url
        | Type::Path
        | Type::Notebook
        | Type::Md
        | Type::DagsterRun
        | Type::Asset => Value::String(text),
        Type::Float => match text.trim().parse() {
            Ok(number) => Value::Float(number),
            Err(_) => return Err(format!("{text:?} is no number")),
        },
        Type::Timestamp => Value::Float(seconds(text.trim())?),
        Type::Null if text.trim().is_empty() => Value::Null,
        Type::Bool => match text.trim() {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            "null" => Value::Null,
            _ => return Err(format!("{text:?} is neither true nor false")),
        },
        Type::Int
        | Type::Null
        | Type::Json
        | Type::Table
        | Type::TableSchema
        | Type::TableColumnLineage => json(&text)?,
    };
    MetadataValue::new(kind, raw_value)
}

/// Seconds since the epoch, of a number or a time.
fn seconds(text: &str) -> Result<f64, String> {
    if let Ok(seconds) = text.parse() {
        return Ok(seconds);
    }
    let time: Result<jiff::Timestamp, _> = text.parse();
    time.map(|time| time.as_microsecond() as f64 / 1e6)
        .map_err(|_| {
            format!(
                "{text:?} is neither seconds since the epoch nor a time as 2024-01-02T03:04:05Z"
            )
        })
}

/// A JSON object: its values as they are, or each `{"raw_value": …, "type": …}`.
fn read_object(path: &str, json: &[u8]) -> Result<Metadata, Failure> {
    let fail = |why: String| usage(format!("--metadata @{path}: {why}"));
    let members = match Value::parse(json) {
        Ok(Value::Object(members)) => members,
        Ok(other) => {
            let kind = other.kind().name();
            return Err(fail(format!("it must be a JSON object, not {kind}")));
        }
        Err(error) => return Err(fail(format!("it is not JSON: {error}"))),
    };
    let mut metadata = Metadata::new();
    for (label, value) in members {
        if is_typed(&value) {
            let one = Value::Object(vec![(label, value)]);
            metadata.extend(Metadata::from_value(&one).map_err(fail)?);
        } else {
            metadata.insert(label, MetadataValue::infer(value));
        }
    }
    Ok(metadata)
}

fn is_typed(value: &Value) -> bool {
    let has = |name| value.get(name).is_some();
    value.as_object().is_some_and(|members| members.len() == 2) && has("raw_value") && has("type")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(entries: &[&str]) -> Result<String, String> {
        let entries = entries.iter().map(|entry| (*entry).to_owned()).collect();
        let metadata = Args { entries }.read(&mut Input::default());
        let metadata = metadata.map_err(|failure| failure.to_string())?;
        let mut json = Vec::new();
        metadata.write_checked(&mut json)?;
        Ok(String::from_utf8(json).unwrap())
    }

    fn one(entry: &str) -> String {
        let json = read(&[entry]).unwrap();
        let (_, value) = json[..json.len() - 1].split_once("\":{").unwrap();
        format!("{{{value}")
    }

    #[test]
    fn values_are_what_they_look_like() {
        for (text, raw_value) in [
            ("12", "12"),
            ("1.50", "1.5"),
            ("007", "\"007\""),
            ("true", "true"),
            ("null", "null"),
            ("{\"a\":[1]}", "{\"a\":[1]}"),
            ("\"12\"", "\"12\""),
            ("two words", "\"two words\""),
            ("", "\"\""),
            ("a=b", "\"a=b\""),
        ] {
            let expected = format!(r#"{{"raw_value":{raw_value},"type":"__infer__"}}"#);
            assert_eq!(one(&format!("k={text}")), expected);
        }
    }

    #[test]
    fn types_that_are_named() {
        for (entry, raw_value, name) in [
            ("k:text=12", "\"12\"", "text"),
            ("k:float=1", "1.0", "float"),
            ("k:float=NaN", "NaN", "float"),
            (
                "k:int=340282366920938463463374607431768211456",
                "340282366920938463463374607431768211456",
                "int",
            ),
            ("k:bool=false", "false", "bool"),
            ("k:null=", "null", "null"),
            ("k:timestamp=1.5", "1.5", "timestamp"),
            ("k:timestamp=1970-01-01T00:00:01.5Z", "1.5", "timestamp"),
            ("k:json=[1]", "[1]", "json"),
            ("k:asset=a/b", "\"a/b\"", "asset"),
            ("a:b:url=https://x.y?z=1", "\"https://x.y?z=1\"", "url"),
        ] {
            assert_eq!(
                one(entry),
                format!(r#"{{"raw_value":{raw_value},"type":"{name}"}}"#)
            );
        }
    }

    #[test]
    fn mistakes_are_explained() {
        for (entry, part) in [
            ("rows", "it takes LABEL=VALUE"),
            ("=1", "it has no label"),
            ("k:Int=1", "did you mean \"int\"?"),
            ("k:int=x", "is not JSON"),
            ("k:bool=yes", "neither true nor false"),
            ("http://x=1", "one of text, int"),
            ("k:int=1.5", "takes an integer"),
            ("k:json=1", "takes an object"),
            ("k:float=x", "no number"),
            ("k:timestamp=yesterday", "2024-01-02T03:04:05Z"),
            ("@/no/such/file", "can't read /no/such/file"),
            ("k:md@=/no/such/file", "can't read"),
        ] {
            let why = read(&[entry]).unwrap_err();
            assert!(why.contains(part), "{entry}: {why}");
        }
    }

    #[test]
    fn files() {
        let directory =
            std::env::temp_dir().join(format!("ironpipe-emit-test-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join("metadata.json");
        let json = r#"{"a":1,"b":{"raw_value":"u","type":"url"},"c":{"raw_value":1}}"#;
        std::fs::write(&path, json).unwrap();
        let path = path.to_str().unwrap();
        assert_eq!(
            read(&["a=0", &format!("@{path}"), "d=2"]).unwrap(),
            concat!(
                r#"{"a":{"raw_value":1,"type":"__infer__"},"b":{"raw_value":"u","type":"url"},"#,
                r#""c":{"raw_value":{"raw_value":1},"type":"__infer__"},"#,
                r#""d":{"raw_value":2,"type":"__infer__"}}"#
            )
        );
        assert!(one(&format!("k:json@={path}")).ends_with(r#""type":"json"}"#));
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
