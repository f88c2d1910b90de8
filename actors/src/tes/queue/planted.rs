//! How submissions are broken on purpose; see `planted.rs` of the crate.

use tsup_core::error::UserError;
use tsup_core::tes::job::JobState;
use tsup_core::tes::kept::NewJob;
use tsup_core::tes::show::Now;

use super::Accepted;
use crate::gate::Reply;
use crate::planted::{Bug, is};

/// What is done to a submission before it is written down.
pub(super) fn submission(job: &mut NewJob, reply: &mut Reply<Result<Accepted, UserError>>) {
    if is(Bug::NoDedupe) {
        job.key = job.key.take().map(|key| format!("{key} of {}", job.id));
    }
    if is(Bug::AnswerBeforeCommit) {
        let now = Now {
            state: JobState::Queued,
            attempt: 0,
            started_at: None,
            next_attempt_at: None,
            waiting_for: None,
        };
        reply.send(Ok(Accepted::New(Box::new(job.clone()), now)));
    }
}
