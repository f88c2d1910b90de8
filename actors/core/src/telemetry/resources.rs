//! Which process tree is looked at when, and what two looks tell.
//!
//! A look costs about 7 µs a process, so quiet trees are looked at seldom and busy ones often; trees
//! that fall due within a short time share one look.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Mono;
use crate::ids::{AgentId, ProcId};
use crate::limits;

/// How far ahead of its time a tree is taken along by a look at others.
const TOGETHER: Duration = Duration::from_millis(250);

/// What one process has used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Which.
    pub id: ProcId,
    /// CPU time since it started, in clock ticks.
    pub cpu_ticks: u64,
    /// Its resident memory.
    pub rss_bytes: u64,
}

/// What a process tree uses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// CPU over the time since the look before, percent of one core; `None` at the first look.
    pub cpu_percent: Option<f64>,
    /// Resident memory of all its processes now. Pages that they share count for each.
    pub rss_bytes: u64,
    /// When the youngest process below its root was started, in clock ticks since boot.
    pub youngest: Option<u64>,
    /// When it was looked at.
    pub at: Mono,
}

#[derive(Debug)]
struct Tracked {
    root: ProcId,
    busy: bool,
    due: Mono,
    before: Option<(Mono, BTreeMap<ProcId, u64>)>,
}

/// The trees that are looked at.
#[derive(Debug, Default)]
pub struct Sampler {
    trees: BTreeMap<AgentId, Tracked>,
}

impl Sampler {
    /// Looks at the tree below `root` from now on, on behalf of `id`. Answers whether there was room.
    pub fn track(&mut self, id: AgentId, root: ProcId, now: Mono) -> bool {
        if self.trees.len() >= limits::SAMPLE_TRACKED_MAX && !self.trees.contains_key(&id) {
            return false;
        }
        if self.trees.get(&id).is_none_or(|t| t.root != root) {
            self.trees.insert(id, Tracked { root, busy: false, due: now, before: None });
        }
        true
    }

    /// Looks no more.
    pub fn untrack(&mut self, id: AgentId) {
        self.trees.remove(&id);
    }

    /// The agent began or ceased to work.
    pub fn set_busy(&mut self, id: AgentId, busy: bool, now: Mono) {
        if let Some(tree) = self.trees.get_mut(&id) {
            tree.busy = busy;
            if busy {
                tree.due = tree.due.min(now + limits::SAMPLE_BUSY_EVERY);
            }
        }
    }

    /// When something is due next.
    pub fn next_due(&self) -> Option<Mono> {
        self.trees.values().map(|t| t.due).min()
    }

    /// The trees to look at now; each is due again later, whether or not the look succeeds.
    pub fn due(&mut self, now: Mono) -> Vec<(AgentId, ProcId)> {
        if self.next_due().is_none_or(|at| at > now) {
            return Vec::new();
        }
        let mut out = Vec::new();
        for (id, tree) in self.trees.iter_mut().filter(|(_, t)| t.due <= now + TOGETHER) {
            // The second look comes soon, because it takes two to know the CPU.
            let soon = tree.busy || tree.before.is_none();
            tree.due = now + if soon { limits::SAMPLE_BUSY_EVERY } else { limits::SAMPLE_QUIET_EVERY };
            out.push((*id, tree.root));
        }
        out
    }

    /// Takes what was seen of a tree; `None` when it is not looked at any more or is gone.
    pub fn looked(
        &mut self,
        id: AgentId,
        root: ProcId,
        usages: &[Usage],
        at: Mono,
        ticks_per_second: u64,
    ) -> Option<Sample> {
        let tree = self.trees.get_mut(&id).filter(|t| t.root == root)?;
        if usages.is_empty() {
            return None;
        }
        let ticks: BTreeMap<ProcId, u64> = usages.iter().map(|u| (u.id, u.cpu_ticks)).collect();
        let cpu_percent = tree.before.as_ref().and_then(|(then, before)| {
            let span = at.since(*then).as_secs_f64();
            // A process that was not there before has used all its time since.
            let used = ticks.iter().map(|(id, now)| now.saturating_sub(before.get(id).copied().unwrap_or(0)));
            let used: u64 = used.sum();
            (span > 0.0).then(|| used as f64 / ticks_per_second.max(1) as f64 / span * 100.0)
        });
        tree.before = Some((at, ticks));
        let rss_bytes = usages.iter().map(|u| u.rss_bytes).sum();
        let youngest = usages.iter().filter(|u| u.id != root).map(|u| u.id.start_ticks).max();
        Some(Sample { cpu_percent, rss_bytes, youngest, at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::SocketName;

    fn agent(n: u32) -> AgentId {
        AgentId::owned(&SocketName("s".into()), "a", &n.to_string())
    }

    fn proc_id(pid: u32) -> ProcId {
        ProcId { pid, start_ticks: 1 }
    }

    fn at(ms: u64) -> Mono {
        Mono::ZERO + Duration::from_millis(ms)
    }

    #[test]
    fn quiet_is_seldom_busy_is_often_and_the_second_look_is_soon() {
        let mut s = Sampler::default();
        assert!(s.track(agent(1), proc_id(7), at(0)));
        assert_eq!(s.due(at(0)), [(agent(1), proc_id(7))]);
        s.looked(agent(1), proc_id(7), &[Usage { id: proc_id(7), cpu_ticks: 5, rss_bytes: 9 }], at(0), 100);
        assert_eq!(s.due(at(1999)), []);
        assert_eq!(s.due(at(2000)).len(), 1);
        assert_eq!(s.next_due(), Some(at(17_000)));
        s.set_busy(agent(1), true, at(3000));
        assert_eq!(s.next_due(), Some(at(5000)));
        assert_eq!(s.due(at(5000)).len(), 1);
        assert_eq!(s.next_due(), Some(at(7000)));
        s.untrack(agent(1));
        assert_eq!(s.next_due(), None);
    }

    #[test]
    fn cpu_is_that_of_the_time_between_and_new_processes_count_whole() {
        let mut s = Sampler::default();
        s.track(agent(1), proc_id(7), at(0));
        let usage = |pid, cpu_ticks| Usage { id: proc_id(pid), cpu_ticks, rss_bytes: 1000 };
        let first = s.looked(agent(1), proc_id(7), &[usage(7, 500), usage(8, 100)], at(0), 100).unwrap();
        assert_eq!((first.cpu_percent, first.rss_bytes, first.youngest), (None, 2000, Some(1)));
        let second = s.looked(agent(1), proc_id(7), &[usage(7, 550), usage(9, 50)], at(2000), 100).unwrap();
        assert_eq!(second.cpu_percent, Some(50.0));
        assert_eq!(
            s.looked(agent(1), proc_id(99), &[usage(7, 1)], at(3000), 100),
            None,
            "another process now"
        );
        assert_eq!(s.looked(agent(1), proc_id(7), &[], at(3000), 100), None);
    }

    #[test]
    fn a_replaced_process_begins_anew_and_room_is_bounded() {
        let mut s = Sampler::default();
        for n in 0..limits::SAMPLE_TRACKED_MAX as u32 {
            assert!(s.track(agent(n), proc_id(n), at(0)));
        }
        assert!(!s.track(agent(u32::MAX), proc_id(1), at(0)));
        assert!(s.track(agent(0), proc_id(77), at(0)));
        assert_eq!(s.due(at(0)).len(), limits::SAMPLE_TRACKED_MAX);
    }
}
