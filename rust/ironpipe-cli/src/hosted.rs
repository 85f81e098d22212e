//! The process that is hosted: started, waited for, and sent the signals that were meant for it.

use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use ironpipe::reader::ReaderHandle;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use signal_hook::consts::{SIGINT, SIGQUIT, SIGTERM};
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

impl Hosted {
    /// Starts it. When it has ended, `reader` is told that nothing more will be written.
    pub fn start(
        command: &[OsString],
        env: [(&str, &str); 2],
        stdout: Stdio,
        reader: ReaderHandle,
    ) -> Result<Hosted, Failure> {
        // Before the process: a signal that comes in between is then passed on, not lost.
        let mut signals = SignalsInfo::<WithOrigin>::new([SIGINT, SIGTERM, SIGQUIT])
            .map_err(|error| Failure::new(FAILED, format!("can't listen for signals: {error}")))?;
        let child = spawn(command, env, stdout)?;
        // None once it was waited for: its id may belong to another process from then on.
        let target = Arc::new(Mutex::new(Pid::from_raw(child.id() as i32)));
        let waiter = thread::spawn({
            let target = target.clone();
            move || {
                let status = wait(child, &target);
                reader.finish();
                status
            }
        });
        thread::spawn(move || {
            for origin in &mut signals {
                let target = target.lock().unwrap_or_else(PoisonError::into_inner);
                if let (Some(pid), Some(signal)) = (*target, signal_to_pass_on(&origin)) {
                    // It may have ended by itself in the meantime; then there is nobody to tell.
                    let _ = kill_process(pid, signal);
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

    /// In words, where it did not end well.
    pub fn failure(&self) -> Option<String> {
        match &self.status {
            Err(error) => Some(format!("can't tell how the process ended: {error}")),
            Ok(status) => match (status.code(), status.signal()) {
                (Some(0), _) => None,
                (_, Some(signal)) => {
                    let name = signal_hook::low_level::signal_name(signal).unwrap_or("unnamed");
                    Some(format!(
                        "the process was killed by signal {signal} ({name})"
                    ))
                }
                (code, None) => Some(format!(
                    "the process ended with exit code {}",
                    code.unwrap_or_default()
                )),
            },
        }
    }
}

fn spawn(command: &[OsString], env: [(&str, &str); 2], stdout: Stdio) -> Result<Child, Failure> {
    let [program, arguments @ ..] = command else {
        return Err(Failure::new(FAILED, "there is no command to run"));
    };
    Command::new(program)
        .args(arguments)
        .envs(env)
        .stdout(stdout)
        .spawn()
        .map_err(|error| {
            let name = program.display();
            match error.kind() {
                ErrorKind::NotFound => Failure::new(
                    NOT_FOUND,
                    format!("can't run {name}: there is no such program"),
                ),
                _ => Failure::new(NOT_EXECUTABLE, format!("can't run {name}: {error}")),
            }
        })
}

fn wait(mut child: Child, target: &Mutex<Option<Pid>>) -> io::Result<ExitStatus> {
    let pid = *target.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(pid) = pid {
        // Leaves it a zombie, whose id nobody else gets, until no signal goes there any more.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while let Err(rustix::io::Errno::INTR) = waitid(WaitId::Pid(pid), options) {}
    }
    *target.lock().unwrap_or_else(PoisonError::into_inner) = None;
    child.wait()
}

/// A signal from the terminal goes to the whole foreground group, so the process has got it already;
/// sent again, a Ctrl-C would interrupt its clean-up too.
fn signal_to_pass_on(origin: &Origin) -> Option<Signal> {
    let sent = matches!(
        origin.cause,
        Cause::Sent(Sent::User | Sent::TKill | Sent::Queue)
    );
    if !sent {
        return None;
    }
    Signal::from_named_raw(origin.signal)
}
