//! The exit code of a job: its own where it has one.

use tsup_core::tes::failure::Category;
use tsup_core::tes::job::JobState;
use tsup_core::wire::doc::jobs::JobDoc;

use crate::cli::{Fail, Outcome};
use tsup_core::error::Exit;

/// What `timeout` of coreutils exits with, and everybody since.
const TIMED_OUT: u8 = 124;
/// A shell's way to tell of a signal.
const SIGNALLED: i32 = 128;

/// The code of a job that has ended.
pub fn code(job: &JobDoc) -> u8 {
    match job.state {
        JobState::Succeeded => return Exit::Ok.code(),
        // Neither says anything about what the script did.
        JobState::Cancelled | JobState::Interrupted => return Exit::Failed.code(),
        _ => {}
    }
    if job.error.as_ref().is_some_and(|e| e.category == Category::Timeout) {
        return TIMED_OUT;
    }
    let own = job.exit_code.or_else(|| job.signal.map(|n| SIGNALLED + n));
    // One that exited with 0 and did not succeed gave what does not fit its declaration.
    own.and_then(|code| u8::try_from(code).ok()).filter(|code| *code != 0).unwrap_or(Exit::Failed.code())
}

/// Ends as the first job did that did not succeed.
pub fn like(jobs: &[JobDoc]) -> Outcome {
    match jobs.iter().map(code).find(|code| *code != 0) {
        None => Ok(Exit::Ok),
        Some(code) => Err(Fail::Code(code)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::jobs::tests::{failed, job};

    #[test]
    fn a_job_passes_on_its_own_code() {
        let with = |state, exit_code, signal| JobDoc { state, exit_code, signal, ..job() };
        for (doc, expected) in [
            (with(JobState::Succeeded, Some(0), None), 0),
            (with(JobState::Failed, Some(3), None), 3),
            (with(JobState::Dead, Some(255), None), 255),
            (with(JobState::Failed, None, Some(9)), 137),
            (with(JobState::Failed, Some(0), None), 1),
            (with(JobState::Failed, None, None), 1),
            (with(JobState::Failed, Some(700), None), 1),
            (with(JobState::Cancelled, None, Some(15)), 1),
            (with(JobState::Interrupted, Some(4), None), 1),
            (JobDoc { exit_code: Some(3), ..failed(Category::Timeout) }, 124),
            (JobDoc { exit_code: Some(3), ..failed(Category::Execution) }, 3),
        ] {
            assert_eq!(code(&doc), expected, "{:?} {:?} {:?}", doc.state, doc.exit_code, doc.signal);
        }
        let jobs = [with(JobState::Succeeded, Some(0), None), with(JobState::Failed, Some(7), None)];
        assert!(matches!(like(&jobs), Err(Fail::Code(7))));
        assert!(matches!(like(&jobs[..1]), Ok(Exit::Ok)));
    }
}
