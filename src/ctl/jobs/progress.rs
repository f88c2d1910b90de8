//! One line on standard error that is redrawn while somebody waits. Nothing where that is no terminal.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::time::Instant;

use tsup_core::tes::job::JobState;
use tsup_core::untrusted::Untrusted;
use tsup_core::wire::doc::jobs::{JobDoc, OutputDoc};

use crate::render::jobs::waits;
use crate::render::table::cut;
use crate::render::words::{self, Here};

/// The line.
#[derive(Debug)]
pub struct Progress {
    shown: bool,
    drawn: bool,
    since: Instant,
}

impl Progress {
    /// A line that begins to count now.
    pub fn new() -> Self {
        Progress { shown: std::io::stderr().is_terminal(), drawn: false, since: Instant::now() }
    }

    /// Whether there is a terminal to draw on.
    pub fn is_shown(&self) -> bool {
        self.shown
    }

    /// Draws the line anew.
    pub fn draw(&mut self, text: &str) {
        if !self.shown {
            return;
        }
        let told = rustix::termios::tcgetwinsize(std::io::stderr()).map_or(0, |w| usize::from(w.ws_col));
        let width = if told == 0 { 80 } else { told };
        let waited = words::duration(self.since.elapsed());
        let line = cut(&format!("{waited}  {text}"), width.saturating_sub(1).max(20));
        self.drawn = true;
        let _ = write!(std::io::stderr(), "\r{line}\x1b[K");
    }

    /// Takes the line away.
    pub fn clear(&mut self) {
        if std::mem::take(&mut self.drawn) {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

impl Default for Progress {
    fn default() -> Self {
        Progress::new()
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

/// How a job is, in a line.
pub fn of(job: &JobDoc, printed: u64, here: &Here) -> String {
    let mut text = format!("{} {} {}", job.id, Untrusted::new(job.script.as_str()), job.state);
    if job.state == JobState::Running {
        if job.attempt > 1 {
            let _ = write!(text, ", attempt {} of {}", job.attempt, job.max_attempts);
        }
        let _ = write!(text, ", {} printed", words::bytes(printed));
    } else if let Some(waits) = waits(job, here) {
        let _ = write!(text, ", {waits}");
    }
    text
}

/// Bytes in the files of an attempt that runs.
pub fn printed(output: &OutputDoc) -> u64 {
    let len = |path: &str| std::fs::metadata(path).map_or(0, |m| m.len());
    len(&output.stdout) + len(&output.stderr)
}
