//! Rules one by one, then any sequence of absences, kills, clocks that are set, and jobs that take their time,
//! against a store that knows each key once.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const START: i64 = 1_795_000_000_000;
const NAME: &str = "s";

fn wall(ms: i64) -> Wall {
    Wall::from_unix_ms(ms)
}

fn plan(every_s: u64, missed: Missed, overlap: Overlap) -> Plan {
    Plan {
        name: NAME.into(),
        timing: Some(Timing::Every(Duration::from_secs(every_s))),
        missed,
        overlap,
        jitter: Duration::ZERO,
        enabled: true,
    }
}

/// The world around: a clock, a store, and jobs.
struct World {
    schedules: Schedules,
    plan: Plan,
    now: i64,
    /// Time that passes, whatever the clock shows.
    mono: u64,
    kept: BTreeMap<String, Wall>,
    /// Jobs by the time at which their run was due.
    jobs: BTreeMap<Wall, (JobId, JobState)>,
    /// In which order they came, and when.
    submitted: Vec<(Wall, i64)>,
    skipped: Vec<(Wall, Skip)>,
    cancelled: Vec<JobId>,
    /// Whether submissions are taken in.
    open: bool,
    /// Jobs end as soon as they are submitted.
    quick: bool,
}

impl World {
    fn new(plan: Plan) -> Self {
        let mut world = World {
            schedules: Schedules::default(),
            plan,
            now: START,
            mono: 0,
            kept: BTreeMap::new(),
            jobs: BTreeMap::new(),
            submitted: Vec::new(),
            skipped: Vec::new(),
            cancelled: Vec::new(),
            open: true,
            quick: true,
        };
        world.start();
        world
    }

    fn start(&mut self) {
        // The store lists its youngest jobs first.
        let last = self.submitted.last().map(|(due, _)| {
            let (job, state) = self.jobs[due];
            Last { due: *due, job, state }
        });
        let found = last.into_iter().map(|last| (NAME.to_owned(), last)).collect();
        self.schedules = Schedules::new(self.kept.clone(), found);
        self.step(Event::Configured(vec![self.plan.clone()]));
    }

    /// One step and what follows, until nothing does.
    fn step(&mut self, event: Event) {
        self.step_until(event, usize::MAX);
    }

    /// The same, but the supervisor is killed after so many effects: those after are not performed.
    fn step_until(&mut self, event: Event, mut effects_left: usize) {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            let effects = self.schedules.step(
                event,
                wall(self.now),
                Mono::from_origin(Duration::from_millis(self.mono)),
            );
            for effect in effects {
                if effects_left == 0 {
                    return;
                }
                effects_left -= 1;
                events.extend(self.perform(effect));
            }
        }
    }

    fn perform(&mut self, effect: Effect) -> Option<Event> {
        match effect {
            Effect::Submit { schedule, .. } if !self.open => {
                Some(Event::NotSubmitted { schedule, again: true })
            }
            Effect::Submit { schedule, due } => {
                let id = JobId::drawn(self.jobs.len() as u64 + 1);
                let state = if self.quick { JobState::Succeeded } else { JobState::Running };
                let known = self.jobs.contains_key(&due);
                let (job, state) = *self.jobs.entry(due).or_insert((id, state));
                if !known {
                    self.submitted.push((due, self.now));
                }
                Some(Event::Submitted(schedule, Last { due, job, state }))
            }
            Effect::Cancel { schedule, job } => {
                self.cancelled.push(job);
                self.end(job, JobState::Cancelled).then_some(Event::Job(schedule, job, JobState::Cancelled))
            }
            Effect::Keep { schedule, until } => {
                self.kept.insert(schedule.to_string(), until);
                None
            }
            Effect::Skipped { due, why, .. } => {
                self.skipped.push((due, why));
                None
            }
        }
    }

    fn end(&mut self, id: JobId, state: JobState) -> bool {
        let job = self.jobs.values_mut().find(|(job, s)| *job == id && !s.is_final());
        job.map(|job| job.1 = state).is_some()
    }

    /// Every job that runs ends.
    fn end_all(&mut self) {
        let running: Vec<_> = self.jobs.values().filter(|(_, s)| !s.is_final()).map(|(id, _)| *id).collect();
        for id in running {
            self.end(id, JobState::Succeeded);
            self.step(Event::Job(NAME.into(), id, JobState::Succeeded));
        }
    }

    fn running(&self) -> usize {
        self.jobs.values().filter(|(_, s)| !s.is_final()).count()
    }

    /// Time passes while the supervisor looks when it wants to.
    fn run(&mut self, ms: i64) {
        let mut left = ms;
        loop {
            let mono = Mono::from_origin(Duration::from_millis(self.mono));
            let wait = self.schedules.look_in(wall(self.now), mono).as_millis() as i64;
            assert!(wait >= 0 && wait <= limits::SCHEDULE_LOOK.as_millis() as i64);
            let wait = wait.max(1).min(left);
            (self.now, self.mono, left) = (self.now + wait, self.mono + wait as u64, left - wait);
            self.step(Event::Look);
            if left == 0 {
                return;
            }
        }
    }

    /// Time passes and nobody looks.
    fn sleep(&mut self, ms: i64) {
        self.now += ms;
        self.mono += 1;
    }

    fn dues(&self) -> Vec<i64> {
        self.submitted.iter().map(|(due, _)| (due.unix_ms() - START) / 1000).collect()
    }
}

fn world(every_s: u64, missed: Missed, overlap: Overlap) -> World {
    World::new(plan(every_s, missed, overlap))
}

#[test]
fn runs_come_at_their_times_and_a_fresh_schedule_misses_nothing() {
    let mut w = world(100, Missed::All, Overlap::Skip);
    w.run(350_000);
    assert_eq!(w.dues(), [100, 200, 300]);
    assert!(w.submitted.iter().all(|(due, at)| (0..=1).contains(&(at - due.unix_ms()))), "{:?}", w.submitted);
    assert_eq!(w.kept[NAME], w.submitted[2].0);
}

#[test]
fn missed_runs_follow_their_policy() {
    for (missed, dues) in
        [(Missed::Skip, &[100][..]), (Missed::Once, &[100, 500]), (Missed::All, &[100, 200, 300, 400, 500])]
    {
        let mut w = world(100, missed, Overlap::Skip);
        w.run(150_000);
        w.sleep(430_000);
        w.run(1);
        assert_eq!(w.dues(), dues, "{missed:?} asleep");
        let mut w = world(100, missed, Overlap::Skip);
        w.run(150_000);
        w.sleep(430_000);
        w.start();
        assert_eq!(w.dues(), dues, "{missed:?} away");
    }
    let mut w = world(100, Missed::Skip, Overlap::Skip);
    w.run(150_000);
    w.sleep(360_000);
    w.start();
    assert_eq!(w.dues(), [100, 500], "ten seconds late is on time");
}

#[test]
fn overlap_follows_its_policy() {
    for (overlap, dues) in
        [(Overlap::Skip, &[10][..]), (Overlap::Queue, &[10, 20, 30]), (Overlap::Replace, &[10, 20, 30])]
    {
        let mut w = world(10, Missed::Once, overlap);
        w.quick = false;
        w.run(35_000);
        assert_eq!(w.dues(), dues, "{overlap:?}");
        assert_eq!(w.cancelled.len(), if overlap == Overlap::Replace { 2 } else { 0 });
        assert_eq!(w.running(), if overlap == Overlap::Queue { 3 } else { 1 });
        w.end_all();
        w.run(5_000);
        assert_eq!(w.dues().last(), Some(&40), "{overlap:?}: it goes on");
    }
}

#[test]
fn made_up_runs_wait_for_one_another_unless_they_may_run_side_by_side() {
    let mut w = world(10, Missed::All, Overlap::Skip);
    w.quick = false;
    w.sleep(45_000);
    w.run(1);
    assert_eq!(w.dues(), [10]);
    for n in 2..=4 {
        w.end_all();
        assert_eq!(w.dues().len(), n);
    }
    let mut w = world(10, Missed::All, Overlap::Replace);
    w.sleep(45_000);
    w.run(1);
    assert_eq!(w.dues(), [40], "each would replace the one before");
}

#[test]
fn what_is_made_up_for_has_a_bound() {
    let mut w = world(1, Missed::All, Overlap::Queue);
    w.sleep(10_000_000);
    w.run(1);
    assert_eq!(w.submitted.len(), limits::MISSED_RUNS_MAX);
    assert_eq!(w.dues().last(), Some(&10_000));
    assert!(w.skipped.iter().any(|(_, why)| *why == Skip::Missed), "and it is told");
}

#[test]
fn a_clock_that_is_set_runs_nothing_twice() {
    let day = 86_400_000;
    let mut w = world(100, Missed::Once, Overlap::Skip);
    w.run(250_000);
    w.now += day;
    w.run(1);
    assert_eq!(w.dues().len(), 3, "a day ahead: one, not a day's worth");
    w.now -= day;
    w.run(1_000_000);
    assert_eq!(w.dues().len(), 3, "and back: what was decided stays so");
    w.now += 3_650 * day;
    w.run(1);
    w.now -= 3_650 * day;
    w.run(1_000);
    let before = w.dues().len();
    w.run(1_000_000);
    assert_eq!(w.dues().len(), before + 10, "a clock that was ten years ahead stops nothing");
}

#[test]
fn another_timing_and_another_switch_begin_now() {
    let mut w = world(1_000, Missed::Once, Overlap::Skip);
    w.run(950_000);
    w.plan.timing = Some(Timing::Every(Duration::from_secs(300)));
    w.step(Event::Configured(vec![w.plan.clone()]));
    assert!(w.dues().is_empty(), "900 s was no time of it before");
    w.plan.enabled = false;
    w.step(Event::Configured(vec![w.plan.clone()]));
    assert_eq!(w.kept[NAME], NEVER);
    w.run(10_000_000);
    w.plan.enabled = true;
    w.step(Event::Configured(vec![w.plan.clone()]));
    assert!(w.dues().is_empty() && w.schedules.next(NAME).is_some());
    w.step(Event::Configured(vec![]));
    assert_eq!(w.kept[NAME], NEVER, "one that comes again begins anew");
    assert_eq!(w.schedules.next(NAME), None);
}

#[test]
fn one_that_cannot_be_told_keeps_what_is_known_of_it() {
    let mut w = world(100, Missed::All, Overlap::Queue);
    w.run(150_000);
    w.plan.timing = None;
    w.start();
    w.run(200_000);
    assert_eq!(w.dues(), [100]);
    w.plan.timing = Some(Timing::Every(Duration::from_secs(100)));
    w.step(Event::Configured(vec![w.plan.clone()]));
    assert_eq!(w.dues(), [100, 200, 300], "its zone is known again");
}

#[test]
fn a_run_that_is_not_taken_in_is_tried_again() {
    let mut w = world(100, Missed::Skip, Overlap::Skip);
    w.open = false;
    w.run(150_000);
    assert!(w.dues().is_empty() && w.kept[NAME] < wall(START + 100_000));
    w.open = true;
    w.run(3_000);
    assert_eq!(w.dues(), [100]);
    let event = Event::NotSubmitted { schedule: NAME.into(), again: false };
    w.step(event);
    w.run(100_000);
    assert_eq!(w.dues(), [100, 200], "one that can never be is let go");
}

#[test]
fn jitter_is_the_same_for_the_same_run() {
    let mut w = World::new(Plan { jitter: Duration::from_secs(50), ..plan(100, Missed::All, Overlap::Skip) });
    w.run(1_050_000);
    let late: Vec<_> = w.submitted.iter().map(|(due, at)| at - due.unix_ms()).collect();
    assert_eq!(w.dues(), (1..=10).map(|n| n * 100).collect::<Vec<_>>());
    assert!(late.iter().all(|ms| (0..=50_001).contains(ms)) && late.iter().any(|ms| *ms > 5_000), "{late:?}");
    let due = w.submitted[0].0;
    assert_eq!(put_off(NAME, due, w.plan.jitter), put_off(NAME, due, w.plan.jitter));
    assert_ne!(put_off(NAME, due, w.plan.jitter), put_off("t", due, w.plan.jitter));
}

#[test]
fn keys_name_runs() {
    let due = wall(START);
    assert_eq!(key("nightly", due), "schedule:nightly:2026-11-18T11:06:40.000Z");
    assert_eq!(run_of_key(&key("nightly", due)), Some(("nightly", due)));
    for other in ["", "schedule:", "schedule:a", "schedule:a:b", "job:a:2026-11-18T11:06:40.000Z"] {
        assert_eq!(run_of_key(other), None);
    }
}

#[derive(Debug, Clone)]
enum Happens {
    Run(i64),
    Sleep(i64),
    /// Killed while it acts on a look, after so many effects.
    Kill(usize),
    EndJobs,
    Open(bool),
    Set(i64),
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        4 => (1..200_000_i64).prop_map(Happens::Run),
        2 => (1..900_000_i64).prop_map(Happens::Sleep),
        3 => (0..6_usize).prop_map(Happens::Kill),
        2 => Just(Happens::EndJobs),
        1 => any::<bool>().prop_map(Happens::Open),
        1 => (-80_000_000..80_000_000_i64).prop_map(Happens::Set),
    ]
}

fn policies() -> impl Strategy<Value = (Missed, Overlap)> {
    use {Missed as M, Overlap as O};
    (
        prop::sample::select(vec![M::Skip, M::Once, M::All]),
        prop::sample::select(vec![O::Skip, O::Queue, O::Replace]),
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_runs_come_once_and_policies_hold(
        every in 3..300_u64, jitter in 0..3_u64, policies in policies(), quick: bool,
        story in prop::collection::vec(happens(), 1..25)
    ) {
        let (missed, overlap) = policies;
        let mut w = World::new(Plan { jitter: Duration::from_secs(jitter), ..plan(every, missed, overlap) });
        w.quick = quick;
        let mut is_set = false;
        for happens in story {
            match happens {
                Happens::Run(ms) => w.run(ms),
                Happens::Sleep(ms) => w.sleep(ms),
                Happens::Kill(after) => {
                    w.step_until(Event::Look, after);
                    w.start();
                }
                Happens::EndJobs => w.end_all(),
                Happens::Open(open) => w.open = open,
                Happens::Set(by) => {
                    w.now += by;
                    is_set = true;
                }
            }
            if overlap != Overlap::Queue {
                prop_assert!(w.running() <= 1, "two at a time");
            }
        }
        let timing = w.plan.timing.clone().unwrap();
        for (due, at) in &w.submitted {
            prop_assert_eq!(timing.next_after(Wall::from_unix_ms(due.unix_ms() - 1)), Some(*due), "it was due");
            let comes = due.plus(put_off(NAME, *due, w.plan.jitter));
            prop_assert!(is_set || comes <= wall(*at), "not before its time");
        }
        let mut dues: Vec<_> = w.submitted.iter().map(|(due, _)| *due).collect();
        let count = dues.len();
        dues.dedup();
        prop_assert_eq!(dues.len(), count, "none twice");
        if !is_set {
            prop_assert!(dues.is_sorted(), "in their order");
        }
        // Everything has come to rest: nothing was lost that was to be made up for.
        w.open = true;
        w.run(5_000);
        for _ in 0..=w.jobs.len() + limits::MISSED_RUNS_MAX {
            if w.running() == 0 {
                break;
            }
            w.end_all();
        }
        if missed == Missed::All && overlap == Overlap::Queue && !is_set {
            let mut expected = Vec::new();
            let mut at = wall(START);
            while let Some(due) = timing.next_after(at)
                .filter(|due| due.plus(put_off(NAME, *due, w.plan.jitter)) <= wall(w.now)) {
                expected.push(due);
                at = due;
            }
            let got: Vec<_> = w.jobs.keys().copied().collect();
            prop_assert!(got.len() >= limits::MISSED_RUNS_MAX || got == expected, "{:?} of {:?}", got, expected);
        }
    }
}
