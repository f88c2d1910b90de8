//! Processes of an attempt whose shim was killed, and whose shim server may be gone too.

use std::path::Path;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tsup_core::ids::ProcId;
use tsup_core::limits;
use tsup_core::tes::attempt::AttemptId;

use crate::os::proc;
use crate::tes::shim::traces::Traces;

/// Kills every process that carries the attempt's mark in its environment, or is in the session of its `shim`, which was
/// killed; those that come meanwhile too. Answers how many there were. It ends when none is left, or after
/// [`limits::STRAY_ROUNDS`] rounds.
pub(in crate::tes) fn end(id: AttemptId, shim: Option<ProcId>) -> u32 {
    let marks = marks(id);
    let mut ended = 0;
    for _ in 0..limits::STRAY_ROUNDS {
        let mut any = false;
        for pid in strays(&marks, shim) {
            let Some(held) = Pid::from_raw(pid.cast_signed()) else { continue };
            let Ok(fd) = pidfd_open(held, PidfdFlags::empty()) else { continue };
            // Only after opening is it certain who is held.
            if (bears(pid, &marks) || shim.is_some_and(|shim| is_left(pid, shim)))
                && pidfd_send_signal(&fd, Signal::KILL).is_ok()
            {
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

/// The shim that claimed an attempt on this boot, by the attempt's slot in the traces.
pub(super) fn shim(traces: &Path, slot: u32, id: AttemptId, boot_id: &str) -> Option<ProcId> {
    let claim = Traces::find(traces).ok()??.look(slot, id).ok()?.claim?;
    let ours = (claim.id.job, claim.id.attempt) == (id.job, id.attempt) && claim.boot_id == boot_id;
    Some(claim.shim).filter(|shim| ours && shim.pid != 0)
}

fn strays(marks: &[String; 2], shim: Option<ProcId>) -> Vec<u32> {
    let all = proc::scan().unwrap_or_default().into_iter().map(|stat| stat.id.pid);
    all.filter(|pid| bears(*pid, marks) || shim.is_some_and(|shim| is_left(*pid, shim))).collect()
}

/// Whether a process is in the session of a shim that is no more. The kernel gives the number of a session to nobody
/// else while there is somebody in it, so one that bears it now leads a session of its own, and a shim that lives may
/// have gone on to another attempt.
fn is_left(pid: u32, shim: ProcId) -> bool {
    let gone = proc::stat(shim.pid).map_or(true, |stat| stat.id == shim && stat.is_zombie());
    gone && proc::stat(pid).is_ok_and(|stat| stat.session == shim.pid && !stat.is_zombie())
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
