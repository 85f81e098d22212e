//! Everything that can go wrong, in words for the person who has to mend it.

use std::io;
use std::path::PathBuf;

#[cfg(not(feature = "object-store"))]
use crate::protocol::bootstrap::StoreParams;

/// What went wrong: what, where, and what to do next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A bootstrap value (an environment variable or a flag) can't be read.
    #[error("{name}: {reason}")]
    Bootstrap {
        /// The variable or flag.
        name: String,
        /// What is wrong with its value; never the value.
        reason: String,
    },
    /// The context can't be loaded.
    #[error("the Pipes context in {location} can't be read: {reason}")]
    Context {
        /// The path or the variable it came from.
        location: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A file or stream refused what was asked of it.
    #[error("can't {action} {}: {source}", path.display())]
    Channel {
        /// What was tried, as a verb: `open`, `write to`.
        action: &'static str,
        /// The file, or the name of the stream.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A store can't be used as it is asked for.
    #[error("{location}: {reason}")]
    Store {
        /// The URL, without credentials.
        location: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A value is over a limit.
    #[error("{what} is larger than the limit of {limit} bytes; raise `{option}` to allow it")]
    Limit {
        /// What is too large.
        what: String,
        /// The limit, in bytes.
        limit: u64,
        /// The option that holds the limit.
        option: &'static str,
    },
    /// A loader or channel that the program brought along failed.
    #[error("the {what} failed: {source}")]
    Part {
        /// Which part.
        what: &'static str,
        /// What it says.
        source: BoxError,
    },
    /// Dagster would refuse this, so it was not sent. The text is the official client's where it
    /// has one.
    #[error("{0}")]
    Refused(String),
}

/// Whatever a part of the user's own may fail with.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The result of nearly everything here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Whoever built this has left the clients of object stores out.
    #[cfg(not(feature = "object-store"))]
    pub(crate) fn no_object_stores(store: &StoreParams) -> Self {
        Error::Store {
            location: store.location(),
            reason: "this build has no clients of object stores; the feature `object-store` of \
                     ironpipe brings them"
                .into(),
        }
    }

    /// An [`Error::Channel`].
    pub(crate) fn channel(
        action: &'static str,
        path: impl Into<PathBuf>,
        source: io::Error,
    ) -> Self {
        Error::Channel {
            action,
            path: path.into(),
            source,
        }
    }
}
