//! Owns: every job that has not ended: what it waits for, when it starts, what follows its attempts.
//! Receives: submissions and wishes of people, ends of attempts, answers of the store.
//! Sends: writes to the store, starts and ends to the actors of attempts, events; answers only what is durable.
//! Bounded by: limits::JOBS_LIVE_MAX jobs, limits::JOBS_LIVE_BYTES_MAX bytes of inputs.
//! Restart: permanent; ends the attempts' actors, reads all from the store, and meets what runs by its traces.
//!
//! - `queue/words.rs`: what it is told, and what it answers
//! - `queue/card.rs`: what is known of a job besides its place in the queue
//! - `queue/keep.rs`: writes on their way, and what follows when they are durable
//! - `queue/load.rs`: the beginning: what the store had
//! - `queue/left.rs`: which attempts have left traces
//! - `queue/run.rs`: starts and ends of attempts
//! - `queue/trouble.rs`: attempts that cannot begin, and why
//! - `queue/ask.rs`: what people ask
//! - `queue/forget.rs`: jobs that are forgotten, with their files

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{BuildHasher as _, RandomState};

use tsup_core::clock::{Mono, Wall};
use tsup_core::event::Event as Happened;
use tsup_core::ids::{Generation, JobId};
use tsup_core::limits;
use tsup_core::supervision::backoff::Jitter;
use tsup_core::tes::job::JobState;
use tsup_core::tes::queue::{Effect, Event, Queue};
use tsup_core::tes::slots::Slots;

use super::{Shared, places, shims};
use crate::actor::{Actor, Cx, Failure, Timer};
use crate::clock::{now_mono, now_wall};
use crate::gate::{Lane, Reply};
use crate::supervisor::Handle;

mod ask;
mod card;
mod forget;
mod keep;
mod left;
mod load;
#[cfg(feature = "planted")]
mod planted;
mod run;
mod trouble;
mod words;

pub(super) use card::Card;
use keep::Then;
pub(super) use words::{Accepted, CAPACITY, Ended, Msg};
use words::{Closed, Removed, Waiter};

/// The actor.
pub(super) struct QueueActor {
    shared: Shared,
    /// The supervisor of the attempts' actors.
    jobs: Handle,
    queue: Queue,
    /// In boxes: the table itself has room for more than there are.
    cards: HashMap<JobId, Box<Card>>,
    /// Who waits for the end of which job.
    waiters: HashMap<JobId, Vec<Waiter>>,
    /// Questions that wait until the jobs are known.
    early: Vec<Msg>,
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
    /// Those that came back since it was looked which may be forgotten.
    revived: HashSet<JobId>,
    /// There are more dead jobs than are kept, and it is looked for them soon.
    crowded: bool,
    /// Those whose files cannot be removed, which was told.
    stuck: HashSet<JobId>,
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
    names: card::Names,
    /// Where each attempt under way leaves its traces.
    slots: Slots,
    /// Counts orders of attempts, those of former incarnations included.
    orders: u64,
    trouble: trouble::Trouble,
    ids: RandomState,
    drawn: u64,
}

impl QueueActor {
    pub(super) fn new(shared: Shared, jobs: Handle) -> Self {
        let ids = RandomState::new();
        let seed = ids.hash_one(now_mono());
        let mut queue = Queue::new(shared.caps());
        // Nothing starts before all that runs is counted.
        let _ = queue.step(Event::Open(false), now_mono());
        let drain = *shared.draining.borrow();
        QueueActor {
            shared,
            jobs,
            queue,
            cards: HashMap::new(),
            waiters: HashMap::new(),
            early: Vec::new(),
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
            revived: HashSet::new(),
            crowded: false,
            stuck: HashSet::new(),
            doubted: false,
            counts: [0; JobState::ALL.len()],
            depths: [0; 5],
            timer: None,
            again_timer: None,
            retention: None,
            jitter: Jitter::seeded(seed),
            names: card::Names::default(),
            slots: Slots::default(),
            orders: 0,
            trouble: trouble::Trouble::default(),
            ids,
            drawn: 0,
        }
    }

    pub(super) fn card(&self, job: JobId) -> Option<&Card> {
        self.cards.get(&job).map(|card| &**card)
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
                // Where there is no place for it, it comes again a moment later.
                Effect::Recall => drop(self.shared.shims.work(shims::Msg::Recall)),
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
        let (script, attempt) = (card.script().to_string(), card.attempt);
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
        self.trouble.forget(job);
        self.cards.remove(&job);
        self.waiters.remove(&job).into_iter().flatten().for_each(Waiter::tell);
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
        cx.spawn(places::clear(self.shared.clone()));
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
                    self.trouble.begun(ended.id.job);
                    self.ended(*ended, cx);
                }
            }
            Msg::NotBegun(id, errno) => {
                // What was called back lacked nothing.
                if *errno == libc::ECANCELED {
                    self.trouble.forget(id.job);
                } else {
                    self.troubled(id.job, *errno, cx);
                }
                self.not_begun(*id, *errno, cx);
            }
            Msg::LookAtPlaces => self.look_at_places(cx),
            Msg::Places(fault) => self.places(fault.take(), cx),
            Msg::Crashed(name) => self.crashed(name, cx),
            Msg::TakeOver(id) => self.take_over(*id, cx),
            Msg::Cancel(job, reply) => self.cancel(*job, reply.take(), cx),
            Msg::Hold(job, held, reply) => self.hold(*job, *held, reply.take(), cx),
            Msg::Requeue(row, attempts, reply) => {
                if let Some(row) = row.take() {
                    self.requeue(row, *attempts, reply.take(), cx);
                }
            }
            Msg::Drop(job, reply) => self.drop_dead(*job, reply.take(), cx),
            Msg::WaitEnd(jobs, others) => others.send(self.wait_ends(jobs)),
            Msg::Now(jobs, reply) => {
                let now = jobs.iter().map(|job| self.now(*job, cx.now())).collect();
                reply.send(now);
            }
            Msg::In(states, script, limit, reply) => {
                reply.send(self.in_states(states, script.as_deref(), *limit));
            }
            Msg::Select(which, reply) => reply.send(self.select(which)),
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
        self.make_room(cx);
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
