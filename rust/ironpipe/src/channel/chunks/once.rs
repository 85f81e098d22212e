//! Single requests, made from any thread and waited for.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::runtime::{Handle, Runtime};

use super::retry::Backoff;
use super::{ChunkPrefix, ChunkStore, Put, Request, StoreError, runtime};

/// How long a request is made again, where nobody says another time.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Stores an object unless there is one of this key. Tries again for `patience`.
///
/// # Errors
/// What the store says in the end.
pub fn put(
    store: &dyn ChunkStore,
    key: &str,
    body: Bytes,
    patience: Duration,
) -> Result<Put, StoreError> {
    ask(patience, || store.put(key, body.clone()))
}

/// The object, or none where there is none of this key. Tries again for `patience`.
///
/// # Errors
/// What the store says in the end; [`Retry::Never`](super::Retry::Never) where it has more than `limit` bytes.
pub fn get(
    store: &dyn ChunkStore,
    key: &str,
    limit: u64,
    patience: Duration,
) -> Result<Option<Bytes>, StoreError> {
    ask(patience, || store.get(key, limit))
}

/// Removes an object, if there is one of this key. Tries again for `patience`.
///
/// # Errors
/// What the store says in the end.
pub fn remove(store: &dyn ChunkStore, key: &str, patience: Duration) -> Result<(), StoreError> {
    ask(patience, || store.remove(key))
}

/// Removes the first `count` chunks of a session. Tries each again for `patience`.
///
/// # Errors
/// What the store says of the first that stays.
pub fn remove_chunks(
    prefix: &ChunkPrefix,
    count: u64,
    patience: Duration,
) -> Result<(), StoreError> {
    (1..=count).try_for_each(|index| remove(&*prefix.store, &prefix.key(index), patience))
}

fn ask<'a, T: Send>(
    patience: Duration,
    request: impl Fn() -> Request<'a, T> + Send,
) -> Result<T, StoreError> {
    aside(|| ask_on(&runtime()?, patience, request))
}

/// Runs `work` on another thread where this one drives a runtime: that of an asynchronous program,
/// or ours, where a store asks another one in turn. None can be waited for within another.
fn aside<T: Send>(work: impl FnOnce() -> Result<T, StoreError> + Send) -> Result<T, StoreError> {
    if Handle::try_current().is_err() {
        return work();
    }
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("ironpipe-ask".into());
        let done = thread.spawn_scoped(scope, work)?.join();
        done.unwrap_or_else(|_| Err(StoreError::panicked()))
    })
}

/// Asks on a runtime, whose connections serve several requests.
pub(super) fn ask_on<'a, T>(
    runtime: &Runtime,
    patience: Duration,
    request: impl Fn() -> Request<'a, T>,
) -> Result<T, StoreError> {
    let deadline = Instant::now() + patience;
    let mut backoff = Backoff::default();
    loop {
        // Nothing of a request that panics is used again.
        let ask = AssertUnwindSafe(|| runtime.block_on(request()));
        let error = match catch_unwind(ask) {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => error,
            Err(_) => StoreError::panicked(),
        };
        let wait = backoff.next(error.retry);
        if error.retry.is_hopeless() || Instant::now() + wait > deadline {
            return Err(error);
        }
        thread::sleep(wait);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ChunkChannel, ChunkFeed, DirectoryStore, Fed, FeedOptions, UploadOptions};
    use super::*;
    use crate::channel::MessageChannel;

    /// A store that asks another one, and waits for it.
    #[derive(Debug)]
    struct Outer(DirectoryStore);

    impl ChunkStore for Outer {
        fn put<'a>(&'a self, key: &'a str, body: Bytes) -> Request<'a, Put> {
            Box::pin(async move { put(&self.0, key, body, Duration::ZERO) })
        }

        fn get<'a>(&'a self, key: &'a str, limit: u64) -> Request<'a, Option<Bytes>> {
            assert_ne!(key, "bad");
            Box::pin(async move { get(&self.0, key, limit, Duration::ZERO) })
        }

        fn remove<'a>(&'a self, key: &'a str) -> Request<'a, ()> {
            Box::pin(async move { remove(&self.0, key, Duration::ZERO) })
        }

        fn location(&self) -> String {
            self.0.location()
        }
    }

    #[test]
    fn a_store_may_ask_another_one_wherever_it_is_asked() {
        let directory = tempfile::tempdir().unwrap();
        let store = Outer(DirectoryStore::new(directory.path()));
        let body = Bytes::from_static(b"{}");
        let asynchronous = runtime().unwrap();
        asynchronous.block_on(async {
            assert_eq!(
                put(&store, "a", body.clone(), PATIENCE).unwrap(),
                Put::Stored
            );
        });
        assert_eq!(get(&store, "a", 10, PATIENCE).unwrap(), Some(body.clone()));
        remove(&store, "a", PATIENCE).unwrap();

        let prefix = ChunkPrefix::new(store, "session");
        let mut channel = ChunkChannel::new(prefix.clone(), UploadOptions::default());
        channel.write_line(b"{}\n").unwrap();
        channel.close().unwrap();
        let (fed, arrived) = std::sync::mpsc::channel();
        let feed = ChunkFeed::open(prefix, FeedOptions::default(), move || {
            let _ = fed.send(());
        });
        arrived.recv().unwrap();
        let index = 1;
        assert_eq!(feed.unwrap().next(), Some(Fed::Chunk { index, body }));
    }

    #[test]
    fn a_store_that_panics_is_one_that_fails() {
        let store = Outer(DirectoryStore::new("nowhere"));
        let error = get(&store, "bad", 10, PATIENCE).unwrap_err();
        assert!(error.reason.contains("panicked"), "{error}");
    }
}
