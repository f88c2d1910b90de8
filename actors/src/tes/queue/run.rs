//! Starts and ends of attempts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tsup_core::clock::Wall;
use tsup_core::ids::JobId;
use tsup_core::limits;
use tsup_core::tes::attempt::{AttemptId, Record};
use tsup_core::tes::failure::{Category, Failure};
use tsup_core::tes::job::JobState;
use tsup_core::tes::kept::{AttemptEnd, Live, NextState, Write, Wrote};
use tsup_core::tes::queue::{After, Event, Parent, Why};
use tsup_core::tes::retry::{self, Ending, Next};

use super::card::{self, Card, Running};
use super::keep::Then;
use super::{Ended, Msg, QueueActor};
use crate::actor::{Cx, blocking};
use crate::clock::now_wall;
use crate::gate::{Gate, Lane};
use crate::supervisor::child;
use crate::tes::job::{self, JobActor, Task};
use crate::tes::shims;

impl QueueActor {
    /// An attempt is to start: that is written down first.
    pub(super) fn start(&mut self, job: JobId, cx: &mut Cx<Self>) {
        let Some(card) = self.cards.get_mut(&job) else { return };
        card.attempt += 1;
        // There is one for each that may run and a margin; where the margin is used up, ends are being written.
        let Some(slot) = self.slots.take() else { return self.put_back(job, limits::JOBS_KEEP_AGAIN, cx) };
        self.orders += 1;
        let (attempt, at) = (card.attempt, now_wall());
        let boot_id = Arc::clone(&self.shared.boot_id);
        let started_in = Arc::clone(&boot_id);
        card.running = Some(Box::new(Running {
            at: Some(at),
            since: cx.now(),
            gate: None,
            stopping: false,
            started_in,
            wanted: None,
            traces: job::Place::Slot(slot),
            order: self.orders,
            crashes: (0, cx.now()),
        }));
        let then = Then::Start(job, attempt);
        #[cfg(feature = "planted")]
        let then = if crate::planted::is(crate::planted::Bug::SpawnBeforeJournal) {
            self.begin(job, attempt, Wrote::Done, cx);
            Then::Forgotten(Vec::new(), None)
        } else {
            then
        };
        self.write_after_end(job, Write::Starting { job, attempt, boot_id, at, slot }, then, cx);
    }

    /// Its start is durable: its actor takes over.
    pub(super) fn begin(&mut self, job: JobId, attempt: u32, wrote: Wrote, cx: &mut Cx<Self>) {
        if wrote != Wrote::Done {
            // The store knows better than this queue, which reads it again. Nothing is started on its word.
            tracing::error!(%job, ?wrote, "an attempt could not be written down");
            self.doubted = true;
            return;
        }
        let is_meant = |card: &&mut Box<Card>| card.attempt == attempt && card.running.is_some();
        let Some(card) = self.cards.get_mut(&job).filter(is_meant) else { return };
        // Neither a pause nor a delay is waiting for a turn.
        let since = card.again_at().unwrap_or(card.submitted_at).max(card.not_before().unwrap_or_default());
        card.set_again_at(None);
        let wait = now_wall().since(since);
        self.shared.metrics.waited(card.priority, wait);
        self.tell_started(job, cx);
        self.became(job, JobState::Running);
        let boot_id = Arc::clone(&self.shared.boot_id);
        self.run(job, boot_id, true, cx);
    }

    /// Starts the actor of an attempt. One that is `fresh` was never ordered.
    fn run(&mut self, job: JobId, started_in: Arc<str>, fresh: bool, cx: &mut Cx<Self>) {
        let Some(card) = self.cards.get_mut(&job) else { return };
        let id = card::attempt_id(job, card.attempt);
        let (script, inputs, timeout) =
            (Arc::clone(card.script()), card.inputs().map(Into::into), card.timeout());
        let Some(running) = card.running.as_mut() else { return };
        let task = Arc::new(Task {
            id,
            script,
            inputs,
            timeout,
            started_in,
            traces: running.traces,
            order: running.order,
            slots: self.queue.slots_of(job),
            within: self.queue.slots(),
        });
        let name = card::child_id(job);
        let gate: Gate<job::Msg> = Gate::with_capacity(self.jobs.path().child(&name), job::CAPACITY);
        running.gate = Some(gate.clone());
        let wanted = Arc::new(());
        let is_wanted = Arc::downgrade(&wanted);
        running.wanted = Some(wanted);
        let (shared, stopping) = (self.shared.clone(), running.stopping);
        let made = Arc::new(AtomicBool::new(false));
        let making = Arc::clone(&made);
        let make = move || {
            making.store(true, Ordering::Release);
            JobActor::new(shared.clone(), Arc::clone(&task), fresh, stopping)
        };
        let spec = child(&name, gate, make).temporary();
        let (jobs, queue) = (self.jobs.clone(), cx.gate().clone());
        cx.spawn(async move {
            // One of an attempt before may still be on its way out; it ends by itself, and soon.
            for _ in 0..limits::JOB_ACTOR_TRIES {
                let Err(e) = jobs.start_child(spec.clone()).await else { return };
                // Whoever was started though nobody answered in time is there, or has been; and an attempt that
                // is over, or that another actor has by now, needs none.
                if made.load(Ordering::Acquire) || is_wanted.strong_count() == 0 {
                    return;
                }
                tracing::debug!(%job, error = %e, "the actor of an attempt does not start yet");
                tokio::time::sleep(limits::CLAIM_LOOK_AGAIN).await;
            }
            tracing::error!(%job, "the actor of an attempt does not start; it is tried on");
            queue.insist(Lane::Control, Msg::Crashed(name.into())).await;
        });
    }

    /// The actor of an attempt crashed: another one takes over what it finds, later each time. What makes one crash again and
    /// again is on disk, and stays there.
    pub(super) fn crashed(&mut self, name: &str, cx: &mut Cx<Self>) {
        let Ok(job) = name.parse::<JobId>() else { return };
        let now = cx.now();
        let is_running = self.queue.state(job) == Some(JobState::Running);
        let Some(card) = self.cards.get_mut(&job).filter(|_| is_running) else { return };
        let id = card::attempt_id(job, card.attempt);
        // An attempt whose start is not durable yet has no actor that could have crashed.
        let Some(running) = card.running.as_mut().filter(|r| r.gate.is_some()) else { return };
        let (crashes, last) = running.crashes;
        let crashes = if now.since(last) < limits::JOB_ACTOR_CALM { crashes + 1 } else { 1 };
        running.crashes = (crashes, now);
        tracing::warn!(%job, crashes, "the actor of an attempt crashed");
        match crashes {
            1 => self.take_over(id, cx),
            n if n < limits::JOB_ACTOR_CRASHES => {
                let pause = limits::JOBS_KEEP_AGAIN * (1 << (n - 2));
                cx.after(pause, Lane::Control, Msg::TakeOver(id)).detach();
            }
            _ => self.give_up(id, cx),
        }
    }

    pub(super) fn take_over(&mut self, id: AttemptId, cx: &mut Cx<Self>) {
        let is_running = self.queue.state(id.job) == Some(JobState::Running);
        let card = self.cards.get(&id.job).filter(|card| is_running && card.attempt == id.attempt);
        let Some(running) = card.and_then(|card| card.running.as_ref()) else { return };
        let started_in = Arc::clone(&running.started_in);
        self.run(id.job, started_in, false, cx);
    }

    /// Ends an attempt whose actor crashes on whatever it finds, with all that runs of it.
    fn give_up(&self, id: AttemptId, cx: &mut Cx<Self>) {
        tracing::error!(job = %id.job, "what an attempt left cannot be read; it ends");
        let (gate, shims) = (cx.gate().clone(), self.shared.shims.clone());
        cx.spawn(async move {
            let _ = shims.control(shims::Msg::Over(id));
            let left = blocking(move || job::end_strays(id, None)).await.unwrap_or_default();
            let failure = job::lost("tsup could not read what it left", left);
            let ended = Ended { id, ending: Ending::Interrupted(failure), record: None, outputs: None };
            gate.insist(Lane::Control, Msg::Ended(Some(Box::new(ended)))).await;
        });
    }

    pub(super) fn stop(&mut self, job: JobId) {
        let Some(running) = self.cards.get_mut(&job).and_then(|c| c.running.as_mut()) else { return };
        running.stopping = true;
        if let Some(gate) = &running.gate
            && gate.control(job::Msg::Cancel).is_err()
        {
            tracing::error!(%job, "a job was to end, and its actor is overloaded");
        }
    }

    /// A job ends that has no attempt under way.
    pub(super) fn fail(&mut self, job: JobId, why: Why, cx: &mut Cx<Self>) {
        let state = why.state();
        let failure = match why {
            Why::Cancelled => None,
            Why::Expired => Some(self.expired(job)),
            Why::Parent(parent) => Some(self.in_vain(parent)),
        };
        self.remember(job, state);
        let write = Write::Finish { job, state, at: now_wall(), failure: failure.map(Box::new) };
        self.write_after_end(job, write.clone(), Then::Finished(Box::new(write), job, state), cx);
    }

    fn expired(&self, job: JobId) -> Failure {
        let waited = self.cards.get(&job).map_or(Duration::ZERO, |c| now_wall().since(c.submitted_at));
        let failure = Failure::new(
            Category::Timeout,
            format!("it waited in the queue for {} s and has not started", waited.as_secs()),
        );
        failure
            .suggest("see `tsup ctl groups` for what keeps jobs waiting, or raise `[tes] slots`")
            .suggest("raise `execution.queue_timeout_seconds` in the registry")
    }

    fn in_vain(&self, parent: JobId) -> Failure {
        let end = self.recent.0.get(&parent).map_or_else(|| "otherwise".to_owned(), ToString::to_string);
        Failure::new(Category::Dependency, format!("job {parent}, which it waited for, ended {end}"))
            .fact("job", parent.to_string())
            .suggest(format!("see `tsup ctl job {parent}`, then submit this one again"))
    }

    /// An attempt ended. Its slot is free at once; what is told of it waits until it is durable.
    pub(super) fn ended(&mut self, ended: Ended, cx: &mut Cx<Self>) {
        let Ended { id, ending, record, outputs } = ended;
        let job = id.job;
        let is_running = self.queue.state(job) == Some(JobState::Running);
        let Some(card) = self.cards.get(&job).filter(|c| is_running && c.attempt == id.attempt) else {
            return;
        };
        let Some(running) = &card.running else { return };
        let took = record.as_ref().map_or_else(
            || cx.now().since(running.since),
            |r| Duration::try_from_secs_f64(r.wall_seconds).unwrap_or_default(),
        );
        let (stopping, slot) = (running.stopping, running.slot());
        let at = ended_at(record.as_ref(), running.at.unwrap_or(card.submitted_at), now_wall());
        let mut policy = self.shared.script(card.script()).retry.clone();
        policy.max_attempts = card.max_attempts;
        let (next, retry) = retry::next(&policy, id.attempt, &ending, &mut self.jitter);
        let (next, after) = match next {
            // Whoever cancels wins over a further attempt.
            Next::Again(_) if stopping => both(JobState::Cancelled),
            Next::Final(state) => both(state),
            Next::Again(pause) => (NextState::Again(Self::wall_after(pause)), After::Again(cx.now() + pause)),
        };
        let failure = match ending {
            Ending::Succeeded | Ending::Cancelled => None,
            Ending::Failed(failure) | Ending::Interrupted(failure) => Some(failure),
        };
        match next {
            NextState::Final(state) => self.remember(job, state),
            NextState::Again(at) | NextState::Same(at) => self.set_again_at(job, at),
        }
        let end = AttemptEnd { job, attempt: id.attempt, at, record, failure, retry, outputs, next };
        self.write_end(end, slot, cx);
        self.step(Event::Ended { job, took, next: after }, Some(job), cx);
    }

    fn set_again_at(&mut self, job: JobId, at: Wall) {
        if let Some(card) = self.cards.get_mut(&job) {
            card.set_again_at(Some(at));
        }
    }

    /// An attempt that was written down could not begin: the system has no room for a process now, or it was called back.
    pub(super) fn not_begun(&mut self, id: AttemptId, errno: i32, cx: &mut Cx<Self>) {
        let job = id.job;
        let is_running = self.queue.state(job) == Some(JobState::Running);
        let Some(card) = self.cards.get_mut(&job).filter(|c| is_running && c.attempt == id.attempt) else {
            return;
        };
        let called_back = errno == libc::ECANCELED;
        if !called_back {
            let e = std::io::Error::from_raw_os_error(errno);
            tracing::warn!(%job, error = %e, "an attempt could not begin and is tried again");
        }
        let stopping = card.running.as_ref().is_some_and(|r| r.stopping);
        // Nothing of it is there that anybody will look for. A slot that is somebody else's stays so.
        let slot = card.running.as_ref().and_then(|r| r.slot()).filter(|_| errno != libc::EBUSY);
        if let Some(slot) = slot {
            self.slots.put(slot);
        }
        let pause = if called_back { Duration::ZERO } else { limits::ATTEMPT_BEGIN_AGAIN };
        card.attempt = card.attempt.saturating_sub(1);
        let next = if stopping {
            self.remember(job, JobState::Cancelled);
            NextState::Final(JobState::Cancelled)
        } else {
            let at = Self::wall_after(pause);
            card.set_again_at(Some(at));
            NextState::Same(at)
        };
        let end = AttemptEnd {
            job,
            attempt: id.attempt,
            at: now_wall(),
            record: None,
            failure: None,
            retry: None,
            outputs: None,
            next,
        };
        self.write_end(end, None, cx);
        self.step(Event::NotBegun(job, cx.now() + pause), Some(job), cx);
    }

    /// A job that the store had. Answers whether an attempt of it is under way, of which no traces are when it `is_lost`.
    pub(super) fn recovered(&mut self, live: Live, is_lost: bool, cx: &mut Cx<Self>) -> bool {
        let Live { mut job, attempt, starting_in, slot, again_at, mut parents } = live;
        let id = job.id;
        // A clock that is behind makes a pause of years.
        let again_at = again_at.map(|at| at.min(now_wall().plus(limits::RETRY_AFTER_MAX)));
        if attempt > 0 || again_at.is_some() {
            // Patience, time and the ends of others were for its first start.
            (job.start_by, job.not_before) = (None, None);
            parents.clear();
        }
        let mut card = Box::new(Card::of(&job, &mut self.names));
        card.attempt = attempt;
        card.set_again_at(again_at);
        card.shown = if starting_in.is_some() { JobState::Running } else { JobState::Queued };
        card.told = true;
        self.count(card.shown, true);
        let not_before = again_at.into_iter().chain(job.not_before).max();
        let waited_since = job.not_before.map_or(job.submitted_at, |at| at.max(job.submitted_at));
        let ticket = card::ticket(&job, Some(waited_since), not_before);
        let Some(boot) = starting_in else {
            self.cards.insert(id, card);
            let parents = parents.into_iter().map(|(id, edge, ended)| Parent { id, edge, ended }).collect();
            self.step(Event::Submitted(ticket, parents), None, cx);
            return false;
        };
        let started_in: Arc<str> = boot.into();
        let boot = Arc::clone(&started_in);
        let traces = match slot {
            // All that told of it is gone: it may have run.
            _ if is_lost && started_in == self.shared.boot_id => job::Place::Gone,
            Some(slot) => job::Place::Slot(slot),
            None => self.slots.take().map_or(job::Place::Gone, job::Place::Slot),
        };
        self.orders += 1;
        card.running = Some(Box::new(Running {
            at: None,
            since: cx.now(),
            gate: None,
            stopping: false,
            started_in,
            wanted: None,
            traces,
            order: self.orders,
            crashes: (0, cx.now()),
        }));
        self.cards.insert(id, card);
        self.step(Event::Adopted(ticket), None, cx);
        self.run(id, boot, false, cx);
        true
    }
}

/// When an attempt ended: as its shim saw it, which may have been while no supervisor was there. Never before it could
/// have begun, nor later than now, whatever a script wrote there or somebody did to the clock.
fn ended_at(record: Option<&Record>, since: Wall, now: Wall) -> Wall {
    record.map_or(now, |r| r.ended_at.max(since).min(now))
}

fn both(state: JobState) -> (NextState, After) {
    (NextState::Final(state), After::Final(state))
}
