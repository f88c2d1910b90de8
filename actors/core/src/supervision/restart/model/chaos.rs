//! Anything in any order: starts that take their time, exits and timers of past incarnations, requests
//! in the middle of phases. Nothing is predicted here; what must always hold is checked.

use std::collections::{BTreeSet, HashMap};

use super::*;
use crate::supervision::SpecError;

/// One blow.
#[derive(Debug, Clone)]
enum Blow {
    /// The n-th start under way completes, or fails.
    Complete(usize, bool),
    /// The n-th living incarnation ends.
    End(usize, bool),
    /// The n-th armed timer fires, or one that was cancelled.
    Fire(usize),
    /// Somebody asks.
    Ask(u8, usize),
    /// Something of a past incarnation arrives.
    Stale(usize, u64),
    /// Ready is reported.
    Ready(usize),
    Stop(bool),
    Wait(u64),
}

#[derive(Default)]
struct Chaos {
    starting: Vec<(ChildId, Generation)>,
    living: Vec<(ChildId, Generation)>,
    timers: Vec<Timer>,
    cancelled: Vec<Timer>,
    asked: BTreeSet<u64>,
    answered: BTreeSet<u64>,
    seen: HashMap<ChildId, Generation>,
    done: Option<End>,
}

impl Chaos {
    fn take(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            assert!(self.done.is_none() || matches!(effect, Effect::Answer(..)), "after the end: {effect:?}");
            match effect {
                Effect::Start(id, generation) => {
                    let lives = |(i, _): &(ChildId, Generation)| *i == id;
                    assert!(!self.living.iter().any(lives), "{id} started while it lives");
                    assert!(!self.starting.iter().any(lives), "{id} started twice");
                    let last = self.seen.insert(id.clone(), generation);
                    assert!(last.is_none_or(|l| l < generation), "generations rise");
                    self.starting.push((id, generation));
                }
                Effect::Ask(id, generation) | Effect::Kill(id, generation) => {
                    assert!(self.living.contains(&(id, generation)), "stopped, but does not live");
                }
                Effect::Arm(timer, _) => self.timers.push(timer),
                Effect::Cancel(timer) => {
                    self.timers.retain(|t| *t != timer);
                    self.cancelled.push(timer);
                }
                Effect::Answer(ticket, _) => {
                    assert!(self.answered.insert(ticket.0), "answered twice");
                }
                Effect::Tell(_) => {}
                Effect::Done(end) => {
                    assert!(self.living.is_empty() && self.starting.is_empty(), "ended before its children");
                    self.done = Some(end);
                }
            }
        }
    }

    fn event(&mut self, blow: &Blow) -> Option<Event> {
        let pick = |n: usize, len: usize| (len > 0).then(|| n % len);
        let exit = |well| if well { Exit::Normal } else { Exit::Crashed("x".into()) };
        Some(match blow {
            Blow::Complete(n, well) => {
                let (id, generation) = self.starting.remove(pick(*n, self.starting.len())?);
                if *well {
                    self.living.push((id.clone(), generation));
                    Event::Started(id, generation)
                } else {
                    Event::StartFailed(id, generation, "no".into())
                }
            }
            Blow::End(n, well) => {
                let (id, generation) = self.living.remove(pick(*n, self.living.len())?);
                Event::Exited(id, generation, exit(*well))
            }
            Blow::Fire(n) if n % 4 == 0 => {
                Event::Fired(self.cancelled.get(pick(*n, self.cancelled.len())?)?.clone())
            }
            Blow::Fire(n) => Event::Fired(self.timers.remove(pick(*n, self.timers.len())?)),
            Blow::Ask(what, slot) => {
                let name = id(NAMES[*slot]);
                let ticket = Ticket(self.asked.len() as u64);
                self.asked.insert(ticket.0);
                let command = match what % 5 {
                    0 => Command::Start(name, ChildPolicy::default()),
                    1 => Command::Terminate(name),
                    2 => Command::Restart(name),
                    3 => Command::Delete(name),
                    _ => Command::Crash(name),
                };
                Event::Asked(command, ticket)
            }
            Blow::Stale(slot, back) => {
                let name = id(NAMES[*slot]);
                let last = self.seen.get(&name)?.0;
                Event::Exited(name, Generation(last.saturating_sub(1 + back)), exit(false))
            }
            Blow::Ready(n) => {
                let (id, generation) = self.living.get(pick(*n, self.living.len())?)?.clone();
                Event::Ready(id, generation)
            }
            Blow::Stop(hurry) => Event::Stop { hurry: *hurry },
            Blow::Wait(_) => return None,
        })
    }
}

fn blows() -> impl Generate<Value = Blow> {
    prop_oneof![
        8 => (0_usize..16, prop::bool::weighted(0.85)).prop_map(|(n, w)| Blow::Complete(n, w)),
        6 => (0_usize..16, prop::bool::weighted(0.3)).prop_map(|(n, w)| Blow::End(n, w)),
        3 => (0_usize..16).prop_map(Blow::Fire),
        3 => (any::<u8>(), 0_usize..8).prop_map(|(w, s)| Blow::Ask(w, s)),
        1 => (0_usize..8, 0_u64..3).prop_map(|(s, b)| Blow::Stale(s, b)),
        1 => (0_usize..16).prop_map(Blow::Ready),
        1 => prop::bool::weighted(0.2).prop_map(Blow::Stop),
        2 => (1_u64..40).prop_map(Blow::Wait),
    ]
}

fn run(mut spec: Spec, extras: (bool, bool), blows: &[Blow]) -> Result<(), SpecError> {
    let (rests, waits) = extras;
    if rests {
        spec.policy.on_intensity = OnIntensity::Quarantine(Duration::from_secs(30));
    }
    let backoff = Backoff::exponential(Duration::from_millis(500), Duration::from_secs(10));
    let children = spec.children.iter().zip(NAMES).map(|((policy, _), name)| {
        (id(name), if waits { ChildPolicy { backoff, ..*policy } } else { *policy })
    });
    let mut planner = Planner::new(spec.policy.clone(), children, Generation(0), 1)?;
    let mut now = Mono::from_origin(Duration::from_hours(1));
    let mut chaos = Chaos::default();
    let step = |planner: &mut Planner, chaos: &mut Chaos, event: Event, now| {
        let mut out = Vec::new();
        planner.step(event, now, &mut out);
        chaos.take(out);
    };
    step(&mut planner, &mut chaos, Event::Begin, now);
    for blow in blows {
        if let Blow::Wait(seconds) = blow {
            now = now + Duration::from_secs(*seconds);
        } else if let Some(event) = chaos.event(blow) {
            step(&mut planner, &mut chaos, event, now);
        }
    }
    // Whatever happened: told to stop, it ends once everybody has ended.
    step(&mut planner, &mut chaos, Event::Stop { hurry: false }, now);
    while let Some(event) = chaos.event(&Blow::Complete(0, true)).or_else(|| chaos.event(&Blow::End(0, true)))
    {
        step(&mut planner, &mut chaos, event, now);
    }
    assert!(planner.ended() && chaos.done.is_some(), "it does not end: {planner:?}");
    assert!(chaos.timers.is_empty(), "timers are left: {:?}", chaos.timers);
    assert_eq!(chaos.asked, chaos.answered, "every request is answered");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn chaos_breaks_no_promise(
        spec in specs(),
        extras in any::<(bool, bool)>(),
        blows in prop::collection::vec(blows(), 0..80),
    ) {
        run(spec, extras, &blows).unwrap();
    }
}
