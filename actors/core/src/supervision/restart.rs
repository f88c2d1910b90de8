//! The planner: what to start, stop and kill when a child ends, a timer fires or somebody asks.
//!
//! Children are independent of each other but for two kinds of *phase*, which concern many: stopping
//! some of them one after another in reverse start order, and starting some of them in start order.
//! At most one phase is under way. What happens meanwhile to children that it does not stop, and what
//! is asked meanwhile, waits until it is over, as it would wait in the mailbox of an OTP supervisor.
//!
//! - `restart/phase.rs`: ordered stop, ordered start
//! - `restart/failure.rs`: exits, failed starts, charges, restarts
//! - `restart/command.rs`: requests at run time

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Mono;
use crate::ids::Generation;
use crate::supervision::backoff::Jitter;
use crate::supervision::intensity::Window;
use crate::supervision::{
    ChildId, ChildPolicy, Command, Effect, End, Event, Exit, Notice, Policy, Refusal, Restart, SpecError,
    Ticket, Timer, TimerKind,
};

mod command;
mod failure;
mod phase;

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

/// A child's place in the start order.
type Seq = u64;

/// Why an incarnation is being started, and hence what its start or failure means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// A phase waits for it.
    Phase,
    /// It comes back alone.
    Restart,
    /// Somebody asked to add it.
    Added(Ticket),
    /// Somebody asked for it; it stood in the list before.
    Asked(Ticket),
}

/// How a child is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// Down, and it stays so unless somebody asks.
    Down,
    /// Down until its group is started again.
    Held,
    /// A start is under way.
    Starting(Origin),
    /// It runs.
    Running,
    /// It ended during a phase; what follows is decided after the phase.
    Gone,
    /// A restart is pending: its timer is armed. `resting`: after too many restarts.
    Waiting { resting: bool },
    /// It was asked to end, or killed by us.
    Stopping,
}

#[derive(Debug)]
struct Child {
    id: ChildId,
    policy: ChildPolicy,
    state: State,
    generation: Generation,
    /// When it started last.
    since: Mono,
    /// Failures in a row.
    failures: u32,
    /// Restarts since the supervisor began.
    restarts: u64,
    /// Its own restarts that still count.
    window: Window,
    /// How it ended last.
    why: Arc<str>,
    /// Who waits for its end.
    terminators: Vec<Ticket>,
}

/// What is under way with many children.
#[derive(Debug)]
enum Phase {
    /// Nothing.
    Idle,
    /// `queue` is stopped from its end; `current` has been asked and is waited for.
    Stopping { queue: Vec<Seq>, current: Option<Seq>, then: Then },
    /// `queue` is started from its front; `current` is waited for.
    Starting { queue: VecDeque<Seq>, current: Option<Seq>, culprit: Option<Seq> },
    /// The supervisor has ended.
    Ended,
}

/// What follows an ordered stop.
#[derive(Debug)]
enum Then {
    /// Start `culprit`'s group again, after a wait where there is one.
    Restart { culprit: Seq, wait: Option<Wait> },
    /// End.
    Finish(End),
}

/// How long a restart waits, and whether as a rest after too many.
#[derive(Debug, Clone, Copy)]
struct Wait {
    delay: Duration,
    resting: bool,
}

/// What happened during a phase and waits for its end.
#[derive(Debug)]
enum Deferred {
    Exit(Seq, Generation, Exit),
    Fired(Seq, Generation),
    Command(Command, Ticket),
}

/// A supervisor's decisions.
#[derive(Debug)]
pub struct Planner {
    policy: Policy,
    children: BTreeMap<Seq, Child>,
    index: HashMap<ChildId, Seq>,
    next_seq: Seq,
    last_generation: Generation,
    window: Window,
    phase: Phase,
    backlog: VecDeque<Deferred>,
    jitter: Jitter,
    hurry: bool,
}

impl Planner {
    /// A supervisor with its initial children, none started yet. Generations are counted on from
    /// `last_generation`, so that a later supervisor of the same children repeats none.
    pub fn new(
        policy: Policy,
        children: impl IntoIterator<Item = (ChildId, ChildPolicy)>,
        last_generation: Generation,
        seed: u64,
    ) -> Result<Self, SpecError> {
        let mut planner = Planner {
            policy,
            children: BTreeMap::new(),
            index: HashMap::new(),
            next_seq: 0,
            last_generation,
            window: Window::default(),
            phase: Phase::Idle,
            backlog: VecDeque::new(),
            jitter: Jitter::seeded(seed),
            hurry: false,
        };
        for (id, child) in children {
            if planner.index.contains_key(&id) {
                return Err(SpecError::Duplicate(id));
            }
            planner.add(id, child)?;
        }
        Ok(planner)
    }

    /// One thing happened; what is to be done about it is appended to `out`, in order.
    pub fn step(&mut self, event: Event, now: Mono, out: &mut Vec<Effect>) {
        if matches!(self.phase, Phase::Ended) {
            if let Event::Asked(_, ticket) = event {
                out.push(Effect::Answer(ticket, Err(Refusal::ShuttingDown)));
            }
            return;
        }
        match event {
            Event::Begin => self.begin(now, out),
            Event::Started(id, generation) => {
                if let Some(seq) = self.current(&id, generation) {
                    self.started(seq, now, out);
                }
            }
            Event::StartFailed(id, generation, why) => {
                if let Some(seq) = self.current(&id, generation) {
                    self.start_failed(seq, &why, now, out);
                }
            }
            Event::Exited(id, generation, exit) => {
                if let Some(seq) = self.current(&id, generation) {
                    self.exited(seq, exit, now, out);
                }
            }
            Event::Ready(id, generation) => {
                if let Some(seq) = self.current(&id, generation) {
                    self.child_mut(seq).failures = 0;
                }
            }
            Event::Fired(timer) => {
                if let Some(seq) = self.current(&timer.id, timer.generation) {
                    self.fired(seq, timer.kind, now, out);
                }
            }
            Event::Asked(command, ticket) => self.asked(command, ticket, now, out),
            Event::Stop { hurry } => self.stop(hurry, now, out),
        }
        self.check();
    }

    /// Whether the supervisor has ended: nothing will be asked for any more.
    pub fn ended(&self) -> bool {
        matches!(self.phase, Phase::Ended)
    }

    /// The child whose end an ordered stop waits for.
    pub fn awaited(&self) -> Option<(ChildId, Generation)> {
        let Phase::Stopping { current: Some(seq), .. } = self.phase else { return None };
        let child = self.child(seq);
        Some((child.id.clone(), child.generation))
    }

    /// The children in start order.
    pub fn children(&self) -> impl Iterator<Item = &ChildId> {
        self.children.values().map(|c| &c.id)
    }

    /// The latest incarnation of any child.
    pub fn last_generation(&self) -> Generation {
        self.last_generation
    }

    /// The child, if `generation` is its latest incarnation: whatever is told of an older one is past.
    fn current(&self, id: &ChildId, generation: Generation) -> Option<Seq> {
        let seq = *self.index.get(id)?;
        (self.child(seq).generation == generation).then_some(seq)
    }

    fn child(&self, seq: Seq) -> &Child {
        self.children.get(&seq).expect("a sequence number stands for a child until it is removed")
    }

    fn child_mut(&mut self, seq: Seq) -> &mut Child {
        self.children.get_mut(&seq).expect("a sequence number stands for a child until it is removed")
    }

    fn add(&mut self, id: ChildId, policy: ChildPolicy) -> Result<Seq, SpecError> {
        self.policy.check(&id, &policy)?;
        if self.children.len() >= self.policy.children_max {
            return Err(SpecError::TooMany(self.policy.children_max));
        }
        let seq = self.next_seq;
        self.next_seq += 1;
        self.index.insert(id.clone(), seq);
        let child = Child {
            id,
            policy,
            state: State::Down,
            generation: Generation(0),
            since: Mono::ZERO,
            failures: 0,
            restarts: 0,
            window: Window::default(),
            why: "".into(),
            terminators: Vec::new(),
        };
        self.children.insert(seq, child);
        Ok(seq)
    }

    fn remove(&mut self, seq: Seq, out: &mut Vec<Effect>) {
        let child = self.children.remove(&seq).expect("only a known child is removed");
        self.index.remove(&child.id);
        out.push(Effect::Tell(Notice::Removed(child.id)));
    }

    /// Marks a child that ended as down; a temporary one is forgotten (OTP: `del_child`).
    fn put_down(&mut self, seq: Seq, out: &mut Vec<Effect>) {
        if self.child(seq).policy.restart == Restart::Temporary {
            self.remove(seq, out);
            return;
        }
        let child = self.child_mut(seq);
        child.state = State::Down;
        out.push(Effect::Tell(Notice::Down(child.id.clone())));
    }

    /// Begins an incarnation.
    fn start(&mut self, seq: Seq, origin: Origin, out: &mut Vec<Effect>) {
        let generation = self.last_generation.next();
        self.last_generation = generation;
        let child = self.child_mut(seq);
        child.generation = generation;
        child.state = State::Starting(origin);
        out.push(Effect::Start(child.id.clone(), generation));
    }

    fn timer(&self, seq: Seq, kind: TimerKind) -> Timer {
        let child = self.child(seq);
        Timer { id: child.id.clone(), generation: child.generation, kind }
    }

    /// Calls off a pending restart.
    fn call_off(&mut self, seq: Seq, out: &mut Vec<Effect>) {
        if matches!(self.child(seq).state, State::Waiting { .. }) {
            out.push(Effect::Cancel(self.timer(seq, TimerKind::Restart)));
        }
    }

    /// Whether nothing is under way that a request or an exit has to wait for.
    fn is_free(&self) -> bool {
        matches!(self.phase, Phase::Idle)
    }

    /// Handles what waited, until something makes the rest wait again.
    fn drain(&mut self, now: Mono, out: &mut Vec<Effect>) {
        for _ in 0..self.backlog.len() {
            if !self.is_free() {
                return;
            }
            let Some(deferred) = self.backlog.pop_front() else { return };
            match deferred {
                Deferred::Exit(seq, generation, exit) => {
                    if self.is_still(seq, generation, &State::Gone) {
                        self.decide(seq, &exit, now, out);
                    }
                }
                Deferred::Fired(seq, generation) => {
                    if self.is_still(seq, generation, &State::Waiting { resting: false })
                        || self.is_still(seq, generation, &State::Waiting { resting: true })
                    {
                        self.restart_due(seq, now, out);
                    }
                }
                Deferred::Command(command, ticket) => self.asked(command, ticket, now, out),
            }
        }
    }

    fn is_still(&self, seq: Seq, generation: Generation, state: &State) -> bool {
        self.children.get(&seq).is_some_and(|c| c.generation == generation && c.state == *state)
    }

    /// What must hold between two steps.
    fn check(&self) {
        debug_assert_eq!(self.index.len(), self.children.len());
        debug_assert!(self.children.len() <= self.policy.children_max);
        if let Some(i) = self.policy.intensity {
            debug_assert!(self.window.count() <= i.restarts as usize);
        }
        match &self.phase {
            Phase::Stopping { current, .. } => {
                let current = current.expect("an ordered stop waits for somebody or is over");
                debug_assert!(matches!(self.child(current).state, State::Stopping | State::Starting(_)));
            }
            Phase::Starting { current, .. } => {
                let current = current.expect("an ordered start waits for somebody or is over");
                debug_assert_eq!(self.child(current).state, State::Starting(Origin::Phase));
            }
            Phase::Idle => {
                debug_assert!(self.children.values().all(|c| c.state != State::Gone), "undecided exit");
                debug_assert!(self.children.values().all(|c| c.state != State::Starting(Origin::Phase)));
            }
            Phase::Ended => {
                debug_assert!(self.children.values().all(|c| c.state == State::Down), "ended with children");
            }
        }
    }
}
