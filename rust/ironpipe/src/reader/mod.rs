//! From a channel to messages.
//!
//! A [`MessageDecoder`] takes bytes, cuts them into lines, decodes those, and hands the messages
//! out one at a time. A line that is no message is set aside with its place and the reason; what
//! follows it goes on. The [`DeliveryReport`] says at any time what arrived and what did not. A
//! [`MessageReader`] is a decoder with a source: a file, also while it grows, or chunks.

#[cfg(feature = "chunks")]
mod chunks;
mod decoder;
mod file;
mod lines;
mod message;
mod report;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

pub use decoder::{Item, MessageDecoder};
pub use message::{MessageRef, OwnedMessage, Received};
pub use report::{DeliveryReport, LostChunk, Rejected, WriterReport};

use crate::Result;
#[cfg(feature = "chunks")]
use crate::channel::chunks::{ChunkPrefix, FeedOptions};
use crate::channel::watch::Wake;
use crate::framing::MAX_LINE;
use crate::protocol::message::Message;
use decoder::Tally;
use file::FileSource;

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

/// Where the bytes of a reader come from.
trait Source: fmt::Debug + Send {
    /// Brings a block at most to a decoder that has handed out everything. `finishing`: nothing
    /// more is written.
    ///
    /// # Errors
    /// What is there can't be read.
    fn advance(&mut self, decoder: &mut MessageDecoder, finishing: bool) -> Result<Advance>;

    /// Waits until there may be more, at the latest until `deadline`.
    fn wait(&mut self, deadline: Option<Instant>) -> Wake;
}

/// What [`Source::advance`] came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Advance {
    /// Something was brought, or there may be more at once.
    More,
    /// Nothing is there now.
    Nothing,
    /// Nothing will be there any more.
    Ended,
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

/// Reads the messages of a channel, finished or still being written to.
#[derive(Debug)]
pub struct MessageReader {
    source: Box<dyn Source>,
    decoder: MessageDecoder,
    until_closed: bool,
    shared: Arc<Shared>,
    ended: bool,
}

struct Shared {
    tally: Tally,
    finishing: AtomicBool,
    /// Ends the wait that is under way.
    wake: Box<dyn Fn() + Send + Sync>,
}

/// What other threads may ask of a reader while it waits.
#[derive(Clone)]
pub struct ReaderHandle(Arc<Shared>);

impl ReaderHandle {
    /// Says that nothing more will be written: the reader reads to the end of the channel, and ends.
    pub fn finish(&self) {
        self.0.finishing.store(true, SeqCst);
        (self.0.wake)();
    }

    /// What arrived and what did not, up to the block that was read last.
    pub fn report(&self) -> DeliveryReport {
        self.0.tally.tracker().report()
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("finishing", &self.finishing)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ReaderHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl MessageReader {
    /// Reads a file that is not written any more, to its end.
    ///
    /// # Errors
    /// [`Error::Channel`](crate::Error::Channel) where there is no file at `path` or it can't be
    /// opened.
    pub fn read(path: impl AsRef<Path>, max_line: usize) -> Result<MessageReader> {
        let options = TailOptions {
            max_line,
            until_closed: false,
        };
        let source = FileSource::finished(path.as_ref())?;
        let reader = MessageReader::new(source, options, Box::new(|| {}));
        reader.handle().finish();
        Ok(reader)
    }

    /// Follows a file while it is written. It need not exist yet.
    ///
    /// # Errors
    /// [`Error::Channel`](crate::Error::Channel) where `path` is no file or can't be opened.
    pub fn tail(path: impl AsRef<Path>, options: TailOptions) -> Result<MessageReader> {
        let (source, waker) = FileSource::growing(path.as_ref())?;
        Ok(MessageReader::new(
            source,
            options,
            Box::new(move || waker.wake()),
        ))
    }

    /// Follows the chunks of a session. `ready` is called, from another thread, whenever
    /// [`advance`](Self::advance) has something to do: so one thread can serve many readers.
    ///
    /// # Errors
    /// The system's, where the thread that looks for chunks can't be started.
    #[cfg(feature = "chunks")]
    pub fn tail_chunks(
        prefix: ChunkPrefix,
        options: TailOptions,
        feed: FeedOptions,
        ready: impl Fn() + Send + Sync + 'static,
    ) -> std::io::Result<MessageReader> {
        let (source, wake) = chunks::ChunkSource::open(prefix, feed, ready)?;
        Ok(MessageReader::new(source, options, wake))
    }

    fn new(
        source: impl Source + 'static,
        options: TailOptions,
        wake: Box<dyn Fn() + Send + Sync>,
    ) -> MessageReader {
        let decoder = MessageDecoder::new(options.max_line);
        MessageReader {
            source: Box::new(source),
            shared: Arc::new(Shared {
                tally: decoder.tally().clone(),
                finishing: AtomicBool::new(false),
                wake,
            }),
            decoder,
            until_closed: options.until_closed,
            ended: false,
        }
    }

    /// What other threads may ask of this reader.
    pub fn handle(&self) -> ReaderHandle {
        ReaderHandle(self.shared.clone())
    }

    /// Whether all messages were taken and none will come any more.
    pub fn is_ended(&self) -> bool {
        self.ended && self.decoder.is_taken()
    }

    /// Waits for the next message and gives it as a typed value. One that has none is set aside, as
    /// a line that is no message.
    ///
    /// # Errors
    /// [`Error::Channel`](crate::Error::Channel) where the file can't be read.
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
                    let offset = self.decoder.last_offset();
                    let mut tracker = self.shared.tally.tracker();
                    tracker.take_back(offset, reason, &head);
                }
            }
        }
    }

    /// Waits until [`take`](Self::take) has a message, at the latest until `deadline`.
    ///
    /// # Errors
    /// [`Error::Channel`](crate::Error::Channel) where the file can't be read.
    pub fn advance(&mut self, deadline: Option<Instant>) -> Result<Step> {
        let patience = Instant::now() + READING_WITHOUT_A_MESSAGE;
        loop {
            if !self.decoder.is_taken() || self.decoder.decode_lines() {
                return Ok(Step::Ready);
            }
            // Asked before the read: what was written before `finish` is then read after it.
            let finishing = self.shared.finishing.load(SeqCst);
            // Another writer may have come behind those that have closed.
            let until_closed = self.until_closed && !finishing;
            if self.ended || (until_closed && self.shared.tally.tracker().is_over()) {
                self.ended = true;
                return Ok(Step::Ended);
            }
            match self.source.advance(&mut self.decoder, finishing)? {
                Advance::More => {
                    let now = Instant::now();
                    if now > patience && deadline.is_some_and(|deadline| deadline <= now) {
                        return Ok(Step::TimedOut);
                    }
                }
                Advance::Ended => self.ended = true,
                Advance::Nothing => match self.source.wait(deadline) {
                    Wake::Changed | Wake::Look => {}
                    Wake::TimedOut => return Ok(Step::TimedOut),
                    Wake::Interrupted => return Ok(Step::Interrupted),
                },
            }
        }
    }

    /// Takes the next message of the block that was read, if there is one left.
    #[inline]
    pub fn take(&mut self) -> Option<MessageRef<'_>> {
        match self.decoder.take()? {
            Item::Message(message) => Some(message),
            // Neither files nor chunks are shared with ordinary output.
            Item::Output(_) => None,
        }
    }
}
