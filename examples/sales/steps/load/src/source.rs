//! A CSV file as rows, each with its line. What is wrong with the file as a whole is an error that
//! names the file, the line and the column.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use csv::{ByteRecord, ReaderBuilder, Terminator};
use thiserror::Error;

use crate::row::{COLUMNS, Row};

/// No honest row is longer. A quote that is not closed makes the rest of the file one.
const LONGEST_ROW: usize = 1 << 20;
const BUFFER: usize = 256 << 10;

/// The file can't be used.
#[derive(Debug, Error)]
#[error("{path}, {place}: {what}", path = path.display())]
pub struct SourceError {
    path: PathBuf,
    /// As `line 7, column price`.
    place: String,
    what: String,
}

/// The rows of a file, one at a time.
pub struct Source {
    path: PathBuf,
    size: u64,
    csv: csv::Reader<io::Chain<Bounded<File>, &'static [u8]>>,
    allowance: Rc<Cell<usize>>,
    header: Vec<String>,
    /// Where each of `COLUMNS` stands in a row.
    places: [usize; COLUMNS.len()],
    record: ByteRecord,
}

impl Source {
    /// Opens a file and reads its header.
    pub fn open(path: &Path) -> Result<Source, SourceError> {
        let fail = |what: String| SourceError {
            path: path.to_owned(),
            place: "line 1".to_owned(),
            what,
        };
        let file = File::open(path).map_err(|error| {
            fail(match error.kind() {
                io::ErrorKind::NotFound => "the file is not there".to_owned(),
                _ => format!("the file can't be opened: {error}"),
            })
        })?;
        let size = file.metadata().map_or(0, |about| about.len());
        let allowance = Rc::new(Cell::new(0));
        let bytes = Bounded {
            inner: file,
            allowance: Rc::clone(&allowance),
        };
        let csv = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .buffer_capacity(BUFFER)
            // With this one, every line that the reader has passed ended in one newline, the last
            // one thanks to the newline that is added; so the line of a row can be told.
            .terminator(Terminator::Any(b'\n'))
            .from_reader(bytes.chain(&b"\n"[..]));
        let mut source = Source {
            path: path.to_owned(),
            size,
            csv,
            allowance,
            header: Vec::new(),
            places: [0; COLUMNS.len()],
            record: ByteRecord::new(),
        };
        source.read_header()?;
        Ok(source)
    }

    fn read_header(&mut self) -> Result<(), SourceError> {
        if !self.advance()? {
            let what = format!(
                "the file is empty; its header must be {}",
                COLUMNS.join(",")
            );
            return Err(self.error_at(1, &what));
        }
        let bytes = self.record.as_slice();
        if bytes.starts_with(b"\xFF\xFE") || bytes.starts_with(b"\xFE\xFF") || bytes.contains(&0) {
            let what = "this is not UTF-8 but looks like UTF-16; save the file as UTF-8";
            return Err(self.error_in("line 1, column 1".to_owned(), what));
        }
        self.header = (0..self.record.len())
            .map(|column| Ok(self.text(column, &format!("{}", column + 1))?.to_owned()))
            .collect::<Result<_, SourceError>>()?;
        for (index, column) in COLUMNS.into_iter().enumerate() {
            let mut names = self.header.iter();
            let Some(place) = names.position(|name| name.eq_ignore_ascii_case(column)) else {
                let there = self.header.join(", ");
                let what = format!("there is no column {column}, only {there}");
                return Err(self.error_at(1, &what));
            };
            self.places[index] = place;
        }
        Ok(())
    }

    /// The next row, if there is one.
    pub fn next(&mut self) -> Result<Option<Row<'_>>, SourceError> {
        if !self.advance()? {
            return Ok(None);
        }
        let mut fields = [""; COLUMNS.len()];
        for ((field, &place), name) in fields.iter_mut().zip(&self.places).zip(COLUMNS) {
            *field = self.text(place, name)?;
        }
        Ok(Some(Row {
            line: self.line(),
            end: self.csv.position().line() - 1,
            fields,
            longer: self.record.len() > self.header.len(),
        }))
    }

    /// Reads on to a row that is not blank.
    fn advance(&mut self) -> Result<bool, SourceError> {
        loop {
            // What the reader's buffer holds already is on top.
            self.allowance.set(LONGEST_ROW);
            let line = self.csv.position().line();
            match self.csv.read_byte_record(&mut self.record) {
                Ok(false) => return Ok(false),
                Ok(true) if self.is_blank() => {}
                Ok(true) => return Ok(true),
                Err(error) => return Err(self.error_at(line, &error.to_string())),
            }
        }
    }

    /// Whether the line holds nothing; with `\r\n` the reader does not see that by itself.
    fn is_blank(&self) -> bool {
        self.record.len() == 1 && self.record[0].trim_ascii().is_empty()
    }

    /// A field without the blanks around it; empty if the row has no such field.
    fn text(&self, column: usize, name: &str) -> Result<&str, SourceError> {
        let bytes = self.record.get(column).unwrap_or_default();
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text.trim()),
            Err(error) => {
                let place = format!("line {}, column {name}", self.line());
                let byte = bytes[error.valid_up_to()];
                let what = format!("the byte 0x{byte:02X} is not UTF-8; save the file as UTF-8");
                Err(self.error_in(place, &what))
            }
        }
    }

    /// The line on which the row at hand begins.
    fn line(&self) -> u64 {
        let bytes = self.record.as_slice();
        // A quote that is never closed takes in the newline that was added.
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let within = bytes.iter().filter(|&&byte| byte == b'\n').count();
        self.csv.position().line() - 1 - within as u64
    }

    /// An error at a line.
    pub fn error_at(&self, line: u64, what: &str) -> SourceError {
        self.error_in(format!("line {line}"), what)
    }

    fn error_in(&self, place: String, what: &str) -> SourceError {
        SourceError {
            path: self.path.clone(),
            place,
            what: what.to_owned(),
        }
    }

    /// The names of all columns, as they stand in the file.
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// How many bytes the file had when it was opened.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// How many of them have been read.
    pub fn read(&self) -> u64 {
        self.csv.position().byte()
    }
}

/// Gives no more bytes than it is allowed to.
struct Bounded<R> {
    inner: R,
    allowance: Rc<Cell<usize>>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let allowed = self.allowance.get();
        if allowed == 0 {
            let why = format!(
                "a row of more than {LONGEST_ROW} bytes begins here; is a quote not closed?"
            );
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        let most = buffer.len().min(allowed);
        let count = self.inner.read(&mut buffer[..most])?;
        self.allowance.set(allowed - count);
        Ok(count)
    }
}
