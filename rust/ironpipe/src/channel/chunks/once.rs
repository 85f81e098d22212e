//! Single requests, made from any thread and waited for.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::runtime::Runtime;

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

fn ask<'a, T>(patience: Duration, request: impl Fn() -> Request<'a, T>) -> Result<T, StoreError> {
    ask_on(&runtime()?, patience, request)
}

/// The same on a runtime, whose connections serve several requests.
pub(super) fn ask_on<'a, T>(
    runtime: &Runtime,
    patience: Duration,
    request: impl Fn() -> Request<'a, T>,
) -> Result<T, StoreError> {
    let deadline = Instant::now() + patience;
    let mut backoff = Backoff::default();
    loop {
        let error = match runtime.block_on(request()) {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let wait = backoff.next(error.retry);
        if error.retry.is_hopeless() || Instant::now() + wait > deadline {
            return Err(error);
        }
        std::thread::sleep(wait);
    }
}
