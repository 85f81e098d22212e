//! A file as the source of a reader.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use super::decoder::MessageDecoder;
use super::{Advance, Source};
use crate::channel::tail::{FileTail, Turn};
use crate::channel::watch::{Wake, Waker, Watch};
use crate::{Error, Result};

#[derive(Debug)]
pub(super) struct FileSource {
    tail: FileTail,
    /// None for a finished file.
    watch: Option<Watch>,
}

impl FileSource {
    pub(super) fn finished(path: &Path) -> Result<FileSource> {
        let tail = FileTail::new(path)?;
        match tail.is_open() {
            true => Ok(FileSource { tail, watch: None }),
            false => Err(Error::channel("read", path, ErrorKind::NotFound.into())),
        }
    }

    pub(super) fn growing(path: &Path) -> Result<(FileSource, Arc<Waker>)> {
        // The watch comes first: what is written between the two is then heard of.
        let watch = Watch::new(path);
        let waker = watch.waker();
        let tail = FileTail::new(path)?;
        let watch = Some(watch);
        Ok((FileSource { tail, watch }, waker))
    }
}

impl Source for FileSource {
    fn advance(&mut self, decoder: &mut MessageDecoder, finishing: bool) -> Result<Advance> {
        let tail = &mut self.tail;
        let read = decoder
            .fill(|space| tail.read(space))
            .map_err(|error| Error::channel("read", self.tail.path(), error))?;
        if read > 0 {
            if let Some(watch) = &mut self.watch {
                watch.found();
            }
            return Ok(Advance::More);
        }
        if self.tail.turn()? == Turn::Restarted {
            decoder.restart();
            if let Some(watch) = &mut self.watch {
                watch.renew();
            }
            return Ok(Advance::More);
        }
        if finishing || self.watch.is_none() {
            decoder.end_file();
            return Ok(Advance::Ended);
        }
        Ok(Advance::Nothing)
    }

    fn wait(&mut self, deadline: Option<Instant>) -> Wake {
        match &mut self.watch {
            Some(watch) => watch.wait(deadline),
            None => Wake::Changed,
        }
    }
}
