//! The verbs of the control socket: a closed list. What is not here cannot be asked for.
//!
//! On the wire a variant is its number: variants are added at the end and never taken out, or
//! [`super::frame::VERSION`] goes up.

use serde::{Deserialize, Serialize};

use super::doc;
use crate::error::UserError;
use crate::event::Stamped;
use crate::untrusted::Untrusted;

/// One request. Several may be under way on one connection; answers carry the id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Chosen by the client, echoed in each answer.
    pub id: u64,
    /// What is asked.
    pub verb: Verb,
}

/// What a client may ask.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Verb {
    /// Is it up, and how is it?
    Status,
    /// The supervision tree.
    Tree,
    /// Events as they happen, until the client goes. Empty `kinds` means all.
    Watch {
        /// Kinds to send.
        kinds: Vec<String>,
    },
    /// A drill: end one actor the hard way and see it restarted.
    Crash {
        /// Its path.
        path: String,
    },
    /// The sessions.
    Sessions,
    /// The agents.
    Agents,
    /// What an agent's pane shows now.
    Capture {
        /// Which agent: id, unique prefix, `SESSION/NAME` or `%pane`.
        agent: String,
    },
    /// Start an agent in a new window of a session that tsup owns, or in a new session.
    Spawn(Spawn),
    /// End an agent that tsup owns.
    Kill {
        /// Which.
        agent: String,
    },
    /// End and start again an agent that tsup owns.
    Restart {
        /// Which.
        agent: String,
    },
    /// Leave an agent or all agents of a session alone: no relaunch.
    Pause {
        /// Agent or session.
        target: String,
        /// For how long; `None` until `resume`.
        for_ms: Option<u64>,
    },
    /// End a pause.
    Resume {
        /// Agent or session.
        target: String,
    },
    /// All metrics as they stand.
    Metrics,
    /// Read the configuration again.
    Reload,
    /// Drain and end the supervisor.
    Shutdown,
    /// Why an agent is in its state.
    Explain {
        /// Which agent: id, unique prefix, `SESSION/NAME` or `%pane`.
        agent: String,
    },
    /// Keep what is seen of an agent in a file.
    Record {
        /// Which.
        agent: String,
        /// For how long; `None` is the default.
        for_ms: Option<u64>,
    },
}

impl Verb {
    /// The verb's name, as typed and as written to the audit log.
    pub fn name(&self) -> &'static str {
        match self {
            Verb::Status => "status",
            Verb::Tree => "tree",
            Verb::Watch { .. } => "watch",
            Verb::Crash { .. } => "crash",
            Verb::Sessions => "sessions",
            Verb::Agents => "agents",
            Verb::Capture { .. } => "capture",
            Verb::Spawn(_) => "spawn",
            Verb::Kill { .. } => "kill",
            Verb::Restart { .. } => "restart",
            Verb::Pause { .. } => "pause",
            Verb::Resume { .. } => "resume",
            Verb::Metrics => "metrics",
            Verb::Reload => "reload",
            Verb::Shutdown => "shutdown",
            Verb::Explain { .. } => "explain",
            Verb::Record { .. } => "record",
        }
    }

    /// What the verb is aimed at, for the audit log.
    pub fn target(&self) -> Option<String> {
        match self {
            Verb::Crash { path } => Some(path.clone()),
            Verb::Capture { agent }
            | Verb::Kill { agent }
            | Verb::Restart { agent }
            | Verb::Explain { agent }
            | Verb::Record { agent, .. } => Some(agent.clone()),
            Verb::Pause { target, .. } | Verb::Resume { target } => Some(target.clone()),
            Verb::Spawn(spawn) => Some(format!("{}/{}", spawn.session, spawn.name)),
            _ => None,
        }
    }

    /// Whether it changes something, and so leaves a line in the audit log.
    pub fn changes(&self) -> bool {
        match self {
            Verb::Crash { .. }
            | Verb::Spawn(_)
            | Verb::Kill { .. }
            | Verb::Restart { .. }
            | Verb::Pause { .. }
            | Verb::Resume { .. }
            | Verb::Reload
            | Verb::Shutdown
            | Verb::Record { .. } => true,
            Verb::Status
            | Verb::Tree
            | Verb::Watch { .. }
            | Verb::Sessions
            | Verb::Agents
            | Verb::Capture { .. }
            | Verb::Explain { .. }
            | Verb::Metrics => false,
        }
    }
}

/// What to start, for [`Verb::Spawn`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spawn {
    /// The session; made when it is not there.
    pub session: String,
    /// The agent's name in the session.
    pub name: String,
    /// A profile's name.
    pub agent: String,
    /// Its role, any word.
    pub role: Option<String>,
    /// Working directory, absolute.
    pub cwd: Option<String>,
    /// Program and arguments; empty means the profile's own.
    pub command: Vec<String>,
}

/// One answer, or one item of a stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Response {
    /// The request's id.
    pub id: u64,
    /// The answer.
    pub body: Body,
}

/// What comes back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Body {
    /// It could not be done.
    Error(UserError),
    /// Done; nothing to show but a sentence.
    Done(String),
    /// To [`Verb::Status`].
    Status(Box<doc::StatusDoc>),
    /// To [`Verb::Tree`].
    Tree(doc::TreeDoc),
    /// To [`Verb::Sessions`].
    Sessions(doc::SessionsDoc),
    /// To [`Verb::Agents`].
    Agents(doc::AgentsDoc),
    /// To [`Verb::Capture`].
    Capture {
        /// The pane's text, line by line.
        text: Untrusted,
    },
    /// To [`Verb::Spawn`], [`Verb::Kill`], [`Verb::Restart`], [`Verb::Pause`], [`Verb::Resume`]: the
    /// agents as they are now.
    Changed(doc::AgentsDoc),
    /// To [`Verb::Metrics`].
    Metrics(doc::MetricsDoc),
    /// To [`Verb::Watch`]: that it began, then events.
    Watching,
    /// One event.
    Event(Box<Stamped>),
    /// To [`Verb::Explain`].
    Explained(Box<doc::explain::Explained>),
    /// To [`Verb::Record`].
    Record(doc::RecordDoc),
}
