use super::*;
use proptest::prelude::*;

const PROGRESS: Duration = Duration::from_secs(10);

fn cutter(max_line: usize) -> LineCutter {
    LineCutter::new(max_line, PROGRESS)
}

/// The lines of a stream that arrives at one moment, in pieces of `piece` bytes.
fn lines(stream: &[u8], piece: usize) -> Vec<String> {
    let (mut cutter, mut lines) = (cutter(1 << 16), Vec::new());
    let now = Instant::now();
    let mut sink = |line: Line| lines.push(line.text);
    for bytes in stream.chunks(piece) {
        cutter.push(bytes, now, &mut sink);
    }
    cutter.finish(now, &mut sink);
    lines
}

#[test]
fn lines_and_their_states() {
    for (stream, wanted) in [
        (&b""[..], &[][..]),
        (b"one\ntwo\n", &["one", "two"]),
        (b"one\r\n\r\ntwo", &["one", "", "two"]),
        (b"  kept \tas it is \n", &["  kept \tas it is "]),
        // Progress: the last state
        (b"10%\r50%\r100%\nnext\n", &["100%", "next"]),
        (b"10%\r100%\r\n", &["100%"]),
        (b"\r10%\r100%", &["100%"]),
        (b"50%\r\x1b[Kdone\n", &["done"]),
        (b"50%\r   \r\n", &["50%"]),
        (
            b"remote: 50%\x1b[K\rremote: done.\x1b[K\n",
            &["remote: done."],
        ),
        (b"|\x1b[1G\x1b[0K/\x1b[1G\x1b[0Kadded 1\n", &["added 1"]),
        (b"a\x1b[2K\x1b[Gb\x1b[2K\n", &["b"]),
        // Escapes
        (
            b"\x1b[31mred\x1b[0m and \x1b[1;32mgreen\x1b[m\n",
            &["red and green"],
        ),
        (
            b"\x1b]8;;https://x.org\x1b\\link\x1b]8;;\x1b\\\n",
            &["link"],
        ),
        (b"\x1b]0;title\x07text\n", &["text"]),
        (b"bell\x07 nul\x00 back\x08\n", &["bell nul back"]),
        (
            b"building ... -\x08 \x08\\\x08 \x08\x1b[32mdone\x1b[m\n",
            &["building ... done"],
        ),
        (b"\x08\x08ab\x08c\n", &["ac"]),
        ("é\x1b[1m€😀\n".as_bytes(), &["é€😀"]),
        (b"a\xffb\n", &["a\u{FFFD}b"]),
    ] {
        for piece in [1, 2, 3, 1000] {
            let text = String::from_utf8_lossy(stream);
            assert_eq!(lines(stream, piece), wanted, "{text:?} by {piece}");
        }
    }
}

#[test]
fn a_long_line_is_cut_and_says_how_much() {
    let (mut cutter, mut lines) = (cutter(4), Vec::new());
    let now = Instant::now();
    let mut sink = |line: Line| lines.push(line);
    cutter.push("12345\n1234\naé€x".as_bytes(), now, &mut sink);
    cutter.finish(now, &mut sink);
    let line = |text: &str, cut| Line {
        text: text.to_owned(),
        cut,
        replaced: false,
    };
    assert_eq!(lines, [line("1234", 1), line("1234", 0), line("aé", 3)]);
}

#[test]
fn states_of_a_spinner_are_not_kept() {
    let (mut cutter, mut lines) = (cutter(20), Vec::new());
    let now = Instant::now();
    let mut sink = |line: Line| lines.push(line);
    for _ in 0..100 {
        cutter.push(b"-\x1b[1G\x1b[0K", now, &mut sink);
    }
    cutter.push(b"added\n", now, &mut sink);
    assert_eq!(lines.len(), 1);
    assert_eq!((lines[0].text.as_str(), lines[0].cut), ("added", 0));
}

#[test]
fn progress_is_given_now_and_then_and_not_twice() {
    let (mut cutter, mut lines) = (cutter(100), Vec::new());
    let mut now = Instant::now();
    let mut sink = |line: Line| lines.push(line.text);
    cutter.push(b"1%\r2%\r", now, &mut sink);
    assert_eq!(cutter.deadline(), Some(now + PROGRESS));
    now += PROGRESS;
    cutter.tick(now, &mut sink);
    cutter.tick(now, &mut sink);
    now += PROGRESS;
    cutter.tick(now, &mut sink);
    cutter.push(b"50%\r", now, &mut sink);
    now += PROGRESS;
    cutter.tick(now, &mut sink);
    cutter.push(b"\n", now, &mut sink);
    cutter.push(b"50%\n", now, &mut sink);
    assert_eq!(lines, ["2%", "50%", "50%"]);
    assert_eq!(cutter.deadline(), None);
}

#[test]
fn a_prompt_is_seen() {
    let (mut cutter, mut lines) = (cutter(100), Vec::new());
    let now = Instant::now();
    let mut sink = |line: Line| lines.push(line.text);
    cutter.push(b"Password: ", now, &mut sink);
    let deadline = cutter.deadline().unwrap();
    cutter.tick(deadline - Duration::from_millis(1), &mut sink);
    cutter.tick(deadline, &mut sink);
    assert_eq!(cutter.deadline(), None);
    cutter.push(b"thanks\n", deadline, &mut sink);
    assert_eq!(lines, ["Password: ", "thanks"]);
}

proptest! {
    #[test]
    fn plain_lines_come_as_they_are(
        text in "[ -~é€😀\t]{0,30}(\n[ -~é€😀\t]{0,30}){0,20}",
        piece in 1usize..50,
    ) {
        let wanted: Vec<&str> = text.strip_suffix('\n').unwrap_or(&text).split('\n').collect();
        let found = lines(text.as_bytes(), piece);
        let found: Vec<&str> = found.iter().map(String::as_str).collect();
        match text.as_str() {
            "" => prop_assert!(found.is_empty()),
            _ => prop_assert_eq!(found, wanted),
        }
    }

    #[test]
    fn any_bytes_are_taken(
        stream in prop::collection::vec(
            prop_oneof![Just(b'\r'), Just(b'\n'), Just(0x1B), Just(b'['), Just(b'G'), any::<u8>()],
            0..200,
        ),
        piece in 1usize..20,
        limit in 1usize..40,
    ) {
        let mut cutter = cutter(limit);
        let now = Instant::now();
        let mut lines = Vec::new();
        let mut sink = |line: Line| lines.push(line);
        for bytes in stream.chunks(piece) {
            cutter.push(bytes, now, &mut sink);
        }
        cutter.finish(now, &mut sink);
        let newlines = stream.iter().filter(|&&byte| byte == b'\n').count();
        prop_assert!(lines.len() <= newlines + 1);
        // Bytes that are not UTF-8 become three.
        prop_assert!(lines.iter().all(|line| line.text.len() <= 3 * limit));
    }
}
