//! The short way that plain log lines take through the decoder and the reader gives what the long
//! way gives. A space in front of a line sends it the long way.

use std::io::Write;

use ironpipe::framing::MAX_LINE;
use ironpipe::protocol::envelope::{Method, Stamp};
use ironpipe::reader::{MessageReader, OwnedMessage, Step};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// All that a message says.
#[derive(Debug, PartialEq)]
struct Said {
    method: Method,
    params: Vec<u8>,
    text: (Vec<u8>, bool),
    label: (Vec<u8>, bool),
    stamp: Option<Stamp>,
    exact: bool,
}

fn said(message: ironpipe::reader::MessageRef<'_>) -> Said {
    Said {
        method: message.method(),
        params: message.params().to_vec(),
        text: (message.text().raw().to_vec(), message.text().escaped),
        label: (message.label().raw().to_vec(), message.label().escaped),
        stamp: message.stamp(),
        exact: message.exact(),
    }
}

fn decode(line: &[u8]) -> Option<Said> {
    OwnedMessage::decode(line).ok().map(|line| said(line.get()))
}

fn long_way(line: &[u8]) -> Option<Said> {
    decode(&[b" ", line].concat())
}

fn pieces(usual: &'static str, odd: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        12 => Just(usual),
        1 => select(odd),
    ]
    .prop_map(|text| text.as_bytes().to_vec())
}

const NOT_UTF8: &[&[u8]] = &[b"\xff", b"\xc3", b"\xed\xa0\x80", b"\x80"];

fn message_text() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => "[ -~&&[^\"\\\\]]{0,20}".prop_map(String::into_bytes),
        3 => "[a-zé🦀\u{80}\u{7f}]{0,9}".prop_map(String::into_bytes),
        2 => select(&[r"\n", r"\u00e9", r"\ud83d\ude00", r#"\""#, r"\\", r"\/"][..])
            .prop_map(|text| text.as_bytes().to_vec()),
        1 => select(&[r"\ud800", r"\x", "\"", "\\", "\u{1f}", "\0", r"\u12g4"][..])
            .prop_map(|text| text.as_bytes().to_vec()),
        1 => select(NOT_UTF8).prop_map(<[u8]>::to_vec),
    ];
    vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

fn stamp() -> impl Strategy<Value = Vec<u8>> {
    let number = prop_oneof![
        6 => any::<u64>().prop_map(|n| n.to_string()),
        3 => (0u64..20).prop_map(|n| n.to_string()),
        1 => select(&["", "-1", "-0", "01", "1.0", "1e3", "18446744073709551616", "null"][..])
            .prop_map(str::to_owned),
    ];
    let name = prop_oneof![
        6 => "[a-z0-9]{8}",
        1 => "[ -~]{0,18}",
        1 => Just(r"\u0061".to_owned()),
        1 => Just("é".to_owned()),
    ];
    let made = (name, number.clone(), number)
        .prop_map(|(name, n, micros)| format!(r#","__ironpipe":["{name}",{n},{micros}]"#));
    prop_oneof![
        3 => Just(String::new()),
        6 => made,
        1 => select(&[r#","__ironpipe":[]"#, r#","__ironpipe":null"#, ",", r#","x":1"#][..])
            .prop_map(str::to_owned),
    ]
    .prop_map(String::into_bytes)
}

fn lines() -> impl Strategy<Value = Vec<u8>> {
    let ours = (
        pieces(
            r#"{"__dagster_pipes_version":"0.1","method":"log","params":{"message":""#,
            &[
                r#"{"__dagster_pipes_version":"0.1","method":"log","params":{"Message":""#,
                r#"{"__dagster_pipes_version":"0.2","method":"log","params":{"message":""#,
            ],
        ),
        pieces(
            r#"","level":""#,
            &["\"", r#"","level": ""#, r#"", "level":""#],
        ),
    );
    let official = (
        pieces(
            r#"{"__dagster_pipes_version": "0.1", "method": "log", "params": {"message": ""#,
            &[r#"{"__dagster_pipes_version": "0.1", "method": "log", "params": {"level": ""#],
        ),
        pieces(r#"", "level": ""#, &["", r#"","level": ""#]),
    );
    let level = prop_oneof![
        8 => select(&["INFO", "DEBUG", "WARNING", "ERROR", "CRITICAL"][..]),
        2 => select(&["info", "INFO ", "TRACE", "", "INF\\u004f", "INFO\"", "WARN"][..]),
    ]
    .prop_map(|text| text.as_bytes().to_vec());
    let form = prop_oneof![
        ours.prop_map(|p| (p.0, p.1)),
        official.prop_map(|p| (p.0, p.1))
    ];
    let end = pieces("}", &["", "} ", "}\r", "}}", "]", "}x", "}\0"]);
    (
        form,
        message_text(),
        level,
        stamp(),
        end,
        any::<prop::sample::Index>(),
        0u8..40,
    )
        .prop_map(
            |((start, level_key), text, level, stamp, end, place, damage)| {
                let close = b"\"}".to_vec();
                let mut line = [start, text, level_key, level, close, stamp, end].concat();
                let at = place.index(line.len());
                match damage {
                    0 => line.truncate(at),
                    1 => drop(line.remove(at)),
                    2 => line[at] ^= 1,
                    3 => line[at] ^= 0x80,
                    _ => {}
                }
                line.retain(|&byte| byte != b'\n');
                line
            },
        )
}

/// What a reader gives of a file.
fn read(bytes: &[u8], max_line: usize) -> (Vec<Said>, u64) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    let mut reader = MessageReader::read(file.path(), max_line).unwrap();
    let mut out = Vec::new();
    while reader.advance(None).unwrap() != Step::Ended {
        while let Some(message) = reader.take() {
            out.push(said(message));
        }
    }
    (out, reader.handle().report().rejected_count)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn the_decoder_goes_either_way(line in lines()) {
        prop_assert_eq!(decode(&line), long_way(&line), "{}", String::from_utf8_lossy(&line));
    }
}

proptest! {
    #[test]
    fn the_reader_goes_either_way(
        lines in vec(lines(), 0..20),
        newline_at_the_end: bool,
        max_line in prop_oneof![Just(MAX_LINE), 60usize..300],
    ) {
        // A number that comes again is dropped; here every message counts.
        let lines: Vec<Vec<u8>> = lines
            .into_iter()
            .enumerate()
            .map(|(i, line)| {
                let text = String::from_utf8_lossy(&line).into_owned();
                let own = format!(r#""__ironpipe":["w{i}"#);
                match text.contains("\u{fffd}") {
                    true => line,
                    false => text.replace(r#""__ironpipe":[""#, &own).into_bytes(),
                }
            })
            .collect();
        let mut bytes = lines.join(&b'\n');
        if newline_at_the_end {
            bytes.push(b'\n');
        }
        let fits = |line: &&Vec<u8>| line.len() <= max_line;
        let expected: Vec<Said> =
            lines.iter().filter(fits).filter_map(|line| long_way(line)).collect();
        let blank = lines.iter().filter(|line| line.trim_ascii().is_empty()).count();
        let (found, rejected) = read(&bytes, max_line);
        prop_assert_eq!(rejected as usize, lines.len() - blank - expected.len());
        prop_assert_eq!(found, expected);
    }
}
