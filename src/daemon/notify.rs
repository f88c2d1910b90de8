//! Telling others how the supervisor is: the service manager, and the `tsup start` that waits.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::time::Duration;

use sd_notify::NotifyState;
use serde::{Deserialize, Serialize};
use tsup_core::error::UserError;
use tsup_core::limits::REPORT_BYTES_MAX;

/// What a daemon tells the command that started it, as one line of JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Report {
    /// It is up.
    Ready {
        /// Its pid.
        pid: u32,
    },
    /// It could not come up.
    Failed(UserError),
}

impl Report {
    /// Reads a report; `None` when the other side ended without one.
    pub fn read(from: OwnedFd) -> Option<Report> {
        let mut line = String::new();
        BufReader::new(File::from(from).take(REPORT_BYTES_MAX)).read_line(&mut line).ok()?;
        serde_json::from_str(&line).ok()
    }
}

/// The other end of `tsup start`: standard output, which nobody else uses in a daemon.
#[derive(Debug)]
pub struct Starter {
    pipe: Option<File>,
}

impl Starter {
    /// Nobody waits.
    pub fn nobody() -> Self {
        Starter { pipe: None }
    }

    /// Somebody waits at the other end of standard output, which is then closed to everyone else.
    pub fn on_stdout() -> std::io::Result<Self> {
        let pipe = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)?;
        rustix::stdio::dup2_stdout(&File::options().write(true).open("/dev/null")?)?;
        Ok(Starter { pipe: Some(pipe.into()) })
    }

    /// Whether somebody waits who was not told yet.
    pub fn waits(&self) -> bool {
        self.pipe.is_some()
    }

    /// Tells, once. Whoever waited may have gone.
    pub fn tell(&mut self, report: &Report) {
        if let (Some(mut pipe), Ok(text)) = (self.pipe.take(), serde_json::to_string(report)) {
            let _ = pipe.write_all(format!("{text}\n").as_bytes());
        }
    }
}

/// Tells the service manager; without one nothing happens.
pub fn service_manager(states: &[NotifyState<'_>]) {
    if let Err(e) = sd_notify::notify(states) {
        tracing::debug!(error = %e, "the service manager was not told");
    }
}

/// How often the service manager wants a sign of life: half of what it allows.
pub fn watchdog_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled().filter(|d| !d.is_zero()).map(|d| d / 2)
}

#[cfg(test)]
mod tests {
    use tsup_core::error::Exit;

    use super::*;

    #[test]
    fn reports_pass_a_pipe() {
        for report in
            [Report::Ready { pid: 7 }, Report::Failed(UserError::new(Exit::Refused, "a\nb").hint("c"))]
        {
            let (reader, writer) = rustix::pipe::pipe().unwrap();
            let mut starter = Starter { pipe: Some(writer.into()) };
            starter.tell(&report);
            starter.tell(&Report::Ready { pid: 8 });
            assert_eq!(Report::read(reader), Some(report));
        }
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        drop(writer);
        assert_eq!(Report::read(reader), None);
    }
}
