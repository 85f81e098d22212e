//! From a channel to messages.
//!
//! A [`MessageReader`] takes a block of bytes from a file, cuts it into lines, decodes them, and
//! hands the messages out one at a time. A line that is no message is set aside with its place and
//! the reason; what follows it goes on. The [`DeliveryReport`] says at any time what arrived and
//! what did not.

mod report;

use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub use report::{DeliveryReport, Rejected, WriterReport};

use crate::channel::tail::{FileTail, Turn};
use crate::channel::watch::{Wake, Waker, Watch};
use crate::framing::{Frame, LineFramer, MAX_LINE};
use crate::protocol::decode::{Decoded, Rejection, Repair, WireText, decode, decode_plain_log};
use crate::protocol::envelope::{Method, Stamp};
use crate::protocol::message::Message;
use crate::{Error, Result};
use report::Tracker;

/// How long what is there is read past the time-out when no message is found in it. Reading is not
/// waiting, so a time-out of 0 still finds what lies behind a long line; but where garbage comes
/// without end, whoever reads must be able to stop.
const READING_WITHOUT_A_MESSAGE: Duration = Duration::from_secs(1);

/// How a file is followed.
#[derive(Debug, Clone)]
pub struct TailOptions {
    /// The longest line that is read, in bytes; a longer one is set aside. 256 MiB by default.
    pub max_line: usize,
    /// End once every writer has closed, if all of them are known to be ironpipe's. True by
    /// default. Any other writer may still send after its `closed`: there, and where this is
    /// false, reading ends after [`ReaderHandle::finish`].
    pub until_closed: bool,
}

impl Default for TailOptions {
    fn default() -> Self {
        TailOptions {
            max_line: MAX_LINE,
            until_closed: true,
        }
    }
}

/// What [`MessageReader::advance`] came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// [`MessageReader::take`] has a message.
    Ready,
    /// The time is up and nothing came.
    TimedOut,
    /// A signal arrived at this thread while it waited.
    Interrupted,
    /// No message will come any more.
    Ended,
}

/// A message where it stands in the reader's memory.
#[derive(Debug, Clone, Copy)]
pub struct MessageRef<'a> {
    decoded: &'a Decoded,
    line: &'a [u8],
}

impl<'a> MessageRef<'a> {
    /// What it is.
    pub fn method(self) -> Method {
        self.decoded.method
    }

    /// The params as JSON text.
    pub fn params(self) -> &'a [u8] {
        self.decoded.params(self.line)
    }

    /// Whether any JSON parser reads the params right; else only `json.loads` does.
    pub fn exact(self) -> bool {
        self.decoded.exact
    }

    /// `message` of a log, `text` of an external stream.
    #[inline]
    pub fn text(self) -> WireText<'a> {
        self.decoded.text(self.line)
    }

    /// `level` of a log (empty where it names none), `stream` of an external stream.
    #[inline]
    pub fn label(self) -> WireText<'a> {
        self.decoded.label(self.line)
    }

    /// Which message of which writer it is, where the writer says so.
    #[inline]
    pub fn stamp(self) -> Option<Stamp> {
        self.decoded.stamp
    }

    /// A copy that stays when the reader goes on.
    pub fn to_owned(self) -> OwnedMessage {
        OwnedMessage {
            decoded: self.decoded.clone(),
            line: self.line.into(),
        }
    }
}

/// A message that owns its line, to be kept for later.
#[derive(Debug, Clone)]
pub struct OwnedMessage {
    decoded: Decoded,
    line: Box<[u8]>,
}

impl OwnedMessage {
    /// Decodes a line, without its newline.
    ///
    /// # Errors
    /// It is not a message: see [`decode`].
    pub fn decode(line: impl Into<Box<[u8]>>) -> Result<OwnedMessage, Rejection> {
        let line = line.into();
        let decoded = decode(&line)?;
        Ok(OwnedMessage { decoded, line })
    }

    /// The message where it stands in this value.
    pub fn get(&self) -> MessageRef<'_> {
        MessageRef {
            decoded: &self.decoded,
            line: &self.line,
        }
    }
}

/// A message and its stamp.
#[derive(Debug, Clone, PartialEq)]
pub struct Received {
    /// The message.
    pub message: Message,
    /// Which message of which writer it is, where the writer says so.
    pub stamp: Option<Stamp>,
}

/// What [`MessageReader::next`] came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// A message.
    Message(Box<Received>),
    /// The time is up and nothing came.
    TimedOut,
    /// A signal arrived at this thread while it waited.
    Interrupted,
    /// No message will come any more.
    Ended,
}

/// A message of a block. Small, because a block has thousands.
#[derive(Debug)]
struct Entry {
    decoded: Decoded,
    /// Places in the framer's buffer, which its limit keeps below 4 GiB.
    start: u32,
    end: u32,
}

impl Entry {
    #[inline]
    fn new(decoded: Decoded, range: Range<usize>) -> Entry {
        Entry {
            decoded,
            start: range.start as u32,
            end: range.end as u32,
        }
    }
}

/// Reads the messages of a file, finished or still being written.
#[derive(Debug)]
pub struct MessageReader {
    tail: FileTail,
    framer: LineFramer,
    /// None for a finished file.
    watch: Option<Watch>,
    until_closed: bool,
    shared: Arc<Shared>,
    /// The messages of the block that was read last. Invariant: their ranges are of `framer`,
    /// to which nothing is added until all of them are taken.
    block: Vec<Entry>,
    taken: usize,
    ended: bool,
}

#[derive(Debug)]
struct Shared {
    tracker: Mutex<Tracker>,
    finishing: AtomicBool,
    waker: Option<Arc<Waker>>,
}

impl Shared {
    fn tracker(&self) -> MutexGuard<'_, Tracker> {
        self.tracker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What other threads may ask of a reader while it waits.
#[derive(Debug, Clone)]
pub struct ReaderHandle(Arc<Shared>);

impl ReaderHandle {
    /// Says that nothing more will be written: the reader reads to the end of the file, and ends.
    pub fn finish(&self) {
        self.0.finishing.store(true, SeqCst);
        if let Some(waker) = &self.0.waker {
            waker.wake();
        }
    }

    /// What arrived and what did not, up to the block that was read last.
    pub fn report(&self) -> DeliveryReport {
        self.0.tracker().report()
    }
}

impl MessageReader {
    /// Reads a file that is not written any more, to its end.
    ///
    /// # Errors
    /// [`Error::Channel`] where there is no file at `path` or it can't be opened.
    pub fn read(path: impl AsRef<Path>, max_line: usize) -> Result<MessageReader> {
        let path = path.as_ref();
        let tail = FileTail::new(path)?;
        if !tail.is_open() {
            return Err(Error::channel(
                "read",
                path,
                std::io::ErrorKind::NotFound.into(),
            ));
        }
        let options = TailOptions {
            max_line,
            until_closed: false,
        };
        let reader = MessageReader::new(tail, None, options);
        reader.handle().finish();
        Ok(reader)
    }

    /// Follows a file while it is written. It need not exist yet.
    ///
    /// # Errors
    /// [`Error::Channel`] where `path` is no file or can't be opened.
    pub fn tail(path: impl AsRef<Path>, options: TailOptions) -> Result<MessageReader> {
        // The watch comes first: what is written between the two is then heard of.
        let watch = Watch::new(path.as_ref());
        let tail = FileTail::new(path.as_ref())?;
        Ok(MessageReader::new(tail, Some(watch), options))
    }

    fn new(tail: FileTail, watch: Option<Watch>, options: TailOptions) -> MessageReader {
        MessageReader {
            tail,
            framer: LineFramer::new(options.max_line),
            shared: Arc::new(Shared {
                tracker: Mutex::default(),
                finishing: AtomicBool::new(false),
                waker: watch.as_ref().map(Watch::waker),
            }),
            watch,
            until_closed: options.until_closed,
            block: Vec::new(),
            taken: 0,
            ended: false,
        }
    }

    /// What other threads may ask of this reader.
    pub fn handle(&self) -> ReaderHandle {
        ReaderHandle(self.shared.clone())
    }

    /// Whether all messages were taken and none will come any more.
    pub fn is_ended(&self) -> bool {
        self.ended && self.taken == self.block.len()
    }

    /// Waits for the next message and gives it as a typed value. One that has none is set aside, as
    /// a line that is no message.
    ///
    /// # Errors
    /// [`Error::Channel`] where the file can't be read.
    #[allow(clippy::should_implement_trait)] // An iterator has no time-out.
    pub fn next(&mut self, timeout: Option<Duration>) -> Result<Next> {
        let deadline = timeout.and_then(|time| Instant::now().checked_add(time));
        loop {
            match self.advance(deadline)? {
                Step::TimedOut => return Ok(Next::TimedOut),
                Step::Interrupted => return Ok(Next::Interrupted),
                Step::Ended => return Ok(Next::Ended),
                Step::Ready => {}
            }
            let Some(found) = self.take() else { continue };
            let stamp = found.stamp();
            match Message::from_params(found.method(), found.params()) {
                Ok(message) => return Ok(Next::Message(Box::new(Received { message, stamp }))),
                Err(reason) => {
                    // Names that differ in a lone surrogate alone are one in a Rust string, and
                    // may be refused for it.
                    let reason = format!("it has no typed value: {reason}");
                    let head = found.line[..found.line.len().min(200)].to_vec();
                    let entry = self.block.get(self.taken - 1);
                    let offset = entry.map_or(0, |entry| self.framer.offset(entry.start as usize));
                    self.shared.tracker().take_back(offset, reason, &head);
                }
            }
        }
    }

    /// Waits until [`take`](Self::take) has a message, at the latest until `deadline`.
    ///
    /// # Errors
    /// [`Error::Channel`] where the file can't be read.
    pub fn advance(&mut self, deadline: Option<Instant>) -> Result<Step> {
        let patience = Instant::now() + READING_WITHOUT_A_MESSAGE;
        loop {
            if self.taken < self.block.len() || self.decode_block() {
                return Ok(Step::Ready);
            }
            if self.ended || (self.until_closed && self.shared.tracker().is_closed()) {
                self.ended = true;
                return Ok(Step::Ended);
            }
            // Asked before the read: what was written before `finish` is then read after it.
            let finishing = self.shared.finishing.load(SeqCst);
            let tail = &mut self.tail;
            let read = self
                .framer
                .fill(|space| tail.read(space))
                .map_err(|error| Error::channel("read", self.tail.path(), error))?;
            if read > 0 {
                if let Some(watch) = &mut self.watch {
                    watch.found();
                }
                let now = Instant::now();
                if now > patience && deadline.is_some_and(|deadline| deadline <= now) {
                    return Ok(Step::TimedOut);
                }
                continue;
            }
            if self.tail.turn()? == Turn::Restarted {
                self.restart();
                continue;
            }
            if finishing {
                self.finish();
                continue;
            }
            let Some(watch) = &mut self.watch else {
                self.finish();
                continue;
            };
            match watch.wait(deadline) {
                Wake::Changed | Wake::Look => {}
                Wake::TimedOut => return Ok(Step::TimedOut),
                Wake::Interrupted => return Ok(Step::Interrupted),
            }
        }
    }

    /// Takes the next message of the block that was read, if there is one left.
    #[inline]
    pub fn take(&mut self) -> Option<MessageRef<'_>> {
        let entry = self.block.get(self.taken)?;
        self.taken += 1;
        Some(MessageRef {
            decoded: &entry.decoded,
            line: self.framer.bytes(entry.start as usize..entry.end as usize),
        })
    }

    /// Decodes every whole line that was read; whether a message was among them.
    fn decode_block(&mut self) -> bool {
        self.block.clear();
        self.taken = 0;
        let mut tracker = self.shared.tracker();
        loop {
            if let Some((decoded, length)) = decode_plain_log(self.framer.rest())
                && let Some(range) = self.framer.next_of_length(length)
            {
                if tracker.message(decoded.method, decoded.stamp.as_ref()) {
                    self.block.push(Entry::new(decoded, range));
                }
                continue;
            }
            let Some(frame) = self.framer.next() else {
                return !self.block.is_empty();
            };
            decode_frame(&self.framer, frame, None, &mut tracker, &mut self.block);
        }
    }

    /// Takes what stands behind the last newline, and ends.
    fn finish(&mut self) {
        self.ended = true;
        if let Some(frame) = self.framer.finish() {
            let mut tracker = self.shared.tracker();
            let cut = Some("the file ends within this line");
            decode_frame(&self.framer, frame, cut, &mut tracker, &mut self.block);
        }
    }

    /// Another file stands at the path: what was left of the line before it can't be completed.
    fn restart(&mut self) {
        if let Some(frame) = self.framer.restart() {
            let mut tracker = self.shared.tracker();
            let cut = Some("the file was replaced or cut short within this line");
            decode_frame(&self.framer, frame, cut, &mut tracker, &mut self.block);
        }
        if let Some(watch) = &mut self.watch {
            watch.renew();
        }
    }
}

/// Decodes what stood between two newlines; `cut` says why the last one is not there.
fn decode_frame(
    framer: &LineFramer,
    frame: Frame,
    cut: Option<&str>,
    tracker: &mut Tracker,
    block: &mut Vec<Entry>,
) {
    let (range, offset) = match frame {
        Frame::Line { range, offset } => (range, offset),
        Frame::TooLong {
            offset,
            length,
            head,
        } => {
            let limit = framer.max_line();
            let reason = format!(
                "the line has {length} bytes, over the limit of {limit}; raise `max_line` to read it"
            );
            return tracker.rejected(offset, reason, &head);
        }
    };
    let line = framer.bytes(range.clone());
    if line.is_empty() {
        return tracker.repaired_one(Repair::BlankLine);
    }
    match decode(line) {
        Ok(decoded) => {
            if !tracker.message(decoded.method, decoded.stamp.as_ref()) {
                return;
            }
            if !decoded.repairs.is_empty() {
                tracker.repaired(decoded.repairs);
            }
            block.push(Entry::new(decoded, range));
        }
        Err(_) if line.trim_ascii().is_empty() => tracker.repaired_one(Repair::BlankLine),
        Err(Rejection { at, reason, .. }) => {
            let place = match cut {
                Some(cut) => format!("{cut}: {reason}"),
                None if at > 0 => format!("{reason} (byte {at} of the line)"),
                None => reason,
            };
            tracker.rejected(offset, place, line);
        }
    }
}
