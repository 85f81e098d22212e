//! A file that is read while it grows.

use std::fs::{File, FileType, Metadata};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// What stands at the end of what was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The same file, nothing new.
    Same,
    /// Another file, or the same one cut short: reading begins anew.
    Restarted,
}

/// Reads a file from its start to its end as often as it grows.
///
/// It reads by offset, never through the file's own position: a forked child shares that with its
/// parent, and each would take away what the other has yet to read.
#[derive(Debug)]
pub struct FileTail {
    path: PathBuf,
    file: Option<File>,
    offset: u64,
}

impl FileTail {
    /// A tail of `path`, which need not exist yet.
    ///
    /// # Errors
    /// [`Error::Channel`] where it exists and is no file, or can't be opened.
    pub fn new(path: &Path) -> Result<FileTail> {
        let mut tail = FileTail {
            path: path.to_owned(),
            file: None,
            offset: 0,
        };
        tail.open()?;
        Ok(tail)
    }

    /// The path that is followed.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether there has been a file to read.
    pub fn is_open(&self) -> bool {
        self.file.is_some()
    }

    fn open(&mut self) -> Result<bool> {
        let opened = open(&self.path).and_then(|file| match file.metadata()?.file_type() {
            kind if kind.is_dir() => Err(ErrorKind::IsADirectory.into()),
            kind if is_pipe(kind) => Err(io::Error::new(
                ErrorKind::InvalidInput,
                "a pipe can't be followed, only a file",
            )),
            // Some, as /dev/zero, have no end; none has a size to tell that it was cut short.
            kind if is_device(kind) => Err(io::Error::new(
                ErrorKind::InvalidInput,
                "a device can't be followed, only a file",
            )),
            _ => Ok(file),
        });
        match opened {
            Ok(file) => {
                self.file = Some(file);
                self.offset = 0;
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Error::channel("read", &self.path, error)),
        }
    }

    /// Reads what comes next; 0 at the end of what is there.
    ///
    /// # Errors
    /// The system's.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(file) = &self.file else { return Ok(0) };
        loop {
            match read_at(file, buffer, self.offset) {
                Ok(n) => {
                    self.offset += n as u64;
                    return Ok(n);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// At the end of what is there: looks whether the file was cut short or another stands in its
    /// place, and goes over to that.
    ///
    /// # Errors
    /// [`Error::Channel`] where what stands there now can't be read.
    pub fn turn(&mut self) -> Result<Turn> {
        let Some(file) = &self.file else {
            return Ok(match self.open()? {
                true => Turn::Restarted,
                false => Turn::Same,
            });
        };
        let here = file
            .metadata()
            .map_err(|error| Error::channel("read", &self.path, error))?;
        if here.len() < self.offset {
            self.offset = 0;
            return Ok(Turn::Restarted);
        }
        match std::fs::metadata(&self.path) {
            // What was written to the old file since it was read to its end comes first.
            Ok(there) if !same_file(&here, &there) && here.len() == self.offset => {
                Ok(match self.open()? {
                    true => Turn::Restarted,
                    false => Turn::Same,
                })
            }
            // The path may be gone; the file is still there for those who have it open.
            _ => Ok(Turn::Same),
        }
    }
}

/// Opens a file to be read. To open a named pipe would else wait for its writer, and no signal
/// would end that.
#[cfg(unix)]
fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let flags = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    File::options().read(true).custom_flags(flags).open(path)
}

#[cfg(windows)]
fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}

#[cfg(unix)]
fn is_pipe(kind: FileType) -> bool {
    use std::os::unix::fs::FileTypeExt;
    kind.is_fifo() || kind.is_socket()
}

#[cfg(windows)]
fn is_pipe(_: FileType) -> bool {
    false
}

#[cfg(unix)]
fn is_device(kind: FileType) -> bool {
    use std::os::unix::fs::FileTypeExt;
    kind.is_char_device() || kind.is_block_device()
}

#[cfg(windows)]
fn is_device(_: FileType) -> bool {
    false
}

#[cfg(unix)]
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

#[cfg(windows)]
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, offset)
}

#[cfg(unix)]
fn same_file(a: &Metadata, b: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

#[cfg(windows)]
fn same_file(a: &Metadata, b: &Metadata) -> bool {
    a.created().ok() == b.created().ok()
}
