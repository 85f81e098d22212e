//! Chunks as the source of a reader.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::decoder::MessageDecoder;
use super::{Advance, Source};
use crate::Result;
use crate::channel::chunks::{ChunkFeed, ChunkPrefix, Fed, FeedOptions, Requests};
use crate::channel::watch::{Wake, Waker};

/// The longest that one wait takes, for what wakes nobody.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct ChunkSource {
    feed: ChunkFeed,
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
        let feed = ChunkFeed::open(prefix, options, wake.clone())?;
        let source = ChunkSource {
            feed,
            waker,
            chunk: None,
            last: 0,
            finishing: false,
        };
        Ok((source, Box::new(wake)))
    }
}

impl Source for ChunkSource {
    fn advance(&mut self, decoder: &mut MessageDecoder, finishing: bool) -> Result<Advance> {
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
        decoder.tally().tracker().requests(get, failed);
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
                decoder.tally().tracker().end_of_buffer();
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
