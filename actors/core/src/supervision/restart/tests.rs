//! The rules one by one; the names are those of OTP's `supervisor_SUITE` where it has the case.

use std::time::Duration;

use super::*;
use crate::supervision::{AutoShutdown, Backoff, Intensity, OnIntensity, Shutdown, Strategy};

mod commands;
mod groups;
pub(super) mod world;
use world::{Manners, World, id};

const PERMANENT: ChildPolicy = ChildPolicy {
    restart: Restart::Permanent,
    shutdown: Shutdown::After(Duration::from_secs(5)),
    significant: false,
    backoff: Backoff::NONE,
};
const TRANSIENT: ChildPolicy = ChildPolicy { restart: Restart::Transient, ..PERMANENT };
const TEMPORARY: ChildPolicy = ChildPolicy { restart: Restart::Temporary, ..PERMANENT };

fn policy(strategy: Strategy, restarts: u32) -> Policy {
    let intensity = Some(Intensity { restarts, period: Duration::from_secs(60) });
    Policy { strategy, intensity, ..Policy::default() }
}

const ONE: Strategy = Strategy::OneForOne;

#[test]
fn starts_forward_and_stops_in_reverse() {
    let mut w = World::new(policy(ONE, 3), &[("a", PERMANENT), ("b", TRANSIENT), ("c", TEMPORARY)]);
    w.step(Event::Begin);
    assert_eq!(w.seen(), "start a, start b, start c");
    w.step(Event::Stop { hurry: false });
    assert_eq!(w.seen(), "ask c, ask b, ask a, done: shut down");
    assert!(w.planner.ended());
}

#[test]
fn an_initial_child_that_does_not_start_takes_the_supervisor_along() {
    let mut w = World::new(policy(ONE, 3), &[("a", PERMANENT), ("b", PERMANENT), ("c", PERMANENT)]);
    w.fails.insert(id("c"), 1);
    w.step(Event::Begin);
    assert_eq!(w.seen(), "start a, start b, fail c, ask b, ask a, done: child c did not start: no");
}

#[test]
fn permanent_normal_and_abnormal_come_back() {
    let mut w = World::up(policy(ONE, 9), &[("a", PERMANENT)]);
    for exit in [Exit::Normal, Exit::Shutdown, Exit::Killed, Exit::Crashed("x".into())] {
        w.exit("a", exit);
        assert_eq!(w.seen(), "start a");
    }
}

#[test]
fn transient_normal_stays_down_and_abnormal_comes_back() {
    let mut w = World::up(policy(ONE, 9), &[("a", TRANSIENT)]);
    w.crash("a");
    w.exit("a", Exit::Killed);
    assert_eq!(w.seen(), "start a, start a");
    w.exit("a", Exit::Normal);
    assert_eq!(w.seen(), "");
    assert_eq!(w.planner.children().count(), 1, "it stays known");
}

#[test]
fn temporary_is_forgotten() {
    let mut w = World::up(policy(ONE, 0), &[("a", TEMPORARY), ("b", TEMPORARY)]);
    w.crash("a");
    w.exit("b", Exit::Normal);
    assert_eq!(w.seen(), "");
    assert_eq!(w.planner.children().count(), 0);
}

#[test]
fn one_restart_too_many_escalates_with_the_reason() {
    let mut w = World::up(policy(ONE, 2), &[("a", PERMANENT), ("b", PERMANENT), ("c", PERMANENT)]);
    w.crash("b");
    w.wait(Duration::from_secs(30));
    w.crash("b");
    assert_eq!(w.seen(), "start b, start b");
    w.wait(Duration::from_secs(30));
    w.crash("b");
    assert_eq!(w.seen(), "ask c, ask a, done: too many restarts, last of b: boom");
}

#[test]
fn restarts_older_than_the_period_do_not_count() {
    let mut w = World::up(policy(ONE, 2), &[("a", PERMANENT)]);
    for _ in 0..20 {
        w.crash("a");
        w.wait(Duration::from_secs(31));
    }
    assert!(!w.planner.ended());
}

#[test]
fn brutal_kill_does_not_ask() {
    let brutal = ChildPolicy { shutdown: Shutdown::BrutalKill, ..PERMANENT };
    let mut w = World::up(policy(ONE, 2), &[("a", PERMANENT), ("b", brutal)]);
    w.step(Event::Stop { hurry: false });
    assert_eq!(w.seen(), "kill b, ask a, done: shut down");
}

#[test]
fn a_child_that_refuses_is_killed_after_its_time_and_the_next_waits_for_it() {
    let mut w = World::up(policy(ONE, 2), &[("a", PERMANENT), ("b", PERMANENT), ("c", PERMANENT)]);
    w.behave("b", Manners::Refuses);
    w.behave("a", Manners::Takes(Duration::from_secs(4)));
    let began = w.now;
    w.step(Event::Stop { hurry: false });
    assert_eq!(w.seen(), "ask c, ask b");
    w.settle();
    assert_eq!(w.seen(), "kill b, ask a, done: shut down");
    assert_eq!(w.now.since(began), Duration::from_secs(9));
}

#[test]
fn infinity_arms_no_timer() {
    let patient = ChildPolicy { shutdown: Shutdown::Infinity, ..PERMANENT };
    let mut w = World::up(policy(ONE, 2), &[("a", patient)]);
    w.behave("a", Manners::Takes(Duration::from_hours(1000)));
    w.step(Event::Stop { hurry: false });
    w.settle();
    assert_eq!(w.seen(), "ask a, done: shut down");
}

#[test]
fn a_hurry_kills_who_is_being_asked_and_asks_nobody_else() {
    let mut w = World::up(policy(ONE, 2), &[("a", PERMANENT), ("b", PERMANENT)]);
    w.behave("b", Manners::Refuses);
    w.step(Event::Stop { hurry: false });
    w.step(Event::Stop { hurry: true });
    assert_eq!(w.seen(), "ask b, kill b, kill a, done: shut down");
}

#[test]
fn a_child_that_dies_while_others_stop_is_not_asked() {
    let mut w = World::up(policy(ONE, 2), &[("a", PERMANENT), ("b", PERMANENT)]);
    w.behave("b", Manners::Takes(Duration::from_secs(1)));
    w.step(Event::Stop { hurry: false });
    w.crash("a");
    w.settle();
    assert_eq!(w.seen(), "ask b, done: shut down");
}

#[test]
fn hanging_restart_loop_is_charged_and_stays_open_to_requests() {
    let mut w = World::up(policy(ONE, 3), &[("a", PERMANENT), ("b", PERMANENT)]);
    w.fails.insert(id("a"), 99);
    w.crash("a");
    assert_eq!(w.seen(), "fail a", "the next try comes after other events had their turn");
    let stop = w.ask(Command::Terminate(id("a")));
    w.settle();
    assert_eq!(w.answers, [(stop, Ok(()))]);
    assert_eq!(w.seen(), "", "a pending restart is called off");
    assert!(!w.planner.ended());
}

#[test]
fn a_restart_that_keeps_failing_escalates() {
    let mut w = World::up(policy(ONE, 3), &[("a", PERMANENT), ("b", PERMANENT)]);
    w.fails.insert(id("a"), 99);
    w.crash("a");
    w.settle();
    assert_eq!(w.seen(), "fail a, fail a, fail a, ask b, done: too many restarts, last of a: no");
}

#[test]
fn stale_exits_and_timers_are_dropped() {
    let mut w = World::up(policy(ONE, 1), &[("a", PERMANENT)]);
    let old = w.alive["a"];
    w.crash("a");
    w.step(Event::Exited(id("a"), old, Exit::Killed));
    w.step(Event::Fired(Timer { id: id("a"), generation: old, kind: TimerKind::Restart }));
    w.step(Event::Fired(Timer { id: id("a"), generation: w.alive["a"], kind: TimerKind::Grace }));
    w.step(Event::Ready(id("nobody"), old));
    assert_eq!(w.seen(), "start a");
}

#[test]
fn generations_go_on_from_where_they_are_told() {
    let w = World::up(policy(ONE, 1), &[("a", PERMANENT), ("b", PERMANENT)]);
    assert_eq!((w.alive["a"], w.alive["b"]), (Generation(101), Generation(102)));
    assert_eq!(w.planner.last_generation(), Generation(102));
}

fn backed_off(initial_ms: u64, max_ms: u64) -> ChildPolicy {
    let (initial, max) = (Duration::from_millis(initial_ms), Duration::from_millis(max_ms));
    ChildPolicy { backoff: Backoff::exponential(initial, max), ..PERMANENT }
}

#[test]
fn backoff_grows_until_the_child_is_ready_or_stable() {
    let mut w = World::up(policy(ONE, 1000), &[("a", backed_off(100, 10_000))]);
    let bounds = |w: &World| w.waits.iter().map(Duration::as_millis).collect::<Vec<_>>();
    let longest = |w: &mut World, n: u32| {
        w.waits.clear();
        for _ in 0..n {
            w.crash("a");
            w.settle();
        }
        *bounds(w).iter().max().unwrap()
    };
    assert!(longest(&mut w, 30) > 5_000, "grew");
    w.step(Event::Ready(id("a"), w.alive["a"]));
    assert!(longest(&mut w, 1) <= 100, "ready starts anew");
    assert!(longest(&mut w, 30) > 5_000);
    w.wait(Duration::from_secs(10));
    assert!(longest(&mut w, 1) <= 100, "stable starts anew");
}

#[test]
fn a_pending_restart_is_called_off_by_a_stop() {
    let mut w = World::up(policy(ONE, 9), &[("a", backed_off(60_000, 60_000)), ("b", PERMANENT)]);
    w.crash("a");
    assert_eq!(w.seen(), "");
    w.step(Event::Stop { hurry: false });
    assert_eq!(w.seen(), "ask b, done: shut down");
    assert!(!w.next_due(), "no timer is left");
}

fn resting(strategy: Strategy) -> Policy {
    let on_intensity = OnIntensity::Quarantine(Duration::from_secs(300));
    Policy { on_intensity, ..policy(strategy, 1) }
}

#[test]
fn quarantine_rests_the_child_and_only_it() {
    let mut w = World::up(resting(ONE), &[("a", PERMANENT), ("b", PERMANENT)]);
    w.crash("a");
    w.crash("b");
    assert_eq!(w.seen(), "start a, start b", "each has its own count");
    w.crash("a");
    assert_eq!(w.seen(), "rest a");
    assert_eq!(w.waits, [Duration::from_secs(300)]);
    w.settle();
    assert_eq!(w.seen(), "start a", "and is tried again");
    w.crash("a");
    assert_eq!(w.seen(), "start a", "with a clean record");
}

#[test]
fn quarantine_of_a_group_holds_the_group() {
    let mut w = World::up(resting(Strategy::OneForAll), &[("a", PERMANENT), ("b", PERMANENT)]);
    w.crash("a");
    w.crash("a");
    assert_eq!(w.seen(), "ask b, start a, start b, ask b, rest a");
    w.settle();
    assert_eq!(w.seen(), "start a, start b");
}

fn significant(auto_shutdown: AutoShutdown) -> World {
    let sig = ChildPolicy { significant: true, ..TRANSIENT };
    let policy = Policy { auto_shutdown, ..policy(ONE, 9) };
    World::up(policy, &[("a", sig), ("b", sig), ("c", TRANSIENT)])
}

#[test]
fn any_significant_ends_on_the_first_normal_end() {
    let mut w = significant(AutoShutdown::AnySignificant);
    w.exit("c", Exit::Normal);
    w.crash("a");
    assert_eq!(w.seen(), "start a", "a crash of a transient one is a restart");
    w.exit("a", Exit::Shutdown);
    assert_eq!(w.seen(), "ask b, done: shut down because significant child a ended");
}

#[test]
fn all_significant_ends_on_the_last() {
    let mut w = significant(AutoShutdown::AllSignificant);
    w.exit("a", Exit::Normal);
    assert_eq!(w.seen(), "");
    w.exit("b", Exit::Normal);
    assert_eq!(w.seen(), "ask c, done: shut down because significant child b ended");
}

#[test]
fn a_terminated_significant_child_ends_nothing() {
    let mut w = significant(AutoShutdown::AnySignificant);
    assert_eq!(w.answer(Command::Terminate(id("a"))), Ok(()));
    assert!(!w.planner.ended());
}

#[test]
fn contradictions_are_refused() {
    let planner = |p: Policy, c: &[(&str, ChildPolicy)]| {
        Planner::new(p, c.iter().map(|(n, c)| (id(n), *c)), Generation(0), 0).map(|_| ()).unwrap_err()
    };
    let sig = ChildPolicy { significant: true, ..TRANSIENT };
    let auto = Policy { auto_shutdown: AutoShutdown::AnySignificant, ..Policy::default() };
    let never = Policy::default();
    assert_eq!(planner(never.clone(), &[("a", sig)]), SpecError::SignificantNever(id("a")));
    let permanent = ChildPolicy { significant: true, ..PERMANENT };
    assert_eq!(planner(auto, &[("a", permanent)]), SpecError::SignificantPermanent(id("a")));
    let twice = [("a", PERMANENT), ("a", PERMANENT)];
    assert_eq!(planner(never.clone(), &twice), SpecError::Duplicate(id("a")));
    let few = Policy { children_max: 1, ..never };
    assert_eq!(planner(few, &[("a", PERMANENT), ("b", PERMANENT)]), SpecError::TooMany(1));
}
