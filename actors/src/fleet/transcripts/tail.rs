//! The end of one file, read on as it grows.
//!
//! Nothing stays open between two looks. What is opened may be anything that a path leads to: only a
//! regular file of this user is read, and opening waits for nobody (a fifo would).

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, Stat};
use tsup_core::clock::Wall;
use tsup_core::fleet::transcript::reset::Zones;
use tsup_core::fleet::transcript::{Counts, Format, Since, Transcript};
use tsup_core::limits;

/// A transcript's file, as far as it was read.
#[derive(Debug)]
pub(super) struct Tail {
    path: PathBuf,
    format: Format,
    since: Since,
    /// Which file it was: another under the same path is read anew.
    file: Option<(u64, u64)>,
    offset: u64,
    /// The last bytes before `offset`, at most [`limits::TRANSCRIPT_MARK_BYTES`]: where others stand, it is
    /// another file.
    mark: Vec<u8>,
    transcript: Transcript,
    /// What of its counts was taken.
    taken: Counts,
}

impl Tail {
    /// Nothing of it is read yet.
    pub(super) fn new(path: PathBuf, format: Format, since: Since) -> Self {
        let transcript = Transcript::new(format, since);
        let (file, mark, taken) = (None, Vec::new(), Counts::default());
        Tail { path, format, since, file, offset: 0, mark, transcript, taken }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    /// What was counted since the last time.
    pub(super) fn take_counts(&mut self) -> Counts {
        let (now, before) = (self.transcript.counts(), self.taken);
        self.taken = now;
        Counts {
            lines: now.lines.saturating_sub(before.lines),
            skipped: now.skipped.saturating_sub(before.skipped),
            input_tokens: now.input_tokens.saturating_sub(before.input_tokens),
            output_tokens: now.output_tokens.saturating_sub(before.output_tokens),
        }
    }

    /// Since when what comes after it is to be counted: its own lines are.
    pub(super) fn counted(&self) -> Wall {
        let next = |last: Wall| Wall::from_unix_ms(last.unix_ms().saturating_add(1));
        self.transcript.last_line().map_or(self.since.counted, |last| self.since.counted.max(next(last)))
    }

    /// Reads on, at most [`limits::TRANSCRIPT_READ_BYTES`]. Says whether there is more.
    pub(super) fn read(&mut self, zones: &Zones<'_>) -> io::Result<bool> {
        let (file, stat) = open(&self.path)?;
        let file = File::from(file);
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        let identity = (stat.st_dev, stat.st_ino);
        if self.file != Some(identity) || size < self.offset || !self.is_marked(&file)? {
            self.begin(size);
            self.file = Some(identity);
        }
        let mut buffer = vec![0; limits::TRANSCRIPT_READ_BYTES.min(32 * 1024)];
        let mut left = limits::TRANSCRIPT_READ_BYTES;
        while left > 0 {
            let want = left.min(buffer.len());
            let n = match rustix::io::pread(&file, &mut buffer[..want], self.offset) {
                Ok(n) => n,
                Err(rustix::io::Errno::INTR) => continue,
                Err(e) => return Err(e.into()),
            };
            if n == 0 {
                let back = self.transcript.give_back();
                self.offset -= back as u64;
                // The mark ends where reading goes on.
                self.mark.truncate(self.mark.len().saturating_sub(back));
                return Ok(false);
            }
            self.transcript.feed(&buffer[..n], zones);
            self.mark(&buffer[..n]);
            self.offset += n as u64;
            left -= n;
        }
        Ok(true)
    }

    /// Whether the bytes before the place up to which it was read are still those that were read.
    fn is_marked(&self, file: &File) -> io::Result<bool> {
        let mut there = vec![0; self.mark.len()];
        match file.read_exact_at(&mut there, self.offset - self.mark.len() as u64) {
            Ok(()) => Ok(there == self.mark),
            // It was cut a moment ago.
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(e) => Err(e),
        }
    }

    fn mark(&mut self, read: &[u8]) {
        self.mark.extend_from_slice(read);
        let over = self.mark.len().saturating_sub(limits::TRANSCRIPT_MARK_BYTES);
        self.mark.drain(..over);
    }

    /// A file that is met for the first time, or in the place of another.
    fn begin(&mut self, size: u64) {
        self.since.counted = self.counted();
        self.taken = Counts::default();
        self.mark.clear();
        self.offset = size.saturating_sub(limits::TRANSCRIPT_FIRST_BYTES);
        self.transcript = if self.offset > 0 {
            Transcript::from_middle(self.format, self.since)
        } else {
            Transcript::new(self.format, self.since)
        };
    }
}

/// Opens a file of ours without waiting, if it is one.
pub(super) fn open(path: &Path) -> io::Result<(OwnedFd, Stat)> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty())?;
    let stat = rustix::fs::fstat(&file)?;
    let refuse = |why: &str| Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return refuse("it is no regular file");
    }
    if stat.st_uid != rustix::process::geteuid().as_raw() {
        return refuse("it is another user's");
    }
    Ok((file, stat))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;

    use jiff::tz::TimeZone;

    use super::*;

    const LINE: &str = r#"{"type":"assistant","timestamp":"2026-11-21T09:00:00Z","message":{"id":"ID","model":"m","stop_reason":"end_turn","usage":{"input_tokens":5,"output_tokens":2}}}"#;

    fn nowhere(_: &str) -> Option<TimeZone> {
        None
    }

    fn zones() -> Zones<'static> {
        Zones { local: TimeZone::UTC, named: &nowhere }
    }

    fn line(id: u32) -> String {
        LINE.replace("ID", &id.to_string()) + "\n"
    }

    fn counts(tail: &Tail) -> (u64, u64) {
        let counts = tail.transcript.counts();
        (counts.lines, counts.input_tokens)
    }

    #[test]
    fn a_file_is_read_on_and_anew_when_it_is_another() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.jsonl");
        let mut tail = Tail::new(path.clone(), Format::Claude, Since::default());
        assert_eq!(tail.read(&zones()).unwrap_err().kind(), io::ErrorKind::NotFound);
        fs::write(&path, line(1)).unwrap();
        assert!(!tail.read(&zones()).unwrap());
        assert_eq!(counts(&tail), (1, 5));
        let mut more = fs::File::options().append(true).open(&path).unwrap();
        more.write_all(&line(2).as_bytes()[..40]).unwrap();
        tail.read(&zones()).unwrap();
        assert_eq!(counts(&tail), (1, 5), "a torn line waits");
        more.write_all(&line(2).as_bytes()[40..]).unwrap();
        tail.read(&zones()).unwrap();
        assert_eq!(counts(&tail), (2, 10));
        // Another file takes its place: its lines are read, what was counted is not counted again.
        let other = dir.path().join("b");
        fs::write(&other, line(1) + &line(2) + &line(3)).unwrap();
        fs::rename(&other, &path).unwrap();
        tail.read(&zones()).unwrap();
        assert_eq!(counts(&tail), (3, 0));
        // The same file, shorter than it was.
        fs::write(&path, line(8)).unwrap();
        tail.read(&zones()).unwrap();
        assert_eq!(counts(&tail).0, 1);
        // The same file, as long as it was, or longer.
        fs::write(&path, line(9)).unwrap();
        tail.read(&zones()).unwrap();
        assert_eq!(tail.take_counts().lines, 1, "it was written anew");
        fs::write(&path, line(7) + &line(6)).unwrap();
        tail.read(&zones()).unwrap();
        assert_eq!(tail.take_counts().lines, 2, "it was written anew and goes on");
        tail.read(&zones()).unwrap();
        assert_eq!(tail.take_counts().lines, 0, "nothing is read twice");
    }

    #[test]
    fn of_a_large_file_the_end_is_read_in_pieces() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.jsonl");
        let lines = usize::try_from(limits::TRANSCRIPT_FIRST_BYTES).unwrap() / line(10).len() * 2;
        let text: String = (0..lines).map(|_| line(10)).collect();
        fs::write(&path, &text).unwrap();
        let mut tail = Tail::new(path, Format::Claude, Since::default());
        let mut reads = 1;
        while tail.read(&zones()).unwrap() {
            reads += 1;
        }
        assert!(reads >= 2, "{reads}");
        let read = usize::try_from(counts(&tail).0).unwrap();
        assert!(read < lines * 6 / 10 && read > lines * 4 / 10, "{read} of {lines}");
        assert_eq!(tail.transcript.counts().skipped, 0);
    }

    #[test]
    fn a_long_line_that_is_not_whole_is_not_held_and_is_read_when_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.jsonl");
        let mut tail = Tail::new(path.clone(), Format::Claude, Since::default());
        let long = line(2).replace("end_turn", &"x".repeat(limits::TRANSCRIPT_HELD_BYTES));
        let (begun, rest) = long.split_at(long.len() - 20);
        fs::write(&path, line(1) + begun).unwrap();
        assert!(!tail.read(&zones()).unwrap());
        assert_eq!((counts(&tail), tail.offset), ((1, 5), line(1).len() as u64), "it waits in its file");
        fs::File::options().append(true).open(&path).unwrap().write_all(rest.as_bytes()).unwrap();
        tail.read(&zones()).unwrap();
        assert_eq!(counts(&tail), (2, 10));
    }

    #[test]
    fn what_is_no_file_of_ours_is_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo.jsonl");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let link = dir.path().join("link.jsonl");
        std::os::unix::fs::symlink("/etc/hostname", &link).unwrap();
        for path in [fifo.as_path(), link.as_path(), dir.path(), Path::new("/dev/zero")] {
            assert!(open(path).is_err(), "{}", path.display());
        }
    }
}
