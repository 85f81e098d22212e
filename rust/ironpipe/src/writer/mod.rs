//! From messages to a channel, each with its number.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::UNIX_EPOCH;

use memchr::memchr;

use crate::channel::MessageChannel;
use crate::error::{Error, Result};
use crate::fork;
use crate::protocol::envelope::{Method, Stamp, WriterId, write_head, write_tail};
use crate::protocol::message::Message;

/// What is kept of the buffer after a large message, in bytes.
const KEPT_BUFFER: usize = 1 << 20;

/// Numbers messages and writes them to a channel, from any thread.
///
/// The number is taken and the line is written under one lock, so the numbers in the channel
/// ascend. A message that can't be written keeps its number: the reader will miss it and say so,
/// whatever the process makes of the error.
///
/// In a forked child it goes on as another writer, from 1.
pub struct MessageWriter {
    state: Mutex<State>,
}

struct State {
    channel: Box<dyn MessageChannel>,
    writer: WriterId,
    /// The number of the next message.
    next: u64,
    /// The process `writer` stands for, as [`fork::generation`] tells it from its children.
    process: u64,
    closed: bool,
    /// Scratch, to allocate nothing for a message.
    line: Vec<u8>,
}

impl MessageWriter {
    /// A writer to `channel` with a name of its own.
    pub fn new(channel: impl MessageChannel + 'static) -> MessageWriter {
        MessageWriter::from_box(Box::new(channel))
    }

    /// A writer to `channel` with a name of its own.
    pub fn from_box(channel: Box<dyn MessageChannel>) -> MessageWriter {
        MessageWriter::named(channel, WriterId::random())
    }

    /// A writer of one message to `channel`, after which its process knows nothing of the session
    /// any more. Its name says so, that nobody waits for it to close.
    pub fn single(channel: Box<dyn MessageChannel>) -> MessageWriter {
        MessageWriter::named(channel, WriterId::single())
    }

    fn named(channel: Box<dyn MessageChannel>, writer: WriterId) -> MessageWriter {
        MessageWriter {
            state: Mutex::new(State {
                channel,
                writer,
                next: 1,
                process: fork::generation(),
                closed: false,
                line: Vec::new(),
            }),
        }
    }

    /// Writes a message. `params` is JSON text.
    ///
    /// # Errors
    /// [`Error::Channel`]; [`Error::Refused`] after close.
    pub fn write(&self, method: Method, params: &[u8]) -> Result<()> {
        self.write_with(method, |out| {
            out.extend_from_slice(params);
            Ok(())
        })
    }

    /// Writes a message.
    ///
    /// # Errors
    /// [`Error::Channel`]; [`Error::Refused`] after close.
    pub fn write_message(&self, message: &Message) -> Result<()> {
        self.write_with(message.method(), |out| {
            message.write_params(out);
            Ok(())
        })
    }

    /// Writes a message whose params, JSON text, `fill` appends to what it is given. An error of it
    /// is returned and nothing is written.
    ///
    /// `fill` runs under the writer's lock: it must not write another message.
    ///
    /// # Errors
    /// Those of `fill`; [`Error::Channel`]; [`Error::Refused`] after close.
    pub fn write_with(
        &self,
        method: Method,
        fill: impl FnOnce(&mut Vec<u8>) -> Result<()>,
    ) -> Result<()> {
        let mut state = self.lock();
        if state.closed {
            return Err(Error::Refused(
                "Cannot send message after pipes context is closed.".into(),
            ));
        }
        state.write(method, fill)
    }

    /// Writes the last message and closes the channel. True if this call did it, false if it was
    /// closed before. After an error it is closed as well.
    ///
    /// # Errors
    /// [`Error::Channel`]
    pub fn close_with(&self, fill: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<bool> {
        let mut state = self.lock();
        if state.closed {
            return Ok(false);
        }
        state.closed = true;
        let written = state.write(Method::Closed, fill);
        let closed = state.channel.close();
        written?;
        closed.map_err(|error| Error::channel("write to", state.channel.name(), error))?;
        Ok(true)
    }

    /// Whether it is closed.
    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Whether it has written in this process: in a forked child it begins anew.
    pub fn has_written(&self) -> bool {
        let state = self.lock();
        state.process == fork::generation() && state.next > 1
    }

    /// The name in the stamps of its messages.
    pub fn id(&self) -> WriterId {
        let mut state = self.lock();
        state.notice_fork();
        state.writer
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing here is left half done by a panic: the buffer is cleared before each use.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn notice_fork(&mut self) {
        let process = fork::generation();
        if self.process != process {
            self.process = process;
            self.writer = WriterId::random();
            self.next = 1;
            self.channel.forked();
        }
    }

    fn write(
        &mut self,
        method: Method,
        fill: impl FnOnce(&mut Vec<u8>) -> Result<()>,
    ) -> Result<()> {
        self.notice_fork();
        self.line.clear();
        write_head(&mut self.line, method);
        let params = self.line.len();
        fill(&mut self.line)?;
        // In JSON text a newline can only stand between values, where a space does as well.
        let mut rest = &mut self.line[params..];
        while let Some(at) = memchr(b'\n', rest) {
            rest[at] = b' ';
            rest = &mut rest[at + 1..];
        }
        let now = UNIX_EPOCH.elapsed().unwrap_or_default();
        let stamp = Stamp {
            writer: self.writer,
            number: self.next,
            micros: now.as_micros() as u64,
        };
        self.next += 1;
        write_tail(&mut self.line, &stamp);
        let written = self.channel.write_line(&self.line);
        if self.line.capacity() > KEPT_BUFFER {
            self.line = Vec::new();
        }
        written.map_err(|error| Error::channel("write to", self.channel.name(), error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{self, ErrorKind};
    use std::path::Path;
    use std::sync::Arc;

    /// Keeps lines, and refuses those that hold "refuse".
    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<String>>>);

    impl MessageChannel for Memory {
        fn write_line(&mut self, line: &[u8]) -> io::Result<()> {
            let line = String::from_utf8(line.to_vec()).unwrap();
            if line.contains("refuse") {
                return Err(ErrorKind::StorageFull.into());
            }
            self.0.lock().unwrap().push(line);
            Ok(())
        }

        fn name(&self) -> &Path {
            Path::new("memory")
        }
    }

    impl Memory {
        fn numbers(&self) -> Vec<u64> {
            let lines = self.0.lock().unwrap();
            let number = |line: &String| {
                let value = crate::Value::parse(line.trim_end().as_bytes()).unwrap();
                let stamp = value
                    .get("__ironpipe")
                    .unwrap()
                    .as_array()
                    .unwrap()
                    .to_vec();
                stamp[1].as_i64().unwrap() as u64
            };
            lines.iter().map(number).collect()
        }
    }

    #[test]
    fn threads_share_one_sequence() {
        let memory = Memory::default();
        let writer = MessageWriter::new(memory.clone());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        writer.write(Method::Log, br#"{"message":"x"}"#).unwrap();
                    }
                });
            }
        });
        assert!(memory.numbers().into_iter().eq(1..=400));
    }

    #[test]
    fn a_number_that_was_not_written_is_missing() {
        let memory = Memory::default();
        let writer = MessageWriter::new(memory.clone());
        writer.write(Method::Log, br#"{"message":"a"}"#).unwrap();
        let error = writer.write(Method::Log, br#"{"message":"refuse"}"#);
        assert!(error.unwrap_err().to_string().contains("memory"));
        writer.write(Method::Log, br#"{"message":"b"}"#).unwrap();
        assert_eq!(memory.numbers(), [1, 3]);
    }

    #[test]
    fn what_fill_refuses_has_no_number() {
        let memory = Memory::default();
        let writer = MessageWriter::new(memory.clone());
        let refusal = writer.write_with(Method::Log, |_| Err(Error::Refused("no".into())));
        assert!(refusal.is_err());
        writer.write(Method::Log, br#"{"message":"a"}"#).unwrap();
        assert_eq!(memory.numbers(), [1]);
    }

    #[test]
    fn nothing_follows_closed() {
        let memory = Memory::default();
        let writer = MessageWriter::new(memory.clone());
        let close = || {
            writer.close_with(|out| {
                out.extend_from_slice(b"{}");
                Ok(())
            })
        };
        assert!(close().unwrap());
        assert!(!close().unwrap());
        let error = writer.write(Method::Log, b"{}").unwrap_err().to_string();
        assert_eq!(error, "Cannot send message after pipes context is closed.");
        assert_eq!(memory.numbers(), [1]);
    }

    #[test]
    fn a_newline_between_values_does_not_end_the_line() {
        let memory = Memory::default();
        let writer = MessageWriter::new(memory.clone());
        writer
            .write(Method::Log, b"{\n\"message\":\n\"x\"}")
            .unwrap();
        let lines = memory.0.lock().unwrap();
        assert_eq!(lines[0].matches('\n').count(), 1);
    }

    #[test]
    fn another_process_is_another_writer() {
        let memory = Memory::default();
        let writer = MessageWriter::new(memory.clone());
        writer.write(Method::Log, b"{}").unwrap();
        let before = writer.id();
        writer.lock().process += 1;
        writer.write(Method::Log, b"{}").unwrap();
        assert_ne!(writer.id(), before);
        assert_eq!(memory.numbers(), [1, 1]);
    }
}
