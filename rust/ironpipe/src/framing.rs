//! Bytes to lines, without input or output.
//!
//! Bytes go in with [`LineFramer::push`] or [`LineFramer::fill`], lines come out of
//! [`LineFramer::next`]. A line is only a line once its newline has arrived; what is left at the
//! very end comes out of [`LineFramer::finish`] and nowhere else, so that a line that is still
//! being written is never taken for a whole one.

use std::io;
use std::ops::Range;

/// How much one [`LineFramer::fill`] asks for, in bytes.
pub const BLOCK: usize = 64 * 1024;

/// What a line may measure unless an option says otherwise, in bytes: 256 MiB.
pub const MAX_LINE: usize = 256 * 1024 * 1024;

/// The largest limit that can be set, so that places in a line fit 32 bits.
const LARGEST_LIMIT: usize = u32::MAX as usize / 2;

/// Something that stood between two newlines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// A line, without its newline.
    Line {
        /// Where it stands; [`LineFramer::bytes`] gives it until bytes are added.
        range: Range<usize>,
        /// The place of its first byte in the stream.
        offset: u64,
    },
    /// A line over the limit. Its bytes are gone but for the first ones.
    TooLong {
        /// The place of its first byte in the stream.
        offset: u64,
        /// How many bytes it had.
        length: u64,
        /// Its first bytes.
        head: Vec<u8>,
    },
}

/// Cuts a stream of bytes into lines.
#[derive(Debug)]
pub struct LineFramer {
    /// Invariant: `start <= searched <= end <= buffer.len()`.
    buffer: Vec<u8>,
    /// The first byte of the line that comes next.
    start: usize,
    /// No newline stands between `start` and here.
    searched: usize,
    /// One past the last byte that arrived.
    end: usize,
    /// The place of `buffer[0]` in the stream.
    offset: u64,
    max_line: usize,
    /// The line over the limit that is being passed over: what it was and had so far.
    skipped: Option<Skipped>,
}

#[derive(Debug)]
struct Skipped {
    offset: u64,
    length: u64,
    head: Vec<u8>,
}

impl Skipped {
    fn frame(self) -> Frame {
        Frame::TooLong {
            offset: self.offset,
            length: self.length,
            head: self.head,
        }
    }
}

impl Default for LineFramer {
    fn default() -> Self {
        LineFramer::new(MAX_LINE)
    }
}

impl LineFramer {
    /// A framer for lines of up to `max_line` bytes.
    pub fn new(max_line: usize) -> Self {
        LineFramer {
            buffer: Vec::new(),
            start: 0,
            searched: 0,
            end: 0,
            offset: 0,
            max_line: max_line.min(LARGEST_LIMIT),
            skipped: None,
        }
    }

    /// The longest line that is let through, in bytes.
    pub fn max_line(&self) -> usize {
        self.max_line
    }

    /// Adds bytes. Ranges given out before are no longer valid.
    pub fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let taken = self.fill(|space| {
                let n = space.len().min(bytes.len());
                space[..n].copy_from_slice(&bytes[..n]);
                Ok(n)
            });
            // The closure has no way to fail.
            bytes = &bytes[taken.unwrap_or(bytes.len())..];
        }
    }

    /// Has `read` put bytes into a space of at least [`BLOCK`] bytes, and gives back how many it
    /// says it put. Ranges given out before are no longer valid.
    ///
    /// # Errors
    /// Those of `read`; nothing is added then.
    pub fn fill(&mut self, read: impl FnOnce(&mut [u8]) -> io::Result<usize>) -> io::Result<usize> {
        self.make_space();
        let n = read(&mut self.buffer[self.end..])?;
        self.end = (self.end + n).min(self.buffer.len());
        Ok(n)
    }

    fn make_space(&mut self) {
        self.skip_what_is_too_long();
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.offset = self.offset.wrapping_add(self.start as u64);
            self.searched -= self.start;
            self.end -= self.start;
            self.start = 0;
        }
        if self.buffer.len() > 4 * BLOCK && self.end < BLOCK {
            // One long line has passed; its memory goes with it.
            self.buffer.truncate(2 * BLOCK);
            self.buffer.shrink_to_fit();
        }
        if self.buffer.len() - self.end < BLOCK {
            // Doubling keeps the copying of a long line linear in its length.
            let size = (self.end + BLOCK).max((2 * self.end).min(self.end + self.max_line));
            self.buffer.resize(size, 0);
        }
    }

    fn skip_what_is_too_long(&mut self) {
        let pending = self.end - self.start;
        if self.skipped.is_none() && (self.searched < self.end || pending <= self.max_line) {
            return;
        }
        let skipped = self.skipped.get_or_insert_with(|| Skipped {
            offset: self.offset.wrapping_add(self.start as u64),
            length: 0,
            head: self.buffer[self.start..self.end.min(self.start + 200)].to_vec(),
        });
        skipped.length += (self.searched - self.start) as u64;
        self.start = self.searched;
    }

    /// The next line whose newline has arrived.
    #[inline]
    #[allow(clippy::should_implement_trait)] // The ranges it gives die at the next push.
    pub fn next(&mut self) -> Option<Frame> {
        let Some(length) = memchr::memchr(b'\n', &self.buffer[self.searched..self.end]) else {
            self.searched = self.end;
            return None;
        };
        let newline = self.searched + length;
        let range = self.start..newline;
        let frame = self.frame(range);
        self.start = newline + 1;
        self.searched = self.start;
        Some(frame)
    }

    /// The bytes that [`next`](Self::next) has yet to cut into lines; empty within a line of which
    /// it has seen a part, since whoever looked at all of a long line again at each piece of it
    /// would take time that grows with the square of its length.
    #[inline]
    pub fn rest(&self) -> &[u8] {
        match self.searched == self.start {
            true => &self.buffer[self.start..self.end],
            false => &[],
        }
    }

    /// Cuts off a line whose end is known: `length` bytes of [`rest`](Self::rest), behind which the
    /// newline stands. None, and nothing is cut off, where the line is over the limit or its
    /// beginning has already been passed over.
    #[inline]
    pub fn next_of_length(&mut self, length: usize) -> Option<Range<usize>> {
        if length > self.max_line || self.skipped.is_some() {
            return None;
        }
        let range = self.start..self.start + length;
        self.start = (range.end + 1).min(self.end);
        self.searched = self.searched.max(self.start);
        Some(range)
    }

    /// Says that nothing more comes, and gives what stands behind the last newline.
    pub fn finish(&mut self) -> Option<Frame> {
        if self.start == self.end && self.skipped.is_none() {
            return None;
        }
        let range = self.start..self.end;
        let frame = self.frame(range);
        self.start = self.end;
        self.searched = self.end;
        Some(frame)
    }

    /// Throws away what stands behind the last newline, and counts from 0 again: the stream was
    /// replaced by another. The fragment that is lost, if there was one.
    pub fn restart(&mut self) -> Option<Frame> {
        let lost = self.finish();
        // The bytes stay where they are, so that the range of the fragment is valid.
        self.offset = 0u64.wrapping_sub(self.end as u64);
        lost
    }

    #[inline]
    fn frame(&mut self, range: Range<usize>) -> Frame {
        if self.skipped.is_some() || range.len() > self.max_line {
            return self.too_long(range);
        }
        Frame::Line {
            offset: self.offset(range.start),
            range,
        }
    }

    #[cold]
    fn too_long(&mut self, range: Range<usize>) -> Frame {
        let mut skipped = self.skipped.take().unwrap_or_else(|| Skipped {
            offset: self.offset.wrapping_add(range.start as u64),
            length: 0,
            head: self.buffer[range.start..range.end.min(range.start + 200)].to_vec(),
        });
        skipped.length += range.len() as u64;
        skipped.frame()
    }

    /// The bytes of a range that [`next`](Self::next) or [`finish`](Self::finish) gave.
    #[inline]
    pub fn bytes(&self, range: Range<usize>) -> &[u8] {
        &self.buffer[range]
    }

    /// The place in the stream of a byte of such a range.
    pub(crate) fn offset(&self, at: usize) -> u64 {
        self.offset.wrapping_add(at as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// All frames of a stream that arrives in the given pieces: a line's bytes, or the length of
    /// one that was too long.
    fn frames(pieces: &[&[u8]], max_line: usize) -> Vec<(u64, Result<Vec<u8>, u64>)> {
        let mut framer = LineFramer::new(max_line);
        let mut out = Vec::new();
        let mut keep = |framer: &LineFramer, frame| match frame {
            Frame::Line { range, offset } => out.push((offset, Ok(framer.bytes(range).to_vec()))),
            Frame::TooLong { offset, length, .. } => out.push((offset, Err(length))),
        };
        for piece in pieces {
            framer.push(piece);
            while let Some(frame) = framer.next() {
                keep(&framer, frame);
            }
        }
        if let Some(frame) = framer.finish() {
            keep(&framer, frame);
        }
        out
    }

    #[test]
    fn a_line_needs_its_newline() {
        let mut framer = LineFramer::default();
        framer.push(b"abc");
        assert_eq!(framer.next(), None);
        framer.push(b"def\ng");
        let Some(Frame::Line { range, offset: 0 }) = framer.next() else {
            panic!("no line");
        };
        assert_eq!(framer.bytes(range), b"abcdef");
        assert_eq!(framer.next(), None);
        let Some(Frame::Line { range, offset: 7 }) = framer.finish() else {
            panic!("no last line");
        };
        assert_eq!(framer.bytes(range), b"g");
        assert_eq!(framer.finish(), None);
    }

    #[test]
    fn a_long_line_is_passed_over_and_counted() {
        let long = vec![b'x'; 3 * BLOCK];
        let ok = |text: &[u8]| Ok(text.to_vec());
        assert_eq!(
            frames(&[b"a\n", &long, &long, b"yy\nb\n"], BLOCK),
            [
                (0, ok(b"a")),
                (2, Err(6 * BLOCK as u64 + 2)),
                (6 * BLOCK as u64 + 5, ok(b"b"))
            ]
        );
        assert_eq!(frames(&[b"12345\n1234\n123456"], 4).len(), 3);
        assert_eq!(frames(&[b"12345\n1234\n"], 4)[1], (6, ok(b"1234")));
        assert_eq!(frames(&[&long], BLOCK), [(0, Err(3 * BLOCK as u64))]);
    }

    #[test]
    fn memory_goes_back_after_a_long_line() {
        let mut framer = LineFramer::default();
        framer.push(&vec![b'x'; 32 * BLOCK]);
        framer.push(b"\n");
        assert!(matches!(framer.next(), Some(Frame::Line { .. })));
        framer.push(b"y\n");
        assert!(framer.buffer.capacity() < 4 * BLOCK);
    }

    #[test]
    fn a_replaced_stream_counts_from_zero() {
        let mut framer = LineFramer::default();
        framer.push(b"one\ntw");
        framer.next();
        let Some(Frame::Line { range, offset: 4 }) = framer.restart() else {
            panic!("no fragment");
        };
        assert_eq!(framer.bytes(range), b"tw");
        framer.push(b"three\nfour\n");
        assert!(matches!(framer.next(), Some(Frame::Line { offset: 0, .. })));
        assert!(matches!(framer.next(), Some(Frame::Line { offset: 6, .. })));
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(
            stream in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'x')], 0..200),
            cuts in proptest::collection::vec(0usize..200, 0..10),
            max_line in 1usize..20,
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c.min(stream.len())).collect();
            cuts.sort_unstable();
            let mut pieces = Vec::new();
            let mut from = 0;
            for cut in cuts {
                pieces.push(&stream[from..cut]);
                from = cut;
            }
            pieces.push(&stream[from..]);

            let mut expected = Vec::new();
            let mut offset = 0;
            let mut lines: Vec<&[u8]> = stream.split(|&b| b == b'\n').collect();
            if lines.last().is_some_and(|last| last.is_empty()) {
                lines.pop();
            }
            for line in lines {
                expected.push((offset, match line.len() > max_line {
                    true => Err(line.len() as u64),
                    false => Ok(line.to_vec()),
                }));
                offset += line.len() as u64 + 1;
            }
            prop_assert_eq!(frames(&pieces, max_line), expected);
        }
    }
}
