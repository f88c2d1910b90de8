use proptest::prelude::*;

use super::*;
use crate::clock::Wall;
use crate::fleet::process::ExitFacts;
use crate::ids::{AgentId, SocketName};

fn policy() -> Policy {
    Policy {
        restart: RestartPolicy::OnFailure,
        initial_delay: Duration::from_secs(1),
        max_delay: Duration::from_secs(60),
        max_restarts: 3,
        period: Duration::from_secs(300),
    }
}

fn at(seconds: u64) -> Mono {
    Mono::from_origin(Duration::from_secs(seconds))
}

fn moment(seconds: u64) -> Moment {
    let ms = i64::try_from(seconds * 1000).unwrap();
    Moment { mono: at(seconds), wall: Wall::from_unix_ms(1_000_000_000 + ms) }
}

fn failed() -> Event {
    let facts = ExitFacts { status: Some(1), signal: None };
    Event::Down { cause: Cause::Ended(facts), draw: 1.0 }
}

fn finished() -> Event {
    let facts = ExitFacts { status: Some(0), signal: None };
    Event::Down { cause: Cause::Ended(facts), draw: 1.0 }
}

fn up(policy: Policy) -> Relaunch {
    let mut r = Relaunch::new(policy, Kept::default(), moment(0));
    r.step(Event::Up, at(0));
    r
}

/// Takes in an end whose last words, if they are asked for, say nothing.
fn silent(r: &mut Relaunch, end: Event, now: Mono) -> Vec<Effect> {
    let mut effects = r.step(end, now);
    if let Some(n) = effects.iter().position(|e| *e == Effect::Listen) {
        effects.remove(n);
        effects.extend(r.step(Event::LastWords { trouble: None, draw: 1.0 }, now));
    }
    effects
}

/// One whole relaunch at `now`; answers the delay.
fn cycle(r: &mut Relaunch, now: u64) -> Option<Duration> {
    let mut delay = None;
    let mut effects = silent(r, failed(), at(now));
    if let [Effect::Wait(wait)] = effects[..] {
        delay = Some(wait);
        effects = r.step(Event::Due, at(now));
    }
    if effects == [Effect::Hold(Hold::Restarts)] {
        return delay;
    }
    assert_eq!(effects, [Effect::AskBreaker]);
    assert!(matches!(r.step(Event::Granted, at(now))[..], [Effect::Launch { .. }]));
    assert!(r.step(Event::Up, at(now)).is_empty());
    delay
}

#[test]
fn delays_double_up_to_the_limit_and_begin_anew_after_a_long_life() {
    let mut r = up(Policy { max_restarts: 99, max_delay: Duration::from_secs(5), ..policy() });
    let delays: Vec<u64> = (0..5).map(|_| cycle(&mut r, 0).unwrap().as_secs()).collect();
    assert_eq!(delays, [1, 2, 4, 5, 5]);
    assert_eq!(cycle(&mut r, 6).unwrap().as_secs(), 1, "a process that lived long enough forgives");
}

#[test]
fn full_jitter_spreads_and_zero_means_at_once() {
    let mut r = up(policy());
    let half = Event::Down { cause: Cause::ServerLost, draw: 0.5 };
    assert_eq!(r.step(half, at(0)), [Effect::Wait(Duration::from_millis(500))]);
    let mut r = up(Policy { initial_delay: Duration::ZERO, ..policy() });
    assert_eq!(cycle(&mut r, 0), None);
}

#[test]
fn too_many_in_the_period_are_held_until_a_person_asks() {
    let mut r = up(policy());
    for now in 0..3 {
        cycle(&mut r, now);
    }
    assert_eq!(r.step(failed(), at(5)), [Effect::Hold(Hold::Restarts)]);
    assert_eq!((r.phase(), r.kept(moment(5)).hold, r.total()), (Phase::Held, Some(Hold::Restarts), 3));
    assert!(r.step(Event::Due, at(400)).is_empty());
    assert!(r.step(Event::Granted, at(400)).is_empty());
    let restored = Relaunch::new(policy(), r.kept(moment(5)), moment(0));
    assert_eq!((restored.phase(), restored.total()), (Phase::Held, 3));
    assert_eq!(r.step(Event::StartAsked, at(401)), [Effect::Launch { total: 4 }]);
    assert!(r.step(Event::StartAsked, at(401)).is_empty(), "one process is on its way already");
    assert_eq!(r.kept(moment(401)).hold, None);
}

#[test]
fn old_relaunches_do_not_count() {
    let mut r = up(policy());
    for now in [0, 1, 2, 305, 306, 307] {
        cycle(&mut r, now);
    }
    assert_eq!((r.phase(), r.total()), (Phase::Up, 6));
}

#[test]
fn what_finished_or_was_ended_by_a_person_stays_down() {
    let mut r = up(policy());
    assert!(r.step(finished(), at(1)).is_empty());
    assert_eq!(r.phase(), Phase::Down);
    let mut always = up(Policy { restart: RestartPolicy::Always, ..policy() });
    assert!(matches!(always.step(finished(), at(1))[..], [Effect::Wait(_)]));
    let mut never = up(Policy { restart: RestartPolicy::Never, ..policy() });
    assert!(never.step(failed(), at(1)).is_empty());
    let mut stopped = up(Policy { restart: RestartPolicy::Always, ..policy() });
    stopped.step(Event::StopAsked, at(1));
    assert!(stopped.step(failed(), at(2)).is_empty());
    assert!(stopped.kept(moment(2)).stopped, "it is known after a restart of the supervisor");
    assert_eq!(Relaunch::new(policy(), stopped.kept(moment(2)), moment(0)).phase(), Phase::Down);
}

#[test]
fn an_unknown_cause_is_a_failure_to_relaunch() {
    let mut r = up(policy());
    let unknown = Event::Down { cause: Cause::Ended(ExitFacts::UNKNOWN), draw: 1.0 };
    assert!(matches!(r.step(unknown, at(1))[..], [Effect::Wait(_), Effect::Listen]));
}

#[test]
fn a_paused_agent_waits_and_then_goes_on() {
    let mut r = up(policy());
    r.step(Event::Pause { until: Some(at(100)) }, at(0));
    silent(&mut r, failed(), at(1));
    assert_eq!(r.step(Event::Due, at(2)), [Effect::Wait(Duration::from_secs(98))]);
    assert_eq!(r.phase(), Phase::Parked);
    assert_eq!(r.step(Event::Due, at(100)), [Effect::AskBreaker]);
    let mut r = up(policy());
    silent(&mut r, failed(), at(1));
    r.step(Event::Due, at(2));
    r.step(Event::Pause { until: None }, at(3));
    assert!(r.step(Event::Granted, at(4)).is_empty(), "a pause also stops what was let through");
    assert_eq!(r.step(Event::Resume, at(5)), [Effect::AskBreaker]);
    // Its last words may be read while it is paused.
    let mut r = up(policy());
    r.step(Event::Pause { until: None }, at(0));
    r.step(failed(), at(1));
    assert!(r.step(Event::Due, at(2)).is_empty());
    assert!(r.step(Event::LastWords { trouble: None, draw: 1.0 }, at(3)).is_empty());
    assert_eq!(r.phase(), Phase::Parked);
    assert_eq!(r.step(Event::Resume, at(5)), [Effect::AskBreaker]);
}

#[test]
fn the_first_start_is_no_relaunch() {
    let mut r = Relaunch::new(policy(), Kept::default(), moment(0));
    assert_eq!(r.step(Event::First, at(0)), [Effect::Launch { total: 0 }]);
    assert!(r.step(Event::First, at(0)).is_empty());
    let failed = Event::Down { cause: Cause::LaunchFailed, draw: 0.5 };
    assert!(matches!(r.step(failed, at(1))[..], [Effect::Wait(_)]));
    let mut r = Relaunch::new(policy(), Kept::default(), moment(0));
    r.step(Event::First, at(0));
    let at_once = Event::Down { cause: Cause::EndedAtOnce, draw: 0.5 };
    assert!(matches!(r.step(at_once, at(1))[..], [Effect::Wait(_), Effect::Listen]));
    let held = Kept { hold: Some(Hold::Restarts), ..Kept::default() };
    assert!(Relaunch::new(policy(), held, moment(0)).step(Event::First, at(0)).is_empty());
}

#[test]
fn a_lost_server_never_holds() {
    let mut r = up(Policy { max_restarts: 0, ..policy() });
    let lost = Event::Down { cause: Cause::ServerLost, draw: 0.0 };
    assert_eq!(r.step(lost, at(1)), [Effect::AskBreaker]);
    let mut r = up(policy());
    for _ in 0..100 {
        r.step(lost, at(1));
        r.step(Event::Granted, at(1));
        r.step(Event::Up, at(1));
    }
    assert!(r.total() == 100 && r.recent.len() <= policy().max_restarts as usize);
    let held = r.step(Event::Down { cause: Cause::LaunchFailed, draw: 0.0 }, at(1));
    assert_eq!(held, [Effect::Hold(Hold::Restarts)], "what is remembered is enough to hold");
}

const FAILED: ExitFacts = ExitFacts { status: Some(1), signal: None };

fn troubled(trouble: Trouble, draw: f64) -> Event {
    Event::Down { cause: Cause::Troubled(FAILED, trouble), draw }
}

#[test]
fn one_without_a_login_is_held_until_a_person_asks() {
    let mut r = up(policy());
    assert_eq!(r.step(troubled(Trouble::Login, 1.0), at(1)), [Effect::Hold(Hold::Login)]);
    assert!(r.step(Event::Due, at(9_000)).is_empty() && r.step(Event::Granted, at(9_000)).is_empty());
    let again = Relaunch::new(policy(), r.kept(moment(1)), moment(2));
    assert_eq!((again.phase(), again.hold()), (Phase::Held, Some(Hold::Login)));
    assert_eq!(r.step(Event::StartAsked, at(9_001)), [Effect::Launch { total: 1 }]);
    assert_eq!(r.hold(), None);
    // What is learnt from its last words holds it too, before its delay is over.
    let mut late = up(policy());
    assert_eq!(late.step(failed(), at(1))[1..], [Effect::Listen]);
    let words = Event::LastWords { trouble: Some(Trouble::Login), draw: 0.5 };
    assert_eq!(late.step(words, at(1)), [Effect::Hold(Hold::Login)]);
    assert!(late.step(Event::Due, at(2)).is_empty());
    // Its time may come before they are read: then it waits for them, whatever they say.
    for (trouble, follows) in [(None, Effect::AskBreaker), (Some(Trouble::Login), Effect::Hold(Hold::Login))]
    {
        let mut slow = up(policy());
        slow.step(failed(), at(1));
        assert!(slow.step(Event::Due, at(3)).is_empty() && slow.is_listening());
        assert_eq!(slow.step(Event::LastWords { trouble, draw: 0.5 }, at(9)), [follows]);
        assert!(!slow.is_listening() && slow.step(Event::Due, at(10)).is_empty());
    }
    // A person's own end, and one that needs no new process, are no trouble.
    let mut stopped = up(policy());
    stopped.step(Event::StopAsked, at(1));
    assert!(stopped.step(troubled(Trouble::Login, 1.0), at(2)).is_empty());
    let mut never = up(Policy { restart: RestartPolicy::Never, ..policy() });
    assert!(never.step(troubled(Trouble::Login, 1.0), at(2)).is_empty());
}

#[test]
fn one_that_met_a_limit_comes_back_after_its_end_and_not_before() {
    let mut r = up(policy());
    let limit = Trouble::Limit { until: Some(at(5_000)) };
    let held = Hold::Limit { until: at(5_000), known: true };
    let wait = Duration::from_secs(4_999) + limits::LIMIT_SPREAD / 2;
    assert_eq!(r.step(troubled(limit, 0.5), at(1)), [Effect::Hold(held), Effect::Wait(wait)]);
    // A timer that comes early, from before, waits on; so does the next supervisor.
    assert_eq!(r.step(Event::Due, at(2)), [Effect::Wait(Duration::from_secs(4_998))]);
    let mut next = Relaunch::new(policy(), r.kept(moment(2)), moment(3));
    assert_eq!(next.step(Event::Due, at(4)), [Effect::Wait(Duration::from_secs(4_996))]);
    assert_eq!(r.step(Event::Due, at(5_000)), [Effect::AskBreaker]);
    assert_eq!(r.hold(), None);
    // One that has ended by now is none.
    let mut over = up(policy());
    assert_eq!(over.step(troubled(limit, 1.0), at(5_000)), [Effect::Wait(Duration::from_secs(1))]);
    // Limits use up no restarts.
    let mut often = up(policy());
    for n in 0..20 {
        let unknown = troubled(Trouble::Limit { until: None }, 0.0);
        assert_eq!(silent(&mut often, unknown, at(n))[1..], [Effect::Wait(limits::LIMIT_RETRY)]);
        often.step(Event::StartAsked, at(n));
        often.step(Event::Up, at(n));
    }
    // Its last words tell the end that was not known, and never shorten one that was.
    often.step(troubled(Trouble::Limit { until: None }, 0.0), at(30));
    let words = Event::LastWords { trouble: Some(limit), draw: 0.0 };
    assert_eq!(often.step(words, at(31))[0], Effect::Hold(held));
    let sooner = Event::LastWords { trouble: Some(Trouble::Limit { until: Some(at(40)) }), draw: 0.0 };
    assert!(often.step(sooner, at(32)).is_empty());
    let far = Trouble::Limit { until: Some(at(u64::MAX / 4_000_000_000)) };
    let mut bounded = up(policy());
    assert_eq!(bounded.step(troubled(far, 0.0), at(0))[1..], [Effect::Wait(limits::LIMIT_WAIT_MAX)]);
}

fn id(n: u32) -> AgentId {
    AgentId::owned(&SocketName("s".into()), "web", &n.to_string())
}

#[test]
fn the_breaker_keeps_order_and_loses_nobody() {
    let mut b = Breaker::new(2);
    assert_eq!(b.ask(id(1), at(0)).granted, [id(1)]);
    assert_eq!(b.ask(id(2), at(10)).granted, [id(2)]);
    let pass = b.ask(id(3), at(20));
    assert_eq!((pass.granted.len(), pass.again_in), (0, Some(Duration::from_secs(40))));
    b.ask(id(3), at(20));
    b.ask(id(4), at(21));
    b.ask(id(5), at(21));
    b.forget(id(4));
    assert_eq!(b.turn(at(60)).granted, [id(3)]);
    assert_eq!(b.turn(at(70)), Pass { granted: vec![id(5)], again_in: None });
    let mut open = Breaker::new(0);
    assert_eq!((0..99).map(|n| open.ask(id(n), at(0)).granted.len()).sum::<usize>(), 99);
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0.0..=1.0_f64).prop_map(|draw| Event::Down { cause: Cause::Ended(ExitFacts::UNKNOWN), draw }),
        1 => Just(finished()),
        1 => Just(troubled(Trouble::Login, 0.3)),
        2 => (0_u64..900).prop_map(|s| troubled(Trouble::Limit { until: Some(at(s)) }, 0.7)),
        1 => Just(troubled(Trouble::Limit { until: None }, 0.0)),
        1 => Just(Event::LastWords { trouble: Some(Trouble::Login), draw: 0.5 }),
        1 => (0_u64..900).prop_map(|s| {
            Event::LastWords { trouble: Some(Trouble::Limit { until: Some(at(s)) }), draw: 0.5 }
        }),
        1 => Just(Event::LastWords { trouble: None, draw: 0.5 }),
        1 => Just(Event::Down { cause: Cause::LaunchFailed, draw: 0.5 }),
        1 => Just(Event::Down { cause: Cause::EndedAtOnce, draw: 0.5 }),
        4 => Just(Event::Due),
        4 => Just(Event::Granted),
        4 => Just(Event::Up),
        1 => (0_u64..500).prop_map(|s| Event::Pause { until: Some(at(s)) }),
        1 => Just(Event::Resume),
        1 => Just(Event::StartAsked),
        1 => Just(Event::StopAsked),
    ]
}

proptest! {
    /// In any order of events: never two launches without an end between them, never a launch while
    /// paused or held unless a person asked, never before a limit ends, and the total only grows. What is kept
    /// means the same to the next supervisor.
    #[test]
    fn one_process_at_a_time(events in proptest::collection::vec((event(), 0_u64..40), 0..80)) {
        let mut r = Relaunch::new(policy(), Kept::default(), moment(0));
        let mut now = 0;
        for (event, wait) in events {
            now += wait;
            let (before, hold, total) = (r.phase(), r.hold(), r.total());
            let launched = r.step(event, at(now)).iter().any(|e| matches!(e, Effect::Launch { .. }));
            prop_assert_eq!(r.total(), total + u64::from(launched));
            if launched {
                prop_assert_ne!(before, Phase::Launching);
                if event != Event::StartAsked {
                    prop_assert_eq!(before, Phase::Queued);
                    prop_assert!(!r.is_paused(at(now)));
                    prop_assert_eq!(hold, None);
                }
            }
            // Nothing is started before its last words are read, and then it goes on.
            if r.is_listening() && r.phase() == Phase::Waiting {
                let mut heard = r.clone();
                prop_assert!(heard.step(Event::Due, at(now)).is_empty());
                let paused = heard.is_paused(at(now));
                let goes_on = heard.step(Event::LastWords { trouble: None, draw: 0.5 }, at(now));
                prop_assert!(!goes_on.is_empty() || (paused && heard.phase() == Phase::Parked));
            }
            let needs_person = r.hold().is_some_and(|hold| hold.needs_person());
            prop_assert_eq!(r.phase() == Phase::Held, needs_person);
            if let (Some(Hold::Limit { until, .. }), false) = (r.hold(), r.phase() == Phase::Parked) {
                prop_assert_eq!(r.phase(), Phase::Waiting);
                let mut early = r.clone();
                let mut waits = early.step(Event::Due, at(now));
                if r.is_listening() {
                    prop_assert!(waits.is_empty());
                    waits = early.step(Event::LastWords { trouble: None, draw: 0.5 }, at(now));
                }
                prop_assert!(until <= at(now) || matches!(waits[..], [Effect::Wait(_)]), "{:?}", waits);
            }
            let again = Relaunch::new(policy(), r.kept(moment(now)), moment(now));
            let kept = r.hold().map(|hold| match hold {
                Hold::Limit { until, known } => Hold::Limit { until: until.max(at(now)), known },
                other => other,
            });
            prop_assert_eq!(again.hold(), kept);
        }
    }

    /// In any window no more pass than the limit, everybody passes once for each ask, in order.
    #[test]
    fn no_storm_and_nobody_lost(
        limit in 1_usize..6,
        asks in proptest::collection::vec((0_u32..40, 0_u64..20), 1..120),
    ) {
        let mut breaker = Breaker::new(limit);
        let mut now = 0;
        let mut passed: Vec<u64> = Vec::new();
        let mut waiting: VecDeque<AgentId> = VecDeque::new();
        let mut check = |pass: &Pass, now: u64, waiting: &mut VecDeque<AgentId>| {
            for agent in &pass.granted {
                assert_eq!(waiting.pop_front(), Some(*agent));
                passed.push(now);
            }
            let recent = passed.iter().filter(|t| now - **t < 60).count();
            assert!(recent <= limit, "{recent} in one window");
        };
        for (agent, wait) in asks {
            now += wait;
            let pass = breaker.turn(at(now));
            check(&pass, now, &mut waiting);
            if !waiting.contains(&id(agent)) {
                waiting.push_back(id(agent));
            }
            let pass = breaker.ask(id(agent), at(now));
            check(&pass, now, &mut waiting);
            prop_assert_eq!(pass.again_in.is_some(), !waiting.is_empty());
        }
        for _ in 0..200 {
            let pass = breaker.turn(at(now));
            check(&pass, now, &mut waiting);
            let Some(again) = pass.again_in else { break };
            prop_assert!(!again.is_zero());
            now += again.as_secs();
        }
        prop_assert!(waiting.is_empty());
        prop_assert_eq!(breaker.waiting(), 0);
    }
}
