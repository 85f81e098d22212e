//! What the program prints, on our own streams.

use std::io;

use ironpipe::protocol::bootstrap::Stdio;
use memchr::memrchr;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::BorrowedFd;
use rustix::io::Errno;

/// What is held of a line at most, where only whole lines go out.
const HELD: usize = 1 << 20;

/// Writes bytes on as they come.
pub struct Forward {
    stream: Stdio,
    /// False once nobody reads any more, or nobody is to.
    open: bool,
    /// Whether messages go out on the same stream: what is printed must not stand in their lines.
    whole_lines: bool,
    held: Vec<u8>,
}

impl Forward {
    /// To a stream of ours; to nowhere if not `open`.
    pub fn new(stream: Stdio, open: bool, whole_lines: bool) -> Forward {
        Forward {
            stream,
            open,
            whole_lines,
            held: Vec::new(),
        }
    }

    /// Writes bytes on. After an error there is nothing more to write to.
    ///
    /// # Errors
    /// The system's, unless it is that nobody reads any more.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if !self.open {
            return Ok(());
        }
        if !self.whole_lines {
            return self.out(bytes);
        }
        self.held.extend_from_slice(bytes);
        let whole = memrchr(b'\n', &self.held).map_or(0, |newline| newline + 1);
        let rest = self.held.split_off(whole);
        let lines = std::mem::replace(&mut self.held, rest);
        self.out(&lines)?;
        if self.held.len() > HELD {
            return self.finish();
        }
        Ok(())
    }

    /// Writes what was held, as a line.
    ///
    /// # Errors
    /// As [`write`](Forward::write).
    pub fn finish(&mut self) -> io::Result<()> {
        let mut rest = std::mem::take(&mut self.held);
        if rest.is_empty() {
            return Ok(());
        }
        rest.push(b'\n');
        self.out(&rest)
    }

    fn out(&mut self, bytes: &[u8]) -> io::Result<()> {
        let descriptor = match self.stream {
            Stdio::Stdout => rustix::stdio::stdout(),
            Stdio::Stderr => rustix::stdio::stderr(),
        };
        write_all(descriptor, bytes).or_else(|error| {
            self.open = false;
            match error {
                Errno::PIPE => Ok(()),
                error => Err(error.into()),
            }
        })
    }
}

/// Writes all, also where the descriptor does not block.
fn write_all(descriptor: BorrowedFd<'_>, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match rustix::io::write(descriptor, bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                let _ = poll(&mut [PollFd::new(&descriptor, PollFlags::OUT)], None);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
