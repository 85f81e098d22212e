//! How a session is opened by those who need nothing special, and how a `main` is made of it.

use std::error::Error as StdError;
use std::fmt;
use std::io::Write as _;
use std::process::ExitCode;

use super::{PipesContext, PipesOptions};
use crate::error::Result;

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
    PipesOptions::new().run(body)
}

/// As [`run`], in a session that was opened, or was not.
pub(super) fn run_in(
    session: Result<PipesContext>,
    body: impl FnOnce(&PipesContext) -> Result<(), Box<dyn StdError>>,
) -> ExitCode {
    let pipes = match session {
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
