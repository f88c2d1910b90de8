//! What is known of a job besides its place in the queue.

use std::collections::HashSet;
use std::sync::Arc;

use tsup_core::clock::{Mono, Wall};
use tsup_core::ids::JobId;
use tsup_core::limits;
use tsup_core::tes::attempt::AttemptId;
use tsup_core::tes::job::JobState;
use tsup_core::tes::kept::{NewJob, Write};
use tsup_core::tes::queue::Ticket;

use super::keep::Then;
use super::mono_of;
use crate::gate::Gate;
use crate::tes::job;

/// A job that has not ended. There may be a hundred thousand of them, so large things are elsewhere.
#[derive(Debug)]
pub(in crate::tes) struct Card {
    /// As it was submitted; large inputs are only in the store.
    pub(in crate::tes) job: Box<NewJob>,
    /// Whether its inputs are here.
    pub(in crate::tes) has_inputs: bool,
    /// The last attempt that was started, or is about to be.
    pub(in crate::tes) attempt: u32,
    /// When its next attempt may start, after one that failed.
    pub(super) again_at: Option<Wall>,
    /// The state that was told last, if one was.
    pub(super) shown: JobState,
    pub(super) told: bool,
    /// Its attempt, from its start until its end is durable.
    pub(super) running: Option<Box<Running>>,
    /// The end of its last attempt is on its way to the store.
    pub(super) ending: bool,
    /// What is to be written once that end is durable: written before it, it would meet a row of which the end is yet to come.
    pub(super) after_end: Option<Box<(Write, Then)>>,
}

/// An attempt under way.
#[derive(Debug)]
pub(in crate::tes) struct Running {
    /// When it was started, where that was here; the store knows it of others.
    pub(super) at: Option<Wall>,
    pub(super) since: Mono,
    /// Its actor, once its start is durable.
    pub(super) gate: Option<Gate<job::Msg>>,
    /// Somebody wants it to end.
    pub(super) stopping: bool,
    /// In which boot it was written down as starting.
    pub(super) started_in: Arc<str>,
    /// Kept for as long as its actor is wanted; whoever starts it looks.
    pub(super) wanted: Option<Arc<()>>,
    /// Where its traces are.
    pub(super) traces: job::Place,
    /// Which order it is, counted over all.
    pub(super) order: u64,
    /// How often its actor crashed without having gone on for a while, and when it did last.
    pub(super) crashes: (u32, Mono),
}

impl Running {
    /// Its slot among the traces, to be given back.
    pub(super) fn slot(&self) -> Option<u32> {
        match self.traces {
            job::Place::Slot(slot) => Some(slot),
            job::Place::Gone => None,
        }
    }
}

/// Names that jobs share: a hundred thousand jobs of one script have its name once.
#[derive(Debug, Default)]
pub(super) struct Names(HashSet<Arc<str>>);

impl Names {
    fn share(&mut self, name: &mut Arc<str>) {
        if let Some(known) = self.0.get(name) {
            *name = Arc::clone(known);
            return;
        }
        // Sessions and specialists are the submitters' words; what is dropped here is only not shared any more.
        if self.0.len() >= limits::SHARED_NAMES_MAX {
            self.0.clear();
        }
        self.0.insert(Arc::clone(name));
    }
}

impl Card {
    /// Of a job, whose names are shared with others from here on.
    pub(super) fn of(job: &mut NewJob, names: &mut Names) -> Self {
        names.share(&mut job.script);
        names.share(&mut job.session);
        for name in [&mut job.specialist, &mut job.group].into_iter().flatten() {
            names.share(name);
        }
        let has_inputs = job.inputs.len() <= limits::INPUTS_IN_MEMORY_BYTES;
        let mut job = Box::new(job.clone());
        if !has_inputs {
            job.inputs = String::new();
        }
        job.inputs.shrink_to_fit();
        Card {
            job,
            has_inputs,
            attempt: 0,
            again_at: None,
            shown: JobState::Queued,
            told: false,
            running: None,
            ending: false,
            after_end: None,
        }
    }
}

/// A job's place in the queue. `since` says how old it is where it was there before.
pub(super) fn ticket(job: &NewJob, since: Option<Wall>, not_before: Option<Wall>) -> Ticket {
    Ticket {
        id: job.id,
        seq: job.seq,
        priority: job.priority,
        session: Arc::clone(&job.session),
        script: Arc::clone(&job.script),
        specialist: job.specialist.clone(),
        group: job.group.clone(),
        slots: job.slots,
        not_before: not_before.map(mono_of),
        start_by: job.start_by.map(mono_of),
        bytes: bytes(job),
        held: job.held,
        since: since.map(mono_of),
    }
}

/// What a job counts for admission.
pub(super) fn bytes(job: &NewJob) -> u32 {
    u32::try_from(job.inputs.len()).unwrap_or(u32::MAX)
}

/// An attempt of a job. There is one node, so nobody else may run it.
pub(super) fn attempt_id(job: JobId, attempt: u32) -> AttemptId {
    AttemptId { job, attempt, epoch: 0 }
}

/// The name of an attempt's actor.
pub(super) fn child_id(job: JobId) -> String {
    job.to_string()
}
