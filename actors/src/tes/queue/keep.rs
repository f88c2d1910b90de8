//! Writes on their way to the store, and what follows when they are durable.

use tsup_core::clock::Wall;
use tsup_core::error::{Exit, UserError};
use tsup_core::ids::JobId;
use tsup_core::limits;
use tsup_core::tes::job::JobState;
use tsup_core::tes::kept::{AttemptEnd, JobRow, NewJob, NextState, Write, Wrote};
use tsup_core::tes::queue::{Event, Parent};

use super::card::{self, Card};
use super::{Accepted, Msg, QueueActor};
use crate::actor::Cx;
use crate::gate::{Lane, Reply};
use crate::store::StoreError;

/// What follows a write.
#[derive(Debug)]
pub(super) enum Then {
    /// A job is in the queue.
    Submitted(Box<NewJob>, Vec<Parent>, Reply<Result<Accepted, UserError>>),
    /// Its attempt may begin.
    Start(JobId, u32),
    /// Its attempt's end may be told, and its slot among the traces given to another one. Kept whole: it is written
    /// again when it could not be.
    Ended(Box<AttemptEnd>, Option<u32>),
    /// The end of a job that had no attempt under way may be told.
    Finished(Box<Write>, JobId, JobState),
    /// It is held back, or released.
    Held(JobId, bool, Reply<Result<bool, UserError>>),
    /// It is in the queue again.
    Requeued(Box<JobRow>, u32, Reply<Result<bool, UserError>>),
    /// These are forgotten.
    Forgotten(Vec<(JobId, JobState)>, Option<Reply<Result<bool, UserError>>>),
}

/// A write that was not made, for whoever asked for it.
fn not_kept(e: &StoreError) -> UserError {
    if matches!(e, StoreError::Unavailable(_) | StoreError::Sync { .. }) {
        return UserError::new(Exit::Failed, format!("what became of this is not known: {e}"))
            .hint("see `tsup ctl jobs`; a submission with --key can be repeated safely");
    }
    UserError::new(Exit::Refused, format!("nothing was changed: {e}"))
        .hint("try again; `tsup status` says how the store is")
        .retry_after(limits::JOBS_KEEP_AGAIN)
}

impl QueueActor {
    /// A write goes with the next batch, which leaves when the messages that wait now are handled.
    pub(super) fn write(&mut self, write: Write, then: Then, cx: &mut Cx<Self>) {
        self.gathered.0.push(write);
        self.gathered.1.push(then);
        if !std::mem::replace(&mut self.flushing, true) && cx.gate().control(Msg::Flush).is_err() {
            self.flush(cx);
        }
    }

    /// The end of an attempt goes to the store.
    pub(super) fn write_end(&mut self, end: AttemptEnd, slot: Option<u32>, cx: &mut Cx<Self>) {
        if let Some(card) = self.cards.get_mut(&end.job) {
            card.ending = true;
        }
        self.write(Write::Ended(Box::new(end.clone())), Then::Ended(Box::new(end), slot), cx);
    }

    /// A write that must not overtake the end of the attempt before: that one may fail, and be made again later.
    pub(super) fn write_after_end(&mut self, job: JobId, write: Write, then: Then, cx: &mut Cx<Self>) {
        match self.cards.get_mut(&job).filter(|card| card.ending) {
            Some(card) => card.set_after_end((write, then)),
            None => self.write(write, then, cx),
        }
    }

    pub(super) fn flush(&mut self, cx: &mut Cx<Self>) {
        self.flushing = false;
        let (writes, thens) = std::mem::take(&mut self.gathered);
        if writes.is_empty() {
            return;
        }
        let batch = self.next_batch;
        self.next_batch += 1;
        self.under_way.insert(batch, thens);
        let (answer, gate) = (self.shared.store.keep(writes), cx.gate().clone());
        cx.spawn(async move {
            let answer = answer.await;
            gate.insist(Lane::Control, Msg::Kept(batch, Some(answer))).await;
        });
    }

    pub(super) fn kept(&mut self, batch: u64, answer: Result<Vec<Wrote>, StoreError>, cx: &mut Cx<Self>) {
        let Some(thens) = self.under_way.remove(&batch) else { return };
        match answer {
            Ok(wrote) => {
                debug_assert_eq!(wrote.len(), thens.len(), "each write has its answer");
                for (then, wrote) in thens.into_iter().zip(wrote) {
                    self.follow(then, wrote, cx);
                }
                if self.again.is_empty() && self.closed.store.take().is_some() {
                    self.reconsider(cx);
                }
            }
            Err(e) => {
                self.closed.store = Some(e.to_string());
                for then in thens {
                    self.failed(then, &e, cx);
                }
                self.reconsider(cx);
                if self.again_timer.is_none() {
                    self.again_timer = Some(cx.after(limits::JOBS_KEEP_AGAIN, Lane::Control, Msg::KeepAgain));
                }
            }
        }
    }

    fn follow(&mut self, then: Then, wrote: Wrote, cx: &mut Cx<Self>) {
        match then {
            Then::Submitted(job, parents, reply) => self.submitted(job, parents, reply, wrote, cx),
            Then::Start(job, attempt) => self.begin(job, attempt, wrote, cx),
            Then::Ended(..) | Then::Finished(..) if wrote != Wrote::Done => {
                tracing::error!(?wrote, "an end could not be written down");
                self.doubted = true;
            }
            Then::Ended(end, slot) => {
                if let Some(slot) = slot {
                    self.slots.put(slot);
                }
                self.end_kept(&end, cx);
            }
            Then::Finished(write, job, state) => {
                if let Write::Finish { failure, .. } = &*write {
                    self.tell_unstarted(job, state, failure.as_deref(), cx);
                }
                self.gone(job, state);
            }
            Then::Held(job, held, mut reply) => {
                if wrote == Wrote::Done {
                    let event = if held { Event::Hold(job) } else { Event::Release(job) };
                    self.step(event, None, cx);
                }
                reply.send(Ok(wrote == Wrote::Done));
            }
            Then::Requeued(row, attempts, mut reply) => {
                self.requeuing.remove(&row.job.id);
                if wrote == Wrote::Done {
                    self.requeued(*row, attempts, cx);
                }
                reply.send(Ok(wrote == Wrote::Done));
            }
            Then::Forgotten(jobs, reply) => {
                for (job, state) in jobs {
                    self.forgetting.remove(&job);
                    if wrote == Wrote::Done {
                        self.count(state, false);
                        // Whoever drops one is told by the answer.
                        if state == JobState::Dead && reply.is_none() {
                            self.tell_forgotten(job);
                        }
                    }
                }
                if let Some(mut reply) = reply {
                    reply.send(Ok(wrote == Wrote::Done));
                }
            }
        }
    }

    /// What a write that was not made means: whoever asked is told, what must be kept is kept later.
    fn failed(&mut self, then: Then, e: &StoreError, cx: &mut Cx<Self>) {
        match then {
            Then::Submitted(job, _, mut reply) => {
                self.came(&job);
                reply.send(Err(not_kept(e)));
            }
            Then::Start(job, _) => self.put_back(job, limits::JOBS_KEEP_AGAIN, cx),
            Then::Held(_, _, mut reply) => reply.send(Err(not_kept(e))),
            Then::Requeued(row, _, mut reply) => {
                self.requeuing.remove(&row.job.id);
                reply.send(Err(not_kept(e)));
            }
            Then::Forgotten(jobs, reply) => {
                for (job, _) in &jobs {
                    self.forgetting.remove(job);
                }
                if let Some(mut reply) = reply {
                    reply.send(Err(not_kept(e)));
                }
            }
            Then::Ended(..) | Then::Finished(..) => self.again.push(then),
        }
    }

    /// Makes writes again that must be made. Where there are none, the store is tried by reading it.
    pub(super) fn keep_again(&mut self, cx: &mut Cx<Self>) {
        self.again_timer = None;
        if self.closed.loading {
            return self.load(cx);
        }
        let again = std::mem::take(&mut self.again);
        if again.is_empty() {
            // An empty batch is answered when the store takes writes again.
            let batch = self.next_batch;
            self.next_batch += 1;
            self.under_way.insert(batch, Vec::new());
            let (answer, gate) = (self.shared.store.keep(Vec::new()), cx.gate().clone());
            cx.spawn(async move {
                let answer = answer.await;
                gate.insist(Lane::Control, Msg::Kept(batch, Some(answer))).await;
            });
            return;
        }
        for then in again {
            let write = match &then {
                Then::Ended(end, _) => Write::Ended(end.clone()),
                Then::Finished(write, ..) => Write::clone(write),
                _ => continue,
            };
            self.write(write, then, cx);
        }
    }

    /// A submission is no longer on its way.
    pub(super) fn came(&mut self, job: &NewJob) {
        self.coming.0 = self.coming.0.saturating_sub(1);
        self.coming.1 = self.coming.1.saturating_sub(card::bytes(job).into());
    }

    fn submitted(
        &mut self,
        mut job: Box<NewJob>,
        mut parents: Vec<Parent>,
        mut reply: Reply<Result<Accepted, UserError>>,
        wrote: Wrote,
        cx: &mut Cx<Self>,
    ) {
        match wrote {
            Wrote::Done => {}
            Wrote::Before { id, same } => {
                self.came(&job);
                return reply.send(Ok(Accepted::Before { id, same }));
            }
            Wrote::IdTaken => {
                job.id = self.draw_id();
                return self.write(Write::Submit(job.clone()), Then::Submitted(job, parents, reply), cx);
            }
            Wrote::Nothing => {
                self.came(&job);
                let what = "the store took a submission and kept nothing";
                return reply.send(Err(UserError::new(Exit::Bug, what)));
            }
        }
        self.came(&job);
        for parent in &mut parents {
            parent.ended = parent.ended.or_else(|| self.recent.0.get(&parent.id).copied());
        }
        let id = job.id;
        self.cards.insert(id, Box::new(Card::of(&job, &mut self.names)));
        self.step(Event::Submitted(card::ticket(&job, None, job.not_before), parents), None, cx);
        self.tell_new(id);
        let now = self.now(id, cx.now());
        if let Some(now) = now {
            reply.send(Ok(Accepted::New(job, now)));
        } else {
            reply.send(Err(UserError::new(Exit::Bug, "a job that came in is not there")));
        }
    }

    fn end_kept(&mut self, end: &AttemptEnd, cx: &mut Cx<Self>) {
        let job = end.job;
        // A short pause is over before the end is durable: then the next attempt has its turn, and is written down now.
        let goes_on = self.queue.state(job) == Some(JobState::Running);
        let mut next = None;
        if let Some(card) = self.cards.get_mut(&job) {
            card.ending = false;
            next = card.take_after_end();
            if !goes_on {
                card.running = None;
            }
        }
        if let Some((write, then)) = next {
            self.write(write, then, cx);
        }
        match end.next {
            NextState::Final(state) => {
                self.tell_ended(end, cx);
                self.gone(job, state);
            }
            NextState::Again(_) | NextState::Same(_) => {
                if matches!(end.next, NextState::Again(_)) {
                    self.tell_ended(end, cx);
                }
                if let Some(state) = self.queue.state(job).filter(|s| *s != JobState::Running) {
                    self.became(job, state);
                }
            }
        }
    }

    /// A job whose attempt did not begin waits for a moment; nothing of it ran.
    pub(super) fn put_back(&mut self, job: JobId, pause: std::time::Duration, cx: &mut Cx<Self>) {
        if let Some(card) = self.cards.get_mut(&job) {
            card.attempt = card.attempt.saturating_sub(1);
            let running = card.running.take();
            if let Some(slot) = running.as_ref().and_then(|running| running.slot()) {
                self.slots.put(slot);
            }
            // Whoever cancels wins over a further attempt: the job ends, and the store is told until it takes it.
            if running.is_some_and(|running| running.stopping) {
                let state = JobState::Cancelled;
                self.remember(job, state);
                let write = Write::Finish { job, state, at: crate::clock::now_wall(), failure: None };
                self.write(write.clone(), Then::Finished(Box::new(write), job, state), cx);
            }
        }
        self.step(Event::NotBegun(job, cx.now() + pause), None, cx);
    }

    pub(super) fn wall_after(pause: std::time::Duration) -> Wall {
        crate::clock::now_wall().plus(pause)
    }
}
