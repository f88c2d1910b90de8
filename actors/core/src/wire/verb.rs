//! The verbs of the control socket: a closed list. What is not here cannot be asked for.
//!
//! On the wire a variant is its number: variants are added at the end and never taken out, or
//! [`super::frame::VERSION`] goes up.
//!
//! - `verb/answer.rs`: what comes back

use serde::{Deserialize, Serialize};

use crate::clock::Wall;
use crate::tes::job::{Edge, JobState, Priority};
use crate::tes::select::Selection;

mod answer;

pub use answer::{Body, Response};

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
    /// The registered scripts, and whether they can run.
    Scripts,
    /// Run a script once.
    Submit(Box<Submit>),
    /// Run several; they are answered in their order.
    SubmitBatch(Vec<Submit>),
    /// The jobs, the youngest first.
    Jobs {
        /// In one of these states; empty is any.
        states: Vec<JobState>,
        /// Of this script.
        script: Option<String>,
        /// At most so many; `None` is the default.
        limit: Option<u32>,
    },
    /// One job.
    Job {
        /// Which: its id, or a unique beginning of it.
        job: String,
    },
    /// Wait until jobs have ended.
    Wait {
        /// Which.
        jobs: Vec<String>,
        /// At most so long; `None` is without end.
        for_ms: Option<u64>,
    },
    /// End a job, whatever it does.
    Cancel {
        /// Which.
        job: String,
    },
    /// Run a job that has ended once more.
    Retry {
        /// Which.
        job: String,
    },
    /// Hold a job back.
    Hold {
        /// Which.
        job: String,
    },
    /// Release one that is held back.
    Release {
        /// Which.
        job: String,
    },
    /// Where what a job printed is kept.
    Output {
        /// Which.
        job: String,
        /// Which attempt; `None` is the last one.
        attempt: Option<u32>,
    },
    /// Forget a job of the dead set.
    DropDead {
        /// Which.
        job: String,
    },
    /// Start no job any more, and wait until none runs.
    Drain {
        /// At most so long; `None` is without end.
        for_ms: Option<u64>,
    },
    /// Start jobs again after a drain.
    EndDrain,
    /// Who shares which limit.
    Groups,
    /// The scripts that run at times.
    Schedules,
    /// Which jobs are meant by what they have in common.
    Select(Box<Selection>),
    /// Everything about one script.
    Script {
        /// Its id; or its name, or its id without its version, where only one has it.
        script: String,
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
            Verb::Scripts | Verb::Script { .. } => "scripts",
            Verb::Submit(_) | Verb::SubmitBatch(_) => "submit",
            Verb::Jobs { .. } => "jobs",
            Verb::Job { .. } => "job",
            Verb::Wait { .. } => "wait",
            Verb::Cancel { .. } => "cancel",
            Verb::Retry { .. } => "retry",
            Verb::Hold { .. } => "hold",
            Verb::Release { .. } => "release",
            Verb::Output { .. } => "output",
            Verb::DropDead { .. } => "dead drop",
            Verb::Drain { .. } | Verb::EndDrain => "drain",
            Verb::Groups => "groups",
            Verb::Schedules => "schedules",
            Verb::Select(_) => "select",
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
            Verb::Submit(submit) => Some(submit.script.clone()),
            Verb::SubmitBatch(batch) => Some(format!("{} jobs", batch.len())),
            Verb::Job { job }
            | Verb::Cancel { job }
            | Verb::Retry { job }
            | Verb::Hold { job }
            | Verb::Release { job }
            | Verb::Output { job, .. }
            | Verb::DropDead { job } => Some(job.clone()),
            _ => None,
        }
    }

    /// Whether it only waits for what others do: as long as they take, and for nobody when its client is gone.
    pub fn waits(&self) -> bool {
        matches!(self, Verb::Wait { .. } | Verb::Drain { .. })
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
            | Verb::Record { .. }
            | Verb::Submit(_)
            | Verb::SubmitBatch(_)
            | Verb::Cancel { .. }
            | Verb::Retry { .. }
            | Verb::Hold { .. }
            | Verb::Release { .. }
            | Verb::DropDead { .. }
            | Verb::Drain { .. }
            | Verb::EndDrain => true,
            Verb::Status
            | Verb::Tree
            | Verb::Watch { .. }
            | Verb::Sessions
            | Verb::Agents
            | Verb::Capture { .. }
            | Verb::Explain { .. }
            | Verb::Metrics
            | Verb::Scripts
            | Verb::Jobs { .. }
            | Verb::Job { .. }
            | Verb::Wait { .. }
            | Verb::Output { .. }
            | Verb::Groups
            | Verb::Schedules
            | Verb::Select(_)
            | Verb::Script { .. } => false,
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

/// What to run, for [`Verb::Submit`].
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Submit {
    /// The script's id.
    pub script: String,
    /// Inputs as words, read by their declared types.
    pub args: Vec<(String, String)>,
    /// Inputs as a JSON object; a word of the same name counts more.
    pub input: Option<String>,
    /// How soon it is wanted; `None` is normal.
    pub priority: Option<Priority>,
    /// Under which key it is the same submission when it comes again.
    pub key: Option<String>,
    /// For which session, instead of the one that it comes from.
    pub session: Option<String>,
    /// For whom.
    pub specialist: Option<String>,
    /// By whom.
    pub user: Option<String>,
    /// What ties it to other things.
    pub correlation_id: Option<String>,
    /// The jobs that it waits for, by id or a unique beginning of it.
    pub after: Vec<(String, Edge)>,
    /// It does not start sooner than after this time.
    pub delay_ms: Option<u64>,
    /// It does not start before; the later one of the two counts.
    pub at: Option<Wall>,
    /// How long an attempt may run, instead of what the script says.
    pub timeout_ms: Option<u64>,
    /// Whether it is held back until somebody releases it.
    pub hold: bool,
    /// `$TMUX` and `$TMUX_PANE` of whoever submits it.
    pub pane: Option<(String, String)>,
}
