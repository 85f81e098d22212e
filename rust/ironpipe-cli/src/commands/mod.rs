//! The commands, one file each.

mod bound;
mod run;
mod wrap;

use crate::exit::{Code, Failure};

/// What can be asked for.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    Run(run::Args),
    Wrap(wrap::Args),
    #[command(hide = true)]
    Become(bound::Args),
}

impl Command {
    /// Does it.
    pub fn run(self) -> Result<Code, Failure> {
        match self {
            Command::Run(args) => run::run(args),
            Command::Wrap(args) => wrap::run(args),
            Command::Become(args) => bound::run(args),
        }
    }
}
