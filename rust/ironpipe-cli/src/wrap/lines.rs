//! From the bytes of a stream to the lines that are worth a message. No input or output.

use std::time::{Duration, Instant};

use anstream::adapter::{strip_bytes, strip_str};
use memchr::{memchr2, memmem};

/// What stands for a line that does not end: after this long without a byte it is sent as it is.
/// So a prompt that nobody answers is seen.
const UNFINISHED: Duration = Duration::from_secs(2);

/// A line, without its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The text, without escapes.
    pub text: String,
    /// How many bytes of it are missing, because it was longer than is allowed.
    pub cut: u64,
    /// Whether bytes that are not UTF-8 were replaced.
    pub replaced: bool,
}

/// Cuts a stream into lines.
///
/// A line that is written over and over (`\r`, or an escape that does the same) counts as its last
/// state; while that goes on, a state is given now and then.
#[derive(Debug)]
pub struct LineCutter {
    max_line: usize,
    /// How long a line is written over before a state of it is given; zero for never.
    progress: Duration,
    /// What has arrived of the line, or of its newest state.
    current: Vec<u8>,
    /// How many bytes of it were over the limit.
    cut: u64,
    /// The state before, if the line was written over.
    before: Option<State>,
    /// The last state that was given.
    given: Option<Vec<u8>>,
    /// When a state was given, or the line began.
    since: Option<Instant>,
    last_byte: Option<Instant>,
}

#[derive(Debug)]
struct State {
    bytes: Vec<u8>,
    cut: u64,
}

impl LineCutter {
    /// Cuts lines of at most `max_line` bytes.
    pub fn new(max_line: usize, progress: Duration) -> LineCutter {
        LineCutter {
            max_line,
            progress,
            current: Vec::new(),
            cut: 0,
            before: None,
            given: None,
            since: None,
            last_byte: None,
        }
    }

    /// Takes bytes, and hands each line to `sink`.
    pub fn push(&mut self, mut bytes: &[u8], now: Instant, sink: &mut impl FnMut(Line)) {
        if bytes.is_empty() {
            return;
        }
        self.last_byte = Some(now);
        self.since.get_or_insert(now);
        while let Some(end) = memchr2(b'\n', b'\r', bytes) {
            self.add(&bytes[..end]);
            match bytes[end] {
                b'\n' => self.end_line(now, sink),
                _ => self.start_over(),
            }
            bytes = &bytes[end + 1..];
        }
        self.add(bytes);
        self.tick(now, sink);
    }

    /// When [`tick`](LineCutter::tick) is next worth calling.
    pub fn deadline(&self) -> Option<Instant> {
        let unfinished = || !self.is_written_over() && !self.current.is_empty();
        if self.is_written_over() {
            self.progress_due()
        } else if unfinished() {
            self.last_byte.map(|last| last + UNFINISHED)
        } else {
            None
        }
    }

    /// Gives what has waited long enough.
    pub fn tick(&mut self, now: Instant, sink: &mut impl FnMut(Line)) {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return;
        }
        if !self.is_written_over() {
            // Not its end, but nothing of it is given twice either.
            self.end_line(now, sink);
            return;
        }
        self.since = Some(now);
        // The newest state may have arrived only in part.
        let state = self.before.as_ref().map(|state| (&state.bytes, state.cut));
        let (bytes, cut) = match state {
            Some(state) => state,
            None => (&self.current, self.cut),
        };
        let bytes = last_state(bytes).to_vec();
        if !is_blank(&bytes) && self.given.as_ref() != Some(&bytes) {
            sink(line(&bytes, cut));
            self.given = Some(bytes);
        }
    }

    /// Gives what is left when nothing more will come.
    pub fn finish(&mut self, now: Instant, sink: &mut impl FnMut(Line)) {
        if !self.current.is_empty() || self.before.is_some() {
            self.end_line(now, sink);
        }
    }

    fn is_written_over(&self) -> bool {
        self.before.is_some() || overwrites(&self.current)
    }

    fn progress_due(&self) -> Option<Instant> {
        let since = self.since.filter(|_| !self.progress.is_zero())?;
        Some(since + self.progress)
    }

    fn add(&mut self, bytes: &[u8]) {
        let room = self.max_line.saturating_sub(self.current.len());
        let (fits, rest) = bytes.split_at(room.min(bytes.len()));
        self.current.extend_from_slice(fits);
        if rest.is_empty() {
            return;
        }
        // Older states make room. What stands behind the last one may be half an escape.
        let older = start_of_last_state(&self.current);
        if older > 0 {
            self.current.drain(..older);
            return self.add(rest);
        }
        self.cut += rest.len() as u64;
    }

    /// The cursor went back to the start of the line.
    fn start_over(&mut self) {
        let cut = std::mem::take(&mut self.cut);
        if is_blank(last_state(&self.current)) {
            self.current.clear();
        } else {
            let bytes = std::mem::take(&mut self.current);
            self.before = Some(State { bytes, cut });
        }
    }

    fn end_line(&mut self, now: Instant, sink: &mut impl FnMut(Line)) {
        let mut state = State {
            bytes: std::mem::take(&mut self.current),
            cut: std::mem::take(&mut self.cut),
        };
        if let Some(before) = self.before.take()
            && is_blank(last_state(&state.bytes))
        {
            state = before;
        }
        let given = self.given.take();
        let shown = last_state(&state.bytes);
        if given.as_deref() != Some(shown) {
            sink(line(shown, state.cut));
        }
        self.since = Some(now);
    }
}

fn line(bytes: &[u8], cut: u64) -> Line {
    let bytes = match cut {
        0 => bytes,
        // The limit is not to tear a character.
        _ => &bytes[..whole_characters(bytes)],
    };
    let text = String::from_utf8_lossy(bytes);
    Line {
        replaced: matches!(text, std::borrow::Cow::Owned(_)),
        text: match text.contains(BACKSPACE) {
            true => typed_over(&text),
            false => strip_str(&text).to_string(),
        },
        cut,
    }
}

const BACKSPACE: char = '\u{8}';

/// What is left to see where the cursor went back, as spinners do it.
fn typed_over(text: &str) -> String {
    let mut shown = Vec::new();
    let mut cursor: usize = 0;
    for (i, part) in text.split(BACKSPACE).enumerate() {
        cursor = cursor.saturating_sub(usize::from(i > 0));
        for letter in strip_str(part).to_string().chars() {
            match shown.get_mut(cursor) {
                Some(place) => *place = letter,
                None => shown.push(letter),
            }
            cursor += 1;
        }
    }
    shown.into_iter().collect()
}

/// How many bytes from the start end with a whole character, or with what is none at all.
fn whole_characters(bytes: &[u8]) -> usize {
    let from = bytes.len().saturating_sub(3);
    let start = bytes[from..].iter().rposition(|&byte| byte >= 0xC0);
    match start.map(|start| (start, std::str::from_utf8(&bytes[from + start..]))) {
        Some((start, Err(error))) if error.error_len().is_none() => from + start,
        _ => bytes.len(),
    }
}

fn is_blank(bytes: &[u8]) -> bool {
    if !bytes.contains(&0x1B) {
        return bytes.trim_ascii().is_empty();
    }
    strip_bytes(bytes).all(|part| part.trim_ascii().is_empty())
}

/// Escapes that a line is begun anew with: to the first column, and out with the whole line.
const OVERWRITES: [&[u8]; 4] = [b"\x1b[G", b"\x1b[0G", b"\x1b[1G", b"\x1b[2K"];

fn overwrites(bytes: &[u8]) -> bool {
    bytes.contains(&0x1B)
        && OVERWRITES
            .iter()
            .any(|escape| memmem::find(bytes, escape).is_some())
}

/// What is left to see of a line that escapes have begun anew: its last part that is not blank.
fn last_state(bytes: &[u8]) -> &[u8] {
    let state = &bytes[start_of_last_state(bytes)..];
    let ends = OVERWRITES
        .iter()
        .filter_map(|escape| memmem::find(state, escape));
    &state[..ends.min().unwrap_or(state.len())]
}

fn start_of_last_state(bytes: &[u8]) -> usize {
    let mut end = bytes.len();
    while bytes[..end].contains(&0x1B) {
        let last = OVERWRITES
            .iter()
            .filter_map(|escape| Some((memmem::rfind(&bytes[..end], escape)?, escape.len())))
            .max();
        let Some((at, length)) = last else {
            break;
        };
        if !is_blank(&bytes[at + length..end]) {
            return at + length;
        }
        end = at;
    }
    0
}

#[cfg(test)]
mod tests;
