//! Processes of an attempt whose shim was killed, and whose shim server may be gone too.

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tsup_core::limits;
use tsup_core::tes::attempt::AttemptId;

use crate::os::proc;

/// Kills every process that carries the attempt's mark in its environment, those that come meanwhile too; answers
/// how many there were. It ends when none is left, or after [`limits::STRAY_ROUNDS`] rounds.
pub(super) fn end(id: AttemptId) -> u32 {
    let marks = marks(id);
    let mut ended = 0;
    for _ in 0..limits::STRAY_ROUNDS {
        let mut any = false;
        for pid in bearers(&marks) {
            let Some(held) = Pid::from_raw(pid.cast_signed()) else { continue };
            let Ok(fd) = pidfd_open(held, PidfdFlags::empty()) else { continue };
            // Only after opening is it certain who is held.
            if bears(pid, &marks) && pidfd_send_signal(&fd, Signal::KILL).is_ok() {
                any = true;
                ended += 1;
            }
        }
        if !any {
            break;
        }
        // What was killed needs a moment to be gone; what forked meanwhile is met in the next round.
        std::thread::park_timeout(limits::KILL_AGAIN);
    }
    ended
}

/// Whether a process carries the attempt's mark.
pub(super) fn any(id: AttemptId) -> bool {
    bearers(&marks(id)).next().is_some()
}

fn marks(id: AttemptId) -> [String; 2] {
    [format!("TSUP_JOB={}", id.job), format!("TSUP_ATTEMPT={}", id.attempt)]
}

fn bearers(marks: &[String; 2]) -> impl Iterator<Item = u32> {
    let all = proc::scan().unwrap_or_default().into_iter().map(|stat| stat.id.pid);
    all.filter(move |pid| bears(*pid, marks))
}

/// Whether a process that runs was started with these variables.
fn bears(pid: u32, marks: &[String; 2]) -> bool {
    if pid == std::process::id() || proc::stat(pid).is_ok_and(|stat| stat.is_zombie()) {
        return false;
    }
    let Ok(environ) = std::fs::read(format!("/proc/{pid}/environ")) else { return false };
    marks.iter().all(|mark| environ.split(|b| *b == 0).any(|entry| entry == mark.as_bytes()))
}
