//! The document of `ctl explain`: why an agent is in its state.

use serde::{Deserialize, Serialize};

use crate::clock::Wall;
use crate::fleet::state::{AgentState, Detail};
use crate::ids::AgentId;
use crate::untrusted::Untrusted;

/// `ctl explain`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExplainDoc {
    /// [`super::VERSION`].
    pub version: u32,
    /// Which agent.
    pub agent: AgentId,
    /// What it is doing.
    pub state: AgentState,
    /// Which kind of that.
    pub detail: Option<Detail>,
    /// How sure that is, 0 to 1.
    pub confidence: f64,
    /// Since when it is in this state.
    pub since: Wall,
    /// What every source said last, strongest first.
    pub evidence: Vec<EvidenceDoc>,
    /// Its states before, oldest first.
    pub history: Vec<ChangeDoc>,
}

/// What one rule saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvidenceDoc {
    /// Where it comes from: `process`, `screen`, `title`, `hook`, `transcript`, `activity`.
    pub source: String,
    /// Which rule spoke.
    pub rule: String,
    /// What it says: a state with its detail, `waiting (permission)`.
    pub says: String,
    /// How long ago that was observed.
    pub age_seconds: f64,
    /// The words it stands on; empty when there are none.
    pub excerpt: Untrusted,
}

/// One change of state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChangeDoc {
    /// When.
    pub at: Wall,
    /// The state before.
    pub from: AgentState,
    /// The state after, with its detail where it has one: `busy (tool)`.
    pub to: String,
    /// Why.
    pub because: String,
}

/// What a person is told beside the document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExplainNotes {
    /// Its session's name.
    pub session: Untrusted,
    /// Its name.
    pub name: Untrusted,
    /// What people call its CLI.
    pub title: String,
    /// Its pane, `%N`; empty while it has none.
    pub pane: String,
    /// Its process.
    pub pid: Option<u32>,
    /// Why it is in its state, in a sentence.
    pub because: String,
    /// What is about to change, what does not count, and why.
    pub notes: Vec<String>,
    /// Sources that say nothing, and what can be done about it.
    pub missing: Vec<String>,
}

/// The answer to [`crate::wire::verb::Verb::Explain`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explained {
    /// The document.
    pub doc: ExplainDoc,
    /// What stands beside it for a person.
    pub notes: ExplainNotes,
}
