use std::time::Duration;

use super::*;
use crate::fleet::profile::Rule;
use crate::ids::WindowId;
use crate::settings::RestartPolicy;
use crate::tmux::report::{DeadPane, OwnerTag};

fn sock() -> SocketName {
    SocketName("s".into())
}

fn proc(pid: u32) -> ProcId {
    ProcId { pid, start_ticks: 1 }
}

fn at(ms: u64) -> Mono {
    Mono::from_origin(Duration::from_millis(ms))
}

fn server(pid: u32) -> ServerFacts {
    ServerFacts { socket: sock(), process: proc(pid), version: "3.3a".into() }
}

fn session(id: u32, name: &str) -> SessionFacts {
    SessionFacts { id: SessionId(id), name: name.into() }
}

/// A pane whose window, session and pid follow from its number unless changed.
fn pane(id: u32, session: u32, window_name: &str) -> PaneFacts {
    PaneFacts {
        pane: PaneId(id),
        window: WindowId(id),
        session: SessionId(session),
        window_name: window_name.into(),
        window_index: id,
        pane_index: 0,
        window_panes: 1,
        pid: 100 + id,
        tty: format!("/dev/pts/{id}"),
        dead: None,
        in_mode: false,
        title: "".into(),
        owner: None,
    }
}

fn spec(name: &str, declared: bool) -> AgentSpec {
    AgentSpec {
        socket: sock(),
        session: "web".into(),
        name: name.into(),
        role: Some("pm".into()),
        profile: "claude".into(),
        argv: vec!["claude".into()],
        cwd: "/".into(),
        pass: Vec::new(),
        set: Vec::new(),
        restart: RestartPolicy::OnFailure,
        declared,
    }
}

fn tag(name: &str) -> OwnerTag {
    OwnerTag { home: "home".into(), session: "web".into(), name: name.into() }
}

struct World {
    roster: Roster,
    pictures: BTreeMap<SessionKey, Picture>,
    last: Vec<Effect>,
    ms: u64,
}

impl World {
    fn new() -> Self {
        World { roster: Roster::new("home"), pictures: BTreeMap::new(), last: Vec::new(), ms: 0 }
    }

    fn step(&mut self, event: Event) -> &[Effect] {
        self.ms += 1;
        self.last = self.roster.step(event, at(self.ms));
        for effect in &self.last {
            match effect {
                Effect::Update(key, picture) => drop(self.pictures.insert(*key, picture.clone())),
                Effect::Close(key) => drop(self.pictures.remove(key)),
                _ => {}
            }
        }
        &self.last
    }

    fn report(&mut self, report: Report) -> &[Effect] {
        self.step(Event::Report { socket: sock(), report })
    }

    fn snapshot(&mut self, pid: u32, sessions: &[SessionFacts], panes: &[PaneFacts]) {
        let (sessions, panes) = (sessions.to_vec(), panes.to_vec());
        self.report(Report::Snapshot { server: server(pid), sessions, panes });
    }

    /// Answers the looks just asked for: the agent in each pane is a child of its process.
    fn look(&mut self, agents: &[u32]) -> &[Effect] {
        let looks = self.last.iter().filter_map(|e| match e {
            Effect::Look { server, panes, .. } => Some((*server, panes.clone())),
            _ => None,
        });
        for (server, panes) in looks.collect::<Vec<_>>() {
            let seen = panes.iter().map(|l| Looked {
                pane: l.pane,
                pid: l.pid,
                process: Some(proc(l.pid)),
                found: agents.contains(&l.pane.0).then(|| Found {
                    profile: "claude".into(),
                    process: proc(1_000 + l.pane.0 + u32::try_from(self.ms).unwrap()),
                    rule: Rule::Name,
                }),
            });
            let looks = seen.collect();
            self.step(Event::Looked { socket: sock(), server, looks });
        }
        &self.last
    }

    /// `session/name` of everybody, sorted.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .pictures
            .values()
            .flat_map(|p| p.members.iter().map(|m| format!("{}/{}", p.name, m.name)))
            .collect();
        names.sort();
        names
    }

    fn member(&self, name: &str) -> Member {
        self.pictures.values().flat_map(|p| &p.members).find(|m| m.name.raw() == name).unwrap().clone()
    }
}

#[test]
fn agents_are_found_in_every_session_and_named_by_their_windows() {
    let mut w = World::new();
    let mut split = pane(3, 2, "pair");
    (split.window_panes, split.pane_index) = (2, 1);
    let panes = [pane(1, 1, "dev"), pane(2, 1, "shell"), split, pane(4, 2, "qa"), pane(5, 2, "qa")];
    w.snapshot(9, &[session(1, "web"), session(2, "api")], &panes);
    assert!(w.names().is_empty(), "nobody is an agent before the processes were looked at");
    w.look(&[1, 3, 4, 5]);
    assert_eq!(w.names(), ["api/pair.1", "api/qa@4", "api/qa@5", "web/dev"]);
    assert_eq!(w.pictures.values().map(|p| p.panes).collect::<Vec<_>>(), [2, 3]);
    assert!(!w.member("dev").owned && w.member("dev").role.is_none());
}

#[test]
fn renames_and_moves_keep_identity() {
    let mut w = World::new();
    w.snapshot(9, &[session(1, "web"), session(2, "api")], &[pane(1, 1, "dev")]);
    w.look(&[1]);
    let before = w.member("dev");
    w.report(Report::Delta {
        sessions: vec![session(1, "front")],
        sessions_gone: vec![],
        panes: vec![pane(1, 1, "developer")],
        panes_gone: vec![],
    });
    assert_eq!(w.names(), ["front/developer"]);
    assert_eq!(w.member("developer").id, before.id);
    assert_eq!(w.pictures.len(), 2, "a renamed session is the same one");
    let moved = Report::Delta {
        sessions: vec![],
        sessions_gone: vec![],
        panes: vec![pane(1, 2, "developer")],
        panes_gone: vec![],
    };
    assert!(w.report(moved).contains(&Effect::Left(SessionKey(0), vec![before.id])));
    assert_eq!(w.names(), ["api/developer"]);
}

#[test]
fn a_reused_pane_or_pid_is_another_agent() {
    let mut w = World::new();
    w.snapshot(9, &[session(1, "web")], &[pane(1, 1, "dev")]);
    w.look(&[1]);
    let first = w.member("dev").id;
    let mut again = pane(1, 1, "dev");
    again.pid = 777;
    w.snapshot(9, &[session(1, "web")], &[again]);
    assert!(w.names().is_empty());
    w.look(&[1]);
    assert_ne!(w.member("dev").id, first);
    let stale = vec![Looked { pane: PaneId(1), pid: 101, process: None, found: None }];
    w.step(Event::Looked { socket: sock(), server: proc(9), looks: stale });
    assert_eq!(w.names(), ["web/dev"]);
}

#[test]
fn a_pane_gets_another_agent_only_after_one_was_seen() {
    let mut w = World::new();
    w.snapshot(9, &[session(1, "web")], &[pane(1, 1, "dev")]);
    w.look(&[1]);
    let first = w.member("dev").id;
    w.step(Event::Ended(first));
    let active = Report::Activity { panes: vec![PaneId(1)], at: at(1) };
    w.ms += 60_000;
    w.report(active);
    w.look(&[]);
    assert_eq!(w.member("dev").id, first, "a dead agent stays listed");
    w.ms += 60_000;
    w.report(Report::Activity { panes: vec![PaneId(1)], at: at(1) });
    w.look(&[1]);
    assert_ne!(w.member("dev").id, first);
}

#[test]
fn looks_without_success_become_rare() {
    let mut w = World::new();
    w.snapshot(9, &[session(1, "web")], &[pane(1, 1, "log")]);
    w.look(&[]);
    let mut looks = 0;
    for _ in 0..600 {
        w.ms += 100;
        let active = Report::Activity { panes: vec![PaneId(1)], at: at(1) };
        if w.report(active).iter().any(|e| matches!(e, Effect::Look { .. })) {
            looks += 1;
            w.look(&[]);
        }
    }
    assert!((5..14).contains(&looks), "{looks} looks in a minute of output");
}

#[test]
fn other_profiles_have_every_pane_looked_at_again_however_quiet_it_is() {
    let mut w = World::new();
    w.snapshot(9, &[session(1, "web")], &[pane(1, 1, "dev"), pane(2, 1, "log")]);
    w.look(&[1]);
    let dev = w.member("dev");
    w.ms += 600_000;
    for _ in 0..9 {
        w.step(Event::LookDue);
        w.look(&[1]);
    }
    assert!(!w.step(Event::LookDue).iter().any(|e| matches!(e, Effect::Look { .. })), "both are quiet");
    let effects = w.step(Event::Profiles).to_vec();
    let Some(Effect::Look { server, panes, .. }) = effects.iter().find(|e| matches!(e, Effect::Look { .. }))
    else {
        panic!("{effects:?}")
    };
    assert_eq!(panes.iter().map(|look| look.pane.0).collect::<Vec<_>>(), [1, 2]);
    let seen = |pane: u32, profile: &str, process| Looked {
        pane: PaneId(pane),
        pid: 100 + pane,
        process: Some(proc(100 + pane)),
        found: Some(Found { profile: profile.into(), process, rule: Rule::Name }),
    };
    let looks = vec![seen(1, "mine", dev.process.unwrap()), seen(2, "mine", proc(7))];
    let server = *server;
    w.step(Event::Looked { socket: sock(), server, looks });
    assert_eq!(w.names(), ["web/dev", "web/log"]);
    let now = w.member("dev");
    assert_eq!((now.id, &*now.profile), (dev.id, "mine"), "the same agent by another profile");
}

#[test]
fn declared_agents_are_listed_once_the_server_was_heard() {
    let mut w = World::new();
    w.step(Event::Declare(vec![spec("dev", true), spec("qa", true)]));
    assert!(w.pictures.values().all(|p| !p.heard));
    w.report(Report::Lost { why: LostWhy::NoServer });
    assert!(w.pictures.values().all(|p| p.heard && p.owned && p.tmux.is_none()));
    let dev = w.member("dev");
    assert_eq!((dev.pane, dev.owned, dev.role.as_deref()), (None, true, Some("pm")));
    let mut made = pane(1, 1, "whatever");
    made.owner = Some(tag("dev"));
    let mut foreign = pane(2, 1, "dev");
    foreign.owner = Some(OwnerTag { home: "another".into(), ..tag("qa") });
    w.snapshot(9, &[session(1, "web")], &[made, foreign]);
    w.look(&[1, 2]);
    let dev = w.member("dev");
    assert_eq!((dev.pane, dev.process), (Some(PaneId(1)), Some(proc(101))));
    assert_eq!(w.names(), ["web/dev", "web/dev@2", "web/qa"]);
    assert!(!w.member("dev@2").owned, "the tag of another home is nothing to us");
    assert_eq!(w.pictures.len(), 1);
}

#[test]
fn after_a_restart_declared_agents_are_matched_by_their_tags() {
    let mut w = World::new();
    w.step(Event::Declare(vec![spec("dev", true)]));
    let mut dead = pane(1, 1, "dev");
    (dead.owner, dead.dead) = (Some(tag("dev")), Some(DeadPane::default()));
    let mut alive = pane(2, 1, "dev");
    alive.owner = Some(tag("dev"));
    let mut orphan = pane(3, 1, "old");
    orphan.owner = Some(tag("old"));
    w.snapshot(9, &[session(1, "web")], &[dead, alive, orphan]);
    w.look(&[]);
    assert_eq!(w.member("dev").pane, Some(PaneId(2)), "of two panes with one tag the living one counts");
    assert!(w.member("old").owned);
    w.step(Event::Declare(vec![]));
    assert_eq!(w.names().len(), 3, "a pane that tsup made stays its own");
}

#[test]
fn a_lost_server_is_told_once_and_empties_what_it_held() {
    let mut w = World::new();
    w.snapshot(9, &[session(1, "web")], &[pane(1, 1, "dev")]);
    w.look(&[1]);
    let lost = |e: &[Effect]| e.iter().filter(|e| matches!(e, Effect::ServerLost { .. })).count();
    let back = |e: &[Effect]| e.iter().filter(|e| matches!(e, Effect::ServerBack { .. })).count();
    assert_eq!(lost(w.report(Report::Lost { why: LostWhy::Stalled })), 1);
    assert_eq!(w.names(), ["web/dev"], "a stalled server still holds its panes");
    assert_eq!(lost(w.report(Report::Lost { why: LostWhy::Stalled })), 0, "told anew is not lost anew");
    w.snapshot(9, &[session(1, "web")], &[pane(1, 1, "dev")]);
    assert_eq!(back(&w.last), 1);
    assert_eq!(w.names(), ["web/dev"]);
    assert_eq!(lost(w.report(Report::Lost { why: LostWhy::Ended })), 1);
    assert!(w.names().is_empty());
    assert_eq!(lost(w.report(Report::Lost { why: LostWhy::NoServer })), 0);
    w.snapshot(10, &[session(1, "web")], &[pane(1, 1, "dev")]);
    assert_eq!(back(&w.last), 1);
    w.look(&[1]);
    w.snapshot(11, &[session(1, "web")], &[pane(1, 1, "dev")]);
    assert_eq!((lost(&w.last), back(&w.last)), (1, 1), "another process is another server");
}

#[test]
fn an_empty_session_is_closed_unless_agents_of_it_are_declared() {
    let mut w = World::new();
    w.step(Event::Declare(vec![spec("dev", true)]));
    w.snapshot(9, &[session(1, "web"), session(2, "api")], &[]);
    let gone = vec![SessionId(1), SessionId(2)];
    w.report(Report::Delta { sessions: vec![], sessions_gone: gone, panes: vec![], panes_gone: vec![] });
    assert_eq!(w.step(Event::Empty(SessionKey(0))), []);
    assert_eq!(w.step(Event::Empty(SessionKey(1))), [Effect::Close(SessionKey(1))]);
    assert_eq!(w.step(Event::Empty(SessionKey(1))), []);
    w.snapshot(9, &[session(3, "web")], &[]);
    assert_eq!(w.pictures[&SessionKey(0)].tmux, Some(SessionId(3)), "the declared one is found again");
}

#[test]
fn activity_reaches_the_agents_by_session() {
    let mut w = World::new();
    w.snapshot(
        9,
        &[session(1, "web"), session(2, "api")],
        &[pane(1, 1, "a"), pane(2, 1, "b"), pane(3, 2, "c")],
    );
    w.look(&[1, 3]);
    let (a, c) = (w.member("a").id, w.member("c").id);
    let told =
        w.report(Report::Activity { panes: vec![PaneId(1), PaneId(2), PaneId(3)], at: at(7) }).to_vec();
    assert!(told.contains(&Effect::Activity(SessionKey(0), vec![a], at(7))));
    assert!(told.contains(&Effect::Activity(SessionKey(1), vec![c], at(7))));
}
