//! Uses all that there is: every accessor, every message, and metadata of every type.
//!
//! Launch it from Dagster for a partition of an asset with two checks, `plain` and `full`, and with
//! an extra `limit`. `tests/processes/same.py` and `same.sh` are the same program in Python and
//! shell.

use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use ironpipe::{
    AssetKey, CheckResult, Level, Materialization, Metadata, MetadataValue, PipesContext, Severity,
    TableColumn, TableColumnDep, Value,
};
use serde_json::json;

fn main() -> ExitCode {
    ironpipe::run(|pipes| {
        for level in [
            Level::Debug,
            Level::Info,
            Level::Warning,
            Level::Error,
            Level::Critical,
        ] {
            pipes.log(level, format!("at {},\nsaid \"é\" 😀", level.as_str()))?;
        }
        pipes.report_custom_message(&accessors(pipes)?)?;
        let huge = Value::BigInt((u128::MAX / 3).to_string());
        pipes.report_custom_message(&(1, huge, 1.5, f64::INFINITY, (), true, "é\n\"\\\u{1}😀"))?;
        pipes.report_custom_message(&None::<u8>)?;
        pipes.report_custom_message(&json!({"k": {"1": [null, {}]}}))?;
        pipes.report_asset_check(CheckResult::new("plain", true))?;
        pipes.report_asset_check(
            CheckResult::new("full", false)
                .severity(Severity::Warn)
                .asset_key(pipes.asset_key()?)
                .metadata(metadata()),
        )?;
        pipes.report_asset_materialization(
            Materialization::new()
                .data_version("v1")
                .metadata(metadata()),
        )?;
        Ok(())
    })
}

/// What every accessor gives.
fn accessors(pipes: &PipesContext) -> Result<serde_json::Value, Box<dyn std::error::Error>> {
    let versions = pipes.code_version_by_asset_key()?;
    let provenances = pipes.provenance_by_asset_key()?;
    Ok(json!({
        "is_asset_step": pipes.is_asset_step()?,
        "asset_key": pipes.asset_key()?,
        "asset_keys": pipes.asset_keys()?,
        "code_version": pipes.code_version()?,
        "code_version_by_asset_key": serde_json::Map::from_iter(
            versions.into_iter().map(|(key, version)| (key.to_owned(), json!(version))),
        ),
        "provenance": pipes.provenance()?,
        "provenance_by_asset_key": serde_json::Map::from_iter(
            provenances.into_iter().map(|(key, provenance)| (key.to_owned(), json!(provenance))),
        ),
        "is_partition_step": pipes.is_partition_step()?,
        "partition_key": pipes.partition_key()?,
        "partition_key_range": pipes.partition_key_range()?,
        "partition_time_window": pipes.partition_time_window()?,
        "job_name": pipes.job_name()?,
        "retry_number": pipes.retry_number()?,
        "extra": pipes.get_extra("limit")?,
        "extras": Value::from_iter(pipes.extras()?.to_vec()),
    }))
}

/// A value of every type.
fn metadata() -> Metadata {
    let column = TableColumn::new("n", "int")
        .description("how many")
        .tag("k", "v")
        .nullable(false)
        .unique(true)
        .constraint("> 0");
    let dep = TableColumnDep::new(AssetKey::new(["a", "b/c"]), "x");
    Metadata::new()
        .with("infer", MetadataValue::infer([1, 2]))
        .with("text", "é\u{1}\"")
        .with("url", MetadataValue::url("https://example.org"))
        .with("path", MetadataValue::path("/p"))
        .with("notebook", MetadataValue::notebook("/n.ipynb"))
        .with("json", MetadataValue::json(Value::from_iter([("x", 1)])))
        .with("md", MetadataValue::md("# m"))
        .with("float", 1.0)
        .with("int", u128::MAX)
        .with("bool", true)
        .with("dagster_run", MetadataValue::dagster_run("r"))
        .with("asset", AssetKey::new(["a", "b"]))
        .with("null", ())
        .with(
            "table",
            MetadataValue::table([[("n", 1)]], [column.clone()]),
        )
        .with("table_schema", MetadataValue::table_schema([column]))
        .with(
            "table_column_lineage",
            MetadataValue::table_column_lineage([("c", [dep])]),
        )
        .with(
            "timestamp",
            SystemTime::UNIX_EPOCH + Duration::from_millis(1_500),
        )
}
