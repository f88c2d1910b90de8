//! Sessions and their keys: one key over renames, and over restarts of the server where a session of that
//! name is waited for.

use crate::fleet::spec::AgentSpec;
use crate::ids::{SessionId, SocketName};
use crate::limits;
use crate::tmux::report::SessionFacts;
use crate::untrusted::Untrusted;

use super::{Effect, Roster, Session, SessionKey};

impl Roster {
    pub(super) fn sessions_there(
        &mut self,
        socket: &SocketName,
        sessions: Vec<SessionFacts>,
        out: &mut Vec<Effect>,
    ) {
        for facts in sessions {
            let known = self.servers.get(socket).and_then(|s| s.sessions.get(&facts.id)).copied();
            let key = known.or_else(|| self.waiting_for(socket, facts.name.raw()));
            let key = key.unwrap_or_else(|| self.open(socket, facts.name.raw(), out));
            self.server(socket).sessions.insert(facts.id, key);
            let session = self.sessions.get_mut(&key).expect("a key that was given out is known");
            session.tmux = Some(facts.id);
            session.name = facts.name;
        }
    }

    /// A session of that name that is known and not there: one that tsup declared, or one of before.
    fn waiting_for(&self, socket: &SocketName, name: &str) -> Option<SessionKey> {
        self.sessions
            .iter()
            .find(|(_, s)| s.socket == *socket && s.tmux.is_none() && s.home_name == name)
            .map(|(key, _)| *key)
    }

    pub(super) fn session_gone(&mut self, socket: &SocketName, id: SessionId) {
        if let Some(key) = self.server(socket).sessions.remove(&id)
            && let Some(session) = self.sessions.get_mut(&key)
        {
            session.tmux = None;
        }
    }

    /// Gives out a key and a name in the tree that no other session has.
    pub(super) fn open(&mut self, socket: &SocketName, name: &str, out: &mut Vec<Effect>) -> SessionKey {
        let key = SessionKey(self.next_key);
        self.next_key += 1;
        // Names in parentheses are those of the fleet's own workers.
        let taken =
            |child: &str| child.starts_with('(') || self.sessions.values().any(|s| s.home_name == child);
        let child = if taken(name) { format!("{name}@{socket}#{}", key.0) } else { name.to_owned() };
        let session = Session {
            socket: socket.clone(),
            home_name: name.to_owned(),
            name: Untrusted::bounded(name, limits::NAME_BYTES_MAX),
            tmux: None,
            sent: None,
        };
        self.sessions.insert(key, session);
        out.push(Effect::Open { key, socket: socket.clone(), child });
        key
    }

    pub(super) fn home_of(&self, spec: &AgentSpec) -> Option<SessionKey> {
        self.sessions
            .iter()
            .find(|(_, s)| s.socket == spec.socket && s.home_name == spec.session)
            .map(|(key, _)| *key)
    }

    pub(super) fn home_session(&mut self, spec: &AgentSpec, out: &mut Vec<Effect>) {
        if self.home_of(spec).is_none() {
            self.open(&spec.socket, &spec.session, out);
        }
    }

    pub(super) fn close_if_idle(&mut self, key: SessionKey, out: &mut Vec<Effect>) {
        let Some(session) = self.sessions.get(&key) else { return };
        let wanted = self.owned.values().any(|spec| self.home_of(spec) == Some(key));
        if session.tmux.is_none() && !wanted {
            self.sessions.remove(&key);
            out.push(Effect::Close(key));
        }
    }
}
