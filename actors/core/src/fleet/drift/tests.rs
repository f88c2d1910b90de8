//! Signs of drift, and what is none.

use std::time::Duration;

use super::*;
use crate::fleet::evidence::{Claim, Rank, Source};
use crate::fleet::state::Detail;
use crate::ids::SocketName;
use crate::untrusted::Untrusted;

fn at(seconds: u64) -> Mono {
    Mono::from_origin(Duration::from_secs(seconds))
}

fn id(name: &str) -> AgentId {
    AgentId::owned(&SocketName("s".into()), "web", name)
}

const BUSY: Verdict = Verdict::new(AgentState::Busy, Some(Detail::Tool));
const IDLE: Verdict = Verdict::new(AgentState::Idle, None);

fn hooked(says: Verdict) -> Seen {
    Seen::Hooked(id("dev"), "claude".into(), says)
}

fn read(rule: &str, says: Verdict) -> Seen {
    Seen::Read(id("dev"), "claude".into(), Glance { rules: vec![rule.into()], says: Some(says) })
}

fn quarrel_seconds() -> u64 {
    limits::DRIFT_QUARREL.as_secs()
}

#[test]
fn hooks_that_go_on_against_the_screen_make_one_alert() {
    let mut drift = Drift::default();
    let end = quarrel_seconds() + 20;
    let mut all = Vec::new();
    for second in 0..end {
        let seen = if second % 10 == 0 { hooked(BUSY) } else { read("claude.composer", IDLE) };
        all.extend(drift.step(seen, at(second)));
    }
    assert_eq!(all.len(), 1, "{all:?}");
    assert!(all[0].firing && all[0].alert == "drift-claude-hooks", "{all:?}");
    assert!(all[0].words.contains("hooks say that it works, its screen that it rests"), "{}", all[0].words);
    assert_eq!(drift.firing().count(), 1);
    // They agree again: it is resolved, but not at once.
    drift.step(read("claude.spinner", BUSY), at(end));
    assert!(drift.step(hooked(BUSY), at(end + 1)).is_empty());
    let clear = end + 1 + limits::DRIFT_CLEAR.as_secs();
    assert!(drift.step(Seen::Tick, at(clear - 30)).is_empty(), "hysteresis");
    let over = drift.step(Seen::Tick, at(clear + 1));
    assert!(over.len() == 1 && !over[0].firing, "{over:?}");
    assert_eq!(drift.firing().count(), 0);
}

#[test]
fn an_interrupted_turn_is_no_drift() {
    let mut drift = Drift::default();
    drift.step(hooked(BUSY), at(0));
    for second in 1..quarrel_seconds() * 10 {
        drift.step(read("claude.composer", IDLE), at(second));
    }
    assert!(drift.step(Seen::Tick, at(quarrel_seconds() * 10)).is_empty(), "one hook, however old");
}

#[test]
fn a_tool_beside_a_question_is_no_drift() {
    let mut drift = Drift::default();
    let asks = Verdict::new(AgentState::Waiting, Some(Detail::Permission));
    let end = quarrel_seconds() * 3;
    drift.step(hooked(asks), at(0));
    for second in 1..end {
        let seen = if second % 10 == 0 { hooked(BUSY) } else { read("claude.permission", asks) };
        assert!(drift.step(seen, at(second)).is_empty());
    }
    // Hooks go on, and the screen was not read since it agreed.
    drift.step(hooked(IDLE), at(end));
    drift.step(read("claude.composer", IDLE), at(end));
    for second in 1..end {
        assert!(drift.step(hooked(BUSY), at(end + second)).is_empty(), "nothing was read since");
    }
}

#[test]
fn screens_that_agree_now_and_then_are_no_drift() {
    let mut drift = Drift::default();
    for second in 0..quarrel_seconds() * 4 {
        let seen = match second % 20 {
            0 | 10 => hooked(BUSY),
            5 => read("claude.spinner", BUSY),
            _ => read("claude.composer", IDLE),
        };
        assert!(drift.step(seen, at(second)).is_empty());
    }
}

#[test]
fn a_rule_that_falls_silent_makes_an_alert_while_others_fire() {
    let mut drift = Drift::default();
    let mut second = 0;
    let mut many = |drift: &mut Drift, rules: &[&str], times: u64, every: u64| {
        for n in 0..times {
            second += every;
            drift.step(read(rules[(n % rules.len() as u64) as usize], BUSY), at(second));
        }
        at(second)
    };
    let now = many(&mut drift, &["a", "b"], limits::DRIFT_RULE_TIMES * 4, 10);
    assert!(drift.step(Seen::Tick, now).is_empty());
    // Long enough, but not on enough screens; then on enough.
    let hours = limits::DRIFT_RULE_SILENCE.as_secs();
    let now = many(&mut drift, &["b"], 2, hours);
    assert!(drift.step(Seen::Tick, now).is_empty(), "nobody looked");
    let now = many(&mut drift, &["b"], limits::DRIFT_RULE_GAPS * 4, 1);
    let turned = drift.step(Seen::Tick, now);
    assert_eq!(turned.len(), 1, "{turned:?}");
    assert_eq!((turned[0].alert.as_str(), turned[0].firing), ("drift-claude-a", true));
    // It fires again.
    let now = many(&mut drift, &["a"], 1, 1);
    let over = drift.step(Seen::Tick, now + limits::DRIFT_CLEAR + Duration::from_secs(1));
    assert!(over.len() == 1 && !over[0].firing);
}

#[test]
fn a_rule_that_falls_silent_with_a_version_is_told_sooner() {
    let mut drift = Drift::default();
    let cli: Cli = "claude".into();
    drift.step(Seen::Version(cli.clone(), "2.1".into()), at(0));
    for n in 0..limits::DRIFT_RULE_TIMES * 4 {
        drift.step(read(if n % 2 == 0 { "a" } else { "b" }, BUSY), at(n));
    }
    let change = limits::DRIFT_RULE_TIMES * 4;
    drift.step(Seen::Version(cli, "2.2".into()), at(change));
    for n in 0..limits::DRIFT_RULE_GAPS * 4 {
        drift.step(read("b", BUSY), at(change + n));
    }
    assert!(drift.step(Seen::Tick, at(change + 60)).is_empty(), "not yet");
    let later = at(change) + limits::DRIFT_VERSION_SILENCE + Duration::from_secs(1);
    let turned = drift.step(Seen::Tick, later);
    assert_eq!(turned.len(), 1, "{turned:?}");
    assert!(turned[0].words.contains("2.2"), "{}", turned[0].words);
}

#[test]
fn a_new_transcript_and_a_mixed_fleet_are_no_change_of_version() {
    let mut drift = Drift::default();
    let cli: Cli = "claude".into();
    let version = |text: &str| Seen::Version(cli.clone(), text.into());
    drift.step(version("2.1"), at(0));
    drift.step(version("2.2"), at(0));
    for n in 0..limits::DRIFT_RULE_TIMES * 4 {
        drift.step(read(if n % 2 == 0 { "a" } else { "b" }, BUSY), at(n));
    }
    let begun = limits::DRIFT_RULE_TIMES * 4;
    for text in ["", "2.1", "", "2.2", "2.1"] {
        drift.step(version(text), at(begun));
    }
    for n in 0..limits::DRIFT_RULE_GAPS * 4 {
        drift.step(read("b", BUSY), at(begun + n));
    }
    let later = at(begun) + limits::DRIFT_VERSION_SILENCE + Duration::from_secs(1);
    assert!(drift.step(Seen::Tick, later).is_empty());
}

#[test]
fn one_long_wait_is_no_habit() {
    let mut drift = Drift::default();
    for n in 0..limits::DRIFT_RULE_TIMES * 4 {
        drift.step(read("a", BUSY), at(n));
    }
    let end = limits::DRIFT_RULE_TIMES * 4;
    for n in 0..limits::DRIFT_RULE_GAPS * 4 {
        drift.step(read("b", BUSY), at(end + n));
    }
    let later = at(end) + limits::DRIFT_RULE_SILENCE + Duration::from_secs(1);
    assert!(drift.step(read("b", BUSY), later).is_empty() && drift.step(Seen::Tick, later).is_empty());
}

#[test]
fn readings_are_compared_by_what_they_say() {
    let claim = |rule: &str, says: Verdict| Claim {
        source: Source::Screen,
        rank: Rank::Composer,
        rule: rule.into(),
        says,
        excerpt: Untrusted::default(),
    };
    let of = |claims: Vec<Claim>, hold: Option<&str>| Reading {
        claims,
        hold: hold.map(|rule| claim(rule, IDLE)),
        live: true,
        ..Reading::default()
    };
    let idle = of(vec![claim("a.composer", IDLE)], None);
    assert_eq!(disagreement(&idle, &of(vec![claim("b.other", IDLE)], None)), None, "other words, same state");
    let words = disagreement(&idle, &of(vec![claim("b.spinner", BUSY)], None)).unwrap();
    assert_eq!(words, "idle by a.composer, the shadow says busy (tool) by b.spinner");
    assert!(disagreement(&idle, &of(vec![claim("a.composer", IDLE)], Some("b.viewer"))).is_some());
    assert!(disagreement(&Reading::default(), &idle).is_some());
    assert_eq!(
        Glance::of(&of(vec![claim("a", IDLE)], Some("v"))).says,
        None,
        "a covered screen says nothing"
    );
}
