//! What arrived and what did not.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::RangeInclusive;

use crate::protocol::decode::{Repair, Repairs, head};
use crate::protocol::envelope::{Method, Stamp, WriterId};

/// How many rejected lines are kept with their details.
const MAX_REJECTED: usize = 100;
/// How many writers are told apart; messages of any further one count as not numbered.
const MAX_WRITERS: usize = 100_000;
/// How many gaps are kept for a writer. A number beyond the last one kept is not taken note of and
/// so counts as missing: a file made to grow this list is no file to call whole.
const MAX_GAPS: usize = 10_000;

/// A line that was set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// The place of its first byte in the channel, in bytes.
    pub offset: u64,
    /// What is wrong with it.
    pub reason: String,
    /// Its first bytes, those that are not UTF-8 replaced, control characters escaped.
    pub head: String,
}

/// What arrived of one writer that numbers its messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriterReport {
    /// Its name.
    pub writer: String,
    /// Whether its `opened` arrived.
    pub opened: bool,
    /// Whether its `closed` arrived, or it has nothing to close: `ironpipe emit` is a writer for
    /// each message.
    pub closed: bool,
    /// How many of its messages arrived, each counted once.
    pub received: u64,
    /// How many arrived again and were dropped.
    pub repeated: u64,
    /// The numbers that did not arrive although a higher one did.
    pub missing: Vec<RangeInclusive<u64>>,
}

impl WriterReport {
    /// How many numbers are missing.
    pub fn missing_count(&self) -> u64 {
        self.missing.iter().fold(0, |sum, gap| {
            sum.saturating_add(gap.end() - gap.start() + 1)
        })
    }
}

/// A chunk that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostChunk {
    /// Its index.
    pub index: u64,
    /// Whether the chunks behind it are unknown, too.
    pub and_all_after: bool,
    /// Why.
    pub reason: String,
}

/// What arrived and what did not, up to now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryReport {
    /// How many messages were delivered.
    pub delivered: u64,
    /// How many of them were not numbered; whether others are missing beside them is unknown.
    pub unnumbered: u64,
    /// How many `opened` were delivered.
    pub opened: u64,
    /// How many `closed` were delivered.
    pub closed: u64,
    /// Those that number their messages, in the order in which they appeared.
    pub writers: Vec<WriterReport>,
    /// The first lines that were set aside.
    pub rejected: Vec<Rejected>,
    /// How many lines were set aside.
    pub rejected_count: u64,
    /// What was mended, and how often.
    pub repaired: BTreeMap<&'static str, u64>,
    /// The first chunks that could not be read.
    pub lost_chunks: Vec<LostChunk>,
    /// How many chunks could not be read.
    pub lost_chunk_count: u64,
    /// How many writers had not closed when the channel ended, where a writer holds messages back:
    /// what they held is lost.
    pub unclosed: u64,
    /// The index of the last chunk that was read.
    pub chunks: u64,
    /// How often a store was asked for a chunk.
    pub requests: u64,
    /// How many of these requests failed and were made again.
    pub failed_requests: u64,
    /// What the store says, while its answers are failures.
    pub trouble: Option<String>,
}

impl DeliveryReport {
    /// How many messages are known to be missing.
    pub fn missing_count(&self) -> u64 {
        self.writers
            .iter()
            .fold(0, |sum, writer| sum.saturating_add(writer.missing_count()))
    }

    /// How many messages arrived more than once; each was delivered once.
    pub fn repeated_count(&self) -> u64 {
        self.writers.iter().map(|writer| writer.repeated).sum()
    }

    /// Whether nothing was rejected and nothing is missing.
    pub fn is_complete(&self) -> bool {
        self.rejected_count == 0
            && self.missing_count() == 0
            && self.lost_chunk_count == 0
            && self.unclosed == 0
    }
}

/// One line a fact; the first says how many arrived and how many did not.
impl fmt::Display for DeliveryReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} delivered", count(self.delivered, "message"))?;
        let facts = [
            (self.rejected_count, "rejected"),
            (self.missing_count(), "missing"),
            (self.repeated_count(), "repeated and dropped"),
        ];
        for (n, what) in facts.into_iter().filter(|fact| fact.0 > 0) {
            write!(f, ", {n} {what}")?;
        }
        if self.unnumbered > 0 && self.rejected_count > 0 {
            write!(f, "; {} not numbered", self.unnumbered)?;
        }
        for line in &self.rejected {
            write!(
                f,
                "\n  rejected at byte {}: {}: `{}`",
                line.offset, line.reason, line.head
            )?;
        }
        let more = self.rejected_count - self.rejected.len() as u64;
        if more > 0 {
            write!(f, "\n  and {} more rejected", count(more, "line"))?;
        }
        for writer in self
            .writers
            .iter()
            .filter(|writer| !writer.missing.is_empty())
        {
            write!(f, "\n  missing from writer {}: ", writer.writer)?;
            write_ranges(f, &writer.missing)?;
        }
        for chunk in &self.lost_chunks {
            let on = if chunk.and_all_after {
                " and all after it"
            } else {
                ""
            };
            let LostChunk { index, reason, .. } = chunk;
            write!(f, "\n  chunk {index}{on} did not arrive: {reason}")?;
        }
        let more = self.lost_chunk_count - self.lost_chunks.len() as u64;
        if more > 0 {
            write!(f, "\n  and {} more", count(more, "chunk"))?;
        }
        if self.unclosed > 0 {
            let writers = count(self.unclosed, "writer");
            write!(
                f,
                "\n  {writers} did not close: what it had not uploaded is lost"
            )?;
        }
        if let Some(trouble) = &self.trouble
            && !self.is_complete()
        {
            write!(f, "\n  the store says: {trouble}")?;
        }
        for (what, n) in &self.repaired {
            write!(f, "\n  repaired: {what} ({n})")?;
        }
        if self.failed_requests > 0 {
            let (requests, failed) = (self.requests, self.failed_requests);
            write!(f, "\n  {requests} requests, {failed} of them made again")?;
        }
        Ok(())
    }
}

fn count(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

fn write_ranges(f: &mut fmt::Formatter<'_>, ranges: &[RangeInclusive<u64>]) -> fmt::Result {
    const SHOWN: usize = 20;
    for (i, range) in ranges.iter().take(SHOWN).enumerate() {
        let comma = if i > 0 { ", " } else { "" };
        match range.end() - range.start() {
            0 => write!(f, "{comma}{}", range.start())?,
            _ => write!(f, "{comma}{}-{}", range.start(), range.end())?,
        }
    }
    match ranges.len().checked_sub(SHOWN) {
        Some(more) if more > 0 => write!(f, " and {more} more ranges"),
        _ => Ok(()),
    }
}

/// Keeps count while messages arrive.
#[derive(Debug, Default)]
pub(crate) struct Tracker {
    report: DeliveryReport,
    writers: Vec<Writer>,
    by_id: HashMap<WriterId, usize>,
    /// The writer of the last message; the next one is most often its own.
    current: usize,
    /// Some writers are of a single message: nobody knows whether another one comes.
    singles: bool,
    /// The channel has ended, and writers hold messages back on it.
    buffer_ended: bool,
}

#[derive(Debug)]
struct Writer {
    id: WriterId,
    opened: bool,
    closed: bool,
    repeated: u64,
    received: u64,
    /// The numbers that arrived: sorted, apart from one another, never empty.
    arrived: Vec<RangeInclusive<u64>>,
}

impl Writer {
    /// Takes note of a number; false if it had arrived before.
    #[inline(always)]
    fn arrive(&mut self, number: u64) -> bool {
        if let Some(last) = self.arrived.last_mut()
            && number == last.end().wrapping_add(1)
            && number != 0
        {
            *last = *last.start()..=number;
            return true;
        }
        self.arrive_out_of_order(number)
    }

    #[cold]
    fn arrive_out_of_order(&mut self, number: u64) -> bool {
        // The first range that ends at or behind `number`.
        let at = self.arrived.partition_point(|range| *range.end() < number);
        if self
            .arrived
            .get(at)
            .is_some_and(|range| range.contains(&number))
        {
            return false;
        }
        let joins_before = at > 0 && *self.arrived[at - 1].end() == number - 1;
        let joins_after = self
            .arrived
            .get(at)
            .is_some_and(|next| *next.start() - 1 == number);
        match (joins_before, joins_after) {
            (true, true) => {
                let end = *self.arrived.remove(at).end();
                self.arrived[at - 1] = *self.arrived[at - 1].start()..=end;
            }
            (true, false) => self.arrived[at - 1] = *self.arrived[at - 1].start()..=number,
            (false, true) => self.arrived[at] = number..=*self.arrived[at].end(),
            (false, false) if self.arrived.len() < MAX_GAPS => {
                self.arrived.insert(at, number..=number)
            }
            (false, false) => {}
        }
        true
    }

    fn report(&self) -> WriterReport {
        let mut missing = Vec::new();
        let mut expected = 1;
        for range in &self.arrived {
            if *range.start() > expected {
                missing.push(expected..=range.start() - 1);
            }
            expected = range.end().saturating_add(1);
        }
        WriterReport {
            writer: self.id.to_string(),
            opened: self.opened,
            closed: self.closed,
            received: self.received,
            repeated: self.repeated,
            missing,
        }
    }
}

impl Tracker {
    /// Takes note of a message; false if it came before and is to be dropped.
    #[inline]
    pub fn message(&mut self, method: Method, stamp: Option<&Stamp>) -> bool {
        match stamp.and_then(|stamp| Some((self.writer(stamp.writer)?, stamp.number))) {
            Some((writer, number)) => {
                if !writer.arrive(number) {
                    writer.repeated += 1;
                    return false;
                }
                writer.received += 1;
                match method {
                    Method::Opened => writer.opened = true,
                    Method::Closed => writer.closed = true,
                    _ => {}
                }
            }
            None => self.report.unnumbered += 1,
        }
        self.report.delivered += 1;
        match method {
            Method::Opened => self.report.opened += 1,
            Method::Closed => self.report.closed += 1,
            _ => {}
        }
        true
    }

    #[inline]
    fn writer(&mut self, id: WriterId) -> Option<&mut Writer> {
        if self
            .writers
            .get(self.current)
            .is_none_or(|writer| writer.id != id)
        {
            self.current = match self.by_id.get(&id) {
                Some(&index) => index,
                None if self.writers.len() >= MAX_WRITERS => return None,
                None => {
                    self.singles |= id.is_single();
                    self.writers.push(Writer {
                        id,
                        opened: false,
                        closed: id.is_single(),
                        repeated: 0,
                        received: 0,
                        arrived: Vec::new(),
                    });
                    let index = self.writers.len() - 1;
                    self.by_id.insert(id, index);
                    index
                }
            };
        }
        self.writers.get_mut(self.current)
    }

    pub fn repaired(&mut self, repairs: Repairs) {
        for repair in repairs.iter() {
            self.repaired_one(repair);
        }
    }

    pub fn repaired_one(&mut self, repair: Repair) {
        *self.report.repaired.entry(repair.as_str()).or_default() += 1;
    }

    pub fn rejected(&mut self, offset: u64, reason: impl Into<String>, line: &[u8]) {
        self.report.rejected_count += 1;
        if self.report.rejected.len() < MAX_REJECTED {
            self.report.rejected.push(Rejected {
                offset,
                reason: reason.into(),
                head: head(line),
            });
        }
    }

    #[cfg(feature = "chunks")]
    pub fn chunk(&mut self, index: u64) {
        self.report.chunks = index;
    }

    #[cfg(feature = "chunks")]
    pub fn lost_chunk(&mut self, index: u64, and_all_after: bool, reason: String) {
        self.report.lost_chunk_count += 1;
        if self.report.lost_chunks.len() < MAX_REJECTED {
            self.report.lost_chunks.push(LostChunk {
                index,
                and_all_after,
                reason,
            });
        }
    }

    /// Takes note of how often the store was asked until now.
    #[cfg(feature = "chunks")]
    pub fn requests(&mut self, requests: u64, failed: u64, trouble: Option<String>) {
        self.report.trouble = trouble;
        self.report.requests = requests;
        self.report.failed_requests = failed;
    }

    /// Says that nothing more comes through a channel on which writers hold messages back.
    #[cfg(feature = "chunks")]
    pub fn end_of_buffer(&mut self) {
        self.buffer_ended = true;
        if self.report().is_complete() {
            self.report.trouble = None;
        }
    }

    /// How many writers have something to say still.
    fn unclosed(&self) -> u64 {
        let open = self.writers.iter().filter(|writer| !writer.closed).count() as u64;
        let numbered = self.writers.iter().filter(|writer| writer.closed).count() as u64;
        let opened = self.writers.iter().filter(|writer| writer.opened).count() as u64;
        // Those that do not number their messages are known by what they open and close.
        let unnumbered = (self.report.opened - opened.min(self.report.opened))
            .saturating_sub(self.report.closed.saturating_sub(numbered));
        open + unnumbered
    }

    /// Sets aside a message that was counted as delivered.
    pub fn take_back(&mut self, offset: u64, reason: String, line: &[u8]) {
        self.report.delivered -= 1;
        self.rejected(offset, reason, line);
    }

    /// Whether all have said that nothing more follows, so that it need not be waited for.
    pub fn is_over(&self) -> bool {
        self.is_closed() && !self.singles
    }

    /// Whether every writer is known to be ours, and all that was opened is closed.
    pub fn is_closed(&self) -> bool {
        let is_closed = |writer: &Writer| writer.closed || !writer.opened;
        self.report.unnumbered == 0
            && self.report.closed > 0
            && self.report.closed >= self.report.opened
            && self.writers.iter().all(is_closed)
    }

    pub fn report(&self) -> DeliveryReport {
        DeliveryReport {
            writers: self.writers.iter().map(Writer::report).collect(),
            unclosed: if self.buffer_ended {
                self.unclosed()
            } else {
                0
            },
            ..self.report.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn stamp(number: u64) -> Stamp {
        Stamp {
            writer: WriterId::new(b"w").unwrap(),
            number,
            micros: 0,
        }
    }

    #[test]
    fn a_gap_is_named_and_a_repeat_dropped() {
        let mut tracker = Tracker::default();
        for number in [1, 2, 5, 5, 4, 9] {
            tracker.message(Method::Log, Some(&stamp(number)));
        }
        let report = tracker.report();
        assert_eq!(report.delivered, 5);
        assert_eq!(report.repeated_count(), 1);
        assert_eq!(report.missing_count(), 4);
        assert!(!report.is_complete());
        let text = report.to_string();
        assert!(
            text.contains("5 messages delivered, 4 missing, 1 repeated"),
            "{text}"
        );
        assert!(text.contains("missing from writer w: 3, 6-8"), "{text}");
    }

    #[test]
    fn numbers_at_the_ends_of_their_range() {
        let mut tracker = Tracker::default();
        for number in [u64::MAX, u64::MAX - 1, 1, u64::MAX] {
            tracker.message(Method::Log, Some(&stamp(number)));
        }
        assert_eq!(tracker.report().writers[0].missing, [2..=u64::MAX - 2]);
        assert_eq!(tracker.report().missing_count(), u64::MAX - 3);
    }

    #[test]
    fn memory_is_bounded() {
        let mut tracker = Tracker::default();
        for number in (1..).step_by(2).take(3 * MAX_GAPS) {
            tracker.message(Method::Log, Some(&stamp(number)));
        }
        for line in 0..3 * MAX_REJECTED {
            tracker.rejected(line as u64, "bad", &[b'x'; 100_000]);
        }
        let report = tracker.report();
        assert_eq!(report.writers[0].missing.len(), MAX_GAPS - 1);
        assert_eq!(report.rejected.len(), MAX_REJECTED);
        assert!(report.rejected[0].head.len() < 500);
        let text = report.to_string();
        assert!(text.contains("and 200 lines more rejected"), "{text}");
    }

    proptest! {
        #[test]
        fn any_order_gives_the_same_gaps(
            numbers in proptest::collection::vec(1u64..40, 0..60)
        ) {
            let mut tracker = Tracker::default();
            for &number in &numbers {
                tracker.message(Method::Log, Some(&stamp(number)));
            }
            let set: BTreeSet<u64> = numbers.iter().copied().collect();
            let highest = set.last().copied().unwrap_or(0);
            let missing: Vec<u64> = (1..=highest).filter(|n| !set.contains(n)).collect();
            let report = tracker.report();
            let found: Vec<u64> =
                report.writers.iter().flat_map(|w| w.missing.clone()).flatten().collect();
            prop_assert_eq!(found, missing);
            prop_assert_eq!(report.delivered, set.len() as u64);
            prop_assert_eq!(report.repeated_count(), (numbers.len() - set.len()) as u64);
        }
    }
}
