//! A process of somebody else's: started, waited for, and sent the signals that were meant for it.

use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid,
};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::origin::{Origin, WithOrigin};
use signal_hook::low_level::siginfo::{Cause, Sent};

use crate::exit::{Code, FAILED, Failure, NOT_EXECUTABLE, NOT_FOUND};

/// A process that runs.
pub struct Hosted {
    waiter: JoinHandle<io::Result<ExitStatus>>,
}

/// How it ended.
pub struct Ended {
    status: io::Result<ExitStatus>,
}

/// Who is sent the signals that come here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The process alone. It is of our own process group, so it gets those of the terminal anyway.
    Process,
    /// The process group that the process leads.
    Group,
}

/// Signals that are held for a process that is to start, instead of doing what they usually do.
pub struct Signals(SignalsInfo<WithOrigin>);

impl Signals {
    /// Listens for these.
    pub fn listen(signals: &[i32]) -> Result<Signals, Failure> {
        SignalsInfo::new(signals)
            .map(Signals)
            .map_err(|error| Failure::new(FAILED, format!("can't listen for signals: {error}")))
    }
}

/// A command of a program and its arguments.
pub fn command(words: &[OsString]) -> Result<Command, Failure> {
    let [program, arguments @ ..] = words else {
        return Err(Failure::new(FAILED, "there is no command to run"));
    };
    let mut command = Command::new(program);
    command.args(arguments);
    Ok(command)
}

/// Why a command did not start.
pub fn not_started(program: &OsStr, error: &io::Error) -> Failure {
    let name = program.display();
    match error.kind() {
        ErrorKind::NotFound => Failure::new(
            NOT_FOUND,
            format!("can't run {name}: there is no such program"),
        ),
        _ => Failure::new(NOT_EXECUTABLE, format!("can't run {name}: {error}")),
    }
}

impl Hosted {
    /// Starts it and passes signals on to it, also those that came before. When it has ended, `on_end` is called, from
    /// another thread.
    pub fn start(
        mut command: Command,
        mut signals: Signals,
        target: Target,
        on_end: impl FnOnce() + Send + 'static,
    ) -> Result<Hosted, Failure> {
        if target == Target::Group {
            command.process_group(0);
        }
        let child = command
            .spawn()
            .map_err(|error| not_started(command.get_program(), &error))?;
        // What it was given of ours is its own from here on.
        drop(command);
        // None once it was waited for: its id may belong to another process from then on.
        let running = Arc::new(Mutex::new(Pid::from_raw(child.id() as i32)));
        let waiter = thread::spawn({
            let running = running.clone();
            move || {
                let status = wait(child, &running);
                on_end();
                status
            }
        });
        thread::spawn(move || {
            for origin in &mut signals.0 {
                let running = running.lock().unwrap_or_else(PoisonError::into_inner);
                if let (Some(pid), Some(signal)) = (*running, signal_to_pass_on(&origin, target)) {
                    // It may have ended by itself in the meantime; then there is nobody to tell.
                    let _ = match target {
                        Target::Process => kill_process(pid, signal),
                        Target::Group => kill_process_group(pid, signal),
                    };
                }
            }
        });
        Ok(Hosted { waiter })
    }

    /// Waits for its end.
    pub fn wait(self) -> Ended {
        let status = self.waiter.join();
        let status = status.unwrap_or_else(|_| Err(io::Error::other("the waiting thread died")));
        Ended { status }
    }
}

impl Ended {
    /// The code to end with: its own, or 128 and the number of the signal that killed it.
    pub fn code(&self) -> Code {
        let Ok(status) = &self.status else {
            return FAILED;
        };
        let code = status
            .code()
            .or_else(|| status.signal().map(|signal| 128 + signal));
        code.map_or(FAILED, |code| Code(code as u8))
    }

    /// In words, where it did not end well: what is said of the process.
    pub fn failure(&self) -> Option<String> {
        match &self.status {
            Err(error) => Some(format!("ended, but there is no telling how: {error}")),
            Ok(status) => match (status.code(), status.signal()) {
                (Some(0), _) => None,
                (_, Some(signal)) => {
                    let name = signal_hook::low_level::signal_name(signal).unwrap_or("unnamed");
                    Some(format!("was killed by signal {signal} ({name})"))
                }
                (code, None) => {
                    let code = code.unwrap_or_default();
                    Some(format!("ended with exit code {code}"))
                }
            },
        }
    }
}

fn wait(mut child: Child, running: &Mutex<Option<Pid>>) -> io::Result<ExitStatus> {
    let pid = *running.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(pid) = pid {
        // Leaves it a zombie, whose id nobody else gets, until no signal goes there any more.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while let Err(rustix::io::Errno::INTR) = waitid(WaitId::Pid(pid), options) {}
    }
    *running.lock().unwrap_or_else(PoisonError::into_inner) = None;
    child.wait()
}

fn signal_to_pass_on(origin: &Origin, target: Target) -> Option<Signal> {
    let sent = matches!(
        origin.cause,
        Cause::Sent(Sent::User | Sent::TKill | Sent::Queue)
    );
    // A signal from the terminal goes to the whole foreground group, so a process of that group has
    // got it already; sent again, a Ctrl-C would interrupt its clean-up too.
    if !sent && target == Target::Process {
        return None;
    }
    Signal::from_named_raw(origin.signal)
}
