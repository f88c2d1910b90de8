//! Limits of jobs and the scripts that they run.

use std::time::Duration;

// --- queue ----------------------------------------------------------------------------------------

/// After each such time a waiting job counts as one class more urgent. A batch job counts as critical
/// after four of them, and among critical ones the oldest of its session goes first.
pub const AGE_STEP: Duration = Duration::from_secs(60);
/// Jobs that wait or run. Each takes some 200 bytes in memory, its inputs are in the store.
pub const JOBS_LIVE_MAX: usize = 200_000;
/// Bytes of inputs of all jobs that wait.
pub const JOBS_LIVE_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// When a refused submission should be tried again: some hundred jobs end meanwhile.
pub const SUBMIT_RETRY_AFTER: Duration = Duration::from_secs(1);
/// Jobs that one job may wait for.
pub const JOB_PARENTS_MAX: usize = 64;
/// Slots that one job may take.
pub const JOB_SLOTS_MAX: u16 = 1_000;
/// What a job is taken to use of its session's share until jobs of its script have ended.
pub const JOB_EXPECTED: Duration = Duration::from_secs(1);

// --- retry ----------------------------------------------------------------------------------------

/// Upper bound of the pause before the second attempt.
pub const RETRY_FIRST: Duration = Duration::from_secs(1);
/// Upper bound of the pause before any attempt.
pub const RETRY_LAST: Duration = Duration::from_secs(300);
/// Longest pause that a script may ask for.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 3600);
