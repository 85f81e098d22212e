//! Captures what a process and its children write to stdout or stderr.

#[cfg(not(unix))]
mod elsewhere;
#[cfg(unix)]
mod unix;

#[cfg(not(unix))]
use elsewhere as system;
#[cfg(unix)]
use unix as system;

pub use system::StdioCapture;

use crate::Result;
use crate::protocol::bootstrap::Stdio;

/// Takes captured text: all of it, in order, cut at no character.
pub type Sink = Box<dyn FnMut(Stdio, &str) -> Result<()> + Send>;
