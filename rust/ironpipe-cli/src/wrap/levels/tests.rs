use super::*;
use Level::{Critical, Debug, Error, Info, Warning};

#[test]
fn the_usual_forms() {
    let levels = Levels::usual().unwrap();
    for (line, level) in [
        // Python
        ("ERROR:root:it burns", Some(Error)),
        ("WARNING:app.db:slow", Some(Warning)),
        ("CRITICAL:root:down", Some(Critical)),
        ("DEBUG:x:y", Some(Debug)),
        (
            "2024-01-02 03:04:05,678 - root - INFO - started",
            Some(Info),
        ),
        (
            "2024-01-02 03:04:05,678 - my.mod - ERROR - bad",
            Some(Error),
        ),
        ("root - WARNING - odd", Some(Warning)),
        ("2024-01-02 03:04:05,678 INFO started", Some(Info)),
        ("2024-01-02 03:04:05,678 WARNING  mod:17 odd", Some(Warning)),
        (
            "[2024-01-02 03:04:05,678] {local.py:1} ERROR - bad",
            Some(Error),
        ),
        (
            "2024-01-02 03:04:05.678 | SUCCESS  | mod:f:1 - done",
            Some(Info),
        ),
        (
            "2024-01-02 03:04:05.678 | CRITICAL | mod:f:1 - done",
            Some(Critical),
        ),
        (
            "[2024-01-02 03:04:05 +0000] [17] [INFO] Booting worker",
            Some(Info),
        ),
        ("Traceback (most recent call last):", Some(Error)),
        (
            "  + Exception Group Traceback (most recent call last):",
            Some(Error),
        ),
        ("ValueError: no", Some(Error)),
        ("requests.exceptions.ConnectionError: no", Some(Error)),
        ("/x/app.py:3: DeprecationWarning: old", Some(Warning)),
        // Rust
        (
            "[2024-01-02T03:04:05Z WARN  krate::module] odd",
            Some(Warning),
        ),
        ("[2024-01-02T03:04:05.123Z TRACE krate] deep", Some(Debug)),
        (
            "2024-01-02T03:04:05.123456Z  INFO krate::module: started",
            Some(Info),
        ),
        (
            "2024-01-02T03:04:05.123456Z ERROR krate: bad n=1",
            Some(Error),
        ),
        ("thread 'main' panicked at src/main.rs:2:5:", Some(Error)),
        (
            "thread 'main' (4711) panicked at src/main.rs:2:5:",
            Some(Error),
        ),
        ("error[E0308]: mismatched types", Some(Error)),
        ("error: could not compile `x`", Some(Error)),
        ("warning: unused variable: `x`", Some(Warning)),
        // The JVM
        (
            "24/01/02 03:04:05 WARN NativeCodeLoader: Unable to load",
            Some(Warning),
        ),
        (
            "2024-01-02 03:04:05,678 [main] INFO  com.x.App - up",
            Some(Info),
        ),
        (
            "2024-01-02 03:04:05.678 ERROR 17 --- [main] c.x.App : bad",
            Some(Error),
        ),
        ("03:04:05.678 [main] DEBUG org.x.Y - z", Some(Debug)),
        ("WARN  [main] org.x.Y - z", Some(Warning)),
        ("[INFO] --- compiler:3.1:compile", Some(Info)),
        ("[ERROR] COMPILATION ERROR :", Some(Error)),
        ("[0.005s][warning][gc] slow", Some(Warning)),
        ("SEVERE: bad", Some(Error)),
        (
            "Exception in thread \"main\" java.lang.IllegalStateException: x",
            Some(Error),
        ),
        ("java.lang.NullPointerException", Some(Error)),
        // dbt
        ("03:04:05  Running with dbt=1.7.4", None),
        (
            "03:04:05  1 of 2 ERROR creating sql view model main.x",
            Some(Error),
        ),
        ("03:04:05  2 of 2 OK created sql view model main.y", None),
        ("03:04:05  1 of 3 WARN 3 not_null_x", Some(Warning)),
        (
            "03:04:05  Database Error in model x (models/x.sql)",
            Some(Error),
        ),
        (
            "03:04:05  Completed with 1 error and 0 warnings:",
            Some(Error),
        ),
        ("03:04:05  Done. PASS=5 WARN=0 ERROR=0 SKIP=0 TOTAL=5", None),
        (
            "03:04:05  [WARNING]: Deprecated functionality",
            Some(Warning),
        ),
        ("03:04:05.123456 [error] [MainThread]: x", Some(Error)),
        ("03:04:05.123456 [info ] [MainThread]: x", Some(Info)),
        // Go
        ("I0102 15:04:05.678901   12345 file.cc:12] msg", Some(Info)),
        ("W0102 15:04:05.678901       1 x.go:1] odd", Some(Warning)),
        ("E0102 15:04:05.678901       1 x.go:1] bad", Some(Error)),
        ("F0102 15:04:05.678901       1 x.go:1] dead", Some(Critical)),
        (
            "time=\"2024-01-02T03:04:05Z\" level=warning msg=\"odd\"",
            Some(Warning),
        ),
        ("ts=1 lvl=dbug lvl=error msg=x", Some(Error)),
        ("level=info msg=up", Some(Info)),
        ("INFO[0001] up", Some(Info)),
        ("ERRO[0001] bad", Some(Error)),
        (
            "2024-01-02T03:04:05.000Z\tWARN\tx/y.go:1\todd",
            Some(Warning),
        ),
        ("panic: runtime error: index out of range", Some(Error)),
        // Servers
        (
            "2024/01/02 03:04:05 [error] 17#0: *1 open() failed",
            Some(Error),
        ),
        ("2024/01/02 03:04:05 [emerg] 17#0: bind()", Some(Critical)),
        (
            "[Wed Oct 11 14:32:52.1 2023] [core:warn] [pid 35] x",
            Some(Warning),
        ),
        (
            "2024-01-02 03:04:05.678 UTC [123] ERROR:  relation \"x\"",
            Some(Error),
        ),
        (
            "2024-01-02 03:04:05.678 UTC [123] me@db FATAL:  x",
            Some(Critical),
        ),
        ("<warn> odd", Some(Warning)),
        ("[warn] odd", Some(Warning)),
        // Tools
        ("fatal: not a git repository", Some(Critical)),
        ("main.c:3:5: error: 'x' undeclared", Some(Error)),
        ("main.c:3:5: warning: unused", Some(Warning)),
        ("App.java:3: error: ';' expected", Some(Error)),
        ("collect2: error: ld returned 1 exit status", Some(Error)),
        ("npm ERR! code E404", Some(Error)),
        ("npm warn deprecated x", Some(Warning)),
        ("E: Unable to locate package x", Some(Error)),
        ("W: Some index files failed", Some(Warning)),
        ("make: *** [Makefile:2: all] Error 1", Some(Error)),
        (
            "make[1]: *** No rule to make target 'x'.  Stop.",
            Some(Error),
        ),
        ("curl: (6) Could not resolve host: x", Some(Error)),
        // JSON
        (r#"{"level":"warn","msg":"odd"}"#, Some(Warning)),
        (r#"{"levelname": "ERROR", "message": "bad"}"#, Some(Error)),
        (r#"{"severity":"EMERGENCY","message":"x"}"#, Some(Critical)),
        (r#"{"lvl":"debug"}"#, Some(Debug)),
        (r#"{"log.level":"error","message":"x"}"#, Some(Error)),
        (r#"{"log":{"level":"error"},"message":"x"}"#, Some(Error)),
        (
            r#"{"info":{"level":"warn","msg":"x"},"data":{}}"#,
            Some(Warning),
        ),
        (r#"{"level":30,"msg":"pino"}"#, Some(Info)),
        (r#"{"level":50,"msg":"pino"}"#, Some(Error)),
        (r#"{"level":3,"short_message":"gelf"}"#, Some(Error)),
        (r#"{"level":null,"msg":"x"}"#, None),
        (r#"{"rows": 17}"#, None),
        (r#"{"level":"warn""#, None),
        // No level, whatever the words
        ("", None),
        ("hello world", None),
        ("The error was mine", None),
        ("Errors: 0", None),
        ("an INFO in the middle", None),
        ("INFORMATION follows", None),
        ("100 ERRORS", None),
        ("Information: x", None),
        ("level up=yes", None),
        ("  File \"x.py\", line 1, in f", None),
        ("https://example.org/error: x", None),
    ] {
        assert_eq!(levels.read(line).level, level, "{line}");
    }
}

#[test]
fn of_json_the_message_comes_first_and_nothing_is_left_out() {
    let levels = Levels::usual().unwrap();
    for (line, message) in [
        (r#"{"level":"info","msg":"up"}"#, Some("up")),
        (
            r#"{"ts":1,"level":"info","msg":"up","port":80}"#,
            Some(r#"up {"ts":1,"port":80}"#),
        ),
        (
            r#"{"info":{"level":"warn","msg":"x","n":1},"data":{}}"#,
            Some(r#"x {"info":{"n":1},"data":{}}"#),
        ),
        (r#"{"level":"info","port":80}"#, None),
        (r#"{"level":"info","msg":{"a":1}}"#, None),
        (r#"{"msg":"no level"}"#, None),
    ] {
        assert_eq!(levels.read(line).message.as_deref(), message, "{line}");
    }
}

#[test]
fn own_patterns() {
    let pattern = r"^(?P<level>\w+)!(?: (?P<message>.*))?$";
    let levels = Levels::Own(vec![own_pattern(pattern).unwrap()]);
    let read = |line| {
        let reading = levels.read(line);
        (reading.level, reading.message)
    };
    assert_eq!(read("warn! odd"), (Some(Warning), Some("odd".into())));
    assert_eq!(read("E! x"), (Some(Error), Some("x".into())));
    assert_eq!(read("gibberish! x"), (Some(Info), Some("x".into())));
    assert_eq!(read("ERROR: not asked for"), (None, None));
    assert!(own_pattern("(").is_err());
    assert!(
        own_pattern("(?P<message>.*)")
            .unwrap_err()
            .contains("level")
    );
}

#[test]
fn a_long_line_is_read_by_its_head() {
    let levels = Levels::usual().unwrap();
    let line = format!("ERROR: {}", "é".repeat(1 << 16));
    assert_eq!(levels.read(&line).level, Some(Error));
    let line = format!("{} level=error", "é".repeat(1 << 16));
    assert_eq!(levels.read(&line).level, None);
}
