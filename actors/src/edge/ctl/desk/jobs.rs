//! Jobs and the scripts that they run.

use std::time::Duration;

use tsup_core::error::UserError;
use tsup_core::fleet::hook::Caller;
use tsup_core::tes::failure::Failure;
use tsup_core::tes::job::JobState;
use tsup_core::wire::doc::VERSION;
use tsup_core::wire::doc::jobs::{ErrorDoc, JobAnswer, JobDoc, RefusedDoc, Submitted};
use tsup_core::wire::doc::scripts::ScriptAnswer;
use tsup_core::wire::verb::{Body, Submit};

use super::Desk;
use crate::tes::{Listing, NotSubmitted, Origin};

impl Desk {
    pub(super) async fn submit(&self, submit: Submit) -> Result<Body, UserError> {
        let origin = self.origin(&submit);
        match self.parts.tes.submit_from(submit, origin).await {
            Ok(job) => Ok(answer(job)),
            Err(NotSubmitted::Misfit(failure)) => {
                Ok(Body::Refused(Box::new(RefusedDoc { version: VERSION, error: misfit(*failure) })))
            }
            Err(NotSubmitted::Error(e)) => Err(e),
        }
    }

    /// All lines of a batch are under way together, so that they share a commit. They are handed over one after the other, so
    /// that of two equal jobs the one of the earlier line goes first; and on a task of its own, so that whoever goes away
    /// leaves none of them out.
    pub(super) async fn submit_batch(&self, batch: Vec<Submit>) -> Body {
        let lines: Vec<_> = batch.into_iter().map(|submit| (self.origin(&submit), submit)).collect();
        let (tes, n) = (self.parts.tes.clone(), lines.len());
        let all = tokio::spawn(async move {
            let mut under_way = Vec::with_capacity(lines.len());
            for (origin, submit) in lines {
                under_way.push(tes.hand_over(submit, origin).await);
            }
            let mut answers = Vec::with_capacity(under_way.len());
            for handed in under_way {
                let answer = match handed {
                    Ok(handed) => tes.taken_in(handed).await,
                    Err(e) => Err(e),
                };
                answers.push(match answer {
                    Ok(job) => Submitted::Job(Box::new(job)),
                    Err(NotSubmitted::Misfit(failure)) => Submitted::Refused(Box::new(misfit(*failure))),
                    Err(NotSubmitted::Error(e)) => Submitted::Error(e),
                });
            }
            answers
        });
        let broken =
            |e| UserError::new(tsup_core::error::Exit::Bug, format!("the submission broke off: {e}"));
        Body::Batch(all.await.unwrap_or_else(|e| vec![Submitted::Error(broken(e)); n]))
    }

    /// Where a submission comes from, by the pane that it was made in.
    fn origin(&self, submit: &Submit) -> Origin {
        let Some((tmux, pane)) = &submit.pane else { return Origin::default() };
        let (tmux, pane) = (Some(tmux.clone()), Some(pane.clone()));
        let (session, agent) =
            self.parts.fleet.origin(&Caller { tmux, pane, agent: None, ancestors: Vec::new() });
        Origin { session, agent }
    }

    pub(super) async fn jobs(
        &self,
        states: Vec<JobState>,
        script: Option<String>,
        limit: Option<u32>,
    ) -> Result<Body, UserError> {
        self.parts.tes.jobs(Listing { states, script, limit }).await.map(Body::Jobs)
    }

    pub(super) async fn job(&self, job: &str) -> Result<Body, UserError> {
        self.parts.tes.job(job).await.map(answer)
    }

    pub(super) async fn wait(&self, jobs: Vec<String>, for_ms: Option<u64>) -> Result<Body, UserError> {
        self.parts.tes.wait(&jobs, for_ms.map(Duration::from_millis)).await.map(Body::Jobs)
    }

    pub(super) async fn cancel(&self, job: &str) -> Result<Body, UserError> {
        self.parts.tes.cancel(job).await.map(answer)
    }

    pub(super) async fn retry(&self, job: &str) -> Result<Body, UserError> {
        self.parts.tes.retry(job).await.map(answer)
    }

    pub(super) async fn hold(&self, job: &str, held: bool) -> Result<Body, UserError> {
        self.parts.tes.hold(job, held).await.map(answer)
    }

    pub(super) async fn output(&self, job: &str, attempt: Option<u32>) -> Result<Body, UserError> {
        self.parts.tes.output(job, attempt).await.map(Body::Output)
    }

    pub(super) async fn drop_dead(&self, job: &str) -> Result<Body, UserError> {
        self.parts.tes.drop_dead(job).await.map(answer)
    }

    pub(super) async fn drain(&self, for_ms: Option<u64>) -> Result<Body, UserError> {
        self.parts.tes.drain(for_ms.map(Duration::from_millis)).await.map(Body::Done)
    }

    pub(super) async fn end_drain(&self) -> Result<Body, UserError> {
        self.parts.tes.end_drain().await.map(Body::Done)
    }

    pub(super) async fn groups(&self) -> Result<Body, UserError> {
        self.parts.tes.groups().await.map(Body::Groups)
    }

    pub(super) async fn script(&self, asked: &str) -> Result<Body, UserError> {
        let script = self.parts.tes.script(asked).await?;
        Ok(Body::Script(Box::new(ScriptAnswer { version: VERSION, script })))
    }

    pub(super) async fn scripts(&self) -> Result<Body, UserError> {
        self.parts.tes.scripts().await.map(Body::Scripts)
    }
}

fn answer(job: JobDoc) -> Body {
    Body::Job(Box::new(JobAnswer { version: VERSION, job }))
}

/// What does not fit is told as it is on a job that failed.
fn misfit(failure: Failure) -> ErrorDoc {
    ErrorDoc::of(failure, None)
}
