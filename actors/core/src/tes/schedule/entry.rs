//! One schedule: what it decided and what it waits for.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::timing::passed;
use super::{Effect, Last, NEVER, Plan, Skip, put_off};
use crate::clock::{Mono, Wall};
use crate::ids::JobId;
use crate::limits;
use crate::settings::tes::{Missed, Overlap};
use crate::tes::job::JobState;

/// See the module.
#[derive(Debug)]
pub(super) struct Entry {
    plan: Plan,
    /// Every run that is due until then has been decided.
    seen: Wall,
    /// Until when the store knows that all was done.
    kept: Option<Wall>,
    /// The next run, and when it comes with its jitter.
    next: Option<(Wall, Wall)>,
    /// Runs that are to be submitted, the oldest first.
    waiting: VecDeque<Wall>,
    /// The run that is being submitted.
    asking: Option<Wall>,
    /// The last one that was.
    pub(super) last: Option<Last>,
    /// Whether that is being cancelled.
    cancelling: bool,
    /// Nothing is tried before.
    not_before: Option<Mono>,
}

impl Entry {
    /// One that is configured for the first time: what was due before is nobody's, unless the store knows it.
    pub(super) fn new(plan: Plan, kept: Option<Wall>, last: Option<Last>, now: Wall) -> Self {
        let mut entry = Entry {
            plan,
            seen: kept.unwrap_or(now),
            kept,
            next: None,
            waiting: VecDeque::new(),
            asking: None,
            last,
            cancelling: false,
            not_before: None,
        };
        entry.find_next();
        entry
    }

    /// Takes another plan. Times that another timing would have had in the past are not missed.
    pub(super) fn configure(&mut self, plan: Plan, now: Wall) {
        let was = (&self.plan.timing, self.plan.jitter, self.plan.enabled);
        let begins_anew = self.plan.timing.is_some() && was != (&plan.timing, plan.jitter, plan.enabled);
        if begins_anew {
            self.seen = self.seen.max(now);
        }
        if !plan.enabled {
            self.waiting.clear();
        }
        self.plan = plan;
        self.find_next();
    }

    pub(super) fn submitted(&mut self, last: Last) {
        self.asking = None;
        self.not_before = None;
        self.last = Some(last);
        self.cancelling = false;
    }

    pub(super) fn not_submitted(&mut self, again: bool, now: Mono) {
        let Some(due) = self.asking.take() else { return };
        if again && self.plan.enabled {
            // A run that replaces the ones before may have come meanwhile.
            if self.plan.overlap != Overlap::Replace || self.waiting.is_empty() {
                self.waiting.push_front(due);
            }
            self.not_before = Some(now + limits::SCHEDULE_RETRY);
        }
    }

    pub(super) fn job(&mut self, job: JobId, state: JobState) {
        if let Some(last) = self.last.as_mut().filter(|last| last.job == job) {
            last.state = state;
            self.cancelling &= !state.is_final();
        }
    }

    pub(super) fn not_cancelled(&mut self, now: Mono) {
        self.cancelling = false;
        self.not_before = Some(now + limits::SCHEDULE_RETRY);
    }

    pub(super) fn next(&self) -> Option<Wall> {
        self.next.filter(|_| self.plan.enabled).map(|(_, comes)| comes)
    }

    pub(super) fn look_in(&self, wall: Wall, now: Mono) -> Option<Duration> {
        if !self.plan.enabled {
            return None;
        }
        // A moment is whole milliseconds; the clock may stand just before it.
        let due = self.next.map(|(_, comes)| comes.since(wall) + Duration::from_millis(1));
        let again =
            self.not_before.filter(|at| *at > now && !self.waiting.is_empty()).map(|at| at.since(now));
        due.into_iter().chain(again).min()
    }

    /// Decides every run that has come.
    pub(super) fn look(&mut self, now: Wall, effects: &mut Vec<Effect>) {
        if !self.plan.enabled {
            return;
        }
        if now.plus(limits::SCHEDULE_CLOCK_BACK) < self.seen {
            self.seen = now;
            self.waiting.retain(|due| *due <= now);
            self.find_next();
        }
        let Some(timing) =
            self.plan.timing.as_ref().filter(|_| self.next.is_some_and(|(_, comes)| comes <= now))
        else {
            return;
        };
        let (name, jitter) = (&self.plan.name, self.plan.jitter);
        let is_all = self.plan.missed == Missed::All && self.plan.overlap != Overlap::Replace;
        let keep = if is_all { limits::MISSED_RUNS_MAX } else { 2 };
        let mut passed = passed(timing, |due| put_off(name, due, jitter), self.seen, now, keep, jitter);
        let Some(last) = passed.last.pop_back() else { return };
        let comes = last.plus(put_off(name, last, jitter));
        let on_time = now.since(comes) <= limits::SCHEDULE_ON_TIME;
        self.seen = last;
        self.find_next();
        match self.plan.missed {
            Missed::All if is_all && !(passed.last.is_empty() && on_time) => {
                self.waiting.extend(passed.last.into_iter().chain([last]));
                self.bound(passed.more, effects);
            }
            Missed::Skip if !on_time => self.skipped(last, Skip::Missed, effects),
            _ => {
                if let Some(before) = passed.last.back() {
                    self.skipped(*before, Skip::Missed, effects);
                }
                self.run(last, effects);
            }
        }
    }

    /// A run whose time has come.
    fn run(&mut self, due: Wall, effects: &mut Vec<Effect>) {
        match self.plan.overlap {
            Overlap::Skip if self.is_busy() => self.skipped(due, Skip::Overlap, effects),
            Overlap::Skip | Overlap::Queue => {
                self.waiting.push_back(due);
                self.bound(false, effects);
            }
            Overlap::Replace => {
                if let Some(other) = self.waiting.pop_back() {
                    self.waiting.clear();
                    self.skipped(other, Skip::Overlap, effects);
                }
                self.waiting.push_back(due);
            }
        }
    }

    /// Of runs that wait only so many are kept, the youngest.
    fn bound(&mut self, more: bool, effects: &mut Vec<Effect>) {
        let over = self.waiting.len().saturating_sub(limits::MISSED_RUNS_MAX);
        let dropped = self.waiting.drain(..over).next_back();
        let first = self.waiting.front().map(|due| Wall::from_unix_ms(due.unix_ms() - 1));
        if let Some(due) = dropped.or(first.filter(|_| more)) {
            self.skipped(due, Skip::Missed, effects);
        }
    }

    /// Whether a run before has not ended.
    fn is_busy(&self) -> bool {
        self.asking.is_some() || !self.waiting.is_empty() || self.is_running()
    }

    fn is_running(&self) -> bool {
        self.last.is_some_and(|last| !last.state.is_final())
    }

    /// Submits what may be.
    pub(super) fn pump(&mut self, now: Mono, effects: &mut Vec<Effect>) {
        if self.asking.is_some() || self.not_before.is_some_and(|at| now < at) {
            return;
        }
        let Some(due) = self.waiting.front().copied() else { return };
        let schedule = Arc::clone(&self.plan.name);
        match self.last.filter(|last| !last.state.is_final()) {
            Some(last) if self.plan.overlap == Overlap::Replace => {
                if !self.cancelling {
                    self.cancelling = true;
                    effects.push(Effect::Cancel { schedule, job: last.job });
                }
            }
            Some(_) if self.plan.overlap == Overlap::Skip => {}
            _ => {
                self.waiting.pop_front();
                self.asking = Some(due);
                effects.push(Effect::Submit { schedule, due });
            }
        }
    }

    /// Has the store know what was done.
    pub(super) fn keep(&mut self, effects: &mut Vec<Effect>) {
        let open = self.asking.into_iter().chain(self.waiting.front().copied()).min();
        let until = match open {
            Some(due) => Wall::from_unix_ms(due.unix_ms() - 1).min(self.seen),
            None => self.seen,
        };
        // Whoever turns a schedule on again does not ask for what was due while it was off.
        let until = if self.plan.enabled { until } else { NEVER };
        if self.kept != Some(until) {
            self.kept = Some(until);
            effects.push(Effect::Keep { schedule: Arc::clone(&self.plan.name), until });
        }
    }

    fn skipped(&self, due: Wall, why: Skip, effects: &mut Vec<Effect>) {
        effects.push(Effect::Skipped { schedule: Arc::clone(&self.plan.name), due, why });
    }

    fn find_next(&mut self) {
        let next = self.plan.timing.as_ref().and_then(|timing| timing.next_after(self.seen));
        self.next = next.map(|due| (due, due.plus(put_off(&self.plan.name, due, self.plan.jitter))));
    }
}
