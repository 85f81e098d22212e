//! However a stream arrives, it is cut into the lines that stand between its newlines.
//!
//! The first byte is the limit for a line; of the rest each piece begins with its length.
#![no_main]

use ironpipe::framing::{Frame, LineFramer};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((&max_line, mut rest)) = input.split_first() else {
        return;
    };
    let max_line = usize::from(max_line);
    let mut framer = LineFramer::new(max_line);
    let mut stream = Vec::new();
    let mut found = Vec::new();
    while let Some((&length, bytes)) = rest.split_first() {
        // The highest bit says whether the lines are taken now or later.
        let cut = usize::from(length & 0x7F).min(bytes.len());
        let (piece, after) = bytes.split_at(cut);
        rest = after;
        stream.extend_from_slice(piece);
        framer.push(piece);
        while length & 0x80 == 0 {
            let Some(frame) = framer.next() else { break };
            found.push(seen(&framer, frame));
        }
    }
    while let Some(frame) = framer.next() {
        found.push(seen(&framer, frame));
    }
    if let Some(frame) = framer.finish() {
        found.push(seen(&framer, frame));
    }
    assert_eq!(framer.finish(), None);

    let mut expected = Vec::new();
    let mut offset = 0;
    let mut lines: Vec<&[u8]> = stream.split(|&byte| byte == b'\n').collect();
    if lines.last().is_some_and(|last| last.is_empty()) {
        lines.pop();
    }
    for line in lines {
        expected.push((
            offset,
            match line.len() > max_line {
                true => Err(line.len() as u64),
                false => Ok(line.to_vec()),
            },
        ));
        offset += line.len() as u64 + 1;
    }
    assert_eq!(found, expected);
});

/// Where a line stands, and its bytes or, if it was too long, how many they were.
fn seen(framer: &LineFramer, frame: Frame) -> (u64, Result<Vec<u8>, u64>) {
    match frame {
        Frame::Line { range, offset } => (offset, Ok(framer.bytes(range).to_vec())),
        Frame::TooLong {
            offset,
            length,
            head,
        } => {
            assert!(head.len() as u64 <= length);
            (offset, Err(length))
        }
    }
}
