//! The crab says your words, and tells Dagster what was said.
//!
//! Launched by Dagster it reports two checks and a materialization; by itself it only speaks.

use std::error::Error;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;
use std::time::UNIX_EPOCH;

use clap::Parser;
use ironpipe::{CheckResult, Materialization, PipesContext, Severity};

/// The width of the speech bubble, in characters.
const WIDTH: usize = 40;

/// Has the crab say something.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// What it shall say
    words: String,
}

fn main() -> ExitCode {
    let args = Args::parse();
    ironpipe::run(|pipes| speak(pipes, &args.words))
}

fn speak(pipes: &PipesContext, words: &str) -> Result<(), Box<dyn Error>> {
    print(|out| writeln!(out, "ferris comes out of the sea"))?;
    pipes.info("ferris will now speak")?;
    print(|out| ferris_says::say(words, WIDTH, out))?;
    pipes.info("ferris spoke")?;

    let count = words.split_whitespace().count();
    pipes.report_asset_check(
        CheckResult::new("ferris_should_say_something", count > 0)
            .severity(Severity::Error)
            .metadata([("what_did_you_say", count > 0)]),
    )?;
    pipes.report_asset_check(
        CheckResult::new("ferris_should_speak_3_words", count >= 3)
            .severity(Severity::Warn)
            .metadata([("number_of_words_spoken_by_ferris", count)]),
    )?;
    pipes.report_asset_materialization(
        Materialization::new()
            .data_version(UNIX_EPOCH.elapsed()?.as_secs().to_string())
            .metadata([("ferris_said", words)]),
    )?;
    print(|out| writeln!(out, "ferris goes back into the sea"))?;
    Ok(())
}

/// Writes to stdout. Unlike `println!` it does not panic if nobody reads any more.
fn print(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> ironpipe::Result<()> {
    let mut out = BufWriter::new(io::stdout());
    write(&mut out)
        .and_then(|()| out.flush())
        .map_err(|source| ironpipe::Error::Channel {
            action: "write to",
            path: "stdout".into(),
            source,
        })
}
