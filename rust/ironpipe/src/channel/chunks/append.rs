//! Putting a chunk behind those that are there.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use bytes::Bytes;

use super::{ChunkPrefix, Put, Retry, StoreError};

/// Tries once to store a chunk, at the first index from `next` on that is free; `next` is then the
/// one behind it.
pub(super) async fn append(
    prefix: &ChunkPrefix,
    next: &AtomicU64,
    body: &Bytes,
) -> Result<(), StoreError> {
    for attempt in 1.. {
        let index = next.load(Relaxed);
        let key = prefix.key(index);
        let ours = match prefix.store.put(&key, body.clone()).await? {
            Put::Stored => true,
            // Stored by an attempt whose answer was lost, or by another writer.
            Put::Taken => match prefix.store.get(&key, body.len() as u64).await {
                Ok(found) => found.is_some_and(|found| found == body),
                // It is not to be had: if it was ours after all, readers drop the repeat.
                Err(error) if matches!(error.retry, Retry::Never | Retry::Denied) => false,
                Err(error) => return Err(error),
            },
        };
        next.store(index + 1, Relaxed);
        if ours {
            break;
        }
        // There may be hundreds.
        if attempt % 2 == 0 {
            skip_taken(prefix, next).await?;
        }
    }
    Ok(())
}

/// Moves `next` behind the last chunk. However many there are, a few are asked for: none is missing in
/// between. After an error it goes on where it was.
pub(super) async fn skip_taken(prefix: &ChunkPrefix, next: &AtomicU64) -> Result<(), StoreError> {
    let mut step = 1;
    // All below `next` are there, that of `free` is not.
    let mut free = loop {
        let index = next.load(Relaxed) + step - 1;
        if !prefix.store.exists(&prefix.key(index)).await? {
            break index;
        }
        next.store(index + 1, Relaxed);
        step *= 2;
    };
    while next.load(Relaxed) < free {
        let first = next.load(Relaxed);
        let between = first + (free - first) / 2;
        match prefix.store.exists(&prefix.key(between)).await? {
            true => next.store(between + 1, Relaxed),
            false => free = between,
        }
    }
    Ok(())
}
