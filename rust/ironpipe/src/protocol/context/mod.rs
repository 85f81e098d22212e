//! What the orchestration side tells an external process about its step.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use serde::{Serialize, Serializer};

use super::scan::Kind;
use super::value::Value;
use crate::error::{Error, Result};

/// What a context file may hold, in bytes (64 MiB).
pub const MAX_CONTEXT_BYTES: u64 = 64 << 20;

/// The context of a step.
///
/// It may hold any of its keys, as one made by hand does; reading one that is not there is an
/// error that names it. Reading one that does not apply to the step is an error too, with the
/// text of the official client.
#[derive(Debug, Clone, PartialEq)]
pub struct ContextData {
    // An object, whose known keys have values of the types they should have.
    data: Value,
}

/// Two partition keys, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PartitionKeyRange<'a> {
    /// The first key.
    pub start: &'a str,
    /// The last key.
    pub end: &'a str,
}

/// The time of partitions, as ISO 8601 text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct TimeWindow<'a> {
    /// The start, included.
    pub start: &'a str,
    /// The end, excluded.
    pub end: &'a str,
}

/// What the current data of an asset was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DataProvenance<'a> {
    /// The version of the code.
    pub code_version: &'a str,
    /// The version of each input, by its asset key.
    #[serde(serialize_with = "as_map")]
    pub input_data_versions: Vec<(&'a str, &'a str)>,
    /// Whether the version was given by the user.
    pub is_user_provided: bool,
}

impl ContextData {
    /// The context of JSON text.
    ///
    /// # Errors
    /// It is no JSON, no object, or one of the known keys has a value of another type. The text is
    /// for a sentence about where it came from.
    pub fn parse(json: &[u8]) -> Result<ContextData, String> {
        let data = Value::parse(json).map_err(|error| format!("it is not JSON: {error}"))?;
        ContextData::from_value(data)
    }

    /// The context of a value.
    ///
    /// # Errors
    /// It is no object, or one of the known keys has a value of another type.
    pub fn from_value(data: Value) -> Result<ContextData, String> {
        let Some(members) = data.as_object() else {
            let kind = data.kind().name();
            return Err(format!("it must be an object, not {kind}"));
        };
        for (key, value) in members {
            let must = match key.as_str() {
                "asset_keys" => shape(value, "an array of strings or null", is_asset_keys),
                "partition_key_range" | "partition_time_window" => {
                    shape(value, "an object with `start` and `end` or null", is_range)
                }
                "code_version_by_asset_key" | "provenance_by_asset_key" => {
                    shape(value, "an object or null", |value| {
                        value.kind() == Kind::Object
                    })
                }
                "extras" => shape(value, "an object", |value| value.kind() == Kind::Object),
                "partition_key" | "job_name" | "run_id" => {
                    shape(value, "a string or null", |value| {
                        value.kind() == Kind::String
                    })
                }
                "retry_number" => shape(value, "an integer", |value| value.kind() == Kind::Int),
                _ => None,
            };
            if let Some(must) = must {
                let kind = value.kind().name();
                return Err(format!("`{key}` must be {must}, but is {kind}"));
            }
        }
        Ok(ContextData { data })
    }

    /// The context of a JSON file of at most `max_bytes`, for which [`MAX_CONTEXT_BYTES`] is the
    /// usual limit.
    ///
    /// # Errors
    /// [`Error::Context`] where it can't be read or is no context; [`Error::Limit`].
    pub fn read(path: impl AsRef<Path>, max_bytes: u64) -> Result<ContextData> {
        let path = path.as_ref();
        let fail = |reason: String| Error::Context {
            location: path.display().to_string(),
            reason,
        };
        let json = match read_limited(path, max_bytes) {
            Ok(Some(json)) => json,
            Ok(None) => {
                return Err(Error::Limit {
                    what: format!("the Pipes context in {}", path.display()),
                    limit: max_bytes,
                    option: "max_context_bytes",
                });
            }
            Err(error) => return Err(fail(error.to_string())),
        };
        ContextData::parse(&json).map_err(fail)
    }

    /// All of it, as an object.
    pub fn as_value(&self) -> &Value {
        &self.data
    }

    /// Whether the step targets assets.
    ///
    /// # Errors
    /// `asset_keys` is not in the context.
    pub fn is_asset_step(&self) -> Result<bool> {
        Ok(!self.field("asset_keys")?.is_null())
    }

    /// The keys of the assets of the step.
    ///
    /// # Errors
    /// The step targets no asset.
    pub fn asset_keys(&self) -> Result<Vec<&str>> {
        self.keys("asset_keys")
    }

    /// The key of the asset of the step.
    ///
    /// # Errors
    /// The step targets no asset or several.
    pub fn asset_key(&self) -> Result<&str> {
        match self.keys("asset_key")?[..] {
            [key] => Ok(key),
            _ => Err(multiple_assets("asset_key")),
        }
    }

    /// The version of the code of the asset of the step.
    ///
    /// # Errors
    /// The step targets no asset or several.
    pub fn code_version(&self) -> Result<Option<&str>> {
        let value = self.of_single_asset("code_version_by_asset_key", "code_version")?;
        Ok(value.as_str())
    }

    /// The version of the code of each asset of the step.
    ///
    /// # Errors
    /// The step targets no asset.
    pub fn code_version_by_asset_key(&self) -> Result<Vec<(&str, Option<&str>)>> {
        let name = "code_version_by_asset_key";
        let versions = self.by_asset(name, name)?;
        Ok(versions
            .iter()
            .map(|(key, version)| (key.as_str(), version.as_str()))
            .collect())
    }

    /// What the current data of the asset of the step was made from.
    ///
    /// # Errors
    /// The step targets no asset or several.
    pub fn provenance(&self) -> Result<Option<DataProvenance<'_>>> {
        let value = self.of_single_asset("provenance_by_asset_key", "provenance")?;
        Ok(provenance(value))
    }

    /// What the current data of each asset of the step was made from.
    ///
    /// # Errors
    /// The step targets no asset.
    pub fn provenance_by_asset_key(&self) -> Result<Vec<(&str, Option<DataProvenance<'_>>)>> {
        let name = "provenance_by_asset_key";
        let found = self.by_asset(name, name)?;
        Ok(found
            .iter()
            .map(|(key, value)| (key.as_str(), provenance(value)))
            .collect())
    }

    /// Whether the step targets partitions.
    ///
    /// # Errors
    /// `partition_key_range` is not in the context.
    pub fn is_partition_step(&self) -> Result<bool> {
        Ok(!self.field("partition_key_range")?.is_null())
    }

    /// The key of the partition of the step.
    ///
    /// # Errors
    /// The step targets no partition or several.
    pub fn partition_key(&self) -> Result<&str> {
        let value = self.of_partition("partition_key", "partition_key")?;
        Ok(value.as_str().unwrap_or_default())
    }

    /// The first and the last key of the partitions of the step.
    ///
    /// # Errors
    /// The step targets no partition.
    pub fn partition_key_range(&self) -> Result<PartitionKeyRange<'_>> {
        let range = self.of_partition("partition_key_range", "partition_key_range")?;
        Ok(PartitionKeyRange {
            start: string_at(range, "start"),
            end: string_at(range, "end"),
        })
    }

    /// The time of the partitions of the step, if they are of time.
    ///
    /// # Errors
    /// The step targets no partition.
    pub fn partition_time_window(&self) -> Result<Option<TimeWindow<'_>>> {
        self.of_partition("partition_key_range", "partition_time_window")?;
        let window = self.field("partition_time_window")?;
        Ok((!window.is_null()).then(|| TimeWindow {
            start: string_at(window, "start"),
            end: string_at(window, "end"),
        }))
    }

    /// The id of the run.
    ///
    /// # Errors
    /// `run_id` is not in the context.
    pub fn run_id(&self) -> Result<&str> {
        Ok(self.field("run_id")?.as_str().unwrap_or_default())
    }

    /// The name of the job, if the run has one.
    ///
    /// # Errors
    /// `job_name` is not in the context.
    pub fn job_name(&self) -> Result<Option<&str>> {
        Ok(self.field("job_name")?.as_str())
    }

    /// How many times the step was retried before.
    ///
    /// # Errors
    /// `retry_number` is not in the context.
    pub fn retry_number(&self) -> Result<i64> {
        Ok(self.field("retry_number")?.as_i64().unwrap_or_default())
    }

    /// All that the user passed on, in order.
    ///
    /// # Errors
    /// `extras` is not in the context.
    pub fn extras(&self) -> Result<&[(String, Value)]> {
        Ok(self.field("extras")?.as_object().unwrap_or_default())
    }

    /// One thing that the user passed on.
    ///
    /// # Errors
    /// It is not among the extras.
    pub fn get_extra(&self, key: &str) -> Result<&Value> {
        let extras = self.field("extras")?;
        extras.get(key).ok_or_else(|| {
            refused(format!(
                "Extra `{key}` is undefined. Extras must be provided by user."
            ))
        })
    }

    /// Says whether an accessor applies to the step, by its name: what the method of that name
    /// would give as an error.
    ///
    /// # Errors
    /// As the method, or there is none of that name.
    pub fn check_access(&self, accessor: &str) -> Result<()> {
        match accessor {
            "is_asset_step" => self.is_asset_step().map(drop),
            "asset_key" => self.asset_key().map(drop),
            "asset_keys" => self.asset_keys().map(drop),
            "code_version" => self.code_version().map(drop),
            "code_version_by_asset_key" => self.code_version_by_asset_key().map(drop),
            "provenance" => self.provenance().map(drop),
            "provenance_by_asset_key" => self.provenance_by_asset_key().map(drop),
            "is_partition_step" => self.is_partition_step().map(drop),
            "partition_key" => self.partition_key().map(drop),
            "partition_key_range" => self.partition_key_range().map(drop),
            "partition_time_window" => self.partition_time_window().map(drop),
            "run_id" | "job_name" | "retry_number" | "extras" => self.field(accessor).map(drop),
            other => Err(refused(format!("The Pipes context has no `{other}`."))),
        }
    }

    /// The asset a report is about: the one that is named, or the only one of the step.
    ///
    /// # Errors
    /// None is named where the step targets none or several, or one is named that the step does
    /// not target.
    pub fn resolve_asset_key(&self, asset_key: Option<&str>, method: &str) -> Result<String> {
        let scope = self.field("asset_keys")?.as_array().unwrap_or_default();
        // An empty key is none, as in the official client.
        let given = asset_key.filter(|key| !key.is_empty());
        match (given, scope) {
            (Some(key), []) => Ok(key.to_owned()),
            (Some(key), scope) if scope.iter().any(|known| known.as_str() == Some(key)) => {
                Ok(key.to_owned())
            }
            (Some(key), scope) => Err(refused(format!(
                "Invalid asset key. Expected one of `{}`, got `{key}`.",
                python_list(scope)
            ))),
            (None, [only]) if only.as_str().is_some_and(|key| !key.is_empty()) => {
                Ok(only.as_str().unwrap_or_default().to_owned())
            }
            (None, [] | [_]) => Err(refused(format!(
                "Calling `{method}` without passing an asset key is undefined. \
                 Current step does not target a specific asset."
            ))),
            (None, _) => Err(refused(format!(
                "Calling `{method}` without passing an asset key is undefined. \
                 Current step targets multiple assets."
            ))),
        }
    }

    fn field(&self, name: &str) -> Result<&Value> {
        self.data.get(name).ok_or_else(|| {
            refused(format!(
                "Missing required property: `{name}` is not in the Pipes context."
            ))
        })
    }

    fn keys(&self, accessor: &str) -> Result<Vec<&str>> {
        match self.field("asset_keys")?.as_array() {
            Some(keys) => Ok(keys.iter().filter_map(Value::as_str).collect()),
            None => Err(no_asset(accessor)),
        }
    }

    fn by_asset(&self, field: &str, accessor: &str) -> Result<&[(String, Value)]> {
        let value = self.field(field)?;
        value.as_object().ok_or_else(|| no_asset(accessor))
    }

    fn of_single_asset(&self, field: &str, accessor: &str) -> Result<&Value> {
        let values = self.by_asset(field, accessor)?;
        let keys = self.keys(accessor)?;
        match (&keys[..], values) {
            ([_], [(_, first), ..]) => Ok(first),
            ([key], []) => Err(refused(format!(
                "Missing required property: `{accessor}` is undefined. \
                 `{field}` says nothing of `{key}`."
            ))),
            _ => Err(multiple_assets(accessor)),
        }
    }

    fn of_partition(&self, field: &str, accessor: &str) -> Result<&Value> {
        match self.field(field)? {
            Value::Null => Err(refused(format!(
                "Missing required property: `{accessor}` is undefined. \
                 Current step does not target any partitions."
            ))),
            value => Ok(value),
        }
    }
}

/// The bytes of a file; none where there are more than `max_bytes`.
///
/// # Errors
/// The system's.
pub fn read_limited(path: &Path, max_bytes: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(max_bytes.saturating_add(1))
        .read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= max_bytes).then_some(bytes))
}

/// What a value must be, if it is neither null nor that.
fn shape<'a>(value: &Value, must: &'a str, is: impl Fn(&Value) -> bool) -> Option<&'a str> {
    (!value.is_null() && !is(value)).then_some(must)
}

fn is_asset_keys(value: &Value) -> bool {
    let keys = value.as_array();
    keys.is_some_and(|keys| keys.iter().all(|key| key.as_str().is_some()))
}

fn is_range(value: &Value) -> bool {
    let is_text = |name| value.get(name).is_some_and(|end| end.as_str().is_some());
    is_text("start") && is_text("end")
}

fn string_at<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn provenance(value: &Value) -> Option<DataProvenance<'_>> {
    let versions = value.get("input_data_versions");
    value.as_object().map(|_| DataProvenance {
        code_version: string_at(value, "code_version"),
        input_data_versions: versions
            .and_then(Value::as_object)
            .unwrap_or_default()
            .iter()
            .filter_map(|(key, version)| Some((key.as_str(), version.as_str()?)))
            .collect(),
        is_user_provided: value
            .get("is_user_provided")
            .and_then(Value::as_bool)
            .unwrap_or(false),
    })
}

/// As Python prints a list of strings, for the texts of the official client.
fn python_list(keys: &[Value]) -> String {
    let quoted: Vec<String> = keys
        .iter()
        .filter_map(Value::as_str)
        .map(|key| {
            let key = key.replace('\\', "\\\\");
            match key.contains('\'') && !key.contains('"') {
                true => format!("\"{key}\""),
                false => format!("'{}'", key.replace('\'', "\\'")),
            }
        })
        .collect();
    format!("[{}]", quoted.join(", "))
}

fn as_map<S: Serializer>(pairs: &[(&str, &str)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().copied())
}

fn refused(text: String) -> Error {
    Error::Refused(text)
}

fn no_asset(accessor: &str) -> Error {
    refused(format!(
        "Missing required property: `{accessor}` is undefined. \
         Current step does not target an asset."
    ))
}

fn multiple_assets(accessor: &str) -> Error {
    refused(format!(
        "`{accessor}` is undefined. Current step targets multiple assets."
    ))
}

#[cfg(test)]
mod tests;
