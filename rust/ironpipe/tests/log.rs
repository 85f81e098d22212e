//! What the program logs with the crate `log`.

mod common;

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use common::Launch;
use ironpipe::channel::MessageChannel;
use ironpipe::logging::PipesLogger;
use ironpipe::{PipesContext, PipesOptions, Value};
use log::{Log, Metadata, Record};

/// Keeps what it is given.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<String>>>);

impl Memory {
    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl Log for Memory {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        self.0.lock().unwrap().push(record.args().to_string());
    }

    fn flush(&self) {}
}

fn logs(launch: &Launch) -> Vec<(String, String)> {
    let logs = launch
        .messages()
        .into_iter()
        .filter(|(method, _)| method == "log");
    logs.map(|(_, params)| {
        let params = Value::parse(params.as_bytes()).unwrap();
        let text = |name: &str| params.get(name).unwrap().as_str().unwrap().to_owned();
        (text("level"), text("message"))
    })
    .collect()
}

fn expect<const N: usize>(pairs: [(&str, &str); N]) -> Vec<(String, String)> {
    pairs
        .map(|(level, text)| (level.into(), text.into()))
        .into()
}

/// The logger of the program and its level are one for all tests, so one test has them.
#[test]
fn what_the_program_logs() {
    log::set_max_level(log::LevelFilter::Trace);
    levels_and_key_values();
    the_logger_of_the_program();
    a_channel_that_logs();
}

fn levels_and_key_values() {
    let launch = Launch::new("{}");
    let pipes = launch.open();
    let logger = PipesLogger::new(&pipes);
    log::error!(logger: logger, "e {}", 1);
    log::warn!(logger: logger, "w");
    log::info!(logger: logger, rows = 12, file = "a b.csv", ok = true, who:? = Some(1); "read");
    log::debug!(logger: logger, "d");
    log::trace!(logger: logger, "t\nt");
    let logger = PipesLogger::new(&pipes).with_target(true);
    log::info!(logger: logger, target: "app::db", "connected");
    assert_eq!(
        logs(&launch),
        expect([
            ("ERROR", "e 1"),
            ("WARNING", "w"),
            ("INFO", r#"read rows=12 file="a b.csv" ok=true who=Some(1)"#),
            ("DEBUG", "d"),
            ("DEBUG", "t\nt"),
            ("INFO", "app::db: connected"),
        ])
    );
}

fn the_logger_of_the_program() {
    let printed = Memory::default();
    for launch in [Launch::new("{}"), Launch::new("{}")] {
        let pipes = launch.open();
        let logger = PipesLogger::new(&pipes).also(printed.clone());
        logger.install(log::LevelFilter::Info).unwrap();
        log::info!("inside");
        log::debug!("too fine");
        pipes.close().unwrap();
        log::info!("after");
        drop(pipes);
        log::info!("long after");
        assert_eq!(logs(&launch), expect([("INFO", "inside")]));
    }
    let twice = ["inside", "after", "long after"].repeat(2);
    assert_eq!(printed.lines(), twice);

    let nobody = PipesLogger::new(&PipesContext::inactive());
    assert!(!nobody.enabled(&Metadata::builder().build()));
    nobody.install(log::LevelFilter::Info).unwrap();
    log::info!("to nobody");
}

/// A channel that logs would send what it logs through itself.
fn a_channel_that_logs() {
    struct Chatty(Arc<Mutex<Vec<String>>>);

    impl MessageChannel for Chatty {
        fn write_line(&mut self, line: &[u8]) -> io::Result<()> {
            log::info!("writing {} bytes", line.len());
            let line = String::from_utf8_lossy(line).into_owned();
            self.0.lock().unwrap().push(line);
            Ok(())
        }

        fn name(&self) -> &Path {
            Path::new("chatty")
        }
    }

    let launch = Launch::new("{}");
    let lines = Arc::new(Mutex::new(Vec::new()));
    let channel = Chatty(lines.clone());
    let pipes = PipesOptions::new()
        .params(launch.params())
        .open_channel(move |_| Ok(channel))
        .open()
        .unwrap();
    let printed = Memory::default();
    let logger = PipesLogger::new(&pipes).also(printed.clone());
    logger.install(log::LevelFilter::Info).unwrap();
    log::info!("one");
    pipes.info("two").unwrap();
    pipes.close().unwrap();
    let lines = lines.lock().unwrap();
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert!(lines[1].contains("\"one\"") && lines[2].contains("\"two\""));
    assert_eq!(printed.lines().len(), 4, "{:?}", printed.lines());
    assert!(printed.lines()[0].starts_with("writing "));
    assert_eq!(printed.lines()[1], "one");
}
