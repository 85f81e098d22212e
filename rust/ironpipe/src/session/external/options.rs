//! How a session is opened, part by part.

use std::error::Error as StdError;
use std::fmt;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::PipesContext;
use super::load::load_context;
use super::open::run_in;
use crate::channel::{self, MessageChannel};
use crate::error::{BoxError, Error, Result};
use crate::protocol::bootstrap::{ContextParams, MessagesParams, ParamsLoader};
use crate::protocol::context::{ContextData, MAX_CONTEXT_BYTES};
use crate::protocol::value::{Object, Value};
use crate::writer::MessageWriter;

/// Finds the two bootstrap values. [`ParamsLoader`] does it in the environment, on the command line
/// or in a mapping; implement it where they are somewhere else.
///
/// ```
/// use ironpipe::{BoxError, LoadParams, PipesOptions, Value};
///
/// /// Two JSON files that a scheduler has put next to the program.
/// struct Files;
///
/// impl LoadParams for Files {
///     fn is_dagster_pipes_process(&self) -> bool {
///         std::fs::exists("pipes-context.json").unwrap_or(false)
///     }
///
///     fn load_context_params(&self) -> Result<Value, BoxError> {
///         Ok(Value::parse(&std::fs::read("pipes-context.json")?)?)
///     }
///
///     fn load_messages_params(&self) -> Result<Value, BoxError> {
///         Ok(Value::parse(&std::fs::read("pipes-messages.json")?)?)
///     }
/// }
///
/// let pipes = PipesOptions::new().params(Files).open()?;
/// assert!(!pipes.is_dagster_process());
/// # Ok::<(), ironpipe::Error>(())
/// ```
pub trait LoadParams {
    /// Whether Dagster launched this process.
    fn is_dagster_pipes_process(&self) -> bool;

    /// The params of the context, an object.
    ///
    /// # Errors
    /// Whatever went wrong; the session is not opened.
    fn load_context_params(&self) -> Result<Value, BoxError>;

    /// The params of the messages, an object.
    ///
    /// # Errors
    /// Whatever went wrong; the session is not opened.
    fn load_messages_params(&self) -> Result<Value, BoxError>;

    /// What errors call the place the context's params came from.
    fn context_name(&self) -> &str {
        "the params of the context"
    }

    /// What errors call the place the messages' params came from.
    fn messages_name(&self) -> &str {
        "the params of the messages"
    }
}

impl LoadParams for ParamsLoader {
    fn is_dagster_pipes_process(&self) -> bool {
        ParamsLoader::is_dagster_pipes_process(self)
    }

    fn load_context_params(&self) -> Result<Value, BoxError> {
        Ok(ParamsLoader::load_context_params(self)?)
    }

    fn load_messages_params(&self) -> Result<Value, BoxError> {
        Ok(ParamsLoader::load_messages_params(self)?)
    }

    fn context_name(&self) -> &str {
        ParamsLoader::context_name(self)
    }

    fn messages_name(&self) -> &str {
        ParamsLoader::messages_name(self)
    }
}

type LoadContext = Box<dyn FnOnce(&Value) -> Result<ContextData, BoxError>>;
type OpenChannel = Box<dyn FnOnce(&Value) -> Result<Box<dyn MessageChannel>, BoxError>>;

/// How a session is opened, where not as [`open_dagster_pipes`](super::open_dagster_pipes) does.
///
/// ```no_run
/// use ironpipe::PipesOptions;
/// use ironpipe::protocol::bootstrap::ParamsLoader;
///
/// let pipes = PipesOptions::new()
///     .params(ParamsLoader::from_args(std::env::args_os()))
///     .extra("version", env!("CARGO_PKG_VERSION"))
///     .open()?;
/// # Ok::<(), ironpipe::Error>(())
/// ```
#[must_use = "it does nothing until it is opened"]
pub struct PipesOptions {
    params: Box<dyn LoadParams>,
    max_context_bytes: u64,
    load_context: Option<LoadContext>,
    open_channel: Option<OpenChannel>,
    extras: Object,
}

impl PipesOptions {
    /// From the environment, with nothing said about the process.
    pub fn new() -> PipesOptions {
        PipesOptions {
            params: Box::new(ParamsLoader::from_env()),
            max_context_bytes: MAX_CONTEXT_BYTES,
            load_context: None,
            open_channel: None,
            extras: Object::new(),
        }
    }

    /// Looks for the bootstrap values elsewhere: on the command line, in a mapping (see
    /// [`ParamsLoader`]), or where a loader of yours finds them.
    pub fn params(mut self, params: impl LoadParams + 'static) -> PipesOptions {
        self.params = Box::new(params);
        self
    }

    /// Sets what a context may hold, in bytes; [`MAX_CONTEXT_BYTES`] by default.
    pub fn max_context_bytes(mut self, bytes: u64) -> PipesOptions {
        self.max_context_bytes = bytes;
        self
    }

    /// Loads the context in a way of yours. `load` gets the params of the context.
    ///
    /// ```no_run
    /// use ironpipe::PipesOptions;
    /// use ironpipe::protocol::context::{ContextData, MAX_CONTEXT_BYTES};
    ///
    /// let pipes = PipesOptions::new()
    ///     .load_context(|params| {
    ///         let name = params.get("name").and_then(|name| name.as_str());
    ///         let path = format!("/contexts/{}.json", name.ok_or("no name is given")?);
    ///         Ok(ContextData::read(path, MAX_CONTEXT_BYTES)?)
    ///     })
    ///     .open()?;
    /// # Ok::<(), ironpipe::Error>(())
    /// ```
    pub fn load_context(
        mut self,
        load: impl FnOnce(&Value) -> Result<ContextData, BoxError> + 'static,
    ) -> PipesOptions {
        self.load_context = Some(Box::new(load));
        self
    }

    /// Sends messages through a channel of yours. `open` gets the params of the messages.
    ///
    /// What the process prints is not captured, even if Dagster asks for it, since the channel may
    /// print itself; [`PipesContext::capture_stdio`] does it where that is not so.
    ///
    /// ```no_run
    /// use std::io::{self, Write};
    /// use std::net::TcpStream;
    /// use std::path::Path;
    ///
    /// use ironpipe::PipesOptions;
    /// use ironpipe::channel::MessageChannel;
    ///
    /// struct Socket(TcpStream);
    ///
    /// impl MessageChannel for Socket {
    ///     fn write_line(&mut self, line: &[u8]) -> io::Result<()> {
    ///         self.0.write_all(line)
    ///     }
    ///
    ///     fn name(&self) -> &Path {
    ///         Path::new("the socket")
    ///     }
    /// }
    ///
    /// let pipes = PipesOptions::new()
    ///     .open_channel(|params| {
    ///         let address = params.get("address").and_then(|address| address.as_str());
    ///         Ok(Socket(TcpStream::connect(address.ok_or("no address is given")?)?))
    ///     })
    ///     .open()?;
    /// # Ok::<(), ironpipe::Error>(())
    /// ```
    pub fn open_channel<C: MessageChannel + 'static>(
        mut self,
        open: impl FnOnce(&Value) -> Result<C, BoxError> + 'static,
    ) -> PipesOptions {
        self.open_channel = Some(Box::new(|params| {
            let channel = open(params)?;
            #[cfg(any(feature = "log", feature = "tracing"))]
            let channel = crate::logging::Unlogged(channel);
            Ok(Box::new(channel))
        }));
        self
    }

    /// Tells the orchestration side something about this process, in the first message.
    pub fn extras(mut self, extras: Object) -> PipesOptions {
        self.extras = extras;
        self
    }

    /// As [`extras`](PipesOptions::extras), one more.
    pub fn extra(mut self, name: impl Into<String>, value: impl Into<Value>) -> PipesOptions {
        self.extras.push((name.into(), value.into()));
        self
    }

    /// Opens the session.
    ///
    /// # Errors
    /// As [`open_dagster_pipes`](super::open_dagster_pipes), and [`Error::Part`] where a loader or
    /// channel of yours fails.
    pub fn open(mut self) -> Result<PipesContext> {
        if !self.params.is_dagster_pipes_process() {
            warn_inactive();
            return Ok(PipesContext::inactive());
        }
        let context = self.context()?;
        let params = self.params.load_messages_params();
        let params = params.map_err(part("params loader"))?;
        let mut include_stdio = false;
        let channel = match self.open_channel {
            Some(open) => open(&params).map_err(part("message channel"))?,
            None => {
                let known = MessagesParams::from_value(&params).map_err(|reason| {
                    let name = self.params.messages_name().to_owned();
                    Error::Bootstrap { name, reason }
                })?;
                include_stdio = known.include_stdio_in_messages();
                channel::open(&known)?
            }
        };
        let writer = Arc::new(MessageWriter::from_box(channel));
        let mut pipes = PipesContext::new(context, writer);
        if let Err(error) = pipes.opened(&self.extras) {
            // A session that could not be opened has nothing to close.
            pipes.abandon();
            return Err(error);
        }
        if include_stdio {
            pipes.capture_stdio()?;
        }
        Ok(pipes)
    }

    /// Opens the session, hands it to `body` and closes it, as [`run`](super::run) does.
    pub fn run(
        self,
        body: impl FnOnce(&PipesContext) -> Result<(), Box<dyn StdError>>,
    ) -> ExitCode {
        run_in(self.open(), body)
    }

    fn context(&mut self) -> Result<ContextData> {
        let params = self.params.load_context_params();
        let params = params.map_err(part("params loader"))?;
        if let Some(load) = self.load_context.take() {
            return load(&params).map_err(part("context loader"));
        }
        let name = self.params.context_name();
        let known = ContextParams::from_value(&params).map_err(|reason| Error::Bootstrap {
            name: name.to_owned(),
            reason,
        })?;
        load_context(&known, name, self.max_context_bytes)
    }
}

impl Default for PipesOptions {
    fn default() -> PipesOptions {
        PipesOptions::new()
    }
}

impl fmt::Debug for PipesOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PipesOptions")
            .field("max_context_bytes", &self.max_context_bytes)
            .field("extras", &self.extras)
            .finish_non_exhaustive()
    }
}

/// An error of a part: of ours, as it is; of the user's, with the name of the part.
fn part(what: &'static str) -> impl FnOnce(BoxError) -> Error {
    move |source| match source.downcast::<Error>() {
        Ok(error) => *error,
        Err(source) => Error::Part { what, source },
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
