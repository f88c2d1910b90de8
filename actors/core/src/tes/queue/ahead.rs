//! Jobs that are handed out before a slot is free.
//!
//! Between the end of one job and the start of the next stand a write to the disk and some ways between processes: milliseconds, in
//! which a slot is idle. Where jobs take no longer than that themselves, the next ones are started before: they wait with whoever
//! runs them, which never runs more than there are slots, and takes one as soon as another ends. They have been chosen, though.
//! So this is done only where little can change meanwhile:
//!
//! - only the job that would be next anyway goes ahead, when it takes one slot and its script's jobs end soon
//!   ([`limits::AHEAD_QUICK`], by what they took lately);
//! - for each job that runs and is expected to end soon, at most as many as take [`limits::AHEAD_SPAN`] one after the other, and
//!   at most as many in all as [`Caps::ahead`](super::Caps) says. They count for every limit as if they ran, but for the slots
//!   of all;
//! - when nothing ends for [`limits::AHEAD_PATIENCE`], or somebody more urgent comes, they are called back.

use super::Queue;
use super::lane::Head;
use crate::clock::Mono;
use crate::ids::JobId;
use crate::limits;

/// What was handed out before a slot was free.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    /// How many jobs may still wait so; as slots free, they run.
    jobs: u32,
    /// The class of the least urgent one.
    class: u8,
    /// When a job ended last, or the first of these was handed out, or they were called back.
    moved: Mono,
    /// They were called back: nothing goes ahead until a job has ended.
    paused: bool,
}

impl Ahead {
    /// One more was handed out.
    pub(super) fn add(&mut self, class: u8, now: Mono) {
        if self.jobs == 0 {
            (self.class, self.moved) = (class, now);
        }
        self.jobs += 1;
        self.class = self.class.max(class);
    }

    /// A job has ended, and so many more slots are counted than there are.
    pub(super) fn ended(&mut self, over: u32, now: Mono) {
        self.jobs = self.jobs.min(over);
        self.moved = now;
        self.paused = false;
    }

    /// One of these came back, or another one that could not begin.
    pub(super) fn came_back(&mut self, over: u32) {
        self.jobs = self.jobs.min(over);
    }

    /// When it is looked whether they still wait.
    pub(super) fn due(&self) -> Option<Mono> {
        // Who was called back comes soon; where slots were lowered, there may be nobody who could.
        let patience = limits::AHEAD_PATIENCE * if self.paused { 10 } else { 1 };
        (self.jobs > 0).then(|| self.moved + patience)
    }
}

impl Queue {
    /// The job that goes ahead now, if one may.
    pub(super) fn next_ahead(&self, now: Mono) -> Option<JobId> {
        let ahead = &self.ahead;
        // Those that went ahead are expected to end soon, and do not run yet.
        let ending = self.usage.quick.saturating_sub(ahead.jobs);
        if ahead.paused || self.caps.slots == 0 || ahead.jobs >= self.caps.ahead || ending == 0 {
            return None;
        }
        let Head { job, lane, .. } = self.lanes.best(&self.usage, &self.caps, now)?;
        let each = self.usage.quick_ones(lane.script, limits::AHEAD_SPAN)?;
        (lane.slots == 1 && ahead.jobs < ending.saturating_mul(each)).then_some(job)
    }

    /// Whether those that went ahead are to be called back.
    pub(super) fn wants_back(&mut self, now: Mono) -> bool {
        let is_late = self.ahead.due().is_some_and(|due| due <= now);
        let wants = is_late || (!self.ahead.paused && self.somebody_is_more_urgent(now));
        if wants {
            (self.ahead.paused, self.ahead.moved) = (true, now);
        }
        wants
    }

    fn somebody_is_more_urgent(&self, now: Mono) -> bool {
        let Ahead { jobs, class, .. } = self.ahead;
        let more_urgent = self.lanes.depths()[..usize::from(class)].iter().sum::<usize>();
        jobs > 0
            && more_urgent > 0
            && self.lanes.best(&self.usage, &self.caps, now).is_some_and(|best| best.lane.class < class)
    }
}
