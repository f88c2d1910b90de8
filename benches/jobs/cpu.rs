//! What processes cost: the scheduler's own account, and the time of children that were waited for.

use std::fs;

/// Seconds of CPU of a process: its own, and that of the children that it waited for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cpu {
    pub(crate) own: f64,
    pub(crate) children: f64,
}

/// Reads `/proc/PID/stat`.
pub(crate) fn of(pid: u32) -> Cpu {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let rest = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let fields: Vec<f64> = rest.split_whitespace().map(|f| f.parse().unwrap_or(0.0)).collect();
    let ticks = |n: usize| fields.get(n).copied().unwrap_or(0.0) / 100.0;
    Cpu { own: ticks(11) + ticks(12), children: ticks(13) + ticks(14) }
}

/// The children of a process.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    threads
        .flat_map(|thread| {
            let text = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()
        })
        .collect()
}
