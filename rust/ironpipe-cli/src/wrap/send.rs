//! From lines to messages, with an account of what could not be sent as it was.

use std::collections::VecDeque;
use std::io;

use ironpipe::protocol::bootstrap::Stdio;
use ironpipe::{Level, PipesContext};

use super::group::Group;
use super::head;
use super::lines::Line;
use crate::output::{error, warn};

/// How many of the last lines of stderr are kept for the exception, and how much of each in bytes.
const LAST_LINES: usize = 20;
const LAST_LINE: usize = 1000;

/// Sends what the program prints.
pub struct Sender<'a> {
    pipes: &'a PipesContext,
    /// The level of a line of stderr that names none.
    stderr: Level,
    /// The end of stderr.
    last: VecDeque<String>,
    /// How many messages could not be written.
    unsent: u64,
    cut: u64,
    replaced: u64,
}

impl<'a> Sender<'a> {
    /// Sends into this session.
    pub fn new(pipes: &'a PipesContext, stderr: Level) -> Sender<'a> {
        Sender {
            pipes,
            stderr,
            last: VecDeque::new(),
            unsent: 0,
            cut: 0,
            replaced: 0,
        }
    }

    /// Counts what is missing of a line, and says so behind its text.
    pub fn saw(&mut self, stream: Stdio, line: &Line, text: &mut String) {
        if line.cut > 0 {
            self.cut += 1;
            let missing = line.cut;
            text.push_str(&format!(" … [cut: {missing} bytes more; --max-line]"));
        }
        self.replaced += u64::from(line.replaced);
        if stream == Stdio::Stderr && !line.text.trim().is_empty() {
            if self.last.len() == LAST_LINES {
                self.last.pop_front();
            }
            self.last.push_back(head(&line.text, LAST_LINE).to_owned());
        }
    }

    /// Sends a group, unless there is nothing to see in it.
    pub fn send(&mut self, stream: Stdio, group: &Group) {
        let text = group.text.trim_end();
        if text.is_empty() {
            return;
        }
        let level = group.level.unwrap_or(match stream {
            Stdio::Stdout => Level::Info,
            Stdio::Stderr => self.stderr,
        });
        self.log(level, text);
    }

    /// One of our own streams takes no more.
    pub fn not_shown(&mut self, stream: Stdio, error: &io::Error) {
        let words =
            format!("ironpipe wrap: can't write to its own {stream}, which shows no more: {error}");
        if stream == Stdio::Stdout {
            warn(&words);
        }
        self.log(Level::Warning, &words);
    }

    /// Says something of our own, to Dagster and on stderr.
    pub fn remark(&mut self, words: &str) {
        warn(words);
        self.log(Level::Warning, &format!("ironpipe wrap: {words}"));
    }

    /// Says what was not sent as it was printed.
    pub fn account(&mut self) {
        let lines = |count: u64| match count {
            1 => "1 line".to_owned(),
            count => format!("{count} lines"),
        };
        if self.cut > 0 {
            self.remark(&format!(
                "{} over the limit: the messages are cut; --max-line raises it",
                lines(self.cut)
            ));
        }
        if self.replaced > 0 {
            self.remark(&format!(
                "{} with bytes that are not UTF-8: each is shown as \u{FFFD}",
                lines(self.replaced)
            ));
        }
    }

    /// The last lines of stderr.
    pub fn last_lines(&self) -> impl Iterator<Item = &str> {
        self.last.iter().map(String::as_str)
    }

    /// How many messages could not be written.
    pub fn unsent(&self) -> u64 {
        self.unsent
    }

    fn log(&mut self, level: Level, text: &str) {
        let Err(failure) = self.pipes.log(level, text) else {
            return;
        };
        if self.unsent == 0 {
            error(&format!("{failure}; Dagster is missing lines from here on"));
        }
        self.unsent += 1;
    }
}
