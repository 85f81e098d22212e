//! Bytes to messages, without input or output.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::lines::{Entry, Sink, What};
use super::message::MessageRef;
use super::report::{DeliveryReport, Tracker};
use crate::framing::{BLOCK, Frame, LineFramer};
use crate::protocol::decode::decode_plain_log;

/// What came out of a [`MessageDecoder`].
#[derive(Debug, Clone, Copy)]
pub enum Item<'a> {
    /// A message.
    Message(MessageRef<'a>),
    /// A line of ordinary output, without its newline; from a shared channel only.
    Output(&'a [u8]),
}

/// Decodes messages from bytes that are pushed into it.
///
/// ```
/// use ironpipe::framing::MAX_LINE;
/// use ironpipe::reader::{Item, MessageDecoder};
///
/// let mut decoder = MessageDecoder::new(MAX_LINE);
/// let mut bytes = br#"{"method":"log","params":{"message":"hello"}}"#.as_slice();
/// while decoder.push(&mut bytes) {
///     while let Some(item) = decoder.take() {
///         println!("{item:?}");
///     }
/// }
/// if decoder.end_chunk() {
///     assert!(matches!(decoder.take(), Some(Item::Message(_))));
/// }
/// assert!(decoder.report().is_complete());
/// ```
#[derive(Debug)]
pub struct MessageDecoder {
    framer: LineFramer,
    /// Whether ordinary output stands between the messages.
    shared: bool,
    tally: Tally,
    /// What was decoded last. Invariant: its ranges are of `framer`, to which nothing is added
    /// until all of it is taken.
    block: Vec<Entry>,
    taken: usize,
}

/// The account of a reader, which other threads may look at.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally(Arc<Mutex<Tracker>>);

impl Tally {
    pub(super) fn tracker(&self) -> MutexGuard<'_, Tracker> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MessageDecoder {
    /// A decoder for a channel that only messages go through. Lines of more than `max_line` bytes
    /// are set aside.
    pub fn new(max_line: usize) -> MessageDecoder {
        MessageDecoder {
            framer: LineFramer::new(max_line),
            shared: false,
            tally: Tally::default(),
            block: Vec::new(),
            taken: 0,
        }
    }

    /// A decoder for a channel that ordinary output goes through, too, as stdout is one: a line
    /// that does not claim to be a message comes out as [`Item::Output`].
    pub fn shared(max_line: usize) -> MessageDecoder {
        MessageDecoder {
            shared: true,
            ..MessageDecoder::new(max_line)
        }
    }

    /// Takes bytes off the front of `bytes`, a block at most; whether something came of them for
    /// [`take`](Self::take). Until that is taken, nothing more is accepted. False, at last, once
    /// `bytes` is empty.
    pub fn push(&mut self, bytes: &mut &[u8]) -> bool {
        while self.is_taken() && !bytes.is_empty() {
            let (block, rest) = bytes.split_at(bytes.len().min(BLOCK));
            self.framer.push(block);
            *bytes = rest;
            self.decode_lines();
        }
        !self.is_taken()
    }

    /// Says that a chunk has ended: what stands behind its last newline is a whole line, since no
    /// message spans two chunks. Whether something came of it.
    pub fn end_chunk(&mut self) -> bool {
        let last = self.framer.finish();
        self.decode_last(last, None)
    }

    /// Says that nothing more comes. What stands behind the last newline is taken if it is whole
    /// but for that, else it is a line that was cut. Whether something came of it.
    pub fn finish(&mut self) -> bool {
        let last = self.framer.finish();
        self.decode_last(last, Some("the stream ends within this line"))
    }

    /// Takes the next of what was decoded, if there is any left.
    #[inline]
    pub fn take(&mut self) -> Option<Item<'_>> {
        let entry = self.block.get(self.taken)?;
        self.taken += 1;
        let line = self.framer.bytes(entry.start as usize..entry.end as usize);
        Some(match &entry.what {
            What::Message(decoded) => Item::Message(MessageRef { decoded, line }),
            What::Output => Item::Output(line),
            What::LongOutput(head) => Item::Output(head),
        })
    }

    /// What arrived and what did not, up to now.
    pub fn report(&self) -> DeliveryReport {
        self.tally.tracker().report()
    }

    pub(super) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Whether everything that was decoded has been taken.
    #[inline]
    pub(super) fn is_taken(&self) -> bool {
        self.taken == self.block.len()
    }

    /// The place in the stream of what was taken last.
    pub(super) fn last_offset(&self) -> u64 {
        let last = self.taken.checked_sub(1).and_then(|at| self.block.get(at));
        last.map_or(0, |entry| self.framer.offset(entry.start as usize))
    }

    /// Has `read` put bytes into the framer's space; see [`LineFramer::fill`]. Only once everything
    /// is taken.
    pub(super) fn fill(
        &mut self,
        read: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        self.framer.fill(read)
    }

    /// The file has ended.
    pub(super) fn end_file(&mut self) -> bool {
        let last = self.framer.finish();
        self.decode_last(last, Some("the file ends within this line"))
    }

    /// Another file stands in the place of this one: what was left of the line before it can't be
    /// completed.
    pub(super) fn restart(&mut self) -> bool {
        let last = self.framer.restart();
        let cut = "the file was replaced or cut short within this line";
        self.decode_last(last, Some(cut))
    }

    /// Decodes every whole line that is there; whether something came of them. Only once everything
    /// is taken.
    pub(super) fn decode_lines(&mut self) -> bool {
        self.block.clear();
        self.taken = 0;
        let mut tracker = self.tally.tracker();
        loop {
            if let Some((decoded, length)) = decode_plain_log(self.framer.rest())
                && let Some(range) = self.framer.next_of_length(length)
            {
                if tracker.message(decoded.method, decoded.stamp.as_ref()) {
                    self.block.push(Entry::new(What::Message(decoded), range));
                }
                continue;
            }
            let Some(frame) = self.framer.next() else {
                return !self.block.is_empty();
            };
            let mut sink = Sink {
                framer: &self.framer,
                shared: self.shared,
                tracker: &mut tracker,
                block: &mut self.block,
            };
            sink.frame(frame, None);
        }
    }

    /// Decodes what stood behind the last newline; `cut` says why it is not a whole line.
    fn decode_last(&mut self, last: Option<Frame>, cut: Option<&str>) -> bool {
        if let Some(frame) = last {
            let mut sink = Sink {
                framer: &self.framer,
                shared: self.shared,
                tracker: &mut self.tally.tracker(),
                block: &mut self.block,
            };
            sink.frame(frame, cut);
        }
        !self.is_taken()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framing::MAX_LINE;
    use proptest::prelude::*;

    const FIRST: &str = r#"{"__dagster_pipes_version":"0.1","method":"log","params":{"message":"1","level":"INFO"}}"#;
    const SECOND: &str = r#"{"method":"opened","params":{},"__dagster_pipes_version":"0.1"}"#;

    /// What comes of chunks, in words.
    fn decoded(mut decoder: MessageDecoder, chunks: &[&str]) -> (Vec<String>, DeliveryReport) {
        let mut found = Vec::new();
        let mut keep = |decoder: &mut MessageDecoder| {
            while let Some(item) = decoder.take() {
                found.push(match item {
                    Item::Message(message) => message.method().to_string(),
                    Item::Output(line) => format!("> {}", String::from_utf8_lossy(line)),
                });
            }
        };
        for chunk in chunks {
            let mut bytes = chunk.as_bytes();
            while decoder.push(&mut bytes) {
                keep(&mut decoder);
            }
            assert!(bytes.is_empty());
        }
        if decoder.finish() {
            keep(&mut decoder);
        }
        (found, decoder.report())
    }

    #[test]
    fn output_between_messages_comes_out_as_it_is() {
        let broken = &FIRST[..60];
        let stream = format!("loading\r\n{FIRST}\n\n{{\"a\":1}}\n{SECOND}\n{broken}\nnow: 3 %");
        let (found, report) = decoded(MessageDecoder::shared(MAX_LINE), &[&stream]);
        assert_eq!(
            found,
            [
                "> loading\r",
                "log",
                "> ",
                "> {\"a\":1}",
                "opened",
                "> now: 3 %"
            ]
        );
        assert_eq!(report.rejected_count, 1, "{report}");
        assert!(report.repaired.is_empty());
        let (found, report) = decoded(MessageDecoder::new(MAX_LINE), &[&stream]);
        assert_eq!(found, ["log", "opened"]);
        assert_eq!(report.rejected_count, 4, "{report}");
    }

    #[test]
    fn a_message_behind_output_on_its_line_is_found() {
        let stream = format!("50 % {FIRST}\nDEBUG {}\n", &FIRST[..50]);
        let (found, report) = decoded(MessageDecoder::shared(MAX_LINE), &[&stream]);
        assert_eq!(found[..2], ["> 50 % ", "log"]);
        assert!(found[2].starts_with("> DEBUG"));
        assert!(report.is_complete());
        assert_eq!(report.repaired["output before a message on its line"], 1);
    }

    #[test]
    fn output_over_the_limit_is_cut_and_no_loss() {
        let stream = format!("{}\n{FIRST}\n", "x".repeat(3 * BLOCK));
        let (found, report) = decoded(MessageDecoder::shared(BLOCK), &[&stream]);
        assert_eq!(found.len(), 2);
        assert!(found[0].ends_with("xx … (196608 bytes)"), "{}", found[0]);
        assert!(report.is_complete());
        let stream = format!("{}\n", FIRST.replace('1', &"x".repeat(3 * BLOCK)));
        let (found, report) = decoded(MessageDecoder::shared(BLOCK), &[&stream]);
        assert_eq!((found.len(), report.rejected_count), (0, 1));
    }

    #[test]
    fn the_end_of_a_chunk_is_the_end_of_a_line() {
        let mut decoder = MessageDecoder::new(MAX_LINE);
        for chunk in [
            format!("{FIRST}\n{SECOND}"),
            FIRST.into(),
            FIRST[..40].into(),
        ] {
            let mut bytes = chunk.as_bytes();
            while decoder.push(&mut bytes) {
                while decoder.take().is_some() {}
            }
            while decoder.end_chunk() {
                while decoder.take().is_some() {}
            }
        }
        let report = decoder.report();
        assert_eq!((report.delivered, report.rejected_count), (3, 1));
        let place = FIRST.len() * 2 + SECOND.len() + 1;
        assert_eq!(report.rejected[0].offset, place as u64);
    }

    #[test]
    fn a_cut_end_is_named() {
        let (found, report) = decoded(MessageDecoder::new(MAX_LINE), &[FIRST]);
        assert_eq!((found.len(), report.rejected_count), (1, 0));
        let (_, report) = decoded(MessageDecoder::new(MAX_LINE), &[&FIRST[..40]]);
        assert!(report.rejected[0].reason.contains("the stream ends within"));
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(
            lines in proptest::collection::vec(
                prop_oneof![Just(FIRST), Just(SECOND), Just("words"), Just(""), Just("{\"x\":")],
                0..20,
            ),
            cuts in proptest::collection::vec(0usize..1000, 0..10),
            shared: bool,
        ) {
            let stream = lines.join("\n");
            let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c.min(stream.len())).collect();
            cuts.sort_unstable();
            let mut pieces = Vec::new();
            let mut from = 0;
            for cut in cuts {
                pieces.push(&stream[from..cut]);
                from = cut;
            }
            pieces.push(&stream[from..]);
            let new = || match shared {
                true => MessageDecoder::shared(MAX_LINE),
                false => MessageDecoder::new(MAX_LINE),
            };
            prop_assert_eq!(decoded(new(), &pieces), decoded(new(), &[&stream]));
        }
    }
}
