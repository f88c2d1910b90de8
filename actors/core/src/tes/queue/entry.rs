//! What is kept of a job that waits or runs.

use super::{Lane, Ticket};
use crate::clock::Mono;
use crate::ids::JobId;
use crate::tes::job::{Edge, JobState};

/// One job. There may be a hundred thousand that do nothing but wait for their turn, so what few have is apart.
#[derive(Debug)]
pub(super) struct Entry {
    /// Its number among all submissions.
    pub(super) seq: u64,
    pub(super) state: JobState,
    pub(super) held: bool,
    /// Somebody cancelled it while it runs.
    pub(super) stopping: bool,
    pub(super) bytes: u32,
    /// Since when its turn may come: ageing counts from here.
    pub(super) ready: Mono,
    /// Its lane, while it is queued or runs.
    pub(super) lane: Lane,
    /// `None` for most.
    pub(super) rare: Option<Box<Rare>>,
}

/// What is known of few jobs.
#[derive(Debug, Default)]
pub(super) struct Rare {
    pub(super) not_before: Option<Mono>,
    pub(super) start_by: Option<Mono>,
    /// Since when its turn might have come, until it comes first.
    pub(super) since: Option<Mono>,
    /// What its session was charged when it started, in slot-milliseconds, while it runs; and whether it is expected to end soon.
    pub(super) charged: Option<(i64, bool)>,
    pub(super) kin: Option<Kin>,
}

impl Rare {
    fn is_empty(&self) -> bool {
        let Rare { not_before, start_by, since, charged, kin } = self;
        not_before.is_none() && start_by.is_none() && since.is_none() && charged.is_none() && kin.is_none()
    }
}

/// Jobs that a job waits for or that wait for it.
#[derive(Debug, Default)]
pub(super) struct Kin {
    /// Parents that have not ended.
    pub(super) parents: Vec<(JobId, Edge)>,
    /// Jobs that wait for it.
    pub(super) children: Vec<JobId>,
}

impl Entry {
    pub(super) fn new(ticket: &Ticket, lane: Lane, now: Mono) -> Self {
        Entry {
            seq: ticket.seq,
            state: JobState::Blocked,
            held: ticket.held,
            stopping: false,
            bytes: ticket.bytes,
            ready: now,
            lane,
            rare: Some(Rare {
                not_before: ticket.not_before,
                start_by: ticket.start_by,
                since: ticket.since,
                ..Rare::default()
            })
            .filter(|rare| !rare.is_empty())
            .map(Box::new),
        }
    }

    pub(super) fn not_before(&self) -> Option<Mono> {
        self.rare.as_ref()?.not_before
    }

    pub(super) fn start_by(&self) -> Option<Mono> {
        self.rare.as_ref()?.start_by
    }

    pub(super) fn parents(&self) -> &[(JobId, Edge)] {
        self.rare.as_ref().and_then(|rare| rare.kin.as_ref()).map_or(&[], |kin| &kin.parents)
    }

    /// Changes what is known of few jobs, and lets go of it once nothing is.
    pub(super) fn change<R>(&mut self, how: impl FnOnce(&mut Rare) -> R) -> R {
        let rare = self.rare.get_or_insert_default();
        let what = how(rare);
        if rare.is_empty() {
            self.rare = None;
        }
        what
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_only_waits_takes_little() {
        assert!(size_of::<Entry>() <= 56, "{} bytes", size_of::<Entry>());
    }
}
