//! A file that messages are appended to.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, IoSlice, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::MessageChannel;
use crate::error::{Error, Result};

/// A line is one `write` on a descriptor that is opened once and appends.
///
/// On a local file system the lines of threads, forked children and other processes never tear one
/// another, and a line has reached the kernel when the call returns, so no `kill -9` undoes it.
/// Pipes take no more than 4,096 bytes at once, and network file systems append in two steps:
/// there, give each writer a file of its own.
///
/// Where a fragment stands at the end of the file, of a disk that was full or of a process that
/// was cut off, the next line begins with a newline: the fragment is lost, the line is not.
#[derive(Debug)]
pub struct FileChannel {
    path: PathBuf,
    file: File,
    /// Whether the last byte of the file may be another than a newline.
    torn: bool,
    /// The size the system lets the file have, where it lets it have less than a disk holds.
    size_limit: Option<u64>,
    /// From when on it is asked again whether the file is there.
    next_check: Instant,
}

/// How long it goes unnoticed, at the most, that the file is gone.
const CHECK_EVERY: Duration = Duration::from_millis(10);

impl FileChannel {
    /// Opens `path` for appending, and creates it if it is not there.
    ///
    /// # Errors
    /// [`Error::Channel`] with the system's answer, also where a directory stands in its place.
    pub fn open(path: impl Into<PathBuf>) -> Result<FileChannel> {
        let path = path.into();
        let opened = OpenOptions::new().append(true).create(true).open(&path);
        let opened = opened.and_then(beside_stdio);
        let opened = opened.and_then(|file| Ok((file.metadata()?, file)));
        match opened {
            Ok((metadata, file)) => Ok(FileChannel {
                torn: is_torn(&path, &metadata),
                size_limit: if metadata.is_file() {
                    size_limit()
                } else {
                    None
                },
                next_check: Instant::now(),
                file,
                path,
            }),
            Err(error) => Err(Error::channel("open", path, error)),
        }
    }

    /// One system call: writes what it can of `rest`, behind a newline if the file ends with a
    /// fragment, and gives the bytes of `rest` that were written.
    fn write_once(&mut self, rest: &[u8]) -> io::Result<usize> {
        let written = match self.torn {
            true => {
                let headed = [IoSlice::new(b"\n"), IoSlice::new(rest)];
                self.file.write_vectored(&headed)?
            }
            false => self.file.write(rest)?,
        };
        if written == 0 {
            return Err(ErrorKind::WriteZero.into());
        }
        Ok(written - usize::from(std::mem::take(&mut self.torn)))
    }

    /// Refuses to have written to a file that has been removed: nobody will ever read it. Asking
    /// takes as long as writing, so lines that follow closely are not all asked about, but the last
    /// one is.
    fn check_there(&mut self, now: Instant) -> io::Result<()> {
        if now < self.next_check {
            return Ok(());
        }
        #[cfg(unix)]
        if rustix::fs::fstat(&self.file)?.st_nlink == 0 {
            return Err(io::Error::from_raw_os_error(
                rustix::io::Errno::NOENT.raw_os_error(),
            ));
        }
        self.next_check = now + CHECK_EVERY;
        Ok(())
    }

    /// Refuses a line the file has no room for. The system would end the process for trying
    /// (`SIGXFSZ`).
    fn check_size(&self, line: &[u8]) -> io::Result<()> {
        let Some(limit) = self.size_limit else {
            return Ok(());
        };
        if self.file.metadata()?.len() + line.len() as u64 + 1 > limit {
            return Err(too_large());
        }
        Ok(())
    }
}

impl MessageChannel for FileChannel {
    fn write_line(&mut self, line: &[u8]) -> io::Result<()> {
        self.check_size(line)?;
        let mut rest = line;
        loop {
            match self.write_once(rest) {
                Ok(written) if written == rest.len() => return self.check_there(Instant::now()),
                // A short write is a full disk, or a signal. The next attempt tells.
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.torn |= rest.len() < line.len();
                    return Err(error);
                }
            }
        }
    }

    fn close(&mut self) -> io::Result<()> {
        self.check_there(self.next_check)
    }

    fn name(&self) -> &Path {
        &self.path
    }
}

/// Whether the file ends in the middle of a line. If that can't be known, it might.
fn is_torn(path: &Path, metadata: &Metadata) -> bool {
    let last_byte = || -> io::Result<u8> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::End(-1))?;
        let mut last = [0];
        file.read_exact(&mut last)?;
        Ok(last[0])
    };
    metadata.is_file() && metadata.len() > 0 && !matches!(last_byte(), Ok(b'\n'))
}

/// Moves the file off the descriptors of the streams: where one is closed, a file that is opened takes
/// its place, and what anybody prints would stand between the messages.
#[cfg(unix)]
fn beside_stdio(file: File) -> io::Result<File> {
    use std::os::fd::AsRawFd;
    if file.as_raw_fd() > 2 {
        return Ok(file);
    }
    Ok(rustix::io::fcntl_dupfd_cloexec(&file, 3)?.into())
}

#[cfg(not(unix))]
fn beside_stdio(file: File) -> io::Result<File> {
    Ok(file)
}

#[cfg(unix)]
fn size_limit() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Fsize).current
}

#[cfg(not(unix))]
fn size_limit() -> Option<u64> {
    None
}

/// What the system says to a process that outlives `SIGXFSZ`.
fn too_large() -> io::Error {
    #[cfg(unix)]
    return rustix::io::Errno::FBIG.into();
    #[cfg(not(unix))]
    ErrorKind::FileTooLarge.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_file_that_is_removed_is_noticed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("messages");
        let mut channel = FileChannel::open(&path).unwrap();
        channel.write_line(b"here\n").unwrap();
        std::fs::remove_file(&path).unwrap();
        let gone = std::iter::repeat_with(|| channel.write_line(b"gone\n"));
        let error = gone.take(1_000_000).find_map(io::Result::err).unwrap();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(channel.close().unwrap_err().kind(), ErrorKind::NotFound);
    }
    use std::sync::Barrier;

    fn content(path: &Path) -> String {
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn a_fragment_never_swallows_the_next_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("messages");
        for (before, after) in [
            ("", "line\n"),
            ("whole\n", "whole\nline\n"),
            ("frag", "frag\nline\n"),
        ] {
            std::fs::write(&path, before).unwrap();
            let mut channel = FileChannel::open(&path).unwrap();
            channel.write_line(b"line\n").unwrap();
            assert_eq!(content(&path), after);
        }
    }

    #[test]
    fn after_a_short_write_a_newline_goes_first() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("messages");
        let mut channel = FileChannel::open(&path).unwrap();
        channel.file.write_all(b"frag").unwrap();
        channel.torn = true;
        channel.write_line(b"one\n").unwrap();
        channel.write_line(b"two\n").unwrap();
        assert_eq!(content(&path), "frag\none\ntwo\n");
    }

    #[test]
    fn a_file_without_room_is_an_error_and_stays_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("messages");
        let mut channel = FileChannel::open(&path).unwrap();
        channel.size_limit = Some(10);
        channel.write_line(b"line\n").unwrap();
        let error = channel.write_line(b"another\n").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FileTooLarge);
        channel.size_limit = None;
        channel.write_line(b"more\n").unwrap();
        assert_eq!(content(&path), "line\nmore\n");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_an_error() {
        let mut channel = FileChannel::open("/dev/full").unwrap();
        for _ in 0..2 {
            let error = channel.write_line(b"line\n").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::StorageFull);
        }
    }

    #[test]
    fn what_can_not_be_opened_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let error = FileChannel::open(directory.path()).unwrap_err().to_string();
        assert!(
            error.contains(directory.path().to_str().unwrap()) && error.contains("directory"),
            "{error}"
        );
        let missing = directory.path().join("no/such/file");
        let error = FileChannel::open(&missing).unwrap_err().to_string();
        assert!(error.contains("No such file"), "{error}");
    }

    #[test]
    fn writers_do_not_tear_one_another() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("messages");
        let start = Barrier::new(4);
        std::thread::scope(|scope| {
            for letter in ["a", "b", "c", "d"] {
                let (path, start) = (&path, &start);
                scope.spawn(move || {
                    let mut channel = FileChannel::open(path).unwrap();
                    let line = letter.repeat(9_000) + "\n";
                    start.wait();
                    for _ in 0..50 {
                        channel.write_line(line.as_bytes()).unwrap();
                    }
                });
            }
        });
        let text = content(&path);
        assert_eq!(text.lines().count(), 200);
        assert!(text.lines().all(|line| {
            line.len() == 9_000 && line.bytes().all(|byte| byte == line.as_bytes()[0])
        }));
    }
}
