//! The documents of jobs: what `ctl submit`, `job`, `jobs`, `wait`, `scripts`, `groups` and `output` show.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};

use crate::clock::Wall;
use crate::error::UserError;
use crate::ids::{AgentId, JobId};
use crate::tes::attempt::Enforced;
use crate::tes::failure::{Category, RetryInfo};
use crate::tes::job::{JobState, Priority};
use crate::untrusted::Untrusted;

/// JSON that a job was given or gave: people read it as it is, the compact form carries its text. One that is
/// empty was left out of a list, and reads as `null`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(transparent)]
pub struct JsonText(pub String);

impl Serialize for JsonText {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if !s.is_human_readable() {
            return s.serialize_str(&self.0);
        }
        if self.0.is_empty() {
            return s.serialize_none();
        }
        match serde_json::from_str::<serde_json::Value>(&self.0) {
            Ok(value) => value.serialize(s),
            // It was checked when it came in; what cannot be read any more is told as it stands.
            Err(_) => s.serialize_str(&self.0),
        }
    }
}

/// `ctl submit`, `ctl job`, and the verbs that change one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobAnswer {
    /// [`super::VERSION`].
    pub version: u32,
    /// The job.
    pub job: JobDoc,
}

/// `ctl jobs`, `ctl wait`, `ctl dead`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobsDoc {
    /// [`super::VERSION`].
    pub version: u32,
    /// The youngest first; `wait` keeps the order of the question.
    pub jobs: Vec<JobDoc>,
    /// Whether there are more than these.
    pub more: bool,
}

/// One job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobDoc {
    /// Its id.
    pub id: JobId,
    /// The script's id.
    pub script: String,
    /// For whom.
    pub specialist: Option<Untrusted>,
    /// By whom.
    pub user: Option<Untrusted>,
    /// From which session.
    pub session: Option<Untrusted>,
    /// Which agent submitted it.
    pub agent: Option<AgentId>,
    /// What ties it to other things.
    pub correlation_id: Option<Untrusted>,
    /// Its idempotency key.
    pub key: Option<Untrusted>,
    /// How soon it is wanted.
    pub priority: Priority,
    /// The group whose limit it is under.
    pub group: Option<Untrusted>,
    /// Slots that it takes while it runs.
    pub slots: u16,
    /// Where it stands.
    pub state: JobState,
    /// The attempt that runs or ran last, 0 before the first.
    pub attempt: u32,
    /// Attempts that it may take.
    pub max_attempts: u32,
    /// When it was submitted.
    pub submitted_at: Wall,
    /// When its last attempt started.
    pub started_at: Option<Wall>,
    /// When it ended.
    pub finished_at: Option<Wall>,
    /// When its next attempt may start.
    pub next_attempt_at: Option<Wall>,
    /// What it waits for.
    pub waiting_for: Option<String>,
    /// The jobs that it waits for, or waited for.
    pub after: Vec<AfterDoc>,
    /// Its own process's exit code.
    pub exit_code: Option<i32>,
    /// The signal that ended its process.
    pub signal: Option<i32>,
    /// What it was given.
    pub inputs: JsonText,
    /// What it gave.
    pub outputs: Option<JsonText>,
    /// Bytes of its inputs; where they are more than 4 KiB, a list leaves them out.
    pub inputs_bytes: u64,
    /// The same of its outputs.
    pub outputs_bytes: u64,
    /// Why it did not succeed, or its last attempt did not.
    pub error: Option<ErrorDoc>,
    /// What its last attempt used.
    pub resources: Option<ResourcesDoc>,
    /// What held it back, as it was really enforced.
    pub enforced: Option<Enforced>,
    /// Bytes that its last attempt printed.
    pub stdout_bytes: u64,
    /// The same on stderr.
    pub stderr_bytes: u64,
    /// Whether not all of that was kept.
    pub truncated: bool,
    /// Its attempts, the first one first; in lists the last one only.
    pub attempts: Vec<AttemptDoc>,
}

/// A job that another one waits for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AfterDoc {
    /// Which.
    pub job: JobId,
    /// The end that is waited for.
    pub on: crate::tes::job::Edge,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ErrorDoc {
    /// What kind of failure.
    pub category: Category,
    /// What happened, in one sentence.
    pub message: Untrusted,
    /// The facts behind it.
    pub context: BTreeMap<String, Untrusted>,
    /// What can be done.
    pub suggestions: Vec<String>,
    /// The trace that the script's interpreter printed.
    pub stack_trace: Option<Untrusted>,
    /// What will be done about it.
    pub retry: Option<RetryInfo>,
}

/// What an attempt used, all its processes together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResourcesDoc {
    /// Memory at the first look; `None` when it had ended before anybody looked.
    pub start_memory_mb: Option<f64>,
    /// At the last look.
    pub end_memory_mb: Option<f64>,
    /// The most at any look.
    pub peak_memory_mb: f64,
    /// CPU of all processes.
    pub cpu_time_seconds: f64,
    /// From its start to the end of its last process.
    pub wall_time_seconds: f64,
    /// `cgroup`, `sampled` or `rusage`.
    pub memory_source: String,
}

/// One attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttemptDoc {
    /// Its number, from 1.
    pub attempt: u32,
    /// When it was about to start.
    pub starting_at: Wall,
    /// When it ended; `null` while it runs.
    pub ended_at: Option<Wall>,
    /// Its own process's exit code.
    pub exit_code: Option<i32>,
    /// The signal that ended its process.
    pub signal: Option<i32>,
    /// Why it did not succeed.
    pub error: Option<ErrorDoc>,
    /// What it used.
    pub resources: Option<ResourcesDoc>,
    /// Bytes that it printed.
    pub stdout_bytes: u64,
    /// The same on stderr.
    pub stderr_bytes: u64,
    /// Whether not all of that was kept.
    pub truncated: bool,
    /// Processes that it left behind, which were ended.
    pub left_behind: u32,
}

/// A submission was refused because of what was submitted: `{version, error}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RefusedDoc {
    /// [`super::VERSION`].
    pub version: u32,
    /// Why.
    pub error: ErrorDoc,
}

/// The answer to one line of a batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Submitted {
    /// It is in the queue, durably.
    Job(Box<JobDoc>),
    /// What was asked for does not fit.
    Refused(Box<ErrorDoc>),
    /// It was not taken in.
    Error(UserError),
    /// It was not taken in, and may be after so many milliseconds. Only on the wire.
    Later(UserError, u64),
}

impl Submitted {
    pub(in crate::wire) fn packed(self) -> Self {
        match self {
            Submitted::Error(UserError { retry_after: Some(after), what, hint, exit }) => {
                let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
                Submitted::Later(UserError { retry_after: None, what, hint, exit }, after_ms)
            }
            other => other,
        }
    }

    pub(in crate::wire) fn unpacked(self) -> Self {
        match self {
            Submitted::Later(e, after_ms) => Submitted::Error(e.retry_after(Duration::from_millis(after_ms))),
            other => other,
        }
    }
}

/// `ctl scripts`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScriptsDoc {
    /// [`super::VERSION`].
    pub version: u32,
    /// By id.
    pub scripts: Vec<ScriptDoc>,
    /// What is wrong with the registries themselves: `FILE: line N: …`.
    pub problems: Vec<String>,
}

/// One script.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScriptDoc {
    /// Its id.
    pub id: String,
    /// Its version.
    pub version: Option<String>,
    /// What it does.
    pub description: Untrusted,
    /// The registry's file.
    pub registry: String,
    /// Its path, as the registry says.
    pub path: Untrusted,
    /// What it takes: `name=<type>`, in brackets where it may be left out.
    pub inputs: Vec<String>,
    /// What it gives: `name=<type>`.
    pub outputs: Vec<String>,
    /// For whom it is.
    pub specialists: Vec<Untrusted>,
    /// The group whose limit its jobs are under.
    pub group: Option<Untrusted>,
    /// How far it is shut in.
    pub sandbox: String,
    /// Whether it can run here now.
    pub healthy: bool,
    /// Why not: a missing file, interpreter, program or variable.
    pub problems: Vec<String>,
}

/// `ctl groups`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupsDoc {
    /// [`super::VERSION`].
    pub version: u32,
    /// All slots, then every limit there is, and every group and session that has jobs.
    pub groups: Vec<GroupDoc>,
    /// Whether jobs are started at all: not in a drain, and not while nothing can be stored.
    pub open: bool,
    /// Why not.
    pub closed_because: Option<String>,
}

/// Who shares a limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupDoc {
    /// `all`, `group`, `script`, `specialist` or `session`.
    pub kind: String,
    /// Its name; empty for `all`.
    pub name: Untrusted,
    /// Slots that its jobs may take together.
    pub limit: Option<u32>,
    /// Slots that they take now.
    pub used: u32,
    /// Its jobs that run.
    pub running: u64,
    /// Its jobs that wait for their turn.
    pub queued: u64,
}

/// `ctl output`: where what an attempt printed is kept. The client reads the files itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutputDoc {
    /// [`super::VERSION`].
    pub version: u32,
    /// Which job.
    pub job: JobId,
    /// Which attempt.
    pub attempt: u32,
    /// Whether that attempt has ended: then nothing more comes.
    pub ended: bool,
    /// The beginning of its stdout. Not there while nothing was printed.
    pub stdout: String,
    /// Of its stderr.
    pub stderr: String,
    /// The end of its stdout, where not all of it was kept.
    pub stdout_tail: String,
    /// Of its stderr.
    pub stderr_tail: String,
    /// Whether not all was kept.
    pub truncated: bool,
}

impl JobDoc {
    /// Without anything that may be large: a few hundred bytes.
    #[must_use]
    pub fn bare(mut self) -> Self {
        self.inputs = JsonText::default();
        self.outputs = self.outputs.map(|_| JsonText::default());
        self.error = self.error.map(|e| ErrorDoc {
            context: BTreeMap::new(),
            suggestions: Vec::new(),
            stack_trace: None,
            message: Untrusted::bounded(e.message.raw(), 200),
            ..e
        });
        self.attempts = Vec::new();
        self.after = Vec::new();
        self
    }
}

impl ErrorDoc {
    /// A failure as it is shown, with what will be done about it.
    pub fn of(failure: crate::tes::failure::Failure, retry: Option<RetryInfo>) -> Self {
        ErrorDoc {
            category: failure.category,
            message: failure.message,
            context: failure.context,
            suggestions: failure.suggestions,
            stack_trace: failure.stack_trace,
            retry,
        }
    }
}
