//! Processes as plain data: a snapshot of the tree, and how a process ended.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use crate::ids::ProcId;

/// How a process ended, as far as anybody knows. Both unknown is common: only the parent is owed the
/// status, and a kernel before 6.15 tells it to no one else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ExitFacts {
    /// Its exit status, when it ended by itself.
    pub status: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
}

/// SIGHUP, signal(7): the same number on every Linux.
const HANG_UP: i32 = 1;

impl ExitFacts {
    /// Nobody saw how it ended.
    pub const UNKNOWN: ExitFacts = ExitFacts { status: None, signal: None };

    /// From a wait status as the kernel keeps it (wait(2)): status in bits 8 to 15, signal in bits 0 to 6.
    pub fn from_wait(raw: i32) -> Self {
        match raw & 0x7f {
            0 => ExitFacts { status: Some((raw >> 8) & 0xff), signal: None },
            signal => ExitFacts { status: None, signal: Some(signal) },
        }
    }

    /// Whether anything is known.
    pub fn known(self) -> bool {
        self.status.is_some() || self.signal.is_some()
    }

    /// How it ended, in a sentence. A hang-up is how the kernel tells that a pane, a session or a window was
    /// closed, and nobody who closed one would call it a crash.
    pub fn told(self) -> String {
        match self.signal {
            Some(HANG_UP) => format!("its terminal was closed (hang-up, signal {HANG_UP})"),
            _ => format!("its process ended with {self}"),
        }
    }
}

impl fmt::Display for ExitFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.signal, self.status) {
            (Some(signal), _) => write!(f, "signal {signal}"),
            (None, Some(status)) => write!(f, "status {status}"),
            (None, None) => f.write_str("an unknown cause"),
        }
    }
}

/// One process in a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proc {
    /// Its pid and start time.
    pub id: ProcId,
    /// Its parent's pid.
    pub parent: u32,
    /// Its process group.
    pub group: u32,
    /// The foreground process group of its terminal; -1 for none.
    pub foreground: i32,
    /// Whether it has ended and waits for its parent.
    pub zombie: bool,
    /// The kernel's short name of it; text from outside.
    pub comm: String,
    /// Its arguments, bounded; empty where they were not read.
    pub argv: Vec<String>,
}

/// The processes of one moment.
#[derive(Debug, Clone, Default)]
pub struct ProcTree {
    procs: HashMap<u32, Proc>,
    children: BTreeMap<u32, Vec<u32>>,
}

impl ProcTree {
    /// Makes a tree of processes in any order.
    pub fn new(procs: impl IntoIterator<Item = Proc>) -> Self {
        let mut tree = ProcTree::default();
        for proc in procs {
            tree.children.entry(proc.parent).or_default().push(proc.id.pid);
            tree.procs.insert(proc.id.pid, proc);
        }
        for children in tree.children.values_mut() {
            children.sort_unstable();
        }
        tree
    }

    /// The process with that pid.
    pub fn get(&self, pid: u32) -> Option<&Proc> {
        self.procs.get(&pid)
    }

    /// The process with that pid, to add what was read later.
    pub fn get_mut(&mut self, pid: u32) -> Option<&mut Proc> {
        self.procs.get_mut(&pid)
    }

    /// How many processes there are.
    pub fn len(&self) -> usize {
        self.procs.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.procs.is_empty()
    }

    /// `root` and everything below it with its depth, nearest first, at most `limit` processes. A
    /// snapshot that was read while pids were reused may hold a circle; each pid is told once.
    pub fn below(&self, root: u32, limit: usize) -> Vec<(u32, &Proc)> {
        let mut found: Vec<(u32, &Proc)> = self.procs.get(&root).map(|p| (0, p)).into_iter().collect();
        let mut seen = std::collections::HashSet::from([root]);
        let mut next = 0;
        while next < found.len() {
            let (depth, proc) = found[next];
            next += 1;
            for child in self.children.get(&proc.id.pid).into_iter().flatten() {
                if found.len() >= limit {
                    return found;
                }
                if seen.insert(*child)
                    && let Some(child) = self.procs.get(child)
                {
                    found.push((depth + 1, child));
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proc(pid: u32, parent: u32) -> Proc {
        Proc {
            id: ProcId { pid, start_ticks: 1 },
            parent,
            group: pid,
            foreground: -1,
            zombie: false,
            comm: String::new(),
            argv: Vec::new(),
        }
    }

    #[test]
    fn wait_statuses_read_as_the_manual_says() {
        assert_eq!(ExitFacts::from_wait(0), ExitFacts { status: Some(0), signal: None });
        assert_eq!(ExitFacts::from_wait(7 << 8), ExitFacts { status: Some(7), signal: None });
        assert_eq!(ExitFacts::from_wait(9), ExitFacts { status: None, signal: Some(9) });
        assert_eq!(ExitFacts::from_wait(0x0b | 0x80), ExitFacts { status: None, signal: Some(11) });
        assert!(!ExitFacts::UNKNOWN.known());
        assert_eq!(ExitFacts::from_wait(1).told(), "its terminal was closed (hang-up, signal 1)");
        assert_eq!(ExitFacts::from_wait(11).told(), "its process ended with signal 11");
    }

    #[test]
    fn below_is_breadth_first_and_survives_circles() {
        let tree = ProcTree::new([proc(1, 3), proc(2, 1), proc(3, 2), proc(4, 1)]);
        let order: Vec<(u32, u32)> = tree.below(1, 10).iter().map(|(d, p)| (*d, p.id.pid)).collect();
        assert_eq!(order, [(0, 1), (1, 2), (1, 4), (2, 3)]);
        assert_eq!(tree.below(1, 2).len(), 2);
        assert!(tree.below(99, 10).is_empty());
    }
}
