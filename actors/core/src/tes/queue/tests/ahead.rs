//! Jobs that are handed out before a slot is free.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

const MS: Duration = Duration::from_millis(1);

fn caps(slots: u32) -> Caps {
    Caps { ahead: limits::AHEAD_MAX, ..Caps::slots(slots) }
}

impl Bench {
    /// One slot, jobs 1 to `n` of a script whose jobs took `took`, of which the first has started.
    fn taking(took: Duration, n: u64) -> Self {
        let mut b = Bench { queue: Queue::new(caps(1)), ..Bench::new(1) };
        assert_eq!(b.submit(job(0)), [0]);
        assert_eq!(b.submit(job(1)), [0; 0], "nothing is known of it yet");
        assert_eq!(b.end_after(0, took), [1]);
        for n in 2..=n {
            b.submit(job(n));
        }
        b
    }

    fn end_after(&mut self, n: u64, took: Duration) -> Vec<u64> {
        self.step(Event::Ended { job: id(n), took, next: After::Final(JobState::Succeeded) })
    }

    fn running(&self) -> Vec<u64> {
        (0..99).filter(|n| self.state(*n) == Some(JobState::Running)).collect()
    }
}

#[test]
fn those_that_end_soon_are_followed_at_once() {
    let took = limits::AHEAD_SPAN / 4;
    let mut b = Bench::taking(took, 9);
    assert_eq!(b.running(), [1, 2, 3, 4, 5], "one that runs, and some that wait for its end");
    assert_eq!(b.end_after(1, took), [6]);
    assert_eq!(b.end_after(2, took), [7]);
    assert_eq!(b.recalls, 0);
    // Whoever comes later waits behind those that went ahead, not between them.
    assert_eq!(b.submit(job(10)), [0; 0]);
    assert_eq!(b.run_out(vec![3, 4, 5, 6, 7]), [3, 4, 5, 6, 7, 8, 9, 10]);
    let slow = Bench::taking(limits::AHEAD_QUICK + MS, 9);
    assert_eq!(slow.running(), [1], "what takes longer is worth waiting for");
    let quick = Bench::taking(MS, 99);
    let many = 1 + limits::AHEAD_SPAN.as_millis() as usize;
    assert_eq!(quick.running().len(), many, "the shorter they are, the more");
}

#[test]
fn every_other_limit_holds_for_them() {
    let mut b = Bench::taking(MS, 1);
    b.step(Event::Caps(Caps { scripts: [("x".into(), 2)].into(), ..caps(1) }));
    for n in 2..=5 {
        b.submit(job(n));
    }
    assert_eq!(b.running(), [1, 2]);
    // Nor does a heavier one go ahead, nor anybody past it.
    b.step(Event::Caps(caps(1)));
    assert_eq!(b.running(), [1, 2, 3, 4, 5]);
    let mut b = Bench::taking(MS, 1);
    b.submit(Ticket { slots: 2, ..job(2) });
    b.submit(job(3));
    assert_eq!(b.running(), [1]);
    b.step(Event::Caps(Caps { ahead: 2, ..caps(0) }));
    assert_eq!(b.running(), [1], "without slots nothing starts");
}

#[test]
fn somebody_more_urgent_calls_them_back() {
    let mut b = Bench::taking(MS, 3);
    assert_eq!(b.running(), [1, 2, 3]);
    let urgent = |n| Ticket { priority: Priority::Critical, script: "slow".into(), ..job(n) };
    assert_eq!(b.submit(urgent(7)), [0; 0]);
    assert_eq!(b.recalls, 1);
    b.submit(urgent(8));
    assert_eq!(b.recalls, 1, "once is enough");
    for n in [3, 2] {
        assert_eq!(b.step(Event::NotBegun(id(n), b.now)), [0; 0]);
    }
    assert_eq!(b.end_after(1, MS), [7]);
    assert_eq!(b.run_out(vec![7]), [7, 8, 2, 3], "and are as old as they were");
}

#[test]
fn when_nothing_ends_they_come_back() {
    let mut b = Bench::taking(MS, 3);
    let due = b.now + limits::AHEAD_PATIENCE;
    assert_eq!(b.queue.next_due(), Some(due));
    b.now = due;
    b.step(Event::Tick);
    assert_eq!(b.recalls, 1);
    assert_eq!(b.step(Event::NotBegun(id(3), b.now)), [0; 0], "it does not go ahead again at once");
    b.now = due + limits::AHEAD_PATIENCE;
    b.step(Event::Tick);
    assert_eq!(b.recalls, 1, "it is on its way");
    b.now = b.queue.next_due().unwrap();
    b.step(Event::Tick);
    assert_eq!(b.recalls, 2, "one has not come yet");
    b.step(Event::Cancel(id(2)));
    b.step(Event::NotBegun(id(2), b.now));
    assert_eq!(b.ends.pop(), Some((2, JobState::Cancelled)));
    assert_eq!(b.queue.next_due(), None);
    assert_eq!(b.end_after(1, S * 60), [3]);
}

#[test]
fn one_that_comes_back_has_the_patience_that_it_had() {
    let mut b = Bench::taking(MS, 1);
    let by = b.now + S;
    b.submit(Ticket { start_by: Some(by), ..job(2) });
    assert_eq!(b.running(), [1, 2]);
    b.now = b.queue.next_due().unwrap();
    b.step(Event::Tick);
    b.step(Event::NotBegun(id(2), b.now));
    assert_eq!((b.recalls, b.queue.next_due()), (1, Some(by)));
    b.now = by;
    b.step(Event::Tick);
    assert_eq!(b.ends, [(0, JobState::Succeeded), (2, JobState::Failed)]);
}

/// After a restart of the supervisor: whoever waits for room then has nothing that ends to wait for.
#[test]
fn those_that_are_found_again_beyond_the_slots_are_called_back() {
    let mut b = Bench { queue: Queue::new(caps(2)), ..Bench::new(2) };
    for n in 1..=4 {
        b.step(Event::Adopted(job(n)));
    }
    b.now = b.queue.next_due().unwrap();
    b.step(Event::Tick);
    assert_eq!(b.recalls, 1);
    for n in [3, 4] {
        assert_eq!(b.step(Event::NotBegun(id(n), b.now)), [0; 0]);
    }
    assert_eq!(b.queue.next_due(), None);
    assert_eq!(b.end(1), [3]);
}

#[test]
fn what_has_not_begun_teaches_nothing() {
    let mut b = Bench::taking(S, 2);
    for _ in 0..100 {
        assert_eq!(b.step(Event::NotBegun(id(1), b.now)), [1]);
    }
    assert_eq!(b.running(), [1]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    /// Whoever runs them starts them in their order, as many as there are slots. Lengths are as they come, so most guesses
    /// are wrong.
    #[test]
    fn none_is_lost_and_none_waits_for_a_wrong_guess(
        slots in 1..4_u32,
        jobs in proptest::collection::vec((0..5_usize, 0..3_u8, 0..40_u32, 0..8_u64), 1..80),
    ) {
        let mut queue = Queue::new(caps(slots));
        let (mut now, mut next) = (at(0), 0);
        let mut handed: VecDeque<(JobId, Mono)> = VecDeque::new();
        let mut running: Vec<(JobId, Mono, Mono)> = Vec::new();
        while next < jobs.len() || !queue.is_empty() {
            let mut events = VecDeque::from([Event::Tick]);
            if let Some((class, script, ..)) = jobs.get(next) {
                let (priority, script) = (Priority::ALL[*class], format!("s{script}").into());
                events.push_back(Event::Submitted(Ticket { priority, script, ..job(next as u64) }, Vec::new()));
                next += 1;
            }
            now = now + MS * jobs[next - 1].3 as u32;
            let (ended, rest) = std::mem::take(&mut running).into_iter().partition(|(_, _, end)| *end <= now);
            running = rest;
            events.extend(Vec::into_iter(ended).map(|(job, since, _)| {
                Event::Ended { job, took: now.since(since), next: After::Final(JobState::Succeeded) }
            }));
            while let Some(event) = events.pop_front() {
                for effect in queue.step(event, now) {
                    match effect {
                        Effect::Start(job) => handed.push_back((job, now)),
                        Effect::Recall => {
                            events.extend(handed.drain(..).map(|(job, _)| Event::NotBegun(job, now)));
                        }
                        _ => {}
                    }
                }
                while running.len() < slots as usize && let Some((job, _)) = handed.pop_front() {
                    let length = jobs[number(job) as usize].2;
                    running.push((job, now, now + MS * length));
                }
                prop_assert!(handed.len() <= limits::AHEAD_MAX as usize);
            }
            let waits = |(_, since): &(JobId, Mono)| now.since(*since);
            let longest = handed.iter().map(waits).max().unwrap_or_default();
            let each = limits::AHEAD_PATIENCE + MS * 40;
            prop_assert!(longest <= each * 16, "one waits for {longest:?}");
            if next == jobs.len() { now = now + MS }
        }
        prop_assert!(running.is_empty() && handed.is_empty());
    }
}
