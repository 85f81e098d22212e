//! Sends one message of every kind, and metadata of every type.
//!
//! Launch it from Dagster for an asset `everything` with two checks, `passes` and `warns`.

use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use ironpipe::protocol::bootstrap::Stdio;
use ironpipe::{
    AssetKey, CheckResult, Level, Materialization, Metadata, MetadataValue, Severity, TableColumn,
    TableColumnDep, Value,
};

fn main() -> ExitCode {
    ironpipe::run(|pipes| {
        for level in [Level::Info, Level::Warning, Level::Error, Level::Critical] {
            pipes.log(level, format!("at {}", level.as_str()))?;
        }
        pipes.report_asset_check(CheckResult::new("passes", true).metadata(metadata()))?;
        pipes.report_asset_check(CheckResult::new("warns", false).severity(Severity::Warn))?;
        pipes.report_asset_materialization(
            Materialization::new()
                .data_version("v1")
                .metadata(metadata()),
        )?;
        pipes.report_custom_message(&(1, f64::INFINITY, "é\n\"\\\u{1}😀"))?;
        pipes.log_external_stream(Stdio::Stdout, "printed\n", Vec::new())?;
        Ok(())
    })
}

fn metadata() -> Metadata {
    let column = TableColumn {
        description: Some("how many".into()),
        tags: vec![("k".into(), "v".into())],
        nullable: Some(false),
        unique: Some(true),
        other: vec!["> 0".into()],
        ..TableColumn::new("n", "int")
    };
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
