//! What the queue is told of, and what it answers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Mono;
use crate::ids::JobId;
use crate::tes::job::{Edge, JobState, Priority};

/// What the queue knows of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// Which.
    pub id: JobId,
    /// Its number among all submissions; of two equal jobs the lower one goes first.
    pub seq: u64,
    /// How soon it is wanted.
    pub priority: Priority,
    /// Who shares: the session that it was submitted from, or an empty name.
    pub session: Arc<str>,
    /// The script that it runs.
    pub script: Arc<str>,
    /// For whom.
    pub specialist: Option<Arc<str>>,
    /// The group whose limit it is under.
    pub group: Option<Arc<str>>,
    /// Slots that it takes while it runs; at least 1.
    pub slots: u16,
    /// It does not start before.
    pub not_before: Option<Mono>,
    /// If it has not started by then, it fails.
    pub start_by: Option<Mono>,
    /// Bytes of its inputs, for admission.
    pub bytes: u32,
    /// Whether a person holds it back.
    pub held: bool,
    /// Since when its turn might have come: after a restart of the supervisor it is as old as it was.
    pub since: Option<Mono>,
}

/// What limits the starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caps {
    /// Slots in all.
    pub slots: u32,
    /// Slots that jobs of one script may take together.
    pub scripts: BTreeMap<Arc<str>, u32>,
    /// The same for one specialist.
    pub specialists: BTreeMap<Arc<str>, u32>,
    /// The same for one group.
    pub groups: BTreeMap<Arc<str>, u32>,
    /// The same for any one session; `None` sets no bound.
    pub session: Option<u32>,
    /// Jobs that may be handed out before a slot is free, where those that run end soon; see `queue/ahead.rs`.
    pub ahead: u32,
}

impl Caps {
    /// So many slots, no other bound, and nothing ahead.
    pub fn slots(slots: u32) -> Self {
        Caps {
            slots,
            scripts: BTreeMap::new(),
            specialists: BTreeMap::new(),
            groups: BTreeMap::new(),
            session: None,
            ahead: 0,
        }
    }
}

/// One that a job waits for, as it is when the job is submitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parent {
    /// Which.
    pub id: JobId,
    /// The end that is waited for.
    pub edge: Edge,
    /// How it ended, if it has.
    pub ended: Option<JobState>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A job is durable and may start. After a restart of the supervisor, jobs come again in the order of
    /// their numbers.
    Submitted(Ticket, Vec<Parent>),
    /// A job whose attempt is under way was found after a restart.
    Adopted(Ticket),
    /// A running job's attempt ended; `took` is how long it ran.
    Ended {
        /// Which.
        job: JobId,
        /// How long it ran.
        took: Duration,
        /// What follows.
        next: After,
    },
    /// A job was started and nothing of it ran; it may start again from then on.
    NotBegun(JobId, Mono),
    /// Somebody cancels it.
    Cancel(JobId),
    /// Somebody holds it back.
    Hold(JobId),
    /// And releases it.
    Release(JobId),
    /// The limits changed.
    Caps(Caps),
    /// Whether jobs may start at all: not in a drain, and not while nothing can be stored.
    Open(bool),
    /// Nothing but time.
    Tick,
}

/// What follows an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// The job ends.
    Final(JobState),
    /// It is tried again, not before.
    Again(Mono),
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Begin an attempt.
    Start(JobId),
    /// End the attempt that is under way; its end comes as [`Event::Ended`].
    Stop(JobId),
    /// It stands otherwise than before.
    Became(JobId, JobState),
    /// It ends without an attempt; [`Effect::Became`] does not follow.
    Fail(JobId, Why),
    /// Jobs that were handed out before a slot was free, and for which none is yet, are to come back, each as
    /// [`Event::NotBegun`].
    Recall,
}

/// Why a job ended without an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Somebody cancelled it.
    Cancelled,
    /// It waited too long.
    Expired,
    /// A job that it waited for ended otherwise.
    Parent(JobId),
}

impl Why {
    /// The state in which the job ends.
    pub fn state(self) -> JobState {
        match self {
            Why::Cancelled => JobState::Cancelled,
            Why::Expired | Why::Parent(_) => JobState::Failed,
        }
    }
}

/// Why a submission is not taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Too many jobs wait.
    #[error("{0} jobs wait or run, which is as many as there may be")]
    Jobs(usize),
    /// Their inputs are too large together.
    #[error("the inputs of the jobs that wait take {0} bytes, and no more may come")]
    Bytes(u64),
}
