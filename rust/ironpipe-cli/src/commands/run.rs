//! `ironpipe run`: host an external process without Dagster.

use std::ffi::OsString;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use ironpipe::Error;
use ironpipe::protocol::value::Value;
use ironpipe::reader::{DeliveryReport, MessageReader, Step, TailOptions};
use ironpipe::session::host::{ContextSpec, Session, SessionOptions};
use signal_hook::consts::{SIGINT, SIGQUIT, SIGTERM};

use crate::exit::{Code, FAILED, Failure, LOST};
use crate::hosted::{self, Ended, Hosted, Signals, Target};
use crate::output::{Output, json::JsonOutput, people::PeopleOutput};

/// The signals that the process is to get too.
const PASSED_ON: [i32; 3] = [SIGINT, SIGTERM, SIGQUIT];

/// Host a Pipes process without Dagster: show its log live, then what it reported and whether
/// everything arrived.
///
/// The process gets a context and a place for its messages as Dagster would give them. Its exit
/// code is passed on (128 + the signal's number if one killed it). If it is 0 and messages were
/// lost, the exit code is 3. 127 and 126 say that the program was not found or can't be run, 125
/// that it could not be hosted, or what it sent not be shown (a full disk).
#[derive(Debug, clap::Args)]
pub struct Args {
    /// An asset the process is to report on, with / between the parts of its key; may be repeated
    #[arg(long = "asset-key", value_name = "KEY")]
    asset_keys: Vec<String>,

    /// The partition to work on
    #[arg(long, value_name = "KEY")]
    partition_key: Option<String>,

    /// A value for the process, as JSON: --extra limit=10 --extra 'name="crab"'; may be repeated
    #[arg(long = "extra", value_name = "NAME=JSON", value_parser = super::parse_named_json)]
    extras: Vec<(String, Value)>,

    /// The name of the job the process is told of
    #[arg(long, value_name = "NAME")]
    job_name: Option<String>,

    /// The id of the run the process is told of [default: a random one]
    #[arg(long, value_name = "ID")]
    run_id: Option<String>,

    /// Take the context from this JSON file (- for stdin); other options then add to it
    #[arg(long, value_name = "FILE")]
    context: Option<PathBuf>,

    /// Write the messages to this file and keep it; it must not exist yet
    #[arg(long, value_name = "FILE")]
    messages: Option<PathBuf>,

    /// Ask the process to send what it prints as messages, too
    #[arg(long)]
    include_stdio: bool,

    /// One JSON object a message on stdout, then one with the report; what the process prints goes
    /// to stderr
    #[arg(long)]
    json: bool,

    /// Don't show the log, nor the report of a delivery that is complete
    #[arg(long, short)]
    quiet: bool,

    /// The program and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "CMD")]
    command: Vec<OsString>,
}

/// Runs it.
pub fn run(args: Args) -> Result<Code, Failure> {
    let context = context(&args)?;
    let mut session = Session::open(
        &context,
        SessionOptions {
            messages: args.messages.clone(),
            include_stdio: args.include_stdio,
            tail: TailOptions {
                // The process may send after `closed`, and its children after that.
                until_closed: false,
                ..TailOptions::default()
            },
            ..SessionOptions::default()
        },
    )
    .map_err(|error| explain(error, args.messages.as_deref()))?;
    let stdout = if args.json {
        Stdio::from(io::stderr())
    } else {
        Stdio::inherit()
    };
    let mut command = hosted::command(&args.command)?;
    command.envs(session.files().env()).stdout(stdout);
    let reader = session.handle();
    let signals = Signals::listen(&PASSED_ON)?;
    let hosted = Hosted::start(command, signals, Target::Process, move || reader.finish())?;
    let mut output: Box<dyn Output> = if args.json {
        Box::new(JsonOutput::new())
    } else {
        Box::new(PeopleOutput::new(args.quiet))
    };
    let read = follow(session.reader(), output.as_mut());
    let ended = hosted.wait();
    let report = session.handle().report();
    output.end(&report, &ended);
    if let Err(error) = session.close() {
        anstream::eprintln!("warning: {error}");
    }
    if let Err(error) = read {
        return Err(error.into());
    }
    Ok(match code(&ended, &report) {
        Code(0) if output.is_cut() => FAILED,
        code => code,
    })
}

fn explain(error: Error, messages: Option<&Path>) -> Failure {
    let exists = matches!(&error, Error::Channel { source, .. }
        if source.kind() == io::ErrorKind::AlreadyExists && messages.is_some());
    if exists {
        let words = format!("{error}; --messages takes a file that is not there yet");
        return Failure::new(FAILED, words);
    }
    error.into()
}

/// Shows what arrives until nothing more will.
fn follow(reader: &mut MessageReader, output: &mut dyn Output) -> ironpipe::Result<()> {
    // What was shown is handed on only when there is nothing to show for the moment.
    let mut shown = true;
    loop {
        let deadline = if shown { None } else { Some(Instant::now()) };
        match reader.advance(deadline)? {
            Step::Ready => {
                while let Some(message) = reader.take() {
                    output.message(message);
                }
                shown = false;
            }
            Step::TimedOut => {
                output.flush();
                shown = true;
            }
            // Signals have a thread of their own.
            Step::Interrupted => {}
            Step::Ended => return Ok(()),
        }
    }
}

fn code(ended: &Ended, report: &DeliveryReport) -> Code {
    match ended.code() {
        Code(0) if !report.is_complete() => LOST,
        code => code,
    }
}

fn context(args: &Args) -> Result<Vec<u8>, Failure> {
    let spec = ContextSpec {
        asset_keys: (!args.asset_keys.is_empty()).then(|| args.asset_keys.clone()),
        partition_key: args.partition_key.clone(),
        run_id: args.run_id.clone(),
        job_name: args.job_name.clone(),
        retry_number: None,
        extras: args.extras.clone(),
    };
    let value = match &args.context {
        None => spec.to_value(),
        Some(path) => {
            let mut fields = read_context(path)?;
            spec.apply(&mut fields);
            Value::Object(fields)
        }
    };
    let mut json = Vec::new();
    value.write_json(&mut json);
    Ok(json)
}

fn read_context(path: &Path) -> Result<Vec<(String, Value)>, Failure> {
    let refuse = |reason: String| {
        let words = format!("--context {}: {reason}", path.display());
        Failure::new(FAILED, words)
    };
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        io::stdin()
            .read_to_end(&mut bytes)
            .map_err(|error| refuse(error.to_string()))?;
    } else {
        bytes = std::fs::read(path).map_err(|error| refuse(error.to_string()))?;
    }
    match Value::parse(&bytes) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(refuse("it is JSON, but not an object".to_owned())),
        Err(error) => Err(refuse(format!(
            "it is not JSON: {} at byte {}",
            error.what, error.at
        ))),
    }
}
