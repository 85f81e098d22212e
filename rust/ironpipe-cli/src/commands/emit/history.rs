//! What was sent before, as far as it bears on what may be sent now.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

use ironpipe::framing::MAX_LINE;
use ironpipe::protocol::envelope::{Method, Stamp};
use ironpipe::protocol::value::Value;
use ironpipe::reader::{MessageReader, OwnedMessage, Step};

/// How much of the end of a file is looked at for a `closed`, in bytes. No call of ours sends
/// anything behind it, so only others can push it further up.
pub const TAIL: u64 = 256 << 10;

/// What was sent before.
#[derive(Debug, Default)]
pub struct History {
    /// `emit close` was called, and `emit open` not since.
    pub closed: bool,
    /// The assets that were materialized, by any writer.
    pub materialized: Vec<String>,
}

impl History {
    /// Whether it is closed, by the end of the file.
    pub fn of_end(path: &Path) -> io::Result<History> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(History::default()),
            Err(error) => return Err(error),
        };
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Ok(History::default());
        }
        let start = metadata.len().saturating_sub(TAIL);
        file.seek(SeekFrom::Start(start))?;
        let mut end = Vec::new();
        file.take(TAIL).read_to_end(&mut end)?;
        Ok(History::of_lines(&end))
    }

    /// Whether it is closed, by these lines, of which the first may be cut.
    pub fn of_lines(lines: &[u8]) -> History {
        let mut history = History::default();
        for line in lines.split(|&byte| byte == b'\n') {
            // All that begin otherwise are no lines of ours.
            let begins = |method| {
                let head = format!(r#"{{"__dagster_pipes_version":"0.1","method":"{method}""#);
                line.starts_with(head.as_bytes())
            };
            if (begins(Method::Closed) || begins(Method::Opened))
                && let Ok(message) = OwnedMessage::decode(line)
            {
                history.add(message.get().method(), message.get().stamp());
            }
        }
        history
    }

    /// All of it.
    pub fn of_all(path: &Path) -> ironpipe::Result<History> {
        let mut history = History::default();
        if !path.is_file() {
            return Ok(history);
        }
        let mut reader = MessageReader::read(path, MAX_LINE)?;
        loop {
            match reader.advance(None)? {
                Step::Ready => {}
                Step::Ended => return Ok(history),
                Step::TimedOut | Step::Interrupted => continue,
            }
            while let Some(message) = reader.take() {
                history.add(message.method(), message.stamp());
                if message.method() == Method::ReportAssetMaterialization
                    && let Ok(params) = Value::parse(message.params())
                    && let Some(key) = params.get("asset_key").and_then(Value::as_str)
                {
                    history.materialized.push(key.to_owned());
                }
            }
        }
    }

    fn add(&mut self, method: Method, stamp: Option<Stamp>) {
        // Other writers open and close for themselves.
        if stamp.is_some_and(|stamp| stamp.writer.is_single()) {
            match method {
                Method::Closed => self.closed = true,
                Method::Opened => self.closed = false,
                _ => {}
            }
        }
    }
}
