//! Lines to messages, ordinary output and rejections.

use std::ops::Range;

use super::report::Tracker;
use crate::framing::{Frame, LineFramer};
use crate::protocol::decode::{Decoded, Rejection, Repair, decode};
use crate::protocol::envelope::PIPES_PROTOCOL_VERSION_FIELD;
use crate::protocol::scan::Scanner;

/// Something of a block. Small, because a block has thousands.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) what: What,
    /// Places in the framer's buffer, which its limit keeps below 4 GiB.
    pub(super) start: u32,
    pub(super) end: u32,
}

#[derive(Debug)]
pub(super) enum What {
    Message(Decoded),
    Output,
    /// The beginning of a line of output over the limit; the framer has let go of it.
    LongOutput(Box<[u8]>),
}

impl Entry {
    #[inline]
    pub(super) fn new(what: What, range: Range<usize>) -> Entry {
        Entry {
            what,
            start: range.start as u32,
            end: range.end as u32,
        }
    }
}

/// Where what stood between two newlines goes.
pub(super) struct Sink<'a> {
    pub(super) framer: &'a LineFramer,
    pub(super) shared: bool,
    pub(super) tracker: &'a mut Tracker,
    pub(super) block: &'a mut Vec<Entry>,
}

/// A line, or a piece of one.
struct Line<'a> {
    range: Range<usize>,
    /// Its place in the stream.
    offset: u64,
    /// Why no newline stands behind it.
    cut: Option<&'a str>,
}

impl Sink<'_> {
    /// What the framer gave; `cut` says why its newline is not there.
    pub(super) fn frame(&mut self, frame: Frame, cut: Option<&str>) {
        match frame {
            Frame::Line { range, offset } => self.line(Line { range, offset, cut }),
            Frame::TooLong {
                offset,
                length,
                head,
            } => self.too_long(offset, length, head),
        }
    }

    fn line(&mut self, line: Line<'_>) {
        let bytes = self.framer.bytes(line.range.clone());
        if self.shared && !claims_to_be_a_message(bytes) {
            return self.output(line);
        }
        if bytes.is_empty() {
            return self.tracker.repaired_one(Repair::BlankLine);
        }
        match decode(bytes) {
            Ok(decoded) => self.message(decoded, line.range),
            Err(_) if bytes.trim_ascii().is_empty() => self.tracker.repaired_one(Repair::BlankLine),
            Err(rejection) if rejection.is_message => self.broken(line, rejection),
            Err(rejection) => self.rejected(&line, rejection),
        }
    }

    /// A line that claims to be a message and is none. Where one writer left a fragment, others that
    /// have the file open know nothing of it: their next message stands behind it, and is whole.
    #[cold]
    fn broken(&mut self, line: Line<'_>, rejection: Rejection) {
        let bytes = self.framer.bytes(line.range.clone());
        if !pieces(bytes).any(|piece| decode(&bytes[piece]).is_ok()) {
            return match self.is_output(bytes, &rejection) {
                true => self.output(line),
                false => self.rejected(&line, rejection),
            };
        }
        for piece in pieces(bytes) {
            let is_last = piece.end == bytes.len();
            let within = "another message begins within this line";
            let line = Line {
                range: line.range.start + piece.start..line.range.start + piece.end,
                offset: line.offset.wrapping_add(piece.start as u64),
                cut: if is_last { line.cut } else { Some(within) },
            };
            match decode(&bytes[piece.clone()]) {
                Ok(decoded) => {
                    self.message(decoded, line.range);
                    if !is_last {
                        self.tracker.repaired_one(Repair::NoNewline);
                    }
                }
                Err(rejection) if self.is_output(&bytes[piece], &rejection) => {
                    self.output(line);
                    self.tracker.repaired_one(Repair::OutputBefore);
                }
                Err(rejection) => self.rejected(&line, rejection),
            }
        }
    }

    /// Whether what is no message is ordinary output, and no loss.
    fn is_output(&self, bytes: &[u8], rejection: &Rejection) -> bool {
        self.shared && !(rejection.is_message && begins_like_a_message(bytes))
    }

    fn output(&mut self, line: Line<'_>) {
        self.block.push(Entry::new(What::Output, line.range));
    }

    fn rejected(&mut self, line: &Line<'_>, Rejection { at, reason, .. }: Rejection) {
        let reason = match line.cut {
            Some(cut) => format!("{cut}: {reason}"),
            None if at > 0 => format!("{reason} (byte {at} of the line)"),
            None => reason,
        };
        let bytes = self.framer.bytes(line.range.clone());
        self.tracker.rejected(line.offset, reason, bytes);
    }

    fn message(&mut self, decoded: Decoded, range: Range<usize>) {
        if !self.tracker.message(decoded.method, decoded.stamp.as_ref()) {
            return;
        }
        if !decoded.repairs.is_empty() {
            self.tracker.repaired(decoded.repairs);
        }
        self.block.push(Entry::new(What::Message(decoded), range));
    }

    fn too_long(&mut self, offset: u64, length: u64, mut head: Vec<u8>) {
        if self.shared && !claims_to_be_a_message(&head) {
            head.extend_from_slice(format!(" … ({length} bytes)").as_bytes());
            let what = What::LongOutput(head.into());
            return self.block.push(Entry::new(what, 0..0));
        }
        let limit = self.framer.max_line();
        let reason = format!(
            "the line has {length} bytes, over the limit of {limit}; raise `max_line` to read it"
        );
        self.tracker.rejected(offset, reason, &head);
    }
}

fn claims_to_be_a_message(line: &[u8]) -> bool {
    memchr::memmem::find(line, PIPES_PROTOCOL_VERSION_FIELD.as_bytes()).is_some()
}

fn begins_like_a_message(line: &[u8]) -> bool {
    let line = line.trim_ascii_start();
    line.strip_prefix(BYTE_ORDER_MARK)
        .unwrap_or(line)
        .starts_with(b"{")
}

/// How the writers that are known begin a message.
const BEGINNING: &[u8] = b"{\"__dagster_pipes_version\"";
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// A line, cut where another message begins. Each look at it ends where the next one begins, so that
/// many pieces take no more time.
fn pieces(line: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let piece = start..another_message(line, start).unwrap_or(line.len());
        start = piece.end;
        (!piece.is_empty()).then_some(piece)
    })
}

/// Where behind the one at `start` another message begins. In a string the quotes of one would be
/// escaped. But one may be a value that another holds: only where JSON allows none it stands by
/// itself.
fn another_message(line: &[u8], start: usize) -> Option<usize> {
    let next = |from| Some(from + memchr::memmem::find(line.get(from..)?, BEGINNING)?);
    let first = next(start + 1)?;
    if !may_hold_a_message(&line[start..first]) {
        return Some(first);
    }
    let mark = BYTE_ORDER_MARK.len() * usize::from(line[start..].starts_with(BYTE_ORDER_MARK));
    let mut scanner = Scanner::at(line, start + mark);
    scanner.space();
    let error = scanner.value().and_then(|_| scanner.end()).err()?;
    // Where a beginning itself is in the way, the error lies within it.
    next((error.at + 1).saturating_sub(BEGINNING.len()).max(first))
}

/// Whether a message that begins so has come to a place where any JSON is allowed.
fn may_hold_a_message(bytes: &[u8]) -> bool {
    let names: [&[u8]; 3] = [b"\"payload\"", b"\"raw_value\"", b"\"extras\""];
    names
        .iter()
        .any(|name| memchr::memmem::find(bytes, name).is_some())
}

#[cfg(test)]
mod tests {
    use super::super::decoder::{Item, MessageDecoder};
    use super::super::report::DeliveryReport;
    use super::*;
    use crate::framing::MAX_LINE;
    use proptest::prelude::*;

    const OURS: &str = r#"{"__dagster_pipes_version":"0.1","__ironpipe":["w",1,5],"method":"log","params":{"message":"one: [","level":"INFO"}}"#;
    const OFFICIAL: &str = r#"{"__dagster_pipes_version": "0.1", "method": "report_custom_message", "params": {"payload": {"a": 1}}}"#;

    /// What comes of a stream: methods, and output behind `>`.
    fn decoded(shared: bool, stream: impl AsRef<[u8]>) -> (Vec<String>, DeliveryReport) {
        let mut decoder = match shared {
            true => MessageDecoder::shared(MAX_LINE),
            false => MessageDecoder::new(MAX_LINE),
        };
        let (mut bytes, mut found) = (stream.as_ref(), Vec::new());
        while decoder.push(&mut bytes) || (bytes.is_empty() && decoder.finish()) {
            while let Some(item) = decoder.take() {
                found.push(match item {
                    Item::Message(message) => message.method().to_string(),
                    Item::Output(line) => format!("> {}", String::from_utf8_lossy(line)),
                });
            }
        }
        (found, decoder.report())
    }

    #[test]
    fn a_message_behind_a_fragment_is_saved() {
        for (broken, shared) in [(OURS, false), (OURS, true), (OFFICIAL, false)] {
            for (cut, end) in
                (1..broken.len()).flat_map(|cut| ["\n", "\r\n", ""].map(|end| (cut, end)))
            {
                let fragment = &broken[..cut];
                let (found, report) = decoded(shared, format!("{OURS}\n{fragment}{OFFICIAL}{end}"));
                if fragment.contains("payload") && fragment.trim_end().ends_with(':') {
                    // It could be what was reported.
                    assert_eq!((found.len(), report.rejected_count), (1, 1), "{fragment}");
                } else if shared && cut < BEGINNING.len() - 1 {
                    let output = format!("> {fragment}");
                    assert_eq!(found, ["log", &output, "report_custom_message"]);
                    assert!(report.is_complete());
                } else {
                    assert_eq!(found, ["log", "report_custom_message"], "{fragment}");
                    assert_eq!(report.rejected_count, 1, "{fragment}");
                    let rejected = &report.rejected[0];
                    assert_eq!(rejected.offset, OURS.len() as u64 + 1);
                    assert!(
                        rejected
                            .reason
                            .starts_with("another message begins within this line: not JSON")
                    );
                    assert!(fragment.starts_with(rejected.head.trim_end_matches('…')));
                }
            }
        }
    }

    #[test]
    fn whatever_stands_before_it_a_message_is_saved() {
        let nul = "\0".repeat(4096);
        let cut_within_a_character = [&OURS.as_bytes()[..100], b"\xc3"].concat();
        for fragment in [
            nul.as_bytes(),
            b"words ",
            b"{\"x\":1}",
            b"{\"payload\":tru",
            &cut_within_a_character,
        ] {
            let (found, report) = decoded(false, [fragment, OURS.as_bytes()].concat());
            assert_eq!(found, ["log"]);
            assert_eq!(report.rejected_count, 1);
        }
    }

    #[test]
    fn what_a_message_holds_is_none_by_itself() {
        let whole = |payload: &str| OFFICIAL.replace(r#"{"a": 1}"#, payload);
        let escaped = OURS.replace('"', "\\\"");
        for payload in [
            OURS.into(),
            format!("[1, {OURS}, {OURS}"),
            format!("[\"{escaped}\", {OURS}"),
        ] {
            let (opening, _) = OFFICIAL.split_once(r#"{"a": 1}"#).unwrap();
            let cut = format!("{opening}{payload}");
            let wrong = whole(&payload).replace("custom", "costume");
            for line in [cut, wrong] {
                for shared in [false, true] {
                    let (found, report) = decoded(shared, &line);
                    assert_eq!((found.len(), report.rejected_count), (0, 1), "{line}");
                }
            }
        }
        let (found, report) = decoded(false, whole(OURS));
        assert_eq!((found.len(), report.rejected_count), (1, 0));
        let (found, report) = decoded(false, format!("[{OURS}, {OURS}]"));
        assert_eq!((found.len(), report.rejected_count), (0, 1));
    }

    #[test]
    fn whole_messages_on_one_line_are_all_taken() {
        let (found, report) = decoded(false, format!("{OFFICIAL}{OFFICIAL}{OURS}\n"));
        assert_eq!(found.len(), 3);
        assert!(report.is_complete());
        assert_eq!(report.repaired["no newline between two messages"], 2);
        let (found, report) = decoded(false, format!("{}{OFFICIAL}{}", &OURS[..60], &OURS[..70]));
        assert_eq!((found.len(), report.rejected_count), (1, 2));
        assert!(
            report.rejected[1]
                .reason
                .starts_with("the stream ends within this line")
        );
        assert_eq!(report.rejected[1].offset, 60 + OFFICIAL.len() as u64);
    }

    #[test]
    fn output_a_fragment_and_a_message_on_one_line() {
        let (found, report) = decoded(true, format!("50 % {}{OURS}\n", &OURS[..70]));
        assert_eq!(found, ["> 50 % ", "log"]);
        assert_eq!(report.rejected_count, 1);
        assert_eq!(report.rejected[0].offset, 5);
    }

    #[test]
    fn a_line_of_many_fragments_takes_no_longer_than_another() {
        // If each piece took a look at all that follows, this would take hours.
        let payload = r#"{"__dagster_pipes_version","payload":"#;
        for fragment in [
            r#"{"__dagster_pipes_version""#,
            payload,
            r#"{"__dagster_pipes_version":"#,
        ] {
            let count = 8_000_000 / fragment.len();
            let (found, report) = decoded(false, format!("{}{OURS}", fragment.repeat(count)));
            assert_eq!((found.len(), report.rejected_count), (1, count as u64));
        }
        let nested = r#"{"__dagster_pipes_version":"0.1","payload":["#.repeat(200_000);
        let (found, report) = decoded(false, nested);
        assert_eq!((found.len(), report.rejected_count), (0, 1));
    }

    proptest! {
        #[test]
        fn pieces_are_the_line(parts in proptest::collection::vec(0usize..1000, 0..8), whole: bool) {
            let text = [OURS, OFFICIAL, "words", "{\"x\":"];
            let line: String = parts
                .iter()
                .map(|&n| (text[n % 4], n / 4))
                .map(|(text, n)| if whole { text } else { &text[..n.min(text.len())] })
                .collect();
            let mut end = 0;
            for piece in pieces(line.as_bytes()) {
                prop_assert_eq!(piece.start, end);
                prop_assert!(end == 0 || line.as_bytes()[end..].starts_with(BEGINNING));
                end = piece.end;
            }
            prop_assert_eq!(end, line.len());
        }
    }
}
