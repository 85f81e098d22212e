//! A lock that the calls of `ironpipe emit` hold against one another, and nobody else asks for.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::exit::{FAILED, Failure};

/// How long another call may take. It holds the lock while it looks through the messages and writes
/// one.
const PATIENCE: Duration = Duration::from_secs(60);

/// Held until it is dropped.
#[derive(Debug)]
pub struct Lock {
    _held: OwnedFd,
}

impl Lock {
    /// Takes the lock of a file, of which `name` is for errors. A file system without locks gives
    /// none: then it is as if nobody else called.
    pub fn take(file: impl AsFd, name: &Path) -> Result<Lock, Failure> {
        let fail = |why: &str| {
            let words = format!("can't lock {}: {why}", name.display());
            Failure::new(FAILED, words)
        };
        let copy = file.as_fd().try_clone_to_owned();
        let held = copy.map_err(|error| fail(&error.to_string()))?;
        let deadline = Instant::now() + PATIENCE;
        let mut pause = Duration::from_millis(1);
        loop {
            match flock(&held, FlockOperation::NonBlockingLockExclusive) {
                Err(Errno::WOULDBLOCK) if Instant::now() < deadline => {
                    thread::sleep(pause);
                    pause = (pause * 2).min(Duration::from_millis(50));
                }
                Err(Errno::WOULDBLOCK) => {
                    return Err(fail("another `ironpipe emit` has held it for a minute"));
                }
                Err(Errno::INTR) => {}
                Ok(()) | Err(_) => return Ok(Lock { _held: held }),
            }
        }
    }
}
