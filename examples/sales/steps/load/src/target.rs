//! A CSV file that is written beside its place and replaced as a whole, or not at all.

use std::fs;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;
use thiserror::Error;

/// It can't be written.
#[derive(Debug, Error)]
#[error("{path} can't be written: {source}", path = path.display())]
pub struct TargetError {
    path: PathBuf,
    source: io::Error,
}

/// A file to be written. Dropped before `replace`, it leaves nothing.
pub struct Target {
    path: PathBuf,
    csv: csv::Writer<BufWriter<NamedTempFile>>,
}

impl Target {
    /// Begins a file with its header.
    pub fn create<const N: usize>(path: &Path, header: &[&str; N]) -> Result<Target, TargetError> {
        let directory = path.parent().unwrap_or(Path::new("."));
        let mut builder = tempfile::Builder::new();
        builder.prefix(".unfinished-").suffix(".csv");
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
        let file = fs::create_dir_all(directory).and_then(|()| builder.tempfile_in(directory));
        let mut target = match file {
            Ok(file) => Target {
                path: path.to_owned(),
                csv: csv::Writer::from_writer(BufWriter::new(file)),
            },
            Err(source) => {
                return Err(TargetError {
                    path: path.to_owned(),
                    source,
                });
            }
        };
        target.write(*header)?;
        Ok(target)
    }

    /// Adds a row.
    pub fn write<const N: usize>(&mut self, row: [&str; N]) -> Result<(), TargetError> {
        self.csv.write_record(row).map_err(|error| TargetError {
            path: self.path.clone(),
            source: error.into(),
        })
    }

    /// Puts it in its place, once it is on the disk.
    pub fn replace(self) -> Result<(), TargetError> {
        let Target { path, csv } = self;
        let finish = || {
            let file = csv.into_inner().map_err(|error| error.into_error())?;
            let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.as_file().sync_all()?;
            file.persist(&path).map_err(|error| error.error)?;
            Ok(())
        };
        finish().map_err(|source| TargetError {
            path: path.clone(),
            source,
        })
    }
}
