//! Which job starts next.
//!
//! Jobs that are alike in everything that decides about them (session, priority, script, specialist, group,
//! slots) stand in one *lane*, the oldest first; a choice looks at the heads of the lanes only, so it does
//! not depend on how many jobs wait. Of the heads whose limits allow a start, that one goes first which
//!
//! 1. is most urgent: its class, less one for each [`limits::AGE_STEP`] that it waited;
//! 2. belongs to the session that used least: start-time fair queueing (Goyal, Vin, Cheng 1996) over
//!    slot-seconds;
//! 3. waited longest.
//!
//! A head that needs more slots than are free lets smaller ones pass, until it has waited for one step; then
//! slots are kept for it. What follows for waiting: once a job has waited for four steps, nothing of its
//! session that came later starts before it, and other sessions only take turns with it. A session is behind the
//! others by at most [`limits::SHARE_LAG`] of all slots, so before each job of its own that comes first and before the
//! job itself, another session has at most that and two jobs.
//!
//! - `queue/words.rs`: what it is told of, and what it answers
//! - `queue/entry.rs`: what is kept of each job
//! - `queue/lane.rs`: lanes, shares, counts
//! - `queue/ahead.rs`: jobs that are handed out before a slot is free
//! - `queue/place.rs`: where a job stands while it does not run: held, blocked, delayed, queued

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use super::job::JobState;
use crate::clock::Mono;
use crate::ids::JobId;
use crate::limits;

mod ahead;
mod entry;
mod lane;
mod place;
#[cfg(test)]
mod tests;
mod why;
mod words;

pub use why::{Share, Sharers};
pub use words::{After, Caps, Effect, Event, Parent, Refusal, Ticket, Why};

use ahead::Ahead;
use entry::{Entry, Kin};
use lane::{Lane, Lanes, Usage};

/// By how many slot-milliseconds a session may be behind the others.
fn owed_most(caps: &Caps) -> i64 {
    i64::try_from(limits::SHARE_LAG.as_millis()).unwrap_or(i64::MAX).saturating_mul(caps.slots.max(1).into())
}

/// The jobs that wait and run.
#[derive(Debug)]
pub struct Queue {
    caps: Caps,
    open: bool,
    /// In boxes: the table itself has room for more than there are.
    jobs: HashMap<JobId, Box<Entry>>,
    lanes: Lanes,
    usage: Usage,
    ahead: Ahead,
    /// When something is to be looked at: a job's time, or the end of its patience.
    due: BTreeSet<(Mono, JobId)>,
    bytes: u64,
}

impl Queue {
    /// An empty queue that may start jobs.
    pub fn new(caps: Caps) -> Self {
        Queue {
            caps,
            open: true,
            jobs: HashMap::new(),
            lanes: Lanes::default(),
            usage: Usage::default(),
            ahead: Ahead::default(),
            due: BTreeSet::new(),
            bytes: 0,
        }
    }

    /// Whether a submission with inputs of so many bytes is taken in. Asked before it is made durable.
    pub fn admit(&self, bytes: u32) -> Result<(), Refusal> {
        if self.jobs.len() >= limits::JOBS_LIVE_MAX {
            return Err(Refusal::Jobs(self.jobs.len()));
        }
        if self.bytes + u64::from(bytes) > limits::JOBS_LIVE_BYTES_MAX {
            return Err(Refusal::Bytes(self.bytes));
        }
        Ok(())
    }

    /// Takes in what happened, and starts what may start.
    pub fn step(&mut self, event: Event, now: Mono) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Submitted(ticket, parents) => self.submitted(&ticket, &parents, now, &mut effects),
            Event::Adopted(ticket) => self.adopted(&ticket, now),
            Event::Ended { job, took, next } => self.ended(job, took, next, now, &mut effects),
            Event::NotBegun(job, at) => self.not_begun(job, at, now, &mut effects),
            Event::Cancel(job) => self.cancel(job, &mut effects),
            Event::Hold(job) => self.set_held(job, true, now, &mut effects),
            Event::Release(job) => self.set_held(job, false, now, &mut effects),
            Event::Caps(caps) => self.caps = caps,
            Event::Open(open) => self.open = open,
            Event::Tick => {}
        }
        self.look_at_due(now, &mut effects);
        while let Some(job) = self.choose(now) {
            self.start(job, now);
            effects.push(Effect::Start(job));
        }
        if self.wants_back(now) {
            effects.push(Effect::Recall);
        }
        debug_assert!(self.is_sound(), "the queue's counts and its jobs disagree");
        effects
    }

    /// When [`Event::Tick`] is wanted, whatever else happens. Ageing never frees a slot, so it wants none.
    pub fn next_due(&self) -> Option<Mono> {
        self.due.first().map(|(at, _)| *at).into_iter().chain(self.ahead.due()).min()
    }

    /// Where a job stands, if it waits or runs.
    pub fn state(&self, job: JobId) -> Option<JobState> {
        self.jobs.get(&job).map(|e| e.state)
    }

    /// Whether jobs may start at all.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// Slots in all.
    pub fn slots(&self) -> u32 {
        self.caps.slots
    }

    /// Slots that a job takes while it runs.
    pub fn slots_of(&self, job: JobId) -> u16 {
        self.jobs.get(&job).map_or(1, |e| e.lane.slots)
    }

    /// Jobs that run.
    pub fn running(&self) -> usize {
        self.usage.running
    }

    /// Jobs that wait or run.
    pub fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Whether nothing waits or runs.
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Jobs that wait for their turn, by priority, the most urgent first.
    pub fn depths(&self) -> [usize; 5] {
        self.lanes.depths()
    }

    fn start(&mut self, job: JobId, now: Mono) {
        let entry = self.jobs.get_mut(&job).expect("a chosen job is in the queue");
        self.lanes.take(entry.lane, (entry.ready, entry.seq));
        self.usage.not_queued(entry.lane.session);
        let is_ahead = self.caps.slots <= self.usage.slots && self.usage.running > 0;
        let charged = self.usage.start(entry.lane, owed_most(&self.caps));
        entry.change(|rare| rare.charged = Some(charged));
        entry.state = JobState::Running;
        if let Some(by) = entry.start_by() {
            self.due.remove(&(by, job));
        }
        if is_ahead {
            self.ahead.add(entry.lane.class, now);
        }
    }

    fn adopted(&mut self, ticket: &Ticket, now: Mono) {
        let id = ticket.id;
        let lane = self.lanes.enter(ticket);
        self.bytes += u64::from(ticket.bytes);
        // One that had been handed out ahead may wait for its turn still.
        let is_ahead = self.caps.slots <= self.usage.slots && self.usage.running > 0;
        let charged = self.usage.start(lane, owed_most(&self.caps));
        let mut entry = Entry { state: JobState::Running, ..Entry::new(ticket, lane, now) };
        entry.change(|rare| rare.charged = Some(charged));
        if is_ahead {
            self.ahead.add(lane.class, now);
        }
        let before = self.jobs.insert(id, Box::new(entry));
        debug_assert!(before.is_none(), "a job is adopted once");
    }

    fn ended(&mut self, job: JobId, took: Duration, next: After, now: Mono, effects: &mut Vec<Effect>) {
        let Some(entry) = self.jobs.get_mut(&job).filter(|e| e.state == JobState::Running) else { return };
        let charged = entry.change(|rare| rare.charged.take()).unwrap_or_default();
        self.usage.end(entry.lane, Some(took), charged, owed_most(&self.caps));
        self.ahead.ended(self.usage.slots.saturating_sub(self.caps.slots), now);
        match next {
            // Whoever cancels wins over a further attempt.
            After::Again(_) if entry.stopping => self.finish(job, Why::Cancelled.state(), now, effects),
            After::Final(state) => self.finish(job, state, now, effects),
            After::Again(at) => {
                // Patience is for the first start; an attempt was made.
                entry.change(|rare| (rare.not_before, rare.start_by) = (Some(at), None));
                self.place(job, now, effects);
            }
        }
    }

    fn not_begun(&mut self, job: JobId, at: Mono, now: Mono, effects: &mut Vec<Effect>) {
        let Some(entry) = self.jobs.get_mut(&job).filter(|e| e.state == JobState::Running) else { return };
        let charged = entry.change(|rare| rare.charged.take()).unwrap_or_default();
        self.usage.end(entry.lane, None, charged, owed_most(&self.caps));
        self.ahead.came_back(self.usage.slots.saturating_sub(self.caps.slots));
        if entry.stopping {
            return self.finish(job, Why::Cancelled.state(), now, effects);
        }
        // It is as old as it was.
        let since = entry.ready;
        entry.change(|rare| (rare.since, rare.not_before) = (Some(since), Some(at)));
        // Its patience is still for its first start.
        if let Some(by) = entry.start_by() {
            self.due.insert((by, job));
        }
        self.place(job, now, effects);
    }

    fn cancel(&mut self, job: JobId, effects: &mut Vec<Effect>) {
        let Some(entry) = self.jobs.get_mut(&job) else { return };
        if entry.state == JobState::Running {
            // Whoever asks again is heard again: a second request changes nothing for one that has heard the first.
            entry.stopping = true;
            effects.push(Effect::Stop(job));
            return;
        }
        self.fail(job, Why::Cancelled, effects);
    }

    /// The lane whose head starts now.
    fn choose(&mut self, now: Mono) -> Option<JobId> {
        if !self.open {
            return None;
        }
        let free = self.caps.slots.saturating_sub(self.usage.slots);
        let next = self.lanes.choose(&self.usage, &self.caps, free, now);
        next.or_else(|| if free == 0 { self.next_ahead(now) } else { None })
    }

    /// Whether counts and jobs agree; for assertions, over small queues only.
    fn is_sound(&self) -> bool {
        if self.jobs.len() > 64 {
            return true;
        }
        let count = |state| self.jobs.values().filter(|e| e.state == state).count();
        let slots = |e: &Entry| u32::from(e.lane.slots);
        let used: u32 = self.jobs.values().filter(|e| e.state == JobState::Running).map(|e| slots(e)).sum();
        count(JobState::Running) == self.usage.running
            && used == self.usage.slots
            && count(JobState::Queued) == self.lanes.depths().iter().sum::<usize>()
            && self.bytes == self.jobs.values().map(|e| u64::from(e.bytes)).sum::<u64>()
    }
}
