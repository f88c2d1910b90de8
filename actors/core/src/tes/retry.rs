//! Whether a job is tried again, and when: one budget in one place.
//!
//! The delay is exponential with full jitter and a cap, by [`Backoff`]; a script that says when to come back
//! is obeyed, within the cap of [`limits::RETRY_AFTER_MAX`].

use std::time::Duration;

use super::failure::{Category, Failure, RetryInfo};
use crate::limits;
use crate::supervision::backoff::{Backoff, Jitter};

/// How often a script is tried, and after which failures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts in all, the first one counted; at least 1.
    pub max_attempts: u32,
    /// Failures after which it is tried again.
    pub categories: Vec<Category>,
    /// How long the next attempt waits.
    pub backoff: Backoff,
    /// Whether an attempt whose end cannot be known may be made again: the script says that running it twice
    /// does no harm.
    pub idempotent: bool,
}

impl Default for RetryPolicy {
    /// Three attempts, as the original made, after failures that may go away.
    fn default() -> Self {
        RetryPolicy {
            max_attempts: 3,
            categories: vec![Category::Timeout, Category::Resource, Category::Dependency, Category::Unknown],
            backoff: Backoff::exponential(limits::RETRY_FIRST, limits::RETRY_LAST),
            idempotent: false,
        }
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Ending {
    /// It succeeded.
    Succeeded,
    /// Somebody cancelled it before it ended by itself.
    Cancelled,
    /// It failed.
    Failed(Failure),
    /// It cannot be known: its shim was killed, or the machine went down.
    Interrupted(Failure),
}

/// What follows.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// The job ends so.
    Final(super::job::JobState),
    /// It is tried again after this time.
    Again(Duration),
}

/// Decides what follows the end of attempt number `attempt` (the first is 1).
pub fn next(
    policy: &RetryPolicy,
    attempt: u32,
    ending: &Ending,
    jitter: &mut Jitter,
) -> (Next, Option<RetryInfo>) {
    use super::job::JobState;
    let (failure, interrupted) = match ending {
        Ending::Succeeded => return (Next::Final(JobState::Succeeded), None),
        Ending::Cancelled => return (Next::Final(JobState::Cancelled), None),
        Ending::Failed(failure) => (failure, false),
        Ending::Interrupted(failure) => (failure, true),
    };
    let max_attempts = policy.max_attempts.max(1);
    let info = |delay: Option<Duration>, reason: String| RetryInfo {
        is_retryable: delay.is_some(),
        attempts_made: attempt,
        max_attempts,
        next_retry_delay_seconds: delay.map(|d| d.as_secs_f64()),
        retry_reason: reason,
    };
    if let Some(reason) = refused(policy, failure, interrupted) {
        let end = if interrupted { JobState::Interrupted } else { JobState::Failed };
        return (Next::Final(end), Some(info(None, reason)));
    }
    if attempt >= max_attempts {
        // A single attempt was asked for: there is no budget that was used up.
        let end = match (interrupted, max_attempts) {
            (true, _) => JobState::Interrupted,
            (false, 1) => JobState::Failed,
            (false, _) => JobState::Dead,
        };
        return (Next::Final(end), Some(info(None, format!("all {max_attempts} attempts were made"))));
    }
    let (delay, reason) = match failure.retry_after {
        Some(asked) => (asked.min(limits::RETRY_AFTER_MAX), "the script said when".to_owned()),
        None => (policy.backoff.delay(attempt, jitter), format!("{} may go away", failure.category)),
    };
    (Next::Again(delay), Some(info(Some(delay), reason)))
}

/// Why it is not tried again, whatever the budget says.
fn refused(policy: &RetryPolicy, failure: &Failure, interrupted: bool) -> Option<String> {
    if interrupted {
        return (!policy.idempotent).then(|| {
            "it may have run, and its script does not say that running it twice does no harm".to_owned()
        });
    }
    if !policy.categories.contains(&failure.category) {
        return Some(format!("{} does not go away by itself", failure.category));
    }
    if failure.category == Category::Dependency && !failure.transient {
        return Some("what is missing does not come back by itself".to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::job::JobState;
    use super::*;

    fn step(policy: &RetryPolicy, attempt: u32, ending: &Ending) -> Next {
        next(policy, attempt, ending, &mut Jitter::seeded(3)).0
    }

    #[test]
    fn only_failures_that_may_go_away_are_tried_again() {
        let policy = RetryPolicy::default();
        for category in Category::ALL {
            let ending = Ending::Failed(Failure::new(category, "x"));
            let again = matches!(step(&policy, 1, &ending), Next::Again(_));
            let goes = matches!(category, Category::Timeout | Category::Resource | Category::Unknown);
            assert_eq!(again, goes, "{category}");
        }
        let flaky = Ending::Failed(Failure::new(Category::Dependency, "x").transient());
        assert!(matches!(step(&policy, 1, &flaky), Next::Again(_)));
    }

    #[test]
    fn there_is_one_budget() {
        let policy = RetryPolicy::default();
        let ending = Ending::Failed(Failure::new(Category::Timeout, "x"));
        assert!(matches!(step(&policy, 2, &ending), Next::Again(_)));
        assert_eq!(step(&policy, 3, &ending), Next::Final(JobState::Dead));
        assert_eq!(step(&policy, u32::MAX, &ending), Next::Final(JobState::Dead));
        let once = RetryPolicy { max_attempts: 1, ..policy };
        assert_eq!(step(&once, 1, &ending), Next::Final(JobState::Failed));
        let never = RetryPolicy { max_attempts: 0, ..once };
        assert_eq!(step(&never, 1, &ending), Next::Final(JobState::Failed));
    }

    #[test]
    fn an_unknown_end_is_repeated_only_where_that_does_no_harm() {
        let ending = Ending::Interrupted(Failure::new(Category::Unknown, "x"));
        let mut policy = RetryPolicy::default();
        assert_eq!(step(&policy, 1, &ending), Next::Final(JobState::Interrupted));
        policy.idempotent = true;
        assert!(matches!(step(&policy, 1, &ending), Next::Again(_)));
        assert_eq!(step(&policy, 3, &ending), Next::Final(JobState::Interrupted));
    }

    #[test]
    fn delays_grow_within_the_cap_and_a_script_may_ask_for_its_own() {
        let policy = RetryPolicy { max_attempts: 99, ..RetryPolicy::default() };
        let mut failure = Failure::new(Category::Timeout, "x");
        let mut jitter = Jitter::seeded(1);
        for attempt in 1..98 {
            let (next, info) = next(&policy, attempt, &Ending::Failed(failure.clone()), &mut jitter);
            let Next::Again(delay) = next else { panic!("attempt {attempt}: {next:?}") };
            assert!(delay <= policy.backoff.bound(attempt) && delay <= limits::RETRY_LAST);
            assert_eq!(info.unwrap().next_retry_delay_seconds, Some(delay.as_secs_f64()));
        }
        failure.retry_after = Some(Duration::from_secs(7));
        assert_eq!(step(&policy, 1, &Ending::Failed(failure.clone())), Next::Again(Duration::from_secs(7)));
        failure.retry_after = Some(Duration::MAX);
        assert_eq!(step(&policy, 1, &Ending::Failed(failure)), Next::Again(limits::RETRY_AFTER_MAX));
    }
}
