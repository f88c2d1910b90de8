//! Jobs that are forgotten, with their files.

use std::sync::Arc;
use std::time::Duration;

use tsup_core::error::{Exit, UserError};
use tsup_core::ids::JobId;
use tsup_core::limits;
use tsup_core::tes::job::JobState;
use tsup_core::tes::kept::Write;

use super::keep::Then;
use super::{Msg, QueueActor, Removed};
use crate::actor::{Cx, blocking};
use crate::clock::now_wall;
use crate::gate::{Lane, Reply};
use crate::os::remove::remove_all;

impl QueueActor {
    /// Looks for finished jobs that are to be forgotten.
    pub(super) fn retention(&mut self, cx: &mut Cx<Self>) {
        let settings = self.shared.settings.borrow().tes.clone();
        let before = now_wall().minus(Duration::from_secs(settings.retention_days.saturating_mul(24 * 3600)));
        let store = Arc::clone(&self.shared.store);
        let gate = cx.gate().clone();
        self.revived.clear();
        cx.spawn(async move {
            let found = store.forgettable(before, settings.retention_jobs, limits::RETENTION_BATCH).await;
            let mut jobs = Vec::new();
            for id in found.unwrap_or_default() {
                if let Ok(Some(row)) = store.job(id).await {
                    jobs.push((id, row.state));
                }
            }
            gate.insist(Lane::Work, Msg::Forgettable(jobs)).await;
        });
    }

    pub(super) fn forget(&mut self, jobs: Vec<(JobId, JobState)>, cx: &mut Cx<Self>) {
        // Those that cannot be forgotten are found every time, and first.
        let more =
            jobs.len() >= limits::RETENTION_BATCH && jobs.iter().any(|(id, _)| !self.stuck.contains(id));
        let pause = if more { limits::JOBS_KEEP_AGAIN } else { limits::RETENTION_EVERY };
        self.retention = Some(cx.after(pause, Lane::Work, Msg::Retention));
        // One that was wanted again meanwhile may have ended again: what was found is not that end.
        let may_go = |id: &JobId| self.may_be_forgotten(*id) && !self.revived.contains(id);
        let jobs = jobs.into_iter().filter(|(id, _)| may_go(id)).collect();
        self.remove(jobs, None, cx);
    }

    /// Whether nobody wants a job again: from here to its being forgotten nobody can.
    pub(super) fn may_be_forgotten(&self, job: JobId) -> bool {
        !self.cards.contains_key(&job) && !self.requeuing.contains(&job) && !self.forgetting.contains(&job)
    }

    pub(super) fn drop_dead(
        &mut self,
        job: JobId,
        mut reply: Reply<Result<bool, UserError>>,
        cx: &mut Cx<Self>,
    ) {
        let ended_otherwise = self.recent.0.get(&job).is_some_and(|end| *end != JobState::Dead);
        if !self.may_be_forgotten(job) || ended_otherwise {
            return reply.send(Ok(false));
        }
        self.remove(vec![(job, JobState::Dead)], Some(reply), cx);
    }

    /// Removes the files of jobs; then they are forgotten. The files go first: rows without files are forgotten the
    /// next time, files without rows never.
    fn remove(
        &mut self,
        jobs: Vec<(JobId, JobState)>,
        reply: Option<Reply<Result<bool, UserError>>>,
        cx: &mut Cx<Self>,
    ) {
        self.forgetting.extend(jobs.iter().map(|(id, _)| *id));
        let (folder, gate) = (self.shared.jobs_folder.clone(), cx.gate().clone());
        let removing = Arc::clone(&self.shared.removing);
        cx.spawn(async move {
            let Ok(permit) = removing.acquire_owned().await else { return };
            let remove = move |(job, state): (JobId, JobState)| Removed {
                job,
                state,
                left: remove_all(&folder.join(job.to_string())).err(),
            };
            // What is being removed goes on without this actor; the next one waits for the permit, which goes with it.
            let remove_them = move || {
                let removed = jobs.into_iter().map(remove).collect::<Vec<_>>();
                drop(permit);
                removed
            };
            let removed = blocking(remove_them).await.unwrap_or_default();
            gate.insist(Lane::Control, Msg::FilesGone(removed, reply)).await;
        });
    }

    /// One write for each, so that what was forgotten is known of each. A job of which files are left stays.
    pub(super) fn files_gone(
        &mut self,
        removed: Vec<Removed>,
        mut reply: Option<Reply<Result<bool, UserError>>>,
        cx: &mut Cx<Self>,
    ) {
        for Removed { job, state, left } in removed {
            let Some(e) = left else {
                self.stuck.remove(&job);
                self.write(Write::Forget(vec![job]), Then::Forgotten(vec![(job, state)], reply.take()), cx);
                continue;
            };
            self.forgetting.remove(&job);
            if self.stuck.insert(job) {
                tracing::warn!(%job, error = %e, "a job is kept, because its files cannot be removed");
            }
            if let Some(mut reply) = reply.take() {
                let folder = self.shared.jobs_folder.join(job.to_string());
                let what = format!("the files of job {job} cannot be removed: {e}");
                let hint = format!("nothing was forgotten; remove {} and try again", folder.display());
                reply.send(Err(UserError::new(Exit::Failed, what).hint(hint)));
            }
        }
    }
}
