//! The crate `log`.

use std::error::Error as StdError;
use std::fmt;
use std::sync::OnceLock;

use arc_swap::ArcSwapOption;
use log::kv::{self, VisitSource};
use log::{LevelFilter, Log, Metadata, Record};

use super::Outlet;
use super::fields::Text;
use crate::protocol::level::Level;
use crate::session::external::PipesContext;

/// Brings what the program logs with the crate [`log`](::log) to Dagster.
///
/// `error!` arrives as `ERROR`, `warn!` as `WARNING`, `info!` as `INFO`, `debug!` and `trace!` as
/// `DEBUG`. Key-values stand behind the message: `rows read rows=12`.
///
/// ```no_run
/// use ironpipe::logging::PipesLogger;
/// use log::{LevelFilter, info};
///
/// fn main() -> std::process::ExitCode {
///     ironpipe::run(|pipes| {
///         PipesLogger::new(pipes).install(LevelFilter::Info)?;
///         info!(rows = 12; "rows read");
///         Ok(())
///     })
/// }
/// ```
///
/// A channel of your own may log; what it logs while it writes a message is not sent. If it has
/// other threads do its work and waits for them, keep what those log away from here.
pub struct PipesLogger {
    outlet: Outlet,
    target: bool,
    also: Option<Box<dyn Log>>,
}

impl PipesLogger {
    /// A logger for this session.
    pub fn new(pipes: &PipesContext) -> PipesLogger {
        PipesLogger {
            outlet: Outlet::new(pipes),
            target: false,
            also: None,
        }
    }

    /// Whether the target of a record, most often the module that logs, stands before its message.
    #[must_use]
    pub fn with_target(mut self, target: bool) -> PipesLogger {
        self.target = target;
        self
    }

    /// Passes every record on to another logger, too, as one that prints. It gets them also where
    /// there is no session.
    #[must_use]
    pub fn also(mut self, logger: impl Log + 'static) -> PipesLogger {
        self.also = Some(Box::new(logger));
        self
    }

    /// Makes it the logger of the program, for all records up to a level. Called again it takes the
    /// place of the one before: a worker does so for each of its sessions.
    ///
    /// # Errors
    /// Another kind of logger was installed before.
    pub fn install(self, max_level: LevelFilter) -> Result<(), InstallError> {
        static INSTALLED: OnceLock<bool> = OnceLock::new();
        if !INSTALLED.get_or_init(|| log::set_logger(&CURRENT).is_ok()) {
            return Err(InstallError);
        }
        CURRENT.logger.store(Some(self.into()));
        log::set_max_level(max_level);
        Ok(())
    }

    fn text(&self, record: &Record<'_>) -> Text {
        let mut text = Text::default();
        match self.target {
            true => text.message(format_args!("{}: {}", record.target(), record.args())),
            false => text.message(*record.args()),
        }
        // A source fails only if the visitor does, and this one does not.
        let _ = record.key_values().visit(&mut Fields(&mut text));
        text
    }
}

impl Log for PipesLogger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let also = self.also.as_ref();
        self.outlet.is_open() || also.is_some_and(|logger| logger.enabled(metadata))
    }

    fn log(&self, record: &Record<'_>) {
        if self.outlet.is_open() {
            let level = match record.level() {
                log::Level::Error => Level::Error,
                log::Level::Warn => Level::Warning,
                log::Level::Info => Level::Info,
                log::Level::Debug | log::Level::Trace => Level::Debug,
            };
            self.outlet.send(level, &self.text(record).to_string());
        }
        if let Some(logger) = &self.also
            && logger.enabled(record.metadata())
        {
            logger.log(record);
        }
    }

    fn flush(&self) {
        if let Some(logger) = &self.also {
            logger.flush();
        }
    }
}

impl fmt::Debug for PipesLogger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PipesLogger").finish_non_exhaustive()
    }
}

/// The logger of the program cannot be set, since it has another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct InstallError;

impl fmt::Display for InstallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the program has a logger already; hand it to `PipesLogger::also` instead of \
             installing it",
        )
    }
}

impl StdError for InstallError {}

/// What the crate `log` knows: whichever was installed last.
struct Current {
    logger: ArcSwapOption<PipesLogger>,
}

static CURRENT: Current = Current {
    logger: ArcSwapOption::const_empty(),
};

impl Log for Current {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let logger = self.logger.load();
        logger
            .as_ref()
            .is_some_and(|logger| logger.enabled(metadata))
    }

    fn log(&self, record: &Record<'_>) {
        if let Some(logger) = &*self.logger.load() {
            logger.log(record);
        }
    }

    fn flush(&self) {
        if let Some(logger) = &*self.logger.load() {
            logger.flush();
        }
    }
}

struct Fields<'a>(&'a mut Text);

impl<'kvs> VisitSource<'kvs> for Fields<'_> {
    fn visit_pair(&mut self, key: kv::Key<'kvs>, value: kv::Value<'kvs>) -> Result<(), kv::Error> {
        match value.to_borrowed_str() {
            Some(text) => self.0.field(key.as_str(), text),
            None => self.0.raw_field(key.as_str(), format_args!("{value}")),
        }
        Ok(())
    }
}
