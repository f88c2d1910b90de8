//! The words of the roster: what happens, and what follows.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::clock::Mono;
use crate::fleet::spec::AgentSpec;
use crate::ids::{AgentId, PaneId, ProcId, SocketName};
use crate::tmux::report::{Report, Screen};

use super::{Look, Looked, Picture};

/// A session, over its renames and the restarts of its server where tsup made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey(pub u32);

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A gateway told something.
    Report {
        /// Of which socket.
        socket: SocketName,
        /// What.
        report: Report,
    },
    /// The process tree was looked at for these panes.
    Looked {
        /// Of which socket.
        socket: SocketName,
        /// Of which server: answers about another one are dropped.
        server: ProcId,
        /// What was seen.
        looks: Vec<Looked>,
    },
    /// These agents are declared from now on, and no others.
    Declare(Vec<AgentSpec>),
    /// This agent was spawned by a person, now or in an earlier life of the supervisor.
    Own(AgentSpec),
    /// This spawned agent is no longer wanted.
    Disown(AgentId),
    /// A found agent's process ended: its pane may get another.
    Ended(AgentId),
    /// Nothing of a session is left in its actor.
    Empty(SessionKey),
    /// Agents are recognised by other profiles from now on.
    Profiles,
    /// The gateway of this socket had no room for [`Effect::Agents`].
    AgentsRefused(SocketName),
    /// The time of [`Effect::LookAgain`] has come.
    LookDue,
}

/// What follows.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Look at the process tree, then answer with [`Event::Looked`].
    Look {
        /// Of which socket.
        socket: SocketName,
        /// Of which server.
        server: ProcId,
        /// Which panes.
        panes: Vec<Look>,
    },
    /// Send [`Event::LookDue`] after this time; a later one replaces an earlier one.
    LookAgain(Duration),
    /// A session is to be watched. `child` names it in the tree, one of its kind.
    Open {
        /// Its key.
        key: SessionKey,
        /// On which server.
        socket: SocketName,
        /// Its name in the tree.
        child: String,
    },
    /// These agents are in another session from now on.
    Left(SessionKey, Vec<AgentId>),
    /// A session's whole picture, when it changed.
    Update(SessionKey, Picture),
    /// A session is no longer to be watched.
    Close(SessionKey),
    /// Something was written in the panes of these agents.
    Activity(SessionKey, Vec<AgentId>, Mono),
    /// What an agent's pane shows.
    Screen(SessionKey, AgentId, Box<Screen>),
    /// These are the panes of a server that have agents.
    Agents {
        /// On which socket.
        socket: SocketName,
        /// Which panes.
        panes: BTreeSet<PaneId>,
    },
    /// The server of these sessions does not answer (`stalled`) or has ended.
    ServerLost {
        /// On which socket.
        socket: SocketName,
        /// Which sessions.
        sessions: Vec<SessionKey>,
        /// Whether it may still be alive.
        stalled: bool,
        /// Whether a loss was told before, and nothing was heard since.
        again: bool,
    },
    /// The server of these sessions answers again.
    ServerBack {
        /// On which socket.
        socket: SocketName,
        /// Which sessions.
        sessions: Vec<SessionKey>,
    },
}
