//! The documents of the control socket, as `--json` prints them.
//!
//! Field names and meanings are what people script against. Unknown is `null`; durations are seconds,
//! sizes bytes, times RFC 3339 in UTC.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer};

use crate::clock::Wall;
use crate::fleet::state::{AgentState, Detail};
use crate::ids::AgentId;
use crate::untrusted::Untrusted;

pub mod explain;
pub mod jobs;
pub mod schedules;
pub mod scripts;

/// Version of every document.
pub const VERSION: u32 = 1;

/// What people read says `null` for what is not there; the compact form keeps the empty text.
pub(crate) fn null_when_empty<S: Serializer>(text: &str, s: S) -> Result<S::Ok, S::Error> {
    if s.is_human_readable() && text.is_empty() { s.serialize_none() } else { s.serialize_str(text) }
}

/// `ctl tree`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TreeDoc {
    /// [`VERSION`].
    pub version: u32,
    /// The top.
    pub root: Node,
}

/// What kind of thing a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeKind {
    /// It has children and restarts them.
    Supervisor,
    /// It works.
    Actor,
    /// An operating-system process.
    Process,
}

/// How a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeState {
    /// It runs.
    Running,
    /// It will be restarted after a delay.
    BackingOff,
    /// It is being restarted.
    Restarting,
    /// It is being stopped.
    Stopping,
    /// It ended and will not come back by itself.
    Failed,
    /// It crashed too often and rests.
    Quarantined,
}

/// One node of the tree.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Its place.
    pub path: String,
    /// What it is.
    pub kind: NodeKind,
    /// A supervisor's strategy.
    pub strategy: Option<String>,
    /// How it is.
    pub state: NodeState,
    /// Restarts since the supervisor above it began.
    pub restarts: u64,
    /// Restarts that count against the intensity now.
    pub restarts_in_window: u64,
    /// Since it started last.
    pub uptime_seconds: f64,
    /// When it will be restarted, while it backs off.
    pub next_restart_in_seconds: Option<f64>,
    /// How it ended last, in words.
    pub last_error: Option<String>,
    /// Its waiting messages.
    pub mailbox: MailboxDoc,
    /// Its children in start order.
    pub children: Vec<Node>,
}

/// Waiting messages of an actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MailboxDoc {
    /// Waiting now, all lanes.
    pub depth: u64,
    /// Most that may wait, all lanes.
    pub capacity: u64,
    /// Turned away because a lane was full.
    pub refused: u64,
    /// Let go: telemetry that was displaced, and messages set aside because they killed the actor.
    pub dropped: u64,
}

/// `ctl agents`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgentsDoc {
    /// [`VERSION`].
    pub version: u32,
    /// Sorted by session, then name.
    pub agents: Vec<AgentDoc>,
}

/// One agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgentDoc {
    /// Its id.
    pub id: AgentId,
    /// Its session's name.
    pub session: Untrusted,
    /// Its name.
    pub name: Untrusted,
    /// Its role, `pm`, `developer`, any word.
    pub role: Option<String>,
    /// Its profile's name.
    pub agent: String,
    /// Its pane, `%N`; empty while it has none, which JSON shows as `null`.
    #[serde(serialize_with = "null_when_empty")]
    pub pane: String,
    /// Its process.
    pub pid: Option<u32>,
    /// What it is doing.
    pub state: AgentState,
    /// Which kind of that.
    pub detail: Option<Detail>,
    /// Since when it is in this state.
    pub since: Wall,
    /// How sure that is, 0 to 1.
    pub confidence: f64,
    /// Whether tsup made it and may end and relaunch it.
    pub owned: bool,
    /// Whether it is left alone for now.
    pub paused: bool,
    /// How often it was relaunched, over all lives of the supervisor.
    pub relaunches: u64,
    /// CPU of its process tree, percent of one core, over the last sample.
    pub cpu_percent: Option<f64>,
    /// Resident memory of its process tree.
    pub rss_bytes: Option<u64>,
    /// When its pane last changed.
    pub last_activity: Option<Wall>,
    /// Its pane's title.
    pub title: Untrusted,
    /// How full its context is, by its transcript.
    pub context_percent: Option<f64>,
    /// Tokens that stand in its context.
    pub context_tokens: Option<u64>,
    /// Tokens sent to the model over its session.
    pub input_tokens: Option<u64>,
    /// Tokens that the model answered with over its session.
    pub output_tokens: Option<u64>,
    /// When the usage limit ends that holds it.
    pub limit_resets_at: Option<Wall>,
}

/// `ctl sessions`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionsDoc {
    /// [`VERSION`].
    pub version: u32,
    /// Sorted by socket, then name.
    pub sessions: Vec<SessionDoc>,
}

/// One session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionDoc {
    /// Its name.
    pub name: Untrusted,
    /// Its tmux id, `$N`; empty while it is not there, which JSON shows as `null`.
    #[serde(serialize_with = "null_when_empty")]
    pub id: String,
    /// The tmux socket.
    pub socket: String,
    /// Whether tsup made it.
    pub owned: bool,
    /// Panes in it, agents or not.
    pub panes: u64,
    /// Agents in it, by state.
    pub agents: BTreeMap<String, u64>,
    /// Whether it is there now.
    pub present: bool,
}

/// `ctl metrics --current`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricsDoc {
    /// [`VERSION`].
    pub version: u32,
    /// When counting began.
    pub since: Wall,
    /// Totals since then.
    pub counters: BTreeMap<String, u64>,
    /// Last values.
    pub gauges: BTreeMap<String, f64>,
    /// Distributions.
    pub timers: BTreeMap<String, TimerDoc>,
}

/// One timer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TimerDoc {
    /// How many samples.
    pub count: u64,
    /// Their mean.
    pub mean_seconds: f64,
    /// Their standard deviation.
    pub deviation_seconds: f64,
    /// Half are at most this.
    pub p50_seconds: f64,
    /// Nine in ten are.
    pub p90_seconds: f64,
    /// 95 in a hundred.
    pub p95_seconds: f64,
    /// 99 in a hundred.
    pub p99_seconds: f64,
    /// The largest.
    pub max_seconds: f64,
}

/// `tsup status`, `ctl status`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatusDoc {
    /// [`VERSION`].
    pub version: u32,
    /// Whether a supervisor answers.
    pub running: bool,
    /// Its pid.
    pub pid: u32,
    /// When it started.
    pub started_at: Wall,
    /// For how long it runs.
    pub uptime_seconds: f64,
    /// Its home directory.
    pub home: String,
    /// Its control socket.
    pub socket: String,
    /// Its version.
    pub supervisor_version: String,
    /// Whether everything is up.
    pub ready: bool,
    /// What does not work as it should, in words; empty when all is well.
    pub degraded: Vec<String>,
    /// Agents by state.
    pub agents: BTreeMap<String, u64>,
    /// Jobs by state.
    pub jobs: BTreeMap<String, u64>,
}

/// `ctl record`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordDoc {
    /// [`VERSION`].
    pub version: u32,
    /// Which agent: its id, whatever it was called by.
    pub agent: String,
    /// The file.
    pub path: String,
    /// Until when it goes on.
    pub until: Wall,
}
