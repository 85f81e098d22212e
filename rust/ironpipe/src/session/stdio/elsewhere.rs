//! Where a stream can't be turned to a pipe, there is no capture, and who asks for it is told so.

use std::io::{self, ErrorKind};

use super::Sink;
use crate::protocol::bootstrap::Stdio;
use crate::{Error, Result};

/// A stream that is being captured. On this system there is none.
pub enum StdioCapture {}

impl StdioCapture {
    /// Begins to capture a stream.
    ///
    /// # Errors
    /// Always, on this system.
    pub fn start(stream: Stdio, _sink: Sink) -> Result<StdioCapture> {
        let why = "what a process prints is captured on Unix only; leave out \
                   `include_stdio_in_messages`";
        let error = io::Error::new(ErrorKind::Unsupported, why);
        Err(Error::channel("capture", stream.as_str(), error))
    }

    /// Hands on what has been written so far.
    pub fn drain(&self) {
        match *self {}
    }

    /// Turns the stream back.
    ///
    /// # Errors
    /// None, on this system.
    pub fn finish(&mut self) -> Result<()> {
        match *self {}
    }
}
