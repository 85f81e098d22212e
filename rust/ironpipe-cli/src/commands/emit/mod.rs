//! `ironpipe emit`: messages of shell scripts and sidecars.

pub(super) mod history;
mod input;
mod lock;
mod metadata;
mod place;

use std::sync::Arc;

use clap::builder::{OsStringValueParser, TypedValueParser};
use ironpipe::protocol::context::MAX_CONTEXT_BYTES;
use ironpipe::protocol::exception::PipesException;
use ironpipe::protocol::value::Value;
use ironpipe::session::external::load_context;
use ironpipe::writer::MessageWriter;
use ironpipe::{CheckResult, Error, Level, Materialization, PipesContext, Severity};

use self::input::Input;
use self::place::Place;
use crate::bootstrap::Bootstrap;
use crate::exit::{Code, Failure, REFUSED, USAGE};
use crate::output::warn;

/// Send a message to Dagster from a shell script or a sidecar.
///
/// Each call sends one whole message, and any number of them may run at once. `open` and `close` say
/// where the messages begin and end; on a file and in chunks they may be left out. Only Dagster's own
/// client then warns that it received no messages.
///
/// On a file, what was sent before is known: that an asset is materialized twice is refused. In
/// chunks, in a directory or an object store, only the last one is looked at, so a second
/// materialization is sent and Dagster's side refuses it.
///
/// Exit codes: 0 where the message was sent, and, with a warning, where Dagster did not launch this
/// process; 1 where Dagster would refuse the message, or it comes after `close`; 2 where the command
/// line is wrong; 125 where the message could not be sent.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,

    #[command(flatten)]
    bootstrap: Bootstrap,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Say that the session begins
    Open {
        /// Something about the process, as JSON: --extra 'image="job:1.2"'; may be repeated
        #[arg(long = "extra", value_name = "NAME=JSON", value_parser = super::parse_named_json)]
        extras: Vec<(String, Value)>,
    },
    /// Log a message
    Log {
        /// The message; - reads it from stdin
        #[arg(allow_hyphen_values = true, value_parser = words())]
        message: String,

        /// DEBUG, INFO, WARNING, ERROR or CRITICAL, in any case
        #[arg(long, short, default_value = "INFO", value_parser = level)]
        level: Level,
    },
    /// Report that an asset was materialized
    Materialize {
        /// The asset, with / between the parts of its key; needed where the step has several
        #[arg(long, value_name = "KEY")]
        asset_key: Option<String>,

        /// The version of the data
        #[arg(long, value_name = "VERSION")]
        data_version: Option<String>,

        #[command(flatten)]
        metadata: metadata::Args,
    },
    /// Report the outcome of an asset check
    Check {
        /// The check
        name: String,

        #[command(flatten)]
        outcome: Outcome,

        /// What it means if it did not pass: warn or error
        #[arg(long, default_value = "error", value_parser = severity)]
        severity: Severity,

        /// The asset, with / between the parts of its key; needed where the step has several
        #[arg(long, value_name = "KEY")]
        asset_key: Option<String>,

        #[command(flatten)]
        metadata: metadata::Args,
    },
    /// Send any JSON value to the code that launched the process
    Custom {
        /// The value as JSON; - reads it from stdin
        #[arg(allow_hyphen_values = true)]
        payload: String,

        /// Send the payload as it is, as text
        #[arg(long)]
        text: bool,
    },
    /// Say that the session ends
    Close {
        /// What went wrong; - reads it from stdin
        #[arg(long, value_name = "MESSAGE", value_parser = words())]
        exception: Option<String>,

        /// The exit code of the script; unless it is 0, it is what went wrong:
        /// trap 'ironpipe emit close --status $?' EXIT
        #[arg(long, value_name = "CODE")]
        status: Option<i64>,
    },
}

/// Whether a check passed.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Outcome {
    /// It passed
    #[arg(long)]
    passed: bool,

    /// It did not pass
    #[arg(long)]
    failed: bool,

    /// It passed if this is 0: --status $?
    #[arg(long, value_name = "CODE")]
    status: Option<i64>,
}

/// What a message does to the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Open,
    Materialize,
    Other,
    Close,
}

/// Sends it.
pub fn run(args: Args) -> Result<Code, Failure> {
    // First of all, so that a script that is tried out without Dagster finds its mistakes.
    let (step, send) = message(args.what)?;
    let loader = args.bootstrap.loader();
    if !loader.is_dagster_pipes_process() {
        warn("Dagster did not launch this process; what it emits goes nowhere");
        return Ok(Code(0));
    }
    let params = loader.context_params()?;
    let context = load_context(&params, loader.context_name(), MAX_CONTEXT_BYTES)?;
    let mut place = Place::find(&loader, step)?;
    let history = place.history()?;
    if history.closed && step == Step::Close {
        place.hand_over()?;
        return Ok(Code(0));
    }
    if history.closed && step != Step::Open {
        let words = "Cannot send message after pipes context is closed.";
        return Err(Failure::new(REFUSED, words));
    }
    let writer = MessageWriter::single(place.channel()?);
    let pipes = PipesContext::new(context, Arc::new(writer));
    for key in history.materialized {
        pipes.assume_materialized(key);
    }
    let sent = send(&pipes);
    // The session goes on in other processes.
    pipes.abandon();
    sent.map_err(|error| match error {
        Error::Refused(_) => Failure::new(REFUSED, error.to_string()),
        other => other.into(),
    })?;
    if step == Step::Close {
        place.hand_over()?;
    }
    Ok(Code(0))
}

type Send = Box<dyn FnOnce(&PipesContext) -> ironpipe::Result<()>>;

/// What is to be sent, with all that the command line leads to.
fn message(what: What) -> Result<(Step, Send), Failure> {
    let mut input = Input::default();
    Ok(match what {
        What::Open { extras } => (
            Step::Open,
            Box::new(move |pipes: &PipesContext| pipes.opened(&extras)) as Send,
        ),
        What::Log { message, level } => {
            let message = input.text(message)?;
            (
                Step::Other,
                Box::new(move |pipes: &PipesContext| pipes.log(level, message)),
            )
        }
        What::Materialize {
            asset_key,
            data_version,
            metadata,
        } => {
            let mut report = Materialization::new().metadata(metadata.read(&mut input)?);
            if let Some(key) = asset_key {
                report = report.asset_key(key);
            }
            if let Some(version) = data_version {
                report = report.data_version(version);
            }
            let send = move |pipes: &PipesContext| pipes.report_asset_materialization(report);
            (Step::Materialize, Box::new(send))
        }
        What::Check {
            name,
            outcome,
            severity,
            asset_key,
            metadata,
        } => {
            let passed = outcome.status.map_or(outcome.passed, |status| status == 0);
            let mut report = CheckResult::new(name, passed)
                .severity(severity)
                .metadata(metadata.read(&mut input)?);
            if let Some(key) = asset_key {
                report = report.asset_key(key);
            }
            let send = move |pipes: &PipesContext| pipes.report_asset_check(report);
            (Step::Other, Box::new(send))
        }
        What::Custom { payload, text } => {
            let payload = match text {
                true => Value::String(input.text(payload)?),
                false => input.json(payload)?,
            };
            let send = move |pipes: &PipesContext| {
                pipes.report_custom_message_json(payload.to_json().as_bytes())
            };
            (Step::Other, Box::new(send))
        }
        What::Close { exception, status } => {
            let exception = match (exception, status) {
                (Some(message), _) => Some(PipesException::new(input.text(message)?)),
                (None, None | Some(0)) => None,
                (None, Some(code)) => Some(PipesException {
                    name: Some("ExitCode".to_owned()),
                    ..PipesException::new(format!("the process ends with exit code {code}"))
                }),
            };
            let send = move |pipes: &PipesContext| match &exception {
                None => pipes.close(),
                Some(exception) => pipes.close_with_exception(exception),
            };
            (Step::Close, Box::new(send))
        }
    })
}

/// Words for people. Bytes that are not UTF-8, of a file's name perhaps, are no reason to lose the rest.
fn words() -> impl TypedValueParser<Value = String> {
    OsStringValueParser::new().map(|words| words.to_string_lossy().into_owned())
}

fn level(name: &str) -> Result<Level, String> {
    Level::from_name(name).ok_or_else(|| {
        let nearest = Level::nearest(name).as_str();
        format!("Dagster has DEBUG, INFO, WARNING, ERROR and CRITICAL; take {nearest}")
    })
}

fn severity(name: &str) -> Result<Severity, String> {
    Severity::from_name(name).ok_or_else(|| "it is warn or error".to_owned())
}

/// A mistake on the command line.
fn usage(words: impl Into<String>) -> Failure {
    Failure::new(USAGE, words)
}
