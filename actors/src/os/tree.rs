//! What process trees use, read from `/proc`.
//!
//! For a few trees each process is asked for its children (`/proc/PID/task/TID/children`); for many, or
//! where the kernel has no such file, one pass over all processes serves all trees.

use std::collections::HashMap;
use std::fs;

use tsup_core::ids::ProcId;
use tsup_core::limits;
use tsup_core::telemetry::resources::Usage;

use super::proc::{self, Stat};

/// Trees up to which their processes are asked one by one.
const FEW: usize = 8;

/// What one process uses; `None` when it is gone.
pub fn usage_of(pid: u32) -> Option<Usage> {
    proc::stat(pid).ok().as_ref().map(usage)
}

/// What each tree below these roots uses, in their order; empty for a root that is gone.
pub fn usage_of_trees(roots: &[ProcId]) -> Vec<Vec<Usage>> {
    if roots.len() <= FEW && children_of(std::process::id()).is_some() {
        return roots.iter().map(|root| walk(*root, |pid| proc::stat(pid).ok(), &asked)).collect();
    }
    let all: HashMap<u32, Stat> =
        proc::scan().unwrap_or_default().into_iter().map(|s| (s.id.pid, s)).collect();
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for stat in all.values() {
        children.entry(stat.parent).or_default().push(stat.id.pid);
    }
    let below = |pid: u32| children.get(&pid).cloned().unwrap_or_default();
    roots.iter().map(|root| walk(*root, |pid| all.get(&pid).cloned(), &below)).collect()
}

/// Memory of a process where what it shares with others is divided among them, in bytes; nothing when it is gone. `None`
/// when the kernel does not tell (before Linux 4.14, or without rights over it).
pub fn share_of(process: ProcId) -> Option<u64> {
    let told = fs::read_to_string(format!("/proc/{}/smaps_rollup", process.pid)).ok();
    let lives = proc::stat(process.pid).is_ok_and(|stat| stat.id == process && !stat.is_zombie());
    if !lives {
        return Some(0);
    }
    let line = told.as_ref()?.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

fn asked(pid: u32) -> Vec<u32> {
    children_of(pid).unwrap_or_default()
}

fn walk(root: ProcId, stat: impl Fn(u32) -> Option<Stat>, children: &dyn Fn(u32) -> Vec<u32>) -> Vec<Usage> {
    // Another start time is another process under the same number.
    let Some(first) = stat(root.pid).filter(|s| s.id == root) else { return Vec::new() };
    let mut out = vec![usage(&first)];
    let mut at = 0;
    while at < out.len() && out.len() < limits::SAMPLE_TREE_MAX {
        let parent = out[at].id;
        // A child is younger than its parent; an older one got there by a reused number.
        let young = children(parent.pid).into_iter().filter_map(&stat);
        out.extend(young.filter(|s| s.id.start_ticks >= parent.start_ticks).map(|s| usage(&s)));
        at += 1;
    }
    out.truncate(limits::SAMPLE_TREE_MAX);
    out
}

fn usage(stat: &Stat) -> Usage {
    Usage {
        id: stat.id,
        cpu_ticks: stat.user_ticks + stat.system_ticks,
        rss_bytes: stat.resident_pages * proc::page_bytes(),
    }
}

/// The children of all threads of a process; `None` when the kernel does not tell.
pub fn children_of(pid: u32) -> Option<Vec<u32>> {
    let mut out = Vec::new();
    for task in fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        match fs::read_to_string(task.ok()?.path().join("children")) {
            Ok(text) => out.extend(text.split_ascii_whitespace().filter_map(|p| p.parse::<u32>().ok())),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && out.is_empty() => return None,
            Err(_) => {}
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    #[test]
    fn both_ways_see_the_same_tree() {
        let mut shell =
            Command::new("sh").args(["-c", "sleep 60 & wait"]).stdin(Stdio::null()).spawn().unwrap();
        let root = proc::identify(shell.id()).unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        let asked = loop {
            let seen = usage_of_trees(&[root]).remove(0);
            if seen.len() == 2 {
                break seen;
            }
            assert!(Instant::now() < deadline, "{seen:?}");
            std::thread::yield_now();
        };
        let gone = ProcId { pid: root.pid, start_ticks: root.start_ticks + 1 };
        let mut roots = vec![gone; FEW];
        roots.push(root);
        let scanned = usage_of_trees(&roots);
        let ids = |usages: &[Usage]| usages.iter().map(|u| u.id).collect::<Vec<_>>();
        assert_eq!(ids(&scanned[FEW]), ids(&asked));
        // The child may be between fork and exec, where it has no memory of its own.
        assert!(scanned[0].is_empty() && asked[0].rss_bytes > 0);
        let sleep = rustix::process::Pid::from_raw(asked[1].id.pid as i32).unwrap();
        rustix::process::kill_process(sleep, rustix::process::Signal::KILL).unwrap();
        shell.wait().unwrap();
    }
}
