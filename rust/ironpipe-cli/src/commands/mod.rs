//! The commands, one file each.

mod bound;
mod context;
mod emit;
mod run;
mod wrap;

use ironpipe::protocol::value::Value;

use crate::exit::{Code, Failure};

/// What can be asked for.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    Run(run::Args),
    Wrap(wrap::Args),
    #[command(hide = true)]
    Become(bound::Args),
    Emit(emit::Args),
    Context(context::Args),
}

impl Command {
    /// Does it.
    pub fn run(self) -> Result<Code, Failure> {
        match self {
            Command::Run(args) => run::run(args),
            Command::Wrap(args) => wrap::run(args),
            Command::Become(args) => bound::run(args),
            Command::Emit(args) => emit::run(args),
            Command::Context(args) => context::run(args),
        }
    }
}

/// `NAME=JSON` on the command line.
fn parse_named_json(argument: &str) -> Result<(String, Value), String> {
    let Some((name, json)) = argument.split_once('=') else {
        return Err("it takes NAME=JSON".to_owned());
    };
    match Value::parse(json.as_bytes()) {
        Ok(value) => Ok((name.to_owned(), value)),
        Err(error) => Err(format!(
            "`{json}` is not JSON ({error}); a string takes quotes: '{name}=\"{json}\"'"
        )),
    }
}
