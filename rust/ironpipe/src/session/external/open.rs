//! How a session is opened.

use std::error::Error as StdError;
use std::fmt;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::PipesContext;
use crate::channel;
use crate::error::Result;
use crate::protocol::bootstrap::{MessagesParams, ParamsLoader};
use crate::protocol::context::{ContextData, MAX_CONTEXT_BYTES};
use crate::protocol::value::Object;
use crate::writer::MessageWriter;

/// Opens the session that Dagster has prepared for this process, as the environment tells.
///
/// In a process that Dagster did not launch it says so once, on stderr, and gives a stand-in on
/// which every report does nothing.
///
/// Each call opens a session: keep the first while it is open.
///
/// ```no_run
/// use ironpipe::{CheckResult, Materialization, MetadataValue};
///
/// fn main() -> ironpipe::Result<()> {
///     let pipes = ironpipe::open_dagster_pipes()?;
///     pipes.info("counting")?;
///     pipes.report_asset_check(CheckResult::new("has_rows", true))?;
///     pipes.report_asset_materialization(Materialization::new().metadata([
///         ("rows", MetadataValue::from(120)),
///         ("source", MetadataValue::url("https://example.org")),
///     ]))?;
///     pipes.close()
/// }
/// ```
///
/// # Errors
/// [`Error::Bootstrap`](crate::Error::Bootstrap), [`Error::Context`](crate::Error::Context) and
/// [`Error::Channel`](crate::Error::Channel), each with the name of the variable or path and the
/// reason.
pub fn open_dagster_pipes() -> Result<PipesContext> {
    PipesOptions::new().open()
}

/// How a session is opened, where not as [`open_dagster_pipes`] does.
#[derive(Debug, Clone)]
pub struct PipesOptions {
    params: ParamsLoader,
    max_context_bytes: u64,
    extras: Object,
}

impl PipesOptions {
    /// From the environment, with nothing said about the process.
    pub fn new() -> PipesOptions {
        PipesOptions {
            params: ParamsLoader::from_env(),
            max_context_bytes: MAX_CONTEXT_BYTES,
            extras: Object::new(),
        }
    }

    /// Looks for the bootstrap values elsewhere: on the command line, in a mapping.
    #[must_use]
    pub fn params(mut self, params: ParamsLoader) -> PipesOptions {
        self.params = params;
        self
    }

    /// Sets what a context file may hold, in bytes; [`MAX_CONTEXT_BYTES`] by default.
    #[must_use]
    pub fn max_context_bytes(mut self, bytes: u64) -> PipesOptions {
        self.max_context_bytes = bytes;
        self
    }

    /// Tells the orchestration side something about this process, in the first message.
    #[must_use]
    pub fn extras(mut self, extras: Object) -> PipesOptions {
        self.extras = extras;
        self
    }

    /// Opens the session.
    ///
    /// # Errors
    /// As [`open_dagster_pipes`].
    pub fn open(self) -> Result<PipesContext> {
        if !self.params.is_dagster_pipes_process() {
            warn_inactive();
            return Ok(PipesContext::inactive());
        }
        let params = self.params.context_params()?;
        let name = self.params.context_name();
        let context = ContextData::load(&params, name, self.max_context_bytes)?;
        let messages = self.params.messages_params()?;
        let writer = MessageWriter::from_box(channel::open(&messages)?);
        let mut pipes = PipesContext::new(context, Arc::new(writer));
        if let Err(error) = pipes.opened(&self.extras) {
            // A session that could not be opened has nothing to close.
            pipes.abandon();
            return Err(error);
        }
        if let MessagesParams::File {
            include_stdio_in_messages: true,
            ..
        } = messages
        {
            pipes.capture_stdio()?;
        }
        Ok(pipes)
    }
}

impl Default for PipesOptions {
    fn default() -> PipesOptions {
        PipesOptions::new()
    }
}

fn warn_inactive() {
    static WARNED: AtomicBool = AtomicBool::new(false);
    if !WARNED.swap(true, Ordering::Relaxed) {
        // Without a stderr there is nobody to warn.
        let _ = writeln!(
            std::io::stderr(),
            "warning: this process was not launched by Dagster; what it reports goes nowhere"
        );
    }
}

/// Opens a session, hands it to `body`, and closes it. What a `main` needs.
///
/// An error of `body` ends the session as its exception, with the chain of its causes; so does a
/// panic. Errors are printed on stderr, causes too, and make the exit code 1.
///
/// ```no_run
/// use std::process::ExitCode;
///
/// fn main() -> ExitCode {
///     ironpipe::run(|pipes| {
///         let rows = std::fs::read_to_string("rows.csv")?.lines().count();
///         pipes.info(format!("{rows} rows"))?;
///         pipes.report_asset_materialization(
///             ironpipe::Materialization::new().metadata([("rows", rows)]),
///         )?;
///         Ok(())
///     })
/// }
/// ```
pub fn run(body: impl FnOnce(&PipesContext) -> Result<(), Box<dyn StdError>>) -> ExitCode {
    let pipes = match open_dagster_pipes() {
        Ok(pipes) => pipes,
        Err(error) => return fail(&error),
    };
    match body(&pipes) {
        Ok(()) => match pipes.close() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error),
        },
        Err(error) => {
            let code = fail(&*error);
            // Where messages can't be written, that is most often the error itself.
            if let Err(unsent) = pipes.close_with_error(&*error)
                && unsent.to_string() != error.to_string()
            {
                fail(&unsent);
            }
            code
        }
    }
}

fn fail(error: &(dyn StdError + 'static)) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "error: {}", Chain(error));
    ExitCode::FAILURE
}

/// An error and its causes, on one line, without what a message has said already.
struct Chain<'a>(&'a (dyn StdError + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = self.0.to_string();
        f.write_str(&said)?;
        let causes = std::iter::successors(self.0.source(), |&error| error.source());
        for cause in causes.take(64) {
            let text = cause.to_string();
            if !said.contains(&text) {
                write!(f, ": {text}")?;
                said = text;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("can't count")]
    struct Outer(#[source] crate::Error);

    #[test]
    fn a_chain_says_nothing_twice() {
        let io = std::io::Error::other("no room");
        let error = Outer(crate::Error::channel("open", "/x", io));
        assert_eq!(
            Chain(&error).to_string(),
            "can't count: can't open /x: no room"
        );
    }
}
