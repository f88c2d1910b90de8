//! `tsup stop`: asks the supervisor to end and waits until its home is free.

use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tsup_core::error::{Exit, UserError};
use tsup_core::limits::{DRAIN_TIMEOUT, HURRY_TIMEOUT};
use tsup_core::wire::verb::Verb;

use super::lock::{Holder, Identity, holder, wait_free};
use crate::config::paths::Paths;
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
    let socket = match &holder {
        Holder::Known(id) => &id.socket,
        _ => &paths.socket,
    };
    // The control socket first: it leaves a line in the audit log. A supervisor that does not answer
    // there is told by signal, which needs no cooperation of its actors.
    let asked = Client::connect(socket).and_then(|mut client| client.ask(Verb::Shutdown));
    match (asked, &holder) {
        (Ok(_), _) => {}
        (Err(_), Holder::Known(id)) => terminate(id)?,
        (Err(e), _) => return Err(e),
    }
    if wait_free(&paths.lock, STOP_TIMEOUT) {
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

/// Sends SIGTERM to exactly this process: the pidfd is taken first and its identity looked at after, so
/// that a pid that was given to another process is not hit.
fn terminate(id: &Identity) -> Result<(), UserError> {
    let refused = |e: rustix::io::Errno| {
        UserError::new(
            Exit::Refused,
            format!("cannot end the supervisor (pid {}): {}", id.pid, crate::config::plain(&e.into())),
        )
    };
    let Some(pid) = i32::try_from(id.pid).ok().and_then(Pid::from_raw) else { return Ok(()) };
    let target = match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(target) => target,
        Err(rustix::io::Errno::SRCH) => return Ok(()),
        Err(e) => return Err(refused(e)),
    };
    if !id.lives() {
        return Ok(());
    }
    match pidfd_send_signal(&target, Signal::TERM) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(e) => Err(refused(e)),
    }
}
