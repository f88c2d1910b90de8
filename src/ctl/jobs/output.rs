//! What a job printed, as it is: read from the files of its attempt, piece by piece.

use std::fs::File;
use std::io::{ErrorKind, Read as _};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use tsup_core::error::{Exit, UserError};
use tsup_core::untrusted::Untrusted;
use tsup_core::wire::doc::jobs::{JobDoc, OutputDoc};
use tsup_core::wire::verb::{Body, Verb};

use crate::cli::{Cx, Fail, Outcome};
use crate::config::plain;
use crate::ctl::client::Client;
use crate::ctl::unexpected;

/// Bytes that are read at a time.
const PIECE_BYTES: usize = 64 * 1024;

/// One of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// `output`: what there is by now.
pub fn run(
    cx: &Cx,
    client: &mut Client,
    job: String,
    stderr: bool,
    attempt: Option<u32>,
    json: bool,
) -> Outcome {
    let doc = match client.ask(Verb::Output { job: job.clone(), attempt })? {
        Body::Output(doc) => doc,
        other => return Err(unexpected(&other).into()),
    };
    if json {
        cx.out.json(&doc)?;
        return Ok(Exit::Ok);
    }
    let which = if stderr { Which::Stderr } else { Which::Stdout };
    let mut stream = Stream::new(&doc, which);
    let to = &mut |bytes: &[u8]| cx.out.bytes(bytes);
    stream.pump(to)?;
    if doc.ended {
        let job = match client.ask(Verb::Job { job })? {
            Body::Job(answer) => answer.job,
            other => return Err(unexpected(&other).into()),
        };
        stream.finish(cx, &doc, Some(&job), to)?;
        if let Some(gone) = stream.is_gone(&doc, &job) {
            return Err(gone.into());
        }
    }
    Ok(Exit::Ok)
}

/// One stream of an attempt, and how far it was printed.
#[derive(Debug)]
pub struct Stream {
    which: Which,
    path: String,
    tail: String,
    file: Option<File>,
    printed: u64,
}

/// Where bytes go.
pub type Sink<'a> = dyn FnMut(&[u8]) -> Result<(), Fail> + 'a;

impl Stream {
    /// The stream from its beginning on.
    pub fn new(doc: &OutputDoc, which: Which) -> Stream {
        let (path, tail) = match which {
            Which::Stdout => (&doc.stdout, &doc.stdout_tail),
            Which::Stderr => (&doc.stderr, &doc.stderr_tail),
        };
        Stream { which, path: path.clone(), tail: tail.clone(), file: None, printed: 0 }
    }

    /// Which of the two it is.
    pub fn which(&self) -> Which {
        self.which
    }

    /// Prints what is there and was not printed yet. Says whether there was something.
    pub fn pump(&mut self, to: &mut Sink<'_>) -> Result<bool, Fail> {
        if self.file.is_none() {
            self.file = open(&self.path)?;
        }
        let Some(file) = &mut self.file else { return Ok(false) };
        let printed = copy(file, &self.path, to)?;
        self.printed += printed;
        Ok(printed > 0)
    }

    /// What is wrong where an attempt printed something, and its file is not there.
    fn is_gone(&self, doc: &OutputDoc, job: &JobDoc) -> Option<UserError> {
        if self.file.is_some() || job.attempt != doc.attempt {
            return None;
        }
        let bytes = match self.which {
            Which::Stdout => job.stdout_bytes,
            Which::Stderr => job.stderr_bytes,
        };
        let what = format!("it printed {bytes} bytes, and {} is gone", Untrusted::new(self.path.as_str()));
        (bytes > 0).then(|| UserError::new(Exit::NotFound, what))
    }

    /// Prints the rest of an attempt that has ended, and says how much is missing before its end.
    pub fn finish(
        &mut self,
        cx: &Cx,
        doc: &OutputDoc,
        job: Option<&JobDoc>,
        to: &mut Sink<'_>,
    ) -> Result<(), Fail> {
        self.pump(to)?;
        if !doc.truncated {
            return Ok(());
        }
        let tail = open(&self.tail)?;
        let kept = tail.as_ref().and_then(|f| f.metadata().ok()).map_or(0, |m| m.len());
        // The figures that stand on the job are those of its last attempt.
        let total = job.filter(|j| j.attempt == doc.attempt).map(|j| match self.which {
            Which::Stdout => j.stdout_bytes,
            Which::Stderr => j.stderr_bytes,
        });
        match total.map(|total| total.saturating_sub(self.printed + kept)) {
            Some(0) => {}
            Some(missing) => {
                cx.out.say(&format!("\ntsup: {missing} bytes are missing here, they were not kept"));
            }
            None if kept > 0 => cx.out.say("\ntsup: bytes may be missing here, not all were kept"),
            None => {}
        }
        if let Some(mut tail) = tail {
            copy(&mut tail, &self.tail, to)?;
        }
        Ok(())
    }
}

/// A file of an attempt; none while nothing was printed.
fn open(path: &str) -> Result<Option<File>, UserError> {
    if path.is_empty() {
        return Ok(None);
    }
    match open_itself(path) {
        Ok(file) => Ok(Some(file)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(unreadable(path, &e)),
    }
}

/// Opens a plain file that stands there itself. A script can write where its output is kept: a link would show another
/// file for it, and a pipe would be waited for.
fn open_itself(path: &str) -> std::io::Result<File> {
    let refused = |what: &str| Err(std::io::Error::other(what));
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file: File = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => file.into(),
        Err(Errno::LOOP) => return refused("it is a link, and must be a plain file"),
        Err(Errno::NXIO) => return refused("it is not a plain file"),
        Err(e) => return Err(e.into()),
    };
    if file.metadata()?.is_file() { Ok(file) } else { refused("it is not a plain file") }
}

fn copy(file: &mut File, path: &str, to: &mut Sink<'_>) -> Result<u64, Fail> {
    let (mut piece, mut copied) = (vec![0; PIECE_BYTES], 0);
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(copied),
            Ok(n) => {
                to(&piece[..n])?;
                copied += n as u64;
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(unreadable(path, &e).into()),
        }
    }
}

fn unreadable(path: &str, e: &std::io::Error) -> UserError {
    UserError::new(Exit::Failed, format!("cannot read {}: {}", Untrusted::new(path), plain(e)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_file_is_shown_and_nothing_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).display().to_string();
        std::fs::write(at("stdout"), "x").unwrap();
        std::os::unix::fs::symlink(at("stdout"), at("link")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, at("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0)
            .unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        assert!(open(&at("stdout")).unwrap().is_some());
        assert!(open(&at("none")).unwrap().is_none());
        let refused = |name: &str| open(&at(name)).unwrap_err().to_string();
        assert!(refused("link").ends_with("it is a link, and must be a plain file"), "{}", refused("link"));
        for name in ["pipe", "socket", "."] {
            assert!(refused(name).ends_with("it is not a plain file"), "{}", refused(name));
        }
    }
}
