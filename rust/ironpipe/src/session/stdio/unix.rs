//! The descriptor itself is turned to a pipe, so that everything written to it is caught, whatever
//! language or child wrote it. A thread reads the pipe, writes on to where the stream went before,
//! and hands the text to a sink.
//!
//! The end of the pipe is never waited for: a child that outlives the session may hold it. Such a
//! child goes on to be read, for the sake of its output and so that it is not killed by a closed
//! pipe, but what it writes is no longer handed to the sink.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::Sink;
use crate::protocol::bootstrap::Stdio;
use crate::{Error, Result};

/// How much is read at a time, which is also the longest text a sink is handed.
const BLOCK: usize = 64 << 10;

/// What the pipe should hold, so that a process that prints much waits little.
#[cfg(target_os = "linux")]
const PIPE: usize = 1 << 20;

/// A stream that is being captured, until [`finish`](StdioCapture::finish).
pub struct StdioCapture {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    stream: Stdio,
    /// The end of the pipe that is read; it does not block.
    pipe: OwnedFd,
    /// Where the stream went before.
    before: OwnedFd,
    /// The process that captures. A forked child has a copy of all this, and must not read what is
    /// its parent's to read.
    process: u32,
    state: Mutex<State>,
}

/// Invariant: held from reading the pipe to handing on what was read, so that order is kept.
struct State {
    buffer: Vec<u8>,
    /// The first bytes of a character whose last ones have not been read.
    partial: Vec<u8>,
    /// None once the capture is over, or once the sink has failed.
    sink: Option<Sink>,
    error: Option<Error>,
}

/// How a pipe was left.
#[derive(Debug, PartialEq)]
enum Left {
    /// Empty, for now.
    Empty,
    /// Nobody can write to it any more.
    Ended,
}

impl StdioCapture {
    /// Begins to capture a stream.
    ///
    /// What the process has buffered itself should be flushed before.
    ///
    /// # Errors
    /// The stream is closed, or the process has no descriptor or thread left.
    pub fn start(stream: Stdio, sink: Sink) -> Result<StdioCapture> {
        Self::begin(stream, sink).map_err(|error| Error::channel("capture", stream.as_str(), error))
    }

    fn begin(stream: Stdio, sink: Sink) -> io::Result<StdioCapture> {
        let before = match stream {
            Stdio::Stdout => rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)?,
            Stdio::Stderr => rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stderr(), 3)?,
        };
        let (pipe, writer) = io::pipe()?;
        let (pipe, writer) = (OwnedFd::from(pipe), OwnedFd::from(writer));
        rustix::io::ioctl_fionbio(&pipe, true)?;
        #[cfg(target_os = "linux")]
        {
            // Users are granted only so much pipe; the default will do.
            let _ = rustix::pipe::fcntl_setpipe_size(&pipe, PIPE);
        }
        let shared = Arc::new(Shared {
            stream,
            pipe,
            before,
            process: std::process::id(),
            state: Mutex::new(State {
                buffer: vec![0; BLOCK],
                partial: Vec::new(),
                sink: Some(sink),
                error: None,
            }),
        });
        let reader = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name(format!("ironpipe-{stream}"))
            .spawn(move || reader.run())?;
        // From here on nothing fails; were this to, the thread would see the end of the pipe.
        redirect(stream, &writer)?;
        Ok(StdioCapture {
            shared,
            thread: Some(thread),
        })
    }

    /// Hands on what has been written so far.
    pub fn drain(&self) {
        if self.shared.is_mine() {
            self.shared.drain();
        }
    }

    /// Turns the stream back to where it went before, and hands on what has been written.
    ///
    /// What the process has buffered itself should be flushed before. Further calls do nothing.
    ///
    /// # Errors
    /// The first error of the sink, which took nothing after it; or the stream can't be turned back.
    pub fn finish(&mut self) -> Result<()> {
        let Some(thread) = self.thread.take() else {
            return Ok(());
        };
        let shared = &self.shared;
        redirect(shared.stream, &shared.before)
            .map_err(|error| Error::channel("release", shared.stream.as_str(), error))?;
        if !shared.is_mine() {
            return Ok(());
        }
        let left = shared.drain();
        let error = shared.lock().finish(shared.stream);
        if left == Left::Ended {
            // It sees the end too, and hands nothing to anybody.
            let _ = thread.join();
        }
        error.map_or(Ok(()), Err)
    }
}

impl Drop for StdioCapture {
    fn drop(&mut self) {
        let _ = self.finish();
    }
}

/// Makes `target` the stream.
fn redirect(stream: Stdio, target: &OwnedFd) -> io::Result<()> {
    match stream {
        Stdio::Stdout => rustix::stdio::dup2_stdout(target)?,
        Stdio::Stderr => rustix::stdio::dup2_stderr(target)?,
    }
    Ok(())
}

impl Shared {
    fn is_mine(&self) -> bool {
        self.process == std::process::id()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread: reads until nobody can write any more.
    fn run(&self) {
        loop {
            let mut ready = [PollFd::new(&self.pipe, PollFlags::IN)];
            match poll(&mut ready, None) {
                Ok(_) if self.lock().read_once(self) == Err(Left::Ended) => return,
                Ok(_) | Err(Errno::INTR) => {}
                Err(_) => return,
            }
        }
    }

    /// Reads what is in the pipe now. A writer that never stops does not keep it here.
    fn drain(&self) -> Left {
        let mut state = self.lock();
        let there = rustix::io::ioctl_fionread(&self.pipe).unwrap_or(0);
        let mut read = 0;
        // Once more than was there, to see the end of the pipe.
        while read <= there {
            match state.read_once(self) {
                Ok(bytes) => read += bytes as u64,
                Err(left) => return left,
            }
        }
        Left::Empty
    }

    /// Writes to where the stream went before, which may be a descriptor that does not block.
    fn forward(&self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match rustix::io::write(&self.before, bytes) {
                Ok(written) => bytes = &bytes[written..],
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    let mut ready = [PollFd::from_borrowed_fd(
                        self.before.as_fd(),
                        PollFlags::OUT,
                    )];
                    let _ = poll(&mut ready, None);
                }
                // Nobody reads it any more; the messages still go out.
                Err(_) => return,
            }
        }
    }
}

impl State {
    /// Reads one block and hands it on; gives its length, or how the pipe was left without one.
    fn read_once(&mut self, shared: &Shared) -> std::result::Result<usize, Left> {
        let read = match rustix::io::read(&shared.pipe, &mut self.buffer[..]) {
            Ok(0) => return Err(Left::Ended),
            Ok(read) => read,
            Err(Errno::INTR) => return Ok(0),
            Err(Errno::AGAIN) => return Err(Left::Empty),
            Err(_) => return Err(Left::Ended),
        };
        shared.forward(&self.buffer[..read]);
        if self.sink.is_some() {
            let mut bytes = std::mem::take(&mut self.partial);
            bytes.extend_from_slice(&self.buffer[..read]);
            self.partial = bytes.split_off(whole_characters(&bytes));
            self.give(shared.stream, &bytes);
        }
        Ok(read)
    }

    fn give(&mut self, stream: Stdio, bytes: &[u8]) {
        let Some(sink) = self.sink.as_mut() else {
            return;
        };
        if bytes.is_empty() {
            return;
        }
        if let Err(error) = sink(stream, &String::from_utf8_lossy(bytes)) {
            self.error = Some(error);
            self.sink = None;
        }
    }

    fn finish(&mut self, stream: Stdio) -> Option<Error> {
        let partial = std::mem::take(&mut self.partial);
        self.give(stream, &partial);
        self.sink = None;
        self.error.take()
    }
}

/// How many bytes from the start are whole characters, counting bytes that are of no character at
/// all as whole.
fn whole_characters(bytes: &[u8]) -> usize {
    let from = bytes.len().saturating_sub(3);
    let Some(start) = bytes[from..].iter().rposition(|&byte| byte >= 0xC0) else {
        return bytes.len();
    };
    let start = from + start;
    match std::str::from_utf8(&bytes[start..]) {
        // Without a length the error is that the end came too soon.
        Err(error) if error.error_len().is_none() => start,
        _ => bytes.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_between_characters() {
        for (bytes, whole) in [
            (&b""[..], 0),
            (b"abc", 3),
            ("aé".as_bytes(), 3),
            (&"aé".as_bytes()[..2], 1),
            (&"a€".as_bytes()[..2], 1),
            (&"a€".as_bytes()[..3], 1),
            ("a€".as_bytes(), 4),
            (&"a😀".as_bytes()[..4], 1),
            ("a😀".as_bytes(), 5),
            (b"\x80\x80\x80\x80", 4),
            (b"a\xff", 2),
            (b"\xf0\x80", 2),
        ] {
            assert_eq!(whole_characters(bytes), whole, "{bytes:?}");
        }
    }
}
