//! The processes of an attempt: everything below its shim, which is their reaper of last resort.

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tsup_core::ids::ProcId;

use crate::os::{proc, tree};

/// What the tree uses, its shim apart.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Usage {
    pub(super) memory_bytes: u64,
    pub(super) processes: u32,
}

/// Looks at the tree below `shim`.
pub(super) fn usage(shim: ProcId) -> Usage {
    let all = tree::usage_of_trees(&[shim]).remove(0);
    all.iter().filter(|u| u.id != shim).fold(Usage::default(), |sum, u| Usage {
        memory_bytes: sum.memory_bytes + u.rss_bytes,
        processes: sum.processes + 1,
    })
}

/// The children of a process.
pub(super) fn children(of: ProcId) -> Vec<ProcId> {
    tree::children_of(of.pid)
        .unwrap_or_default()
        .into_iter()
        .filter_map(|pid| proc::identify(pid).ok())
        .collect()
}

/// Signals every process below `shim`; a number that belongs to another process by now is left alone.
pub(super) fn signal(shim: ProcId, signals: &[Signal]) {
    send(shim, signals, |process| process != shim);
}

/// Signals a process and every one below it.
pub(super) fn signal_all(root: ProcId, signals: &[Signal]) {
    send(root, signals, |_| true);
}

fn send(root: ProcId, signals: &[Signal], wanted: impl Fn(ProcId) -> bool) {
    let all = tree::usage_of_trees(&[root]).remove(0);
    for process in all.iter().map(|u| u.id).filter(|id| wanted(*id)) {
        let Some(pid) = Pid::from_raw(process.pid.cast_signed()) else { continue };
        let Ok(fd) = pidfd_open(pid, PidfdFlags::empty()) else { continue };
        if proc::identify(process.pid).is_ok_and(|id| id == process) {
            for signal in signals {
                let _ = pidfd_send_signal(&fd, *signal);
            }
        }
    }
}
