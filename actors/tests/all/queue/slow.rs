//! A store that answers when and how a test wants it.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tsup_actors::store::{Answer, JobStore, LoadedJobs, StoreError};
use tsup_core::clock::Wall;
use tsup_core::ids::JobId;
use tsup_core::limits::SELECTED_MAX;
use tsup_core::tes::job::JobState;
use tsup_core::tes::kept::{AttemptRow, Filter, JobRow, Listed, NewJob, Write, Wrote};
use tsup_core::tes::select::{Picked, Selected, Selection};

use crate::all::stage::until;

type Kept = Result<Vec<Wrote>, StoreError>;

/// Keeps every write in the order in which it was handed over. Ends of attempts are answered by hand.
///
/// What is inside stands behind a lock, and not with an actor that is told by a channel, since a [`JobStore`] is called from
/// any thread and hands writes over before its future is polled: a test that looks after a call sees it. The lock is held
/// for a move, never while anything is waited for.
#[derive(Clone, Default)]
pub(super) struct Slow(pub(super) Arc<Mutex<Inside>>);

#[derive(Default)]
pub(super) struct Inside {
    pub(super) jobs: Vec<NewJob>,
    /// How jobs are told to stand.
    pub(super) state: Option<JobState>,
    pub(super) handed: Vec<Write>,
    /// The attempts of every job.
    pub(super) attempts: Vec<AttemptRow>,
    /// Whether inputs are read without end.
    pub(super) hangs: bool,
    /// What is read by a queue that begins, and what is looked for then.
    pub(super) loaded: LoadedJobs,
    /// Those that are dead.
    pub(super) dead: Vec<Picked>,
    pub(super) gone: Option<std::path::PathBuf>,
    pub(super) was_gone: Vec<bool>,
    pub(super) ends: Vec<oneshot::Sender<Kept>>,
}

impl Slow {
    pub(super) fn handed(&self) -> Vec<&'static str> {
        let word = |write: &Write| match write {
            Write::Submit(_) => "submit",
            Write::Starting { .. } => "starting",
            Write::Ended(_) => "ended",
            Write::Finish { .. } => "finish",
            Write::Forget(_) => "forget",
            _ => "other",
        };
        self.0.lock().handed.iter().map(word).collect()
    }

    /// It has one more job, like the first one, and says of all that they are dead.
    pub(super) fn has_dead(&self, id: JobId) {
        let mut inside = self.0.lock();
        let job = NewJob { id, ..inside.jobs[0].clone() };
        inside.jobs.push(job);
        inside.state = Some(JobState::Dead);
    }

    pub(super) async fn end(&self) -> oneshot::Sender<Kept> {
        until("an end is handed over", async || self.0.lock().ends.pop()).await
    }
}

fn now<T: Send + 'static>(answer: T) -> Answer<T> {
    Box::pin(std::future::ready(Ok(answer)))
}

impl JobStore for Slow {
    fn keep(&self, writes: Vec<Write>) -> Answer<Vec<Wrote>> {
        let mut inside = self.0.lock();
        for write in &writes {
            if let Write::Submit(job) = write {
                inside.jobs.push(NewJob::clone(job));
            }
        }
        inside.handed.extend(writes.iter().cloned());
        if !writes.iter().any(|w| matches!(w, Write::Ended(_))) {
            return now(vec![Wrote::Done; writes.len()]);
        }
        let (answer, answered) = oneshot::channel();
        inside.ends.push(answer);
        Box::pin(async move { answered.await.unwrap_or_else(|_| Err(full())) })
    }

    fn load_jobs(&self) -> Answer<LoadedJobs> {
        let mut inside = self.0.lock();
        let gone = inside.gone.as_ref().is_none_or(|folder| !folder.exists());
        inside.was_gone.push(gone);
        now(inside.loaded.clone())
    }

    fn find(&self, _: &str, _: usize) -> Answer<Vec<JobId>> {
        now(Vec::new())
    }

    fn rows(&self, ids: Vec<JobId>) -> Answer<Vec<Option<JobRow>>> {
        let inside = self.0.lock();
        let state = inside.state.unwrap_or(JobState::Queued);
        let attempts = inside.attempts.clone();
        let row = |job| JobRow { state, attempts: attempts.clone(), ..JobRow::new(job) };
        let of = |id| inside.jobs.iter().find(|job| job.id == id).cloned().map(row);
        now(ids.into_iter().map(of).collect())
    }

    fn missing(&self, ids: Vec<JobId>) -> Answer<Vec<JobId>> {
        let inside = self.0.lock();
        now(ids.into_iter().filter(|id| inside.jobs.iter().all(|job| job.id != *id)).collect())
    }

    fn last_of_key(&self, _: &str) -> Answer<Option<JobId>> {
        now(None)
    }

    fn jobs(&self, _: Filter) -> Answer<Listed> {
        now(Listed::default())
    }

    fn select(&self, which: Selection) -> Answer<Selected> {
        let dead = if which.states == [JobState::Dead] { self.0.lock().dead.clone() } else { Vec::new() };
        now(Selected::page(dead, which.youngest_first, SELECTED_MAX))
    }

    fn inputs(&self, _: JobId) -> Answer<Option<String>> {
        if self.0.lock().hangs { Box::pin(std::future::pending()) } else { now(None) }
    }

    fn forgettable(&self, _: Wall, _: u64, _: usize) -> Answer<Vec<JobId>> {
        now(Vec::new())
    }
}

pub(super) fn full() -> StoreError {
    StoreError::Full { path: "tsup.db".into() }
}
