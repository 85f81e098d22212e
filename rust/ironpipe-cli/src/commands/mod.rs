//! The commands, one file each.

mod run;

use crate::exit::{Code, Failure};

/// What can be asked for.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    Run(run::Args),
}

impl Command {
    /// Does it.
    pub fn run(self) -> Result<Code, Failure> {
        match self {
            Command::Run(args) => run::run(args),
        }
    }
}
