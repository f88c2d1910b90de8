//! Owns: which process trees are sampled, and when.
//! Receives: whom to track, who is busy; what its threads saw.
//! Sends: samples to the agents; its own process's figures into the table of metrics.
//! Bounded by: limits::SAMPLE_TRACKED_MAX trees of limits::SAMPLE_TREE_MAX processes; one look at a time.
//! Restart: permanent; whom it tracks passes on as an heirloom.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use tsup_core::clock::Mono;
use tsup_core::ids::{AgentId, Generation, ProcId};
use tsup_core::limits;
use tsup_core::telemetry::metric;
use tsup_core::telemetry::resources::{Sample, Sampler, Usage};

use super::metrics::{Gauge, Metrics};
use crate::actor::{Actor, Cx, Failure, Timer};
use crate::gate::{Gate, Lane};
use crate::heirloom::{Heirloom, Held};
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
    /// What was seen, for the incarnation that looked.
    Looked(Generation, Vec<(AgentId, ProcId, Vec<Usage>)>, Option<Usage>),
}

/// What passes from one incarnation to the next: agents say once that they are to be tracked.
#[derive(Default)]
struct Desk {
    sampler: Sampler,
    subscribers: HashMap<AgentId, Subscriber>,
}

/// Makes the incarnations of the sampler.
#[derive(Clone)]
pub struct ResourcesPlan {
    metrics: Metrics,
    desk: Heirloom<Desk>,
}

impl ResourcesPlan {
    /// A sampler that tracks nothing yet.
    pub fn new(metrics: Metrics) -> Self {
        ResourcesPlan { metrics, desk: Heirloom::new(Desk::default()) }
    }

    /// The next incarnation. There is one list of what is tracked, so one runs at a time; another does
    /// not start.
    pub fn make(&self) -> Resources {
        Resources {
            heirloom: self.desk.clone(),
            desk: None,
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
    heirloom: Heirloom<Desk>,
    /// In hand from the start on.
    desk: Option<Held<Desk>>,
    cpu: Gauge,
    rss: Gauge,
    own_before: Option<(Mono, u64)>,
    own_due: Mono,
    looking: bool,
    timer: Option<(Mono, Timer)>,
}

/// What an incarnation that has started has in hand.
fn in_hand(desk: &mut Option<Held<Desk>>) -> &mut Desk {
    desk.as_deref_mut().expect("it is taken before the first message")
}

impl Resources {
    fn arm(&mut self, cx: &mut Cx<Self>) {
        if self.looking {
            return;
        }
        let due = in_hand(&mut self.desk).sampler.next_due().map_or(self.own_due, |at| at.min(self.own_due));
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
        let due = in_hand(&mut self.desk).sampler.due(now);
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
        let generation = cx.generation();
        cx.offload(work, move |(seen, own)| ResourcesMsg::Looked(generation, seen, own));
    }

    fn looked(&mut self, seen: &[(AgentId, ProcId, Vec<Usage>)], own: Option<Usage>, now: Mono) {
        self.looking = false;
        let ticks_per_second = proc::ticks_per_second();
        let Desk { sampler, subscribers } = in_hand(&mut self.desk);
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
        let desk = self.heirloom.take();
        self.desk = Some(desk.ok_or_else(|| Failure::new("the sampler before has not let go of its list"))?);
        self.arm(cx);
        cx.ready();
        Ok(())
    }

    async fn handle(&mut self, message: &mut ResourcesMsg, cx: &mut Cx<Self>) -> Result<(), Failure> {
        let now = cx.now();
        match message {
            ResourcesMsg::Track { id, root, to } => {
                let desk = in_hand(&mut self.desk);
                if desk.sampler.track(*id, *root, now) {
                    desk.subscribers.insert(*id, to.clone());
                } else {
                    tracing::warn!(agent = %id, "not sampled: too many process trees");
                }
            }
            ResourcesMsg::Untrack { id } => {
                let desk = in_hand(&mut self.desk);
                desk.sampler.untrack(*id);
                desk.subscribers.remove(id);
            }
            ResourcesMsg::Busy { id, busy } => in_hand(&mut self.desk).sampler.set_busy(*id, *busy, now),
            ResourcesMsg::Look => self.look(cx),
            ResourcesMsg::Looked(by, seen, own) if *by == cx.generation() => {
                self.looked(&std::mem::take(seen), own.take(), now);
            }
            // The incarnation that looked is gone, and this one looks for itself.
            ResourcesMsg::Looked(..) => {}
        }
        self.arm(cx);
        Ok(())
    }
}
