//! A program that knows nothing of Pipes, its output read line by line.

pub mod forward;
pub mod group;
pub mod levels;
pub mod lines;
pub mod send;
pub mod terminal;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use ironpipe::protocol::bootstrap::Stdio;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use forward::Forward;
use group::Grouper;
use levels::Levels;
use lines::{Line, LineCutter};
use send::Sender;
use terminal::Conduit;

/// How much is read at a time, in bytes.
const BLOCK: usize = 64 << 10;

/// How much the program can have left behind when it ends: more than fits a pipe or a terminal. If
/// there is more to read, it comes from somebody who goes on.
const LEFT_BEHIND: usize = 2 << 20;

/// One of the two streams of the program, on its way to Dagster.
pub struct Source {
    stream: Stdio,
    ours: OwnedFd,
    /// None once the program has ended, and with it our hold on its end.
    theirs: Option<OwnedFd>,
    /// Whether there may be more to read.
    open: bool,
    forward: Forward,
    cutter: LineCutter,
    grouper: Grouper,
}

impl Source {
    /// A stream, of which nothing was read.
    pub fn new(stream: Stdio, conduit: Conduit, forward: Forward, cutter: LineCutter) -> Source {
        Source {
            stream,
            ours: conduit.ours,
            theirs: Some(conduit.theirs),
            open: true,
            forward,
            cutter,
            grouper: Grouper::default(),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let deadlines = [self.cutter.deadline(), self.grouper.deadline()];
        deadlines.into_iter().flatten().min()
    }

    /// Reads one block; gives its length, 0 if there is none for now.
    fn read(
        &mut self,
        buffer: &mut [u8],
        now: Instant,
        levels: &Levels,
        sender: &mut Sender,
    ) -> usize {
        let read = match rustix::io::read(&self.ours, &mut *buffer) {
            Ok(read) if read > 0 => read,
            Err(Errno::AGAIN | Errno::INTR) => return 0,
            // The end: of a pipe nothing, of a terminal EIO.
            _ => {
                self.open = false;
                return 0;
            }
        };
        let bytes = &buffer[..read];
        // Messages are what this is for; what is shown comes second, and its loss is told.
        if let Err(error) = self.forward.write(bytes) {
            sender.not_shown(self.stream, &error);
        }
        let (stream, grouper) = (self.stream, &mut self.grouper);
        let mut sink = |line| give(stream, grouper, line, now, levels, sender);
        self.cutter.push(bytes, now, &mut sink);
        read
    }

    /// Gives what has waited long enough.
    fn tick(&mut self, now: Instant, levels: &Levels, sender: &mut Sender) {
        let (stream, grouper) = (self.stream, &mut self.grouper);
        let mut sink = |line| give(stream, grouper, line, now, levels, sender);
        self.cutter.tick(now, &mut sink);
        if self
            .grouper
            .deadline()
            .is_some_and(|deadline| deadline <= now)
        {
            self.flush(sender);
        }
    }

    fn flush(&mut self, sender: &mut Sender) {
        if let Some(group) = self.grouper.flush() {
            sender.send(self.stream, &group);
        }
    }

    /// Reads what the program has left behind, and gives all that is still held. True if somebody
    /// else goes on writing.
    fn finish(&mut self, buffer: &mut [u8], levels: &Levels, sender: &mut Sender) -> bool {
        self.theirs = None;
        let mut read = 0;
        while self.open && read < LEFT_BEHIND {
            match self.read(buffer, Instant::now(), levels, sender) {
                0 => break,
                bytes => read += bytes,
            }
        }
        let now = Instant::now();
        let (stream, grouper) = (self.stream, &mut self.grouper);
        let mut sink = |line| give(stream, grouper, line, now, levels, sender);
        self.cutter.finish(now, &mut sink);
        self.flush(sender);
        if let Err(error) = self.forward.finish() {
            sender.not_shown(self.stream, &error);
        }
        self.open
    }
}

/// A line, on its way into a message.
fn give(
    stream: Stdio,
    grouper: &mut Grouper,
    line: Line,
    now: Instant,
    levels: &Levels,
    sender: &mut Sender,
) {
    let reading = levels.read(&line.text);
    let mut text = reading.message.unwrap_or_else(|| line.text.clone());
    sender.saw(stream, &line, &mut text);
    if let Some(group) = grouper.push(&line.text, &text, reading.level, now) {
        sender.send(stream, &group);
    }
}

/// Reads both streams until the program has ended, which `ended` tells by its end of file. True if
/// somebody else goes on writing there.
///
/// # Errors
/// The system can't wait.
pub fn follow(
    sources: &mut [Source; 2],
    ended: &OwnedFd,
    levels: &Levels,
    sender: &mut Sender,
) -> io::Result<bool> {
    let mut buffer = vec![0; BLOCK];
    while !wait(sources, ended)? {
        let now = Instant::now();
        for i in 0..sources.len() {
            let (one, other) = sources.split_at_mut(1);
            let (source, other) = match i {
                0 => (&mut one[0], &mut other[0]),
                _ => (&mut other[0], &mut one[0]),
            };
            if source.is_ready() {
                // Of two lines on two streams the first is to come first.
                if !other.grouper.is_unfinished() {
                    other.flush(sender);
                }
                source.read(&mut buffer, now, levels, sender);
            }
            source.tick(Instant::now(), levels, sender);
        }
    }
    let mut held = false;
    for source in sources {
        held |= source.finish(&mut buffer, levels, sender);
    }
    Ok(held)
}

impl Source {
    fn is_ready(&self) -> bool {
        let mut ready = [PollFd::new(&self.ours, PollFlags::IN)];
        self.open && poll(&mut ready, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
    }
}

/// Waits until there is something to do; true if the program has ended.
fn wait(sources: &[Source; 2], ended: &OwnedFd) -> io::Result<bool> {
    let deadline = sources.iter().filter_map(Source::deadline).min();
    let timeout = deadline.map(|deadline| {
        // One more, so that the time has come when the wait is over.
        let left = deadline.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
        Timespec {
            tv_sec: left.as_secs() as i64,
            tv_nsec: i64::from(left.subsec_nanos()),
        }
    });
    let mut waits = vec![PollFd::new(ended, PollFlags::IN)];
    let open = sources.iter().filter(|source| source.open);
    waits.extend(open.map(|source| PollFd::from_borrowed_fd(source.ours.as_fd(), PollFlags::IN)));
    match poll(&mut waits, timeout.as_ref()) {
        Ok(_) => Ok(!waits[0].revents().is_empty()),
        Err(Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The first bytes of a text, at most so many, cut at no character.
fn head(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
