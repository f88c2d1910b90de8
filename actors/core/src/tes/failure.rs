//! Why a job did not succeed: seven categories, and what a person can do about it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::untrusted::Untrusted;

/// What kind of failure it is. The words are the contract's, in capitals as the original wrote them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Category {
    /// It took too long: in the queue, running, or silent.
    Timeout,
    /// What it was given, or what it gave, does not fit its declaration.
    Validation,
    /// Something that it needs is missing: a file, an interpreter, a variable, another job.
    Dependency,
    /// It ran and did not succeed.
    Execution,
    /// It was not allowed to, or what was to hold it back cannot be had here.
    Permission,
    /// It met a limit: memory, processes, files, disk.
    Resource,
    /// What became of it cannot be known.
    Unknown,
}

impl Category {
    /// All, in the order in which they are counted and shown.
    pub const ALL: [Category; 7] = [
        Category::Timeout,
        Category::Validation,
        Category::Dependency,
        Category::Execution,
        Category::Permission,
        Category::Resource,
        Category::Unknown,
    ];

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Category::Timeout => "TIMEOUT",
            Category::Validation => "VALIDATION",
            Category::Dependency => "DEPENDENCY",
            Category::Execution => "EXECUTION",
            Category::Permission => "PERMISSION",
            Category::Resource => "RESOURCE",
            Category::Unknown => "UNKNOWN",
        }
    }
}

impl std::fmt::Display for Category {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// What went wrong, and everything that helps to mend it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind it is.
    pub category: Category,
    /// What happened, in one sentence.
    pub message: Untrusted,
    /// The facts behind it, by name: the limit and what was used, the path, the expected type.
    pub context: BTreeMap<String, Untrusted>,
    /// What can be done, the likeliest first.
    pub suggestions: Vec<String>,
    /// The trace that the script's interpreter printed, if it did.
    pub stack_trace: Option<Untrusted>,
    /// Whether it goes away by itself: a retry makes sense for a dependency only then.
    pub transient: bool,
    /// When the script itself asked to be tried again.
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// A failure without facts.
    pub fn new(category: Category, message: impl Into<Untrusted>) -> Self {
        Failure {
            category,
            message: message.into(),
            context: BTreeMap::new(),
            suggestions: Vec::new(),
            stack_trace: None,
            transient: false,
            retry_after: None,
        }
    }

    /// Adds a fact.
    pub fn fact(mut self, name: &str, value: impl Into<Untrusted>) -> Self {
        self.context.insert(name.to_owned(), value.into());
        self
    }

    /// Adds what can be done.
    pub fn suggest(mut self, what: impl Into<String>) -> Self {
        self.suggestions.push(what.into());
        self
    }

    /// Says that it may go away by itself.
    pub fn transient(mut self) -> Self {
        self.transient = true;
        self
    }
}

/// What will be done about a failure; `retry` in the contract's error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RetryInfo {
    /// Whether it will be tried again.
    pub is_retryable: bool,
    /// Attempts that were made.
    pub attempts_made: u32,
    /// Attempts there may be.
    pub max_attempts: u32,
    /// Seconds from this one's end to the beginning of the next one.
    pub next_retry_delay_seconds: Option<f64>,
    /// Why it is or is not tried again.
    pub retry_reason: String,
}
