//! The states of an agent, as people read and script against them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What an agent is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentState {
    /// It is coming up; nothing can be asked of it yet.
    Starting,
    /// Up, and no turn has begun.
    Fresh,
    /// Working.
    Busy,
    /// Its turn has ended.
    Idle,
    /// It needs a person.
    Waiting,
    /// Text stands in its composer, not submitted.
    Queued,
    /// A usage limit holds it.
    Limited,
    /// It stopped with an error.
    Error,
    /// Its process ended, and nothing says that it failed.
    Exited,
    /// Its process ended by a signal or a failing status.
    Crashed,
    /// Its pane is gone and its end was not seen.
    Missing,
    /// It cannot be told.
    Unknown,
}

impl AgentState {
    /// Every state, in the order of the contract.
    pub const ALL: [AgentState; 12] = [
        AgentState::Starting,
        AgentState::Fresh,
        AgentState::Busy,
        AgentState::Idle,
        AgentState::Waiting,
        AgentState::Queued,
        AgentState::Limited,
        AgentState::Error,
        AgentState::Exited,
        AgentState::Crashed,
        AgentState::Missing,
        AgentState::Unknown,
    ];

    /// The word of the contract.
    pub fn as_str(self) -> &'static str {
        match self {
            AgentState::Starting => "starting",
            AgentState::Fresh => "fresh",
            AgentState::Busy => "busy",
            AgentState::Idle => "idle",
            AgentState::Waiting => "waiting",
            AgentState::Queued => "queued",
            AgentState::Limited => "limited",
            AgentState::Error => "error",
            AgentState::Exited => "exited",
            AgentState::Crashed => "crashed",
            AgentState::Missing => "missing",
            AgentState::Unknown => "unknown",
        }
    }

    /// Whether the agent's process is known to have ended.
    pub fn is_dead(self) -> bool {
        matches!(self, AgentState::Exited | AgentState::Crashed)
    }
}

impl fmt::Display for AgentState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Which kind of its state an agent is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Detail {
    /// Waiting for leave to do something.
    Permission,
    /// Waiting for an answer.
    Question,
    /// Waiting for trust in a folder.
    Trust,
    /// Waiting for a login.
    Login,
    /// Waiting for approval of a plan.
    Plan,
    /// Busy thinking.
    Thinking,
    /// Busy with a tool.
    Tool,
    /// Busy compacting its context.
    Compacting,
    /// Busy with background tasks only.
    Background,
    /// Busy: its pane changes; what it does is not known.
    Output,
    /// Exited with status 0.
    Finished,
    /// Exited, and nobody saw how.
    UnknownCause,
    /// Crashed by a signal.
    Signal,
    /// Crashed with a failing status.
    Status,
    /// Ended because someone asked for it.
    Killed,
    /// The tmux server of its pane is gone or does not answer.
    LostServer,
    /// Its pane is gone.
    PaneGone,
    /// It is held back: its restarts are used up, or a person paused it.
    Held,
    /// It will be relaunched after a delay.
    BackingOff,
    /// Waiting to be continued: its process is stopped.
    Stopped,
}

impl Detail {
    /// The word of the contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Detail::Permission => "permission",
            Detail::Question => "question",
            Detail::Trust => "trust",
            Detail::Login => "login",
            Detail::Plan => "plan",
            Detail::Thinking => "thinking",
            Detail::Tool => "tool",
            Detail::Compacting => "compacting",
            Detail::Background => "background",
            Detail::Output => "output",
            Detail::Finished => "finished",
            Detail::UnknownCause => "unknown_cause",
            Detail::Signal => "signal",
            Detail::Status => "status",
            Detail::Killed => "killed",
            Detail::LostServer => "lost_server",
            Detail::PaneGone => "pane_gone",
            Detail::Held => "held",
            Detail::BackingOff => "backing_off",
            Detail::Stopped => "stopped",
        }
    }
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
