//! Owns: every job that has not ended: what it waits for, when it starts, what follows its attempts.
//! Receives: submissions and wishes of people, ends of attempts, answers of the store.
//! Sends: writes to the store, starts and ends to the actors of attempts, events; answers only what is durable.
//! Bounded by: limits::JOBS_LIVE_MAX jobs, limits::JOBS_LIVE_BYTES_MAX bytes of inputs.
//! Restart: permanent; ends the attempts' actors, reads all from the store, and meets what runs by its traces.
//!
//! - `queue/card.rs`: what is known of a job besides its place in the queue
//! - `queue/keep.rs`: writes on their way, and what follows when they are durable
//! - `queue/run.rs`: starts and ends of attempts
//! - `queue/ask.rs`: what people ask

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use tsup_core::clock::{Mono, Wall};
use tsup_core::error::UserError;
use tsup_core::event::Event as Happened;
use tsup_core::ids::{Generation, JobId};
use tsup_core::limits;
use tsup_core::supervision::backoff::Jitter;
use tsup_core::tes::attempt::{AttemptId, Record};
use tsup_core::tes::job::JobState;
use tsup_core::tes::kept::{JobRow, NewJob, Wrote};
use tsup_core::tes::queue::{Effect, Event, Parent, Queue};
use tsup_core::tes::retry::Ending;
use tsup_core::tes::show::Now;
use tsup_core::wire::doc::jobs::GroupsDoc;

use super::Shared;
use crate::actor::{Actor, Cx, Failure, Timer};
use crate::clock::{now_mono, now_wall};
use crate::gate::{Capacity, Lane, Reply};
use crate::store::{LoadedJobs, StoreError};
use crate::supervisor::Handle;

mod ask;
mod card;
mod keep;
#[cfg(feature = "planted")]
mod planted;
mod run;

pub(super) use card::Card;
use keep::Then;

/// Waiting messages: an end for each job that may run, and submissions that share a commit.
pub(super) const CAPACITY: Capacity = Capacity { control: 32_768, work: 8_192, telemetry: 8 };

/// How an attempt ended, as its actor found.
#[derive(Debug)]
pub(super) struct Ended {
    /// Which.
    pub(super) id: AttemptId,
    /// How.
    pub(super) ending: Ending,
    /// What its shim wrote down.
    pub(super) record: Option<Record>,
    /// What it gave: a JSON object.
    pub(super) outputs: Option<String>,
}

/// What became of a submission.
#[derive(Debug)]
pub(super) enum Accepted {
    /// It is in the queue, durably.
    New(Box<NewJob>, Now),
    /// Its key was used before, for the same or for something else.
    Before {
        /// For this job.
        id: JobId,
        /// Whether the same was asked for.
        same: bool,
    },
}

/// What the queue receives.
pub(super) enum Msg {
    /// What the store had. `None` once taken.
    Loaded(Option<Result<LoadedJobs, StoreError>>),
    /// A job comes in, with how those that it waits for ended. `None` once taken.
    Submit(Option<Box<NewJob>>, Vec<Parent>, Reply<Result<Accepted, UserError>>),
    /// Writes that gathered are handed over.
    Flush,
    /// What became of writes. `None` once taken.
    Kept(u64, Option<Result<Vec<Wrote>, StoreError>>),
    /// Writes that could not be made are made again.
    KeepAgain,
    /// An attempt ended. `None` once taken.
    Ended(Option<Box<Ended>>),
    /// An attempt could not begin, for this error of the system: nothing of it ran.
    NotBegun(AttemptId, i32),
    /// The actor of an attempt crashed; its name in the tree.
    Crashed(Arc<str>),
    /// End a job; answered when it has ended, or at once where there is none that has not.
    Cancel(JobId, Reply<Result<bool, UserError>>),
    /// Hold a job back, or release it.
    Hold(JobId, bool, Reply<Result<bool, UserError>>),
    /// A job that ended is wanted again. `None` once taken.
    Requeue(Option<Box<JobRow>>, u32, Reply<Result<bool, UserError>>),
    /// A dead job is forgotten.
    Drop(JobId, Reply<Result<bool, UserError>>),
    /// Answered when a job has ended, or at once where there is none that has not.
    WaitEnd(JobId, Reply<()>),
    /// What is known of these jobs now.
    Now(Vec<JobId>, Reply<Vec<Option<Now>>>),
    /// The youngest jobs in one of these states, at most so many.
    In(Vec<JobState>, Option<String>, usize, Reply<Vec<JobId>>),
    /// Who shares which limit.
    Groups(Reply<GroupsDoc>),
    /// Start nothing more; answered when nothing runs.
    Drain(Reply<()>),
    /// Start jobs again.
    EndDrain(Reply<bool>),
    /// The limits may have changed: the configuration did, or the registries.
    Limits,
    /// A job's time has come.
    Tick,
    /// Look for jobs that are to be forgotten.
    Retention,
    /// These may be forgotten; their files are gone. Empty when there was none.
    Forgettable(Vec<(JobId, JobState)>),
    /// The files of these are gone.
    FilesGone(Vec<(JobId, JobState)>, Option<Reply<Result<bool, UserError>>>),
}

/// What the queue cannot do now, and why.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Closed {
    loading: bool,
    store: Option<String>,
    drain: bool,
}

impl Closed {
    fn is_open(&self) -> bool {
        *self == Closed::default()
    }

    fn why(&self) -> Option<String> {
        match (self.loading, &self.store, self.drain) {
            (true, ..) => Some("jobs are being read from the store".into()),
            (_, Some(why), _) => Some(format!("no jobs are started: {why}")),
            (.., true) => Some("no jobs are started: it drains; `tsup ctl drain --end` ends that".into()),
            _ => None,
        }
    }
}

/// The actor.
pub(super) struct QueueActor {
    shared: Shared,
    /// The supervisor of the attempts' actors.
    jobs: Handle,
    queue: Queue,
    cards: HashMap<JobId, Card>,
    /// Who waits for the end of which job.
    waiters: HashMap<JobId, Vec<Reply<()>>>,
    /// How jobs ended lately, for submissions on their way that wait for them.
    recent: (HashMap<JobId, JobState>, VecDeque<JobId>),
    last_seq: u64,
    /// Writes that gather, and what follows each.
    gathered: (Vec<tsup_core::tes::kept::Write>, Vec<Then>),
    flushing: bool,
    /// What follows writes that are on their way.
    under_way: HashMap<u64, Vec<Then>>,
    next_batch: u64,
    /// Submissions on their way, for admission: how many, and their bytes.
    coming: (usize, u64),
    /// Writes that could not be made, and must be.
    again: Vec<Then>,
    closed: Closed,
    drains: Vec<Reply<()>>,
    /// Ended jobs that somebody wants again, until that is durable; and those that are being forgotten.
    requeuing: HashSet<JobId>,
    forgetting: HashSet<JobId>,
    /// Whether the store knows something else than this queue.
    doubted: bool,
    /// Jobs by state: those that have not ended as they were told last, and those that have.
    counts: [u64; JobState::ALL.len()],
    /// Those that wait for their turn, by priority, as they were told last.
    depths: [usize; 5],
    timer: Option<(Mono, Timer)>,
    again_timer: Option<Timer>,
    retention: Option<Timer>,
    jitter: Jitter,
    ids: RandomState,
    drawn: u64,
}

impl QueueActor {
    pub(super) fn new(shared: Shared, jobs: Handle) -> Self {
        let ids = RandomState::new();
        let seed = ids.hash_one(now_mono());
        let queue = Queue::new(shared.caps());
        let drain = *shared.draining.borrow();
        QueueActor {
            shared,
            jobs,
            queue,
            cards: HashMap::new(),
            waiters: HashMap::new(),
            recent: (HashMap::new(), VecDeque::new()),
            last_seq: 0,
            gathered: (Vec::new(), Vec::new()),
            flushing: false,
            under_way: HashMap::new(),
            next_batch: 0,
            coming: (0, 0),
            again: Vec::new(),
            closed: Closed { loading: true, drain, ..Closed::default() },
            drains: Vec::new(),
            requeuing: HashSet::new(),
            forgetting: HashSet::new(),
            doubted: false,
            counts: [0; JobState::ALL.len()],
            depths: [0; 5],
            timer: None,
            again_timer: None,
            retention: None,
            jitter: Jitter::seeded(seed),
            ids,
            drawn: 0,
        }
    }

    pub(super) fn card(&self, job: JobId) -> Option<&Card> {
        self.cards.get(&job)
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    fn draw_id(&mut self) -> JobId {
        self.drawn += 1;
        JobId::drawn(self.ids.hash_one((self.drawn, now_mono())))
    }

    /// Takes in what happened, and does what follows. What is told of `quiet` waits until it is durable.
    fn step(&mut self, event: Event, quiet: Option<JobId>, cx: &mut Cx<Self>) {
        let effects = self.queue.step(event, cx.now());
        for effect in effects {
            match effect {
                Effect::Start(job) => self.start(job, cx),
                Effect::Stop(job) => self.stop(job),
                Effect::Became(job, state) if Some(job) != quiet && !state.is_final() => {
                    self.became(job, state);
                }
                Effect::Became(..) => {}
                Effect::Fail(job, why) => self.fail(job, why, cx),
            }
        }
        self.set_timer(cx);
    }

    fn set_timer(&mut self, cx: &mut Cx<Self>) {
        let Some(due) = self.queue.next_due() else { return self.timer = None };
        if self.timer.as_ref().is_some_and(|(at, _)| *at <= due) {
            return;
        }
        let timer = cx.after(due.since(cx.now()), Lane::Control, Msg::Tick);
        self.timer = Some((due, timer));
    }

    /// Opens or closes the queue as things stand.
    fn reconsider(&mut self, cx: &mut Cx<Self>) {
        self.shared.closed.send_if_modified(|why| {
            let now = self.closed.why();
            let changed = *why != now;
            *why = now;
            changed
        });
        if self.closed.is_open() != self.queue.is_open() {
            self.step(Event::Open(self.closed.is_open()), None, cx);
        }
    }

    /// A job's state is told.
    fn became(&mut self, job: JobId, to: JobState) {
        let Some(card) = self.cards.get_mut(&job) else { return };
        let from = std::mem::replace(&mut card.shown, to);
        if from == to && card.told {
            return;
        }
        let from = std::mem::replace(&mut card.told, true).then_some(from);
        let (script, attempt) = (card.job.script.to_string(), card.attempt);
        if let Some(from) = from {
            self.count(from, false);
        }
        self.count(to, true);
        self.shared.bus.publish(Happened::JobState { job, script, from, to, attempt });
    }

    /// A job that has just come in is told as it stands; the queue says nothing of one that is blocked from the
    /// beginning.
    fn tell_new(&mut self, job: JobId) {
        if self.cards.get(&job).is_some_and(|card| !card.told)
            && let Some(state) = self.queue.state(job)
        {
            self.became(job, state);
        }
    }

    fn count(&mut self, state: JobState, more: bool) {
        let at = JobState::ALL.iter().position(|s| *s == state).unwrap_or(0);
        self.counts[at] = if more { self.counts[at] + 1 } else { self.counts[at].saturating_sub(1) };
    }

    fn remember(&mut self, job: JobId, end: JobState) {
        let (ends, order) = &mut self.recent;
        ends.insert(job, end);
        order.push_back(job);
        if order.len() > limits::RECENT_ENDS
            && let Some(oldest) = order.pop_front()
        {
            ends.remove(&oldest);
        }
    }

    /// A job has ended, durably: everybody is told, and it is forgotten here.
    fn gone(&mut self, job: JobId, end: JobState) {
        self.became(job, end);
        self.cards.remove(&job);
        for mut waiter in self.waiters.remove(&job).unwrap_or_default() {
            waiter.send(());
        }
    }

    fn load(&self, cx: &mut Cx<Self>) {
        let (loaded, gate) = (self.shared.store.load_jobs(), cx.gate().clone());
        let (mut shelf, jobs) = (self.shared.shelf.subscribe(), self.jobs.clone());
        cx.spawn(async move {
            // Actors of an earlier incarnation answer to nobody; their attempts are met by their traces.
            for left in jobs.members() {
                let name = left.path().as_str().rsplit('/').next().unwrap_or_default().to_owned();
                let _ = jobs.terminate_child(&name).await;
            }
            // What an attempt gave is read by what its script declares, so these have to be known first.
            let _ = shelf.wait_for(Option::is_some).await;
            let loaded = loaded.await;
            gate.insist(Lane::Control, Msg::Loaded(Some(loaded))).await;
        });
    }

    fn loaded(&mut self, loaded: Result<LoadedJobs, StoreError>, cx: &mut Cx<Self>) {
        let loaded = match loaded {
            Ok(loaded) => loaded,
            Err(e) => {
                self.closed.store = Some(e.to_string());
                self.reconsider(cx);
                self.again_timer = Some(cx.after(limits::JOBS_KEEP_AGAIN, Lane::Control, Msg::KeepAgain));
                return;
            }
        };
        self.last_seq = loaded.last_seq;
        for (state, n) in loaded.counts {
            let at = JobState::ALL.iter().position(|s| *s == state).unwrap_or(0);
            self.counts[at] = n;
        }
        let (mut adopted, live) = (0, loaded.live.len());
        for live in loaded.live {
            adopted += usize::from(self.recovered(live, cx));
        }
        if live > 0 {
            tracing::info!(jobs = live, running = adopted, "jobs were found again");
        }
        self.closed.loading = false;
        self.closed.store = None;
        let ended: Vec<JobId> =
            self.waiters.keys().filter(|job| !self.cards.contains_key(*job)).copied().collect();
        for mut waiter in ended.iter().filter_map(|job| self.waiters.remove(job)).flatten() {
            waiter.send(());
        }
        self.reconsider(cx);
        self.shared.schedules.loaded(loaded.schedules);
        self.shared.loaded.send_replace(true);
        cx.ready();
    }

    /// Answers what must not be answered from a queue that knows no jobs yet. `false` for everything else.
    fn answer_early(&mut self, message: &mut Msg) -> bool {
        let early = || {
            UserError::new(tsup_core::error::Exit::Refused, "jobs are still being read from the store")
                .hint("nothing was changed; try again in a moment")
        };
        match message {
            Msg::WaitEnd(job, reply) => self.waiters.entry(*job).or_default().push(reply.take()),
            Msg::Cancel(_, reply)
            | Msg::Hold(_, _, reply)
            | Msg::Drop(_, reply)
            | Msg::Requeue(_, _, reply) => reply.send(Err(early())),
            _ => return false,
        }
        true
    }

    /// What every message ends with.
    fn settle(&mut self) {
        if !self.closed.loading
            && !self.drains.is_empty()
            && self.queue.running() == 0
            && self.cards.values().all(|c| c.running.is_none())
        {
            for mut reply in self.drains.drain(..) {
                reply.send(());
            }
        }
        let depths = self.queue.depths();
        if depths != self.depths {
            self.depths = depths;
            self.tell_depths(depths);
        }
        let counts = self.counts;
        self.shared.counts.send_if_modified(|now| {
            let changed = *now != counts;
            *now = counts;
            changed
        });
    }
}

impl Actor for QueueActor {
    type Msg = Msg;

    async fn started(&mut self, cx: &mut Cx<Self>) -> Result<(), Failure> {
        // Numbers of batches tell this incarnation's answers from older ones.
        let Generation(generation) = cx.generation();
        self.next_batch = generation << 32;
        self.shared.loaded.send_replace(false);
        self.load(cx);
        cx.spawn(self.shared.clone().follow(cx.gate().clone(), || Msg::Limits));
        self.retention = Some(cx.after(limits::RETENTION_EVERY, Lane::Work, Msg::Retention));
        Ok(())
    }

    async fn handle(&mut self, message: &mut Msg, cx: &mut Cx<Self>) -> Result<(), Failure> {
        if self.closed.loading && self.answer_early(message) {
            return Ok(());
        }
        match message {
            Msg::Loaded(loaded) => {
                if let Some(loaded) = loaded.take() {
                    self.loaded(loaded, cx);
                }
            }
            Msg::Submit(job, parents, reply) => {
                if let Some(job) = job.take() {
                    self.submit(job, std::mem::take(parents), reply.take(), cx);
                }
            }
            Msg::Flush => self.flush(cx),
            Msg::Kept(batch, answer) => {
                if let Some(answer) = answer.take() {
                    self.kept(*batch, answer, cx);
                }
            }
            Msg::KeepAgain => self.keep_again(cx),
            Msg::Ended(ended) => {
                if let Some(ended) = ended.take() {
                    self.ended(*ended, cx);
                }
            }
            Msg::NotBegun(id, errno) => self.not_begun(*id, *errno, cx),
            Msg::Crashed(name) => self.crashed(name, cx),
            Msg::Cancel(job, reply) => self.cancel(*job, reply.take(), cx),
            Msg::Hold(job, held, reply) => self.hold(*job, *held, reply.take(), cx),
            Msg::Requeue(row, attempts, reply) => {
                if let Some(row) = row.take() {
                    self.requeue(row, *attempts, reply.take(), cx);
                }
            }
            Msg::Drop(job, reply) => self.drop_dead(*job, reply.take(), cx),
            Msg::WaitEnd(job, reply) => self.wait_end(*job, reply.take()),
            Msg::Now(jobs, reply) => {
                let now = jobs.iter().map(|job| self.now(*job, cx.now())).collect();
                reply.send(now);
            }
            Msg::In(states, script, limit, reply) => {
                reply.send(self.in_states(states, script.as_deref(), *limit));
            }
            Msg::Groups(reply) => reply.send(self.groups()),
            Msg::Drain(reply) => {
                self.closed.drain = true;
                self.shared.draining.send_replace(true);
                self.drains.retain(Reply::is_wanted);
                self.drains.push(reply.take());
                self.reconsider(cx);
            }
            Msg::EndDrain(reply) => {
                let was = std::mem::take(&mut self.closed.drain);
                self.shared.draining.send_replace(false);
                self.drains.clear();
                self.reconsider(cx);
                reply.send(was);
            }
            Msg::Limits => self.step(Event::Caps(self.shared.caps()), None, cx),
            Msg::Tick => {
                self.timer = None;
                self.step(Event::Tick, None, cx);
            }
            Msg::Retention => self.retention(cx),
            Msg::Forgettable(jobs) => self.forget(std::mem::take(jobs), cx),
            Msg::FilesGone(jobs, reply) => self.files_gone(std::mem::take(jobs), reply.take(), cx),
        }
        self.settle();
        if self.doubted {
            return Err(Failure::new("the store knows another state of a job"));
        }
        Ok(())
    }
}

/// A moment of the wall clock by the monotonic one.
fn mono_of(at: Wall) -> Mono {
    let (now, wall) = (now_mono(), now_wall());
    if at > wall { now + at.since(wall) } else { now - wall.since(at) }
}
