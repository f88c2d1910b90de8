//! Who is there, for whoever wants to know without asking anybody: views of agents and sessions.
//!
//! An entry belongs to the actor it is about; only that one writes its view. Entries outlive the
//! incarnations of their actors, which take up from them where they left off.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;
use tsup_core::fleet::agent::{Agent, History};
use tsup_core::fleet::relaunch::Relaunch;
use tsup_core::fleet::roster::Member;
use tsup_core::fleet::state::AgentState;
use tsup_core::fleet::target::Candidate;
use tsup_core::ids::{AgentId, SocketName};
use tsup_core::untrusted::Untrusted;
use tsup_core::wire::doc::{AgentDoc, SessionDoc};

use super::{agent, session};
use crate::gate::Gate;
use crate::store::{AgentRecord, Paused};

/// What an agent's actor needs to go on after a crash or a move.
#[derive(Debug, Clone)]
pub(super) struct Memory {
    pub(super) agent: Agent,
    pub(super) relaunch: Relaunch,
    pub(super) paused: Option<Paused>,
    pub(super) record: AgentRecord,
    pub(super) member: Option<Box<Member>>,
    pub(super) session: Untrusted,
}

/// One agent.
#[derive(Debug, Clone)]
pub(super) struct AgentEntry {
    pub(super) gate: Gate<agent::Msg>,
    /// On which server.
    pub(super) socket: SocketName,
    /// The name of its session's supervisor in the tree.
    pub(super) session: Arc<str>,
    pub(super) view: Arc<watch::Sender<Option<AgentDoc>>>,
    /// A leaf: written by the agent's actor after each change, read by its next incarnation.
    pub(super) memory: Arc<Mutex<Option<Box<Memory>>>>,
}

/// One session.
#[derive(Debug, Clone)]
pub(super) struct SessionEntry {
    pub(super) gate: Gate<session::Msg>,
    pub(super) socket: SocketName,
    pub(super) view: Arc<watch::Sender<Option<SessionDoc>>>,
}

/// All of them. Cheap to clone; all clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Directory {
    agents: Arc<watch::Sender<BTreeMap<AgentId, AgentEntry>>>,
    sessions: Arc<watch::Sender<BTreeMap<Arc<str>, SessionEntry>>>,
    /// Whether every socket was heard of.
    heard: Arc<watch::Sender<bool>>,
    /// Whether the store was read, or cannot be.
    loaded: Arc<watch::Sender<bool>>,
    /// What the store knew at the start, until its agent is met.
    stored: Arc<Mutex<BTreeMap<AgentId, (AgentRecord, History)>>>,
}

impl Directory {
    pub(super) fn agent(&self, id: AgentId) -> Option<AgentEntry> {
        self.agents.borrow().get(&id).cloned()
    }

    pub(super) fn put_agent(&self, id: AgentId, entry: AgentEntry) {
        self.agents.send_modify(|all| drop(all.insert(id, entry)));
    }

    /// Removes an agent, unless it is another session's by now.
    pub(super) fn remove_agent(&self, id: AgentId, session: &str) -> Option<AgentEntry> {
        let mut removed = None;
        self.agents.send_if_modified(|all| {
            if all.get(&id).is_some_and(|entry| &*entry.session == session) {
                removed = all.remove(&id);
            }
            removed.is_some()
        });
        removed
    }

    /// The agents of a session.
    pub(super) fn agents_of(&self, session: &str) -> Vec<AgentId> {
        let all = self.agents.borrow();
        all.iter().filter(|(_, entry)| &*entry.session == session).map(|(id, _)| *id).collect()
    }

    pub(super) fn session(&self, child: &str) -> Option<SessionEntry> {
        self.sessions.borrow().get(child).cloned()
    }

    pub(super) fn put_session(&self, child: Arc<str>, entry: SessionEntry) {
        self.sessions.send_modify(|all| drop(all.insert(child, entry)));
    }

    pub(super) fn remove_session(&self, child: &str) {
        self.sessions.send_modify(|all| drop(all.remove(child)));
    }

    pub(super) fn session_names(&self) -> Vec<Arc<str>> {
        self.sessions.borrow().keys().cloned().collect()
    }

    /// Wakes when agents come or go.
    pub(super) fn watch_agents(&self) -> watch::Receiver<BTreeMap<AgentId, AgentEntry>> {
        self.agents.subscribe()
    }

    /// The documents of all agents, sorted by session, then name.
    pub(super) fn agent_docs(&self) -> Vec<AgentDoc> {
        let all = self.agents.borrow();
        let mut docs: Vec<AgentDoc> = all.values().filter_map(|entry| entry.view.borrow().clone()).collect();
        docs.sort_by(|a, b| (&a.session, &a.name, a.id).cmp(&(&b.session, &b.name, b.id)));
        docs
    }

    /// The documents of all sessions, sorted by socket, then name, with their agents counted.
    pub(super) fn session_docs(&self) -> Vec<SessionDoc> {
        let mut counts: BTreeMap<Arc<str>, BTreeMap<String, u64>> = BTreeMap::new();
        for entry in self.agents.borrow().values() {
            if let Some(doc) = &*entry.view.borrow() {
                let of_session = counts.entry(Arc::clone(&entry.session)).or_default();
                *of_session.entry(doc.state.to_string()).or_default() += 1;
            }
        }
        let sessions = self.sessions.borrow();
        let mut docs: Vec<SessionDoc> = sessions
            .iter()
            .filter_map(|(child, entry)| {
                let mut doc = entry.view.borrow().clone()?;
                doc.agents = counts.remove(child).unwrap_or_default();
                Some(doc)
            })
            .collect();
        docs.sort_by(|a, b| (&a.socket, &a.name).cmp(&(&b.socket, &b.name)));
        docs
    }

    /// How many agents are in each state.
    pub(super) fn counts(&self) -> BTreeMap<AgentState, u64> {
        let mut counts = BTreeMap::new();
        for entry in self.agents.borrow().values() {
            if let Some(doc) = &*entry.view.borrow() {
                *counts.entry(doc.state).or_default() += 1;
            }
        }
        counts
    }

    /// What a person may name.
    pub(super) fn candidates(&self) -> Vec<Candidate> {
        let docs = self.agent_docs().into_iter();
        docs.map(|d| Candidate { id: d.id, session: d.session, name: d.name, pane: d.pane }).collect()
    }

    pub(super) fn heard(&self) -> watch::Receiver<bool> {
        self.heard.subscribe()
    }

    pub(super) fn set_heard(&self, heard: bool) {
        self.heard.send_if_modified(|before| std::mem::replace(before, heard) != heard);
    }

    pub(super) fn loaded(&self) -> watch::Receiver<bool> {
        self.loaded.subscribe()
    }

    pub(super) fn set_loaded(&self) {
        self.loaded.send_replace(true);
    }

    pub(super) fn keep_stored(&self, all: impl IntoIterator<Item = (AgentRecord, History)>) {
        self.stored.lock().extend(all.into_iter().map(|(record, history)| (record.id, (record, history))));
    }

    pub(super) fn take_stored(&self, id: AgentId) -> Option<(AgentRecord, History)> {
        self.stored.lock().remove(&id)
    }
}
