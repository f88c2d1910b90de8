//! What outlives the supervisor about jobs: the words between the queue and whatever keeps them.
//!
//! A job is written down four times: when it is submitted ([`NewJob`]), when an attempt is about to start
//! ([`Write::Starting`]), when one has ended ([`AttemptEnd`]), and when it ends without one ([`Write::Finish`]).
//! Whatever else is known of it follows from these, and from the traces that its attempts leave.

use std::sync::Arc;
use std::time::Duration;

use super::attempt::Record;
use super::failure::{Failure, RetryInfo};
use super::job::{Edge, JobState, Priority};
use crate::clock::Wall;
use crate::ids::{AgentId, JobId};
use crate::limits;

/// A job as it was submitted. Nothing of it changes but [`held`](Self::held).
#[derive(Debug, Clone, PartialEq)]
pub struct NewJob {
    /// Which.
    pub id: JobId,
    /// Its number among all submissions, from 1.
    pub seq: u64,
    /// The script's id.
    pub script: Arc<str>,
    /// How soon it is wanted.
    pub priority: Priority,
    /// The session that it was submitted from or for; an empty name is none.
    pub session: Arc<str>,
    /// The agent that submitted it.
    pub agent: Option<AgentId>,
    /// For whom.
    pub specialist: Option<Arc<str>>,
    /// By whom.
    pub user: Option<String>,
    /// What ties it to other things, in the submitter's words.
    pub correlation_id: Option<String>,
    /// Under which key it is the same submission when it comes again.
    pub key: Option<String>,
    /// A digest of all that was asked for: the same key with another one is a mistake.
    pub print: u64,
    /// The group whose limit it is under.
    pub group: Option<Arc<str>>,
    /// Slots that it takes while it runs.
    pub slots: u16,
    /// Attempts that it may take, the first counted.
    pub max_attempts: u32,
    /// How long an attempt may run, where the submitter said so; else the script says.
    pub timeout: Option<Duration>,
    /// When.
    pub submitted_at: Wall,
    /// It does not start before.
    pub not_before: Option<Wall>,
    /// If it has not started by then, it fails.
    pub start_by: Option<Wall>,
    /// Whether a person holds it back.
    pub held: bool,
    /// The jobs that it waits for.
    pub after: Vec<(JobId, Edge)>,
    /// Its checked inputs, with defaults: a JSON object.
    pub inputs: String,
}

impl NewJob {
    /// A job of which nothing is said but what it runs. Whoever says more, says it over this.
    pub fn plain(id: JobId, seq: u64, script: &str) -> Self {
        NewJob {
            id,
            seq,
            script: script.into(),
            priority: Priority::Normal,
            session: "".into(),
            agent: None,
            specialist: None,
            user: None,
            correlation_id: None,
            key: None,
            print: 0,
            group: None,
            slots: 1,
            max_attempts: 1,
            timeout: None,
            submitted_at: Wall::from_unix_ms(0),
            not_before: None,
            start_by: None,
            held: false,
            after: Vec::new(),
            inputs: "{}".into(),
        }
    }
}

/// How an attempt ended, and what follows.
#[derive(Debug, Clone, PartialEq)]
pub struct AttemptEnd {
    /// Of which job.
    pub job: JobId,
    /// Its number.
    pub attempt: u32,
    /// When this was decided.
    pub at: Wall,
    /// What its shim wrote down; `None` when it was killed or never came to be.
    pub record: Option<Record>,
    /// Why it did not succeed.
    pub failure: Option<Failure>,
    /// Whether it is tried again, and why.
    pub retry: Option<RetryInfo>,
    /// What it gave: a JSON object.
    pub outputs: Option<String>,
    /// What becomes of the job.
    pub next: NextState,
}

/// What becomes of a job after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextState {
    /// It ends so.
    Final(JobState),
    /// It is tried again, not before.
    Again(Wall),
    /// The attempt never began, and is made again as it was: nothing of it may have run.
    Same(Wall),
}

/// One thing to keep.
#[derive(Debug, Clone, PartialEq)]
pub enum Write {
    /// A job comes in.
    Submit(Box<NewJob>),
    /// An attempt is about to start: from here on it may have run.
    Starting {
        /// Of which job.
        job: JobId,
        /// Its number.
        attempt: u32,
        /// In which boot of the machine.
        boot_id: Arc<str>,
        /// When.
        at: Wall,
        /// Where it leaves its traces.
        slot: u32,
    },
    /// An attempt ended. Written once for each (job, attempt): a second one changes nothing.
    Ended(Box<AttemptEnd>),
    /// A job that has no attempt under way ends: cancelled, expired, or its parent ended otherwise. One that has
    /// ended already stays as it is.
    Finish {
        /// Which.
        job: JobId,
        /// How.
        state: JobState,
        /// When.
        at: Wall,
        /// Why.
        failure: Option<Box<Failure>>,
    },
    /// Somebody holds it back or releases it.
    Held {
        /// Which.
        job: JobId,
        /// Whether it is held.
        held: bool,
    },
    /// A job that has ended is wanted again: it keeps its attempts and gets more, and nobody holds it back. Nothing
    /// happens to one that has not ended, or otherwise than whoever wants it again has seen.
    Requeue {
        /// Which.
        job: JobId,
        /// The last attempt of it that was seen, 0 for none.
        attempt: u32,
        /// The end that was seen.
        ended: JobState,
        /// Attempts that it may take now, all counted.
        max_attempts: u32,
        /// When.
        at: Wall,
    },
    /// Finished jobs are forgotten; others stay.
    Forget(Vec<JobId>),
    /// When a schedule was last looked at, by its name: what was due before is not due again.
    Schedule {
        /// Its name.
        name: String,
        /// Until when all was seen to.
        until: Wall,
    },
}

/// What became of a write, once it is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrote {
    /// It is kept.
    Done,
    /// Nothing had to be done: no such job, or it had ended before.
    Nothing,
    /// The key of the submission was used before.
    Before {
        /// For this job.
        id: JobId,
        /// Whether the same was asked for.
        same: bool,
    },
    /// The id was drawn before; another one must be.
    IdTaken,
}

/// A job that has not ended, as a supervisor finds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Live {
    /// As it was submitted; [`held`](NewJob::held) as it is now.
    pub job: NewJob,
    /// The last attempt that was written down, 0 for none.
    pub attempt: u32,
    /// In which boot that attempt started, while its end is not written down.
    pub starting_in: Option<String>,
    /// Where that attempt leaves its traces; `None` of an attempt that an older version started.
    pub slot: Option<u32>,
    /// When the next attempt may start, after one that failed.
    pub again_at: Option<Wall>,
    /// How those that it waits for ended; `None` for those that have not.
    pub parents: Vec<(JobId, Edge, Option<JobState>)>,
}

/// An attempt, for people.
#[derive(Debug, Clone, PartialEq)]
pub struct AttemptRow {
    /// Its number.
    pub attempt: u32,
    /// When it was about to start.
    pub starting_at: Wall,
    /// When its end was written down.
    pub ended_at: Option<Wall>,
    /// What its shim wrote down.
    pub record: Option<Record>,
    /// Why it did not succeed.
    pub failure: Option<Failure>,
    /// Whether it was tried again, and why.
    pub retry: Option<RetryInfo>,
}

/// All that is kept of a job.
#[derive(Debug, Clone, PartialEq)]
pub struct JobRow {
    /// As it was submitted; `held` and `max_attempts` as they are now.
    pub job: NewJob,
    /// Its state as it was last written down: `queued` until it runs or ends, whatever it waits for.
    pub state: JobState,
    /// When it ended.
    pub finished_at: Option<Wall>,
    /// When the next attempt may start, after one that failed.
    pub again_at: Option<Wall>,
    /// Why it ended without an attempt.
    pub failure: Option<Failure>,
    /// What it gave: a JSON object.
    pub outputs: Option<String>,
    /// Bytes of its inputs and of its outputs. In a list, large ones are left out: the text is empty then.
    pub bytes: (u64, u64),
    /// Its attempts, the first one first. Empty where they were not asked for, but for the last one.
    pub attempts: Vec<AttemptRow>,
}

impl JobRow {
    /// What is kept of a job that has just come in.
    pub fn new(job: NewJob) -> Self {
        JobRow {
            bytes: (job.inputs.len() as u64, 0),
            job,
            state: JobState::Queued,
            finished_at: None,
            again_at: None,
            failure: None,
            outputs: None,
            attempts: Vec::new(),
        }
    }
}

/// Jobs of a list.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Listed {
    /// The youngest first, as many as were asked for and as fit.
    pub rows: Vec<JobRow>,
    /// Whether there are more.
    pub more: bool,
}

impl JobRow {
    /// As it stands in a list: without large values, and with its last attempt only.
    #[must_use]
    pub fn short(mut self) -> Self {
        if self.job.inputs.len() > limits::LISTED_VALUES_BYTES {
            self.job.inputs = String::new();
        }
        if let Some(outputs) = self.outputs.as_mut().filter(|o| o.len() > limits::LISTED_VALUES_BYTES) {
            *outputs = String::new();
        }
        self.attempts.drain(..self.attempts.len().saturating_sub(1));
        self
    }
}

/// Which jobs are asked for, the youngest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// In one of these states, as they are kept; empty is any.
    pub states: Vec<JobState>,
    /// Of this script.
    pub script: Option<String>,
    /// At most so many.
    pub limit: usize,
}
