//! The words of jobs: their states, their priorities, and what they wait for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ids::JobId;

/// Where a job stands. The words are the contract's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// It starts when its turn comes.
    Queued,
    /// Its time has not come.
    Delayed,
    /// It waits for other jobs.
    Blocked,
    /// A person holds it back.
    Held,
    /// An attempt of it is under way.
    Running,
    /// Done.
    Succeeded,
    /// It did not succeed, and trying again would not help.
    Failed,
    /// Somebody cancelled it.
    Cancelled,
    /// What became of its last attempt cannot be known.
    Interrupted,
    /// Its attempts are used up; it waits in the dead set for a person.
    Dead,
}

impl JobState {
    /// Every state, in the order in which people read them.
    pub const ALL: [JobState; 10] = [
        JobState::Queued,
        JobState::Delayed,
        JobState::Blocked,
        JobState::Held,
        JobState::Running,
        JobState::Succeeded,
        JobState::Failed,
        JobState::Cancelled,
        JobState::Interrupted,
        JobState::Dead,
    ];

    /// Whether nothing follows unless a person asks.
    pub fn is_final(self) -> bool {
        match self {
            JobState::Queued | JobState::Delayed | JobState::Blocked | JobState::Held | JobState::Running => {
                false
            }
            JobState::Succeeded
            | JobState::Failed
            | JobState::Cancelled
            | JobState::Interrupted
            | JobState::Dead => true,
        }
    }

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            JobState::Queued => "queued",
            JobState::Delayed => "delayed",
            JobState::Blocked => "blocked",
            JobState::Held => "held",
            JobState::Running => "running",
            JobState::Succeeded => "succeeded",
            JobState::Failed => "failed",
            JobState::Cancelled => "cancelled",
            JobState::Interrupted => "interrupted",
            JobState::Dead => "dead",
        }
    }
}

/// How soon a job is wanted. A waiting job rises by one class after each [`crate::limits::AGE_STEP`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Before everything else.
    Critical,
    /// Before what is usual.
    High,
    /// What is usual.
    #[default]
    Normal,
    /// After what is usual.
    Low,
    /// When nothing else is to do.
    Batch,
}

impl Priority {
    /// All, the most urgent first.
    pub const ALL: [Priority; 5] =
        [Priority::Critical, Priority::High, Priority::Normal, Priority::Low, Priority::Batch];

    /// Its class: 0 is the most urgent.
    pub fn class(self) -> u8 {
        match self {
            Priority::Critical => 0,
            Priority::High => 1,
            Priority::Normal => 2,
            Priority::Low => 3,
            Priority::Batch => 4,
        }
    }

    /// The word.
    pub fn as_str(self) -> &'static str {
        ["critical", "high", "normal", "low", "batch"][usize::from(self.class())]
    }
}

/// A word is none of those that were expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is not {what}: use {use_one_of}")]
pub struct BadWord {
    /// What was given.
    pub word: String,
    /// What was expected.
    pub what: &'static str,
    /// The words there are.
    pub use_one_of: &'static str,
}

impl FromStr for JobState {
    type Err = BadWord;
    fn from_str(word: &str) -> Result<Self, BadWord> {
        JobState::ALL.into_iter().find(|s| s.as_str() == word).ok_or_else(|| BadWord {
            word: word.to_owned(),
            what: "a job's state",
            use_one_of: "queued, delayed, blocked, held, running, succeeded, failed, cancelled, interrupted or dead",
        })
    }
}

impl FromStr for Priority {
    type Err = BadWord;
    fn from_str(word: &str) -> Result<Self, BadWord> {
        Priority::ALL.into_iter().find(|p| p.as_str() == word).ok_or_else(|| BadWord {
            word: word.to_owned(),
            what: "a priority",
            use_one_of: "critical, high, normal, low or batch",
        })
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Which end of another job a job waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Edge {
    /// It succeeded.
    #[default]
    Success,
    /// It ended and did not succeed.
    Failure,
    /// It ended.
    End,
}

impl Edge {
    /// Whether an end satisfies it.
    pub fn takes(self, end: JobState) -> bool {
        debug_assert!(end.is_final(), "only an end can be waited for");
        match self {
            Edge::Success => end == JobState::Succeeded,
            Edge::Failure => end != JobState::Succeeded,
            Edge::End => true,
        }
    }
}

impl FromStr for Edge {
    type Err = BadWord;
    fn from_str(word: &str) -> Result<Self, BadWord> {
        match word {
            "success" => Ok(Edge::Success),
            "failure" => Ok(Edge::Failure),
            "end" => Ok(Edge::End),
            _ => Err(BadWord {
                word: word.to_owned(),
                what: "an end to wait for",
                use_one_of: "success, failure or end",
            }),
        }
    }
}

/// What a job waits for, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitingFor {
    /// Its turn: so many wait that are at least as urgent, as far as can be told.
    Turn {
        /// Jobs that wait, itself apart.
        others: usize,
    },
    /// Jobs of its script, specialist, group or session that run.
    Limit {
        /// Whose limit it is: `script x`, `group y`.
        of: String,
        /// The limit, in slots.
        limit: u32,
    },
    /// Its time.
    Time,
    /// Other jobs.
    Jobs(Vec<JobId>),
    /// A person's release.
    Release,
    /// The end of a drain, or of what keeps the queue from starting jobs.
    Queue,
}

impl fmt::Display for WaitingFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WaitingFor::Turn { others: 0 } => f.write_str("a free slot"),
            WaitingFor::Turn { others } => write!(f, "a free slot; {others} others wait"),
            WaitingFor::Limit { of, limit } => write!(f, "{of}, which may use {limit} slots"),
            WaitingFor::Time => f.write_str("its time"),
            WaitingFor::Jobs(jobs) => {
                f.write_str(if jobs.len() == 1 { "job " } else { "jobs " })?;
                for (n, job) in jobs.iter().enumerate() {
                    write!(f, "{}{job}", if n == 0 { "" } else { ", " })?;
                }
                Ok(())
            }
            WaitingFor::Release => f.write_str("`tsup ctl release`"),
            WaitingFor::Queue => f.write_str("the queue, which starts nothing now"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_back() {
        for state in JobState::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
        for priority in Priority::ALL {
            assert_eq!(priority.as_str().parse(), Ok(priority));
            assert_eq!(serde_json::to_value(priority).unwrap(), priority.as_str());
        }
        let e = "urgent".parse::<Priority>().unwrap_err();
        assert_eq!(e.to_string(), "`urgent` is not a priority: use critical, high, normal, low or batch");
    }

    #[test]
    fn an_edge_takes_the_ends_that_it_names() {
        for end in JobState::ALL.into_iter().filter(|s| s.is_final()) {
            let success = end == JobState::Succeeded;
            assert_eq!((Edge::Success.takes(end), Edge::Failure.takes(end)), (success, !success));
            assert!(Edge::End.takes(end));
        }
    }

    #[test]
    fn ids_are_twelve_digits_and_nothing_else() {
        let id = JobId::drawn(u64::MAX);
        assert_eq!(id.to_string(), "ffffffffffff");
        assert_eq!(JobId::drawn(0x1_0000_0000_00ab).to_string(), "0000000000ab");
        assert_eq!("0000000000ab".parse(), Ok(JobId::drawn(0xab)));
        assert!("0xab".parse::<JobId>().is_err() && "+0000000000a".parse::<JobId>().is_err());
    }
}
