//! What people ask of the queue.

use tsup_core::clock::Mono;
use tsup_core::error::{Exit, UserError};
use tsup_core::ids::JobId;
use tsup_core::limits;
use tsup_core::tes::job::JobState;
use tsup_core::tes::kept::{JobRow, NewJob, Write};
use tsup_core::tes::queue::{Event, Parent, Refusal, Sharers};
use tsup_core::tes::select::{Marks, Picked, Selected, Selection, first};
use tsup_core::tes::show::Now;
use tsup_core::untrusted::Untrusted;
use tsup_core::wire::doc::VERSION;
use tsup_core::wire::doc::jobs::{GroupDoc, GroupsDoc};

use super::card::{self, Card};
use super::keep::Then;
use super::{Accepted, QueueActor, Waiter, mono_of};
use crate::actor::Cx;
use crate::gate::Reply;

impl QueueActor {
    pub(super) fn submit(
        &mut self,
        mut job: Box<NewJob>,
        mut parents: Vec<Parent>,
        mut reply: Reply<Result<Accepted, UserError>>,
        cx: &mut Cx<Self>,
    ) {
        if let Err(refused) = self.admit(&job) {
            return reply.send(Err(refused));
        }
        for parent in &mut parents {
            let is_here = self.cards.contains_key(&parent.id);
            parent.ended = parent.ended.or_else(|| self.recent.0.get(&parent.id).copied());
            if parent.ended.is_none() && !is_here {
                let what = format!("job {}, which is to be waited for, is not there any more", parent.id);
                return reply.send(Err(UserError::new(Exit::NotFound, what)));
            }
        }
        #[cfg(feature = "planted")]
        super::planted::submission(&mut job, &mut reply);
        self.last_seq += 1;
        job.seq = self.last_seq;
        self.coming.0 += 1;
        self.coming.1 += u64::from(card::bytes(&job));
        self.write(Write::Submit(job.clone()), Then::Submitted(job, parents, reply), cx);
    }

    fn admit(&self, job: &NewJob) -> Result<(), UserError> {
        let after = limits::SUBMIT_RETRY_AFTER;
        let later = |what: String| {
            let hint = format!("nothing was submitted; try again after {} s", after.as_secs_f64());
            Err(UserError::new(Exit::Refused, what).hint(hint).retry_after(after))
        };
        if self.closed.loading {
            return match &self.closed.store {
                Some(_) => Err(self.closed.early("submitted")),
                None => later("jobs are still being read from the store".into()),
            };
        }
        if let Some(why) = &self.closed.store {
            return later(format!("the store takes no jobs: {why}"));
        }
        let refusal = self.queue.admit(card::bytes(job)).err().or_else(|| {
            let (jobs, bytes) = self.coming;
            let all = self.queue.len() + jobs;
            if all >= limits::JOBS_LIVE_MAX {
                return Some(Refusal::Jobs(all));
            }
            (bytes > limits::JOBS_LIVE_BYTES_MAX / 2).then_some(Refusal::Bytes(bytes))
        });
        match refusal {
            Some(refusal) => later(refusal.to_string()),
            None => Ok(()),
        }
    }

    pub(super) fn cancel(
        &mut self,
        job: JobId,
        mut reply: Reply<Result<bool, UserError>>,
        cx: &mut Cx<Self>,
    ) {
        if !self.cards.contains_key(&job) {
            return reply.send(Ok(false));
        }
        self.wait(job, Waiter::Cancel(reply));
        self.step(Event::Cancel(job), None, cx);
    }

    pub(super) fn hold(
        &mut self,
        job: JobId,
        held: bool,
        mut reply: Reply<Result<bool, UserError>>,
        cx: &mut Cx<Self>,
    ) {
        if self.queue.state(job).is_none() {
            return reply.send(Ok(false));
        }
        self.write(Write::Held { job, held }, Then::Held(job, held, reply), cx);
    }

    pub(super) fn requeue(
        &mut self,
        row: Box<JobRow>,
        attempts: u32,
        mut reply: Reply<Result<bool, UserError>>,
        cx: &mut Cx<Self>,
    ) {
        if !self.may_be_forgotten(row.job.id) {
            return reply.send(Ok(false));
        }
        if let Err(refused) = self.admit(&row.job) {
            return reply.send(Err(refused));
        }
        self.requeuing.insert(row.job.id);
        // Two may want the same: whoever saw an end that is not the last one any more comes too late.
        let write = Write::Requeue {
            job: row.job.id,
            attempt: row.attempts.last().map_or(0, |a| a.attempt),
            ended: row.state,
            max_attempts: attempts,
            at: crate::clock::now_wall(),
        };
        self.write(write, Then::Requeued(row, attempts, reply), cx);
    }

    /// A job that ended is in the queue again, with what it had.
    pub(super) fn requeued(&mut self, row: JobRow, attempts: u32, cx: &mut Cx<Self>) {
        let JobRow { mut job, state, attempts: made, .. } = row;
        let id = job.id;
        job.held = false;
        // Patience is for the first start.
        job.start_by = None;
        let mut card = Box::new(Card::of(&job, &mut self.names));
        card.attempt = made.last().map_or(0, |a| a.attempt);
        card.max_attempts = attempts;
        card.set_again_at(Some(crate::clock::now_wall()));
        (card.shown, card.told) = (state, true);
        self.cards.insert(id, card);
        self.recent.0.remove(&id);
        self.revived.insert(id);
        self.step(Event::Submitted(card::ticket(&job, None, None), Vec::new()), None, cx);
    }

    /// Somebody waits for the ends of these jobs; says which of them are not here.
    pub(super) fn wait_ends(&mut self, jobs: &mut Vec<(JobId, Reply<()>)>) -> Vec<JobId> {
        let mut others = Vec::new();
        for (job, mut reply) in jobs.drain(..) {
            let is_here = self.cards.contains_key(&job);
            if !is_here {
                others.push(job);
            }
            // A queue that knows no jobs yet knows later whether it lives.
            if is_here || self.closed.loading {
                self.wait(job, Waiter::End(reply));
            } else {
                reply.send(());
            }
        }
        others
    }

    /// Somebody waits for the end of a job; those who gave up are let go.
    pub(super) fn wait(&mut self, job: JobId, waiter: Waiter) {
        let waiters = self.waiters.entry(job).or_default();
        waiters.retain(Waiter::is_wanted);
        waiters.push(waiter);
    }

    /// What is known of a job that has not ended, or whose end is not durable yet.
    pub(super) fn now(&self, job: JobId, now: Mono) -> Option<Now> {
        let card = self.cards.get(&job)?;
        let state = self.state_told(job, card);
        let waits = self.queue.waiting_for(job, now).filter(|_| state != JobState::Running);
        let begins = self.trouble.of(job).filter(|_| state != JobState::Running && self.closed.is_open());
        let waiting_for = begins.or_else(|| waits.map(|w| w.to_string()));
        let waiting_for = waiting_for.or_else(|| {
            card.running.as_ref().filter(|r| r.stopping).map(|_| "its end, which was asked for".into())
        });
        Some(Now {
            state,
            attempt: card.attempt,
            started_at: card.running.as_ref().and_then(|r| r.at),
            // After a failed attempt its own time has come long since.
            next_attempt_at: card
                .again_at()
                .max(card.not_before())
                .filter(|at| mono_of(*at) > now && card.running.is_none()),
            waiting_for,
        })
    }

    /// The state that a job may be said to be in: while the end of an attempt is not durable yet, nothing else is
    /// told than before, whether it ends the job or not.
    fn state_told(&self, job: JobId, card: &Card) -> JobState {
        match self.queue.state(job) {
            Some(state) if state == JobState::Running || card.running.is_none() => state,
            _ => card.shown,
        }
    }

    pub(super) fn in_states(&self, states: &[JobState], script: Option<&str>, limit: usize) -> Vec<JobId> {
        let is_meant = |_, card: &Card| script.is_none_or(|s| **card.script() == *s);
        let (found, _) = first(self.living(states, is_meant), true, limit, |(seq, _)| *seq);
        found.into_iter().map(|(_, id)| id).collect()
    }

    pub(super) fn select(&self, which: &Selection) -> Selected {
        let is_meant = |id, card: &Card| {
            which.takes(Marks {
                seq: card.seq,
                script: card.script(),
                session: card.session(),
                group: self.queue.group_of(id),
            })
        };
        let mut found = self.living(&which.states, is_meant);
        found.retain(|(_, id)| which.held.is_none_or(|held| held == self.queue.is_held(*id)));
        let (found, more) = first(found, which.youngest_first, limits::SELECTED_MAX, |(seq, _)| *seq);
        let picked = |(seq, id)| {
            let card = self.cards.get(&id)?;
            let (script, state) = (card.script().to_string(), self.state_told(id, card));
            Some(Picked { seq, id, script, state })
        };
        Selected { jobs: found.into_iter().filter_map(picked).collect(), more }
    }

    /// The jobs here that are in one of these states, with their numbers. It looks at every job: some milliseconds for a
    /// hundred thousand, for a question of a person.
    fn living(&self, states: &[JobState], is_meant: impl Fn(JobId, &Card) -> bool) -> Vec<(u64, JobId)> {
        let cards = self.cards.iter();
        let found =
            cards.filter(|(id, card)| is_meant(**id, card) && states.contains(&self.state_told(**id, card)));
        found.map(|(id, card)| (card.seq, *id)).collect()
    }

    pub(super) fn groups(&self) -> GroupsDoc {
        let groups = self.queue.shares().into_iter();
        let groups = groups.filter(|((kind, _), share)| {
            // Scripts are many; those without a limit and without jobs say nothing.
            *kind == Sharers::All || share.limit.is_some() || share.running + share.queued > 0
        });
        GroupsDoc {
            version: VERSION,
            groups: groups
                .map(|((kind, name), share)| GroupDoc {
                    kind: kind.as_str().to_owned(),
                    name: Untrusted::from(&*name),
                    limit: share.limit,
                    used: share.used,
                    running: share.running,
                    queued: share.queued,
                })
                .collect(),
            open: self.queue.is_open(),
            closed_because: self.closed.why(),
        }
    }
}
