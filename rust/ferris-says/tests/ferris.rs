//! The crab as its users meet it: launched by hand, by Dagster, and wrongly.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use ironpipe::Value;
use ironpipe::protocol::bootstrap::{
    DAGSTER_PIPES_CONTEXT_ENV_VAR as CONTEXT, DAGSTER_PIPES_MESSAGES_ENV_VAR as MESSAGES,
    MAX_PARAM_BYTES, encode_param,
};
use tempfile::TempDir;

const WORDS: &str = "what you want";

/// A directory with a hand-made context, and the values that lead to it.
struct Launch {
    directory: TempDir,
    context: String,
    messages: String,
}

impl Launch {
    fn new() -> Launch {
        let directory = tempfile::tempdir().unwrap();
        let context = directory.path().join("context");
        fs::write(&context, r#"{"asset_keys": ["ferris"]}"#).unwrap();
        Launch {
            context: path_param(&context),
            messages: path_param(&directory.path().join("messages")),
            directory,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn command(&self) -> Command {
        self.command_of(env!("CARGO_BIN_EXE_ferris_says"))
    }

    fn command_of(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env(CONTEXT, &self.context)
            .env(MESSAGES, &self.messages);
        command
    }

    fn say(&self, words: &str) -> Output {
        self.command().arg(words).output().unwrap()
    }

    /// Says something, which must fail with an error that holds all of `parts`.
    fn fails(&self, parts: &[&str]) {
        assert_failed(&self.say(WORDS), parts);
    }

    fn messages(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.path("messages")).unwrap();
        assert!(text.ends_with('\n'));
        text.lines()
            .map(|line| Value::parse(line.as_bytes()).unwrap())
            .collect()
    }
}

fn path_param(path: &Path) -> String {
    encode_param(&Value::from_iter([("path", path.to_str().unwrap())]).to_json())
}

fn assert_failed(output: &Output, parts: &[&str]) {
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    // A panic has 101, a signal none.
    assert_eq!(output.status.code(), Some(1), "{words}");
    assert_eq!(words.lines().count(), 1, "one clear error: {words}");
    assert!(words.starts_with("error: "), "{words}");
    for part in parts {
        assert!(words.contains(part), "{part:?} in {words}");
    }
}

fn part<'a>(message: &'a Value, path: &[&str]) -> &'a Value {
    path.iter().fold(message, |value, key| {
        value.get(key).unwrap_or_else(|| panic!("{key} in {value}"))
    })
}

fn methods(messages: &[Value]) -> Vec<&str> {
    let method = |message| part(message, &["method"]).as_str().unwrap();
    messages.iter().map(method).collect()
}

#[test]
fn by_itself_it_says_once_that_dagster_is_not_there() {
    let output = Command::new(env!("CARGO_BIN_EXE_ferris_says"))
        .env_remove(CONTEXT)
        .env_remove(MESSAGES)
        .arg(WORDS)
        .output()
        .unwrap();
    assert!(output.status.success());
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.contains("not launched by Dagster"), "{stderr}");
    assert!(String::from_utf8(output.stdout).unwrap().contains(WORDS));
}

#[test]
fn launched_it_reports_what_it_said() {
    let launch = Launch::new();
    let output = launch.say(WORDS);
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(stdout.starts_with("ferris comes") && stdout.contains(WORDS));

    let messages = launch.messages();
    assert_eq!(
        methods(&messages),
        [
            "opened",
            "log",
            "log",
            "report_asset_check",
            "report_asset_check",
            "report_asset_materialization",
            "closed"
        ]
    );
    for (message, text) in [(1, "ferris will now speak"), (2, "ferris spoke")] {
        let params = part(&messages[message], &["params"]);
        assert_eq!(part(params, &["message"]).as_str(), Some(text));
        assert_eq!(part(params, &["level"]).as_str(), Some("INFO"));
    }
    assert_eq!(
        part(&messages[3], &["params"]).to_json(),
        concat!(
            r#"{"asset_key":"ferris","check_name":"ferris_should_say_something","passed":true,"#,
            r#""severity":"ERROR","metadata":{"what_did_you_say":{"raw_value":true,"type":"bool"}}}"#
        )
    );
    assert_eq!(
        part(&messages[4], &["params"]).to_json(),
        concat!(
            r#"{"asset_key":"ferris","check_name":"ferris_should_speak_3_words","passed":true,"#,
            r#""severity":"WARN","metadata":{"number_of_words_spoken_by_ferris":{"raw_value":3,"type":"int"}}}"#
        )
    );
    let report = part(&messages[5], &["params"]);
    let seconds = part(report, &["data_version"]).as_str().unwrap();
    assert!(seconds.parse::<u64>().unwrap() > 1_700_000_000);
    assert_eq!(
        part(report, &["metadata"]).to_json(),
        r#"{"ferris_said":{"raw_value":"what you want","type":"text"}}"#
    );
    assert_eq!(part(&messages[6], &["params"]).to_json(), "{}");
    let numbers: Vec<i64> = messages
        .iter()
        .map(|message| part(message, &["__ironpipe"]).as_array().unwrap()[1].as_i64())
        .map(Option::unwrap)
        .collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn few_words_fail_checks() {
    for (words, something, three) in [("", false, false), ("two words", true, false)] {
        let launch = Launch::new();
        assert!(launch.say(words).status.success());
        let messages = launch.messages();
        let passed = |message: usize| part(&messages[message], &["params", "passed"]).as_bool();
        assert_eq!((passed(3), passed(4)), (Some(something), Some(three)));
    }
}

#[test]
fn several_at_once_do_not_tear_the_lines() {
    let launch = Launch::new();
    let words = "x".repeat(100_000);
    let children: Vec<_> = (0..4)
        .map(|_| {
            let mut command = launch.command();
            command.arg(&words).stdout(Stdio::null()).spawn().unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(launch.messages().len(), 4 * 7);
}

#[test]
fn an_error_ends_it_with_closed_exception() {
    let launch = Launch::new();
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let output = launch.command().arg(WORDS).stdout(full).output().unwrap();
    assert_failed(&output, &["can't write to stdout", "No space left"]);
    let messages = launch.messages();
    assert_eq!(methods(&messages), ["opened", "closed"]);
    let exception = part(&messages[1], &["params", "exception"]);
    let text = part(exception, &["message"]).as_str().unwrap();
    assert!(text.contains("can't write to stdout"), "{text}");
    let cause = part(exception, &["cause", "name"]);
    assert_eq!(cause.as_str(), Some("StorageFull"));
}

#[test]
fn what_it_prints_travels_too_if_dagster_asks_for_it() {
    let mut launch = Launch::new();
    let path = launch.path("messages");
    let params = Value::Object(vec![
        ("path".into(), path.to_str().unwrap().into()),
        ("include_stdio_in_messages".into(), true.into()),
    ]);
    launch.messages = encode_param(&params.to_json());
    let output = launch.say(WORDS);
    assert!(output.status.success());
    let messages = launch.messages();
    assert_eq!(methods(&messages).last(), Some(&"closed"));
    let printed: String = messages
        .iter()
        .filter_map(|message| part(message, &["params"]).get("text")?.as_str())
        .collect();
    assert_eq!(printed, String::from_utf8(output.stdout).unwrap());
    let position = |method: &str| methods(&messages).iter().position(|m| *m == method);
    assert!(
        position("log_external_stream") < position("log"),
        "order holds"
    );
}

#[test]
fn bad_bootstrap_values_are_named() {
    let bomb = encode_param(&" ".repeat(MAX_PARAM_BYTES + 1));
    for (value, why) in [
        ("", "is empty"),
        ("!?", "is not base64"),
        ("aGVsbG8=", "zlib"),
        ("eJyrVipILMlQslJQ", "cut off"),
        (bomb.as_str(), "limit of 16777216 bytes"),
        (&encode_param("{\"path\""), "is not JSON"),
        (&encode_param("{}"), "must hold the key"),
        (&encode_param(r#"{"path":7}"#), "must be a string"),
    ] {
        let mut launch = Launch::new();
        launch.context = value.into();
        launch.fails(&[CONTEXT, why]);
        let mut launch = Launch::new();
        launch.messages = value.into();
        launch.fails(&[MESSAGES, why]);
    }
    let launch = Launch::new();
    let output = launch
        .command()
        .env_remove(MESSAGES)
        .arg(WORDS)
        .output()
        .unwrap();
    assert_failed(&output, &[MESSAGES, "is not set"]);
}

#[test]
fn bad_contexts_are_named() {
    let launch = Launch::new();
    let path = launch.path("context");
    let name = path.to_str().unwrap();
    for (content, why) in [
        ("", "not JSON"),
        ("[1]", "must be an object"),
        (r#"{"asset_keys":"ferris"}"#, "`asset_keys` must be"),
    ] {
        fs::write(&path, content).unwrap();
        launch.fails(&[name, why]);
    }
    fs::remove_file(&path).unwrap();
    launch.fails(&[name, "No such file"]);
    fs::create_dir(&path).unwrap();
    launch.fails(&[name, "Is a directory"]);

    // A context without the asset: nothing to report about.
    let mut launch = Launch::new();
    launch.context = encode_param(r#"{"data":{"asset_keys":[]}}"#);
    launch.fails(&["does not target a specific asset"]);
    let messages = launch.messages();
    assert_eq!(methods(&messages), ["opened", "log", "log", "closed"]);
    launch.context = encode_param(r#"{"data":{}}"#);
    launch.fails(&["`asset_keys` is not in the Pipes context"]);
}

#[test]
fn bad_message_paths_are_named() {
    let mut launch = Launch::new();
    let directory = launch.directory.path().to_owned();
    launch.messages = path_param(&directory.join("no/such/file"));
    launch.fails(&["no/such/file", "No such file"]);
    launch.messages = encode_param(r#"{"bucket":"b","key_prefix":"k"}"#);
    launch.fails(&[MESSAGES, "`bucket`, `key_prefix`"]);
}

#[test]
fn a_full_disk_is_an_error() {
    let mut launch = Launch::new();
    launch.messages = path_param(Path::new("/dev/full"));
    launch.fails(&["/dev/full", "No space left"]);
}

#[test]
fn a_file_size_limit_is_an_error_and_leaves_whole_lines() {
    for (kilobytes, sent) in [("0", 0), ("1", 3)] {
        let launch = Launch::new();
        let script = format!("ulimit -f {kilobytes} && exec \"$@\"");
        let output = launch
            .command_of("bash")
            .args(["-c", &script, "bash", env!("CARGO_BIN_EXE_ferris_says")])
            .arg("long ".repeat(200))
            .output()
            .unwrap();
        assert_failed(&output, &["messages", "File too large"]);
        let text = fs::read_to_string(launch.path("messages")).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'));
        assert!(text.lines().count() >= sent, "{text}");
    }
}
