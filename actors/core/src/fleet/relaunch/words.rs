//! The words of a way back: how, why, what happened, what to do.

use std::time::Duration;

use super::{Hold, Trouble};
use crate::clock::{Mono, Wall};
use crate::fleet::process::ExitFacts;
use crate::settings::RestartPolicy;

/// How an agent is relaunched.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Policy {
    /// After which ends.
    pub restart: RestartPolicy,
    /// Upper end of the first delay; zero means at once, always.
    pub initial_delay: Duration,
    /// Upper end of any delay. A process that lived longer than this begins the backoff anew.
    pub max_delay: Duration,
    /// Relaunches within `period` after which the agent is held.
    pub max_restarts: u32,
    /// The period in which relaunches count.
    pub period: Duration,
}

/// Why a process ended, as far as relaunching is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// It ended by itself.
    Ended(ExitFacts),
    /// The same, and it is known what stood in its way.
    Troubled(ExitFacts, Trouble),
    /// Its tmux server ended and took it along.
    ServerLost,
    /// A new process could not be started.
    LaunchFailed,
    /// A new process was started, and was over before anybody could see it.
    EndedAtOnce,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Event {
    /// Its process ended, or could not be started. `draw` is uniform in 0 to 1, for the jitter.
    Down {
        /// Why.
        cause: Cause,
        /// For the jitter.
        draw: f64,
    },
    /// What the process that ended said last was read, as [`Effect::Listen`] asked.
    LastWords {
        /// What; `None` when they say nothing of the kind, or cannot be had.
        trouble: Option<Trouble>,
        /// For the jitter.
        draw: f64,
    },
    /// The time of [`Effect::Wait`] has come.
    Due,
    /// The breaker lets it through.
    Granted,
    /// A process of it runs.
    Up,
    /// It was never started before: that is no relaunch.
    First,
    /// It is to be left alone until then; `None` means until [`Event::Resume`].
    Pause {
        /// Until when.
        until: Option<Mono>,
    },
    /// It is no longer to be left alone.
    Resume,
    /// A person wants it started (again) now, whatever it is held for. Its process is down or about to be.
    StartAsked,
    /// A person wants it down.
    StopAsked,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Send [`Event::Due`] after this time; a later wait replaces an earlier one.
    Wait(Duration),
    /// Ask the breaker, which answers with [`Event::Granted`].
    AskBreaker,
    /// Record the relaunch, then start a process; `total` relaunches there are now.
    Launch {
        /// Over all lives of the supervisor.
        total: u64,
    },
    /// It stays down, until a person asks or until a limit ends.
    Hold(Hold),
    /// Have read what its process said last, and answer with [`Event::LastWords`] whatever comes of it: until
    /// then no other process is started.
    Listen,
}

/// Where an agent stands on its way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// A process runs, or nothing was launched yet.
    Up,
    /// It waits for the end of its delay.
    Waiting,
    /// It waits for the breaker.
    Queued,
    /// A process is being started.
    Launching,
    /// It is due, but paused.
    Parked,
    /// Its restarts are used up, or it has no login.
    Held,
    /// It ended and stays down: it finished, it is not to be relaunched, or a person ended it.
    Down,
}

/// What outlives the supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Kept {
    /// Relaunches over all lives of the supervisor.
    pub total: u64,
    /// What keeps it down.
    pub hold: Option<Hold<Wall>>,
    /// Whether a person ended it.
    pub stopped: bool,
}

impl Cause {
    /// Whether what it said last may say why. An end by a signal has other reasons than words; one that was over
    /// before it could be watched may be of any kind.
    pub(super) fn speaks(self) -> bool {
        match self {
            Cause::Ended(facts) | Cause::Troubled(facts, Trouble::Limit { until: None }) => {
                facts.signal.is_none() && facts.status != Some(0)
            }
            Cause::EndedAtOnce => true,
            // What stands in its pane when nothing was started is of the process before.
            Cause::Troubled(..) | Cause::ServerLost | Cause::LaunchFailed => false,
        }
    }
}
