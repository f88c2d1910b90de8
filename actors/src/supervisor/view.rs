//! The tree as `ctl tree` shows it. Supervisors keep the statuses of their children in `watch` cells;
//! whoever looks reads them and disturbs nobody.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tsup_core::clock::Mono;
use tsup_core::ids::ActorPath;
use tsup_core::wire::doc::{Node, NodeKind, NodeState};

use crate::clock::now_mono;
use crate::supervisor::spec::{Core, ReadMailbox};

/// How a child is, as its supervisor sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// How it is.
    pub state: NodeState,
    /// Restarts since the supervisor above it began.
    pub restarts: u64,
    /// When it started last.
    pub started_at: Mono,
    /// When it will be restarted, while a restart is pending.
    pub next_restart: Option<Mono>,
    /// How it ended last, in words.
    pub last_error: Option<Arc<str>>,
    /// Its latest restarts, oldest first; at most as many as the intensity allows, and one more.
    recent: VecDeque<Mono>,
    /// How long a restart counts.
    period: Duration,
    /// How many are kept in `recent`.
    recent_max: usize,
}

impl Status {
    /// A child that is about to start, under an intensity of `restarts` in `period`.
    pub(crate) fn starting(restarts: u32, period: Duration) -> Self {
        Status {
            state: NodeState::Restarting,
            restarts: 0,
            started_at: now_mono(),
            next_restart: None,
            last_error: None,
            recent: VecDeque::new(),
            period,
            // A person wants to see few; the decision is the planner's, which keeps its own.
            recent_max: (restarts as usize + 1).min(64),
        }
    }

    pub(crate) fn runs(&mut self, now: Mono) {
        self.state = NodeState::Running;
        self.started_at = now;
        self.next_restart = None;
    }

    pub(crate) fn restarted(&mut self, now: Mono, restarts: u64) {
        self.runs(now);
        self.restarts = restarts;
        if self.period.is_zero() {
            return;
        }
        if self.recent.len() == self.recent_max {
            self.recent.pop_front();
        }
        self.recent.push_back(now);
    }

    /// Restarts that still count at `now`.
    pub fn restarts_in_window(&self, now: Mono) -> u64 {
        self.recent.iter().filter(|at| now.since(**at) <= self.period).count() as u64
    }
}

/// One node of the tree, and everything below it. Cheap to clone.
#[derive(Clone)]
pub struct View {
    inner: Arc<Inner>,
}

struct Inner {
    path: ActorPath,
    mailbox: ReadMailbox,
    status: watch::Receiver<Status>,
    below: Option<Arc<Core>>,
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "View({})", self.inner.path)
    }
}

impl View {
    pub(crate) fn new(
        path: ActorPath,
        mailbox: ReadMailbox,
        status: watch::Receiver<Status>,
        below: Option<Arc<Core>>,
    ) -> Self {
        View { inner: Arc::new(Inner { path, mailbox, status, below }) }
    }

    /// Its place in the tree.
    pub fn path(&self) -> &ActorPath {
        &self.inner.path
    }

    /// How it is now.
    pub fn status(&self) -> Status {
        self.inner.status.borrow().clone()
    }

    /// Its status, to be told when it changes.
    pub fn watch(&self) -> watch::Receiver<Status> {
        self.inner.status.clone()
    }

    /// The nodes below it in start order.
    pub fn children(&self) -> Vec<View> {
        self.inner.below.as_ref().map(|core| core.members.borrow().clone()).unwrap_or_default()
    }

    /// The node at `path`, this one or one below it.
    pub fn find(&self, path: &str) -> Option<View> {
        let own = self.inner.path.as_str();
        if path == own {
            return Some(self.clone());
        }
        path.strip_prefix(own)?.strip_prefix('/')?;
        self.children().iter().find_map(|child| child.find(path))
    }

    /// What can be asked of it, if it is a supervisor.
    pub fn handle(&self) -> Option<super::Handle> {
        self.inner.below.as_ref().map(|core| super::Handle { core: Arc::clone(core) })
    }

    /// The document of this node and everything below it.
    pub fn node(&self) -> Node {
        self.node_at(now_mono())
    }

    fn node_at(&self, now: Mono) -> Node {
        let status = self.status();
        let running = status.state == NodeState::Running;
        let below = self.inner.below.as_ref();
        Node {
            path: self.inner.path.as_str().to_owned(),
            kind: if below.is_some() { NodeKind::Supervisor } else { NodeKind::Actor },
            strategy: below.map(|core| core.strategy.name().to_owned()),
            state: status.state,
            restarts: status.restarts,
            restarts_in_window: status.restarts_in_window(now),
            uptime_seconds: if running { now.since(status.started_at).as_secs_f64() } else { 0.0 },
            next_restart_in_seconds: status.next_restart.map(|at| at.since(now).as_secs_f64()),
            last_error: status.last_error.as_deref().map(str::to_owned),
            mailbox: (self.inner.mailbox)(),
            children: self.children().iter().map(|child| child.node_at(now)).collect(),
        }
    }
}
