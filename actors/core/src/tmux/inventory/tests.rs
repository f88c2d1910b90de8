use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::ids::{ProcId, SocketName, WindowId};
use crate::limits::*;
use crate::tmux::listing;
use crate::tmux::protocol::{Block, Guard};

fn at(ms: u64) -> Mono {
    Mono::from_origin(Duration::from_millis(ms))
}

fn server(pid: u32) -> ServerFacts {
    ServerFacts {
        socket: SocketName("s".into()),
        process: ProcId { pid, start_ticks: 1 },
        version: "3.3a".into(),
    }
}

/// A pane alone in window `n`, session `s`.
fn line(n: u32, s: u32, activity: u64) -> String {
    format!("%{n}\t@{n}\t${s}\t0\t0\t1\t{}\t0\t\t\t0\t{activity}\t/dev/pts/{n}\t\tw\tt\n", 100 + n)
}

fn block(text: &str, time: u64) -> Block {
    let guard = Guard { time, number: 1, flags: 1 };
    Block { guard, ok: true, text: text.as_bytes().to_vec(), truncated: false }
}

fn listed(scope: Scope, sessions: &[u32], panes: &str, time: u64) -> Event {
    let text: String = sessions.iter().fold(String::new(), |t, s| t + &format!("${s}\t0\ts{s}\n"));
    let sessions = (scope == Scope::All).then(|| listing::sessions(&block(&text, time)));
    Event::Listed { scope, sessions, panes: listing::panes(&block(panes, time)) }
}

fn shown() -> Shown {
    Shown { text: "x".into(), title: "t".into(), columns: Some(80) }
}

fn reports(effects: Vec<Effect>) -> Vec<Report> {
    let report = |e| if let Effect::Report(r) = e { Some(r) } else { None };
    effects.into_iter().filter_map(report).collect()
}

/// Connected, listed at time 0 with one pane in each of `n` sessions, all terminals watched or not.
fn standing(push: PushMode, n: u32, watched: bool) -> Inventory {
    let mut inventory = Inventory::new(push);
    assert_eq!(inventory.step(Event::Connected(server(1)), at(0)), [Effect::List(Scope::All)]);
    let sessions: Vec<u32> = (0..n).collect();
    let panes: String = sessions.iter().map(|i| line(*i, *i, 90)).collect();
    let effects = inventory.step(listed(Scope::All, &sessions, &panes, 100), at(0));
    for effect in effects {
        if let Effect::Watch { pane, .. } = effect {
            inventory.step(Event::Watched { pane, ok: watched }, at(0));
        }
    }
    inventory
}

#[test]
fn the_first_listing_is_a_snapshot_and_then_only_changes_are_told() {
    let mut i = standing(PushMode::Tty, 2, true);
    let changed = line(1, 1, 90).replace("\tt\n", "\tother title\n");
    let effects = i.step(listed(Scope::All, &[1], &changed, 101), at(10));
    let Some(Report::Delta { sessions_gone, panes, panes_gone, sessions }) = reports(effects).pop() else {
        panic!("no delta")
    };
    assert_eq!((sessions_gone, panes_gone, sessions), (vec![SessionId(0)], vec![PaneId(0)], vec![]));
    assert_eq!(panes.iter().map(|p| p.title.raw()).collect::<Vec<_>>(), ["other title"]);
    assert_eq!(reports(i.step(listed(Scope::All, &[1], &changed, 102), at(20))), []);
}

#[test]
fn a_filtered_or_cut_listing_removes_nothing() {
    let mut i = standing(PushMode::Tty, 2, true);
    assert_eq!(reports(i.step(listed(Scope::Since(100), &[], "", 101), at(10))), []);
    let mut cut = listed(Scope::All, &[0, 1], &line(0, 0, 90), 102);
    let Event::Listed { panes, .. } = &mut cut else { unreachable!() };
    panes.complete = false;
    assert_eq!(reports(i.step(cut, at(20))), []);
    assert!(i.knows(PaneId(1)));
}

#[test]
fn cut_listings_do_not_add_up() {
    let mut i = standing(PushMode::Tty, 1, true);
    let most = PANES_MAX as u32;
    for from in [0, most, 2 * most] {
        let panes: String = (from..=from + most).map(|n| line(n, 0, 90)).collect();
        i.step(listed(Scope::All, &[0], &panes, 101), at(10));
        assert!(i.coverage().0 <= PANES_MAX);
    }
    assert_eq!(i.coverage().0, PANES_MAX);
}

#[test]
fn a_linked_window_stands_once_under_its_lowest_session() {
    let mut i = Inventory::new(PushMode::Tty);
    i.step(Event::Connected(server(1)), at(0));
    let twice = line(5, 9, 90) + &line(5, 2, 90);
    let Some(Report::Snapshot { panes, .. }) =
        reports(i.step(listed(Scope::All, &[2, 9], &twice, 100), at(0))).pop()
    else {
        panic!("no snapshot")
    };
    assert_eq!(panes.iter().map(|p| (p.pane, p.session)).collect::<Vec<_>>(), [(PaneId(5), SessionId(2))]);
    assert_eq!(reports(i.step(listed(Scope::All, &[2, 9], &twice, 101), at(10))), []);
}

#[test]
fn a_write_is_told_at_once_and_a_flood_is_bounded() {
    let mut i = standing(PushMode::Tty, 1, true);
    let first = reports(i.step(Event::Wrote(vec![PaneId(0)]), at(1000)));
    assert_eq!(first, [Report::Activity { panes: vec![PaneId(0)], at: at(1000) }]);
    let mut told = 0;
    for ms in 1001..=11_000 {
        for effect in i.step(Event::Wrote(vec![PaneId(0)]), at(ms)) {
            match effect {
                Effect::Report(Report::Activity { .. }) => told += 1,
                Effect::List(scope) => {
                    i.step(listed(scope, &[0], &line(0, 0, 100), 100 + ms / 1000), at(ms));
                }
                Effect::Capture(panes) => {
                    for pane in panes {
                        i.step(Event::Captured { pane, shown: Some(shown()) }, at(ms));
                    }
                }
                _ => {}
            }
        }
    }
    let most = 2 * 10_000 / ACTIVITY_INTERVAL.as_millis() as usize;
    assert!((10..=most).contains(&told), "{told} reports in 10 s");
}

fn captures(effects: &[Effect]) -> Vec<PaneId> {
    let panes = |e: &Effect| if let Effect::Capture(panes) = e { panes.clone() } else { Vec::new() };
    effects.iter().flat_map(panes).collect()
}

/// The answer to a capture: whether it is told as calm.
fn answered(i: &mut Inventory, pane: u32, ms: u64) -> bool {
    let told = reports(i.step(Event::Captured { pane: PaneId(pane), shown: Some(shown()) }, at(ms)));
    let Some(Report::Screen { screen, .. }) = told.first() else { panic!("{told:?}") };
    screen.calm
}

#[test]
fn a_pane_is_captured_when_it_begins_to_move_and_again_once_it_is_quiet() {
    let mut i = standing(PushMode::Tty, 1, true);
    let one = [PaneId(0)];
    i.step(Event::Wrote(vec![PaneId(0)]), at(1000));
    assert_eq!(captures(&i.step(Event::Tick, at(1119))), []);
    assert_eq!(captures(&i.step(Event::Tick, at(1120))), one);
    assert!(!answered(&mut i, 0, 1121), "it may still be painting");
    assert_eq!(captures(&i.step(Event::Tick, at(1299))), []);
    assert_eq!(captures(&i.step(Event::Tick, at(1300))), one);
    assert!(answered(&mut i, 0, 1301));
    assert_eq!(captures(&i.step(Event::Tick, at(9000))), [], "nothing was written since");
    i.step(Event::Wrote(vec![PaneId(0)]), at(10_000));
    assert_eq!(captures(&i.step(Event::Tick, at(10_120))), one);
    assert_eq!(captures(&i.step(Event::Tick, at(10_300))), [], "the first has not come yet");
    i.step(Event::Captured { pane: PaneId(0), shown: None }, at(10_300));
    assert_eq!(captures(&i.step(Event::Tick, at(10_600))), one);
}

#[test]
fn a_pane_that_is_never_quiet_is_captured_ever_less_often() {
    let mut i = standing(PushMode::Tty, 1, true);
    let mut at_ms = Vec::new();
    for ms in (1000..=20_000).step_by(20) {
        let event = if ms % 100 == 0 { Event::Wrote(vec![PaneId(0)]) } else { Event::Tick };
        if !captures(&i.step(event, at(ms))).is_empty() {
            assert!(!answered(&mut i, 0, ms), "at {ms}");
            at_ms.push(ms);
        }
    }
    let gaps: Vec<u64> = at_ms.windows(2).map(|w| w[1] - w[0]).collect();
    assert_eq!(at_ms[0], 1120);
    assert_eq!(gaps, [1000, 3000, 3000, 3000, 3000, 3000]);
}

#[test]
fn a_pane_that_fell_quiet_and_moves_again_does_not_wait_for_the_slow_rhythm() {
    let mut i = standing(PushMode::Tty, 1, true);
    let mut seen = Vec::new();
    // Never quiet for ten seconds, quiet for half a second, then never quiet again.
    for ms in (1000..=14_000).step_by(20) {
        let writes = ms % 100 == 0 && !(11_000..11_500).contains(&ms);
        let event = if writes { Event::Wrote(vec![PaneId(0)]) } else { Event::Tick };
        if !captures(&i.step(event, at(ms))).is_empty() {
            seen.push((ms, answered(&mut i, 0, ms)));
        }
    }
    let calm = seen.iter().position(|(_, calm)| *calm).unwrap();
    assert!((11_200..=11_220).contains(&seen[calm].0), "{seen:?}");
    assert_eq!(seen[calm + 1], (12_500, false), "a second after it moved again: {seen:?}");
}

#[test]
fn only_panes_with_agents_are_captured_and_new_ones_at_once() {
    let mut i = standing(PushMode::Tty, 3, true);
    let wanted = |panes: &[u32]| Event::Agents(panes.iter().map(|p| PaneId(*p)).collect());
    assert_eq!(captures(&i.step(wanted(&[0, 1]), at(1000))), [PaneId(0), PaneId(1)]);
    assert!(answered(&mut i, 0, 1001) && answered(&mut i, 1, 1001));
    i.step(Event::Wrote((0..3).map(PaneId).collect()), at(2000));
    assert_eq!(captures(&i.step(Event::Tick, at(2120))), [PaneId(0), PaneId(1)]);
    assert_eq!(captures(&i.step(wanted(&[0, 1, 2]), at(2121))), [PaneId(2)], "the others were seen");
    i.step(wanted(&[]), at(2122));
    assert_eq!(captures(&i.step(Event::Look(PaneId(0)), at(9000))), []);
    i.step(wanted(&[0]), at(9001));
    i.step(Event::Captured { pane: PaneId(0), shown: Some(shown()) }, at(9002));
    assert_eq!(captures(&i.step(Event::Look(PaneId(0)), at(20_000))), [PaneId(0)]);
}

#[test]
fn without_push_the_listing_tells_of_writes() {
    let mut i = standing(PushMode::Off, 2, false);
    let wrote = |panes: &[u32], ms| Report::Activity {
        panes: panes.iter().map(|p| PaneId(*p)).collect(),
        at: at(ms),
    };
    let got = reports(i.step(listed(Scope::Since(100), &[], &line(1, 1, 101), 101), at(1000)));
    assert_eq!(got, [wrote(&[1], 1000)]);
    // The same second again: more may have come within it. Seen from a later second it is settled.
    let got = reports(i.step(listed(Scope::Since(101), &[], &line(1, 1, 101), 102), at(2000)));
    assert_eq!(got, [wrote(&[1], 2000)]);
    assert_eq!(reports(i.step(listed(Scope::Since(101), &[], &line(1, 1, 101), 103), at(3000))), []);
}

#[test]
fn a_watch_that_says_nothing_is_not_trusted() {
    let mut i = standing(PushMode::Auto, 1, true);
    let mut dropped = None;
    for n in 1..=5u64 {
        let effects = i.step(listed(Scope::Since(100), &[], &line(0, 0, 100 + n), 100 + n), at(10_000 * n));
        if effects.contains(&Effect::Unwatch(PaneId(0))) {
            dropped = Some(n);
            assert!(effects.contains(&Effect::Push(vec![SessionId(0)])), "{effects:?}");
        }
    }
    assert_eq!(dropped, Some(u64::from(PUSH_MISSES_MAX)));
}

#[test]
fn what_push_told_is_not_told_again_by_the_listing() {
    let mut i = standing(PushMode::Clients, 1, false);
    assert_eq!(reports(i.step(Event::Wrote(vec![PaneId(0)]), at(1000))).len(), 1);
    let effects = i.step(Event::Tick, at(1300));
    assert!(effects.contains(&Effect::Capture(vec![PaneId(0)])), "{effects:?}");
    assert_eq!(reports(i.step(listed(Scope::Since(100), &[], &line(0, 0, 101), 101), at(1400))), []);
    assert_eq!(reports(i.step(Event::Tick, at(1700))), []);
}

#[test]
fn push_clients_are_few_and_on_the_busiest() {
    let n = PUSH_CLIENTS_MAX as u32 + 10;
    let mut i = standing(PushMode::Clients, n, false);
    let last = n - 1;
    let push = |effects: Vec<Effect>| {
        effects.into_iter().find_map(|e| if let Effect::Push(s) = e { Some(s) } else { None })
    };
    assert_eq!(i.pushed.len(), PUSH_CLIENTS_MAX);
    i.step(Event::Wrote(vec![PaneId(last)]), at(5000));
    assert_eq!(push(i.step(Event::Tick, at(9000))), None, "clients do not move at once");
    let chosen = push(i.step(Event::Wrote(vec![PaneId(last)]), at(15_000))).expect("a choice");
    assert!(chosen.len() == PUSH_CLIENTS_MAX && chosen.contains(&SessionId(last)));
    assert_eq!(push(i.step(Event::Tick, at(30_000))), None, "nothing changed");
    assert_eq!(push(i.step(Event::Disconnected, at(30_000))), Some(vec![]));
}

#[test]
fn a_refused_report_becomes_a_snapshot_later() {
    let mut i = standing(PushMode::Tty, 1, true);
    i.step(Event::Refused, at(100));
    assert_eq!(reports(i.step(Event::Wrote(vec![PaneId(0)]), at(110))), []);
    let later = at(100) + REPORT_RETRY;
    let told = reports(i.step(Event::Tick, later));
    assert!(
        matches!(&told[..], [Report::Snapshot { .. }, Report::Activity { panes, .. }] if panes == &[PaneId(0)]),
        "{told:?}"
    );
}

#[test]
fn another_server_behind_the_socket_is_another_inventory() {
    let mut i = standing(PushMode::Tty, 2, true);
    i.step(Event::Disconnected, at(10));
    let effects = i.step(Event::Connected(server(2)), at(20));
    assert!(effects.contains(&Effect::Unwatch(PaneId(0))) && !i.knows(PaneId(0)));
}

#[derive(Debug, Clone)]
enum Happens {
    List { panes: Vec<(u32, u32, u64)>, complete: bool },
    Wrote(u32),
    News(u32),
    Gone(u32),
    Refused,
    Resync,
    Lost,
    Reconnect(u32),
    Pass(u64),
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        4 => (proptest::collection::vec((0u32..12, 0u32..4, 90u64..130), 0..14), any::<bool>())
            .prop_map(|(panes, complete)| Happens::List { panes, complete }),
        6 => (0u32..14).prop_map(Happens::Wrote),
        2 => (0u32..14).prop_map(Happens::News),
        1 => (0u32..14).prop_map(Happens::Gone),
        1 => Just(Happens::Refused),
        1 => Just(Happens::Resync),
        1 => Just(Happens::Lost),
        1 => (1u32..3).prop_map(Happens::Reconnect),
        6 => (1u64..2000).prop_map(Happens::Pass),
    ]
}

/// What a listener believes that has heard everything.
#[derive(Default)]
struct Listener {
    panes: BTreeMap<PaneId, PaneFacts>,
    sessions: BTreeMap<SessionId, Untrusted>,
}

impl Listener {
    fn hear(&mut self, report: &Report) {
        match report {
            Report::Snapshot { sessions, panes, .. } => {
                self.panes = panes.iter().map(|p| (p.pane, p.clone())).collect();
                self.sessions = sessions.iter().map(|s| (s.id, s.name.clone())).collect();
            }
            Report::Delta { sessions, sessions_gone, panes, panes_gone } => {
                self.panes.extend(panes.iter().map(|p| (p.pane, p.clone())));
                self.sessions.extend(sessions.iter().map(|s| (s.id, s.name.clone())));
                for gone in panes_gone {
                    assert!(self.panes.remove(gone).is_some(), "{gone} was never told");
                }
                for gone in sessions_gone {
                    assert!(self.sessions.remove(gone).is_some(), "{gone} was never told");
                }
            }
            Report::Activity { panes, .. } => assert!(panes.iter().all(|p| self.panes.contains_key(p))),
            Report::Screen { pane, .. } => assert!(self.panes.contains_key(pane)),
            Report::Lost { .. } => panic!("that is not for the inventory to say"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Whoever hears all reports knows exactly what the inventory knows, watches and captures concern
    /// known panes, push stays in bounds, and time never stands still.
    #[test]
    fn the_listener_knows_what_the_inventory_knows(
        push in prop_oneof![Just(PushMode::Auto), Just(PushMode::Tty), Just(PushMode::Clients), Just(PushMode::Off)],
        story in proptest::collection::vec(happens(), 1..60),
    ) {
        let mut i = Inventory::new(push);
        let mut listener = Listener::default();
        let mut ms = 0;
        let mut asked = None;
        let mut events = vec![Event::Connected(server(1))];
        let mut refused = false;
        for what in story {
            match what {
                Happens::List { panes, complete } => if let Some(scope) = asked.take() {
                    let text: String = panes.iter().map(|(n, s, a)| line(*n, *s, *a)).collect();
                    let mut event = listed(scope, &[0, 1, 2, 3], &text, 100 + ms / 1000);
                    if let Event::Listed { panes, .. } = &mut event { panes.complete &= complete; }
                    events.push(event);
                },
                Happens::Wrote(n) => events.push(Event::Wrote(vec![PaneId(n)])),
                Happens::News(n) => events.push(Event::Notice(Notice::WindowRenamed(WindowId(n), "r".into()))),
                Happens::Gone(n) => events.push(Event::TtyGone(PaneId(n))),
                Happens::Refused => refused = true,
                Happens::Resync => events.push(Event::Resync),
                Happens::Lost => events.push(Event::PushLost),
                Happens::Reconnect(pid) => {
                    events.extend([Event::Disconnected, Event::Connected(server(pid))]);
                }
                Happens::Pass(by) => ms += by,
            }
            events.push(Event::Tick);
            while !events.is_empty() {
                let event = events.remove(0);
                if matches!(event, Event::Connected(_)) {
                    asked = None;
                }
                let mut followed = Vec::new();
                let mut deaf = false;
                for effect in i.step(event, at(ms)) {
                    match effect {
                        Effect::Report(_) if refused => {
                            refused = false;
                            deaf = true;
                            followed.push(Event::Refused);
                        }
                        Effect::Report(_) if deaf => {}
                        Effect::Report(report) => listener.hear(&report),
                        Effect::List(scope) => {
                            prop_assert!(asked.is_none(), "two listings at a time");
                            asked = Some(scope);
                        }
                        Effect::Capture(panes) => {
                            prop_assert!(panes.len() <= CAPTURES_PER_BATCH);
                            followed.extend(panes.into_iter().map(|pane| Event::Captured { pane, shown: Some(shown()) }));
                        }
                        Effect::Watch { pane, .. } => {
                            prop_assert!(i.knows(pane));
                            followed.push(Event::Watched { pane, ok: pane.0 % 3 != 0 });
                        }
                        Effect::Unwatch(_) => {}
                        Effect::Push(sessions) => prop_assert!(sessions.len() <= PUSH_CLIENTS_MAX),
                    }
                }
                events.splice(0..0, followed);
            }
            if !i.fresh {
                let known: BTreeMap<_, _> = i.panes.iter().map(|(id, p)| (*id, p.facts.clone())).collect();
                prop_assert_eq!(&known, &listener.panes);
                prop_assert_eq!(i.sessions.keys().collect::<Vec<_>>(), listener.sessions.keys().collect::<Vec<_>>());
            }
            if i.connected {
                prop_assert!(i.deadline().is_none_or(|d| d > at(ms)), "a deadline in the past: {:?} at {}", i.deadline(), ms);
            }
        }
    }
}
