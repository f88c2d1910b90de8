//! `tsup stop`: asks the supervisor to end and waits until its home is free.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tsup_core::error::{Exit, UserError};
use tsup_core::limits::{DRAIN_TIMEOUT, HURRY_TIMEOUT};
use tsup_core::wire::verb::Verb;

use super::lock::{Holder, Identity, holder, wait_free};
use crate::config::paths::Paths;
use crate::config::plain;
use crate::ctl::client::Client;

/// How long a supervisor may take to end: its own deadlines and some room.
const STOP_TIMEOUT: Duration =
    DRAIN_TIMEOUT.saturating_add(HURRY_TIMEOUT).saturating_add(Duration::from_secs(5));

/// Ends the supervisor of a home. `None` when there was none.
pub fn stop(paths: &Paths) -> Result<Option<Holder>, UserError> {
    let holder = match holder(&paths.lock)? {
        Holder::Nobody => return Ok(None),
        held => held,
    };
    let (socket, target) = match &holder {
        Holder::Known(id) => (&id.socket, Target::open(id)?),
        _ => (&paths.socket, None),
    };
    // The control socket first: it leaves a line in the audit log. A supervisor that does not answer
    // there is told by signal, which needs no cooperation of its actors.
    let asked = Client::connect(socket).and_then(|mut client| client.ask(Verb::Shutdown));
    if let (Err(_), Some(target)) = (&asked, &target) {
        target.terminate()?;
    }
    // Where neither was possible, the holder has not said who it is: it is starting or ending.
    // The lock is free a moment before the process is gone; both are waited for.
    let deadline = Instant::now() + STOP_TIMEOUT;
    let left = || deadline.saturating_duration_since(Instant::now());
    if wait_free(&paths.lock, left()) && target.as_ref().is_none_or(|t| t.wait_gone(left())) {
        return Ok(Some(holder));
    }
    let hint = match &holder {
        Holder::Known(id) => format!("`kill -9 {}` ends it at once; agents and their panes stay", id.pid),
        _ => "see the log in its home".into(),
    };
    let seconds = STOP_TIMEOUT.as_secs();
    Err(UserError::new(Exit::TimedOut, format!("the supervisor still runs after {seconds} seconds"))
        .hint(hint))
}

/// A hold on the process of a supervisor.
struct Target {
    pid: u32,
    pidfd: OwnedFd,
}

impl Target {
    /// Takes hold of exactly this process: the pidfd is taken first and the identity looked at after, so
    /// that a pid that was given to another process is not hit. `None` when it is gone.
    fn open(id: &Identity) -> Result<Option<Target>, UserError> {
        let Some(pid) = i32::try_from(id.pid).ok().and_then(Pid::from_raw) else { return Ok(None) };
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(pidfd) => Ok(id.lives().then_some(Target { pid: id.pid, pidfd })),
            Err(Errno::SRCH) => Ok(None),
            Err(e) => Err(refused(id.pid, e)),
        }
    }

    fn terminate(&self) -> Result<(), UserError> {
        match pidfd_send_signal(&self.pidfd, Signal::TERM) {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(e) => Err(refused(self.pid, e)),
        }
    }

    /// Waits for its end; `false` when it still runs after `deadline`.
    fn wait_gone(&self, deadline: Duration) -> bool {
        let Ok(timeout) = Timespec::try_from(deadline) else { return false };
        let mut wait = [PollFd::new(&self.pidfd, PollFlags::IN)];
        matches!(poll(&mut wait, Some(&timeout)), Ok(n) if n > 0)
    }
}

fn refused(pid: u32, e: Errno) -> UserError {
    UserError::new(Exit::Refused, format!("cannot end the supervisor (pid {pid}): {}", plain(&e.into())))
}
