//! When an owned agent gets a new process: by cause, with backoff, and never as a storm.
//!
//! A relaunch is slow and visible; the restart of an actor is another thing. An agent decides for
//! itself with [`Relaunch`]; a [`Breaker`] over the whole fleet lets only so many through in a minute, the
//! others wait their turn.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Mono;
use crate::fleet::agent::Moment;
use crate::limits;
use crate::settings::RestartPolicy;

mod breaker;
mod trouble;
mod words;

pub use breaker::{Breaker, Pass};
pub(in crate::fleet) use trouble::speaks_of_login;
pub use trouble::{Hold, Trouble, last_words};
pub use words::{Cause, Effect, Event, Kept, Phase, Policy};

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
    /// What keeps it down, while something does.
    hold: Option<Hold>,
    /// Its last words are being read.
    listening: bool,
    /// Its time came while they were.
    overdue: bool,
    stopped: bool,
}

impl Relaunch {
    /// An agent that is up or was not launched yet.
    pub fn new(policy: Policy, kept: Kept, now: Moment) -> Self {
        let hold = kept.hold.map(|hold| hold.decides(now));
        let phase = match hold {
            _ if kept.stopped => Phase::Down,
            Some(hold) if hold.needs_person() => Phase::Held,
            Some(_) => Phase::Waiting,
            None => Phase::Up,
        };
        Relaunch {
            policy,
            phase,
            total: kept.total,
            recent: VecDeque::new(),
            attempt: 0,
            up_since: None,
            pause: Pause::None,
            hold,
            listening: false,
            overdue: false,
            stopped: kept.stopped,
        }
    }

    /// Where it stands.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// What must be stored.
    pub fn kept(&self, now: Moment) -> Kept {
        Kept { total: self.total, hold: self.hold.map(|hold| hold.shown(now)), stopped: self.stopped }
    }

    /// What keeps it down.
    pub fn hold(&self) -> Option<Hold> {
        self.hold
    }

    /// Whether a person ended it.
    pub fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Relaunches over all lives of the supervisor.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Whether the answer to [`Effect::Listen`] is still to come.
    pub fn is_listening(&self) -> bool {
        self.listening
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
            Event::LastWords { trouble, draw } => self.last_words(trouble, draw, now),
            Event::Due if self.phase == Phase::Waiting && self.listening => {
                self.overdue = true;
                Vec::new()
            }
            Event::Due if self.phase == Phase::Waiting || self.phase == Phase::Parked => self.due(now),
            Event::Granted if self.phase == Phase::Queued => self.granted(now),
            Event::Up => {
                self.phase = Phase::Up;
                self.stopped = false;
                self.hold = None;
                (self.listening, self.overdue) = (false, false);
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
                self.hold = None;
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
            Phase::Launching => !matches!(cause, Cause::Ended(_) | Cause::Troubled(..)),
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
        (self.listening, self.overdue) = (false, false);
        if let Cause::Troubled(_, trouble) = cause
            && let Some(mut effects) = self.troubled(trouble, draw, now)
        {
            self.listening = cause.speaks();
            effects.extend(self.listening.then_some(Effect::Listen));
            return effects;
        }
        while self.recent.front().is_some_and(|at| now.since(*at) >= self.policy.period) {
            self.recent.pop_front();
        }
        // A lost server is not the agent's failure: the breaker alone paces the recovery.
        if cause != Cause::ServerLost && self.recent.len() >= self.policy.max_restarts as usize {
            return self.held(Hold::Restarts);
        }
        self.phase = Phase::Waiting;
        let delay = self.delay(draw);
        self.attempt = self.attempt.saturating_add(1);
        if delay.is_zero() {
            return self.due(now);
        }
        self.listening = cause.speaks();
        [Effect::Wait(delay)].into_iter().chain(self.listening.then_some(Effect::Listen)).collect()
    }

    fn held(&mut self, hold: Hold) -> Vec<Effect> {
        self.phase = Phase::Held;
        self.hold = Some(hold);
        vec![Effect::Hold(hold)]
    }

    /// Stays down for what stood in the way of the process; `None` when that is over.
    fn troubled(&mut self, trouble: Trouble, draw: f64, now: Mono) -> Option<Vec<Effect>> {
        let until = match trouble {
            Trouble::Login => return Some(self.held(Hold::Login)),
            Trouble::Limit { until: Some(end) } if end <= now => return None,
            Trouble::Limit { until } => until,
        };
        // Agents of one account meet their limit together, and must not all come back at once.
        let spread = limits::LIMIT_SPREAD.mul_f64(draw.clamp(0.0, 1.0));
        let end = until.unwrap_or(now + limits::LIMIT_RETRY).min(now + limits::LIMIT_WAIT_MAX);
        let hold = Hold::Limit { until: end, known: until.is_some() };
        self.phase = Phase::Waiting;
        self.hold = Some(hold);
        Some(vec![Effect::Hold(hold), Effect::Wait(end.since(now) + spread)])
    }

    /// What is learnt only after its end counts as long as nothing new was started.
    fn last_words(&mut self, trouble: Option<Trouble>, draw: f64, now: Mono) -> Vec<Effect> {
        self.listening = false;
        let overdue = std::mem::take(&mut self.overdue);
        let waits = matches!(self.phase, Phase::Waiting | Phase::Queued | Phase::Parked);
        let known = matches!(self.hold, Some(Hold::Limit { known: true, .. }));
        // Without a moment they say no more than is known already.
        let more = |t: &Trouble| self.hold.is_none() || !matches!(t, Trouble::Limit { until: None });
        let trouble = trouble.filter(|t| waits && !known && more(t));
        if let Some(effects) = trouble.and_then(|t| self.troubled(t, draw, now)) {
            return effects;
        }
        if overdue && self.phase == Phase::Waiting { self.due(now) } else { Vec::new() }
    }

    fn is_wanted(&self, cause: Cause) -> bool {
        match (self.policy.restart, cause) {
            (RestartPolicy::Never, _) => false,
            (RestartPolicy::Always, _)
            | (RestartPolicy::OnFailure, Cause::ServerLost | Cause::LaunchFailed | Cause::EndedAtOnce) => {
                true
            }
            (RestartPolicy::OnFailure, Cause::Ended(facts) | Cause::Troubled(facts, _)) => {
                facts.status != Some(0)
            }
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
        if let Some(Hold::Limit { until, .. }) = self.hold {
            if now < until {
                self.phase = Phase::Waiting;
                return vec![Effect::Wait(until.since(now))];
            }
            self.hold = None;
        }
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
        (self.listening, self.overdue) = (false, false);
        self.hold = None;
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
