//! The planner held against a simple model: a supervisor written as straight-line code, which can
//! wait, as OTP's is. And against chaos: any interleaving of anything.

use std::collections::VecDeque;
use std::time::Duration;

use proptest::prelude::*;
use proptest::strategy::Strategy as Generate;

use super::tests::world::{Manners, World, id};
use super::*;
use crate::supervision::{AutoShutdown, Backoff, Intensity, OnIntensity, Shutdown, Strategy};

mod chaos;

#[derive(Debug, Clone)]
pub(super) struct Spec {
    pub(super) policy: Policy,
    pub(super) children: Vec<(ChildPolicy, Manners)>,
}

/// One thing that is done to a supervisor at rest.
#[derive(Debug, Clone)]
enum Act {
    Exit(usize, Exit),
    Terminate(usize),
    Restart(usize),
    Delete(usize),
    Add(usize, ChildPolicy),
    FailStarts(usize, u32),
    Wait(u64),
}

const NAMES: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

#[derive(Debug, Clone)]
struct Kid {
    name: &'static str,
    policy: ChildPolicy,
    alive: bool,
}

/// A supervisor that waits for everything it does.
struct Model {
    policy: Policy,
    kids: Vec<Kid>,
    manners: Vec<Manners>,
    fails: [u32; 8],
    charges: VecDeque<Mono>,
    now: Mono,
    trace: Vec<String>,
    over: bool,
}

impl Model {
    fn try_start(&mut self, name: &'static str) -> bool {
        let slot = NAMES.iter().position(|n| *n == name).unwrap();
        if self.fails[slot] > 0 {
            self.fails[slot] -= 1;
            self.trace.push(format!("fail {name}"));
            return false;
        }
        self.trace.push(format!("start {name}"));
        let kid = self.kids.iter_mut().find(|k| k.name == name).unwrap();
        kid.alive = true;
        true
    }

    fn stop_one(&mut self, at: usize) {
        let Kid { name, policy, alive } = self.kids[at].clone();
        if !alive {
            return;
        }
        self.kids[at].alive = false;
        if policy.shutdown == Shutdown::BrutalKill {
            self.trace.push(format!("kill {name}"));
            return;
        }
        self.trace.push(format!("ask {name}"));
        let Shutdown::After(grace) = policy.shutdown else { return };
        match self.manners[NAMES.iter().position(|n| *n == name).unwrap()] {
            Manners::Obeys => {}
            Manners::Takes(time) if time < grace => self.now = self.now + time,
            _ => {
                self.now = self.now + grace;
                self.trace.push(format!("kill {name}"));
            }
        }
    }

    fn finish(&mut self, end: &str) {
        for at in (0..self.kids.len()).rev() {
            self.stop_one(at);
        }
        self.trace.push(format!("done: {end}"));
        self.over = true;
    }

    fn begin(&mut self) {
        for at in 0..self.kids.len() {
            let name = self.kids[at].name;
            if !self.try_start(name) {
                self.finish(&format!("child {name} did not start: no"));
                return;
            }
        }
    }

    fn restart(&mut self, mut name: &'static str, mut why: &str) {
        loop {
            let intensity = self.policy.intensity.unwrap();
            self.charges.push_back(self.now);
            self.charges.retain(|at| *at + intensity.period >= self.now);
            if self.charges.len() > intensity.restarts as usize {
                return self.finish(&format!("too many restarts, last of {name}: {why}"));
            }
            why = "no";
            let at = self.kids.iter().position(|k| k.name == name).unwrap();
            let group = match self.policy.strategy {
                Strategy::OneForOne => at..at + 1,
                Strategy::OneForAll => 0..self.kids.len(),
                Strategy::RestForOne => at..self.kids.len(),
            };
            for member in group.clone().rev() {
                self.stop_one(member);
            }
            let names: Vec<_> = self.kids[group]
                .iter()
                .filter(|k| k.policy.restart != Restart::Temporary)
                .map(|k| k.name)
                .collect();
            let first = if self.policy.strategy == Strategy::OneForAll { 0 } else { at };
            if self.policy.strategy != Strategy::OneForOne {
                let mut place = 0;
                self.kids.retain(|k| {
                    place += 1;
                    place <= first || k.policy.restart != Restart::Temporary
                });
            }
            match names.into_iter().find(|n| !self.try_start(n)) {
                Some(failed) => name = failed,
                None => return,
            }
        }
    }

    fn put_down(&mut self, at: usize) {
        self.kids[at].alive = false;
        if self.kids[at].policy.restart == Restart::Temporary {
            self.kids.remove(at);
        }
    }

    fn exit(&mut self, at: usize, exit: &Exit) {
        let Kid { name, policy, .. } = self.kids[at];
        self.kids[at].alive = false;
        let back = match policy.restart {
            Restart::Permanent => true,
            Restart::Transient => !matches!(exit, Exit::Normal | Exit::Shutdown),
            Restart::Temporary => false,
        };
        if back {
            let why = match exit {
                Exit::Normal => "ended normally",
                Exit::Shutdown => "shut down",
                Exit::Killed => "killed",
                Exit::Crashed(_) => "boom",
            };
            return self.restart(name, why);
        }
        self.put_down(at);
        let over = match self.policy.auto_shutdown {
            AutoShutdown::Never => false,
            AutoShutdown::AnySignificant => policy.significant,
            AutoShutdown::AllSignificant => {
                policy.significant && !self.kids.iter().any(|k| k.alive && k.policy.significant)
            }
        };
        if over {
            self.finish(&format!("shut down because significant child {name} ended"));
        }
    }
}

/// Does the same to both and returns what each saw.
fn both(spec: &Spec, acts: &[Act]) -> (Vec<String>, Vec<String>) {
    let named: Vec<(&str, ChildPolicy)> =
        spec.children.iter().zip(NAMES).map(|((policy, _), name)| (name, *policy)).collect();
    let mut world = World::new(spec.policy.clone(), &named);
    let mut manners = vec![Manners::Obeys; NAMES.len()];
    for (at, (_, m)) in spec.children.iter().enumerate() {
        world.behave(NAMES[at], *m);
        manners[at] = *m;
    }
    let kids = named.iter().zip(NAMES).map(|((_, p), name)| Kid { name, policy: *p, alive: false }).collect();
    let mut model = Model {
        policy: spec.policy.clone(),
        kids,
        manners,
        fails: [0; 8],
        charges: VecDeque::new(),
        now: world.now,
        trace: Vec::new(),
        over: false,
    };
    world.step(Event::Begin);
    model.begin();
    for act in acts {
        if model.over || world.planner.ended() {
            break;
        }
        apply(act, &mut world, &mut model);
    }
    if !model.over {
        world.step(Event::Stop { hurry: false });
        world.settle();
        model.finish("shut down");
    }
    (world.trace, model.trace)
}

fn apply(act: &Act, world: &mut World, model: &mut Model) {
    let place = |model: &Model, slot: usize| model.kids.iter().position(|k| k.name == NAMES[slot]);
    match act {
        Act::Exit(slot, exit) => {
            let Some(at) = place(model, *slot).filter(|at| model.kids[*at].alive) else { return };
            world.exit(NAMES[*slot], exit.clone());
            world.settle();
            model.exit(at, exit);
        }
        Act::Terminate(slot) => {
            let answer = world.answer(Command::Terminate(id(NAMES[*slot])));
            assert_eq!(answer.is_ok(), place(model, *slot).is_some());
            if let Some(at) = place(model, *slot) {
                model.stop_one(at);
                model.put_down(at);
            }
        }
        Act::Restart(slot) => {
            let answer = world.answer(Command::Restart(id(NAMES[*slot])));
            let down = place(model, *slot).filter(|at| !model.kids[*at].alive);
            let started = down.is_some() && model.try_start(NAMES[*slot]);
            assert_eq!(answer.is_ok(), started);
        }
        Act::Delete(slot) => {
            let answer = world.answer(Command::Delete(id(NAMES[*slot])));
            let down = place(model, *slot).filter(|at| !model.kids[*at].alive);
            assert_eq!(answer.is_ok(), down.is_some());
            down.map(|at| model.kids.remove(at));
        }
        Act::Add(slot, policy) => {
            let policy = ChildPolicy { significant: false, ..*policy };
            let answer = world.answer(Command::Start(id(NAMES[*slot]), policy));
            let mut started = false;
            if place(model, *slot).is_none() {
                model.kids.push(Kid { name: NAMES[*slot], policy, alive: false });
                started = model.try_start(NAMES[*slot]);
                if !started {
                    model.kids.pop();
                }
            }
            assert_eq!(answer.is_ok(), started);
        }
        Act::FailStarts(slot, times) => {
            world.fails.insert(id(NAMES[*slot]), *times);
            model.fails[*slot] = *times;
        }
        Act::Wait(seconds) => {
            world.wait(Duration::from_secs(*seconds));
            model.now = model.now + Duration::from_secs(*seconds);
        }
    }
    assert_eq!(world.now, model.now, "both took the same time");
}

pub(super) fn policies() -> impl Generate<Value = Policy> {
    let strategy =
        prop_oneof![Just(Strategy::OneForOne), Just(Strategy::OneForAll), Just(Strategy::RestForOne)];
    let auto = prop_oneof![
        2 => Just(AutoShutdown::Never),
        1 => Just(AutoShutdown::AnySignificant),
        1 => Just(AutoShutdown::AllSignificant)
    ];
    (strategy, 0_u32..6, 1_u64..90, auto).prop_map(|(strategy, restarts, period, auto_shutdown)| Policy {
        strategy,
        intensity: Some(Intensity { restarts, period: Duration::from_secs(period) }),
        auto_shutdown,
        ..Policy::default()
    })
}

pub(super) fn child_policies() -> impl Generate<Value = ChildPolicy> {
    let restart = prop_oneof![3 => Just(Restart::Permanent), 2 => Just(Restart::Transient), 1 => Just(Restart::Temporary)];
    let shutdown = prop_oneof![
        1 => Just(Shutdown::BrutalKill),
        3 => (1_u64..9).prop_map(|s| Shutdown::After(Duration::from_secs(s)))
    ];
    (restart, shutdown, any::<bool>()).prop_map(|(restart, shutdown, significant)| ChildPolicy {
        restart,
        shutdown,
        significant,
        backoff: Backoff::NONE,
    })
}

pub(super) fn specs() -> impl Generate<Value = Spec> {
    let manners = prop_oneof![
        4 => Just(Manners::Obeys),
        2 => (1_u64..9).prop_map(|s| Manners::Takes(Duration::from_millis(s * 900))),
        1 => Just(Manners::Refuses)
    ];
    (policies(), prop::collection::vec((child_policies(), manners), 0..6)).prop_map(
        |(policy, mut children)| {
            for (child, _) in &mut children {
                child.significant &=
                    policy.auto_shutdown != AutoShutdown::Never && child.restart != Restart::Permanent;
            }
            Spec { policy, children }
        },
    )
}

fn acts() -> impl Generate<Value = Act> {
    let exit = prop_oneof![
        4 => Just(Exit::Crashed("boom".into())),
        1 => Just(Exit::Normal),
        1 => Just(Exit::Shutdown),
        1 => Just(Exit::Killed)
    ];
    prop_oneof![
        8 => (0_usize..8, exit).prop_map(|(n, e)| Act::Exit(n, e)),
        1 => (0_usize..8).prop_map(Act::Terminate),
        1 => (0_usize..8).prop_map(Act::Restart),
        1 => (0_usize..8).prop_map(Act::Delete),
        2 => (0_usize..8, child_policies()).prop_map(|(n, p)| Act::Add(n, p)),
        1 => (0_usize..8, 1_u32..4).prop_map(|(n, t)| Act::FailStarts(n, t)),
        2 => (1_u64..60).prop_map(Act::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_planner_does_what_the_model_does(spec in specs(), acts in prop::collection::vec(acts(), 0..24)) {
        let (planner, model) = both(&spec, &acts);
        prop_assert_eq!(planner, model);
    }
}
