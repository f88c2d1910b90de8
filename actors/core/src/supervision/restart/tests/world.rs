//! A world in which a planner's wishes come true: children that obey, dawdle or refuse, starts that
//! fail as scripted, and a clock that jumps to the next timer.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use crate::clock::Mono;
use crate::ids::Generation;
use crate::supervision::*;

/// How a child takes being asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::supervision::restart) enum Manners {
    /// Ends at once.
    Obeys,
    /// Ends after this time.
    Takes(Duration),
    /// Does not.
    Refuses,
}

pub(in crate::supervision::restart) struct World {
    pub(in crate::supervision::restart) planner: Planner,
    pub(in crate::supervision::restart) now: Mono,
    pub(in crate::supervision::restart) trace: Vec<String>,
    pub(in crate::supervision::restart) answers: Vec<(Ticket, Result<(), Refusal>)>,
    pub(in crate::supervision::restart) manners: HashMap<ChildId, Manners>,
    /// How many of the next starts of a child fail.
    pub(in crate::supervision::restart) fails: HashMap<ChildId, u32>,
    /// Incarnations that live.
    pub(in crate::supervision::restart) alive: HashMap<ChildId, Generation>,
    /// What happens later: by time, then in order.
    due: BTreeMap<(Mono, u64), Event>,
    order: u64,
    tickets: u64,
    pub(in crate::supervision::restart) waits: Vec<Duration>,
}

pub(in crate::supervision::restart) fn id(name: &str) -> ChildId {
    ChildId::from(name)
}

impl World {
    pub(in crate::supervision::restart) fn new(policy: Policy, children: &[(&str, ChildPolicy)]) -> World {
        let children = children.iter().map(|(name, policy)| (id(name), *policy));
        let planner =
            Planner::new(policy, children, Generation(100), 42).expect("the specification is sound");
        World {
            planner,
            now: Mono::from_origin(Duration::from_hours(1)),
            trace: Vec::new(),
            answers: Vec::new(),
            manners: HashMap::new(),
            fails: HashMap::new(),
            alive: HashMap::new(),
            due: BTreeMap::new(),
            order: 0,
            tickets: 0,
            waits: Vec::new(),
        }
    }

    /// A world whose supervisor is up; the trace of that is dropped.
    pub(in crate::supervision::restart) fn up(policy: Policy, children: &[(&str, ChildPolicy)]) -> World {
        let mut world = World::new(policy, children);
        world.step(Event::Begin);
        world.trace.clear();
        world
    }

    pub(in crate::supervision::restart) fn behave(&mut self, name: &str, manners: Manners) {
        self.manners.insert(id(name), manners);
    }

    /// Everything that follows from `event` without time passing.
    pub(in crate::supervision::restart) fn step(&mut self, event: Event) {
        let mut events = vec![event];
        while !events.is_empty() {
            let event = events.remove(0);
            let mut out = Vec::new();
            self.planner.step(event, self.now, &mut out);
            for effect in out {
                if let Some(next) = self.perform(effect) {
                    events.push(next);
                }
            }
        }
    }

    fn perform(&mut self, effect: Effect) -> Option<Event> {
        match effect {
            Effect::Start(id, generation) => {
                assert!(!self.alive.contains_key(&id), "{id} is started while it lives");
                let fails = self.fails.entry(id.clone()).or_default();
                if *fails > 0 {
                    *fails -= 1;
                    self.trace.push(format!("fail {id}"));
                    return Some(Event::StartFailed(id, generation, "no".into()));
                }
                self.trace.push(format!("start {id}"));
                self.alive.insert(id.clone(), generation);
                Some(Event::Started(id, generation))
            }
            Effect::Ask(id, generation) => {
                self.trace.push(format!("ask {id}"));
                let exit = Event::Exited(id.clone(), generation, Exit::Shutdown);
                match self.manners.get(&id).copied().unwrap_or(Manners::Obeys) {
                    Manners::Obeys => {
                        self.alive.remove(&id);
                        return Some(exit);
                    }
                    Manners::Takes(time) => self.later(time, exit),
                    Manners::Refuses => {}
                }
                None
            }
            Effect::Kill(id, generation) => {
                self.trace.push(format!("kill {id}"));
                self.alive.remove(&id);
                Some(Event::Exited(id, generation, Exit::Killed))
            }
            Effect::Arm(timer, delay) => {
                if timer.kind == TimerKind::Restart {
                    self.waits.push(delay);
                }
                self.later(delay, Event::Fired(timer));
                None
            }
            Effect::Cancel(timer) => {
                self.due.retain(|_, e| *e != Event::Fired(timer.clone()));
                None
            }
            Effect::Answer(ticket, answer) => {
                self.answers.push((ticket, answer));
                None
            }
            Effect::Tell(Notice::Quarantined { id, .. }) => {
                self.trace.push(format!("rest {id}"));
                None
            }
            Effect::Tell(_) => None,
            Effect::Done(end) => {
                assert!(self.alive.is_empty(), "done while {:?} live", self.alive);
                self.trace.push(format!("done: {end}"));
                None
            }
        }
    }

    pub(in crate::supervision::restart) fn later(&mut self, delay: Duration, event: Event) {
        self.order += 1;
        self.due.insert((self.now + delay, self.order), event);
    }

    /// The next thing that is due, at its time. `false` when nothing is.
    pub(in crate::supervision::restart) fn next_due(&mut self) -> bool {
        let Some(((at, _), event)) = self.due.pop_first() else { return false };
        if let Event::Exited(id, generation, _) = &event {
            if self.alive.get(id) != Some(generation) {
                // It was killed before it came to ending by itself.
                return true;
            }
            self.alive.remove(id);
        }
        self.now = self.now.max(at);
        self.step(event);
        true
    }

    /// Everything that follows, however long it takes.
    pub(in crate::supervision::restart) fn settle(&mut self) {
        for _ in 0..10_000 {
            if !self.next_due() {
                return;
            }
        }
        panic!("no rest: {:?}", &self.trace[self.trace.len() - 20..]);
    }

    pub(in crate::supervision::restart) fn wait(&mut self, time: Duration) {
        self.now = self.now + time;
    }

    /// The living incarnation of a child ends.
    pub(in crate::supervision::restart) fn exit(&mut self, name: &str, exit: Exit) {
        let generation = self.alive.remove(name).unwrap_or_else(|| panic!("{name} does not live"));
        self.step(Event::Exited(id(name), generation, exit));
    }

    pub(in crate::supervision::restart) fn crash(&mut self, name: &str) {
        self.exit(name, Exit::Crashed("boom".into()));
    }

    pub(in crate::supervision::restart) fn ask(&mut self, command: Command) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.step(Event::Asked(command, ticket));
        ticket
    }

    /// The answer to a command, once everything that follows has happened.
    pub(in crate::supervision::restart) fn answer(&mut self, command: Command) -> Result<(), Refusal> {
        let ticket = self.ask(command);
        self.settle();
        self.answers.iter().find(|(t, _)| *t == ticket).expect("every command is answered").1.clone()
    }

    /// The answer to a command that needs no time.
    pub(in crate::supervision::restart) fn answer_now(&mut self, command: Command) -> Result<(), Refusal> {
        let ticket = self.ask(command);
        self.answers.iter().find(|(t, _)| *t == ticket).expect("answered at once").1.clone()
    }

    /// The trace since the last look.
    pub(in crate::supervision::restart) fn seen(&mut self) -> String {
        std::mem::take(&mut self.trace).join(", ")
    }
}
