//! Owns: which process trees are sampled, and when.
//! Receives: whom to track, who is busy; what its threads saw.
//! Sends: samples to the agents; its own process's figures into the table of metrics.
//! Bounded by: limits::SAMPLE_TRACKED_MAX trees of limits::SAMPLE_TREE_MAX processes; one look at a time.
//! Restart: permanent; whom it tracks outlives it in a leaf.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use tsup_core::clock::Mono;
use tsup_core::ids::{AgentId, ProcId};
use tsup_core::limits;
use tsup_core::telemetry::metric;
use tsup_core::telemetry::resources::{Sample, Sampler, Usage};

use super::metrics::{Gauge, Metrics};
use crate::actor::{Actor, Cx, Failure, Timer};
use crate::gate::{Gate, Lane};
use crate::os::{proc, tree};

/// Where samples of one tree go.
#[derive(Clone)]
pub struct Subscriber(Arc<dyn Fn(Sample) + Send + Sync>);

impl Subscriber {
    /// The telemetry lane of an actor.
    pub fn gate<M: Send + 'static>(
        gate: Gate<M>,
        make: impl Fn(Sample) -> M + Send + Sync + 'static,
    ) -> Self {
        Subscriber(Arc::new(move |sample| gate.telemetry(make(sample))))
    }
}

impl fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subscriber")
    }
}

/// What the sampler receives.
#[derive(Debug)]
pub enum ResourcesMsg {
    /// Sample the tree below `root` from now on. Again for the same agent with another root: the old
    /// one is forgotten.
    Track {
        /// On whose behalf.
        id: AgentId,
        /// The process at the top.
        root: ProcId,
        /// Where samples go.
        to: Subscriber,
    },
    /// Sample it no more.
    Untrack {
        /// Whose tree.
        id: AgentId,
    },
    /// The agent began or ceased to work: its tree is looked at more or less often.
    Busy {
        /// Which.
        id: AgentId,
        /// Whether it works.
        busy: bool,
    },
    /// Something is due.
    Look,
    /// What was seen.
    Looked(Vec<(AgentId, ProcId, Vec<Usage>)>, Option<Usage>),
}

#[derive(Default)]
struct Desk {
    sampler: Sampler,
    subscribers: HashMap<AgentId, Subscriber>,
}

/// Makes the incarnations of the sampler.
#[derive(Clone)]
pub struct ResourcesPlan {
    metrics: Metrics,
    desk: Arc<Mutex<Desk>>,
}

impl ResourcesPlan {
    /// A sampler that tracks nothing yet.
    pub fn new(metrics: Metrics) -> Self {
        ResourcesPlan { metrics, desk: Arc::default() }
    }

    /// The next incarnation. All share what is tracked: run one at a time.
    pub fn make(&self) -> Resources {
        Resources {
            desk: Arc::clone(&self.desk),
            cpu: self.metrics.gauge(metric::SUPERVISOR_CPU, &[]),
            rss: self.metrics.gauge(metric::SUPERVISOR_RSS, &[]),
            own_before: None,
            own_due: Mono::ZERO,
            looking: false,
            timer: None,
        }
    }
}

/// Samples process trees.
pub struct Resources {
    desk: Arc<Mutex<Desk>>,
    cpu: Gauge,
    rss: Gauge,
    own_before: Option<(Mono, u64)>,
    own_due: Mono,
    looking: bool,
    timer: Option<(Mono, Timer)>,
}

impl Resources {
    fn arm(&mut self, cx: &mut Cx<Self>) {
        if self.looking {
            return;
        }
        let due = self.desk.lock().sampler.next_due().map_or(self.own_due, |at| at.min(self.own_due));
        if self.timer.as_ref().is_none_or(|(at, _)| due < *at) {
            let timer = cx.after(due.since(cx.now()), Lane::Control, ResourcesMsg::Look);
            self.timer = Some((due, timer));
        }
    }

    fn look(&mut self, cx: &mut Cx<Self>) {
        self.timer = None;
        if self.looking {
            return;
        }
        let now = cx.now();
        let due = self.desk.lock().sampler.due(now);
        let own = now >= self.own_due;
        if own {
            // As for the others: the second look comes soon.
            let soon = self.own_before.is_none();
            self.own_due = now + if soon { limits::SAMPLE_BUSY_EVERY } else { limits::SAMPLE_QUIET_EVERY };
        }
        if due.is_empty() && !own {
            return;
        }
        self.looking = true;
        let work = move || {
            let roots: Vec<ProcId> = due.iter().map(|(_, root)| *root).collect();
            let seen = tree::usage_of_trees(&roots);
            let seen = due.into_iter().zip(seen).map(|((id, root), usages)| (id, root, usages)).collect();
            (seen, own.then(|| tree::usage_of(std::process::id())).flatten())
        };
        cx.offload(work, |(seen, own)| ResourcesMsg::Looked(seen, own));
    }

    fn looked(&mut self, seen: &[(AgentId, ProcId, Vec<Usage>)], own: Option<Usage>, now: Mono) {
        self.looking = false;
        let ticks_per_second = proc::ticks_per_second();
        let mut desk = self.desk.lock();
        let Desk { sampler, subscribers } = &mut *desk;
        for (id, root, usages) in seen {
            let sample = sampler.looked(*id, *root, usages, now, ticks_per_second);
            if let (Some(sample), Some(to)) = (sample, subscribers.get(id)) {
                (to.0)(sample);
            }
        }
        let Some(own) = own else { return };
        self.rss.set(own.rss_bytes as f64);
        if let Some((then, before)) = self.own_before.replace((now, own.cpu_ticks)) {
            let seconds = own.cpu_ticks.saturating_sub(before) as f64 / ticks_per_second as f64;
            self.cpu.set(seconds / now.since(then).as_secs_f64() * 100.0);
        }
    }
}

impl Actor for Resources {
    type Msg = ResourcesMsg;

    async fn started(&mut self, cx: &mut Cx<Self>) -> Result<(), Failure> {
        self.arm(cx);
        cx.ready();
        Ok(())
    }

    async fn handle(&mut self, message: &mut ResourcesMsg, cx: &mut Cx<Self>) -> Result<(), Failure> {
        let now = cx.now();
        match message {
            ResourcesMsg::Track { id, root, to } => {
                let mut desk = self.desk.lock();
                if desk.sampler.track(*id, *root, now) {
                    desk.subscribers.insert(*id, to.clone());
                } else {
                    tracing::warn!(agent = %id, "not sampled: too many process trees");
                }
            }
            ResourcesMsg::Untrack { id } => {
                let mut desk = self.desk.lock();
                desk.sampler.untrack(*id);
                desk.subscribers.remove(id);
            }
            ResourcesMsg::Busy { id, busy } => self.desk.lock().sampler.set_busy(*id, *busy, now),
            ResourcesMsg::Look => self.look(cx),
            ResourcesMsg::Looked(seen, own) => self.looked(&std::mem::take(seen), own.take(), now),
        }
        self.arm(cx);
        Ok(())
    }
}
