//! How a tree is described: children, and the supervisors above them.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use parking_lot::Mutex;
use ractor::{ActorCell, ActorId};
use tokio::sync::watch;
use tsup_core::ids::ActorPath;
use tsup_core::limits;
use tsup_core::supervision::{
    AutoShutdown, Backoff, ChildId, ChildPolicy, End, Intensity, Notice, OnIntensity, Policy, Restart,
    Shutdown, Strategy,
};
use tsup_core::wire::doc::MailboxDoc;

use crate::actor::{Actor, StartFn, starter};
use crate::bus::Bus;
use crate::gate::{Capacity, Gate};
use crate::supervisor::handle::{Handle, Msg};
use crate::supervisor::shell;
use crate::supervisor::view::View;

/// Reads a mailbox without asking its owner.
pub(crate) type ReadMailbox = Arc<dyn Fn() -> MailboxDoc + Send + Sync>;

/// A child, ready to be started as often as needed. Cheap to clone.
#[derive(Clone)]
pub struct ChildSpec {
    pub(crate) id: ChildId,
    pub(crate) policy: ChildPolicy,
    pub(crate) start: StartFn,
    pub(crate) mailbox: ReadMailbox,
    /// What a supervisor shows of itself; `None` for a worker.
    pub(crate) below: Option<Arc<Core>>,
}

impl fmt::Debug for ChildSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChildSpec({})", self.id)
    }
}

/// An actor as a child: permanent, with `limits::CHILD_SHUTDOWN` to stop, restarts at once. `make` is
/// called for each incarnation; the gate outlives them all.
pub fn child<A: Actor>(
    id: &str,
    gate: Gate<A::Msg>,
    make: impl Fn() -> A + Send + Sync + 'static,
) -> ChildSpec {
    let read = gate.clone();
    ChildSpec::new(id, starter(gate, make), move || read.mailbox())
}

/// A supervisor as a child: permanent, with `limits::SUPERVISOR_SHUTDOWN` to stop everything below it.
pub fn supervise(id: &str, spec: SupervisorSpec) -> ChildSpec {
    let core = Arc::clone(&spec.core);
    let gate = core.gate.clone();
    let mut child = ChildSpec::new(id, shell::starter(Arc::new(spec)), move || gate.mailbox());
    child.below = Some(core);
    child.shutdown(limits::SUPERVISOR_SHUTDOWN)
}

impl ChildSpec {
    /// Anything that starts an actor as a child; `mailbox` is read for the tree.
    pub fn new(
        id: &str,
        start: StartFn,
        mailbox: impl Fn() -> MailboxDoc + Send + Sync + 'static,
    ) -> ChildSpec {
        let (id, policy) = (ChildId::from(id), ChildPolicy::default());
        ChildSpec { id, policy, start, mailbox: Arc::new(mailbox), below: None }
    }

    /// Its name under its supervisor.
    pub fn id(&self) -> &str {
        self.id.as_str()
    }

    /// Restarted when it ends abnormally.
    pub fn transient(mut self) -> Self {
        self.policy.restart = Restart::Transient;
        self
    }

    /// Never restarted.
    pub fn temporary(mut self) -> Self {
        self.policy.restart = Restart::Temporary;
        self
    }

    /// Its end may end the supervisor, see [`SupervisorSpec::auto_shutdown`].
    pub fn significant(mut self) -> Self {
        self.policy.significant = true;
        self
    }

    /// Killed when it has not ended this long after being asked.
    pub fn shutdown(mut self, time: Duration) -> Self {
        self.policy.shutdown = Shutdown::After(time);
        self
    }

    /// Killed without being asked.
    pub fn brutal_kill(mut self) -> Self {
        self.policy.shutdown = Shutdown::BrutalKill;
        self
    }

    /// Waited for without end when asked to stop.
    pub fn patient(mut self) -> Self {
        self.policy.shutdown = Shutdown::Infinity;
        self
    }

    /// How long its restarts wait.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.policy.backoff = backoff;
        self
    }
}

/// What of a supervisor outlives its incarnations.
pub(crate) struct Core {
    pub(crate) path: ActorPath,
    pub(crate) strategy: Strategy,
    pub(crate) gate: Gate<Msg>,
    /// The views of its children in start order.
    pub(crate) members: watch::Sender<Vec<View>>,
    /// The last generation given to a child, over all incarnations: none is given twice.
    pub(crate) generations: AtomicU64,
    /// The living incarnations of its children. When a supervisor dies, ractor kills its children but
    /// does not wait for them; the next incarnation does. A leaf lock, held for one move.
    pub(crate) alive: Mutex<HashMap<ActorId, ActorCell>>,
    /// How it ended last.
    pub(crate) end: watch::Sender<Option<End>>,
}

/// Told everything the planner finds worth telling.
pub(crate) type Observer = Arc<dyn Fn(&Notice) + Send + Sync>;

/// A supervisor and its initial children.
pub struct SupervisorSpec {
    pub(crate) core: Arc<Core>,
    pub(crate) policy: Policy,
    pub(crate) children: Vec<ChildSpec>,
    pub(crate) bus: Option<Bus>,
    pub(crate) observer: Option<Observer>,
}

impl fmt::Debug for SupervisorSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SupervisorSpec({}, {:?})", self.core.path, self.children)
    }
}

impl SupervisorSpec {
    /// A supervisor without children yet, with OTP's defaults: one restart in five seconds is allowed,
    /// the next one escalates.
    pub fn new(path: ActorPath, strategy: Strategy) -> Self {
        // Each child has at most one timer and one report of readiness under way.
        let capacity = Capacity { control: 4 * limits::CHILDREN_MAX, ..Capacity::default() };
        let core = Core {
            gate: Gate::with_capacity(path.clone(), capacity),
            path,
            strategy,
            members: watch::Sender::new(Vec::new()),
            generations: AtomicU64::new(0),
            alive: Mutex::new(HashMap::new()),
            end: watch::Sender::new(None),
        };
        let policy = Policy { strategy, ..Policy::default() };
        SupervisorSpec { core: Arc::new(core), policy, children: Vec::new(), bus: None, observer: None }
    }

    /// More than `restarts` within `period` are too many.
    pub fn intensity(mut self, restarts: u32, period: Duration) -> Self {
        self.policy.intensity = Some(Intensity { restarts, period });
        self
    }

    /// No number of restarts is too many. For children that are temporary, or in a bench.
    pub fn unlimited(mut self) -> Self {
        self.policy.intensity = None;
        self
    }

    /// Instead of escalating, a child that failed too often rests for `cool_down`.
    pub fn quarantine(mut self, cool_down: Duration) -> Self {
        self.policy.on_intensity = OnIntensity::Quarantine(cool_down);
        self
    }

    /// Whether the end of significant children ends it.
    pub fn auto_shutdown(mut self, auto_shutdown: AutoShutdown) -> Self {
        self.policy.auto_shutdown = auto_shutdown;
        self
    }

    /// Most children at a time.
    pub fn children_max(mut self, children: usize) -> Self {
        self.policy.children_max = children;
        self
    }

    /// Where restarts and quarantines are published.
    pub fn bus(mut self, bus: &Bus) -> Self {
        self.bus = Some(bus.clone());
        self
    }

    /// Somebody who is told everything that happens to the children, while it happens: metrics, tests.
    /// It must not wait.
    pub fn observe(mut self, observer: impl Fn(&Notice) + Send + Sync + 'static) -> Self {
        self.observer = Some(Arc::new(observer));
        self
    }

    /// One more initial child, started after those before it.
    pub fn child(mut self, child: ChildSpec) -> Self {
        self.children.push(child);
        self
    }

    /// What can be asked of it, now and over all its incarnations.
    pub fn handle(&self) -> Handle {
        Handle { core: Arc::clone(&self.core) }
    }

    /// Its place in the tree.
    pub fn path(&self) -> &ActorPath {
        &self.core.path
    }
}
