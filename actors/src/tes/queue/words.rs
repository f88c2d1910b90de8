//! What the queue is told, and what it answers.

use std::sync::Arc;

use tsup_core::error::{Exit, UserError};
use tsup_core::ids::JobId;
use tsup_core::tes::attempt::{AttemptId, Record};
use tsup_core::tes::job::JobState;
use tsup_core::tes::kept::{JobRow, NewJob, Wrote};
use tsup_core::tes::queue::Parent;
use tsup_core::tes::retry::Ending;
use tsup_core::tes::select::{Selected, Selection};
use tsup_core::tes::show::Now;
use tsup_core::wire::doc::jobs::GroupsDoc;

use super::left::Left;
use crate::gate::{Capacity, Reply};
use crate::store::{LoadedJobs, StoreError};

/// Waiting messages: an end for each job that may run, and submissions that share a commit.
pub(in crate::tes) const CAPACITY: Capacity = Capacity { control: 32_768, work: 8_192, telemetry: 8 };

/// How an attempt ended, as its actor found.
#[derive(Debug)]
pub(in crate::tes) struct Ended {
    /// Which.
    pub(in crate::tes) id: AttemptId,
    /// How.
    pub(in crate::tes) ending: Ending,
    /// What its shim wrote down.
    pub(in crate::tes) record: Option<Record>,
    /// What it gave: a JSON object.
    pub(in crate::tes) outputs: Option<String>,
}

/// What became of a submission.
#[derive(Debug)]
pub(in crate::tes) enum Accepted {
    /// It is in the queue, durably.
    New(Box<NewJob>, Now),
    /// Its key was used before, for the same or for something else.
    Before {
        /// For this job.
        id: JobId,
        /// Whether the same was asked for.
        same: bool,
    },
}

/// What the queue receives.
pub(in crate::tes) enum Msg {
    /// What the store had, with the attempts that have left traces. `None` once taken.
    Loaded(Option<Result<(LoadedJobs, Left), String>>),
    /// A job comes in, with how those that it waits for ended. `None` once taken.
    Submit(Option<Box<NewJob>>, Vec<Parent>, Reply<Result<Accepted, UserError>>),
    /// Writes that gathered are handed over.
    Flush,
    /// What became of writes. `None` once taken.
    Kept(u64, Option<Result<Vec<Wrote>, StoreError>>),
    /// Writes that could not be made are made again.
    KeepAgain,
    /// An attempt ended. `None` once taken.
    Ended(Option<Box<Ended>>),
    /// An attempt could not begin, for this error of the system: nothing of it ran.
    NotBegun(AttemptId, i32),
    /// Time to look again whether the places that attempts have can be used.
    LookAtPlaces,
    /// Which of these cannot be used, and why.
    Places(Option<String>),
    /// The actor of an attempt crashed; its name in the tree.
    Crashed(Arc<str>),
    /// The pause after such a crash is over.
    TakeOver(AttemptId),
    /// End a job; answered when it has ended, or at once where there is none that has not.
    Cancel(JobId, Reply<Result<bool, UserError>>),
    /// Hold a job back, or release it.
    Hold(JobId, bool, Reply<Result<bool, UserError>>),
    /// A job that ended is wanted again. `None` once taken.
    Requeue(Option<Box<JobRow>>, u32, Reply<Result<bool, UserError>>),
    /// A dead job is forgotten.
    Drop(JobId, Reply<Result<bool, UserError>>),
    /// Each is answered when that job has ended; at once, which of them are not known to live.
    WaitEnd(Vec<(JobId, Reply<()>)>, Reply<Vec<JobId>>),
    /// What is known of these jobs now.
    Now(Vec<JobId>, Reply<Vec<Option<Now>>>),
    /// The youngest jobs in one of these states, at most so many.
    In(Vec<JobState>, Option<String>, usize, Reply<Vec<JobId>>),
    /// Those that are meant, in states that live.
    Select(Box<Selection>, Reply<Selected>),
    /// Who shares which limit.
    Groups(Reply<GroupsDoc>),
    /// Start nothing more; answered when nothing runs.
    Drain(Reply<()>),
    /// Start jobs again.
    EndDrain(Reply<bool>),
    /// The limits may have changed: the configuration did, or the registries.
    Limits,
    /// A job's time has come.
    Tick,
    /// Look for jobs that are to be forgotten.
    Retention,
    /// These may be forgotten. Empty when there was none.
    Forgettable(Vec<(JobId, JobState)>),
    /// What became of the files of jobs that are to be forgotten.
    FilesGone(Vec<Removed>, Option<Reply<Result<bool, UserError>>>),
}

/// What the queue cannot do now, and why.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Closed {
    pub(super) loading: bool,
    pub(super) store: Option<String>,
    pub(super) place: Option<String>,
    pub(super) drain: bool,
}

impl Closed {
    pub(super) fn is_open(&self) -> bool {
        *self == Closed::default()
    }

    /// What is answered while the jobs of before are not known: nothing was done of what was asked.
    pub(super) fn early(&self, done: &str) -> UserError {
        match self.why().filter(|_| self.store.is_some()) {
            Some(why) => UserError::new(Exit::Refused, why)
                .hint(format!("nothing was {done}; this lasts until it is mended, and then ends by itself: see `tsup status`")),
            None => UserError::new(Exit::Refused, "jobs are still being read from the store")
                .hint(format!("nothing was {done}; try again in a moment")),
        }
    }

    pub(super) fn why(&self) -> Option<String> {
        match (self.loading, self.store.as_ref().or(self.place.as_ref()), self.drain) {
            (_, Some(why), _) => Some(format!("no jobs are started: {why}")),
            (true, ..) => Some("jobs are being read from the store".into()),
            (.., true) => Some("no jobs are started: it drains; `tsup ctl drain --end` ends that".into()),
            _ => None,
        }
    }
}

/// What became of the files of a job.
#[derive(Debug)]
pub(in crate::tes) struct Removed {
    pub(super) job: JobId,
    /// How it ended.
    pub(super) state: JobState,
    /// Why some of them are still there.
    pub(super) left: Option<std::io::Error>,
}

/// Whoever waits for the end of a job.
#[derive(Debug)]
pub(super) enum Waiter {
    /// To know of it.
    End(Reply<()>),
    /// To be told that it was cancelled.
    Cancel(Reply<Result<bool, UserError>>),
}

impl Waiter {
    /// Whether somebody still waits.
    pub(super) fn is_wanted(&self) -> bool {
        match self {
            Waiter::End(reply) => reply.is_wanted(),
            Waiter::Cancel(reply) => reply.is_wanted(),
        }
    }

    /// The job has ended.
    pub(super) fn tell(self) {
        match self {
            Waiter::End(mut reply) => reply.send(()),
            Waiter::Cancel(mut reply) => reply.send(Ok(true)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_gave_up_is_not_waited_for() {
        let (end, asked) = Reply::channel();
        let (cancel, cancels) = Reply::channel();
        let waiters = [Waiter::End(end), Waiter::Cancel(cancel)];
        assert!(waiters.iter().all(Waiter::is_wanted));
        drop((asked, cancels));
        assert!(!waiters.iter().any(Waiter::is_wanted));
    }
}
