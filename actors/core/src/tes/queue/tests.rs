use super::*;
use crate::tes::job::{Edge, Priority, WaitingFor};

mod ahead;
mod model;

const S: Duration = Duration::from_secs(1);

fn at(seconds: u64) -> Mono {
    Mono::ZERO + Duration::from_secs(1_000_000 + seconds)
}

fn id(n: u64) -> JobId {
    JobId::drawn(n)
}

/// A job number `n`: normal, of session `s`, running script `x`, one slot.
fn job(n: u64) -> Ticket {
    Ticket {
        id: id(n),
        seq: n,
        priority: Priority::Normal,
        session: "s".into(),
        script: "x".into(),
        specialist: None,
        group: None,
        slots: 1,
        not_before: None,
        start_by: None,
        bytes: 10,
        held: false,
        since: None,
    }
}

fn of(session: &str, n: u64) -> Ticket {
    Ticket { session: session.into(), ..job(n) }
}

struct Bench {
    queue: Queue,
    now: Mono,
    ends: Vec<(u64, JobState)>,
    recalls: usize,
}

impl Bench {
    fn new(slots: u32) -> Self {
        Bench { queue: Queue::new(Caps::slots(slots)), now: at(0), ends: Vec::new(), recalls: 0 }
    }

    /// Steps; answers who starts.
    fn step(&mut self, event: Event) -> Vec<u64> {
        let mut starts = Vec::new();
        for effect in self.queue.step(event, self.now) {
            match effect {
                Effect::Start(job) => starts.push(number(job)),
                Effect::Became(job, state) if state.is_final() => self.ends.push((number(job), state)),
                Effect::Fail(job, why) => self.ends.push((number(job), why.state())),
                Effect::Recall => self.recalls += 1,
                Effect::Became(..) | Effect::Stop(_) => {}
            }
        }
        starts
    }

    fn submit(&mut self, ticket: Ticket) -> Vec<u64> {
        self.step(Event::Submitted(ticket, Vec::new()))
    }

    fn after(&mut self, ticket: Ticket, parent: u64, edge: Edge) -> Vec<u64> {
        self.step(Event::Submitted(ticket, vec![Parent { id: id(parent), edge, ended: None }]))
    }

    fn end(&mut self, n: u64) -> Vec<u64> {
        self.end_as(n, JobState::Succeeded)
    }

    fn end_as(&mut self, n: u64, state: JobState) -> Vec<u64> {
        self.step(Event::Ended { job: id(n), took: S, next: After::Final(state) })
    }

    fn state(&self, n: u64) -> Option<JobState> {
        self.queue.state(id(n))
    }

    /// Ends what runs, one by one, until nothing more starts; answers the order of starts.
    fn run_out(&mut self, mut running: Vec<u64>) -> Vec<u64> {
        let mut order = Vec::new();
        while let Some(n) = (!running.is_empty()).then(|| running.remove(0)) {
            order.push(n);
            running.extend(self.end(n));
        }
        order
    }
}

fn number(job: JobId) -> u64 {
    u64::from_str_radix(&job.to_string(), 16).unwrap()
}

#[test]
fn equal_jobs_start_in_their_order() {
    let mut b = Bench::new(2);
    let mut running = Vec::new();
    for n in 1..=6 {
        running.extend(b.submit(job(n)));
    }
    assert_eq!(running, [1, 2]);
    assert_eq!(b.run_out(running), [1, 2, 3, 4, 5, 6]);
    assert!(b.queue.is_empty());
}

#[test]
fn the_urgent_goes_first() {
    let mut b = Bench::new(1);
    let running = b.submit(job(1));
    for (n, priority) in Priority::ALL.into_iter().rev().enumerate() {
        b.submit(Ticket { priority, ..job(10 + n as u64) });
    }
    assert_eq!(b.queue.depths(), [1; 5]);
    assert_eq!(b.run_out(running), [1, 14, 13, 12, 11, 10]);
}

#[test]
fn a_waiting_job_rises_class_by_class() {
    let mut b = Bench::new(1);
    b.submit(job(1));
    b.submit(Ticket { priority: Priority::Batch, ..job(2) });
    b.now = b.now + limits::AGE_STEP * 2;
    b.submit(Ticket { priority: Priority::High, ..job(3) });
    b.submit(Ticket { priority: Priority::Normal, ..job(4) });
    // Two steps made it normal, and it waited longer than the other normal one.
    assert_eq!(b.end(1), [3]);
    assert_eq!(b.end(3), [2]);
}

#[test]
fn after_four_steps_nothing_of_its_session_that_came_later_goes_first() {
    let mut b = Bench::new(1);
    b.submit(job(1));
    b.submit(Ticket { priority: Priority::Batch, ..job(2) });
    b.now = b.now + limits::AGE_STEP * 4;
    b.submit(Ticket { priority: Priority::Critical, ..job(3) });
    assert_eq!(b.end(1), [2]);
}

#[test]
fn sessions_share_whatever_one_of_them_submits() {
    let mut b = Bench::new(2);
    let mut running = Vec::new();
    for n in 0..2_000 {
        running.extend(b.submit(of("flood", n)));
    }
    for s in 0..9 {
        for k in 0..50 {
            running.extend(b.submit(of(&format!("calm{s}"), 10_000 + s * 100 + k)));
        }
    }
    let mut starts: HashMap<u64, usize> = HashMap::new();
    for _ in 0..400 {
        let n = running.remove(0);
        *starts.entry(if n < 10_000 { 99 } else { (n - 10_000) / 100 }).or_default() += 1;
        running.extend(b.end(n));
    }
    let fair = 400 / 10;
    for s in 0..9 {
        assert!(starts[&s] * 10 >= fair * 8, "session {s} got {} of {fair}: {starts:?}", starts[&s]);
    }
}

#[test]
fn short_jobs_that_began_alone_are_no_head_start() {
    let mut b = Bench::new(4);
    let mut running = Vec::new();
    for n in 0..1_000 {
        running.extend(b.submit(of("flood", n)));
    }
    let took = Duration::from_millis(10);
    let end =
        |b: &mut Bench, n| b.step(Event::Ended { job: id(n), took, next: After::Final(JobState::Succeeded) });
    for _ in 0..8 {
        let n = running.remove(0);
        running.extend(end(&mut b, n));
    }
    for n in 2_000..2_100 {
        running.extend(b.submit(of("calm", n)));
    }
    let mut calm = 0;
    for _ in 0..100 {
        let n = running.remove(0);
        let began = end(&mut b, n);
        calm += began.iter().filter(|n| **n >= 2_000).count();
        running.extend(began);
    }
    assert!((40..=60).contains(&calm), "{calm} of 100 were of the session that came late");
}

#[test]
fn a_session_that_slept_claims_nothing_for_that_time() {
    let mut b = Bench::new(1);
    let mut running = b.submit(of("a", 1));
    for n in 2..50 {
        b.submit(of("a", n));
    }
    for _ in 0..20 {
        running = b.end(running[0]);
    }
    for n in 100..150 {
        b.submit(of("b", n));
    }
    let mut of_b = 0;
    for _ in 0..20 {
        running = b.end(running[0]);
        of_b += usize::from(running[0] >= 100);
    }
    assert!((9..=11).contains(&of_b), "{of_b} of 20 were of the session that came late");
}

#[test]
fn limits_hold_and_others_pass() {
    let mut b = Bench::new(4);
    let mut caps = Caps::slots(4);
    caps.scripts.insert("x".into(), 1);
    caps.groups.insert("g".into(), 2);
    caps.specialists.insert("p".into(), 0);
    b.step(Event::Caps(caps));
    assert_eq!(b.submit(job(1)), [1]);
    assert!(b.submit(job(2)).is_empty());
    let other = |n| Ticket { script: "y".into(), group: Some("g".into()), ..job(n) };
    assert_eq!(b.submit(other(3)), [3]);
    assert_eq!(b.submit(other(4)), [4]);
    assert!(b.submit(other(5)).is_empty());
    assert!(b.submit(Ticket { script: "z".into(), specialist: Some("p".into()), ..job(6) }).is_empty());
    assert_eq!(b.submit(Ticket { script: "z".into(), ..job(7) }), [7]);
    let why = |b: &Bench, n| b.queue.waiting_for(id(n), b.now).map(|w| w.to_string());
    assert_eq!(why(&b, 2).unwrap(), "script x, which may use 1 slots");
    assert_eq!(why(&b, 5).unwrap(), "group g, which may use 2 slots");
    assert_eq!(why(&b, 6).unwrap(), "specialist p, which may use 0 slots");
    assert_eq!(why(&b, 7), None);
    assert_eq!(b.end(1), [2]);
}

#[test]
fn a_heavy_job_lets_small_ones_pass_for_one_step_only() {
    let mut b = Bench::new(2);
    b.submit(Ticket { script: "a".into(), ..job(1) });
    b.submit(Ticket { script: "b".into(), ..job(2) });
    b.submit(Ticket { slots: 2, script: "heavy".into(), ..job(3) });
    b.submit(job(4));
    assert_eq!(b.end(1), [4], "it does not fit into one slot yet");
    b.submit(job(5));
    b.now = b.now + limits::AGE_STEP;
    assert!(b.end(2).is_empty(), "a slot is kept for it");
    assert_eq!(b.end(4), [3]);
    assert_eq!(b.end(3), [5]);
}

#[test]
fn a_job_larger_than_the_queue_runs_alone() {
    let mut b = Bench::new(2);
    b.submit(job(1));
    b.submit(Ticket { slots: 9, ..job(2) });
    b.now = b.now + limits::AGE_STEP;
    b.submit(job(3));
    assert_eq!(b.end(1), [2]);
    assert_eq!(b.end(2), [3]);
}

#[test]
fn time_and_patience() {
    let mut b = Bench::new(1);
    b.submit(job(1));
    b.submit(Ticket { not_before: Some(at(10)), ..job(2) });
    b.submit(Ticket { start_by: Some(at(5)), ..job(3) });
    assert_eq!((b.state(2), b.queue.next_due()), (Some(JobState::Delayed), Some(at(5))));
    b.now = at(5);
    b.step(Event::Tick);
    assert_eq!(b.ends, [(3, JobState::Failed)]);
    b.now = at(10);
    b.step(Event::Tick);
    assert_eq!((b.state(2), b.queue.next_due()), (Some(JobState::Queued), None));
    assert_eq!(b.end(1), [2]);
    assert!(b.step(Event::Ended { job: id(2), took: S, next: After::Again(at(60)) }).is_empty());
    assert_eq!(b.state(2), Some(JobState::Delayed));
    b.now = at(60);
    assert_eq!(b.step(Event::Tick), [2]);
}

#[test]
fn what_waits_for_others_starts_or_fails_with_them() {
    let mut b = Bench::new(1);
    b.submit(job(1));
    b.after(job(2), 1, Edge::Success);
    b.after(job(3), 1, Edge::Failure);
    b.after(job(4), 1, Edge::End);
    b.after(job(5), 3, Edge::Success);
    b.after(job(6), 3, Edge::End);
    assert_eq!(b.queue.waiting_for(id(5), b.now), Some(WaitingFor::Jobs(vec![id(3)])));
    assert_eq!(b.end(1), [2]);
    assert_eq!(b.ends, [(1, JobState::Succeeded), (3, JobState::Failed), (5, JobState::Failed)]);
    assert_eq!((b.state(4), b.state(6)), (Some(JobState::Queued), Some(JobState::Queued)));
    assert_eq!(b.run_out(vec![2]), [2, 4, 6]);
    // A parent that had ended before decides at once.
    let parent = Parent { id: id(1), edge: Edge::Failure, ended: Some(JobState::Succeeded) };
    assert!(b.step(Event::Submitted(job(7), vec![parent])).is_empty());
    assert_eq!(b.ends.last(), Some(&(7, JobState::Failed)));
}

#[test]
fn a_long_chain_falls_without_recursion() {
    let mut b = Bench::new(1);
    b.submit(job(1));
    for n in 2..20_000 {
        b.after(job(n), n - 1, Edge::Success);
    }
    b.end_as(1, JobState::Failed);
    assert!(b.queue.is_empty());
    assert_eq!(b.ends.len(), 19_999);
}

#[test]
fn held_cancelled_released() {
    let mut b = Bench::new(1);
    b.submit(job(1));
    b.submit(job(2));
    b.step(Event::Hold(id(2)));
    assert_eq!(b.state(2), Some(JobState::Held));
    b.submit(job(3));
    assert_eq!(b.end(1), [3]);
    b.step(Event::Release(id(2)));
    b.submit(job(4));
    b.step(Event::Cancel(id(4)));
    assert_eq!(b.ends.last(), Some(&(4, JobState::Cancelled)));
    // Whoever asks again is heard again, for the first order may have come to nobody; it ends once, whatever its attempt says.
    for _ in 0..2 {
        assert_eq!(b.queue.step(Event::Cancel(id(3)), b.now), [Effect::Stop(id(3))]);
    }
    let again = Event::Ended { job: id(3), took: S, next: After::Again(at(9)) };
    assert_eq!(b.step(again), [2]);
    assert_eq!(b.ends.last(), Some(&(3, JobState::Cancelled)));
    assert!(b.end(3).is_empty(), "a second end says nothing");
}

#[test]
fn a_closed_queue_starts_nothing_and_adopted_jobs_count() {
    let mut b = Bench::new(1);
    b.step(Event::Open(false));
    assert!(b.submit(job(1)).is_empty());
    assert_eq!(b.queue.waiting_for(id(1), b.now), Some(WaitingFor::Queue));
    b.step(Event::Adopted(job(7)));
    b.step(Event::Adopted(job(8)));
    assert!(b.step(Event::Open(true)).is_empty());
    assert_eq!(b.queue.running(), 2);
    assert!(b.end(7).is_empty());
    assert_eq!(b.end(8), [1]);
}

#[test]
fn admission_counts_jobs_and_bytes() {
    let mut b = Bench::new(1);
    assert_eq!(b.queue.admit(1), Ok(()));
    b.submit(Ticket { bytes: u32::MAX, ..job(1) });
    assert_eq!(b.queue.admit(1), Err(Refusal::Bytes(u64::from(u32::MAX))));
    b.end(1);
    assert_eq!(b.queue.admit(1), Ok(()));
}

#[test]
fn names_that_nobody_bears_are_forgotten() {
    let mut b = Bench::new(1);
    let mut running = Vec::new();
    for n in 0..1_000 {
        let ticket = Ticket { specialist: Some(format!("p{n}").into()), ..of(&format!("s{n}"), n) };
        running.extend(b.submit(ticket));
        running = running.into_iter().flat_map(|n| b.end(n)).collect();
    }
    assert!(b.queue.lanes.numbers_given() <= 8, "{}", b.queue.lanes.numbers_given());
}

#[test]
fn a_session_that_is_gone_for_a_moment_has_used_what_it_used() {
    let mut b = Bench::new(1);
    assert_eq!(b.submit(of("long", 1)), [1]);
    for n in 2..=200 {
        b.submit(of("short", n));
    }
    b.now = b.now + S * 3600;
    let took = S * 3600;
    let mut next = b.step(Event::Ended { job: id(1), took, next: After::Final(JobState::Succeeded) });
    // It comes back while the first job of the other runs, as urgent as what has waited for an hour.
    b.submit(Ticket { priority: Priority::Critical, ..of("long", 201) });
    let mut others = 0;
    while next != [201] {
        others += 1;
        b.now = b.now + S;
        next = b.end(next[0]);
    }
    assert!((55..=65).contains(&others), "{others} jobs of a second for one of an hour");
}
