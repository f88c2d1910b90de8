//! Exit codes, and the error that carries one. The table is here and nowhere else.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Exit codes people script against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Ok = 0,
    /// It did not succeed.
    Failed = 1,
    /// Usage or configuration.
    Usage = 2,
    /// No supervisor answers.
    NoSupervisor = 3,
    /// No such thing.
    NotFound = 4,
    /// Refused: a limit, a state, a permission.
    Refused = 5,
    /// Timed out waiting.
    TimedOut = 6,
    /// A bug in tsup.
    Bug = 70,
}

impl Exit {
    /// The number the process exits with.
    pub fn code(self) -> u8 {
        self as u8
    }
}

/// An error a person meets: what went wrong and where, what to do about it, and the exit code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{what}")]
pub struct UserError {
    /// What and where: a lower-case fragment without a full stop.
    pub what: String,
    /// What to do, when something can be done.
    pub hint: Option<String>,
    /// The exit code of the command.
    pub exit: Exit,
    /// When to ask again, where nothing but the moment was against it. It crosses the wire beside the error
    /// ([`Body::packed`](crate::wire::verb::Body::packed)): inside it, readers that do not know it could read no error.
    #[serde(skip)]
    pub retry_after: Option<Duration>,
}

impl UserError {
    /// An error without a hint.
    pub fn new(exit: Exit, what: impl Into<String>) -> Self {
        UserError { what: what.into(), hint: None, exit, retry_after: None }
    }

    /// Adds what to do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds when to ask again.
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }
}
