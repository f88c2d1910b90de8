//! The one typed list of everything that happens.
//!
//! The bus hands each event to `ctl watch`, the metric registry and whoever else listens. As JSON an
//! event is one object: `at`, `seq`, `kind`, then its own fields.

use serde::{Deserialize, Serialize};

use crate::clock::Wall;
use crate::fleet::state::{AgentState, Detail};
use crate::ids::{ActorPath, AgentId, JobId, SocketName};
use crate::tes::job::JobState;
use crate::untrusted::Untrusted;

/// Which agent an event is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentRef {
    /// The agent's id.
    pub id: AgentId,
    /// Its session's name.
    pub session: Untrusted,
    /// Its own name.
    pub name: Untrusted,
    /// Its pane, `%N`; empty while it has none, which JSON shows as `null`.
    #[serde(serialize_with = "crate::wire::doc::null_when_empty")]
    pub pane: String,
    /// Its process; `None` while it has none.
    pub pid: Option<u32>,
}

/// Something that happened. Names are those of `tsup ctl watch`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// An agent is watched from now on.
    AgentFound(AgentRef),
    /// An agent's state or its detail changed.
    AgentState {
        /// Whose.
        agent: AgentRef,
        /// The state before.
        from: AgentState,
        /// The state now.
        to: AgentState,
        /// Which kind of state.
        detail: Option<Detail>,
        /// Why, in words.
        because: String,
    },
    /// An agent's process ended.
    AgentDied {
        /// Whose.
        agent: AgentRef,
        /// Its exit status, where known.
        exit_code: Option<i32>,
        /// The signal that ended it, where known.
        signal: Option<i32>,
    },
    /// A new process runs in the pane of an agent.
    AgentRelaunched {
        /// Whose; with the new pane and pid.
        agent: AgentRef,
        /// How often it was relaunched, over all lives of the supervisor.
        relaunches: u64,
    },
    /// An agent is no longer watched.
    AgentGone(AgentRef),
    /// A session is watched from now on.
    SessionFound {
        /// Its name.
        session: Untrusted,
        /// On which server.
        socket: SocketName,
    },
    /// A session ended.
    SessionGone {
        /// Its name.
        session: Untrusted,
        /// On which server.
        socket: SocketName,
    },
    /// An actor crashed and runs again.
    ActorRestarted {
        /// Which.
        path: ActorPath,
        /// How it ended, in words.
        reason: String,
        /// How often it was restarted.
        restarts: u64,
    },
    /// An actor crashed too often and rests.
    ActorQuarantined {
        /// Which.
        path: ActorPath,
        /// How it ended, in words.
        reason: String,
        /// How often it was restarted.
        restarts: u64,
    },
    /// A tmux server went away or stopped answering. Told once per episode.
    TmuxLost {
        /// Which.
        socket: SocketName,
    },
    /// A tmux server answers again.
    TmuxBack {
        /// Which.
        socket: SocketName,
    },
    /// The supervisor is up.
    Ready,
    /// The supervisor is going down.
    Draining,
    /// The reader was too slow and missed events.
    Lagged {
        /// How many.
        missed: u64,
    },
    /// An alert fires, or is resolved.
    Alert {
        /// Which: the same matter has the same id.
        alert: String,
        /// Which kind of alert, `profile_drift`.
        #[serde(rename = "type")]
        kind: String,
        /// Whether it fires.
        state: AlertState,
        /// What is the matter, in words.
        because: String,
    },
    /// A job's state changed.
    JobState {
        /// Which.
        job: JobId,
        /// Its script.
        script: String,
        /// The state before; `None` when it has just been submitted.
        from: Option<JobState>,
        /// The state now.
        to: JobState,
        /// The attempt that runs or ran last, 0 before the first.
        attempt: u32,
    },
    /// A job that waited for a person was forgotten before one came.
    JobForgotten {
        /// Which.
        job: JobId,
        /// Why, in words.
        because: String,
    },
}

/// How an alert stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertState {
    /// What it tells of is so.
    Firing,
    /// It is so no more.
    Resolved,
}

impl Event {
    /// The event's kind, as `ctl watch --kind` takes it.
    pub fn kind(&self) -> &'static str {
        match self {
            Event::AgentFound(_) => "agent_found",
            Event::AgentState { .. } => "agent_state",
            Event::AgentDied { .. } => "agent_died",
            Event::AgentRelaunched { .. } => "agent_relaunched",
            Event::AgentGone(_) => "agent_gone",
            Event::SessionFound { .. } => "session_found",
            Event::SessionGone { .. } => "session_gone",
            Event::ActorRestarted { .. } => "actor_restarted",
            Event::ActorQuarantined { .. } => "actor_quarantined",
            Event::TmuxLost { .. } => "tmux_lost",
            Event::TmuxBack { .. } => "tmux_back",
            Event::Ready => "ready",
            Event::Draining => "draining",
            Event::Lagged { .. } => "lagged",
            Event::Alert { .. } => "alert",
            Event::JobState { .. } => "job_state",
            Event::JobForgotten { .. } => "job_forgotten",
        }
    }

    /// Every kind there is.
    pub const KINDS: [&'static str; 17] = [
        "agent_found",
        "agent_state",
        "agent_died",
        "agent_relaunched",
        "agent_gone",
        "session_found",
        "session_gone",
        "actor_restarted",
        "actor_quarantined",
        "tmux_lost",
        "tmux_back",
        "ready",
        "draining",
        "lagged",
        "alert",
        "job_state",
        "job_forgotten",
    ];
}

/// An event with its place in the stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stamped {
    /// When, by the wall clock.
    pub at: Wall,
    /// Counts the events of one supervisor from 1, without gaps.
    pub seq: u64,
    /// What.
    pub event: Event,
}

impl Stamped {
    /// The event as the one-line JSON object of the contract; an agent is spread into the object, its
    /// id under `agent`.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::{Map, Value};
        let mut out = Map::new();
        out.insert("at".into(), Value::from(self.at.to_string()));
        out.insert("seq".into(), Value::from(self.seq));
        out.insert("kind".into(), Value::from(self.event.kind()));
        let spread = |out: &mut Map<String, Value>, agent: Map<String, Value>| {
            for (key, value) in agent {
                out.insert(if key == "id" { "agent".into() } else { key }, value);
            }
        };
        let body = match serde_json::to_value(&self.event) {
            Ok(Value::Object(tagged)) => tagged.into_iter().next().map(|(_, v)| v),
            _ => None,
        };
        if let Some(Value::Object(fields)) = body {
            if fields.contains_key("id") {
                spread(&mut out, fields);
            } else {
                for (key, value) in fields {
                    match value {
                        Value::Object(agent) if key == "agent" => spread(&mut out, agent),
                        value => {
                            out.insert(key, value);
                        }
                    }
                }
            }
        }
        Value::Object(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{PaneId, ProcId};

    fn agent() -> AgentRef {
        let socket = SocketName("s".into());
        let p = ProcId { pid: 1, start_ticks: 2 };
        AgentRef {
            id: AgentId::found(&socket, p, PaneId(1), p),
            session: "web".into(),
            name: "dev".into(),
            pane: "%1".into(),
            pid: Some(7),
        }
    }

    #[test]
    fn json_spreads_the_agent_and_keeps_the_kind() {
        let died = Stamped {
            at: Wall::from_unix_ms(0),
            seq: 3,
            event: Event::AgentDied { agent: agent(), exit_code: None, signal: Some(9) },
        };
        let v = died.to_json();
        assert_eq!(v["kind"], "agent_died");
        assert_eq!(v["agent"], agent().id.to_string());
        assert_eq!(v["pane"], "%1");
        assert_eq!(v["signal"], 9);
        assert!(v["exit_code"].is_null());
        let found = Stamped { at: Wall::from_unix_ms(0), seq: 4, event: Event::AgentFound(agent()) };
        assert_eq!(found.to_json()["session"], "web");
        let nowhere = AgentRef { pane: String::new(), ..agent() };
        let found = Stamped { at: Wall::from_unix_ms(0), seq: 5, event: Event::AgentFound(nowhere) };
        assert!(found.to_json()["pane"].is_null());
        let ready = Stamped { at: Wall::from_unix_ms(0), seq: 5, event: Event::Ready };
        assert_eq!(
            ready.to_json().to_string(),
            r#"{"at":"1970-01-01T00:00:00.000Z","kind":"ready","seq":5}"#
        );
    }
}
