//! When an owned agent gets a new process: by cause, with backoff, and never as a storm.
//!
//! A relaunch is slow and visible; the restart of an actor is another thing. An agent decides for
//! itself with [`Relaunch`]; a [`Breaker`] over the whole fleet lets only so many through in a minute, the
//! others wait their turn.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Mono;
use crate::fleet::process::ExitFacts;
use crate::settings::RestartPolicy;

mod breaker;

pub use breaker::{Breaker, Pass};

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
    /// Its tmux server ended and took it along.
    ServerLost,
    /// A new process could not be started.
    LaunchFailed,
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
    /// Its restarts are used up: it stays down until a person asks.
    Hold,
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
    /// Its restarts are used up.
    Held,
    /// It ended and stays down: it finished, it is not to be relaunched, or a person ended it.
    Down,
}

/// What outlives the supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Kept {
    /// Relaunches over all lives of the supervisor.
    pub total: u64,
    /// Whether its restarts were used up.
    pub held: bool,
    /// Whether a person ended it.
    pub stopped: bool,
}

/// Whether it is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pause {
    None,
    Until(Mono),
    UntilResumed,
}

/// One agent's way back.
#[derive(Debug, Clone)]
pub struct Relaunch {
    policy: Policy,
    phase: Phase,
    total: u64,
    /// Moments of the relaunches within the period.
    recent: VecDeque<Mono>,
    /// Relaunches since a process lived long enough.
    attempt: u32,
    up_since: Option<Mono>,
    pause: Pause,
    stopped: bool,
}

impl Relaunch {
    /// An agent that is up or was not launched yet.
    pub fn new(policy: Policy, kept: Kept) -> Self {
        let phase = match kept {
            Kept { stopped: true, .. } => Phase::Down,
            Kept { held: true, .. } => Phase::Held,
            _ => Phase::Up,
        };
        Relaunch {
            policy,
            phase,
            total: kept.total,
            recent: VecDeque::new(),
            attempt: 0,
            up_since: None,
            pause: Pause::None,
            stopped: kept.stopped,
        }
    }

    /// Where it stands.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// What must be stored.
    pub fn kept(&self) -> Kept {
        Kept { total: self.total, held: self.phase == Phase::Held, stopped: self.stopped }
    }

    /// Relaunches over all lives of the supervisor.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Whether it is left alone at `now`.
    pub fn is_paused(&self, now: Mono) -> bool {
        match self.pause {
            Pause::None => false,
            Pause::Until(until) => now < until,
            Pause::UntilResumed => true,
        }
    }

    /// Follows changed settings from the next decision on.
    pub fn set_policy(&mut self, policy: Policy) {
        self.policy = policy;
    }

    /// Takes in what happened.
    pub fn step(&mut self, event: Event, now: Mono) -> Vec<Effect> {
        match event {
            Event::Down { cause, draw } => self.down(cause, draw, now),
            Event::Due if self.phase == Phase::Waiting || self.phase == Phase::Parked => self.due(now),
            Event::Granted if self.phase == Phase::Queued => self.granted(now),
            Event::Up => {
                self.phase = Phase::Up;
                self.stopped = false;
                self.up_since = Some(now);
                Vec::new()
            }
            Event::First if self.phase == Phase::Up => {
                self.phase = Phase::Launching;
                vec![Effect::Launch { total: self.total }]
            }
            Event::Pause { until } => {
                self.pause = until.map_or(Pause::UntilResumed, Pause::Until);
                self.parked_wait(now)
            }
            Event::Resume => {
                self.pause = Pause::None;
                if self.phase == Phase::Parked { self.due(now) } else { Vec::new() }
            }
            Event::StartAsked => self.start_asked(now),
            // Timers and leave of an earlier phase.
            Event::Due | Event::Granted | Event::First => Vec::new(),
            Event::StopAsked => {
                self.stopped = true;
                if self.phase != Phase::Up {
                    self.phase = Phase::Down;
                }
                Vec::new()
            }
        }
    }

    fn down(&mut self, cause: Cause, draw: f64, now: Mono) -> Vec<Effect> {
        // While one process is replaced by another, the end of the first says nothing about the second.
        let news = match self.phase {
            Phase::Up => true,
            Phase::Launching => !matches!(cause, Cause::Ended(_)),
            _ => false,
        };
        if !news {
            return Vec::new();
        }
        let lived = self.up_since.take().map_or(Duration::ZERO, |since| now.since(since));
        if lived > self.policy.max_delay {
            self.attempt = 0;
        }
        if self.stopped || !self.is_wanted(cause) {
            self.phase = Phase::Down;
            return Vec::new();
        }
        while self.recent.front().is_some_and(|at| now.since(*at) >= self.policy.period) {
            self.recent.pop_front();
        }
        // A lost server is not the agent's failure: the breaker alone paces the recovery.
        if cause != Cause::ServerLost && self.recent.len() >= self.policy.max_restarts as usize {
            self.phase = Phase::Held;
            return vec![Effect::Hold];
        }
        self.phase = Phase::Waiting;
        let delay = self.delay(draw);
        self.attempt = self.attempt.saturating_add(1);
        if delay.is_zero() { self.due(now) } else { vec![Effect::Wait(delay)] }
    }

    fn is_wanted(&self, cause: Cause) -> bool {
        match (self.policy.restart, cause) {
            (RestartPolicy::Never, _) => false,
            (RestartPolicy::Always, _)
            | (RestartPolicy::OnFailure, Cause::ServerLost | Cause::LaunchFailed) => true,
            (RestartPolicy::OnFailure, Cause::Ended(facts)) => facts.status != Some(0),
        }
    }

    /// Exponential, capped, with full jitter: uniform between nothing and the cap, so that agents that
    /// fell together do not rise together.
    fn delay(&self, draw: f64) -> Duration {
        let factor = 2_f64.powi(self.attempt.min(30).cast_signed());
        let cap = (self.policy.initial_delay.as_secs_f64() * factor).min(self.policy.max_delay.as_secs_f64());
        Duration::from_secs_f64(cap * draw.clamp(0.0, 1.0))
    }

    fn due(&mut self, now: Mono) -> Vec<Effect> {
        if self.is_paused(now) {
            self.phase = Phase::Parked;
            return self.parked_wait(now);
        }
        self.pause = Pause::None;
        self.phase = Phase::Queued;
        vec![Effect::AskBreaker]
    }

    /// While it is parked with an end of its pause, it looks again then.
    fn parked_wait(&self, now: Mono) -> Vec<Effect> {
        match (self.phase, self.pause) {
            (Phase::Parked, Pause::Until(until)) => vec![Effect::Wait(until.since(now))],
            _ => Vec::new(),
        }
    }

    fn granted(&mut self, now: Mono) -> Vec<Effect> {
        if self.is_paused(now) {
            self.phase = Phase::Parked;
            return self.parked_wait(now);
        }
        self.launch(now)
    }

    fn start_asked(&mut self, now: Mono) -> Vec<Effect> {
        self.stopped = false;
        // One process is on its way already.
        if self.phase == Phase::Launching {
            return Vec::new();
        }
        self.recent.clear();
        self.attempt = 0;
        self.launch(now)
    }

    fn launch(&mut self, now: Mono) -> Vec<Effect> {
        self.phase = Phase::Launching;
        self.up_since = None;
        self.recent.push_back(now);
        // Relaunches after a lost server are not refused; more than could matter are not remembered.
        while self.recent.len() > (self.policy.max_restarts as usize).max(1) {
            self.recent.pop_front();
        }
        self.total += 1;
        vec![Effect::Launch { total: self.total }]
    }
}

#[cfg(test)]
mod tests;
