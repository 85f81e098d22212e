//! What the process prints, as messages.

use std::io::{self, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::Result;
use crate::protocol::bootstrap::Stdio;
use crate::protocol::envelope::Method;
use crate::protocol::message::write_external_stream;
use crate::session::stdio::StdioCapture;
use crate::writer::MessageWriter;

/// Stdout and stderr, both captured until [`finish`](Capture::finish).
pub(super) struct Capture {
    streams: Mutex<Vec<StdioCapture>>,
}

impl Capture {
    /// Begins to send what is printed from here on.
    pub fn start(writer: &Arc<MessageWriter>) -> Result<Capture> {
        flush();
        let start = |stream| {
            let writer = Arc::clone(writer);
            let send = move |stream: Stdio, text: &str| {
                writer.write_with(Method::LogExternalStream, |out| {
                    write_external_stream(out, stream, text, &[]);
                    Ok(())
                })
            };
            StdioCapture::start(stream, Box::new(send))
        };
        Ok(Capture {
            streams: Mutex::new(vec![start(Stdio::Stdout)?, start(Stdio::Stderr)?]),
        })
    }

    /// Sends what was printed so far, so that it stands before the report that follows.
    pub fn drain(&self) {
        self.lock().iter().for_each(StdioCapture::drain);
    }

    /// Turns the streams back and sends what was printed. Further calls do nothing.
    ///
    /// # Errors
    /// Something could not be sent.
    pub fn finish(&self) -> Result<()> {
        let mut streams = self.lock();
        if streams.is_empty() {
            return Ok(());
        }
        flush();
        let mut outcome = Ok(());
        for mut stream in streams.drain(..) {
            let finished = stream.finish();
            outcome = outcome.and(finished);
        }
        outcome
    }

    fn lock(&self) -> MutexGuard<'_, Vec<StdioCapture>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends on what Rust holds of an unfinished line. Stderr holds nothing.
fn flush() {
    let _ = io::stdout().flush();
}
