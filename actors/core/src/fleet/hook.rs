//! What a CLI's hooks say, and about which process.
//!
//! A profile's table ([`rules`]) tells which fields of a CLI's JSON matter and what each event means.
//! [`condense`] makes the report out of it in the short process that the CLI calls; [`wire`] carries the
//! report in one datagram; [`route`] finds its agent in the supervisor, and [`pace`] and [`heed`] let go of
//! floods and of calls that come late. [`settings`] edits the text of a CLI's settings.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::clock::Wall;
use crate::fleet::evidence::Verdict;
use crate::fleet::state::{AgentState, Detail};
use crate::ids::ProcId;
use crate::untrusted::Untrusted;

pub mod above;
pub mod condense;
pub mod heed;
mod json;
pub mod pace;
pub mod route;
pub mod rules;
pub mod settings;
pub mod wire;

/// Where a hook was called: enough to find its agent, and to tell a late call of a process that is gone.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Caller {
    /// `$TMUX`: socket path, pid of the server, session.
    pub tmux: Option<String>,
    /// `$TMUX_PANE`, `%N`.
    pub pane: Option<String>,
    /// `$TSUP_AGENT`, an agent's id or name.
    pub agent: Option<String>,
    /// The processes above the hook, nearest first: the agent's own is among them.
    pub ancestors: Vec<ProcId>,
}

/// What the event means for the agent's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum HookSays {
    /// It does this from now on.
    State(AgentState, Option<Detail>),
    /// Nothing about its state: a subagent's event, a notice.
    Nothing,
    /// The CLI's session ends.
    Ends,
}

impl fmt::Display for HookSays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            HookSays::State(state, detail) => Verdict::new(state, detail).fmt(f),
            HookSays::Nothing => f.write_str("nothing about its state"),
            HookSays::Ends => f.write_str("that its session ends"),
        }
    }
}

impl HookSays {
    /// Whether a hook can say that: what a living agent does, and of a kind that fits. Profiles and datagrams are
    /// held to the same.
    pub fn check(self) -> Result<Self, &'static str> {
        use AgentState as S;
        use Detail as D;
        let HookSays::State(state, detail) = self else { return Ok(self) };
        let fits = match (state, detail) {
            (S::Exited | S::Crashed | S::Missing, _) => {
                return Err("a hook cannot tell that its process ended");
            }
            (S::Starting | S::Unknown, _) => return Err("a hook tells what an agent does"),
            (S::Fresh | S::Busy | S::Idle | S::Waiting | S::Queued | S::Limited | S::Error, None) => true,
            (S::Busy, Some(detail)) => {
                matches!(detail, D::Thinking | D::Tool | D::Compacting | D::Background)
            }
            (S::Waiting, Some(detail)) => {
                matches!(detail, D::Permission | D::Question | D::Trust | D::Login | D::Plan)
            }
            (_, Some(_)) => false,
        };
        if fits { Ok(self) } else { Err("this detail is none of that state") }
    }
}

/// One call of a hook, condensed by the caller so that no foreign JSON reaches the supervisor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookReport {
    /// The profile's name that the hook was installed for.
    pub cli: String,
    /// The CLI's own word for the event.
    pub event: Untrusted,
    /// What it means.
    pub says: HookSays,
    /// Who called.
    pub caller: Caller,
    /// The CLI's own session id.
    pub session: Option<Untrusted>,
    /// Where the CLI writes its transcript.
    pub transcript: Option<Untrusted>,
    /// The tool, the question, the reason: what a person reads in `explain`; bounded.
    pub words: Untrusted,
    /// When it was called.
    pub at: Wall,
    /// Nanoseconds of the boot clock when it was called: orders the calls of one agent.
    pub order: u64,
}
