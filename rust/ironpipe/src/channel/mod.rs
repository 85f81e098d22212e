//! Where bytes travel.
//!
//! To write there is [`MessageChannel`], with files and streams; to read there are [`tail`] and
//! [`watch`].

#[cfg(feature = "chunks")]
pub mod chunks;
mod file;
mod stream;
pub mod tail;
pub mod watch;

use std::io;
use std::path::Path;

pub use file::FileChannel;
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
/// [`Error::Channel`](crate::Error::Channel) where the file can't be opened.
pub fn open(params: &MessagesParams) -> Result<Box<dyn MessageChannel>> {
    Ok(match params {
        MessagesParams::File { path, .. } => Box::new(FileChannel::open(path)?),
        MessagesParams::Stream(stream) => Box::new(StreamChannel::new(*stream)),
        MessagesParams::BufferedStream(stream) => Box::new(BufferedStreamChannel::new(*stream)),
    })
}
