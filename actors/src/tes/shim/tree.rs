//! The processes of an attempt: everything below its shim, which is their reaper of last resort.

use std::time::Instant;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tsup_core::ids::ProcId;
use tsup_core::limits;
use tsup_core::telemetry::resources::Usage as Seen;

use crate::os::{proc, tree};

/// What the tree uses, its shim apart.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Usage {
    pub(super) memory_bytes: u64,
    pub(super) processes: u32,
}

/// What the kernel killed for want of memory, anywhere on this machine: it does not say whom. So it is a cause only for
/// who was killed, at about that time, and not by tsup.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Kills {
    count: Option<u64>,
    counted: Option<Instant>,
    /// When there were more than before.
    grew: Option<Instant>,
}

impl Kills {
    pub(super) fn new() -> Self {
        Kills { count: proc::killed_for_memory(), counted: Some(Instant::now()), grew: None }
    }

    /// Counts anew where the count is so old that what came since may be long past.
    pub(super) fn refresh(&mut self) {
        if self.counted.is_none_or(|at| at.elapsed() >= limits::MEMORY_KILL_RECENT) {
            *self = Kills { grew: self.grew, ..Kills::new() };
        }
    }

    /// Whether it has just killed something. The end of a large process takes a while after that.
    pub(super) fn recent(&mut self) -> bool {
        let now = proc::killed_for_memory();
        if self.count.zip(now).is_some_and(|(before, now)| now > before) {
            self.grew = Some(Instant::now());
        }
        (self.count, self.counted) = (now, Some(Instant::now()));
        self.grew.is_some_and(|at| at.elapsed() < limits::MEMORY_KILL_RECENT)
    }
}

/// Looks at the tree below `shim`. Memory that its processes share counts once for each of them at first; when that
/// makes more than `trusted`, it is looked at more closely, which takes longer.
pub(super) fn usage(shim: ProcId, trusted: u64) -> Usage {
    let mut all = tree::usage_of_trees(&[shim]).remove(0);
    all.retain(|u| u.id != shim);
    let mut memory_bytes = all.iter().map(|one| one.rss_bytes).sum();
    if memory_bytes > trusted && (2..=limits::SHARED_LOOKED_AT).contains(&all.len()) {
        let share = |one: &Seen| tree::share_of(one.id).unwrap_or(one.rss_bytes);
        let shares = || all.iter().map(share).sum::<u64>();
        // Who ends between two of them leaves a larger share to those that come later: a sum that is too large.
        memory_bytes = Some(shares()).filter(|sum| *sum <= trusted).unwrap_or_else(|| shares().min(shares()));
    }
    Usage { memory_bytes, processes: u32::try_from(all.len()).unwrap_or(u32::MAX) }
}

/// How many processes are in the tree below `shim`.
pub(super) fn count(shim: ProcId) -> u32 {
    usage(shim, u64::MAX).processes
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
