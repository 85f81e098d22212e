//! Chunks as the source of a reader.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::decoder::MessageDecoder;
use super::{Advance, Source};
use crate::channel::chunks::{ChunkFeed, ChunkPrefix, Fed, FeedOptions, Requests};
use crate::channel::watch::{Wake, Waker};
use crate::error::{Error, Result};

/// The longest that one wait takes, for what wakes nobody.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct ChunkSource {
    feed: ChunkFeed,
    again: Again,
    options: FeedOptions,
    waker: Arc<Waker>,
    /// What is left of the chunk that is being read; none between two.
    chunk: Option<Bytes>,
    /// The index of the chunk that was taken last.
    last: u64,
    finishing: bool,
}

impl ChunkSource {
    /// The source, and what ends its wait.
    pub(super) fn open(
        prefix: ChunkPrefix,
        options: FeedOptions,
        ready: impl Fn() + Send + Sync + 'static,
    ) -> io::Result<(ChunkSource, Box<dyn Fn() + Send + Sync>)> {
        let waker = Arc::new(Waker::default());
        let ready = Arc::new(ready);
        let wake = {
            let waker = waker.clone();
            move || {
                waker.wake();
                ready();
            }
        };
        let again = Again {
            prefix,
            wake: Arc::new(wake.clone()),
        };
        let last = options.first.saturating_sub(1);
        let source = ChunkSource {
            feed: again.open(options.clone())?,
            again,
            options,
            waker,
            chunk: None,
            last,
            finishing: false,
        };
        Ok((source, Box::new(wake)))
    }
}

/// What makes a feed, the first one and one for each forked child.
struct Again {
    prefix: ChunkPrefix,
    wake: Arc<dyn Fn() + Send + Sync>,
}

impl Again {
    fn open(&self, options: FeedOptions) -> io::Result<ChunkFeed> {
        let wake = self.wake.clone();
        ChunkFeed::open(self.prefix.clone(), options, move || wake())
    }
}

impl fmt::Debug for Again {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.prefix.fmt(f)
    }
}

impl Source for ChunkSource {
    fn advance(&mut self, decoder: &mut MessageDecoder, finishing: bool) -> Result<Advance> {
        if self.feed.is_inherited() {
            let feed = self.again.open(FeedOptions {
                first: self.last + 1,
                ..self.options.clone()
            });
            self.feed = feed.map_err(|error| {
                let name = self.again.prefix.to_string();
                Error::channel("read", name, error)
            })?;
            self.finishing = false;
        }
        if finishing && !self.finishing {
            self.finishing = true;
            self.feed.finish();
        }
        if let Some(chunk) = &mut self.chunk {
            let mut rest = chunk.as_ref();
            decoder.push(&mut rest);
            let pushed = chunk.len() - rest.len();
            drop(chunk.split_to(pushed));
            if chunk.is_empty() && decoder.is_taken() {
                decoder.end_chunk();
                self.chunk = None;
            }
            return Ok(Advance::More);
        }
        let Requests { get, failed } = self.feed.requests();
        let trouble = self.feed.trouble();
        decoder.tally().tracker().requests(get, failed, trouble);
        match self.feed.next() {
            Some(Fed::Chunk { index, body }) => {
                decoder.tally().tracker().chunk(index);
                self.last = index;
                self.chunk = Some(body);
            }
            Some(Fed::Missing { index, reason }) => {
                decoder.tally().tracker().lost_chunk(index, false, reason);
                self.last = index;
            }
            Some(Fed::Failed { index, reason }) => {
                let mut tracker = decoder.tally().tracker();
                tracker.lost_chunk(index, true, reason);
                tracker.end_of_buffer();
                return Ok(Advance::Ended);
            }
            Some(Fed::Ended) => {
                let trouble = self.feed.trouble();
                let mut tracker = decoder.tally().tracker();
                tracker.requests(get, failed, trouble);
                tracker.end_of_buffer();
                return Ok(Advance::Ended);
            }
            None => {
                if finishing && decoder.tally().tracker().is_closed() {
                    self.feed.settle(self.last);
                }
                return Ok(Advance::Nothing);
            }
        }
        Ok(Advance::More)
    }

    fn wait(&mut self, deadline: Option<Instant>) -> Wake {
        let left = deadline.map(|end| end.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return Wake::TimedOut;
        }
        self.waker
            .sleep(left.unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT))
    }
}
