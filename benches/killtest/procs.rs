//! Processes of the supervisor under test, and no others: each is held by a pidfd, and known by its start, its claim
//! or its marks, before it is killed.

use std::fs;
use std::path::Path;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tsup_actors::os::proc;
use tsup_actors::tes::shim::traces::Traces;
use tsup_core::ids::ProcId;
use tsup_core::tes::attempt::AttemptId;

/// Kills a process if it still is the one that is meant.
pub(crate) fn kill(process: ProcId) -> bool {
    let Some(pid) = Pid::from_raw(process.pid.cast_signed()) else { return false };
    let Ok(fd) = pidfd_open(pid, PidfdFlags::empty()) else { return false };
    is_alive(process) && pidfd_send_signal(&fd, Signal::KILL).is_ok()
}

pub(crate) fn is_alive(process: ProcId) -> bool {
    proc::stat(process.pid).is_ok_and(|stat| stat.id == process && !stat.is_zombie())
}

/// The shim server below a supervisor.
pub(crate) fn servers(supervisor: u32) -> Vec<ProcId> {
    let all = proc::scan().unwrap_or_default();
    let below = all.iter().filter(|stat| stat.parent == supervisor);
    below
        .filter(|s| proc::argv(s.id.pid).is_ok_and(|a| a.get(1).is_some_and(|a| a == "shims")))
        .map(|s| s.id)
        .collect()
}

/// The shim of an attempt, by its claim.
pub(crate) fn shim(home: &Path, job: &str, attempt: u32) -> Option<ProcId> {
    let traces = Traces::find(&home.join("attempts")).ok()??;
    let wanted = |id: &AttemptId| id.job.to_string() == job && id.attempt == attempt;
    let (slot, id) = traces.scan().ok()?.slots.into_iter().find(|(_, id)| wanted(id))?;
    let claim = traces.look(slot, id).ok()?.claim?;
    Some(claim.shim).filter(|shim| shim.pid != 0 && is_alive(*shim))
}

/// Processes of jobs of the home in `dir`, by the marks in their environment: pid and what they are.
pub(crate) fn strays(dir: &Path) -> Vec<(u32, String)> {
    let dir = dir.as_os_str().as_encoded_bytes();
    let of_a_job = |pid: u32| {
        let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let mut vars = environ.split(|b| *b == 0);
        let marked = vars.clone().any(|var| var.starts_with(b"TSUP_JOB="));
        marked && vars.any(|var| var.strip_prefix(b"TMPDIR=").is_some_and(|at| at.starts_with(dir)))
    };
    let alive = proc::scan().unwrap_or_default().into_iter().filter(|stat| !stat.is_zombie());
    alive.filter(|s| of_a_job(s.id.pid)).map(|s| (s.id.pid, s.comm)).collect()
}
