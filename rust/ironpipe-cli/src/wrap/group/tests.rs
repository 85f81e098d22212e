use super::*;
use proptest::prelude::*;

fn level(line: &str) -> Option<Level> {
    let word = line.split(':').next().unwrap_or_default();
    Level::from_name(word)
}

/// The texts of the groups that lines make, all at one moment.
fn groups(lines: &[&str]) -> Vec<(Option<Level>, String)> {
    let now = Instant::now();
    let mut grouper = Grouper::default();
    let mut groups = Vec::new();
    for line in lines {
        groups.extend(grouper.push(line, line, level(line), now));
    }
    groups.extend(grouper.flush());
    groups
        .into_iter()
        .map(|group| (group.level, group.text))
        .collect()
}

/// Each of these is one message, with this level, also among other lines.
#[test]
fn a_trace_stays_together() {
    for (wanted, text) in [
        (
            Level::Error,
            "Traceback (most recent call last):\n  File \"x.py\", line 1, in <module>\n    f()\n    ~^^\nValueError: no",
        ),
        (
            Level::Error,
            "Traceback (most recent call last):\n  File \"x.py\", line 1, in f\nKeyError: 'x'\n\nDuring handling of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n  File \"x.py\", line 3, in f\nmod.sub.MyError",
        ),
        (
            Level::Error,
            "  + Exception Group Traceback (most recent call last):\n  |   File \"x.py\", line 1, in <module>\n  | ExceptionGroup: two (2 sub-exceptions)\n  +-+---------------- 1 ----------------\n    | ValueError: 1\n    +------------------------------------",
        ),
        (
            Level::Warning,
            "WARNING: logged with its cause\nTraceback (most recent call last):\n  File \"x.py\", line 1, in f\nValueError: no",
        ),
        (
            Level::Error,
            "Exception in thread \"main\" java.lang.IllegalStateException: x\n\tat com.x.App.main(App.java:3)\nCaused by: java.io.IOException: y\n\tat com.x.App.read(App.java:9)\n\t... 1 more",
        ),
        (
            Level::Error,
            "Exception in thread \"main\" x.Y: a\nmore words\n\tat x.Z.f(Z.java:1)\nCaused by: x.Y: b\nsecond\n\nfourth\n\tat x.Z.g(Z.java:2)\n\t... 1 more",
        ),
        (
            Level::Error,
            "Error: x\n    at f (/x.js:1:7)\n    ... 6 lines matching cause stack trace ...\n    at node:internal/main/run:51:3 {\n  code: 'E',\n  [cause]: TypeError: c\n      at g (/x.js:2:7) {\n    errno: -2\n  }\n}",
        ),
        (
            Level::Error,
            "ERROR: could not\njava.io.IOException: y\n\tat com.x.App.read(App.java:9)",
        ),
        (
            Level::Error,
            "Error: x\n    at Object.<anonymous> (/x.js:1:7)\n    at node:internal/main/run:17:1",
        ),
        (
            Level::Error,
            "thread 'main' panicked at src/main.rs:2:5:\nno luck\nnote: run with `RUST_BACKTRACE=1` environment variable to display a backtrace",
        ),
        (
            Level::Error,
            "thread 'main' (17) panicked at src/main.rs:2:5:\nassertion `left == right` failed\n  left: 1\n right: 2\nstack backtrace:\n   0: std::panicking::begin_panic\n             at /x/panicking.rs:1:2\nnote: Some details are omitted",
        ),
        (
            Level::Error,
            "thread 'main' panicked at 'no luck', src/main.rs:2:5\nnote: run with `RUST_BACKTRACE=1`",
        ),
        (
            Level::Error,
            "panic: no luck\n\ngoroutine 1 [running]:\nmain.f(...)\n\t/x/main.go:4 +0x1d\nexit status 2",
        ),
        (
            Level::Warning,
            "warning: unused variable: `x`\n --> src/main.rs:2:9\n  |\n2 |     let x = 1;\n  |         ^ help: `_x`\n  |\n  = note: on by default",
        ),
    ] {
        let mut lines = vec!["before"];
        lines.extend(text.split('\n'));
        lines.push("and after");
        let found = groups(&lines);
        let expected = [
            (None, "before".to_owned()),
            (Some(wanted), text.to_owned()),
            (None, "and after".to_owned()),
        ];
        assert_eq!(found, expected);
    }
}

#[test]
fn lines_that_only_look_alike_stay_apart() {
    for lines in [
        &["one", "two", "  indented"][..],
        &["INFO: at work", "  at home", "  from here"],
        &["WARNING: odd", "Done"],
        &["plain", "Traceback (most recent call last):"],
        &["error in words", "  | a table |"],
        &["Exception in thread \"a\" x.Y: no frames", "INFO: goes on"],
    ] {
        let found = groups(lines);
        assert_eq!(found.len(), lines.len(), "{found:?}");
    }
}

#[test]
fn two_tracebacks_are_two_messages() {
    let trace = [
        "Traceback (most recent call last):",
        "  File",
        "ValueError: no",
    ];
    assert_eq!(groups(&[trace, trace].concat()).len(), 2);
    assert_eq!(groups(&[&trace[..], &[""], &trace].concat()).len(), 2);
}

#[test]
fn a_group_waits_neither_long_nor_without_bound() {
    let began = Instant::now();
    let mut grouper = Grouper::default();
    let head = "Traceback (most recent call last):";
    assert_eq!(grouper.push(head, head, None, began), None);
    assert!(grouper.is_unfinished());
    assert_eq!(grouper.deadline(), Some(began + QUIET));
    let later = began + OLDEST;
    assert_eq!(grouper.push("  File", "  File", None, later), None);
    assert_eq!(grouper.deadline(), Some(began + OLDEST));

    let mut groups = Vec::new();
    for _ in 0..2 * MAX_LINES {
        groups.extend(grouper.push("  frame", "  frame", None, later));
    }
    let long = "  ".to_owned() + &"x".repeat(MAX_BYTES);
    groups.extend(grouper.push(&long, &long, None, later));
    groups.extend(grouper.flush());
    assert_eq!(groups.len(), 4);
    assert!(groups.iter().all(|group| group.level == Some(Level::Error)));
    let lines: usize = groups.iter().map(|group| group.text.lines().count()).sum();
    assert_eq!(lines, 2 + 2 * MAX_LINES + 1);
}

fn any_line() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "",
        "  indented",
        "\tat x.Y.z(Y.java:1)",
        "Caused by: x.Y: z",
        "\t... 3 more",
        "Exception in thread \"main\" x.Y: z",
        "    at node:internal/main/run:51:3 {",
        "}",
        "Traceback (most recent call last):",
        "  + Exception Group Traceback (most recent call last):",
        "ValueError: no",
        "x.y.ZException",
        "During handling of the above exception, another exception occurred:",
        "thread 'main' panicked at src/main.rs:2:5:",
        "thread 'main' panicked at 'x', src/main.rs:2:5",
        "note: run with",
        "stack backtrace:",
        "panic: x",
        "goroutine 1 [running]:",
        "main.f()",
        "ERROR: x",
        "WARNING: x",
        " --> src/main.rs:1:1",
        "2 | let x;",
    ]);
    prop_oneof![4 => known.prop_map(str::to_owned), 1 => "[^\n]{0,40}"]
}

proptest! {
    #[test]
    fn no_line_is_lost_or_given_twice(
        lines in prop::collection::vec((any_line(), 0u64..300, prop::bool::weighted(0.1)), 0..200)
    ) {
        let mut grouper = Grouper::default();
        let mut now = Instant::now();
        let mut given = Vec::new();
        for (line, wait, flush) in &lines {
            now += Duration::from_millis(*wait);
            if *flush || grouper.deadline().is_some_and(|deadline| deadline <= now) {
                given.extend(grouper.flush());
            }
            given.extend(grouper.push(line, line, level(line), now));
        }
        given.extend(grouper.flush());
        let given: Vec<&str> = given.iter().flat_map(|group| group.text.split('\n')).collect();
        let sent: Vec<&str> = lines.iter().map(|(line, _, _)| line.as_str()).collect();
        prop_assert_eq!(given, sent);
    }
}
