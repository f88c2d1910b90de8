//! What is kept of a stream: its beginning in a file, and its end when not all of it fits.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::PathBuf;

use tsup_core::limits;

use super::files;

/// Keeps a stream.
#[derive(Debug)]
pub(super) struct Keeper {
    path: PathBuf,
    /// Made with the first byte: most jobs print nothing on one of the two.
    file: Option<File>,
    keep: u64,
    /// Bytes that came, kept or not.
    pub(super) came: u64,
    tail: VecDeque<u8>,
    /// Whether writing failed: what comes is counted and let go.
    failed: bool,
}

impl Keeper {
    pub(super) fn new(path: PathBuf, keep: u64) -> Self {
        Keeper { path, file: None, keep, came: 0, tail: VecDeque::new(), failed: false }
    }

    /// Whether not all of it was kept.
    pub(super) fn is_cut(&self) -> bool {
        self.came > self.keep || self.failed
    }

    /// Takes what came. A full disk costs the output, never the job.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        let room = usize::try_from(self.keep.saturating_sub(self.came)).unwrap_or(usize::MAX);
        self.came += bytes.len() as u64;
        let (head, rest) = bytes.split_at(room.min(bytes.len()));
        if !head.is_empty() && !self.failed {
            self.failed = self.write(head).is_err();
        }
        let max = limits::OUTPUT_TAIL_BYTES;
        let rest = &rest[rest.len().saturating_sub(max)..];
        let over = (self.tail.len() + rest.len()).saturating_sub(max);
        self.tail.drain(..over);
        self.tail.extend(rest);
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.file.is_none() {
            self.file = Some(files::create(&self.path)?);
        }
        match &mut self.file {
            Some(file) => file.write_all(bytes),
            None => Ok(()),
        }
    }

    /// Writes the end beside the beginning, where not all was kept.
    pub(super) fn finish(&mut self) {
        if self.tail.is_empty() {
            return;
        }
        let path = self.path.with_extension("tail");
        let written = files::create(&path).and_then(|mut file| file.write_all(self.tail.make_contiguous()));
        self.failed |= written.is_err();
    }
}
