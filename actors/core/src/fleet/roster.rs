//! Who is there: which sessions, panes and agents tmux servers hold, and what changed.
//!
//! The roster takes the gateways' reports and the results of looks at the process tree. For each session
//! whose picture changed it gives out the whole picture ([`Effect::Update`]), so that a lost message is
//! repaired by the next one. Sessions are known by a key of ours: they keep it, and their history,
//! through renames.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::clock::Mono;
use crate::fleet::profile::Found;
use crate::fleet::spec::AgentSpec;
use crate::ids::{AgentId, PaneId, ProcId, SessionId, SocketName};
use crate::tmux::report::{LostWhy, PaneFacts, Report, ServerFacts, SessionFacts};
use crate::untrusted::Untrusted;

mod look;
mod member;
mod session;
mod words;

pub use look::{Look, Looked};
pub use member::{Member, Picture};
pub use words::{Effect, Event, SessionKey};

use look::LookState;
use member::pictures;

/// A pane as the roster knows it.
#[derive(Debug, Clone)]
struct Pane {
    facts: PaneFacts,
    /// Its process with the start time, once it was looked at.
    process: Option<ProcId>,
    found: Option<Found>,
    /// Whether the found agent's process ended.
    ended: bool,
    look: LookState,
}

/// A server as the roster knows it.
#[derive(Debug, Clone, Default)]
struct Server {
    facts: Option<ServerFacts>,
    /// Whether anything was heard yet; before that nobody knows what is missing.
    heard: bool,
    stalled: bool,
    /// Whether its loss was told; told once, until it is back.
    lost: bool,
    sessions: BTreeMap<SessionId, SessionKey>,
    panes: BTreeMap<PaneId, Pane>,
    /// The panes with agents, as they were told last; told again with each snapshot.
    told_agents: Option<BTreeSet<PaneId>>,
}

/// A session as the roster knows it.
#[derive(Debug, Clone)]
struct Session {
    socket: SocketName,
    /// The name by which declared and spawned agents ask for it.
    home_name: String,
    name: Untrusted,
    tmux: Option<SessionId>,
    sent: Option<Picture>,
}

/// The roster.
#[derive(Debug)]
pub struct Roster {
    home: String,
    servers: BTreeMap<SocketName, Server>,
    sessions: BTreeMap<SessionKey, Session>,
    owned: BTreeMap<AgentId, Arc<AgentSpec>>,
    /// Where an agent's pane is, by what was sent last.
    places: BTreeMap<PaneId, Vec<(SocketName, SessionKey, AgentId)>>,
    next_key: u32,
}

impl Roster {
    /// A roster of the supervisor whose home has this identity; panes with its tag are its own.
    pub fn new(home: impl Into<String>) -> Self {
        Roster {
            home: home.into(),
            servers: BTreeMap::new(),
            sessions: BTreeMap::new(),
            owned: BTreeMap::new(),
            places: BTreeMap::new(),
            next_key: 0,
        }
    }

    /// The spec of an agent that tsup owns.
    pub fn spec(&self, id: AgentId) -> Option<&AgentSpec> {
        self.owned.get(&id).map(|spec| &**spec)
    }

    /// The sockets that were heard of.
    pub fn sockets(&self) -> impl Iterator<Item = &SocketName> {
        self.servers.keys()
    }

    /// Takes in what happened.
    pub fn step(&mut self, event: Event, now: Mono) -> Vec<Effect> {
        let mut out = Vec::new();
        let dirty = match event {
            Event::Report { socket, report } => {
                self.servers.entry(socket.clone()).or_default();
                self.report(&socket, report, now, &mut out)
            }
            Event::Looked { socket, server, looks } => self.looked(&socket, server, looks, now),
            Event::Declare(specs) => self.declare(specs, &mut out),
            Event::Own(spec) => {
                self.home_session(&spec, &mut out);
                let socket = spec.socket.clone();
                self.owned.insert(spec.id(), Arc::new(spec));
                vec![socket]
            }
            Event::Disown(id) => self.owned.remove(&id).map(|spec| spec.socket.clone()).into_iter().collect(),
            Event::Ended(id) => {
                self.ended(id);
                Vec::new()
            }
            Event::Empty(key) => {
                self.close_if_idle(key, &mut out);
                Vec::new()
            }
            Event::Profiles => {
                for pane in self.servers.values_mut().flat_map(|server| server.panes.values_mut()) {
                    pane.look.again(now);
                }
                Vec::new()
            }
            Event::AgentsRefused(socket) => {
                self.server(&socket).told_agents = None;
                vec![socket]
            }
            Event::LookDue => Vec::new(),
        };
        for socket in &dirty.into_iter().collect::<BTreeSet<_>>() {
            self.refresh(socket, &mut out);
        }
        self.want_looks(now, &mut out);
        out
    }

    fn report(
        &mut self,
        socket: &SocketName,
        report: Report,
        now: Mono,
        out: &mut Vec<Effect>,
    ) -> Vec<SocketName> {
        match report {
            Report::Snapshot { server, sessions, panes } => {
                self.snapshot(socket, server, sessions, panes, now, out);
            }
            Report::Delta { sessions, sessions_gone, panes, panes_gone } => {
                self.sessions_there(socket, sessions, out);
                for id in sessions_gone {
                    self.session_gone(socket, id);
                }
                let server = self.server(socket);
                for pane in panes_gone {
                    server.panes.remove(&pane);
                }
                for facts in panes {
                    server.pane_there(facts, now);
                }
            }
            Report::Activity { panes, at } => {
                self.activity(socket, &panes, at, now, out);
                return Vec::new();
            }
            Report::Screen { pane, screen } => {
                if let Some((key, agent)) = self.place(socket, pane) {
                    out.push(Effect::Screen(key, agent, screen));
                }
                return Vec::new();
            }
            Report::Lost { why } => self.lost(socket, &why, out),
        }
        vec![socket.clone()]
    }

    fn server(&mut self, socket: &SocketName) -> &mut Server {
        self.servers.entry(socket.clone()).or_default()
    }

    fn snapshot(
        &mut self,
        socket: &SocketName,
        facts: ServerFacts,
        sessions: Vec<SessionFacts>,
        panes: Vec<PaneFacts>,
        now: Mono,
        out: &mut Vec<Effect>,
    ) {
        let server = self.server(socket);
        let replaced = server.facts.as_ref().is_some_and(|old| old.process != facts.process);
        if replaced {
            self.lost(socket, &LostWhy::Ended, out);
        }
        let server = self.server(socket);
        (server.facts, server.heard, server.stalled) = (Some(facts), true, false);
        server.told_agents = None;
        let there: BTreeSet<SessionId> = sessions.iter().map(|s| s.id).collect();
        let gone: Vec<SessionId> = server.sessions.keys().filter(|id| !there.contains(id)).copied().collect();
        let listed: BTreeSet<PaneId> = panes.iter().map(|p| p.pane).collect();
        server.panes.retain(|id, _| listed.contains(id));
        for pane in panes {
            server.pane_there(pane, now);
        }
        for id in gone {
            self.session_gone(socket, id);
        }
        self.sessions_there(socket, sessions, out);
        if std::mem::take(&mut self.server(socket).lost) {
            out.push(Effect::ServerBack { socket: socket.clone(), sessions: self.keys_of(socket) });
        }
    }

    fn keys_of(&self, socket: &SocketName) -> Vec<SessionKey> {
        self.sessions.iter().filter(|(_, s)| s.socket == *socket).map(|(key, _)| *key).collect()
    }

    fn lost(&mut self, socket: &SocketName, why: &LostWhy, out: &mut Vec<Effect>) {
        let stalled = matches!(why, LostWhy::Stalled);
        let sessions = self.keys_of(socket);
        let server = self.server(socket);
        let knew = server.facts.is_some() && !(server.lost && stalled);
        server.heard = true;
        server.stalled = stalled;
        if !stalled {
            server.facts = None;
            server.panes.clear();
            server.sessions.clear();
            for session in self.sessions.values_mut().filter(|s| s.socket == *socket) {
                session.tmux = None;
            }
        }
        // A server that stalled and then ended is lost twice: the second time its panes are lost too.
        if knew {
            let again = std::mem::replace(&mut self.server(socket).lost, true);
            out.push(Effect::ServerLost { socket: socket.clone(), sessions, stalled, again });
        }
    }

    fn declare(&mut self, specs: Vec<AgentSpec>, out: &mut Vec<Effect>) -> Vec<SocketName> {
        let declared: BTreeSet<AgentId> = specs.iter().map(AgentSpec::id).collect();
        let mut dirty: Vec<SocketName> = self.owned.values().map(|s| s.socket.clone()).collect();
        self.owned.retain(|id, spec| !spec.declared || declared.contains(id));
        for spec in specs {
            self.home_session(&spec, out);
            dirty.push(spec.socket.clone());
            self.owned.insert(spec.id(), Arc::new(spec));
        }
        dirty
    }

    fn place(&self, socket: &SocketName, pane: PaneId) -> Option<(SessionKey, AgentId)> {
        let places = self.places.get(&pane)?;
        places.iter().find(|(s, _, _)| s == socket).map(|(_, key, agent)| (*key, *agent))
    }

    fn activity(
        &mut self,
        socket: &SocketName,
        panes: &[PaneId],
        at: Mono,
        now: Mono,
        out: &mut Vec<Effect>,
    ) {
        let mut by_session: BTreeMap<SessionKey, Vec<AgentId>> = BTreeMap::new();
        for pane in panes {
            if let Some((key, agent)) = self.place(socket, *pane) {
                by_session.entry(key).or_default().push(agent);
            }
        }
        out.extend(by_session.into_iter().map(|(key, agents)| Effect::Activity(key, agents, at)));
        let server = self.server(socket);
        for id in panes {
            if let Some(pane) = server.panes.get_mut(id)
                && (pane.found.is_none() || pane.ended)
            {
                pane.look.activity(now);
            }
        }
    }

    fn ended(&mut self, id: AgentId) {
        let places = self.places.iter().flat_map(|(pane, all)| all.iter().map(move |p| (pane, p)));
        let place = places.filter(|(_, p)| p.2 == id).map(|(pane, p)| (*pane, p.0.clone())).next();
        if let Some((pane, socket)) = place
            && let Some(pane) = self.server(&socket).panes.get_mut(&pane)
        {
            pane.ended = true;
        }
    }

    /// Sends the picture of each session of a server that looks different now.
    fn refresh(&mut self, socket: &SocketName, out: &mut Vec<Effect>) {
        let pictures = pictures(self, socket);
        for places in self.places.values_mut() {
            places.retain(|(s, _, _)| s != socket);
        }
        self.places.retain(|_, places| !places.is_empty());
        let everywhere: BTreeMap<AgentId, SessionKey> =
            pictures.iter().flat_map(|(key, p)| p.members.iter().map(|m| (m.id, *key))).collect();
        for (key, picture) in pictures {
            for member in &picture.members {
                if let Some(pane) = member.pane {
                    self.places.entry(pane).or_default().push((socket.clone(), key, member.id));
                }
            }
            let session = self.sessions.get_mut(&key).expect("pictures are of known sessions");
            if session.sent.as_ref() != Some(&picture) {
                let before = session.sent.iter().flat_map(|sent| &sent.members).map(|m| m.id);
                let left: Vec<AgentId> =
                    before.filter(|id| everywhere.get(id).is_some_and(|now| *now != key)).collect();
                if !left.is_empty() {
                    out.push(Effect::Left(key, left));
                }
                session.sent = Some(picture.clone());
                out.push(Effect::Update(key, picture));
            }
        }
        self.tell_agents(socket, out);
    }

    /// Tells which panes have agents, when that changed or whoever it was told to may have forgotten.
    fn tell_agents(&mut self, socket: &SocketName, out: &mut Vec<Effect>) {
        let here =
            |places: &Vec<(SocketName, SessionKey, AgentId)>| places.iter().any(|(s, _, _)| s == socket);
        let panes: BTreeSet<PaneId> =
            self.places.iter().filter(|(_, places)| here(places)).map(|(pane, _)| *pane).collect();
        let server = self.server(socket);
        if server.facts.is_some() && server.told_agents.as_ref() != Some(&panes) {
            server.told_agents = Some(panes.clone());
            out.push(Effect::Agents { socket: socket.clone(), panes });
        }
    }

    /// Gives out the last picture of a session again, for an actor that lost it.
    pub fn repeat(&self, key: SessionKey) -> Option<Effect> {
        let picture = self.sessions.get(&key)?.sent.clone()?;
        Some(Effect::Update(key, picture))
    }
}

/// A profile's name, shared by all its agents.
pub type ProfileName = Arc<str>;

#[cfg(test)]
mod tests;
