//! What keeps jobs, as the queue sees it.
//!
//! - `jobs/write.rs`: one function for each write
//! - `jobs/read.rs`: rows into words again

use std::collections::BTreeMap;

use tsup_core::clock::Wall;
use tsup_core::ids::JobId;
use tsup_core::tes::job::JobState;
use tsup_core::tes::kept::{Filter, JobRow, Listed, Live, Write, Wrote};
use tsup_core::tes::select::{Selected, Selection};

use super::{Msg, Store, StoreError};
use crate::actor::BoxFuture;
use crate::gate::{Lane, Reply};

pub(super) mod read;
pub(super) mod write;

/// What comes of asking a store.
pub type Answer<T> = BoxFuture<Result<T, StoreError>>;

/// What the queue begins with.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LoadedJobs {
    /// Jobs that have not ended, by number.
    pub live: Vec<Live>,
    /// The largest number that a submission was ever given, 0 for none. Forgotten jobs count.
    pub last_seq: u64,
    /// How many of those that are kept ended how.
    pub counts: BTreeMap<JobState, u64>,
    /// Until when each schedule was seen to.
    pub schedules: BTreeMap<String, Wall>,
    /// Jobs that have not ended and that this build cannot read. They stay as they are, and are told in the log.
    pub unreadable: u64,
}

/// Something that keeps jobs: a file on this machine, or a server that several machines share.
///
/// What an implementation owes to its callers:
///
/// - **Order.** Writes take effect in the order of the calls of [`keep`](JobStore::keep), and what is loaded
///   later has them all.
/// - **Durable, then answered.** An answer comes when the writes would survive a loss of power. No answer, or
///   [`StoreError::Unavailable`], means that nobody knows whether they were kept.
/// - **All or nothing.** The writes of one call are kept together. Several calls may share a transaction.
/// - **One end.** A job ends once, by whichever write comes first; after that only [`Write::Requeue`] and
///   [`Write::Forget`] change it. An attempt ends once.
///
/// What each write does is said at [`Write`]. Beyond that: a second [`Write::Starting`] of an attempt that is
/// under way renews its boot and its time; of another attempt meanwhile, or of one that has ended, it is
/// [`Wrote::Nothing`]. An attempt that ended with `NextState::Same` leaves no row, and its number may start
/// again. [`Write::Finish`] of a job whose attempt is under way ends that attempt too, without a record.
/// After [`Write::Requeue`] the job's `again_at` is the time of that write, and its outputs and failure are
/// gone. How a parent ended stands with its children from then on, whatever becomes of the parent.
pub trait JobStore: Send + Sync {
    /// Keeps all of `writes`, or none. They are handed over now, not when the future is first polled, and what
    /// became of each is answered in their order once all are durable. There is no deadline: a slow disk is
    /// waited for. When too many wait, the answer is [`StoreError::Unavailable`] at once.
    fn keep(&self, writes: Vec<Write>) -> Answer<Vec<Wrote>>;

    /// Everything that the queue begins with, after all writes that were handed over before.
    fn load_jobs(&self) -> Answer<LoadedJobs>;

    /// At most `limit` ids that begin with these digits, the smallest first.
    fn find(&self, prefix: &str, limit: usize) -> Answer<Vec<JobId>>;

    /// All that is kept of a job, with every attempt.
    fn job(&self, id: JobId) -> Answer<Option<JobRow>> {
        let rows = self.rows(vec![id]);
        Box::pin(async move { Ok(rows.await?.pop().flatten()) })
    }

    /// The same of several jobs, as of one moment: of the first of `ids` as many as have [`limits::ROWS_READ_BYTES`]
    /// of inputs and outputs together, at least one.
    fn rows(&self, ids: Vec<JobId>) -> Answer<Vec<Option<JobRow>>>;

    /// Which of these jobs are not there.
    fn missing(&self, ids: Vec<JobId>) -> Answer<Vec<JobId>>;

    /// Jobs by state and script, the youngest first, with their last attempts only.
    fn jobs(&self, filter: Filter) -> Answer<Listed>;

    /// Of the jobs of which the key begins so, the one with the last key in the order of its bytes.
    fn last_of_key(&self, prefix: &str) -> Answer<Option<JobId>>;

    /// Jobs that are meant, of those that have ended, the oldest first.
    fn select(&self, which: Selection) -> Answer<Selected>;

    /// The inputs of a job, as JSON.
    fn inputs(&self, id: JobId) -> Answer<Option<String>>;

    /// At most `limit` jobs that may be forgotten, those that ended first: they ended before `before`, or there are
    /// more than `keep_at_most` that ended after them. Dead ones are kept for a person, and not counted.
    fn forgettable(&self, before: Wall, keep_at_most: u64, limit: usize) -> Answer<Vec<JobId>>;
}

/// A question to the thread that reads.
pub enum Ask {
    /// See [`JobStore::find`].
    Find(String, usize, Reply<Result<Vec<JobId>, StoreError>>),
    /// See [`JobStore::rows`].
    Rows(Vec<JobId>, Reply<Result<Vec<Option<JobRow>>, StoreError>>),
    /// See [`JobStore::missing`].
    Missing(Vec<JobId>, Reply<Result<Vec<JobId>, StoreError>>),
    /// See [`JobStore::jobs`].
    Jobs(Filter, Reply<Result<Listed, StoreError>>),
    /// See [`JobStore::last_of_key`].
    LastOfKey(String, Reply<Result<Option<JobId>, StoreError>>),
    /// See [`JobStore::select`].
    Select(Selection, Reply<Result<Selected, StoreError>>),
    /// See [`JobStore::inputs`].
    Inputs(JobId, Reply<Result<Option<String>, StoreError>>),
    /// See [`JobStore::forgettable`].
    Forgettable(Wall, u64, usize, Reply<Result<Vec<JobId>, StoreError>>),
    /// Nothing: what is left of a question that was taken.
    Nothing,
}

impl Ask {
    /// Takes the question out and leaves nothing.
    pub(super) fn take(&mut self) -> Ask {
        std::mem::replace(self, Ask::Nothing)
    }

    /// Answers it with an error.
    pub(super) fn refuse(self, error: StoreError) {
        match self {
            Ask::Find(_, _, mut reply)
            | Ask::Missing(_, mut reply)
            | Ask::Forgettable(_, _, _, mut reply) => reply.send(Err(error)),
            Ask::Rows(_, mut reply) => reply.send(Err(error)),
            Ask::Jobs(_, mut reply) => reply.send(Err(error)),
            Ask::LastOfKey(_, mut reply) => reply.send(Err(error)),
            Ask::Select(_, mut reply) => reply.send(Err(error)),
            Ask::Inputs(_, mut reply) => reply.send(Err(error)),
            Ask::Nothing => {}
        }
    }
}

impl Store {
    /// Sends now; the answer comes when it comes.
    fn put<T: Send + 'static>(
        &self,
        lane: Lane,
        make: impl FnOnce(Reply<Result<T, StoreError>>) -> Msg,
    ) -> Answer<T> {
        let (reply, answer) = Reply::channel();
        let refused = self.gate.send(lane, make(reply)).is_err();
        Box::pin(async move {
            if refused {
                return Err(StoreError::Unavailable("too much waits for it".into()));
            }
            let dropped = || StoreError::Unavailable("it ended before it answered".into());
            answer.await.unwrap_or_else(|_| Err(dropped()))
        })
    }

    fn ask<T: Send + 'static>(&self, make: impl FnOnce(Reply<Result<T, StoreError>>) -> Ask) -> Answer<T> {
        self.put(Lane::Work, |reply| Msg::Ask(make(reply)))
    }
}

impl JobStore for Store {
    fn keep(&self, writes: Vec<Write>) -> Answer<Vec<Wrote>> {
        self.put(Lane::Control, |reply| Msg::Keep(writes, reply))
    }

    fn load_jobs(&self) -> Answer<LoadedJobs> {
        // On the lane of the writes, so that it stays behind them.
        self.put(Lane::Control, Msg::LoadJobs)
    }

    fn find(&self, prefix: &str, limit: usize) -> Answer<Vec<JobId>> {
        let prefix = prefix.to_owned();
        self.ask(|reply| Ask::Find(prefix, limit, reply))
    }

    fn rows(&self, ids: Vec<JobId>) -> Answer<Vec<Option<JobRow>>> {
        self.ask(|reply| Ask::Rows(ids, reply))
    }

    fn missing(&self, ids: Vec<JobId>) -> Answer<Vec<JobId>> {
        self.ask(|reply| Ask::Missing(ids, reply))
    }

    fn jobs(&self, filter: Filter) -> Answer<Listed> {
        self.ask(|reply| Ask::Jobs(filter, reply))
    }

    fn last_of_key(&self, prefix: &str) -> Answer<Option<JobId>> {
        let prefix = prefix.to_owned();
        self.ask(|reply| Ask::LastOfKey(prefix, reply))
    }

    fn select(&self, which: Selection) -> Answer<Selected> {
        self.ask(|reply| Ask::Select(which, reply))
    }

    fn inputs(&self, id: JobId) -> Answer<Option<String>> {
        self.ask(|reply| Ask::Inputs(id, reply))
    }

    fn forgettable(&self, before: Wall, keep_at_most: u64, limit: usize) -> Answer<Vec<JobId>> {
        self.ask(|reply| Ask::Forgettable(before, keep_at_most, limit, reply))
    }
}
