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

use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Arc, Weak};

#[cfg(feature = "log")]
pub use self::log::{InstallError, PipesLogger};
#[cfg(feature = "tracing")]
pub use self::tracing::TracingLayer;

use crate::channel::MessageChannel;
use crate::channel::inside::Inside;
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
        self.session.strong_count() > 0 && !Inside::is_entered()
    }

    fn send(&self, level: Level, message: &str) {
        if Inside::is_entered() {
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

/// A channel of the user's, in which nothing that is logged is sent.
pub(crate) struct Unlogged<C>(pub C);

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
