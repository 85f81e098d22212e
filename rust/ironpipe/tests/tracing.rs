//! What the program logs with the crate `tracing`.

mod common;

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use common::Launch;
use ironpipe::channel::MessageChannel;
use ironpipe::logging::TracingLayer;
use ironpipe::{PipesContext, PipesOptions, Value};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::with_default;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, registry};

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

#[test]
fn levels_fields_and_spans() {
    let launch = Launch::new("{}");
    let pipes = launch.open();
    with_default(registry().with(TracingLayer::new(&pipes)), || {
        tracing::error!("e {}", 1);
        tracing::warn!("w");
        let error: &(dyn std::error::Error + 'static) = &io::Error::other("no room");
        tracing::info!(rows = 12, file = "a b.csv", error, ok = true, "read");
        tracing::info!(only = "fields");
        let span = tracing::info_span!("load", table = "orders", late = tracing::field::Empty);
        span.in_scope(|| {
            span.record("late", 1.5);
            tracing::debug_span!("page").in_scope(|| tracing::debug!(who = ?Some(1), "d"));
        });
        tracing::trace!("t");
    });
    assert_eq!(
        logs(&launch),
        expect([
            ("ERROR", "e 1"),
            ("WARNING", "w"),
            (
                "INFO",
                r#"read rows=12 file="a b.csv" error="no room" ok=true"#
            ),
            ("INFO", "only=fields"),
            ("DEBUG", "load{table=orders late=1.5}: page: d who=Some(1)"),
            ("DEBUG", "t"),
        ])
    );
}

#[test]
fn filters_and_options() {
    let launch = Launch::new("{}");
    let pipes = launch.open();
    let layer = TracingLayer::new(&pipes)
        .with_target(true)
        .with_spans(false);
    let layer = layer.with_filter(LevelFilter::INFO);
    with_default(registry().with(layer), || {
        tracing::info_span!("load", n = 1).in_scope(|| {
            tracing::info!(target: "app::db", "connected");
            tracing::debug!("too fine");
        });
        pipes.close().unwrap();
        tracing::info!("after");
    });
    assert_eq!(logs(&launch), expect([("INFO", "app::db: connected")]));
    let nobody = TracingLayer::new(&PipesContext::inactive());
    with_default(registry().with(nobody), || tracing::info!("to nobody"));
}

#[test]
fn a_channel_that_logs() {
    struct Chatty(Arc<Mutex<Vec<String>>>);

    impl MessageChannel for Chatty {
        fn write_line(&mut self, line: &[u8]) -> io::Result<()> {
            tracing::info!("writing {} bytes", line.len());
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
    with_default(registry().with(TracingLayer::new(&pipes)), || {
        tracing::info!("one");
        pipes.info("two").unwrap();
        pipes.close().unwrap();
    });
    let lines = lines.lock().unwrap();
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert!(lines[1].contains("\"one\"") && lines[2].contains("\"two\""));
}
