//! `ironpipe become`: turns into a program that ends when the process that started it does.
//!
//! Only the program's own process can ask for that, between the fork and the program. `wrap` starts
//! this command there, which becomes the program.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

use crate::exit::{Code, FAILED, Failure};
use crate::hosted;

/// Become a program that is killed when its parent ends.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The parent
    parent: i32,

    /// The program and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

/// Becomes it.
pub fn run(args: Args) -> Result<Code, Failure> {
    // The thread that starts a process is the parent that counts here; it is wrap's main one.
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| Failure::new(FAILED, format!("can't be bound to the parent: {error}")))?;
    if getppid().map(Pid::as_raw_pid) != Some(args.parent) {
        return Err(Failure::new(FAILED, "the parent has ended already"));
    }
    let mut command = hosted::command(&args.command)?;
    let error = command.exec();
    Err(hosted::not_started(command.get_program(), &error))
}
