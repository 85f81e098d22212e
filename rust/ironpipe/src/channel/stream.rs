//! Standard output and standard error as channels.

use std::io::{self, Write};
use std::path::Path;

use super::MessageChannel;
use crate::protocol::bootstrap::Stdio;

/// Writes each line at once, among whatever else the process prints there.
pub struct StreamChannel {
    stream: Stdio,
    output: Box<dyn Write + Send>,
}

impl StreamChannel {
    /// A channel to one of the streams of this process.
    pub fn new(stream: Stdio) -> StreamChannel {
        StreamChannel {
            stream,
            output: output(stream),
        }
    }
}

impl MessageChannel for StreamChannel {
    fn write_line(&mut self, line: &[u8]) -> io::Result<()> {
        self.output.write_all(line)?;
        self.output.flush()
    }

    fn name(&self) -> &Path {
        Path::new(self.stream.as_str())
    }
}

/// Holds all lines until close, so that they stand together behind what the process prints.
///
/// A process that ends without closing takes its lines with it.
pub struct BufferedStreamChannel {
    stream: Stdio,
    output: Box<dyn Write + Send>,
    lines: Vec<u8>,
}

impl BufferedStreamChannel {
    /// A channel to one of the streams of this process.
    pub fn new(stream: Stdio) -> BufferedStreamChannel {
        BufferedStreamChannel {
            stream,
            output: output(stream),
            lines: Vec::new(),
        }
    }
}

impl MessageChannel for BufferedStreamChannel {
    fn write_line(&mut self, line: &[u8]) -> io::Result<()> {
        self.lines.extend_from_slice(line);
        Ok(())
    }

    fn close(&mut self) -> io::Result<()> {
        let lines = std::mem::take(&mut self.lines);
        self.output.write_all(&lines)?;
        self.output.flush()
    }

    fn forked(&mut self) {
        self.lines = Vec::new();
    }

    fn name(&self) -> &Path {
        Path::new(self.stream.as_str())
    }
}

fn output(stream: Stdio) -> Box<dyn Write + Send> {
    match stream {
        Stdio::Stdout => Box::new(io::stdout()),
        Stdio::Stderr => Box::new(io::stderr()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn buffered_lines_come_at_close_and_only_from_who_wrote_them() {
        let shared = Shared::default();
        let mut channel = BufferedStreamChannel::new(Stdio::Stdout);
        channel.output = Box::new(shared.clone());
        channel.write_line(b"parent\n").unwrap();
        assert!(shared.0.lock().unwrap().is_empty());
        channel.forked();
        channel.write_line(b"child\n").unwrap();
        channel.close().unwrap();
        assert_eq!(*shared.0.lock().unwrap(), b"child\n");
        channel.close().unwrap();
        assert_eq!(*shared.0.lock().unwrap(), b"child\n");
    }
}
