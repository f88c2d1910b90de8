//! The way to an actor: three bounded lanes that outlive it.
//!
//! An actor's mailbox in ractor is unbounded and has one order. Here it carries only a wake; messages
//! wait in the lanes of a [`Gate`], which the actor drains by class: control before work before
//! telemetry. The lanes belong to the gate, not to the actor, so a crash costs at most the message in
//! hand, and that one is delivered once more before it is set aside.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use ractor::ActorRef;
use tokio::sync::oneshot;
use tsup_core::ids::ActorPath;
use tsup_core::limits;
use tsup_core::wire::doc::MailboxDoc;

mod lane;

pub(crate) use lane::Envelope;
use lane::LaneQueue;

/// The class of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Deaths, stops, timers, requests of a person. Has its own reserve and is never displaced.
    Control,
    /// What can be refused and asked again.
    Work,
    /// What may be lost, oldest first, and is counted.
    Telemetry,
}

/// How many messages may wait in each lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Control messages.
    pub control: usize,
    /// Work messages.
    pub work: usize,
    /// Telemetry messages.
    pub telemetry: usize,
}

impl Default for Capacity {
    fn default() -> Self {
        Capacity { control: limits::LANE_CONTROL, work: limits::LANE_WORK, telemetry: limits::LANE_TELEMETRY }
    }
}

/// The lane is full. The message comes back, so that nothing is lost in silence.
#[derive(thiserror::Error)]
#[error("mailbox of {path} is full, try again in {} ms", retry_after.as_millis())]
pub struct Full<M> {
    /// What was refused.
    pub message: M,
    /// Whose mailbox.
    pub path: ActorPath,
    /// When to try again.
    pub retry_after: Duration,
}

impl<M> fmt::Debug for Full<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Full({})", self.path)
    }
}

/// Why a call has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The lane is full.
    #[error("{0} is overloaded")]
    Full(ActorPath),
    /// No answer in time.
    #[error("{0} did not answer in time")]
    Timeout(ActorPath),
    /// The actor let the question go.
    #[error("{0} dropped the question")]
    Dropped(ActorPath),
    /// Nobody is there.
    #[error("nobody is there to answer")]
    Vacant,
}

/// The ractor message: look into your lanes.
#[derive(Debug)]
pub(crate) struct Wake;

struct Inner<M> {
    path: ActorPath,
    control: LaneQueue<M>,
    work: LaneQueue<M>,
    telemetry: LaneQueue<M>,
    /// A message that was in hand when its actor died; a leaf lock, held for one move.
    again: Mutex<Option<Envelope<M>>>,
    /// Set while a wake is on its way, so that a full lane costs one wake, not one for each message.
    woken: AtomicBool,
    /// The incarnation of now; a leaf lock, read for one wake.
    target: RwLock<Option<ActorRef<Wake>>>,
    refused: AtomicU64,
    dropped: AtomicU64,
}

/// Sends to one actor, over all its incarnations. Cheap to clone.
pub struct Gate<M> {
    inner: Arc<Inner<M>>,
}

impl<M> Clone for Gate<M> {
    fn clone(&self) -> Self {
        Gate { inner: Arc::clone(&self.inner) }
    }
}

impl<M> fmt::Debug for Gate<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gate({})", self.inner.path)
    }
}

impl<M: Send + 'static> Gate<M> {
    /// A gate with the usual capacities.
    pub fn new(path: ActorPath) -> Self {
        Self::with_capacity(path, Capacity::default())
    }

    /// A gate with its own capacities.
    pub fn with_capacity(path: ActorPath, capacity: Capacity) -> Self {
        Gate {
            inner: Arc::new(Inner {
                path,
                control: LaneQueue::new(capacity.control),
                work: LaneQueue::new(capacity.work),
                telemetry: LaneQueue::new(capacity.telemetry),
                again: Mutex::new(None),
                woken: AtomicBool::new(false),
                target: RwLock::new(None),
                refused: AtomicU64::new(0),
                dropped: AtomicU64::new(0),
            }),
        }
    }

    /// Whose gate it is.
    pub fn path(&self) -> &ActorPath {
        &self.inner.path
    }

    /// Sends a control message. Control has its own reserve and is never displaced.
    pub fn control(&self, message: M) -> Result<(), Full<M>> {
        self.push(&self.inner.control, message)
    }

    /// Sends a work message, or gives it back when the lane is full.
    pub fn work(&self, message: M) -> Result<(), Full<M>> {
        self.push(&self.inner.work, message)
    }

    /// Sends a telemetry message; when the lane is full the oldest goes, and is counted.
    pub fn telemetry(&self, mut message: M) {
        let lane = &self.inner.telemetry;
        while let Err(back) = lane.push(message) {
            message = back;
            // Another sender may have emptied it meanwhile; then there is nothing to count.
            if lane.pop().is_some() || lane.capacity == 0 {
                self.inner.dropped.fetch_add(1, Ordering::Relaxed);
            }
            if lane.capacity == 0 {
                return;
            }
        }
        self.wake();
    }

    /// Sends by class.
    pub fn send(&self, lane: Lane, message: M) -> Result<(), Full<M>> {
        match lane {
            Lane::Control => self.control(message),
            Lane::Work => self.work(message),
            Lane::Telemetry => {
                self.telemetry(message);
                Ok(())
            }
        }
    }

    /// Sends, and again while there is no room: for the tasks of an actor, whose own messages it waits for and
    /// must not lose. The pause is a pace; what ends the waiting is room.
    pub async fn insist(&self, lane: Lane, message: M) {
        if let Err(full) = self.send(lane, message) {
            // In a box: there nearly always is room, and whoever waits to say something keeps a place for this.
            Box::pin(self.insist_on(lane, full)).await;
        }
    }

    async fn insist_on(&self, lane: Lane, mut full: Full<M>) {
        loop {
            tokio::time::sleep(full.retry_after).await;
            match self.send(lane, full.message) {
                Ok(()) => return,
                Err(again) => full = again,
            }
        }
    }

    /// Asks and waits for the answer, at most `timeout`. Calls go down the tree, never up.
    pub async fn call<R: Send + 'static>(
        &self,
        lane: Lane,
        timeout: Duration,
        make: impl FnOnce(Reply<R>) -> M + Send,
    ) -> Result<R, CallError> {
        let (tx, rx) = oneshot::channel();
        if self.send(lane, make(Reply(Some(tx)))).is_err() {
            return Err(CallError::Full(self.inner.path.clone()));
        }
        match tokio::time::timeout(timeout, rx).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(CallError::Dropped(self.inner.path.clone())),
            Err(_) => Err(CallError::Timeout(self.inner.path.clone())),
        }
    }

    /// Waiting messages, as shown in the tree.
    pub fn mailbox(&self) -> MailboxDoc {
        let i = &self.inner;
        let lanes = [&i.control, &i.work, &i.telemetry];
        let depth: usize = lanes.iter().map(|l| l.depth()).sum();
        MailboxDoc {
            depth: depth as u64,
            capacity: lanes.iter().map(|l| l.capacity as u64).sum(),
            refused: i.refused.load(Ordering::Relaxed),
            dropped: i.dropped.load(Ordering::Relaxed),
        }
    }

    fn push(&self, lane: &LaneQueue<M>, message: M) -> Result<(), Full<M>> {
        match lane.push(message) {
            Ok(()) => {
                self.wake();
                Ok(())
            }
            Err(message) => {
                self.inner.refused.fetch_add(1, Ordering::Relaxed);
                let path = self.inner.path.clone();
                Err(Full { message, path, retry_after: limits::LANE_RETRY_AFTER })
            }
        }
    }

    /// Wakes the actor unless a wake is on its way already.
    pub(crate) fn wake(&self) {
        if self.inner.woken.swap(true, Ordering::AcqRel) {
            return;
        }
        self.send_wake();
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that sends to a ractor mailbox: a wake")]
    fn send_wake(&self) {
        if let Some(target) = self.inner.target.read().as_ref() {
            // A dead target is replaced by its supervisor, and the new one wakes itself.
            let _ = target.send_message(Wake);
        }
    }

    /// Called by a new incarnation: messages that waited meanwhile are announced to it.
    pub(crate) fn attach(&self, actor: ActorRef<Wake>) {
        *self.inner.target.write() = Some(actor);
        self.inner.woken.store(true, Ordering::Release);
        self.send_wake();
    }

    /// Called when the drain begins: whoever pushes from now on sends a wake. A swap, not a store: it takes
    /// part in the order of the senders' swaps, so that a message whose sender still found the old wake is
    /// seen by the drain that follows. A store could be passed by the reads of the lanes.
    pub(crate) fn begin_drain(&self) {
        self.inner.woken.swap(false, Ordering::AcqRel);
    }

    /// The next message by class; one that was in hand at a death comes first.
    pub(crate) fn next(&self) -> Option<Envelope<M>> {
        let again = self.inner.again.lock().take();
        again
            .or_else(|| self.inner.control.pop())
            .or_else(|| self.inner.work.pop())
            .or_else(|| self.inner.telemetry.pop())
    }

    /// Whether anything waits.
    pub(crate) fn is_empty(&self) -> bool {
        let i = &self.inner;
        [&i.control, &i.work, &i.telemetry].into_iter().all(|lane| lane.depth() == 0)
    }

    /// Holds a message while it is handled.
    pub(crate) fn hold(&self, envelope: Envelope<M>) -> InHand<'_, M> {
        InHand { gate: self, envelope: Some(envelope) }
    }
}

/// A message in hand. Unless it is done, its end counts as the death of its actor: the message is
/// delivered once more, and after [`limits::MESSAGE_DEATHS_MAX`] deaths set aside.
pub(crate) struct InHand<'a, M: Send + 'static> {
    gate: &'a Gate<M>,
    envelope: Option<Envelope<M>>,
}

impl<M: Send + 'static> InHand<'_, M> {
    pub(crate) fn message(&mut self) -> &mut M {
        &mut self.envelope.as_mut().expect("a message in hand is there until it is done").message
    }

    pub(crate) fn done(mut self) {
        self.envelope = None;
    }
}

impl<M: Send + 'static> Drop for InHand<'_, M> {
    fn drop(&mut self) {
        let Some(mut envelope) = self.envelope.take() else { return };
        envelope.deaths += 1;
        if envelope.deaths >= limits::MESSAGE_DEATHS_MAX {
            self.gate.inner.dropped.fetch_add(1, Ordering::Relaxed);
            tracing::error!(actor = %self.gate.path(), "message set aside: it ended its actor twice");
        } else {
            *self.gate.inner.again.lock() = Some(envelope);
        }
    }
}

/// Where an answer goes. Sending it twice, or to somebody who no longer waits, does nothing.
#[derive(Debug)]
pub struct Reply<R>(Option<oneshot::Sender<R>>);

impl<R> Default for Reply<R> {
    fn default() -> Self {
        Reply(None)
    }
}

impl<R> Reply<R> {
    /// A reply and the end at which its answer arrives.
    pub fn channel() -> (Self, oneshot::Receiver<R>) {
        let (tx, rx) = oneshot::channel();
        (Reply(Some(tx)), rx)
    }

    /// Answers.
    pub fn send(&mut self, answer: R) {
        if let Some(tx) = self.0.take() {
            let _ = tx.send(answer);
        }
    }

    /// Whether somebody still waits for the answer. A message that comes once more after a crash has lost
    /// its asker when the reply was moved out before.
    pub fn is_wanted(&self) -> bool {
        self.0.as_ref().is_some_and(|tx| !tx.is_closed())
    }

    /// Moves the reply out, to answer later.
    pub fn take(&mut self) -> Self {
        Reply(self.0.take())
    }
}
