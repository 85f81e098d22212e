//! The `ironpipe` command.
//!
//! Data goes to stdout, words to stderr. Each command is one file under `commands`; what several of
//! them print lies under `output`.
#![forbid(unsafe_code)]

mod bootstrap;
mod commands;
mod exit;
mod hosted;
mod output;
mod wrap;

use clap::Parser;

/// Host, wrap and inspect Dagster Pipes processes.
#[derive(Debug, Parser)]
#[command(
    name = "ironpipe",
    version,
    propagate_version = true,
    disable_help_subcommand = true
)]
struct Cli {
    #[command(subcommand)]
    command: commands::Command,
}

fn main() -> std::process::ExitCode {
    match Cli::parse().command.run() {
        Ok(code) => code.into(),
        Err(failure) => {
            let red = output::style::ERROR;
            anstream::eprintln!("{red}error{red:#}: {failure}");
            failure.code.into()
        }
    }
}
