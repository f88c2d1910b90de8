//! one_for_all and rest_for_one.

use super::*;

const ALL: Strategy = Strategy::OneForAll;
const REST: Strategy = Strategy::RestForOne;

fn three(strategy: Strategy) -> World {
    World::up(policy(strategy, 3), &[("a", PERMANENT), ("b", PERMANENT), ("c", PERMANENT)])
}

#[test]
fn one_for_all_stops_in_reverse_and_starts_forward_for_one_charge() {
    let mut w = three(ALL);
    for _ in 0..3 {
        w.crash("b");
        assert_eq!(w.seen(), "ask c, ask a, start a, start b, start c");
    }
    w.crash("b");
    assert_eq!(w.seen(), "ask c, ask a, done: too many restarts, last of b: boom");
}

#[test]
fn rest_for_one_leaves_the_earlier_ones_alone() {
    let mut w = three(REST);
    w.crash("b");
    assert_eq!(w.seen(), "ask c, start b, start c");
    w.crash("a");
    assert_eq!(w.seen(), "ask c, ask b, start a, start b, start c");
    w.crash("c");
    assert_eq!(w.seen(), "start c");
}

#[test]
fn temporary_bystander_is_stopped_and_not_started_again() {
    for strategy in [ALL, REST] {
        let mut w = World::up(policy(strategy, 3), &[("a", PERMANENT), ("t", TEMPORARY), ("z", PERMANENT)]);
        w.crash("a");
        assert_eq!(w.seen(), "ask z, ask t, start a, start z");
        w.crash("a");
        assert_eq!(w.seen(), "ask z, start a, start z");
    }
}

#[test]
fn a_temporary_one_that_had_ended_is_not_started_again_but_a_transient_one_is() {
    let mut w = World::up(policy(ALL, 3), &[("t", TEMPORARY), ("n", TRANSIENT), ("a", PERMANENT)]);
    w.exit("t", Exit::Normal);
    w.exit("n", Exit::Normal);
    w.crash("a");
    assert_eq!(w.seen(), "start n, start a");
}

#[test]
fn two_that_crash_together_cost_one_round() {
    let mut w = three(ALL);
    w.behave("c", Manners::Takes(Duration::from_secs(1)));
    w.crash("b");
    w.crash("a");
    w.settle();
    assert_eq!(w.seen(), "ask c, start a, start b, start c");
}

#[test]
fn a_busy_sibling_is_waited_for() {
    let mut w = three(ALL);
    w.behave("a", Manners::Takes(Duration::from_secs(3)));
    w.crash("b");
    assert_eq!(w.seen(), "ask c, ask a");
    w.settle();
    assert_eq!(w.seen(), "start a, start b, start c");
}

#[test]
fn one_before_the_group_that_dies_meanwhile_has_its_turn_afterwards() {
    let mut w = three(REST);
    w.behave("c", Manners::Takes(Duration::from_secs(1)));
    w.crash("b");
    w.crash("a");
    assert_eq!(w.seen(), "ask c");
    w.behave("c", Manners::Obeys);
    w.settle();
    assert_eq!(w.seen(), "start b, start c, ask c, ask b, start a, start b, start c");
}

#[test]
fn other_child_fails_restart_and_the_next_try_begins_there() {
    let mut w = three(REST);
    w.fails.insert(id("b"), 1);
    w.crash("a");
    assert_eq!(w.seen(), "ask c, ask b, start a, fail b");
    w.settle();
    assert_eq!(w.seen(), "start b, start c");
    let mut w = three(ALL);
    w.fails.insert(id("b"), 1);
    w.crash("c");
    w.settle();
    assert_eq!(w.seen(), "ask b, ask a, start a, fail b, ask a, start a, start b, start c");
}

#[test]
fn a_group_waits_for_its_culprit() {
    let mut w =
        World::up(policy(REST, 9), &[("a", PERMANENT), ("b", backed_off(1000, 1000)), ("c", PERMANENT)]);
    w.crash("b");
    assert_eq!(w.seen(), "ask c");
    assert_eq!(w.answer_now(Command::Restart(id("c"))), Err(Refusal::Restarting(id("c"))));
    w.settle();
    assert_eq!(w.seen(), "start b, start c");
}

#[test]
fn an_earlier_crash_takes_over_a_waiting_group() {
    let mut w =
        World::up(policy(REST, 9), &[("a", PERMANENT), ("b", backed_off(1000, 1000)), ("c", PERMANENT)]);
    w.crash("b");
    w.crash("a");
    assert_eq!(w.seen(), "ask c, start a, start b, start c");
    assert!(!w.next_due(), "the old timer is called off");
}

#[test]
fn a_group_whose_culprit_is_terminated_is_started_without_it() {
    let mut w =
        World::up(policy(ALL, 9), &[("a", PERMANENT), ("b", backed_off(60_000, 60_000)), ("c", PERMANENT)]);
    w.crash("b");
    assert_eq!(w.seen(), "ask c, ask a");
    assert_eq!(w.answer_now(Command::Terminate(id("b"))), Ok(()));
    assert_eq!(w.seen(), "start a, start c");
}

#[test]
fn a_stop_in_the_middle_of_a_restart_goes_on_from_there() {
    let mut w = three(ALL);
    w.behave("a", Manners::Takes(Duration::from_secs(1)));
    w.crash("b");
    w.step(Event::Stop { hurry: false });
    w.settle();
    assert_eq!(w.seen(), "ask c, ask a, done: shut down");
}
