//! Lines as chunks, one by one.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Runtime;

use super::upload::append;
use super::{ChunkPrefix, Retry, StoreError, once, runtime};
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
        let next = first_free(|index| {
            let key = prefix.key(index);
            once::ask_on(&runtime, patience, || prefix.store.exists(&key))
        })?;
        Ok(DirectChunkChannel {
            name: prefix.to_string().into(),
            prefix,
            runtime,
            patience,
            next: next.into(),
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

/// The index behind the last chunk. However many there are, a few are asked for: none is missing in
/// between.
fn first_free(exists: impl Fn(u64) -> Result<bool, StoreError>) -> Result<u64, StoreError> {
    let (mut last, mut free) = (0, 1);
    while exists(free)? {
        (last, free) = (free, free * 2);
    }
    while free - last > 1 {
        let between = last + (free - last) / 2;
        match exists(between)? {
            true => last = between,
            false => free = between,
        }
    }
    Ok(free)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn the_first_free_index_is_found_with_few_questions() {
        for count in (0..100).chain([1000, 4095, 4096, 1_000_000]) {
            let asked = Cell::new(0);
            let exists = |index| {
                asked.set(asked.get() + 1);
                Ok(index <= count)
            };
            assert_eq!(first_free(exists).unwrap(), count + 1);
            assert!(asked.get() <= 40, "{count}");
        }
    }
}
