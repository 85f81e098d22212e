//! Lines as chunks, one by one.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Runtime;

use super::append::{append, skip_taken};
use super::{ChunkPrefix, Retry, once, runtime};
use crate::channel::MessageChannel;

/// Writes each line as a chunk of its own, which is there when the call returns.
///
/// For those who have a single message. Any number of them may write at once where the store can put
/// if absent.
#[derive(Debug)]
pub struct DirectChunkChannel {
    prefix: ChunkPrefix,
    name: PathBuf,
    runtime: Runtime,
    patience: Duration,
    /// The first index that may be free.
    next: AtomicU64,
}

impl DirectChunkChannel {
    /// A channel that goes on behind what is there. Each request is made again for `patience`.
    ///
    /// # Errors
    /// What the store says in the end.
    pub fn open(prefix: ChunkPrefix, patience: Duration) -> io::Result<DirectChunkChannel> {
        let runtime = runtime()?;
        let next = AtomicU64::new(1);
        once::ask_on(&runtime, patience, || Box::pin(skip_taken(&prefix, &next)))?;
        Ok(DirectChunkChannel {
            name: prefix.to_string().into(),
            prefix,
            runtime,
            patience,
            next,
        })
    }

    /// The chunk before the next one, unless it has more than `limit` bytes.
    ///
    /// # Errors
    /// What the store says in the end.
    pub fn last(&self, limit: u64) -> io::Result<Option<Bytes>> {
        let Some(index @ 1..) = self.next.load(Relaxed).checked_sub(1) else {
            return Ok(None);
        };
        let key = self.prefix.key(index);
        let request = || self.prefix.store.get(&key, limit);
        match once::ask_on(&self.runtime, self.patience, request) {
            Ok(body) => Ok(body),
            Err(error) if error.retry == Retry::Never => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl MessageChannel for DirectChunkChannel {
    fn write_line(&mut self, line: &[u8]) -> io::Result<()> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let body = Bytes::copy_from_slice(line);
        let (prefix, next) = (&self.prefix, &self.next);
        let request = || Box::pin(append(prefix, next, &body)) as _;
        Ok(once::ask_on(&self.runtime, self.patience, request)?)
    }

    fn name(&self) -> &Path {
        &self.name
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ChunkStore, Put, Request};
    use super::*;

    /// So many chunks, and how often it was asked for one.
    #[derive(Debug)]
    struct Many(u64, AtomicU64);

    impl ChunkStore for &'static Many {
        fn put<'a>(&'a self, _key: &'a str, _body: Bytes) -> Request<'a, Put> {
            Box::pin(async { Ok(Put::Taken) })
        }

        fn get<'a>(&'a self, key: &'a str, _limit: u64) -> Request<'a, Option<Bytes>> {
            self.1.fetch_add(1, Relaxed);
            let index: u64 = key.trim_end_matches(".json").parse().unwrap();
            Box::pin(async move { Ok((index <= self.0).then(Bytes::new)) })
        }

        fn remove<'a>(&'a self, _key: &'a str) -> Request<'a, ()> {
            Box::pin(async { Ok(()) })
        }

        fn location(&self) -> String {
            "many".into()
        }
    }

    #[test]
    fn the_first_free_index_is_found_with_few_questions() {
        for count in (0..100).chain([1000, 4095, 4096, 1_000_000]) {
            let many: &'static Many = Box::leak(Box::new(Many(count, AtomicU64::new(0))));
            let channel = DirectChunkChannel::open(ChunkPrefix::new(many, ""), Duration::ZERO);
            assert_eq!(channel.unwrap().next.load(Relaxed), count + 1);
            assert!(many.1.load(Relaxed) <= 40, "{count}");
        }
    }
}
