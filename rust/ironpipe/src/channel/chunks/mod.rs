//! Channels of chunks: objects `{prefix}/{index}.json` in a store that both ends reach.
//!
//! Indices begin with 1 and have no gaps. A chunk holds whole lines, with a newline between two and
//! none behind the last. [`ChunkChannel`] writes them; [`ChunkFeed`] brings them, in order.
//!
//! Where chunks lie is a [`ChunkStore`]: a directory ([`DirectoryStore`]), with the feature
//! `object-store` S3, Google Cloud Storage and Azure ([`ObjectChunkStore`]), or anything else that
//! can put and get.

mod append;
mod backlog;
mod direct;
mod directory;
#[cfg(feature = "object-store")]
mod object;
pub mod once;
mod pace;
mod poll;
mod poller;
mod retry;
mod upload;

use std::fmt;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

pub use bytes::Bytes;

pub use direct::DirectChunkChannel;
pub use directory::DirectoryStore;
#[cfg(feature = "object-store")]
pub use object::ObjectChunkStore;
pub use poll::{ChunkFeed, Fed, FeedOptions, Requests};
pub use upload::{ChunkChannel, UploadOptions, Uploads, Work};

use crate::channel::MessageChannel;
use crate::error::Result;
use crate::protocol::bootstrap::{MessagesParams, StoreParams};

/// A request that is under way.
pub type Request<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// What came of a [`ChunkStore::put`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// The object is there now.
    Stored,
    /// Another one was there before, and still is.
    Taken,
}

/// Where chunks lie. Each request may be made again and again, and from any thread.
pub trait ChunkStore: Send + Sync + fmt::Debug + 'static {
    /// Stores an object as a whole, unless there is one of this key.
    ///
    /// A store that can't ask for that in one step may replace it: then no two writers may share a
    /// prefix.
    fn put<'a>(&'a self, key: &'a str, body: Bytes) -> Request<'a, Put>;

    /// The object, or none where there is none of this key. One of more than `limit` bytes is an
    /// error that says [`Retry::Never`].
    fn get<'a>(&'a self, key: &'a str, limit: u64) -> Request<'a, Option<Bytes>>;

    /// Whether there is an object of this key.
    fn exists<'a>(&'a self, key: &'a str) -> Request<'a, bool> {
        Box::pin(async move {
            match self.get(key, 0).await {
                Ok(body) => Ok(body.is_some()),
                Err(error) if error.retry == Retry::Never => Ok(true),
                Err(error) => Err(error),
            }
        })
    }

    /// Removes the object, if there is one.
    fn remove<'a>(&'a self, key: &'a str) -> Request<'a, ()>;

    /// Where it is, for people: a path or a URL, without credentials.
    fn location(&self) -> String;

    /// Whether a request holds its thread until it is answered.
    fn blocks(&self) -> bool {
        true
    }

    /// How long an object may be there before it can be got. Who looks for the last one waits as
    /// long at least.
    fn settles(&self) -> Duration {
        Duration::ZERO
    }
}

/// Whether it is worth to ask again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// It may pass in a moment.
    Soon,
    /// The store asks for fewer requests.
    Slower,
    /// Somebody has to mend something first.
    Mended,
    /// It is not allowed. Some stores say so, too, of an object that is not there, to those who may
    /// not list what is.
    Denied,
    /// This object will not be read.
    Never,
}

impl Retry {
    /// Whether nothing is won by asking again at once.
    pub fn is_hopeless(self) -> bool {
        matches!(self, Retry::Mended | Retry::Denied | Retry::Never)
    }
}

/// The largest chunk that is read, in bytes: 1 GiB.
pub const MAX_CHUNK: u64 = 1 << 30;

/// Why a request failed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{reason}")]
pub struct StoreError {
    /// Whether it is worth to ask again.
    pub retry: Retry,
    /// What the store said, without credentials.
    pub reason: String,
}

impl StoreError {
    /// An object of `size` bytes, more than `limit`.
    pub fn too_large(size: u64, limit: u64) -> StoreError {
        StoreError {
            retry: Retry::Never,
            reason: format!(
                "the chunk has {size} bytes, over the limit of {limit}; raise `max_chunk` to read it"
            ),
        }
    }

    /// What a request says that panics.
    fn panicked() -> StoreError {
        StoreError {
            retry: Retry::Mended,
            reason: "the store panicked".into(),
        }
    }
}

impl From<StoreError> for std::io::Error {
    fn from(error: StoreError) -> std::io::Error {
        std::io::Error::other(error)
    }
}

/// The part of a store that belongs to one session.
#[derive(Debug, Clone)]
pub struct ChunkPrefix {
    /// The store.
    pub store: Arc<dyn ChunkStore>,
    /// What the keys of the session begin with, without a slash at its end; may be empty.
    pub prefix: String,
}

impl ChunkPrefix {
    /// A part of a store.
    pub fn new(store: impl ChunkStore, prefix: impl Into<String>) -> ChunkPrefix {
        ChunkPrefix {
            store: Arc::new(store),
            prefix: prefix.into().trim_end_matches('/').to_owned(),
        }
    }

    /// What params of an object store lead to.
    ///
    /// # Errors
    /// [`Error::Store`](crate::Error::Store) where it can't be used as it is asked for, or this
    /// build has no object stores.
    pub fn open(params: &StoreParams) -> Result<ChunkPrefix> {
        #[cfg(feature = "object-store")]
        return ObjectChunkStore::open(&params.url, &params.options);
        #[cfg(not(feature = "object-store"))]
        return Err(crate::Error::no_object_stores(params));
    }

    /// Where messages go in chunks: an object store, or a directory that is there. None where they
    /// go elsewhere.
    ///
    /// # Errors
    /// As [`open`](ChunkPrefix::open).
    pub fn of(params: &MessagesParams) -> Result<Option<ChunkPrefix>> {
        Ok(match params {
            MessagesParams::File { path, .. } if path.is_dir() => {
                Some(ChunkPrefix::new(DirectoryStore::new(path), ""))
            }
            MessagesParams::Store { store, .. } => Some(ChunkPrefix::open(store)?),
            _ => None,
        })
    }

    /// The key of a chunk. Indices begin with 1.
    pub fn key(&self, index: u64) -> String {
        match self.prefix.as_str() {
            "" => format!("{index}.json"),
            prefix => format!("{prefix}/{index}.json"),
        }
    }
}

impl fmt::Display for ChunkPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let location = self.store.location();
        match self.prefix.as_str() {
            "" => f.write_str(&location),
            prefix => write!(f, "{}/{prefix}", location.trim_end_matches('/')),
        }
    }
}

pub(super) fn in_directory(path: &Path) -> Result<Box<dyn MessageChannel>> {
    Ok(channel(ChunkPrefix::new(DirectoryStore::new(path), "")))
}

pub(super) fn in_store(store: &StoreParams) -> Result<Box<dyn MessageChannel>> {
    Ok(channel(ChunkPrefix::open(store)?))
}

fn channel(prefix: ChunkPrefix) -> Box<dyn MessageChannel> {
    Box::new(ChunkChannel::new(prefix, UploadOptions::default()))
}

/// A runtime for the requests of one thread.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_keep_alive(Duration::from_secs(5))
        .build()
}

/// How many threads wait for stores that block.
const BLOCKING_THREADS: usize = 4;
