//! Lines that belong together, as one message: stack traces and what stands like one.
//!
//! No input or output. What goes in comes out, each line once and in order.

use std::time::{Duration, Instant};

use ironpipe::Level;

/// How long a group waits for another line, counted from its last one.
const QUIET: Duration = Duration::from_millis(100);
/// How long it waits at most, counted from its first one.
const OLDEST: Duration = Duration::from_secs(1);
/// What a group may hold.
const MAX_LINES: usize = 1000;
const MAX_BYTES: usize = 256 << 10;
/// How many lines an exception of the JVM may have to say before its frames come.
const MAX_WORDS: u8 = 50;

/// Lines that are one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The lines, with newlines between them.
    pub text: String,
    /// The level of the first that names one.
    pub level: Option<Level>,
    lines: usize,
    began: Instant,
    latest: Instant,
    place: Place,
}

/// What may follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A line by itself, unless the next one shows that more belongs to it.
    Alone,
    /// Frames of a Python traceback; the exception ends them.
    Python,
    /// The exception of a traceback: another that it led to may follow.
    PythonEnd,
    /// Between two tracebacks.
    PythonBetween,
    /// Frames of the JVM, of Node, of .NET or Ruby.
    Frames,
    /// What an exception of the JVM says, so many lines of it; frames follow.
    Words(u8),
    /// What Node shows of an error behind its frames, up to a brace.
    Properties,
    /// The head of a panic, of which the words come next.
    PanicHead,
    /// What a panic says, and its backtrace.
    Panic,
    /// A panic of Go, and its goroutines.
    Go,
    /// What rustc shows of the source.
    Source,
}

/// Puts lines together.
#[derive(Debug, Default)]
pub struct Grouper {
    open: Option<Group>,
}

impl Grouper {
    /// Takes a line: `raw` as it was printed, `text` as it is to be sent. Gives the group that
    /// ended before it.
    pub fn push(
        &mut self,
        raw: &str,
        text: &str,
        level: Option<Level>,
        now: Instant,
    ) -> Option<Group> {
        let mut next = None;
        if let Some(group) = &mut self.open
            && let Some(place) =
                group
                    .place
                    .after(raw, level, group.level.filter(|_| group.lines == 1))
        {
            if group.lines < MAX_LINES && group.text.len() + text.len() < MAX_BYTES {
                group.text.push('\n');
                group.text.push_str(text);
                group.lines += 1;
                group.latest = now;
                group.level = group.level.or(level).or(place.level());
                group.place = place;
                return None;
            }
            // Too much for one message: it goes on in another.
            next = Some((place, group.level));
        }
        let (place, level) = next.unwrap_or_else(|| (Place::of(raw), level));
        self.open.replace(Group {
            text: text.to_owned(),
            level: level.or(place.level()),
            lines: 1,
            began: now,
            latest: now,
            place,
        })
    }

    /// When the open group has waited long enough.
    pub fn deadline(&self) -> Option<Instant> {
        let group = self.open.as_ref()?;
        Some((group.latest + QUIET).min(group.began + OLDEST))
    }

    /// Whether more lines are likely to belong to the open group.
    pub fn is_unfinished(&self) -> bool {
        let place = self.open.as_ref().map(|group| group.place);
        place.is_some_and(|place| !matches!(place, Place::Alone | Place::PythonEnd))
    }

    /// Ends the open group.
    pub fn flush(&mut self) -> Option<Group> {
        self.open.take()
    }
}

impl Place {
    /// Where a first line leads.
    fn of(line: &str) -> Place {
        if is_traceback(line) {
            Place::Python
        } else if is_panic(line) {
            match line.trim_end().ends_with(':') {
                true => Place::PanicHead,
                // Before Rust 1.73 the words stood in the head.
                false => Place::Panic,
            }
        } else if line.starts_with("panic: ") || line.starts_with("fatal error: ") {
            Place::Go
        } else if line.starts_with("Exception in thread \"") {
            Place::Words(0)
        } else {
            Place::Alone
        }
    }

    /// Where `line`, which names `level`, leads from here; none if it does not belong. `alone` is the
    /// level of the line before it, if that is all there is.
    fn after(self, line: &str, level: Option<Level>, alone: Option<Level>) -> Option<Place> {
        let indented = line.starts_with([' ', '\t']);
        let blank = line.trim().is_empty();
        match self {
            Place::Alone | Place::Frames | Place::Words(_) | Place::Properties
                if is_frame(line) =>
            {
                Some(Place::of_frame(line))
            }
            Place::Alone if is_source(line) && alone.is_some() => Some(Place::Source),
            // What a logger adds to its line.
            Place::Alone if alone.is_some() && is_traceback(line) => Some(Place::Python),
            Place::Alone if alone >= Some(Level::Warning) && is_jvm_exception(line) => {
                Some(Place::Frames)
            }
            Place::Alone => None,
            Place::Python if is_traceback(line) => Some(Place::Python),
            Place::Python if indented && !blank => Some(Place::Python),
            Place::Python => is_exception(line).then_some(Place::PythonEnd),
            Place::PythonEnd if joins_tracebacks(line) => Some(Place::PythonBetween),
            Place::PythonEnd => (indented || blank).then_some(Place::PythonEnd),
            Place::PythonBetween if is_traceback(line) => Some(Place::Python),
            Place::PythonBetween => blank.then_some(Place::PythonBetween),
            Place::Frames => None,
            Place::Words(count) => {
                (level.is_none() && count < MAX_WORDS).then(|| Place::Words(count + 1))
            }
            Place::Properties if line.trim_end() == "}" => Some(Place::Frames),
            Place::Properties => (indented && !blank).then_some(Place::Properties),
            Place::PanicHead => Some(Place::Panic),
            Place::Panic => {
                let belongs = (indented && !blank)
                    || line.starts_with("note: ")
                    || line.starts_with("stack backtrace:");
                belongs.then_some(Place::Panic)
            }
            Place::Go => {
                let belongs = blank
                    || line.starts_with('\t')
                    || line.starts_with("goroutine ")
                    || line.starts_with("[signal ")
                    || line.starts_with("created by ")
                    || line.starts_with("exit status ")
                    || line.starts_with("panic: ")
                    || (line.ends_with(')') && line.split('(').next().is_some_and(is_go_function));
                belongs.then_some(Place::Go)
            }
            Place::Source => is_source(line).then_some(Place::Source),
        }
    }

    /// Where a frame leads.
    fn of_frame(line: &str) -> Place {
        let text = line.trim();
        if text.ends_with(" {") {
            Place::Properties
        } else if text.starts_with("Caused by: ") || text.starts_with("Suppressed: ") {
            Place::Words(0)
        } else {
            Place::Frames
        }
    }

    fn level(self) -> Option<Level> {
        match self {
            Place::Alone | Place::Source => None,
            _ => Some(Level::Error),
        }
    }
}

/// The head of a traceback of Python, of a group of exceptions too.
fn is_traceback(line: &str) -> bool {
    let line = line.trim_start_matches([' ', '+', '|']);
    line.starts_with("Traceback (most recent call last):")
        || line.starts_with("Exception Group Traceback (most recent call last):")
}

/// What Python prints between the traceback of an exception and that of what it led to.
fn joins_tracebacks(line: &str) -> bool {
    line.starts_with("During handling of the above exception")
        || line.starts_with("The above exception was the direct cause")
}

fn is_panic(line: &str) -> bool {
    line.starts_with("thread '") && line.contains(" panicked at ")
}

/// `package.Name`, alone or with words behind a colon.
fn is_exception(line: &str) -> bool {
    let name = line.split(": ").next().unwrap_or_default();
    let name = name.strip_suffix(':').unwrap_or(name);
    let mut parts = name.split('.');
    name.starts_with(|first: char| first.is_alphabetic() || first == '_')
        && parts.all(|part| {
            !part.is_empty()
                && part
                    .chars()
                    .all(|c| c.is_alphanumeric() || "_$<>".contains(c))
        })
}

/// `package.Name`, which a logger of the JVM prints before the frames.
fn is_jvm_exception(line: &str) -> bool {
    let name = line.split(": ").next().unwrap_or_default();
    name.contains('.') && is_exception(line)
}

/// A frame of a stack trace, or what stands between such frames.
fn is_frame(line: &str) -> bool {
    let text = line.trim_start();
    let indented = text.len() < line.len();
    let more = || {
        let count = text
            .strip_prefix("... ")
            .and_then(|rest| rest.split_once(' '));
        count.is_some_and(|(number, rest)| {
            number.parse::<u32>().is_ok()
                && ["more", "common frames", "lines matching"]
                    .iter()
                    .any(|words| rest.starts_with(words))
        })
    };
    let at = || {
        let place = text.trim_end_matches(" {");
        text.contains('(') || place.ends_with(|last: char| last.is_ascii_digit())
    };
    (indented && text.starts_with("at ") && at())
        || (indented && text.starts_with("from ") && text.contains(":in "))
        || (indented && more())
        || text.starts_with("Caused by: ")
        || (indented && text.starts_with("Suppressed: "))
        || (indented && text.starts_with("[cause]: "))
}

/// What rustc shows below a diagnostic.
fn is_source(line: &str) -> bool {
    let text = line.trim_start();
    let indented = text.len() < line.len();
    let digits = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let mark = ["--> ", "::: ", "= "];
    (indented && mark.iter().any(|mark| text.starts_with(mark)))
        || ((indented || digits.len() < text.len()) && digits.trim_start().starts_with('|'))
        || text == "..."
}

fn is_go_function(name: &str) -> bool {
    name.contains('.') && !name.contains(char::is_whitespace)
}

#[cfg(test)]
mod tests;
