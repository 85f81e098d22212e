//! A directory as a store, on a disk that both ends see.

use std::fs::{self, Metadata};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use tempfile::NamedTempFile;

use super::{ChunkStore, Put, Request, Retry, StoreError};

/// After how long nobody is believed to be writing a file that does not end as a message does.
const SETTLED: Duration = Duration::from_secs(1);

/// Chunks as files. One appears as a whole or not at all: it is written under another name first.
#[derive(Debug, Clone)]
pub struct DirectoryStore {
    root: PathBuf,
}

impl DirectoryStore {
    /// A store in a directory, which is made when the first chunk is put.
    pub fn new(root: impl Into<PathBuf>) -> DirectoryStore {
        DirectoryStore { root: root.into() }
    }

    fn write(&self, key: &str, body: &[u8]) -> io::Result<Put> {
        let path = self.root.join(key);
        let directory = path.parent().unwrap_or(&self.root);
        fs::create_dir_all(directory)?;
        let mut file = part_file(directory)?;
        file.write_all(body)?;
        // A mounted volume may say only now that it has no room.
        match file.as_file().sync_data() {
            Err(error) if error.kind() != ErrorKind::Unsupported => return Err(error),
            _ => {}
        }
        let Err(refused) = file.persist_noclobber(&path) else {
            return Ok(Put::Stored);
        };
        if path.exists() {
            return Ok(Put::Taken);
        }
        // Some mounted volumes can move a file, but not say whether there is one in its place.
        refused.file.persist(&path)?;
        Ok(Put::Stored)
    }
}

impl ChunkStore for DirectoryStore {
    fn put<'a>(&'a self, key: &'a str, body: Bytes) -> Request<'a, Put> {
        Box::pin(async move { self.write(key, &body).map_err(StoreError::from) })
    }

    fn get<'a>(&'a self, key: &'a str, limit: u64) -> Request<'a, Option<Bytes>> {
        Box::pin(async move {
            let path = self.root.join(key);
            let Some(metadata) = unless_missing(fs::metadata(&path))? else {
                return Ok(None);
            };
            if metadata.len() > limit {
                return Err(StoreError::too_large(metadata.len(), limit));
            }
            let body = unless_missing(fs::read(path))?.map(Bytes::from);
            Ok(body.filter(|body| is_whole(body, &metadata)))
        })
    }

    fn remove<'a>(&'a self, key: &'a str) -> Request<'a, ()> {
        Box::pin(async move {
            unless_missing(fs::remove_file(self.root.join(key)))?;
            Ok(())
        })
    }

    fn location(&self) -> String {
        self.root.display().to_string()
    }

    fn settles(&self) -> Duration {
        SETTLED
    }
}

/// Whether a file is no longer being written. The official writers open it under its own name, and
/// what they have not written yet would be lost.
fn is_whole(body: &Bytes, before: &Metadata) -> bool {
    let age = before.modified().ok().and_then(|time| time.elapsed().ok());
    let settled = age.is_none_or(|age| age >= SETTLED);
    !body.is_empty() && body.len() as u64 == before.len() && (body.ends_with(b"}") || settled)
}

/// A file for what is not whole yet. Readable by others, as far as the mask of the process allows:
/// the reader may be another user.
fn part_file(directory: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.prefix(".").suffix(".part").tempfile_in(directory)
}

fn unless_missing<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> StoreError {
        let retry = match error.kind() {
            ErrorKind::PermissionDenied
            | ErrorKind::NotADirectory
            | ErrorKind::IsADirectory
            | ErrorKind::ReadOnlyFilesystem
            | ErrorKind::StorageFull
            | ErrorKind::QuotaExceeded => Retry::Mended,
            _ => Retry::Soon,
        };
        StoreError {
            retry,
            reason: error.to_string(),
        }
    }
}
