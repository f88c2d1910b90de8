//! Attempts that wait for room, some of them in the hand of a shim that runs another one.

use std::time::{Duration, Instant};

use tsup_core::limits::ORDER_HANDED_BYTES_MAX;
use tsup_core::tes::attempt::plan::{News, Order, Plan};
use tsup_core::tes::attempt::{Cause, End, Found};

use crate::harness::eventually;
use crate::shim::{CALLED_BACK, Server};

fn start(s: &Server, job: u64, within: u32, script: &str) -> Order {
    Order::Start(Box::new(Plan { within, ..s.plan(job, script) }))
}

/// Orders two that come together, with room for one of them.
fn order_two(s: &mut Server, job: u64, first: &str, second: &str) {
    let orders = [start(s, job, 1, first), start(s, job + 1, 1, second)];
    s.orders(&orders);
}

fn ended(news: News) -> u64 {
    match news {
        News::Done(record) if record.end == End::Exited(0) => record.id.job.number(),
        other => panic!("it was told {other:?}"),
    }
}

#[test]
fn what_waits_behind_an_attempt_that_goes_on_is_begun_elsewhere() {
    let mut s = Server::new();
    let hold = s.jobs.path().join("hold");
    let waits = format!("until [ -e {} ]; do sleep 0.02; done", hold.display());
    // Each of the two that run is handed one of the others.
    let orders = [(1, waits.as_str()), (2, "sleep 0.2"), (3, "true"), (4, "true")];
    let orders = orders.map(|(job, script)| start(&s, job, 2, script));
    s.orders(&orders);
    let first = ended(s.news());
    let mut others = [ended(s.news()), ended(s.news())];
    others.sort_unstable();
    assert_eq!((first, others), (2, [3, 4]));
    std::fs::write(&hold, "").unwrap();
    assert_eq!(ended(s.news()), 1);
}

/// Nobody has to be asked: the server is stopped while the one after that begins and ends.
#[test]
fn a_shim_goes_on_by_itself() {
    let mut s = Server::new();
    let stop = format!("sleep 0.005; kill -STOP {}", s.number());
    let server = rustix::process::Pid::from_raw(s.number().cast_signed()).unwrap();
    // A server that is slower than that has handed nothing out, and begins the other one itself.
    let went_on = (0..20).map(|round| 2 * round).any(|job| {
        order_two(&mut s, job, &stop, "true");
        let until = Instant::now() + Duration::from_secs(2);
        let has_ended = |s: &Server, job| s.found(Server::id(job)).record.is_some();
        while !has_ended(&s, job + 1) && Instant::now() < until {
            std::thread::park_timeout(Duration::from_millis(5));
        }
        let went_on = has_ended(&s, job + 1);
        rustix::process::kill_process(server, rustix::process::Signal::CONT).unwrap();
        assert_eq!((ended(s.news()), ended(s.news())), (job, job + 1));
        went_on
    });
    assert!(went_on);
}

#[test]
fn what_comes_back_did_not_begin() {
    let mut s = Server::new();
    for job in (0..40).step_by(2) {
        order_two(&mut s, job, "sleep 300", "true");
        eventually("the first one runs", || s.found(Server::id(job)).claim);
        let back = if job % 4 == 0 { Order::Recall } else { Order::Stop(Server::id(job + 1)) };
        s.order(&back);
        assert_eq!(s.news(), News::NotStarted(Server::id(job + 1), CALLED_BACK));
        s.order(&Order::Stop(Server::id(job)));
        assert!(matches!(s.news(), News::Done(record) if record.cause == Some(Cause::Cancel)));
        assert_eq!(s.found(Server::id(job + 1)).claim, None);
    }
}

/// A wish to end the next one comes before it is taken, while it begins, or behind that.
#[test]
fn a_stop_of_the_next_one_is_heard_whenever_it_comes() {
    let mut s = Server::new();
    for job in (0..160).step_by(2) {
        order_two(&mut s, job, "exit 0", "sleep 300");
        let until = Instant::now() + Duration::from_micros(100 * job);
        while Instant::now() < until {}
        s.order(&Order::Stop(Server::id(job + 1)));
        for _ in 0..2 {
            match s.news() {
                News::NotStarted(id, CALLED_BACK) => assert_eq!(id, Server::id(job + 1)),
                News::Done(record) if record.cause == Some(Cause::Cancel) => {
                    assert_eq!(record.id, Server::id(job + 1));
                }
                other => assert_eq!(ended(other), job),
            }
        }
    }
}

/// Both wishes come while the shim has not seen its first order yet, or a moment later.
#[test]
fn stops_of_both_are_heard_whenever_they_come() {
    let mut s = Server::new();
    for job in (0..120).step_by(3) {
        // The shim that ran this one waits.
        s.run(s.plan(job, "true"));
        order_two(&mut s, job + 1, "sleep 300", "sleep 300");
        let until = Instant::now() + Duration::from_micros(20 * job);
        while Instant::now() < until {}
        s.orders(&[job + 2, job + 1].map(|job| Order::Stop(Server::id(job))));
        for _ in 0..2 {
            match s.news() {
                News::NotStarted(_, CALLED_BACK) => {}
                News::Done(record) => assert_eq!(record.cause, Some(Cause::Cancel), "{record:?}"),
                other => panic!("it was told {other:?}"),
            }
        }
    }
}

/// Whatever becomes of a shim, what it has not begun is begun by another one, or comes back.
#[test]
fn what_a_shim_does_not_come_to_is_begun_by_another_one() {
    let mut s = Server::new();
    for (job, signal) in [(0, "KILL"), (2, "TERM"), (4, "KILL")] {
        order_two(&mut s, job, &format!("kill -{signal} $PPID; exec sleep 300"), "echo begun");
        match s.news() {
            News::Died(id) if signal == "KILL" => assert_eq!(id, Server::id(job)),
            News::Done(record) if signal == "TERM" => assert_eq!(record.id, Server::id(job)),
            other => panic!("{signal}: it was told {other:?}"),
        }
        match s.news() {
            // It was its turn already.
            News::NotStarted(id, CALLED_BACK) if signal == "TERM" => {
                assert_eq!((id, s.found(id)), (Server::id(job + 1), Found::default()));
            }
            other => {
                assert_eq!(ended(other), job + 1, "{signal}");
                assert_eq!(s.printed(job + 1, "stdout"), b"begun\n");
            }
        }
    }
}

/// An order that is too large to be handed over gets a shim of its own: these do not gather.
#[test]
fn no_more_shims_wait_than_there_are_slots() {
    let mut s = Server::new();
    for job in 1..=8 {
        let stdin = Some("x".repeat(ORDER_HANDED_BYTES_MAX));
        let plan = Plan { within: 2, stdin, ..s.plan(job, "true") };
        s.run(plan);
    }
    let shims = || tsup_actors::os::tree::children_of(s.number()).unwrap().len();
    eventually("the others have ended", || (shims() == 2).then_some(()));
}

/// What runs elsewhere takes room, as long as it does.
#[test]
fn an_attempt_waits_for_room_that_is_taken_elsewhere() {
    let mut s = Server::new();
    let hold = s.jobs.path().join("hold");
    let waits = format!("until [ -e {} ]; do sleep 0.02; done", hold.display());
    s.order(&Order::Elsewhere(2));
    for (job, script) in [(1, waits.as_str()), (2, "true")] {
        let plan = Plan { within: 2, ..s.plan(job, script) };
        s.order(&Order::Start(Box::new(plan)));
    }
    eventually("one runs where nothing of this server does", || s.found(Server::id(1)).claim);
    s.order(&Order::Stop(Server::id(2)));
    assert_eq!(s.news(), News::NotStarted(Server::id(2), CALLED_BACK), "there was no room");
    let plan = Plan { within: 2, ..s.plan(3, "true") };
    s.order(&Order::Start(Box::new(plan)));
    s.order(&Order::Elsewhere(0));
    assert!(matches!(s.news(), News::Done(record) if record.id == Server::id(3)));
    std::fs::write(&hold, "").unwrap();
    assert!(matches!(s.news(), News::Done(record) if record.id == Server::id(1)));
}

#[test]
fn each_of_many_that_wait_for_room_is_told_once() {
    let mut s = Server::new();
    for job in 1..=60 {
        let plan = Plan { within: 2, ..s.plan(job, "true") };
        s.order(&Order::Start(Box::new(plan)));
    }
    let ended: Vec<_> = (0..60)
        .map(|_| match s.news() {
            News::Done(record) => record.id,
            other => panic!("it was told {other:?}"),
        })
        .collect();
    for job in 1..=60 {
        assert_eq!(ended.iter().filter(|id| **id == Server::id(job)).count(), 1, "{job}: {ended:?}");
    }
}

/// What is ordered before there is room begins when something ends, in its order; or comes back.
#[test]
fn an_attempt_waits_for_room_and_comes_back_when_it_is_called() {
    let mut s = Server::new();
    let order = |s: &Server, job: u64, script: &str| {
        Order::Start(Box::new(Plan { within: 2, order: job, ..s.plan(job, script) }))
    };
    let hold = s.jobs.path().join("hold");
    let waits = format!("until [ -e {} ]; do sleep 0.02; done", hold.display());
    for job in 1..=5 {
        let order = order(&s, job, if job < 3 { &waits } else { "true" });
        s.order(&order);
    }
    s.order(&Order::Stop(Server::id(4)));
    assert_eq!(s.news(), News::NotStarted(Server::id(4), CALLED_BACK), "it is not there any more");
    s.order(&Order::Recall);
    assert_eq!(s.news(), News::NotStarted(Server::id(3), CALLED_BACK));
    assert_eq!(s.news(), News::NotStarted(Server::id(5), CALLED_BACK));
    for job in [6, 7] {
        let order = order(&s, job, "true");
        s.order(&order);
    }
    // One that takes more than there is begins when nothing runs.
    let large = Order::Start(Box::new(Plan { within: 1, slots: 3, order: 8, ..s.plan(8, "true") }));
    s.order(&large);
    std::fs::write(&hold, "").unwrap();
    let mut ended: Vec<_> = (0..5)
        .map(|_| match s.news() {
            News::Done(record) => record,
            other => panic!("it was told {other:?}"),
        })
        .collect();
    let large = ended.iter().position(|record| record.id == Server::id(8)).unwrap();
    let large = ended.swap_remove(large);
    for job in [6, 7] {
        assert!(ended.iter().any(|record| record.id == Server::id(job)), "{job} begins by itself");
    }
    assert!(ended.iter().all(|record| record.ended_at <= large.started_at), "it runs alone");
}
