use std::time::Duration;

use super::*;
use crate::tmux::report::SessionFacts;

fn at(ms: u64) -> Mono {
    Mono::from_origin(Duration::from_millis(ms))
}

fn row(id: u32, destroy_unattached: bool) -> SessionRow {
    SessionRow { facts: SessionFacts { id: SessionId(id), name: "s".into() }, destroy_unattached }
}

fn up() -> Connection {
    let mut c = Connection::new();
    assert_eq!(c.step(Event::Tick, at(0)), [Effect::Probe]);
    let sessions = vec![row(0, true), row(4, false), row(3, false)];
    let attach = c.step(Event::Probed(Probe::Sessions(sessions)), at(0));
    assert_eq!(attach, [Effect::Attach(SessionId(3))], "the oldest that outlives our leaving");
    assert_eq!(c.step(Event::Server("3.3a".into()), at(5)), [Effect::Up]);
    c
}

#[test]
fn no_server_is_told_once_and_looked_for_ever_more_slowly() {
    let mut c = Connection::new();
    c.step(Event::Tick, at(0));
    assert_eq!(c.step(Event::Probed(Probe::Absent), at(0)), [Effect::Lost(LostWhy::NoServer)]);
    let mut pauses = Vec::new();
    for _ in 0..12 {
        let next = c.deadline().unwrap();
        assert_eq!(c.step(Event::Tick, next), [Effect::Probe]);
        assert_eq!(c.step(Event::Probed(Probe::Absent), next), []);
        pauses.push(c.deadline().unwrap().since(next));
    }
    assert!(pauses.is_sorted() && *pauses.last().unwrap() == RECONNECT_LAST);
}

#[test]
fn a_server_that_ends_is_told_after_a_look() {
    let mut c = up();
    let later = at(5) + TMUX_STEADY;
    assert_eq!(c.step(Event::ClientEnded, later), [Effect::Down, Effect::Probe]);
    assert_eq!(c.step(Event::Probed(Probe::Absent), later), [Effect::Lost(LostWhy::Ended)]);
    assert!(!c.is_up());
}

#[test]
fn a_client_that_ends_under_a_living_server_is_replaced_in_silence() {
    let mut c = up();
    let later = at(5) + TMUX_STEADY;
    c.step(Event::ClientEnded, later);
    let sessions = Probe::Sessions(vec![row(9, false)]);
    assert_eq!(c.step(Event::Probed(sessions), later), [Effect::Attach(SessionId(9))]);
    assert_eq!(c.step(Event::Server("3.4".into()), later), [Effect::Up]);
}

#[test]
fn a_silent_server_keeps_its_client_and_comes_back() {
    let mut c = up();
    assert_eq!(c.step(Event::Late, at(9000)), [Effect::Down, Effect::Lost(LostWhy::Stalled)]);
    assert_eq!(c.step(Event::Late, at(9001)), []);
    assert_eq!(c.step(Event::Answered, at(60_000)), [Effect::AskServer]);
    assert_eq!(c.step(Event::Server("3.3a".into()), at(60_001)), [Effect::Up]);
    assert!(c.is_up());
    assert_eq!(c.step(Event::Late, at(70_000)), [Effect::Down, Effect::Lost(LostWhy::Stalled)], "told anew");
}

#[test]
fn a_client_that_never_speaks_is_a_silent_server() {
    let mut c = Connection::new();
    c.step(Event::Tick, at(0));
    c.step(Event::Probed(Probe::Sessions(vec![row(0, false)])), at(0));
    let then = c.deadline().unwrap();
    assert_eq!(c.step(Event::Tick, then), [Effect::Lost(LostWhy::Stalled)]);
    assert_eq!(c.step(Event::ClientEnded, then), [Effect::Probe]);
}

#[test]
fn a_silent_server_that_ends_is_lost_again() {
    let mut c = up();
    c.step(Event::Late, at(9000));
    c.step(Event::ClientEnded, at(9500));
    assert_eq!(c.step(Event::Probed(Probe::Absent), at(9500)), [Effect::Lost(LostWhy::Ended)]);
    let next = c.deadline().unwrap();
    c.step(Event::Tick, next);
    assert_eq!(c.step(Event::Probed(Probe::Absent), next), [], "told once");
}

#[test]
fn a_tmux_that_was_installed_is_not_missing_any_more() {
    let mut c = Connection::new();
    c.step(Event::Tick, at(0));
    let missing = Probe::NoBinary("tmux: not found".into());
    c.step(Event::Probed(missing.clone()), at(0));
    let next = c.deadline().unwrap();
    c.step(Event::Tick, next);
    assert_eq!(c.step(Event::Probed(missing), next), [], "told once");
    let next = c.deadline().unwrap();
    c.step(Event::Tick, next);
    assert_eq!(c.step(Event::Probed(Probe::Absent), next), [Effect::Lost(LostWhy::NoServer)]);
}

#[test]
fn an_old_or_missing_tmux_is_named() {
    let mut c = Connection::new();
    c.step(Event::Tick, at(0));
    let old = c.step(Event::Probed(Probe::TooOld("2.9a".into())), at(0));
    assert_eq!(old, [Effect::Lost(LostWhy::TooOld("2.9a".into()))]);
    let mut c = Connection::new();
    c.step(Event::Tick, at(0));
    c.step(Event::Probed(Probe::Sessions(vec![row(0, false)])), at(0));
    let old = c.step(Event::Server("3.1c".into()), at(0));
    assert_eq!(old, [Effect::Detach, Effect::Lost(LostWhy::TooOld("3.1c".into()))]);
}

#[test]
fn a_client_that_keeps_ending_is_not_replaced_in_a_loop() {
    let mut c = up();
    let mut now = at(6);
    let mut attached = 0;
    while now < at(20_000) {
        c.step(Event::ClientEnded, now);
        if let Some(then) = c.deadline() {
            now = then;
        }
        c.step(Event::Tick, now);
        attached += c.step(Event::Probed(Probe::Sessions(vec![row(0, false)])), now).len();
        c.step(Event::Server("3.3a".into()), now);
    }
    assert!(attached < 15, "{attached} clients in 20 s");
}
