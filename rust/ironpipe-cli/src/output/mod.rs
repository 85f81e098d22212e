//! What the commands print.

pub mod json;
pub mod log;
pub mod people;
mod sheets;
pub mod style;
pub mod tables;

use std::io::{ErrorKind, Write};

use ironpipe::reader::{DeliveryReport, MessageRef};

use crate::hosted::Ended;

/// Where messages are shown as they come.
pub trait Output {
    /// A message has come.
    fn message(&mut self, message: MessageRef<'_>);
    /// None will come for a while.
    fn flush(&mut self);
    /// None will come any more.
    fn end(&mut self, report: &DeliveryReport, ended: &Ended);
    /// Whether something could not be shown although somebody was there to see it.
    fn is_cut(&self) -> bool;
}

/// Stdout, in large pieces.
///
/// Whoever reads it may go away (`| head`), or its disk may be full: then there is nobody to print
/// for, but the process is hosted to its end all the same. Only the full disk is a failure.
#[derive(Debug, Default)]
pub struct Page {
    text: Vec<u8>,
    gone: bool,
    cut: bool,
}

impl Page {
    /// How much may be kept back, in bytes.
    const FULL: usize = 1 << 16;

    /// Puts something onto the page.
    pub fn put(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        if self.gone {
            return;
        }
        write(&mut self.text);
        if self.text.len() >= Page::FULL {
            self.flush();
        }
    }

    /// Whether it could not be handed over although somebody was there to take it.
    pub fn is_cut(&self) -> bool {
        self.cut
    }

    /// Hands over what is on the page.
    pub fn flush(&mut self) {
        if self.text.is_empty() {
            return;
        }
        let mut stdout = anstream::stdout().lock();
        let written = stdout.write_all(&self.text).and_then(|()| stdout.flush());
        self.text.clear();
        if let Err(error) = written {
            self.gone = true;
            if error.kind() != ErrorKind::BrokenPipe {
                self.cut = true;
                self::error(&format!("can't write to stdout, it shows no more: {error}"));
            }
        }
    }
}

/// Says something on stderr; to whom, if that is gone too?
pub fn warn(words: &str) {
    let yellow = style::WARNING;
    let _ = writeln!(anstream::stderr(), "{yellow}warning{yellow:#}: {words}");
}

/// Says something on stderr that has gone wrong.
pub fn error(words: &str) {
    let red = style::ERROR;
    let _ = writeln!(anstream::stderr(), "{red}error{red:#}: {words}");
}
