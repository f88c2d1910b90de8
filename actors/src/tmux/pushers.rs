//! Control clients whose only use is `%output`: tmux tells of writes in the session a client is attached
//! to, and nowhere else.

use std::collections::BTreeMap;

use tsup_core::ids::{PaneId, SessionId};
use tsup_core::tmux::command::continue_output;
use tsup_core::tmux::protocol::{Event, Notice};

use super::client::Client;

/// The push clients of a gateway.
#[derive(Debug, Default)]
pub(super) struct Pushers {
    clients: BTreeMap<SessionId, (u64, Client)>,
}

/// Writes that a push client told of.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Panes written in.
    pub(super) wrote: Vec<PaneId>,
    /// Panes whose output tmux holds back, because this client could not keep up.
    pub(super) paused: Vec<PaneId>,
}

impl Pushers {
    /// Makes the set of sessions with clients this one: gives the sessions that need one, and the clients
    /// to let go.
    pub(super) fn set(&mut self, wanted: &[SessionId]) -> (Vec<SessionId>, Vec<Client>) {
        let leaving: Vec<SessionId> = self.clients.keys().filter(|s| !wanted.contains(s)).copied().collect();
        let leaving = leaving.iter().filter_map(|s| self.clients.remove(s)).map(|(_, c)| c).collect();
        let missing = wanted.iter().filter(|s| !self.clients.contains_key(s)).copied().collect();
        (missing, leaving)
    }

    pub(super) fn add(&mut self, session: SessionId, id: u64, client: Client) {
        self.clients.insert(session, (id, client));
    }

    /// A client ended. The session it was on, unless another took its place.
    pub(super) fn ended(&mut self, id: u64) -> Option<SessionId> {
        let session = self.clients.iter().find(|(_, (i, _))| *i == id).map(|(s, _)| *s)?;
        self.clients.remove(&session);
        Some(session)
    }

    /// Lets the output of a pane through again.
    pub(super) fn resume(&self, id: u64, pane: PaneId) {
        if let Some((_, client)) = self.clients.values().find(|(i, _)| *i == id) {
            client.write(format!("{}\n", continue_output(pane).as_str()).into_bytes());
        }
    }

    /// All clients, to let go.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Client> + use<> {
        std::mem::take(&mut self.clients).into_values().map(|(_, client)| client)
    }
}

/// What of a client's events says that something was written.
pub(super) fn told(events: Vec<Event>) -> Told {
    let mut told = Told::default();
    for event in events {
        match event {
            Event::Notice(Notice::Output { pane, .. }) if !told.wrote.contains(&pane) => {
                told.wrote.push(pane);
            }
            Event::Notice(Notice::Pause(pane)) => told.paused.push(pane),
            _ => {}
        }
    }
    told
}
