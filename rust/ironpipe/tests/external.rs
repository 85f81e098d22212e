//! The session of an external process, from opening it to the lines in the file.

mod common;

use common::Launch;
use ironpipe::protocol::bootstrap::Stdio;
use ironpipe::protocol::exception::PipesException;
use ironpipe::{
    CheckResult, Materialization, Metadata, MetadataValue, PipesContext, Severity, Value,
};

fn refusal<T: std::fmt::Debug>(result: ironpipe::Result<T>) -> String {
    result.unwrap_err().to_string()
}

const ONE: &str = r#"{"asset_keys":["a/b"],"extras":{"k":{"n":[1,2]}}}"#;
const TWO: &str = r#"{"asset_keys":["a","b"]}"#;

#[test]
fn every_report_arrives_as_the_protocol_has_it() {
    let launch = Launch::new(ONE);
    let pipes = launch.open();
    pipes.debug("quoth \"he\"\n").unwrap();
    pipes.warning(String::from("é")).unwrap();
    pipes
        .report_asset_materialization(
            Materialization::new()
                .data_version("v")
                .metadata(Metadata::new().with("n", 1).with("nan", f64::NAN)),
        )
        .unwrap();
    pipes
        .report_asset_check(
            CheckResult::new("c", false)
                .severity(Severity::Warn)
                .metadata([("url", MetadataValue::url("u"))]),
        )
        .unwrap();
    pipes
        .report_asset_check(CheckResult::new("c", true))
        .unwrap();
    pipes.report_custom_message(&(1, f64::INFINITY)).unwrap();
    pipes
        .log_external_stream(Stdio::Stdout, "half", Vec::new())
        .unwrap();
    pipes.close().unwrap();
    let expected = [
        ("opened", r#"{"extras":{"pid":7}}"#),
        ("log", r#"{"message":"quoth \"he\"\n","level":"DEBUG"}"#),
        ("log", r#"{"message":"é","level":"WARNING"}"#),
        (
            "report_asset_materialization",
            r#"{"asset_key":"a/b","data_version":"v","metadata":{"n":{"raw_value":1,"type":"int"},"nan":{"raw_value":NaN,"type":"float"}}}"#,
        ),
        (
            "report_asset_check",
            r#"{"asset_key":"a/b","check_name":"c","passed":false,"severity":"WARN","metadata":{"url":{"raw_value":"u","type":"url"}}}"#,
        ),
        (
            "report_asset_check",
            r#"{"asset_key":"a/b","check_name":"c","passed":true,"severity":"ERROR","metadata":null}"#,
        ),
        ("report_custom_message", r#"{"payload":[1,Infinity]}"#),
        (
            "log_external_stream",
            r#"{"stream":"stdout","text":"half","extras":{}}"#,
        ),
        ("closed", "{}"),
    ];
    let expected = expected.map(|(method, params)| (method.to_owned(), params.to_owned()));
    assert_eq!(launch.messages(), expected);
}

#[test]
fn what_dagster_would_refuse_is_never_sent() {
    let launch = Launch::new(TWO);
    let pipes = launch.open();
    let report = || Materialization::new().asset_key("a");
    let why = refusal(pipes.report_asset_materialization(Materialization::new()));
    assert!(
        why.contains("Current step targets multiple assets"),
        "{why}"
    );
    let why = refusal(pipes.report_asset_check(CheckResult::new("c", true).asset_key("zz")));
    assert_eq!(
        why,
        "Invalid asset key. Expected one of `['a', 'b']`, got `zz`."
    );
    let why = refusal(
        pipes.report_asset_materialization(report().metadata([("m", MetadataValue::json(1))])),
    );
    assert!(why.contains("metadata['m']"), "{why}");
    assert_eq!(launch.messages().len(), 1);

    // A refused report does not count as one.
    pipes.report_asset_materialization(report()).unwrap();
    let why = refusal(pipes.report_asset_materialization(report()));
    assert_eq!(
        why,
        "Calling `report_asset_materialization` with asset key `a` is undefined. Asset has already \
         been materialized, so no additional data can be reported for it."
    );
    pipes
        .report_asset_materialization(Materialization::new().asset_key("b"))
        .unwrap();
    assert_eq!(launch.messages().len(), 3);
}

#[test]
fn after_close_every_report_is_refused() {
    let launch = Launch::new(ONE);
    let pipes = launch.open();
    pipes.close().unwrap();
    pipes.close().unwrap();
    assert!(pipes.is_closed());
    for result in [
        pipes.info("x"),
        pipes.report_custom_message("x"),
        pipes.report_asset_check(CheckResult::new("c", true)),
        pipes.report_asset_materialization(Materialization::new()),
    ] {
        assert_eq!(
            refusal(result),
            "Cannot send message after pipes context is closed."
        );
    }
    drop(pipes);
    assert_eq!(launch.messages().len(), 2);
    // A worker goes on with the next session.
    launch.open().info("again").unwrap();
    assert_eq!(launch.messages().len(), 5);
}

#[test]
fn the_context_is_at_hand() {
    let pipes = Launch::new(ONE).open();
    assert_eq!(pipes.asset_key().unwrap(), "a/b");
    let numbers: Vec<u8> = pipes
        .get_extra("k")
        .unwrap()
        .get("n")
        .unwrap()
        .decode()
        .unwrap();
    assert_eq!(numbers, [1, 2]);
    assert!(refusal(pipes.run_id()).contains("`run_id` is not in the Pipes context"));
}

#[test]
fn what_is_provided_is_known_before() {
    let full = r#"{"asset_keys":["a/b"],"code_version_by_asset_key":{"a/b":"c1"},
        "provenance_by_asset_key":{"a/b":null},"partition_key":"2024-01-02",
        "partition_key_range":{"start":"s","end":"e"},
        "partition_time_window":{"start":"s","end":"e"},
        "run_id":"r","job_name":null,"retry_number":0,"extras":{"k":null}}"#;
    let pipes = Launch::new(full).open();
    assert!(pipes.asset_key_provided() && pipes.asset_keys_provided());
    assert!(pipes.code_version_provided() && !pipes.provenance_provided());
    assert!(pipes.partition_key_provided() && pipes.partition_key_range_provided());
    assert!(pipes.partition_time_window_provided() && !pipes.job_name_provided());
    assert!(pipes.extra_provided("k") && !pipes.extra_provided("l"));
    let versions = pipes.code_version_by_asset_key().unwrap();
    assert_eq!(versions, [("a/b", Some("c1"))]);
    assert_eq!(pipes.provenance_by_asset_key().unwrap(), [("a/b", None)]);

    let op = r#"{"asset_keys":null,"partition_key":null,"partition_key_range":null}"#;
    for pipes in [Launch::new(op).open(), PipesContext::inactive()] {
        assert!(!pipes.asset_key_provided() && !pipes.asset_keys_provided());
        assert!(!pipes.code_version_provided() && !pipes.partition_key_provided());
        assert!(!pipes.partition_key_range_provided() && !pipes.extra_provided("k"));
    }
}

#[test]
fn a_payload_that_can_not_be_sent_is_named_by_its_place() {
    let launch = Launch::new(ONE);
    let pipes = launch.open();
    let odd = std::collections::BTreeMap::from([((1, 2), 3)]);
    let why = refusal(pipes.report_custom_message(&[("fine", vec![]), ("odd", vec![odd])]));
    assert_eq!(
        why,
        "Invalid value for parameter `payload` of `report_custom_message`: a key must be a \
         string, a number, a bool or null: payload[1][1][0]."
    );
    let deep = (0..600).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
    let why = refusal(pipes.report_custom_message(&deep));
    assert!(why.contains("nested deeper than 512"), "{why}");
    let why = refusal(pipes.log_external_stream(Stdio::Stdout, "", vec![("k".into(), deep)]));
    assert!(why.contains("nested deeper"), "{why}");
    assert_eq!(launch.messages().len(), 1);
}

#[test]
fn what_is_as_deep_as_can_be_arrives() {
    let launch = Launch::new(ONE);
    let pipes = launch.open();
    let nested = |n: usize| (0..n).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
    let json = |n| Materialization::new().with("m", MetadataValue::json(nested(n)));
    assert!(pipes.report_custom_message(&nested(511)).is_err());
    pipes.report_custom_message(&nested(510)).unwrap();
    assert!(pipes.report_asset_materialization(json(509)).is_err());
    pipes.report_asset_materialization(json(508)).unwrap();
    pipes.close().unwrap();
    let mut reader =
        ironpipe::reader::MessageReader::read(launch.path(), ironpipe::framing::MAX_LINE).unwrap();
    while reader.next(None).unwrap() != ironpipe::reader::Next::Ended {}
    let report = reader.handle().report();
    assert_eq!(
        (report.delivered, report.rejected_count),
        (4, 0),
        "{report}"
    );
}

#[test]
fn dropping_closes() {
    let launch = Launch::new(ONE);
    drop(launch.open());
    assert_eq!(launch.messages()[1], ("closed".to_owned(), "{}".to_owned()));
}

#[test]
fn an_error_closes_with_its_causes() {
    let launch = Launch::new(ONE);
    let pipes = launch.open();
    let missing = ironpipe::protocol::context::ContextData::read("/no/such", 9);
    pipes.close_with_error(&missing.unwrap_err()).unwrap();
    let (method, params) = launch.messages().pop().unwrap();
    assert_eq!(method, "closed");
    let params = Value::parse(params.as_bytes()).unwrap();
    let exception = PipesException::from_value(params.get("exception").unwrap()).unwrap();
    assert_eq!(exception.name.as_deref(), Some("Context"));
    assert!(exception.message.contains("/no/such"));
}

/// An error of the program's, with a cause.
#[derive(Debug)]
struct NoRows(std::num::ParseIntError);

impl std::fmt::Display for NoRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no number of rows")
    }
}

impl std::error::Error for NoRows {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

#[test]
fn an_error_of_main_closes_with_its_causes() {
    let launch = Launch::new(ONE);
    ironpipe::PipesOptions::new()
        .params(launch.params())
        .run(|_| {
            "x".parse::<u8>().map_err(NoRows)?;
            Ok(())
        });
    let (_, params) = launch.messages().pop().unwrap();
    let params = Value::parse(params.as_bytes()).unwrap();
    let exception = PipesException::from_value(params.get("exception").unwrap()).unwrap();
    assert_eq!(exception.name.as_deref(), Some("NoRows"));
    let cause = exception.cause.unwrap();
    assert_eq!(cause.message, "invalid digit found in string");
}

#[test]
fn a_panic_closes_with_its_message() {
    let launch = Launch::new(ONE);
    let pipes = launch.open();
    let outcome = std::thread::spawn(move || {
        pipes.info("so far so good").unwrap();
        panic!("the {} fell over", "cart");
    })
    .join();
    assert!(outcome.is_err());
    let (method, params) = launch.messages().pop().unwrap();
    assert_eq!(method, "closed");
    let params = Value::parse(params.as_bytes()).unwrap();
    let exception = PipesException::from_value(params.get("exception").unwrap()).unwrap();
    assert_eq!(exception.message, "the cart fell over");
    assert_eq!(exception.name.as_deref(), Some("panic"));
    assert!(exception.stack.last().unwrap().contains("external.rs"));
}

const fn shared<T: Send + Sync + 'static>() {}
const _: () = shared::<PipesContext>();
const _: () = shared::<ironpipe::Error>();
const _: () = shared::<Materialization>();
const _: () = shared::<CheckResult>();
const _: () = shared::<Metadata>();
const _: () = shared::<Value>();

#[test]
fn threads_share_a_session() {
    let launch = Launch::new(ONE);
    let pipes = launch.open();
    let wins = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for i in 0..8 {
            let (pipes, wins) = (&pipes, &wins);
            scope.spawn(move || {
                for j in 0..50 {
                    pipes.info(format!("{i} {j}")).unwrap();
                }
                if pipes
                    .report_asset_materialization(Materialization::new())
                    .is_ok()
                {
                    wins.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(wins.into_inner(), 1);
    assert_eq!(launch.messages().len(), 1 + 8 * 50 + 1);
}

#[test]
fn a_process_of_its_own_reports_nothing() {
    let pipes = PipesContext::inactive();
    pipes.info("x").unwrap();
    pipes
        .report_asset_materialization(Materialization::new())
        .unwrap();
    pipes.close().unwrap();
    assert!(!pipes.is_dagster_process());
    assert!(refusal(pipes.asset_key()).contains("not launched by Dagster"));
}

#[test]
fn reports_as_json_text_are_checked_too() {
    let launch = Launch::new(ONE);
    let pipes = launch.open();
    for bad in [
        pipes.report_asset_materialization_json(None, None, Some(b"{\"m\":1}")),
        pipes.report_asset_materialization_json(None, None, Some(b"{")),
        pipes.report_asset_check_json(None, "c", true, "FATAL", None),
        pipes.report_custom_message_json(b"1}\n{"),
        pipes.report_custom_message_json(b"\"\xff\""),
        pipes.log_json(ironpipe::Level::Info, b"1"),
        pipes.close_json(Some(b"{\"message\":\"m\"}")),
    ] {
        let why = refusal(bad);
        assert!(why.starts_with("Invalid value for parameter"), "{why}");
    }
    assert!(!pipes.is_closed());
    pipes
        .report_asset_materialization_json(None, None, Some(b"{}"))
        .unwrap();
    pipes
        .log_json(ironpipe::Level::Info, b"\"\\ud800\"")
        .unwrap();
    let messages = launch.messages();
    assert!(messages[1].1.ends_with(r#""metadata":null}"#));
    assert_eq!(messages.len(), 3);
}
