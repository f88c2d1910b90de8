//! What happens to a planner, and what it asks for.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::ids::Generation;
use crate::supervision::{ChildId, ChildPolicy, SpecError};

/// How an incarnation of a child ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// By itself, its work done.
    Normal,
    /// In order: it was asked to, or ended itself as if it had been.
    Shutdown,
    /// Killed. Abnormal unless the supervisor was stopping it.
    Killed,
    /// A panic or a returned error, in words.
    Crashed(Arc<str>),
}

impl Exit {
    /// Whether the child is well with its end: a transient child is not started again.
    pub fn is_normal(&self) -> bool {
        matches!(self, Exit::Normal | Exit::Shutdown)
    }

    /// The end in words.
    pub fn why(&self) -> Arc<str> {
        match self {
            Exit::Normal => "ended normally".into(),
            Exit::Shutdown => "shut down".into(),
            Exit::Killed => "killed".into(),
            Exit::Crashed(why) => Arc::clone(why),
        }
    }
}

/// Marks a request, so that its answer finds the asker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ticket(pub u64);

/// What somebody asks of a supervisor at run time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Adds a child after all others and starts it.
    Start(ChildId, ChildPolicy),
    /// Stops a child; a pending restart is called off. It stays known unless it is temporary.
    Terminate(ChildId),
    /// Starts a child that ended and stayed known.
    Restart(ChildId),
    /// Forgets a child that ended.
    Delete(ChildId),
    /// Kills a child as if somebody else had: a drill.
    Crash(ChildId),
}

impl Command {
    /// Whom it is about.
    pub fn child(&self) -> &ChildId {
        match self {
            Command::Start(id, _)
            | Command::Terminate(id)
            | Command::Restart(id)
            | Command::Delete(id)
            | Command::Crash(id) => id,
        }
    }
}

/// Why a command was not carried out. The first five are OTP's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A child of this name runs.
    #[error("child {0} is already started")]
    AlreadyStarted(ChildId),
    /// A child of this name is known, and does not run.
    #[error("child {0} is already present")]
    AlreadyPresent(ChildId),
    /// No child of this name.
    #[error("no child {0}")]
    NotFound(ChildId),
    /// It runs.
    #[error("child {0} is running")]
    Running(ChildId),
    /// Its restart is pending.
    #[error("child {0} is restarting")]
    Restarting(ChildId),
    /// It does not run.
    #[error("child {0} is not running")]
    NotRunning(ChildId),
    /// It could not be started.
    #[error("child {0} did not start: {1}")]
    StartFailed(ChildId, Arc<str>),
    /// Its specification contradicts itself or the supervisor's.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The supervisor is going down.
    #[error("the supervisor is shutting down")]
    ShuttingDown,
    /// Too many requests wait for a stop or a start that is under way.
    #[error("too many requests wait for the supervisor")]
    Overloaded,
}

/// What a timer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimerKind {
    /// The child has had its time to stop.
    Grace,
    /// The child's restart is due.
    Restart,
}

/// A timer, by what it is for. One that fires for an incarnation which is past is dropped.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Timer {
    /// Whose.
    pub id: ChildId,
    /// Of which incarnation.
    pub generation: Generation,
    /// For what.
    pub kind: TimerKind,
}

/// What happens to a planner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Starts the initial children in order. Once, before anything else.
    Begin,
    /// An incarnation runs.
    Started(ChildId, Generation),
    /// An incarnation could not be started.
    StartFailed(ChildId, Generation, Arc<str>),
    /// An incarnation ended.
    Exited(ChildId, Generation, Exit),
    /// An incarnation reports that its start is complete.
    Ready(ChildId, Generation),
    /// A timer fired.
    Fired(Timer),
    /// Somebody asks for something.
    Asked(Command, Ticket),
    /// Stop everything; in a hurry: without asking anybody.
    Stop {
        /// Children are killed instead of asked.
        hurry: bool,
    },
}

/// How a supervisor ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It was told to stop.
    Shutdown,
    /// A significant child ended.
    AutoShutdown(ChildId),
    /// Restarts exceeded the intensity.
    Escalated {
        /// Whose failure was one too many.
        child: ChildId,
        /// How that child ended, in words.
        why: Arc<str>,
    },
    /// An initial child could not be started.
    StartFailed {
        /// Which.
        child: ChildId,
        /// Why, in words.
        why: Arc<str>,
    },
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Shutdown => f.write_str("shut down"),
            End::AutoShutdown(child) => write!(f, "shut down because significant child {child} ended"),
            End::Escalated { child, why } => write!(f, "too many restarts, last of {child}: {why}"),
            End::StartFailed { child, why } => write!(f, "child {child} did not start: {why}"),
        }
    }
}

/// Something worth showing. It asks for nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A child runs for the first time, or again because somebody asked.
    Started(ChildId, Generation),
    /// A child runs again.
    Restarted {
        /// Which.
        id: ChildId,
        /// Its incarnation now.
        generation: Generation,
        /// Its restarts since the supervisor began.
        restarts: u64,
        /// How it ended before, in words.
        why: Arc<str>,
    },
    /// A child ended.
    Exited(ChildId, Generation, Exit),
    /// A child could not be started.
    StartFailed(ChildId, Arc<str>),
    /// A child is being stopped.
    Stopping(ChildId),
    /// A child waits for its restart.
    Waiting {
        /// Which.
        id: ChildId,
        /// For how long.
        delay: Duration,
    },
    /// A child failed too often and rests.
    Quarantined {
        /// Which.
        id: ChildId,
        /// For how long.
        delay: Duration,
        /// Its restarts since the supervisor began.
        restarts: u64,
        /// How it ended, in words.
        why: Arc<str>,
    },
    /// A child is down and stays so.
    Down(ChildId),
    /// A child is down until the group that it belongs to is started again.
    Held(ChildId),
    /// A child is forgotten.
    Removed(ChildId),
    /// All initial children run.
    Up,
}

/// What a planner asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Start an incarnation; answer with [`Event::Started`] or [`Event::StartFailed`].
    Start(ChildId, Generation),
    /// Ask an incarnation to end; its end comes as [`Event::Exited`].
    Ask(ChildId, Generation),
    /// Kill an incarnation; its end comes as [`Event::Exited`].
    Kill(ChildId, Generation),
    /// Let this timer fire after the given time.
    Arm(Timer, Duration),
    /// The timer is no longer of interest.
    Cancel(Timer),
    /// Answer a command.
    Answer(Ticket, Result<(), Refusal>),
    /// Something worth showing.
    Tell(Notice),
    /// All children are down; the supervisor ends like this. Nothing follows.
    Done(End),
}
