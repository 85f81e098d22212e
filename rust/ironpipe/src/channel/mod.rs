//! Where bytes travel.
//!
//! To write there is [`MessageChannel`], with files and streams; to read there are [`tail`] and
//! [`watch`].

#[cfg(feature = "chunks")]
pub mod chunks;
mod file;
#[cfg(any(feature = "log", feature = "tracing"))]
pub(crate) mod inside;
#[cfg(not(feature = "chunks"))]
mod no_chunks;
mod stream;
pub mod tail;
pub mod watch;

use std::io;
use std::path::Path;

#[cfg(feature = "chunks")]
use chunks::{in_directory, in_store};
pub use file::FileChannel;
#[cfg(not(feature = "chunks"))]
use no_chunks::{in_directory, in_store};
pub use stream::{BufferedStreamChannel, StreamChannel};

use crate::Result;
use crate::protocol::bootstrap::MessagesParams;

/// Takes lines and brings them to where the orchestration side reads them.
///
/// A channel knows nothing of what is in a line. It is used by one thread at a time.
pub trait MessageChannel: Send {
    /// Writes one line, which ends with its newline.
    ///
    /// # Errors
    /// The system's. What was written of the line must not swallow a later one.
    fn write_line(&mut self, line: &[u8]) -> io::Result<()>;

    /// Brings what is still held here to its place. No line follows.
    ///
    /// # Errors
    /// The system's.
    fn close(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Says that this is a forked child from here on: what is held was written by the parent, who
    /// still holds it too.
    fn forked(&mut self) {}

    /// The name for errors: a path or the name of a stream.
    fn name(&self) -> &Path;
}

/// Opens the channel that Dagster asks for.
///
/// # Errors
/// [`Error::Channel`](crate::Error::Channel) where the file can't be opened, [`Error::Store`](crate::Error::Store)
/// where the store can't be used as it is asked for, or this build has none.
pub fn open(params: &MessagesParams) -> Result<Box<dyn MessageChannel>> {
    Ok(match params {
        MessagesParams::File { path, .. } if path.is_dir() => in_directory(path)?,
        MessagesParams::File { path, .. } => Box::new(FileChannel::open(path)?),
        MessagesParams::Store { store, .. } => in_store(store)?,
        MessagesParams::Stream(stream) => Box::new(StreamChannel::new(*stream)),
        MessagesParams::BufferedStream(stream) => Box::new(BufferedStreamChannel::new(*stream)),
    })
}
