use proptest::prelude::*;

use super::*;
use crate::fleet::state::Detail;

mod outlived;

const GRACE: Duration = Duration::from_secs(120);
const OLD: Duration = Duration::from_secs(600);

fn at(ms: u64) -> Moment {
    Moment {
        mono: Mono::from_origin(Duration::from_hours(24) + Duration::from_millis(ms)),
        wall: Wall::from_unix_ms(i64::try_from(ms).unwrap()),
    }
}

fn proc(pid: u32) -> ProcId {
    ProcId { pid, start_ticks: 7 }
}

fn status(status: i32) -> ExitFacts {
    ExitFacts { status: Some(status), signal: None }
}

fn signal(signal: i32) -> ExitFacts {
    ExitFacts { status: None, signal: Some(signal) }
}

/// An agent with a process of that age.
fn agent(age: Duration) -> Agent {
    let mut agent = Agent::new(at(0), false, GRACE);
    agent.step(Event::Attached { process: proc(5), age }, at(0));
    agent
}

/// Lets time pass to `until`, looking whenever it is due. Answers what followed and the moment.
fn pass(agent: &mut Agent, from: u64, until: u64) -> Vec<Effect> {
    let mut ms = from;
    let mut out = Vec::new();
    while let Some(after) = agent.next_look(at(ms).mono) {
        ms += u64::try_from(after.as_millis()).unwrap().max(1);
        if ms > until {
            break;
        }
        out.extend(agent.step(Event::Look, at(ms)));
        if out.contains(&Effect::Gone) {
            break;
        }
    }
    out
}

fn word(agent: &Agent) -> String {
    let v = agent.verdict();
    v.detail.map_or(v.state.to_string(), |d| format!("{}/{d}", v.state))
}

#[test]
fn a_process_found_running_is_unknown_until_something_is_seen() {
    let mut a = agent(OLD);
    assert_eq!(word(&a), "unknown");
    pass(&mut a, 0, 5_000);
    assert_eq!(word(&a), "idle");
    assert_eq!(a.next_look(at(5_000).mono), None, "an idle agent costs nothing");
}

#[test]
fn a_starting_agent_is_left_alone_for_its_grace() {
    let mut a = agent(Duration::ZERO);
    a.step(Event::Activity { at: at(100).mono }, at(100));
    assert_eq!(word(&a), "starting");
    a.step(Event::Activity { at: at(3_100).mono }, at(3_100));
    assert_eq!(word(&a), "busy/output");
    let mut quiet = agent(Duration::ZERO);
    pass(&mut quiet, 0, 3_500);
    assert_eq!(word(&quiet), "idle");
}

#[test]
fn an_agent_that_came_to_rest_within_its_grace_is_idle_when_that_ends() {
    let long = u64::from(limits::QUIET_LOOKS) * 400;
    let mut rested = agent(Duration::ZERO);
    rested.step(Event::Activity { at: at(3_000 - long).mono }, at(3_000 - long));
    let out = pass(&mut rested, 0, 3_000);
    assert!(matches!(&out[..], [Effect::Changed(c)] if c.to.state == AgentState::Idle), "{out:?}");
    let mut restless = agent(Duration::ZERO);
    restless.step(Event::Activity { at: at(3_001 - long).mono }, at(3_001 - long));
    pass(&mut restless, 0, 3_000);
    assert_eq!(word(&restless), "starting", "one look is not enough");
    pass(&mut restless, 3_000, 4_000);
    assert_eq!(word(&restless), "idle");
}

#[test]
fn busy_is_immediate_and_idle_needs_several_quiet_looks() {
    let mut a = agent(OLD);
    let out = a.step(Event::Activity { at: at(10).mono }, at(10));
    assert!(matches!(&out[..], [Effect::Changed(c)] if c.to.state == AgentState::Busy));
    for n in 1..=u64::from(limits::QUIET_LOOKS) {
        assert_eq!(word(&a), "busy/output");
        a.step(Event::Look, at(10 + 400 * n));
    }
    assert_eq!(word(&a), "idle");
    a.step(Event::Activity { at: at(9_000).mono }, at(9_000));
    a.step(Event::Look, at(9_400));
    a.step(Event::Activity { at: at(9_500).mono }, at(9_500));
    a.step(Event::Look, at(9_800));
    a.step(Event::Look, at(10_200));
    assert_eq!(word(&a), "busy/output", "activity begins the count anew");
}

#[test]
fn ends_are_told_by_what_is_known_of_them() {
    for (facts, expected) in [
        (status(0), "exited/finished"),
        (status(1), "crashed/status"),
        (signal(11), "crashed/signal"),
        (ExitFacts::UNKNOWN, "exited/unknown_cause"),
    ] {
        let mut a = agent(OLD);
        let out = a.step(Event::Died { process: proc(5), facts }, at(10));
        assert_eq!(out[0], Effect::Died(facts));
        assert_eq!(word(&a), expected);
        assert!(a.step(Event::Died { process: proc(5), facts }, at(11)).is_empty(), "told once");
    }
}

#[test]
fn what_tmux_learns_later_fills_in_an_unknown_cause() {
    let mut a = agent(OLD);
    a.step(Event::Died { process: proc(5), facts: ExitFacts::UNKNOWN }, at(10));
    let out = a.step(Event::PaneDead { facts: status(3) }, at(20));
    assert!(!out.contains(&Effect::Died(status(3))), "one process dies once");
    assert_eq!(word(&a), "crashed/status");
    a.step(Event::PaneDead { facts: ExitFacts::UNKNOWN }, at(30));
    assert_eq!(word(&a), "crashed/status");
}

#[test]
fn the_end_of_a_replaced_process_is_dropped() {
    let mut a = agent(OLD);
    a.step(Event::Died { process: proc(5), facts: signal(9) }, at(10));
    a.step(Event::Attached { process: proc(6), age: Duration::ZERO }, at(20));
    assert_eq!(word(&a), "starting");
    assert!(a.step(Event::Died { process: proc(5), facts: signal(9) }, at(30)).is_empty());
    let reused = ProcId { start_ticks: 99, ..proc(6) };
    assert!(a.step(Event::Died { process: reused, facts: signal(9) }, at(31)).is_empty());
    assert!(a.is_alive());
}

#[test]
fn an_end_that_was_asked_for_says_so() {
    let mut a = agent(OLD);
    a.step(Event::EndAsked, at(5));
    a.step(Event::Died { process: proc(5), facts: signal(15) }, at(10));
    assert_eq!(word(&a), "crashed/killed");
    assert!(a.history().last().unwrap().because.contains("asked to end"));
}

#[test]
fn a_pane_that_goes_with_its_process_is_not_missing() {
    let mut a = agent(OLD);
    a.step(Event::PaneGone, at(10));
    a.step(Event::Died { process: proc(5), facts: signal(1) }, at(15));
    assert_eq!(word(&a), "crashed/signal");
    assert!(pass(&mut a, 15, 119_000).is_empty());
    assert_eq!(pass(&mut a, 119_000, 121_000), [Effect::Gone]);
}

#[test]
fn a_pane_that_goes_alone_is_missing_and_then_gone() {
    let mut a = agent(OLD);
    a.step(Event::PaneGone, at(10));
    assert_eq!(word(&a), "unknown");
    let out = pass(&mut a, 10, 100_000);
    assert_eq!(out.len(), 1);
    assert_eq!(word(&a), "missing/pane_gone");
    a.step(Event::PaneThere, at(100_000));
    assert_eq!(word(&a), "unknown");
    a.step(Event::PaneGone, at(101_000));
    assert!(pass(&mut a, 101_000, 230_000).contains(&Effect::Gone));
    let mut declared = Agent::new(at(0), true, GRACE);
    declared.step(Event::Attached { process: proc(5), age: OLD }, at(0));
    declared.step(Event::PaneGone, at(10));
    assert!(!pass(&mut declared, 10, 999_000).contains(&Effect::Gone), "a declared agent stays listed");
}

#[test]
fn a_pane_whose_shell_ended_is_told_at_once_and_kills_nobody() {
    let mut a = agent(OLD);
    a.step(Event::Activity { at: at(5).mono }, at(5));
    let out = a.step(Event::PaneEnding { facts: signal(9) }, at(10));
    assert!(matches!(&out[..], [Effect::Changed(c)] if c.because.contains("its own still runs")), "{out:?}");
    assert_eq!((word(&a).as_str(), a.is_alive()), ("missing/pane_gone", true));
    assert!(a.step(Event::PaneEnding { facts: signal(9) }, at(11)).is_empty(), "told once");
    a.step(Event::Activity { at: at(12).mono }, at(12));
    assert!(pass(&mut a, 12, 500_000).is_empty(), "its pane is there, so it stays");
    assert_eq!(word(&a), "missing/pane_gone");
    let out = a.step(Event::Died { process: proc(5), facts: signal(1) }, at(20));
    assert_eq!(out[0], Effect::Died(signal(1)));
    assert!(a.step(Event::PaneEnding { facts: signal(9) }, at(30)).is_empty(), "nothing to tell of the dead");
    assert_eq!(word(&a), "crashed/signal");
    // A pane that goes altogether takes the agent off the list in time.
    let mut left = agent(OLD);
    left.step(Event::PaneEnding { facts: signal(9) }, at(10));
    left.step(Event::PaneGone, at(20));
    assert_eq!(pass(&mut left, 20, 130_000), [Effect::Gone]);
}

#[test]
fn a_stalled_server_makes_agents_unknown_and_gives_them_back() {
    let mut a = agent(OLD);
    a.step(Event::Activity { at: at(10).mono }, at(10));
    a.step(Event::ServerLost { stalled: true }, at(20));
    assert_eq!(word(&a), "unknown/lost_server");
    a.step(Event::Activity { at: at(25).mono }, at(25));
    assert_eq!(word(&a), "unknown/lost_server");
    assert_eq!(a.next_look(at(30).mono), None);
    a.step(Event::ServerBack, at(30));
    assert_eq!(word(&a), "busy/output");
}

#[test]
fn a_death_while_the_server_stalled_is_told_when_it_answers_again() {
    for (facts, says) in [(signal(11), "crashed/signal"), (ExitFacts::UNKNOWN, "exited/unknown_cause")] {
        let mut a = agent(OLD);
        a.step(Event::ServerLost { stalled: true }, at(10));
        let out = a.step(Event::Died { process: proc(5), facts }, at(20));
        assert_eq!((out, word(&a).as_str()), (vec![Effect::Died(facts)], "unknown/lost_server"));
        let out = a.step(Event::ServerBack, at(30));
        assert!(matches!(&out[..], [Effect::Changed(c)] if c.because.contains("ended with")), "{out:?}");
        assert_eq!(word(&a), says);
        a.step(Event::PaneDead { facts: signal(11) }, at(40));
        assert_eq!(word(&a), "crashed/signal");
    }
}

#[test]
fn a_server_that_ends_takes_its_agents_as_lost_not_as_crashed() {
    let mut before = agent(OLD);
    let out = before.step(Event::Died { process: proc(5), facts: signal(1) }, at(10));
    assert_eq!(out[0], Effect::Died(signal(1)), "the death is told whatever follows");
    before.step(Event::ServerLost { stalled: false }, at(15));
    assert_eq!(word(&before), "unknown/lost_server");
    let mut after = agent(OLD);
    after.step(Event::ServerLost { stalled: false }, at(15));
    assert_eq!(
        after.step(Event::Died { process: proc(5), facts: signal(1) }, at(20)),
        [Effect::Died(signal(1))]
    );
    assert_eq!(word(&after), "unknown/lost_server");
    after.step(Event::ServerBack, at(30));
    assert_eq!(word(&after), "unknown/lost_server", "another server does not bring the pane back");
    let mut reconnected = agent(OLD);
    reconnected.step(Event::Activity { at: at(10).mono }, at(10));
    reconnected.step(Event::ServerLost { stalled: false }, at(15));
    reconnected.step(Event::ServerBack, at(20));
    reconnected.step(Event::PaneThere, at(20));
    assert_eq!(word(&reconnected), "busy/output");
    let mut long_dead = agent(OLD);
    long_dead.step(Event::Died { process: proc(5), facts: status(1) }, at(10));
    long_dead.step(Event::ServerLost { stalled: false }, at(60_000));
    assert_eq!(word(&long_dead), "crashed/status");
}

#[test]
fn history_is_bounded_and_says_why() {
    let mut a = agent(OLD);
    for n in 0..200 {
        a.step(Event::ServerLost { stalled: true }, at(n * 10));
        a.step(Event::ServerBack, at(n * 10 + 5));
    }
    assert_eq!(a.history().len(), limits::AGENT_HISTORY);
    assert!(a.history().iter().all(|c| !c.because.is_empty()));
    assert!(a.evidence().len() <= 4);
}

fn event() -> impl Strategy<Value = Event> {
    let facts = prop_oneof![Just(ExitFacts::UNKNOWN), (0..3).prop_map(status), (1..3).prop_map(signal)];
    prop_oneof![
        (1_u32..4, 0_u64..9_000)
            .prop_map(|(pid, age)| Event::Attached { process: proc(pid), age: Duration::from_millis(age) }),
        (0_u64..200_000).prop_map(|ms| Event::Activity { at: at(ms).mono }),
        Just(Event::Look),
        (1_u32..4, facts.clone()).prop_map(|(pid, facts)| Event::Died { process: proc(pid), facts }),
        facts.clone().prop_map(|facts| Event::PaneDead { facts }),
        facts.prop_map(|facts| Event::PaneEnding { facts }),
        Just(Event::PaneGone),
        Just(Event::PaneThere),
        any::<bool>().prop_map(|stalled| Event::ServerLost { stalled }),
        Just(Event::ServerBack),
        Just(Event::EndAsked),
        Just(Event::Held(crate::fleet::relaunch::Hold::Restarts)),
    ]
}

proptest! {
    /// Whatever happens in whatever order: a death is told once for each process, crashed needs a status,
    /// a signal or a request, each change is a change, and looking never spins.
    #[test]
    fn the_rules_hold_in_any_order(events in proptest::collection::vec((event(), 0_u64..4_000), 0..60)) {
        let mut a = Agent::new(at(0), false, GRACE);
        let mut ms = 0;
        let mut told: Option<ProcId> = None;
        for (event, wait) in events {
            ms += wait;
            let before = (a.verdict(), a.process());
            let out = a.step(event.clone(), at(ms));
            if before.1 != a.process() {
                told = None;
            }
            let mut from = before.0;
            for effect in &out {
                match effect {
                    Effect::Died(_) => {
                        prop_assert!(told.is_none() || told != a.process());
                        told = a.process();
                        prop_assert!(!a.is_alive());
                    }
                    Effect::Changed(change) => {
                        prop_assert_eq!(change.from, from.state);
                        prop_assert_ne!(change.to, from);
                        from = change.to;
                    }
                    Effect::Gone | Effect::WantScreen => prop_assert_eq!(&event, &Event::Look),
                }
            }
            prop_assert_eq!(from, a.verdict());
            if a.verdict() == Verdict::new(AgentState::Crashed, Some(Detail::Signal)) {
                prop_assert!(!a.is_alive());
            }
            if a.next_look(at(ms).mono) == Some(Duration::ZERO) {
                let out = a.step(Event::Look, at(ms));
                if !out.contains(&Effect::Gone) {
                    prop_assert_ne!(a.next_look(at(ms).mono), Some(Duration::ZERO), "{:?}", a);
                }
            }
        }
    }
}
