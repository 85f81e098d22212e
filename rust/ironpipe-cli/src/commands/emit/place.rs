//! Where the messages of a session go, from one call to the next.

use std::collections::hash_map::DefaultHasher;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ironpipe::channel::chunks::{ChunkPrefix, DirectChunkChannel, once};
use ironpipe::channel::{self, FileChannel, MessageChannel};
use ironpipe::protocol::bootstrap::{MessagesParams, ParamsLoader, Stdio};
use rustix::process::geteuid;

use super::Step;
use super::history::{History, TAIL};
use super::lock::Lock;
use crate::exit::{FAILED, Failure, REFUSED};

/// Where they go. While it lives, no other call does what this one must do alone.
#[derive(Debug)]
pub struct Place {
    params: MessagesParams,
    step: Step,
    /// The file that holds the messages until close, where Dagster wants them all at once.
    spool: Option<PathBuf>,
    /// The channel, where each message is a chunk.
    chunks: Option<DirectChunkChannel>,
    _lock: Option<Lock>,
}

impl Place {
    /// The place that Dagster asks for.
    pub fn find(loader: &ParamsLoader, step: Step) -> Result<Place, Failure> {
        let params = loader.messages_params()?;
        // Whichever index a call finds free, one of those that run at once gets it.
        let chunks = match ChunkPrefix::of(&params)? {
            Some(prefix) => Some(open_chunks(prefix)?),
            None => None,
        };
        let (spool, lock) = match &params {
            _ if chunks.is_some() => (None, None),
            // What is found in the file must not change until the message is sent, nor may a line of
            // another call be seen half written.
            MessagesParams::File { path, .. } => (None, Some(lock_file(path)?)),
            MessagesParams::BufferedStream(stream) => {
                let spool = spool_path(loader)?;
                let lock = lock_spool(&spool, *stream, step)?;
                (Some(spool), Some(lock))
            }
            MessagesParams::Stream(stream) => (None, lock_stream(*stream)?),
            _ => (None, None),
        };
        Ok(Place {
            params,
            step,
            spool,
            chunks,
            _lock: lock,
        })
    }

    /// What was sent before.
    pub fn history(&self) -> Result<History, Failure> {
        if let Some(chunks) = &self.chunks {
            // To look through all of them would take a request each.
            let last = chunks.last(TAIL);
            let last = last.map_err(|error| cant("read", chunks.name(), &error))?;
            return Ok(History::of_lines(&last.unwrap_or_default()));
        }
        let path = match (&self.spool, &self.params) {
            (Some(spool), _) => spool,
            (None, MessagesParams::File { path, .. }) => path,
            // What a stream was given can't be seen.
            _ => return Ok(History::default()),
        };
        match self.step {
            Step::Materialize => Ok(History::of_all(path)?),
            _ => History::of_end(path).map_err(|error| cant("read", path, &error)),
        }
    }

    /// The channel.
    pub fn channel(&mut self) -> Result<Box<dyn MessageChannel>, Failure> {
        Ok(match (self.chunks.take(), &self.spool) {
            (Some(chunks), _) => Box::new(chunks),
            (None, Some(spool)) => Box::new(FileChannel::open(spool)?),
            (None, None) => channel::open(&self.params)?,
        })
    }

    /// Hands over what was held until now, if anything was.
    pub fn hand_over(&self) -> Result<(), Failure> {
        let (Some(spool), MessagesParams::BufferedStream(stream)) = (&self.spool, &self.params)
        else {
            return Ok(());
        };
        let copy = |mut output: Box<dyn Write>| -> io::Result<()> {
            io::copy(&mut File::open(spool)?, &mut output)?;
            output.flush()
        };
        copy(match stream {
            Stdio::Stdout => Box::new(io::stdout()),
            Stdio::Stderr => Box::new(io::stderr()),
        })
        .map_err(|error| {
            let words = format!(
                "can't write to {stream}: {error}; the messages are still in {}",
                spool.display()
            );
            Failure::new(FAILED, words)
        })?;
        fs::remove_file(spool).map_err(|error| cant("remove", spool, &error))
    }
}

fn open_chunks(prefix: ChunkPrefix) -> Result<DirectChunkChannel, Failure> {
    let name = prefix.to_string();
    let opened = DirectChunkChannel::open(prefix, once::PATIENCE);
    opened.map_err(|error| cant("look for chunks in", name.as_ref(), &error))
}

/// Locks the file of messages.
fn lock_file(path: &Path) -> Result<Lock, Failure> {
    // As the channel will: two first calls must find the same file.
    let opened = OpenOptions::new().append(true).create(true).open(path);
    Lock::take(opened.map_err(|error| cant("open", path, &error))?, path)
}

/// Locks a stream: a pipe takes no more than 4,096 bytes at once.
///
/// The stream is the same for all calls, and its lock would be, too. So it is opened once more, which
/// not every stream can be.
fn lock_stream(stream: Stdio) -> Result<Option<Lock>, Failure> {
    let path = Path::new(match stream {
        Stdio::Stdout => "/dev/fd/1",
        Stdio::Stderr => "/dev/fd/2",
    });
    match OpenOptions::new().append(true).open(path) {
        Ok(file) => Ok(Some(Lock::take(file, path)?)),
        Err(_) => Ok(None),
    }
}

/// Makes the spool for `open`, and locks the one there is for anything else.
fn lock_spool(spool: &Path, stream: Stdio, step: Step) -> Result<Lock, Failure> {
    if step == Step::Open {
        let created = OpenOptions::new()
            .append(true)
            .create_new(true)
            .mode(0o600)
            .open(spool);
        return match created {
            Ok(file) => Lock::take(file, spool),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(Failure::new(
                REFUSED,
                format!(
                    "the session is open already; if an earlier process was cut off, remove {}",
                    spool.display()
                ),
            )),
            Err(error) => Err(cant("create", spool, &error)),
        };
    }
    let lock = match File::open(spool) {
        Ok(file) => {
            let lock = Lock::take(&file, spool)?;
            // Whoever held it may have closed the session.
            let links = file.metadata().map_or(0, |metadata| metadata.nlink());
            (links > 0).then_some(lock)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(cant("open", spool, &error)),
    };
    lock.ok_or_else(|| {
        let words = format!(
            "Dagster wants the messages of this session all at once, on {stream}, when it closes: \
             begin with `ironpipe emit open`, and end with `ironpipe emit close`"
        );
        Failure::new(REFUSED, words)
    })
}

/// A path that every call in the session comes to, and nobody else can.
fn spool_path(loader: &ParamsLoader) -> Result<PathBuf, Failure> {
    let mut session = DefaultHasher::new();
    loader.load_context_params()?.to_json().hash(&mut session);
    loader.load_messages_params()?.to_json().hash(&mut session);
    let user = geteuid();
    let directory = std::env::temp_dir().join(format!("ironpipe-{}", user.as_raw()));
    match DirBuilder::new().mode(0o700).create(&directory) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(cant("create", &directory, &error)),
    }
    let found =
        fs::symlink_metadata(&directory).map_err(|error| cant("read", &directory, &error))?;
    if !found.is_dir() || found.uid() != user.as_raw() || found.mode() & 0o077 != 0 {
        let words = format!(
            "{} must be a directory that nobody else can use; remove it, or set TMPDIR",
            directory.display()
        );
        return Err(Failure::new(FAILED, words));
    }
    Ok(directory.join(format!("emit-{:016x}", session.finish())))
}

fn cant(what: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::new(FAILED, format!("can't {what} {}: {error}", path.display()))
}
