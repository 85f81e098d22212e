//! The session of an external process: what Dagster says about the step, and the way back.

mod access;
mod capture;
mod json;
mod load;
mod open;
mod options;
mod report;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::error::Error as StdError;
use std::io::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use serde::Serialize;

pub use load::load_context;
pub use open::{open_dagster_pipes, run};
pub use options::{LoadParams, PipesOptions};
pub use report::{CheckResult, Materialization};

use crate::error::{Error, Result};
use crate::protocol::bootstrap::Stdio;
use crate::protocol::context::ContextData;
use crate::protocol::envelope::{Method, PARAM_DEPTH};
use crate::protocol::exception::{PipesException, last_panic, remember_panics};
use crate::protocol::level::Level;
use crate::protocol::message::{
    write_check, write_closed, write_external_stream, write_log, write_materialization,
    write_opened,
};
use crate::protocol::scan::Scanner;
use crate::protocol::value::{Object, Value};
use crate::writer::MessageWriter;
use capture::Capture;

const MATERIALIZE: &str = "report_asset_materialization";
const CHECK: &str = "report_asset_check";

/// An open session, to be had from [`open_dagster_pipes`].
///
/// It can be used from any thread. A message has been written when the call returns (in chunks it is
/// on its way then, and [`close`](PipesContext::close) waits for the last one), and what Dagster would
/// refuse is refused here, before anything is written.
///
/// Dropping it closes it; if that happens because of a panic, Dagster is told of the panic. In a
/// process that Dagster did not launch every report does nothing and every accessor is an error.
pub struct PipesContext {
    session: Option<Arc<Session>>,
}

/// What is open. Those who log for the program hold it too, but weakly: it lasts as long as its
/// [`PipesContext`].
pub(crate) struct Session {
    context: ContextData,
    writer: Arc<MessageWriter>,
    /// The assets that were reported. A second report of one is refused, because Dagster keeps
    /// only one.
    materialized: Mutex<HashMap<String, ()>>,
    /// Set where what the process prints is sent too.
    capture: OnceLock<Capture>,
}

impl PipesContext {
    /// A session of these parts, of which no message was sent: [`opened`](PipesContext::opened)
    /// comes first.
    pub fn new(context: ContextData, writer: Arc<MessageWriter>) -> PipesContext {
        remember_panics();
        PipesContext {
            session: Some(Arc::new(Session {
                context,
                writer,
                materialized: Mutex::default(),
                capture: OnceLock::new(),
            })),
        }
    }

    /// The stand-in for a process that Dagster did not launch.
    pub fn inactive() -> PipesContext {
        PipesContext { session: None }
    }

    /// Whether Dagster launched this process. If not, reports do nothing.
    pub fn is_dagster_process(&self) -> bool {
        self.session.is_some()
    }

    /// Says that the session is open. [`open_dagster_pipes`] did it.
    ///
    /// # Errors
    /// [`Error::Channel`], [`Error::Refused`] after close.
    pub fn opened(&self, extras: &[(String, Value)]) -> Result<()> {
        self.raw(Method::Opened, |out| {
            let start = out.len();
            write_opened(out, extras);
            check_nesting(&out[start..], "opened")
        })
    }

    /// Sends from here on what the process and its children print, too, which goes on to where it
    /// went before. [`open_dagster_pipes`] does it if Dagster asks for it.
    ///
    /// # Errors
    /// [`Error::Channel`] where a stream can't be captured.
    pub fn capture_stdio(&mut self) -> Result<()> {
        if let Some(session) = &self.session
            && session.capture.get().is_none()
        {
            // Nobody else can have set it: there is but one `&mut self`.
            let _ = session.capture.set(Capture::start(&session.writer)?);
        }
        Ok(())
    }

    /// Logs a message.
    ///
    /// # Errors
    /// [`Error::Channel`], [`Error::Refused`] after close.
    pub fn log(&self, level: Level, message: impl AsRef<str>) -> Result<()> {
        match &self.session {
            Some(session) => session.log(level, message.as_ref()),
            None => Ok(()),
        }
    }

    /// Logs a message at `DEBUG`.
    ///
    /// # Errors
    /// [`Error::Channel`], [`Error::Refused`] after close.
    pub fn debug(&self, message: impl AsRef<str>) -> Result<()> {
        self.log(Level::Debug, message)
    }

    /// Logs a message at `INFO`.
    ///
    /// # Errors
    /// [`Error::Channel`], [`Error::Refused`] after close.
    pub fn info(&self, message: impl AsRef<str>) -> Result<()> {
        self.log(Level::Info, message)
    }

    /// Logs a message at `WARNING`.
    ///
    /// # Errors
    /// [`Error::Channel`], [`Error::Refused`] after close.
    pub fn warning(&self, message: impl AsRef<str>) -> Result<()> {
        self.log(Level::Warning, message)
    }

    /// Logs a message at `ERROR`.
    ///
    /// # Errors
    /// [`Error::Channel`], [`Error::Refused`] after close.
    pub fn error(&self, message: impl AsRef<str>) -> Result<()> {
        self.log(Level::Error, message)
    }

    /// Logs a message at `CRITICAL`.
    ///
    /// # Errors
    /// [`Error::Channel`], [`Error::Refused`] after close.
    pub fn critical(&self, message: impl AsRef<str>) -> Result<()> {
        self.log(Level::Critical, message)
    }

    /// Reports that an asset was materialized.
    ///
    /// # Errors
    /// [`Error::Refused`] where the asset is not one of the step, none is named and there is not
    /// just one, it was reported before, or Dagster would not take its metadata. A refused report
    /// can be made again. [`Error::Channel`].
    pub fn report_asset_materialization(&self, report: Materialization) -> Result<()> {
        let version = report.data_version.as_deref();
        self.materialize(report.asset_key.as_deref(), version, |out| {
            let written = report.metadata.write_checked(out);
            written.map_err(|why| bad_metadata(MATERIALIZE, &why))
        })
    }

    /// Reports the outcome of an asset check. One of the same name may follow.
    ///
    /// # Errors
    /// [`Error::Refused`] where the asset is not one of the step, none is named and there is not
    /// just one, or Dagster would not take its metadata. [`Error::Channel`].
    pub fn report_asset_check(&self, report: CheckResult) -> Result<()> {
        let Some(session) = &self.session else {
            return Ok(());
        };
        let asset_key = report.asset_key.as_deref();
        let key = session.context.resolve_asset_key(asset_key, CHECK)?;
        session.write(Method::ReportAssetCheck, |out| {
            let severity = report.severity;
            write_check(out, &key, &report.check_name, report.passed, severity);
            let written = report.metadata.write_checked(out);
            written.map_err(|why| bad_metadata(CHECK, &why))?;
            out.push(b'}');
            Ok(())
        })
    }

    /// Sends anything that can be serialized. `NaN` and infinities arrive as they are.
    ///
    /// ```no_run
    /// #[derive(serde::Serialize)]
    /// struct Progress {
    ///     rows: u64,
    ///     share: f64,
    /// }
    ///
    /// let pipes = ironpipe::open_dagster_pipes()?;
    /// pipes.report_custom_message(&Progress { rows: 17, share: 0.5 })?;
    /// # Ok::<(), ironpipe::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Refused`] where a part of it has no form as JSON, with the place of that part
    /// (`payload.rows[3]`), or after close; [`Error::Channel`].
    pub fn report_custom_message(&self, payload: &(impl Serialize + ?Sized)) -> Result<()> {
        if self.session.is_none() {
            return Ok(());
        }
        let payload = Value::from_serialize_within(payload, PARAM_DEPTH).map_err(|why| {
            Error::Refused(format!(
                "Invalid value for parameter `payload` of `report_custom_message`: {}: {}.",
                why.reason(),
                why.place("payload")
            ))
        })?;
        self.raw(Method::ReportCustomMessage, |out| {
            out.extend_from_slice(b"{\"payload\":");
            payload.write_json(out);
            out.push(b'}');
            Ok(())
        })
    }

    /// Sends a piece of output that a program made.
    ///
    /// # Errors
    /// [`Error::Channel`], [`Error::Refused`] after close.
    pub fn log_external_stream(&self, stream: Stdio, text: &str, extras: Object) -> Result<()> {
        self.raw(Method::LogExternalStream, |out| {
            let start = out.len();
            write_external_stream(out, stream, text, &extras);
            check_nesting(&out[start..], "log_external_stream")
        })
    }

    /// Sends the last message and closes the channel. Further calls do nothing.
    ///
    /// # Errors
    /// [`Error::Channel`]. The session is closed all the same.
    pub fn close(&self) -> Result<()> {
        self.close_as(None)
    }

    /// Closes the session and tells Dagster what went wrong.
    ///
    /// # Errors
    /// [`Error::Channel`]. The session is closed all the same.
    pub fn close_with_exception(&self, exception: &PipesException) -> Result<()> {
        self.close_as(Some(exception))
    }

    /// Closes the session and tells Dagster of an error and the chain of its causes.
    ///
    /// # Errors
    /// [`Error::Channel`]. The session is closed all the same.
    pub fn close_with_error(&self, error: &(dyn StdError + 'static)) -> Result<()> {
        self.close_as(Some(&PipesException::from_error(error)))
    }

    /// Lets go of the session without closing it, as if it had been forgotten: Dagster hears of
    /// no end. For languages in which an object may go at any time, or never.
    pub fn abandon(mut self) {
        self.session = None;
    }

    /// Whether the session was closed.
    pub fn is_closed(&self) -> bool {
        match &self.session {
            Some(session) => session.writer.is_closed(),
            None => false,
        }
    }

    /// What is open, if anything is.
    #[cfg(any(feature = "log", feature = "tracing"))]
    pub(crate) fn session(&self) -> Option<&Arc<Session>> {
        self.session.as_ref()
    }

    fn close_as(&self, exception: Option<&PipesException>) -> Result<()> {
        let Some(session) = &self.session else {
            return Ok(());
        };
        session.close(|out| {
            write_closed(out, exception);
            Ok(())
        })
    }

    /// Takes the asset as one that was materialized already, by another process with a part in
    /// this session: a report of it is then refused here, too.
    pub fn assume_materialized(&self, asset_key: impl Into<String>) {
        if let Some(session) = &self.session {
            session.materialized().insert(asset_key.into(), ());
        }
    }

    /// Writes a message, whose params `fill` appends.
    fn raw(&self, method: Method, fill: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<()> {
        match &self.session {
            Some(session) => session.write(method, fill),
            None => Ok(()),
        }
    }

    /// Writes a materialization, whose metadata `fill` appends.
    fn materialize(
        &self,
        asset_key: Option<&str>,
        version: Option<&str>,
        fill: impl FnOnce(&mut Vec<u8>) -> Result<()>,
    ) -> Result<()> {
        let Some(session) = &self.session else {
            return Ok(());
        };
        let key = session.context.resolve_asset_key(asset_key, MATERIALIZE)?;
        // Held until the message is written: of two threads with one asset only one may write.
        let mut done = session.materialized();
        let place = match done.entry(key) {
            Entry::Vacant(place) => place,
            Entry::Occupied(known) => {
                let key = known.key();
                return Err(Error::Refused(format!(
                    "Calling `{MATERIALIZE}` with asset key `{key}` is undefined. Asset has \
                     already been materialized, so no additional data can be reported for it."
                )));
            }
        };
        let method = Method::ReportAssetMaterialization;
        session.write(method, |out| {
            write_materialization(out, place.key(), version);
            fill(out)?;
            out.push(b'}');
            Ok(())
        })?;
        place.insert(());
        Ok(())
    }
}

impl Session {
    /// Writes a message, behind all that was printed before.
    fn write(&self, method: Method, fill: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<()> {
        if let Some(capture) = self.capture.get() {
            capture.drain();
        }
        self.writer.write_with(method, fill)
    }

    /// Writes a log message.
    pub(crate) fn log(&self, level: Level, message: &str) -> Result<()> {
        self.write(Method::Log, |out| {
            write_log(out, level, message);
            Ok(())
        })
    }

    fn materialized(&self) -> MutexGuard<'_, HashMap<String, ()>> {
        // A panic leaves no key half there.
        self.materialized
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self, fill: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<()> {
        let finished = self.capture.get().map_or(Ok(()), Capture::finish);
        self.writer.close_with(fill)?;
        finished
    }
}

impl Drop for PipesContext {
    fn drop(&mut self) {
        if self.is_closed() {
            return;
        }
        let exception = std::thread::panicking().then(|| {
            let unknown = || PipesException::new("the process panicked");
            last_panic().unwrap_or_else(unknown)
        });
        if let Err(error) = self.close_as(exception.as_ref()) {
            // There is nobody to return it to, and a second panic would abort the process.
            let _ = writeln!(std::io::stderr(), "error: {error}");
        }
    }
}

/// Refuses params in which a value made by hand nests deeper than any reader goes.
fn check_nesting(params: &[u8], method: &str) -> Result<()> {
    let scanned = Scanner::new(params).within(PARAM_DEPTH - 1).value();
    scanned.map(drop).map_err(|error| {
        Error::Refused(format!(
            "Invalid value for parameter `extras` of `{method}`: {}.",
            error.what
        ))
    })
}

/// The error for metadata that Dagster would not take.
pub fn bad_metadata(method: &str, why: &str) -> Error {
    Error::Refused(format!(
        "Invalid value for parameter `metadata` of `{method}`: {why}."
    ))
}
