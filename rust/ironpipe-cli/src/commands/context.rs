//! `ironpipe context`: what Dagster says about the step.

use ironpipe::Error;
use ironpipe::protocol::context::{ContextData, MAX_CONTEXT_BYTES};
use ironpipe::protocol::value::Value;
use ironpipe::session::external::load_context;

use crate::bootstrap::Bootstrap;
use crate::exit::{Code, FAILED, Failure, NOT_LAUNCHED, REFUSED, USAGE};
use crate::output::Page;

/// Print what Dagster says about the step: all of it as JSON, or one value.
///
/// Text is printed as it is, a list of asset keys one a line, true and false as such, what is not
/// set as an empty line, and anything else as JSON. Exit codes: 0, or 1 where the value does not
/// apply to the step (as `partition_key` in a step without partitions), 2 where there is no value of
/// that name, 4 where Dagster did not launch this process, 125 where the context can't be read.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which value: asset_key, asset_keys, code_version, code_version_by_asset_key, provenance,
    /// provenance_by_asset_key, is_asset_step, is_partition_step, partition_key,
    /// partition_key_range, partition_time_window, run_id, job_name, retry_number, extras; or a
    /// part of one: extras.NAME, partition_time_window.start
    #[arg(value_name = "KEY")]
    key: Option<String>,

    /// Print the value as JSON, text too
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    bootstrap: Bootstrap,
}

/// Prints it.
pub fn run(args: Args) -> Result<Code, Failure> {
    let loader = args.bootstrap.loader();
    if !loader.is_dagster_pipes_process() {
        let words = "Dagster did not launch this process: DAGSTER_PIPES_CONTEXT is not set";
        return Err(Failure::new(NOT_LAUNCHED, words));
    }
    let params = loader.context_params()?;
    let context = load_context(&params, loader.context_name(), MAX_CONTEXT_BYTES)?;
    let mut page = Page::default();
    let text = match &args.key {
        None => context.as_value().to_json(),
        Some(key) => {
            let value = find(&context, key)?;
            if args.json {
                value.to_json()
            } else {
                plain(&value)
            }
        }
    };
    page.put(|out| {
        out.extend_from_slice(text.as_bytes());
        out.push(b'\n');
    });
    page.flush();
    Ok(if page.is_cut() { FAILED } else { Code(0) })
}

/// As a shell wants it.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(elements) if elements.iter().all(|element| element.as_str().is_some()) => {
            let lines: Vec<&str> = elements.iter().filter_map(Value::as_str).collect();
            lines.join("\n")
        }
        other => other.to_json(),
    }
}

/// The value of an accessor, or a part of it.
fn find(context: &ContextData, key: &str) -> Result<Value, Failure> {
    let (accessor, path) = match key.split_once('.') {
        Some((accessor, path)) => (accessor, Some(path)),
        None => (key, None),
    };
    let Some(value) = accessed(context, accessor) else {
        let words = format!(
            "a Pipes context has no `{accessor}`; `ironpipe context --help` lists what it has"
        );
        return Err(Failure::new(USAGE, words));
    };
    let value = value.map_err(refusal)?;
    match path {
        None => Ok(value),
        // For the text of the official client.
        Some(name) if accessor == "extras" && !name.contains('.') => {
            context.get_extra(name).cloned().map_err(refusal)
        }
        Some(path) => part(&value, path).cloned().ok_or_else(|| {
            let words = format!("there is no `{path}` in `{accessor}`: it is {value}");
            Failure::new(REFUSED, words)
        }),
    }
}

/// The value of an accessor by its name, as the official client has it; None if there is none.
fn accessed(context: &ContextData, accessor: &str) -> Option<Result<Value, Error>> {
    let flag = |flag: ironpipe::Result<bool>| flag.map(Value::Bool);
    // These two are the value of the only asset of the step.
    let of_asset = |field: &str| match context.asset_key() {
        Ok(key) => {
            let values = context.as_value().get(field);
            values.and_then(|values| values.get(key)).cloned()
        }
        Err(_) => None,
    };
    Some(match accessor {
        "is_asset_step" => flag(context.is_asset_step()),
        "is_partition_step" => flag(context.is_partition_step()),
        "asset_key" => context.asset_key().map(Value::from),
        "code_version" | "provenance" => context
            .check_access(accessor)
            .map(|()| of_asset(&format!("{accessor}_by_asset_key")).unwrap_or_default()),
        name if KEYS.contains(&name) => context
            .check_access(name)
            .map(|()| context.as_value().get(name).cloned().unwrap_or_default()),
        _ => return None,
    })
}

/// The accessors whose value is that of the key of this name.
const KEYS: [&str; 10] = [
    "asset_keys",
    "code_version_by_asset_key",
    "provenance_by_asset_key",
    "partition_key",
    "partition_key_range",
    "partition_time_window",
    "run_id",
    "job_name",
    "retry_number",
    "extras",
];

/// What stands at a path such as `a.b.0`; a key that has dots itself is found as well.
fn part<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    if let Some(found) = value.get(path) {
        return Some(found);
    }
    let splits = path
        .match_indices('.')
        .map(|(at, _)| (&path[..at], &path[at + 1..]));
    let element = |name: &str| match value {
        Value::Array(elements) => elements.get(name.parse::<usize>().ok()?),
        other => other.get(name),
    };
    for (name, rest) in splits {
        if let Some(found) = element(name).and_then(|inner| part(inner, rest)) {
            return Some(found);
        }
    }
    element(path)
}

fn refusal(error: Error) -> Failure {
    Failure::new(REFUSED, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let value = Value::parse(br#"{"a.b":1,"a":{"b":2,"c":[{"d":3}],"e.f":{"g":4}}}"#).unwrap();
        for (path, expected) in [
            ("a.b", Some(1)),
            ("a.c.0.d", Some(3)),
            ("a.e.f.g", Some(4)),
            ("a.c.1.d", None),
            ("x", None),
            ("a.b.c", None),
        ] {
            assert_eq!(
                part(&value, path).and_then(Value::as_i64),
                expected,
                "{path}"
            );
        }
    }
}
