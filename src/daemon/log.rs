//! The supervisor's own log: people's text on standard error in the foreground, JSON Lines in
//! `HOME/log/daemon.jsonl` as a daemon.
//!
//! Whoever logs never waits for the disk: lines go to a thread through a bounded queue, and what finds
//! it full is dropped and counted.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tsup_core::error::{Exit, UserError};
use tsup_core::limits::LOG_LINES_PENDING_MAX;
use tsup_core::settings::LogSettings;

use crate::config::plain;

/// Name of the log file.
pub const FILE: &str = "daemon.jsonl";

/// Keeps the log's thread; dropping it writes what waits.
#[derive(Debug)]
pub struct LogGuard {
    lines: Option<SyncSender<Vec<u8>>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        // The subscriber lives as long as the process and holds a sender too: an empty line is the end.
        if let Some(lines) = self.lines.take() {
            let _ = lines.send(Vec::new());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn filter() -> EnvFilter {
    // A filter that cannot be read must not keep a supervisor from starting.
    EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"))
}

/// Logs to standard error, for people.
pub fn to_stderr(color: bool) -> LogGuard {
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter())
        // They would go to standard error, which may be the very file that cannot be written: that panics.
        .log_internal_errors(false)
        .with_writer(io::stderr)
        .with_ansi(color && io::stderr().is_terminal())
        .finish();
    // A second call in one process keeps the first log.
    let _ = tracing::subscriber::set_global_default(subscriber);
    LogGuard { lines: None, thread: None }
}

/// Logs to a file in `folder`, for programs and for later.
pub fn to_file(folder: &Path, settings: &LogSettings) -> Result<LogGuard, UserError> {
    let path = folder.join(FILE);
    let file = LogFile::open(path.clone(), settings.rotate_mb * 1024 * 1024, settings.retention_days)
        .map_err(|e| {
            UserError::new(Exit::Failed, format!("cannot write the log {}: {}", path.display(), plain(&e)))
        })?;
    let (lines, inbox) = sync_channel(LOG_LINES_PENDING_MAX);
    let dropped = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&dropped);
    let thread = std::thread::Builder::new()
        .name("log".into())
        .spawn(move || write_lines(file, &inbox, &counted))
        .map_err(|e| UserError::new(Exit::Failed, format!("cannot start the log's thread: {}", plain(&e))))?;
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(filter())
        // They would go to standard error, which may be the very file that cannot be written: that panics.
        .log_internal_errors(false)
        .with_writer(Lines { lines: lines.clone(), dropped })
        .finish();
    let _ = tracing::subscriber::set_global_default(subscriber);
    Ok(LogGuard { lines: Some(lines), thread: Some(thread) })
}

/// Hands each line to the log's thread.
#[derive(Clone)]
struct Lines {
    lines: SyncSender<Vec<u8>>,
    dropped: Arc<AtomicU64>,
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Err(TrySendError::Full(_)) = self.lines.try_send(line.to_vec()) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Lines;
    fn make_writer(&'a self) -> Lines {
        self.clone()
    }
}

fn write_lines(mut file: LogFile, inbox: &Receiver<Vec<u8>>, dropped: &AtomicU64) {
    while let Ok(line) = inbox.recv() {
        if line.is_empty() {
            return;
        }
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            file.append(
                format!("{{\"level\":\"WARN\",\"message\":\"log lines were dropped\",\"lines\":{lost}}}\n")
                    .as_bytes(),
            );
        }
        file.append(&line);
    }
}

/// A file that is set aside when it has grown, and whose old ones are removed.
struct LogFile {
    path: PathBuf,
    file: File,
    written: u64,
    rotate_bytes: u64,
    keep: Duration,
}

impl LogFile {
    fn open(path: PathBuf, rotate_bytes: u64, retention_days: u64) -> io::Result<Self> {
        let file = append_to(&path)?;
        let written = file.metadata()?.len();
        let keep = Duration::from_secs(retention_days * 86_400);
        Ok(LogFile { path, file, written, rotate_bytes, keep })
    }

    /// Writes a line. There is nobody to tell that the log cannot be written but the log itself: a full
    /// disk loses lines and never the supervisor.
    fn append(&mut self, line: &[u8]) {
        if self.written > 0 && self.written + line.len() as u64 > self.rotate_bytes {
            let _ = self.rotate();
        }
        if self.file.write_all(line).is_ok() {
            self.written += line.len() as u64;
        }
    }

    fn rotate(&mut self) -> io::Result<()> {
        let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%S%3f").to_string();
        std::fs::rename(&self.path, self.path.with_file_name(format!("daemon-{now}.jsonl")))?;
        self.file = append_to(&self.path)?;
        self.written = 0;
        self.remove_old()
    }

    fn remove_old(&self) -> io::Result<()> {
        let Some(folder) = self.path.parent() else { return Ok(()) };
        let now = SystemTime::now();
        for entry in std::fs::read_dir(folder)?.flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let is_ours = name.starts_with("daemon-") && name.ends_with(".jsonl");
            let age =
                entry.metadata().and_then(|m| m.modified()).ok().and_then(|t| now.duration_since(t).ok());
            if is_ours && age.is_some_and(|a| a > self.keep) {
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grown_log_is_set_aside_and_old_ones_go() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = LogFile::open(dir.path().join(FILE), 100, 1).unwrap();
        let old = dir.path().join("daemon-20200101T000000000.jsonl");
        std::fs::write(&old, "x").unwrap();
        File::open(&old).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        std::fs::write(dir.path().join("other.jsonl"), "x").unwrap();
        for _ in 0..3 {
            log.append(&[b'x'; 60]);
        }
        let mut names: Vec<String> = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        assert!(!old.exists());
        assert!(names.contains(&"other.jsonl".to_owned()));
        assert_eq!(std::fs::metadata(dir.path().join(FILE)).unwrap().len(), 60);
        assert!(names.iter().any(|n| n.starts_with("daemon-2")), "{names:?}");
    }
}
