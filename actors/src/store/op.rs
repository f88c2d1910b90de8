//! What is written and read, as types.

use tsup_core::clock::Wall;
use tsup_core::fleet::agent::{Change, History};
use tsup_core::fleet::relaunch::Kept;
use tsup_core::fleet::spec::AgentSpec;
use tsup_core::ids::{AgentId, ProcId, SocketName};
use tsup_core::untrusted::Untrusted;

/// Until when an agent is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paused {
    /// Until this moment.
    Until(Wall),
    /// Until a person resumes it.
    UntilResumed,
}

/// What outlives the supervisor about an agent.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentRecord {
    /// Its id.
    pub id: AgentId,
    /// On which server.
    pub socket: SocketName,
    /// In which session.
    pub session: Untrusted,
    /// Its name.
    pub name: Untrusted,
    /// Its profile.
    pub profile: String,
    /// How it is started, when a person spawned it; a declared one stands in the configuration.
    pub spec: Option<AgentSpec>,
    /// Whether tsup made it.
    pub owned: bool,
    /// Its process of this boot.
    pub process: Option<ProcId>,
    /// When it was first seen.
    pub first_seen: Wall,
    /// Its relaunches, and what holds it.
    pub kept: Kept,
    /// Whether it is left alone.
    pub paused: Option<Paused>,
}

/// One write.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Op {
    /// Nothing: what is left of a write that was taken.
    #[default]
    Nothing,
    /// Inserts or replaces what is known of an agent.
    PutAgent(Box<AgentRecord>),
    /// Forgets an agent and its history.
    ForgetAgent(AgentId),
    /// Adds a change of state; the oldest go.
    AddChange(AgentId, Change),
}

impl Op {
    /// Takes the write out and leaves nothing.
    pub fn take(&mut self) -> Op {
        std::mem::take(self)
    }
}

/// What the fleet begins with.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Loaded {
    /// Whether the database was written in this boot: processes of another boot are others.
    pub same_boot: bool,
    /// Every agent with its history.
    pub agents: Vec<(AgentRecord, History)>,
}
