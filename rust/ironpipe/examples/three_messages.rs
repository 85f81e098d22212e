//! The least that a Pipes process does: three messages between opening and closing.

use std::process::ExitCode;

use ironpipe::{CheckResult, Materialization};

fn main() -> ExitCode {
    ironpipe::run(|pipes| {
        pipes.info("counting rows")?;
        pipes.report_asset_check(CheckResult::new("has_rows", true).metadata([("rows", 120)]))?;
        pipes.report_asset_materialization(Materialization::new().metadata([("rows", 120)]))?;
        Ok(())
    })
}
