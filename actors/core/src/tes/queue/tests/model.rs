//! Random lives against what the queue promises.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Act {
    Submit {
        session: u8,
        class: usize,
        script: u8,
        slots: u16,
        delay: Option<u64>,
        patience: Option<u64>,
        held: bool,
        parent: Option<(u8, u8)>,
    },
    End {
        which: u8,
        state: u8,
        took: u64,
    },
    Cancel(u8),
    Hold(u8),
    Release(u8),
    Slots(u32),
    Open(bool),
    Pass(u64),
}

fn act() -> impl Strategy<Value = Act> {
    let submit = (
        0..4_u8,
        0..5_usize,
        0..3_u8,
        1..4_u16,
        proptest::option::weighted(0.2, 1..100_u64),
        proptest::option::weighted(0.2, 1..200_u64),
        proptest::bool::weighted(0.1),
        proptest::option::weighted(0.3, (any::<u8>(), 0..3_u8)),
    );
    let submit = submit.prop_map(|(session, class, script, slots, delay, patience, held, parent)| {
        Act::Submit { session, class, script, slots, delay, patience, held, parent }
    });
    prop_oneof![
        6 => submit,
        6 => (any::<u8>(), 0..4_u8, 0..100_u64).prop_map(|(which, state, took)| Act::End { which, state, took }),
        1 => any::<u8>().prop_map(Act::Cancel),
        1 => any::<u8>().prop_map(Act::Hold),
        1 => any::<u8>().prop_map(Act::Release),
        1 => (1..6_u32).prop_map(Act::Slots),
        1 => proptest::bool::weighted(0.7).prop_map(Act::Open),
        3 => (1..90_u64).prop_map(Act::Pass),
    ]
}

#[derive(Default)]
struct World {
    tickets: HashMap<JobId, Ticket>,
    running: Vec<JobId>,
    ends: HashMap<JobId, JobState>,
    starts: usize,
}

/// Takes in the effects, and checks what may not be.
fn take(world: &mut World, effects: Vec<Effect>, queue: &Queue) -> Result<(), TestCaseError> {
    for effect in effects {
        match effect {
            Effect::Start(job) => {
                prop_assert!(!world.ends.contains_key(&job), "{job} starts after its end");
                prop_assert!(!world.running.contains(&job), "{job} starts twice");
                prop_assert!(queue.open, "a closed queue starts {job}");
                world.running.push(job);
                world.starts += 1;
            }
            Effect::Stop(job) => prop_assert!(world.running.contains(&job)),
            Effect::Became(job, state) if state.is_final() => {
                prop_assert_eq!(world.ends.insert(job, state), None, "{} ends twice", job);
            }
            Effect::Became(job, _) => prop_assert!(!world.ends.contains_key(&job)),
            Effect::Fail(job, why) => {
                prop_assert!(!world.running.contains(&job), "{job} fails while it runs");
                prop_assert_eq!(world.ends.insert(job, why.state()), None, "{} ends twice", job);
            }
            Effect::Recall => {}
        }
    }
    let slots: u32 = world.running.iter().map(|j| u32::from(world.tickets[j].slots)).sum();
    prop_assert_eq!(slots, queue.usage.slots);
    for job in world.tickets.keys() {
        prop_assert_eq!(queue.state(*job).is_none(), world.ends.contains_key(job), "{} is lost", job);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn no_job_is_lost_doubled_or_stuck(acts in proptest::collection::vec(act(), 1..120)) {
        let mut queue = Queue::new(Caps::slots(3));
        let (mut world, mut now, mut seq) = (World::default(), at(0), 0_u64);
        for act in acts {
            let pick = |of: Vec<JobId>, which: u8| (!of.is_empty()).then(|| of[usize::from(which) % of.len()]);
            let mut known: Vec<JobId> = world.tickets.keys().copied().collect();
            known.sort();
            let event = match act {
                Act::Submit { session, class, script, slots, delay, patience, held, parent } => {
                    seq += 1;
                    let ticket = Ticket {
                        priority: Priority::ALL[class],
                        session: format!("s{session}").into(),
                        script: format!("x{script}").into(),
                        slots,
                        not_before: delay.map(|d| now + S * d as u32),
                        start_by: patience.map(|d| now + S * d as u32),
                        held,
                        ..job(seq)
                    };
                    world.tickets.insert(ticket.id, ticket.clone());
                    let parents = parent.and_then(|(which, edge)| {
                        let id = pick(known, which)?;
                        let edge = [Edge::Success, Edge::Failure, Edge::End][usize::from(edge)];
                        Some(Parent { id, edge, ended: world.ends.get(&id).copied() })
                    });
                    Event::Submitted(ticket, parents.into_iter().collect())
                }
                Act::End { which, state, took } => {
                    let Some(job) = pick(world.running.clone(), which) else { continue };
                    world.running.retain(|j| *j != job);
                    let next = match state {
                        0 => After::Again(now + S * took as u32),
                        1 => After::Final(JobState::Failed),
                        _ => After::Final(JobState::Succeeded),
                    };
                    Event::Ended { job, took: S * took as u32, next }
                }
                Act::Cancel(which) => match pick(known, which) { Some(j) => Event::Cancel(j), None => continue },
                Act::Hold(which) => match pick(known, which) { Some(j) => Event::Hold(j), None => continue },
                Act::Release(which) => match pick(known, which) { Some(j) => Event::Release(j), None => continue },
                Act::Slots(n) => Event::Caps(Caps::slots(n)),
                Act::Open(open) => Event::Open(open),
                Act::Pass(s) => { now = now + S * s as u32; Event::Tick }
            };
            let effects = queue.step(event, now);
            take(&mut world, effects, &queue)?;
        }
        // Nothing is stuck: released, opened and given time, every job comes to its end.
        let mut events: Vec<Event> = world.tickets.keys().map(|j| Event::Release(*j)).collect();
        events.push(Event::Open(true));
        events.push(Event::Caps(Caps::slots(3)));
        for event in events {
            let effects = queue.step(event, now);
            take(&mut world, effects, &queue)?;
        }
        for _ in 0..1_000 {
            if queue.is_empty() { break }
            now = now + S * 100;
            let event = match world.running.pop() {
                Some(job) => Event::Ended { job, took: S, next: After::Final(JobState::Succeeded) },
                None => Event::Tick,
            };
            let effects = queue.step(event, now);
            take(&mut world, effects, &queue)?;
        }
        prop_assert!(queue.is_empty(), "{} jobs are stuck: {queue:#?}", queue.len());
    }

    /// The bound on waiting: from four steps on, each start that is not the job's own is one of a job that
    /// was there before it in its session, or one in the turns of the other sessions.
    #[test]
    fn waiting_is_bounded(
        before in 0..6_usize,
        sessions in 1..6_u64,
        class in 0..5_usize,
        classes in proptest::collection::vec(0..5_usize, 400),
    ) {
        let mut queue = Queue::new(Caps::slots(1));
        let (mut now, mut seq) = (at(0), 0_u64);
        let mut submit = |queue: &mut Queue, session: u64, class: usize, now: Mono| {
            seq += 1;
            let ticket = Ticket { priority: Priority::ALL[class], ..of(&format!("s{session}"), seq) };
            let starts = queue.step(Event::Submitted(ticket, Vec::new()), now);
            (id(seq), starts)
        };
        let (mut running, _) = submit(&mut queue, 0, 0, now);
        for class in classes.iter().take(before) {
            submit(&mut queue, 0, *class, now);
        }
        let (mine, _) = submit(&mut queue, 0, class, now);
        now = now + limits::AGE_STEP * 4;
        let mut starts = 0;
        for urgent in classes {
            // Everybody floods with whatever is most urgent to them.
            for session in 0..sessions {
                submit(&mut queue, session, urgent, now);
            }
            let ended = Event::Ended { job: running, took: S, next: After::Final(JobState::Succeeded) };
            let started = queue.step(ended, now);
            let next = started.iter().find_map(|e| match e { Effect::Start(j) => Some(*j), _ => None });
            running = next.expect("somebody always waits");
            starts += 1;
            if running == mine { break }
            now = now + S;
        }
        prop_assert!(running == mine, "it never started");
        let bound = (before + 1) * sessions as usize + 1;
        prop_assert!(starts <= bound, "{starts} starts, {bound} were promised");
    }

    /// The same for jobs of any length: what another session has before a job that waited is bounded by what can be owed, and
    /// not by how long anybody's jobs took before.
    #[test]
    fn waiting_is_bounded_in_time(
        first in 1..86_400_u32,
        before in 0..3_usize,
        sessions in 2..5_u64,
        lengths in proptest::collection::vec(1..100_u32, 2000),
    ) {
        let mut queue = Queue::new(Caps::slots(1));
        let (mut now, mut seq) = (at(0), 0_u64);
        let mut submit = |queue: &mut Queue, session: u64, now: Mono| {
            seq += 1;
            let ticket = Ticket { priority: Priority::Critical, ..of(&format!("s{session}"), seq) };
            let starts = queue.step(Event::Submitted(ticket, Vec::new()), now);
            (id(seq), session, starts)
        };
        let (job, session, _) = submit(&mut queue, 0, now);
        let mut running = (job, session);
        for _ in 0..before {
            submit(&mut queue, 0, now);
        }
        let (mine, ..) = submit(&mut queue, 0, now);
        let mut owners: HashMap<JobId, u64> = HashMap::new();
        let (mut had, mut took) = (vec![Duration::ZERO; sessions as usize], S * first);
        for length in lengths {
            for session in 1..sessions {
                let (job, session, _) = submit(&mut queue, session, now);
                owners.insert(job, session);
            }
            now = now + took;
            let ended = Event::Ended { job: running.0, took, next: After::Final(JobState::Succeeded) };
            let started = queue.step(ended, now);
            let next = started.iter().find_map(|e| match e { Effect::Start(j) => Some(*j), _ => None });
            running.0 = next.expect("somebody always waits");
            running.1 = owners.get(&running.0).copied().unwrap_or(0);
            if running.0 == mine { break }
            took = S * length;
            had[running.1 as usize] += took;
        }
        prop_assert!(running.0 == mine, "it never started");
        let bound = (limits::SHARE_LAG + S * 200) * (before as u32 + 1);
        for had in &had[1..] {
            prop_assert!(*had <= bound, "{had:?} went before it, {bound:?} were promised");
        }
    }
}
