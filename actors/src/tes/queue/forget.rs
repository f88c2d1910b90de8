//! Jobs that are forgotten, with their files.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tsup_core::error::{Exit, UserError};
use tsup_core::event::Event;
use tsup_core::ids::JobId;
use tsup_core::limits;
use tsup_core::tes::job::JobState;
use tsup_core::tes::kept::Write;
use tsup_core::tes::select::Selection;

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
        let too_many =
            usize::try_from(self.dead_too_many()).unwrap_or(usize::MAX).min(limits::RETENTION_BATCH);
        let stuck = if too_many > 0 { self.stuck.clone() } else { HashSet::new() };
        cx.spawn(async move {
            let found = store.forgettable(before, settings.retention_jobs, limits::RETENTION_BATCH).await;
            let mut jobs = Vec::new();
            for id in found.unwrap_or_default() {
                if let Ok(Some(row)) = store.job(id).await {
                    jobs.push((id, row.state));
                }
            }
            if too_many > 0 {
                let dead = Selection { states: vec![JobState::Dead], ..Selection::default() };
                let found = store.select(dead).await.unwrap_or_default().jobs.into_iter();
                let oldest = found.filter(|job| !stuck.contains(&job.id)).take(too_many);
                jobs.extend(oldest.map(|job| (job.id, job.state)));
            }
            gate.insist(Lane::Work, Msg::Forgettable(jobs)).await;
        });
    }

    /// Dead jobs beyond those that are kept, without those that cannot be forgotten, and without those that are being
    /// forgotten: of these the store may know already, and the next ones would go in their place.
    fn dead_too_many(&self) -> u64 {
        let at = JobState::ALL.iter().position(|state| *state == JobState::Dead);
        let dead = at.map_or(0, |at| self.counts[at]);
        let spoken_for = self.stuck.len() + self.forgetting.len();
        dead.saturating_sub(limits::DEAD_JOBS_MAX).saturating_sub(spoken_for as u64)
    }

    /// Looks soon where more jobs are dead than are kept.
    pub(super) fn make_room(&mut self, cx: &mut Cx<Self>) {
        if !self.crowded && !self.closed.loading && self.dead_too_many() > 0 {
            self.crowded = true;
            self.retention = Some(cx.after(limits::JOBS_KEEP_AGAIN, Lane::Work, Msg::Retention));
        }
    }

    /// A dead job was forgotten that nobody dropped.
    pub(super) fn tell_forgotten(&self, job: JobId) {
        let most = limits::DEAD_JOBS_MAX;
        tracing::warn!(%job, most, "a dead job is forgotten: more are dead than are kept, and it is the oldest");
        let because = format!("more than {most} jobs are dead, and it was the oldest of them");
        self.shared.bus.publish(Event::JobForgotten { job, because });
    }

    pub(super) fn forget(&mut self, jobs: Vec<(JobId, JobState)>, cx: &mut Cx<Self>) {
        self.crowded = false;
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
