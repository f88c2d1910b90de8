//! Requests at run time.

use super::*;

fn two() -> World {
    World::up(policy(ONE, 1), &[("a", PERMANENT), ("b", TEMPORARY)])
}

#[test]
fn children_come_and_go() {
    let mut w = two();
    assert_eq!(w.answer(Command::Start(id("c"), TRANSIENT)), Ok(()));
    assert_eq!(w.answer(Command::Terminate(id("c"))), Ok(()));
    assert_eq!(w.answer(Command::Restart(id("c"))), Ok(()));
    assert_eq!(w.answer(Command::Terminate(id("c"))), Ok(()));
    assert_eq!(w.answer(Command::Terminate(id("c"))), Ok(()), "twice is no error");
    assert_eq!(w.answer(Command::Delete(id("c"))), Ok(()));
    assert_eq!(w.seen(), "start c, ask c, start c, ask c");
    assert_eq!(w.planner.children().count(), 2);
}

#[test]
fn a_terminated_child_charges_nothing_and_a_temporary_one_is_forgotten() {
    let mut w = two();
    for _ in 0..5 {
        assert_eq!(w.answer(Command::Terminate(id("a"))), Ok(()));
        assert_eq!(w.answer(Command::Restart(id("a"))), Ok(()));
    }
    assert_eq!(w.answer(Command::Terminate(id("b"))), Ok(()));
    assert_eq!(w.answer(Command::Restart(id("b"))), Err(Refusal::NotFound(id("b"))));
}

#[test]
fn refusals_are_those_of_otp() {
    let mut w = two();
    assert_eq!(w.answer(Command::Start(id("a"), PERMANENT)), Err(Refusal::AlreadyStarted(id("a"))));
    assert_eq!(w.answer(Command::Restart(id("a"))), Err(Refusal::Running(id("a"))));
    assert_eq!(w.answer(Command::Delete(id("a"))), Err(Refusal::Running(id("a"))));
    for command in [Command::Terminate(id("x")), Command::Delete(id("x")), Command::Crash(id("x"))] {
        assert_eq!(w.answer(command), Err(Refusal::NotFound(id("x"))));
    }
    w.answer(Command::Terminate(id("a"))).unwrap();
    assert_eq!(w.answer(Command::Start(id("a"), PERMANENT)), Err(Refusal::AlreadyPresent(id("a"))));
    assert_eq!(w.answer(Command::Crash(id("a"))), Err(Refusal::NotRunning(id("a"))));
}

#[test]
fn a_child_that_does_not_start_is_not_added() {
    let mut w = two();
    w.fails.insert(id("c"), 1);
    let failed = Err(Refusal::StartFailed(id("c"), "no".into()));
    assert_eq!(w.answer(Command::Start(id("c"), PERMANENT)), failed);
    assert_eq!(w.planner.children().count(), 2);
    w.answer(Command::Terminate(id("a"))).unwrap();
    w.fails.insert(id("a"), 1);
    assert!(w.answer(Command::Restart(id("a"))).is_err());
    assert_eq!(w.answer(Command::Restart(id("a"))), Ok(()), "it stays known");
}

#[test]
fn no_more_children_than_allowed() {
    let mut w = World::up(Policy { children_max: 1, ..policy(ONE, 1) }, &[("a", PERMANENT)]);
    let many = Err(Refusal::Spec(SpecError::TooMany(1)));
    assert_eq!(w.answer(Command::Start(id("b"), PERMANENT)), many);
}

#[test]
fn the_drill_is_a_crash_like_any_other() {
    let mut w = World::up(policy(ONE, 1), &[("a", TRANSIENT)]);
    assert_eq!(w.answer(Command::Crash(id("a"))), Ok(()));
    assert_eq!(w.seen(), "kill a, start a");
    w.answer(Command::Crash(id("a"))).unwrap();
    assert_eq!(w.seen(), "kill a, done: too many restarts, last of a: killed");
    assert_eq!(w.answer_now(Command::Crash(id("a"))), Err(Refusal::ShuttingDown));
}

#[test]
fn a_child_on_its_way_down_is_waited_for() {
    let mut w = two();
    w.behave("b", Manners::Takes(Duration::from_secs(1)));
    let first = w.ask(Command::Terminate(id("b")));
    let second = w.ask(Command::Terminate(id("b")));
    let again = w.ask(Command::Start(id("b"), TEMPORARY));
    w.crash("a");
    assert_eq!(w.seen(), "ask b, start a", "the others go on");
    assert!(w.answers.is_empty());
    w.settle();
    assert_eq!(w.answers, [(first, Ok(())), (second, Ok(())), (again, Ok(()))]);
    assert_eq!(w.seen(), "start b");
}

#[test]
fn requests_wait_for_a_group_and_are_refused_by_a_stop() {
    let mut w = World::up(policy(Strategy::OneForAll, 3), &[("a", PERMANENT), ("b", PERMANENT)]);
    w.behave("a", Manners::Takes(Duration::from_secs(1)));
    w.crash("b");
    let start = w.ask(Command::Start(id("c"), PERMANENT));
    assert!(w.answers.is_empty());
    w.settle();
    assert_eq!(w.answers, [(start, Ok(()))]);
    assert_eq!(w.seen(), "ask a, start a, start b, start c");
    w.crash("b");
    let late = w.ask(Command::Delete(id("a")));
    w.step(Event::Stop { hurry: false });
    assert_eq!(w.answers[1], (late, Err(Refusal::ShuttingDown)));
    w.settle();
}
