//! Who is there, for whoever wants to know without asking anybody: views of sessions and agents.
//!
//! Each view has one writer: the roster writes who the sessions are, a session's actor who its agents
//! are, an agent's actor its document. Readers walk from the first to the last. What an actor needs to
//! go on where its last incarnation left off, its views among it, is its [`Heirloom`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::watch;
use tsup_core::clock::Mono;
use tsup_core::fleet::agent::{Agent, History};
use tsup_core::fleet::hook::heed::Heed;
use tsup_core::fleet::hook::{Caller, route};
use tsup_core::fleet::relaunch::Relaunch;
use tsup_core::fleet::roster::Member;
use tsup_core::fleet::state::AgentState;
use tsup_core::fleet::target::Candidate;
use tsup_core::ids::{AgentId, SocketName};
use tsup_core::untrusted::Untrusted;
use tsup_core::wire::doc::{AgentDoc, SessionDoc};

use super::{agent, session};
use crate::gate::Gate;
use crate::heirloom::Heirloom;
use crate::store::{AgentRecord, Paused};
use crate::tmux::Place;

/// What the store knew of an agent.
pub(super) type Stored = (AgentRecord, History);

/// What an agent's actor needs to go on after a crash or a move.
#[derive(Debug)]
pub(super) struct Memory {
    pub(super) agent: Agent,
    pub(super) relaunch: Relaunch,
    pub(super) paused: Option<Paused>,
    pub(super) record: AgentRecord,
    pub(super) member: Option<Box<Member>>,
    pub(super) session: Untrusted,
    /// Counts launches over all incarnations; the answer to an older one is dropped.
    pub(super) launches: u64,
    /// What its hooks told besides its state, and which was the last.
    pub(super) heed: Heed,
    /// Whether somebody was told that it is there.
    pub(super) announced: bool,
    /// What its screen showed when it was last captured: a record begins with it.
    pub(super) shown: Option<agent::record::Shown>,
    /// The record that is written of it.
    pub(super) recording: Option<agent::record::Recording>,
    pub(super) view: watch::Sender<Option<AgentDoc>>,
}

/// One agent.
#[derive(Debug, Clone)]
pub(super) struct AgentEntry {
    pub(super) gate: Gate<agent::Msg>,
    /// On which server.
    pub(super) socket: SocketName,
    /// Its session's actor.
    pub(super) session: Gate<session::Msg>,
    pub(super) view: watch::Receiver<Option<AgentDoc>>,
    pub(super) memory: Heirloom<Box<Memory>>,
    /// When it went to another session, which takes up its memory here.
    pub(super) left: Option<Mono>,
}

/// What a session's actor needs to go on after a crash.
#[derive(Debug, Default)]
pub(super) struct SessionMemory {
    pub(super) view: watch::Sender<Option<SessionDoc>>,
    pub(super) agents: watch::Sender<BTreeMap<AgentId, AgentEntry>>,
}

/// One session.
#[derive(Debug, Clone)]
pub(super) struct SessionEntry {
    pub(super) gate: Gate<session::Msg>,
    pub(super) socket: SocketName,
    pub(super) view: watch::Receiver<Option<SessionDoc>>,
    pub(super) agents: watch::Receiver<BTreeMap<AgentId, AgentEntry>>,
    pub(super) memory: Heirloom<SessionMemory>,
}

impl SessionEntry {
    /// A session without agents.
    pub(super) fn new(gate: Gate<session::Msg>, socket: SocketName) -> Self {
        let memory = SessionMemory::default();
        let (view, agents) = (memory.view.subscribe(), memory.agents.subscribe());
        SessionEntry { gate, socket, view, agents, memory: Heirloom::new(memory) }
    }
}

/// What the roster's actor needs to go on after a crash.
#[derive(Debug, Default)]
pub(super) struct RosterMemory {
    pub(super) sessions: watch::Sender<BTreeMap<Arc<str>, SessionEntry>>,
    /// Whether every socket was heard of.
    pub(super) heard: watch::Sender<bool>,
    /// Whether the store was read, or cannot be.
    pub(super) loaded: watch::Sender<bool>,
}

/// The way to all views.
#[derive(Debug)]
pub(super) struct Directory {
    sessions: watch::Receiver<BTreeMap<Arc<str>, SessionEntry>>,
    heard: watch::Receiver<bool>,
    loaded: watch::Receiver<bool>,
    /// The roster's own.
    pub(super) roster: Heirloom<RosterMemory>,
}

impl Directory {
    /// Nobody is there yet.
    pub(super) fn new() -> Self {
        let memory = RosterMemory::default();
        Directory {
            sessions: memory.sessions.subscribe(),
            heard: memory.heard.subscribe(),
            loaded: memory.loaded.subscribe(),
            roster: Heirloom::new(memory),
        }
    }

    /// An agent, wherever it is now.
    pub(super) fn agent(&self, id: AgentId) -> Option<AgentEntry> {
        self.find(id, |entry| entry.left.is_none())
    }

    /// An agent that is in another session, or was until a moment ago.
    pub(super) fn anywhere(&self, id: AgentId) -> Option<AgentEntry> {
        self.agent(id).or_else(|| self.find(id, |_| true))
    }

    /// Whether an agent is in a session beside this one.
    pub(super) fn is_beside(&self, id: AgentId, session: &str) -> bool {
        let sessions = self.sessions.borrow();
        let mut others = sessions.iter().filter(|(child, _)| &***child != session);
        others.any(|(_, other)| other.agents.borrow().get(&id).is_some_and(|entry| entry.left.is_none()))
    }

    fn find(&self, id: AgentId, fits: impl Fn(&AgentEntry) -> bool) -> Option<AgentEntry> {
        let sessions = self.sessions.borrow();
        sessions.values().find_map(|s| s.agents.borrow().get(&id).filter(|entry| fits(entry)).cloned())
    }

    /// Calls `each` with the document of every agent of a session.
    fn each_doc(session: &SessionEntry, mut each: impl FnMut(&AgentDoc)) {
        for entry in session.agents.borrow().values().filter(|entry| entry.left.is_none()) {
            if let Some(doc) = &*entry.view.borrow() {
                each(doc);
            }
        }
    }

    /// The documents of all agents, sorted by session, then name.
    pub(super) fn agent_docs(&self) -> Vec<AgentDoc> {
        let (mut docs, mut met) = (Vec::new(), BTreeSet::new());
        for session in self.sessions.borrow().values() {
            Self::each_doc(session, |doc| {
                // One that moves may be in both sessions for a moment.
                if met.insert(doc.id) {
                    docs.push(doc.clone());
                }
            });
        }
        docs.sort_by(|a, b| (&a.session, &a.name, a.id).cmp(&(&b.session, &b.name, b.id)));
        docs
    }

    /// The documents of all sessions, sorted by socket, then name, with their agents counted.
    pub(super) fn session_docs(&self) -> Vec<SessionDoc> {
        let sessions = self.sessions.borrow();
        let mut docs: Vec<SessionDoc> = sessions
            .values()
            .filter_map(|session| {
                let mut doc = session.view.borrow().clone()?;
                Self::each_doc(session, |agent| *doc.agents.entry(agent.state.to_string()).or_default() += 1);
                Some(doc)
            })
            .collect();
        docs.sort_by(|a, b| (&a.socket, &a.name).cmp(&(&b.socket, &b.name)));
        docs
    }

    /// How many agents are in each state.
    pub(super) fn counts(&self) -> BTreeMap<AgentState, u64> {
        let mut counts = BTreeMap::new();
        for session in self.sessions.borrow().values() {
            Self::each_doc(session, |doc| *counts.entry(doc.state).or_default() += 1);
        }
        counts
    }

    /// Agents that a hook's caller could mean: by name, by pane, or by a process above it.
    pub(super) fn named_by(&self, caller: &Caller) -> Vec<route::Candidate> {
        let place = Place::from_env();
        let id: Option<AgentId> = caller.agent.as_deref().and_then(|agent| agent.parse().ok());
        let mut found = Vec::new();
        for session in self.sessions.borrow().values() {
            Self::each_doc(session, |doc| {
                let named = id == Some(doc.id) || caller.agent.as_deref().is_some_and(|a| is_name(a, doc));
                let here = caller.pane.as_deref().is_some_and(|pane| pane == doc.pane);
                let above = doc.pid.is_some_and(|pid| caller.ancestors.iter().any(|p| p.pid == pid));
                if named || here || above {
                    found.push(route::Candidate {
                        id: doc.id,
                        name: format!("{}/{}", doc.session.raw(), doc.name.raw()),
                        cli: doc.agent.clone(),
                        socket: place.socket_path(&session.socket).display().to_string(),
                        pane: doc.pane.clone(),
                        pid: doc.pid,
                    });
                }
            });
        }
        found
    }

    /// What a person may name.
    pub(super) fn candidates(&self) -> Vec<Candidate> {
        let docs = self.agent_docs().into_iter();
        docs.map(|d| Candidate { id: d.id, session: d.session, name: d.name, pane: d.pane }).collect()
    }

    pub(super) fn heard(&self) -> watch::Receiver<bool> {
        self.heard.clone()
    }

    pub(super) fn loaded(&self) -> watch::Receiver<bool> {
        self.loaded.clone()
    }
}

/// Whether these words are `SESSION/NAME` of an agent.
fn is_name(words: &str, doc: &AgentDoc) -> bool {
    let name = words.strip_prefix(doc.session.raw()).and_then(|rest| rest.strip_prefix('/'));
    name == Some(doc.name.raw())
}
