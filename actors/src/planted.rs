//! Ways to break the promises of jobs on purpose, for the harness that must notice (`make killtest-planted`).
//!
//! Only a build with the feature `planted` has them, and it breaks nothing unless `TSUP_PLANTED` names what.

use std::sync::OnceLock;

/// What can be broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bug {
    /// An attempt begins before its start is durable.
    SpawnBeforeJournal,
    /// A submission is answered before it is durable.
    AnswerBeforeCommit,
    /// A job's end and its attempt's end are kept one after the other.
    ResultInTwoParts,
    /// A key that comes again is taken for another one.
    NoDedupe,
}

/// Whether this process is broken in that way.
pub(crate) fn is(bug: Bug) -> bool {
    static WHICH: OnceLock<Option<Bug>> = OnceLock::new();
    let which = WHICH.get_or_init(|| match std::env::var("TSUP_PLANTED").ok()?.as_str() {
        "spawn-before-journal" => Some(Bug::SpawnBeforeJournal),
        "answer-before-commit" => Some(Bug::AnswerBeforeCommit),
        "result-in-two-parts" => Some(Bug::ResultInTwoParts),
        "no-dedupe" => Some(Bug::NoDedupe),
        _ => None,
    });
    *which == Some(bug)
}
