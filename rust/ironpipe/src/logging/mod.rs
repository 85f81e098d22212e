//! What a program logs with the usual crates, brought to Dagster.
//!
//! With the feature `log` there is [`PipesLogger`], with the feature `tracing` [`TracingLayer`].
//! Both go on only as long as the session is open: what is logged before or after it, or in a
//! process that Dagster did not launch, goes nowhere, unless another logger or layer takes it too.

mod fields;
#[cfg(feature = "log")]
mod log;
#[cfg(feature = "tracing")]
mod tracing;

use std::cell::Cell;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Arc, Weak};

#[cfg(feature = "log")]
pub use self::log::{InstallError, PipesLogger};
#[cfg(feature = "tracing")]
pub use self::tracing::TracingLayer;

use crate::channel::MessageChannel;
use crate::error::Error;
use crate::protocol::level::Level;
use crate::session::external::{PipesContext, Session};

/// Where log messages go. It does not keep the session open.
#[derive(Clone)]
struct Outlet {
    session: Weak<Session>,
}

impl Outlet {
    fn new(pipes: &PipesContext) -> Outlet {
        let session = pipes.session().map(Arc::downgrade);
        Outlet {
            session: session.unwrap_or_default(),
        }
    }

    /// Whether there is somebody to send to.
    fn is_open(&self) -> bool {
        self.session.strong_count() > 0 && !IN_CHANNEL.get()
    }

    fn send(&self, level: Level, message: &str) {
        if IN_CHANNEL.get() {
            return;
        }
        let Some(session) = self.session.upgrade() else {
            return;
        };
        match session.log(level, message) {
            // Closed by the program, which is to say that it had said all.
            Ok(()) | Err(Error::Refused(_)) => {}
            // A logger can return no error. The message keeps its number, so the reader will miss it.
            Err(error) => {
                let _ = writeln!(io::stderr(), "error: a log message was lost: {error}");
            }
        }
    }
}

thread_local! {
    /// Whether this thread is inside a channel that may log.
    static IN_CHANNEL: Cell<bool> = const { Cell::new(false) };
}

/// A channel of the user's, in which nothing that is logged is sent: it would be sent through the
/// channel, which would log it, and so on.
pub(crate) struct Unlogged<C>(pub C);

/// While it lives, this thread is inside a channel.
pub(crate) struct Inside(bool);

impl Inside {
    pub(crate) fn enter() -> Inside {
        Inside(IN_CHANNEL.replace(true))
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        IN_CHANNEL.set(self.0);
    }
}

impl<C: MessageChannel> MessageChannel for Unlogged<C> {
    fn write_line(&mut self, line: &[u8]) -> io::Result<()> {
        let _inside = Inside::enter();
        self.0.write_line(line)
    }

    fn close(&mut self) -> io::Result<()> {
        let _inside = Inside::enter();
        self.0.close()
    }

    fn forked(&mut self) {
        let _inside = Inside::enter();
        self.0.forked();
    }

    fn name(&self) -> &Path {
        self.0.name()
    }
}
