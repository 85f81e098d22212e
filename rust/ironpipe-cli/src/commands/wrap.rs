//! `ironpipe wrap`: run a program that knows nothing of Pipes, inside a Pipes process.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

use ironpipe::protocol::bootstrap::{
    DAGSTER_PIPES_CONTEXT_ENV_VAR, DAGSTER_PIPES_MESSAGES_ENV_VAR, MessagesParams, ParamsLoader,
    Stdio,
};
use ironpipe::protocol::exception::PipesException;
use ironpipe::{Level, Materialization, MetadataValue, PipesContext, open_dagster_pipes};
use regex::Regex;
use rustix::pipe::{PipeFlags, pipe_with};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};

use super::emit::history::History;
use crate::exit::{Code, FAILED, Failure, LOST};
use crate::hosted::{self, Ended, Hosted, Signals, Target};
use crate::output::error;
use crate::wrap::forward::Forward;
use crate::wrap::levels::{Levels, own_pattern};
use crate::wrap::lines::LineCutter;
use crate::wrap::send::Sender;
use crate::wrap::terminal::{Conduit, is_foreground};
use crate::wrap::{Source, follow};

/// The signals that the program is to get too.
const PASSED_ON: [i32; 6] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2];

/// Run a program unmodified inside a Pipes process: each line it prints becomes a log message at
/// once, and its end is told to Dagster.
///
/// Levels are found in the usual forms: `ERROR: …`, `[warn] …`, `2024-01-02 03:04:05 INFO …`, JSON
/// with a level, logfmt, and those of Python, Rust, the JVM, Go, dbt and common tools. A stack trace
/// is one message. Colours are left out of messages. Of a line that is written over and over, as
/// progress is, the last state counts.
///
/// What the program prints also goes to stdout and stderr as it is; stdin is the program's. It does
/// not see the Pipes session. Signals are passed on to its process group. If this command is
/// killed, so is the program.
///
/// The exit code is the program's (128 + the signal's number if one killed it). If it is 0 and
/// messages could not be sent, it is 3. 127 and 126 say that the program was not found or can't be
/// run, 125 that the session could not be opened, and the program did not run.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ironpipe wrap -- dbt run
  ironpipe wrap --materialize --asset-key warehouse/orders -- ./load-orders.sh
  ironpipe wrap --level-pattern '^(?P<level>\\w+)\\|(?P<message>.*)' -- legacy-tool")]
pub struct Args {
    /// Find levels by this regular expression, not by the usual forms: its group `level` is the
    /// level, its group `message`, if it has one, the message; may be repeated, the first match
    /// counts
    #[arg(long = "level-pattern", value_name = "REGEX", value_parser = own_pattern)]
    level_patterns: Vec<Regex>,

    /// The level of a line on stderr that names none
    #[arg(long, value_name = "LEVEL", default_value = "INFO", value_parser = parse_level)]
    stderr_level: Level,

    /// Report the asset of the step as materialized if the program succeeds, with its duration
    #[arg(long)]
    materialize: bool,

    /// The asset to report, where the step has several; may be repeated
    #[arg(long = "asset-key", value_name = "KEY", requires = "materialize")]
    asset_keys: Vec<String>,

    /// Give the program pipes, not a terminal, to print to; many then hold their lines back
    #[arg(long)]
    no_pty: bool,

    /// Don't show what the program prints on stdout and stderr
    #[arg(long, short)]
    quiet: bool,

    /// Let the program see the Pipes session, to send messages of its own
    #[arg(long)]
    share: bool,

    /// Cut the message of a line that has more bytes, and say so
    #[arg(long, value_name = "BYTES", default_value_t = 65536, value_parser = clap::value_parser!(u32).range(1..))]
    max_line: u32,

    /// Send the state of a line that is written over and over this often; 0 for its last state only
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    progress: u32,

    /// The program and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "CMD")]
    command: Vec<OsString>,
}

/// Runs it.
pub fn run(args: Args) -> Result<Code, Failure> {
    // Before the session is open: whatever comes from then on, it is closed.
    let signals = Signals::listen(&PASSED_ON)?;
    let pipes = open_dagster_pipes()?;
    if !pipes.is_dagster_process() {
        // Nothing to do but the command; nothing does it better than itself.
        let mut command = prepare(&args, &args.command)?;
        let failure = command.exec();
        return Err(hosted::not_started(command.get_program(), &failure));
    }
    let assets = assets(&args, &pipes);
    let outcome = assets.and_then(|assets| Ok((assets, levels(&args)?)));
    let (assets, levels) = match outcome {
        Ok(parts) => parts,
        Err(failure) => return Err(not_run(&pipes, failure)),
    };
    let mut sender = Sender::new(&pipes, args.stderr_level);
    match wrapped(&args, signals, &levels, &mut sender) {
        Ok((ended, took)) => Ok(close(&pipes, &args, &assets, sender, &ended, took)),
        Err(failure) => Err(not_run(&pipes, failure)),
    }
}

/// Starts the program and sees it to its end.
fn wrapped(
    args: &Args,
    signals: Signals,
    levels: &Levels,
    sender: &mut Sender,
) -> Result<(Ended, Duration), Failure> {
    let failed = |error: io::Error| Failure::new(FAILED, format!("can't run it: {error}"));
    let mut command = prepare(args, &bound(&args.command))?;
    let [stdout, stderr] = conduits(args, &mut command, sender).map_err(failed)?;
    command.stdout(stdout.stdio().map_err(failed)?);
    command.stderr(stderr.stdio().map_err(failed)?);
    let mut sources =
        [(Stdio::Stdout, stdout), (Stdio::Stderr, stderr)].map(|(stream, conduit)| {
            let forward = Forward::new(stream, !args.quiet, message_stream() == Some(stream));
            let progress = Duration::from_secs(args.progress.into());
            let cutter = LineCutter::new(args.max_line as usize, progress);
            Source::new(stream, conduit, forward, cutter)
        });
    let (ended, running) = pipe_with(PipeFlags::CLOEXEC).map_err(|error| failed(error.into()))?;
    // At a terminal it stays in our process group, so that the terminal treats both alike; else it
    // gets one of its own, of which all get each signal once.
    let target = match is_foreground() {
        true => Target::Process,
        false => Target::Group,
    };
    let began = Instant::now();
    let hosted = Hosted::start(command, signals, target, move || drop(running))?;
    let held = follow(&mut sources, &ended, levels, sender).map_err(failed)?;
    let ended = hosted.wait();
    let took = began.elapsed();
    sender.account();
    if held {
        sender.remark(
            "the program has ended, but another that it started still holds its output; what that \
             prints from here on is not seen",
        );
    }
    Ok((ended, took))
}

/// Ends the session: what was made, or what went wrong.
fn close(
    pipes: &PipesContext,
    args: &Args,
    assets: &[String],
    mut sender: Sender,
    ended: &Ended,
    took: Duration,
) -> Code {
    let shared = shared(args, ended);
    for asset in assets.iter().filter(|asset| shared.contains(asset)) {
        sender.remark(&format!(
            "the program has reported `{asset}` as materialized itself, so --materialize does not"
        ));
    }
    let mut complete = sender.unsent() == 0;
    let mut sent = |outcome: ironpipe::Result<()>| {
        if let Err(failure) = outcome {
            error(&failure.to_string());
            complete = false;
        }
    };
    match ended.failure() {
        None => {
            for asset in assets.iter().filter(|asset| !shared.contains(asset)) {
                sent(pipes.report_asset_materialization(materialization(asset, took)));
            }
            sent(pipes.close());
        }
        Some(words) => sent(pipes.close_with_exception(&exception(args, &words, &sender))),
    }
    if !complete {
        let what = match sender.unsent() {
            0 => "the end of the program".to_owned(),
            1 => "1 log message".to_owned(),
            count => format!("{count} log messages"),
        };
        error(&format!("{what} could not be sent"));
    }
    match ended.code() {
        Code(0) if !complete => LOST,
        code => code,
    }
}

/// The assets that the program has materialized in the session that it shares; Dagster refuses a
/// second time. Only what goes to a file can be seen.
fn shared(args: &Args, ended: &Ended) -> Vec<String> {
    if !args.share || !args.materialize || ended.failure().is_some() {
        return Vec::new();
    }
    let Ok(MessagesParams::File { path, .. }) = ParamsLoader::from_env().messages_params() else {
        return Vec::new();
    };
    match History::of_all(path.as_ref()) {
        Ok(history) => history.materialized,
        Err(failure) => {
            error(&failure.to_string());
            Vec::new()
        }
    }
}

fn materialization(asset: &str, took: Duration) -> Materialization {
    Materialization::new().asset_key(asset).metadata([
        ("duration_seconds", MetadataValue::from(took.as_secs_f64())),
        ("exit_code", MetadataValue::from(0)),
    ])
}

fn exception(args: &Args, words: &str, sender: &Sender) -> PipesException {
    let program = args.command.first().map_or(OsStr::new(""), |name| name);
    let program = program.display();
    let last: Vec<&str> = sender.last_lines().collect();
    let message = match last.as_slice() {
        [] => format!("`{program}` {words}"),
        last => format!(
            "`{program}` {words}. The end of its stderr:\n{}",
            last.join("\n")
        ),
    };
    PipesException {
        name: Some("ProcessFailed".to_owned()),
        ..PipesException::new(message)
    }
}

/// The program did not run, and Dagster is told why.
fn not_run(pipes: &PipesContext, failure: Failure) -> Failure {
    let exception = PipesException {
        name: Some("ProcessNotStarted".to_owned()),
        ..PipesException::new(failure.to_string())
    };
    if let Err(unsent) = pipes.close_with_exception(&exception) {
        error(&unsent.to_string());
    }
    failure
}

/// The command, without what it is not to see.
fn prepare(args: &Args, words: &[OsString]) -> Result<Command, Failure> {
    let mut command = hosted::command(words)?;
    if !args.share {
        command.env_remove(DAGSTER_PIPES_CONTEXT_ENV_VAR);
        command.env_remove(DAGSTER_PIPES_MESSAGES_ENV_VAR);
    }
    Ok(command)
}

/// The command by way of `ironpipe become`, so that it does not outlive us.
#[cfg(target_os = "linux")]
fn bound(words: &[OsString]) -> Vec<OsString> {
    let Ok(ourselves) = std::env::current_exe() else {
        return words.to_vec();
    };
    let parent = std::process::id().to_string();
    let way = [
        ourselves.into(),
        "become".into(),
        parent.into(),
        "--".into(),
    ];
    way.into_iter().chain(words.iter().cloned()).collect()
}

#[cfg(not(target_os = "linux"))]
fn bound(words: &[OsString]) -> Vec<OsString> {
    words.to_vec()
}

/// A way for stdout and one for stderr.
fn conduits(args: &Args, command: &mut Command, sender: &mut Sender) -> io::Result<[Conduit; 2]> {
    if !args.no_pty {
        match Conduit::terminal().and_then(|first| Ok([first, Conduit::terminal()?])) {
            Ok(terminals) => {
                // A pager would wait for a key that nobody presses.
                command.env("PAGER", "cat").env("GIT_PAGER", "cat");
                if std::env::var_os("TERM").is_none() {
                    command.env("TERM", "dumb");
                }
                return Ok(terminals);
            }
            Err(error) => sender.remark(&format!(
                "there is no terminal for the program ({error}), so it gets pipes; it may hold \
                 its lines back"
            )),
        }
    }
    Ok([Conduit::pipe()?, Conduit::pipe()?])
}

/// The stream that messages go out on, if they do.
fn message_stream() -> Option<Stdio> {
    match ParamsLoader::from_env().messages_params() {
        Ok(MessagesParams::Stream(stream) | MessagesParams::BufferedStream(stream)) => Some(stream),
        _ => None,
    }
}

/// The assets to report, found before the program runs for an hour in vain.
fn assets(args: &Args, pipes: &PipesContext) -> Result<Vec<String>, Failure> {
    const METHOD: &str = "report_asset_materialization";
    if !args.materialize {
        return Ok(Vec::new());
    }
    let given: Vec<Option<&str>> = match args.asset_keys.as_slice() {
        [] => vec![None],
        keys => keys.iter().map(|key| Some(key.as_str())).collect(),
    };
    let mut keys = Vec::new();
    for key in given {
        let known = pipes.context()?.resolve_asset_key(key, METHOD);
        keys.push(known.map_err(|error| {
            Failure::new(
                FAILED,
                format!("--materialize: {error} The program was not run."),
            )
        })?);
    }
    Ok(keys)
}

fn levels(args: &Args) -> Result<Levels, Failure> {
    if !args.level_patterns.is_empty() {
        return Ok(Levels::Own(args.level_patterns.clone()));
    }
    Levels::usual().map_err(|error| Failure::new(FAILED, error.to_string()))
}

fn parse_level(name: &str) -> Result<Level, String> {
    Level::from_name(name)
        .ok_or_else(|| "it takes DEBUG, INFO, WARNING, ERROR or CRITICAL".to_owned())
}
