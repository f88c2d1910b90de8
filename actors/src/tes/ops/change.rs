//! What people do to jobs, and to the queue as a whole.

use std::time::Duration;

use tsup_core::error::{Exit, UserError};
use tsup_core::tes::job::JobState;
use tsup_core::wire::doc::jobs::JobDoc;

use crate::gate::Lane;
use crate::tes::Tes;
use crate::tes::queue::Msg;

impl Tes {
    /// Ends a job; answers when it has ended.
    pub async fn cancel(&self, job: &str) -> Result<JobDoc, UserError> {
        let id = self.find(job).await?;
        let was_here = self.patiently(Lane::Control, |reply| Msg::Cancel(id, reply)).await??;
        let doc = self.doc(id).await?;
        if was_here {
            return Ok(doc);
        }
        Err(UserError::new(Exit::Refused, format!("job {id} has ended: {}", doc.state)))
    }

    /// Runs a job that has ended once more.
    pub async fn retry(&self, job: &str) -> Result<JobDoc, UserError> {
        let id = self.find(job).await?;
        let row = self.row(id).await?;
        match row.state {
            JobState::Succeeded => {
                return Err(UserError::new(Exit::Refused, format!("job {id} succeeded"))
                    .hint("submit it again to run it once more"));
            }
            state if !state.is_final() => {
                return Err(UserError::new(Exit::Refused, format!("job {id} has not ended")));
            }
            _ => {}
        }
        let made = row.attempts.last().map_or(0, |a| a.attempt);
        let attempts = made.saturating_add(self.shared.script(&row.job.script).retry.max_attempts.max(1));
        let make = |reply| Msg::Requeue(Some(Box::new(row)), attempts, reply);
        if self.patiently(Lane::Control, make).await?? {
            return self.doc(id).await;
        }
        Err(UserError::new(Exit::Refused, format!("job {id} is wanted already, by somebody else"))
            .hint(format!("see `tsup ctl job {id}`")))
    }

    /// Holds a job back, or releases it.
    pub async fn hold(&self, job: &str, held: bool) -> Result<JobDoc, UserError> {
        let id = self.find(job).await?;
        let changed = self.patiently(Lane::Control, |reply| Msg::Hold(id, held, reply)).await??;
        let doc = self.doc(id).await?;
        if changed {
            return Ok(doc);
        }
        if !doc.state.is_final() {
            let what = format!("job {id} is ending just now; its end is on its way to the store");
            return Err(
                UserError::new(Exit::Refused, what).hint(format!("see `tsup ctl job {id}` in a moment"))
            );
        }
        Err(UserError::new(Exit::Refused, format!("job {id} has ended: {}", doc.state)))
    }

    /// Forgets a job of the dead set; answers what it was.
    pub async fn drop_dead(&self, job: &str) -> Result<JobDoc, UserError> {
        let id = self.find(job).await?;
        let doc = self.doc(id).await?;
        if doc.state != JobState::Dead {
            return Err(UserError::new(Exit::Refused, format!("job {id} is not dead: {}", doc.state)));
        }
        if self.patiently(Lane::Control, |reply| Msg::Drop(id, reply)).await?? {
            return Ok(doc);
        }
        Err(UserError::new(Exit::Refused, format!("job {id} is not dead any more")))
    }

    /// Starts nothing any more, and answers when nothing runs.
    pub async fn drain(&self, at_most: Option<Duration>) -> Result<String, UserError> {
        let drained = self.patiently(Lane::Control, Msg::Drain);
        match at_most {
            None => drained.await?,
            Some(limit) => match tokio::time::timeout(limit, drained).await {
                Ok(drained) => drained?,
                Err(_) => {
                    return Err(UserError::new(Exit::TimedOut, "jobs still run")
                        .hint("no others are started; `tsup ctl drain --end` starts jobs again"));
                }
            },
        }
        Ok("nothing runs, and nothing is started until `tsup ctl drain --end` or a restart".to_owned())
    }

    /// Ends a drain.
    pub async fn end_drain(&self) -> Result<String, UserError> {
        let was = self.ask(Msg::EndDrain).await?;
        Ok(if was { "jobs are started again" } else { "there was no drain; jobs are started" }.to_owned())
    }
}
