//! Exit codes, and the error that carries one. The table is here and nowhere else.

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
}

impl UserError {
    /// An error without a hint.
    pub fn new(exit: Exit, what: impl Into<String>) -> Self {
        UserError { what: what.into(), hint: None, exit }
    }

    /// Adds what to do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
