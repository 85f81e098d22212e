//! The lines that are not uploaded yet.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use bytes::Bytes;

/// Lines on their way into chunks. What goes over the memory bound lies in a file that has no name.
#[derive(Debug)]
pub(super) struct Backlog {
    /// The chunk that lines are added to; its last newline is not in it.
    open: Vec<u8>,
    /// How many lines it holds.
    open_lines: u64,
    /// The chunks before it, the oldest first.
    sealed: VecDeque<Sealed>,
    /// What `open` and the chunks in memory hold together.
    in_memory: usize,
    memory: usize,
    chunk: usize,
    /// Made when it is first needed. Invariant: empty where no chunk lies on disk.
    spill: Option<File>,
    spilled: u64,
}

/// A chunk to upload.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chunk {
    pub(super) body: Bytes,
    pub(super) lines: u64,
}

#[derive(Debug)]
enum Sealed {
    Memory(Chunk),
    Disk {
        start: u64,
        length: usize,
        lines: u64,
    },
}

impl Backlog {
    /// `chunk`: at how many bytes a chunk is cut; a longer line is a chunk of its own. `memory`: how
    /// many bytes stay in memory.
    pub(super) fn new(chunk: usize, memory: usize) -> Backlog {
        Backlog {
            open: Vec::new(),
            open_lines: 0,
            sealed: VecDeque::new(),
            in_memory: 0,
            memory,
            chunk,
            spill: None,
            spilled: 0,
        }
    }

    /// Adds a line.
    ///
    /// # Errors
    /// The chunks before it are to go to disk, and can't. The line is not added.
    pub(super) fn push(&mut self, line: &[u8]) -> io::Result<()> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        if !self.open.is_empty() && self.open.len() + line.len() >= self.chunk {
            self.seal()?;
        }
        if self.open_lines > 0 {
            self.open.push(b'\n');
            self.in_memory += 1;
        }
        self.open.extend_from_slice(line);
        self.open_lines += 1;
        self.in_memory += line.len();
        Ok(())
    }

    /// Whether there is nothing to upload.
    pub(super) fn is_empty(&self) -> bool {
        self.open_lines == 0 && self.sealed.is_empty()
    }

    /// Whether a chunk has reached its size.
    pub(super) fn is_full(&self) -> bool {
        !self.sealed.is_empty()
    }

    /// How many lines wait.
    pub(super) fn lines(&self) -> u64 {
        let sealed = self.sealed.iter().map(|sealed| match sealed {
            Sealed::Memory(chunk) => chunk.lines,
            Sealed::Disk { lines, .. } => *lines,
        });
        self.open_lines + sealed.sum::<u64>()
    }

    /// Takes the oldest chunk, be it full or not.
    ///
    /// # Errors
    /// It lies on disk and can't be read back. It stays.
    pub(super) fn take(&mut self) -> io::Result<Option<Chunk>> {
        let chunk = match self.sealed.front() {
            None if self.open_lines == 0 => return Ok(None),
            None => self.take_open(),
            Some(Sealed::Memory(chunk)) => {
                let chunk = chunk.clone();
                self.sealed.pop_front();
                chunk
            }
            Some(&Sealed::Disk {
                start,
                length,
                lines,
            }) => {
                let body = self.read_back(start, length)?.into();
                self.sealed.pop_front();
                self.forget_spill();
                return Ok(Some(Chunk { body, lines }));
            }
        };
        self.in_memory -= chunk.body.len();
        Ok(Some(chunk))
    }

    fn take_open(&mut self) -> Chunk {
        Chunk {
            body: std::mem::take(&mut self.open).into(),
            lines: std::mem::take(&mut self.open_lines),
        }
    }

    fn seal(&mut self) -> io::Result<()> {
        if self.in_memory < self.memory {
            let chunk = self.take_open();
            self.sealed.push_back(Sealed::Memory(chunk));
            return Ok(());
        }
        let start = self.spilled;
        let file = match &mut self.spill {
            Some(file) => file,
            spill => spill.insert(tempfile::tempfile()?),
        };
        // At its place, whatever a write that failed has left behind it.
        file.seek(SeekFrom::Start(start))?;
        file.write_all(&self.open)?;
        let length = self.open.len();
        self.spilled += length as u64;
        self.in_memory -= length;
        self.open.clear();
        let lines = std::mem::take(&mut self.open_lines);
        self.sealed.push_back(Sealed::Disk {
            start,
            length,
            lines,
        });
        Ok(())
    }

    fn read_back(&mut self, start: u64, length: usize) -> io::Result<Vec<u8>> {
        let file = self.spill.as_mut().ok_or(io::ErrorKind::NotFound)?;
        let mut body = vec![0; length];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(&mut body)?;
        Ok(body)
    }

    /// Gives the room on disk back once nothing lies there.
    fn forget_spill(&mut self) {
        let on_disk = |sealed: &Sealed| matches!(sealed, Sealed::Disk { .. });
        if !self.sealed.iter().any(on_disk) {
            self.spill = None;
            self.spilled = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(backlog: &mut Backlog) -> (Vec<String>, u64) {
        let mut chunks = Vec::new();
        let mut lines = 0;
        while let Some(chunk) = backlog.take().unwrap() {
            lines += chunk.lines;
            chunks.push(String::from_utf8(chunk.body.to_vec()).unwrap());
        }
        (chunks, lines)
    }

    #[test]
    fn a_chunk_ends_without_a_newline_and_holds_whole_lines() {
        let mut backlog = Backlog::new(10, 1000);
        for line in [
            "one\n",
            "two\n",
            "three\n",
            "a line that is longer\n",
            "x\n",
        ] {
            backlog.push(line.as_bytes()).unwrap();
        }
        assert_eq!(backlog.lines(), 5);
        let chunks = ["one\ntwo", "three", "a line that is longer", "x"];
        assert_eq!(all(&mut backlog), (chunks.map(str::to_owned).to_vec(), 5));
        assert!(backlog.is_empty());
    }

    #[test]
    fn what_is_over_the_memory_bound_lies_on_disk() {
        let mut backlog = Backlog::new(10, 20);
        let lines: Vec<String> = (0..100).map(|n| format!("line {n:04}\n")).collect();
        for line in &lines {
            backlog.push(line.as_bytes()).unwrap();
        }
        assert!(backlog.spill.is_some() && backlog.in_memory < 40);
        assert_eq!(all(&mut backlog).0.join("\n") + "\n", lines.concat());
        assert!(backlog.spill.is_none() && backlog.in_memory == 0);
    }

    proptest! {
        #[test]
        fn every_line_comes_back_once_and_in_order(
            steps in prop::collection::vec(prop::option::weighted(0.8, 0usize..40), 0..200),
            chunk in 1usize..50,
            memory in 0usize..200,
        ) {
            let mut backlog = Backlog::new(chunk, memory);
            let (mut put, mut got) = (Vec::new(), Vec::new());
            for (n, step) in steps.into_iter().enumerate() {
                match step {
                    Some(length) => {
                        let line = format!("{n}:{}", "x".repeat(length));
                        backlog.push(format!("{line}\n").as_bytes()).unwrap();
                        put.push(line);
                    }
                    None => if let Some(chunk) = backlog.take().unwrap() {
                        got.push(String::from_utf8(chunk.body.to_vec()).unwrap());
                    },
                }
            }
            got.extend(all(&mut backlog).0);
            let got: Vec<String> = got.iter().flat_map(|chunk| chunk.split('\n')).map(str::to_owned).collect();
            prop_assert_eq!(got, put);
        }
    }
}
