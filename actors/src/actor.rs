//! What an actor is here: a state, a message type, and a handler that never waits.
//!
//! An [`Actor`] is run by a thin shell on ractor. The shell's mailbox carries only wakes; messages
//! come from the actor's [`Gate`] by class. Each life of an actor is an incarnation with its own
//! generation; the timers and tasks of an incarnation end with it.

use std::any::Any;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::Duration;

use ractor::{ActorCell, ActorProcessingErr, ActorRef};
use tokio::task::{AbortHandle, JoinSet};
use tsup_core::clock::Mono;
use tsup_core::ids::{ActorPath, Generation};
use tsup_core::limits::MESSAGES_PER_WAKE;

use crate::clock::now_mono;
use crate::gate::{Gate, Lane, Wake};

/// An actor's way to say that it cannot go on; its supervisor decides what follows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Failure(pub String);

impl Failure {
    /// A failure with its reason in words.
    pub fn new(why: impl Into<String>) -> Self {
        Failure(why.into())
    }
}

/// Something that runs under a supervisor. Decisions belong in `tsup-core`; this is decode, step,
/// perform. A handler does not wait for tmux, disk, DNS or a child: it uses [`Cx::offload`],
/// [`Cx::spawn`] and messages.
pub trait Actor: Send + Sized + 'static {
    /// What it receives.
    type Msg: Send + 'static;

    /// The first thing an incarnation does, before any message.
    fn started(&mut self, cx: &mut Cx<Self>) -> impl Future<Output = Result<(), Failure>> + Send {
        let _ = cx;
        async { Ok(()) }
    }

    /// Handles one message. It stays in the shell's hand: when the handler panics, the next
    /// incarnation gets it once more. Take out of it what is needed.
    fn handle(
        &mut self,
        message: &mut Self::Msg,
        cx: &mut Cx<Self>,
    ) -> impl Future<Output = Result<(), Failure>> + Send;

    /// The last thing of an ordered stop, within the child's shutdown deadline. It is not run after a
    /// crash: correctness must not depend on it.
    fn stopping(&mut self, cx: &mut Cx<Self>) -> impl Future<Output = ()> + Send {
        let _ = cx;
        async {}
    }
}

/// What an incarnation knows about itself, and its way to do things later.
pub struct Cx<A: Actor> {
    gate: Gate<A::Msg>,
    cell: ActorCell,
    generation: Generation,
    tasks: JoinSet<()>,
    /// The panic of a task of this incarnation: whoever waits for it would wait for ever.
    broken: Arc<OnceLock<Failure>>,
    ready: Option<Ready>,
    stopping: bool,
}

/// Told once by an incarnation when its start is complete.
pub type Ready = Box<dyn FnOnce() + Send>;

impl<A: Actor> Cx<A> {
    /// The actor's own gate.
    pub fn gate(&self) -> &Gate<A::Msg> {
        &self.gate
    }

    /// Its place in the tree.
    pub fn path(&self) -> &ActorPath {
        self.gate.path()
    }

    /// Which incarnation this is.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// The monotonic moment of now.
    pub fn now(&self) -> Mono {
        now_mono()
    }

    /// Sends `message` to this actor after `delay`, unless the timer is dropped before.
    pub fn after(&mut self, delay: Duration, lane: Lane, message: A::Msg) -> Timer {
        let gate = self.gate.clone();
        let abort = self.spawn(async move {
            tokio::time::sleep(delay).await;
            gate.insist(lane, message).await;
        });
        Timer { abort: Some(abort) }
    }

    /// Runs a task that ends with this incarnation. If it panics, so does the incarnation: it may be
    /// waiting for what the task would have told.
    pub fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        while self.tasks.try_join_next().is_some() {}
        let (broken, gate) = (Arc::clone(&self.broken), self.gate.clone());
        // In a box: what a future pins of what it was given has its place in it twice.
        let mut task = Box::pin(task);
        self.tasks.spawn(async move {
            if let Err(panic) = caught(task.as_mut()).await {
                let _ = broken.set(Failure(format!("its work panicked: {}", words_of(panic))));
                gate.wake();
            }
        })
    }

    /// Runs something that blocks on a thread of its own; what comes of it arrives as a control message,
    /// unless this incarnation has ended by then. What the thread does is not called off by that. A panic
    /// there is a panic here, as of any task.
    pub fn offload<T: Send + 'static>(
        &mut self,
        work: impl FnOnce() -> T + Send + 'static,
        message: impl FnOnce(T) -> A::Msg + Send + 'static,
    ) {
        let gate = self.gate.clone();
        self.spawn(async move {
            if let Some(out) = blocking(work).await {
                // The result of work asked for must not be lost, so it has the reserve to itself.
                gate.insist(Lane::Control, message(out)).await;
            }
        });
    }

    /// Tells the supervisor that the start is complete: the backoff begins anew.
    pub fn ready(&mut self) {
        if let Some(ready) = self.ready.take() {
            ready();
        }
    }

    /// Ends this actor normally after the message in hand.
    pub fn stop(&mut self) {
        self.stopping = true;
        self.cell.stop(None);
    }
}

/// Runs something on a thread that may block. Its panic goes on in the caller; `None` when the runtime ends.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(out) => Some(out),
        Err(e) => match e.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => None,
        },
    }
}

/// A message to come. Dropping it calls it off.
#[derive(Debug)]
#[must_use = "a timer that is dropped is called off"]
pub struct Timer {
    abort: Option<AbortHandle>,
}

impl Timer {
    /// Lets the timer run without being held; it still ends with its incarnation.
    pub fn detach(mut self) {
        self.abort = None;
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if let Some(abort) = &self.abort {
            abort.abort();
        }
    }
}

/// A future in a box.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What a supervisor gives an incarnation to begin with.
pub struct Start {
    /// The supervisor it is linked to.
    pub supervisor: ActorCell,
    /// Which incarnation it is.
    pub generation: Generation,
    /// To be told when the start is complete.
    pub ready: Ready,
}

/// Starts an incarnation. It fails only when ractor cannot start it; whatever takes time or can go
/// wrong is done in [`Actor::started`], whose failure is an exit like any other.
pub type StartFn = Arc<dyn Fn(Start) -> BoxFuture<Result<ActorCell, Failure>> + Send + Sync>;

/// How to start incarnations of an actor behind `gate`.
pub fn starter<A: Actor>(gate: Gate<A::Msg>, make: impl Fn() -> A + Send + Sync + 'static) -> StartFn {
    let make = Arc::new(make);
    Arc::new(move |start: Start| {
        let (gate, make) = (gate.clone(), Arc::clone(&make));
        Box::pin(async move {
            let supervisor = start.supervisor.clone();
            let arguments = Arguments { gate, make, start };
            ractor::Actor::spawn_linked(None, Shell::<A>(PhantomData), arguments, supervisor)
                .await
                .map(|(actor, _)| actor.get_cell())
                .map_err(|e| Failure(e.to_string()))
        })
    })
}

struct Shell<A>(PhantomData<fn() -> A>);

struct Arguments<A: Actor> {
    gate: Gate<A::Msg>,
    make: Arc<dyn Fn() -> A + Send + Sync>,
    start: Start,
}

struct Running<A: Actor> {
    actor: A,
    cx: Cx<A>,
}

/// An incarnation, or nothing once it has ended: whatever it held is let go before its end is told, so
/// that its successor finds files, sockets and heirlooms free.
type Life<A> = Option<Box<Running<A>>>;

/// Runs a step of an incarnation. When it fails or panics, the incarnation is over. While the step runs,
/// its future has the incarnation in hand: ractor tells of a kill in `post_start` and `post_stop` before
/// it drops the state, but after it has dropped the future.
async fn step<A: Actor>(
    life: &mut Life<A>,
    step: impl AsyncFnOnce(&mut Running<A>) -> Result<(), ActorProcessingErr>,
) -> Result<(), ActorProcessingErr> {
    let Some(mut running) = life.take() else { return Ok(()) };
    let result = {
        let future = std::pin::pin!(step(&mut running));
        // What a panic leaves half done is dropped below. What is passed on is an heirloom, whose owner must
        // be ready for it.
        caught(future).await.unwrap_or_else(|panic| Err(Box::new(Failure(words_of(panic)))))
    };
    if result.is_ok() {
        *life = Some(running);
    }
    result
}

/// Runs a future to its end, or to its panic.
async fn caught<F: Future>(mut future: Pin<&mut F>) -> Result<F::Output, Box<dyn Any + Send>> {
    std::future::poll_fn(move |cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}

fn words_of(panic: Box<dyn Any + Send>) -> String {
    match panic.downcast::<String>() {
        Ok(words) => *words,
        Err(panic) => panic.downcast::<&str>().map_or("panicked without words", |words| *words).to_owned(),
    }
}

impl<A: Actor> ractor::Actor for Shell<A> {
    type Msg = Wake;
    type State = Life<A>;
    type Arguments = Arguments<A>;

    async fn pre_start(
        &self,
        myself: ActorRef<Wake>,
        arguments: Arguments<A>,
    ) -> Result<Life<A>, ActorProcessingErr> {
        let Arguments { gate, make, start } = arguments;
        let cx = Cx {
            gate,
            cell: myself.get_cell(),
            generation: start.generation,
            tasks: JoinSet::new(),
            broken: Arc::default(),
            ready: Some(start.ready),
            stopping: false,
        };
        Ok(Some(Box::new(Running { actor: make(), cx })))
    }

    async fn post_start(&self, myself: ActorRef<Wake>, life: &mut Life<A>) -> Result<(), ActorProcessingErr> {
        step(life, async move |running| {
            running.actor.started(&mut running.cx).await?;
            running.cx.gate.attach(myself);
            Ok(())
        })
        .await
    }

    async fn handle(
        &self,
        _myself: ActorRef<Wake>,
        _wake: Wake,
        life: &mut Life<A>,
    ) -> Result<(), ActorProcessingErr> {
        step(life, async |running| drain(running).await).await
    }

    async fn post_stop(&self, _myself: ActorRef<Wake>, life: &mut Life<A>) -> Result<(), ActorProcessingErr> {
        let result = step(life, async |running| {
            running.actor.stopping(&mut running.cx).await;
            Ok(())
        })
        .await;
        *life = None;
        result
    }

    /// Workers have no children of their own; an actor that links some must not die of their end.
    async fn handle_supervisor_evt(
        &self,
        _myself: ActorRef<Wake>,
        _event: ractor::SupervisionEvent,
        _life: &mut Life<A>,
    ) -> Result<(), ActorProcessingErr> {
        Ok(())
    }
}

/// Handles what waits, by class, and lets others have their turn after [`MESSAGES_PER_WAKE`].
async fn drain<A: Actor>(running: &mut Running<A>) -> Result<(), ActorProcessingErr> {
    let gate = running.cx.gate.clone();
    gate.begin_drain();
    for _ in 0..MESSAGES_PER_WAKE {
        if let Some(failure) = running.cx.broken.get() {
            return Err(Box::new(failure.clone()));
        }
        let Some(envelope) = gate.next() else { return Ok(()) };
        let mut in_hand = gate.hold(envelope);
        running.actor.handle(in_hand.message(), &mut running.cx).await?;
        in_hand.done();
        if running.cx.stopping {
            return Ok(());
        }
    }
    if !gate.is_empty() {
        gate.wake();
    }
    Ok(())
}

/// Supervision is built on unwinding: an abort would take the whole tree along.
const _: () = assert!(cfg!(panic = "unwind"), "tsup must be built with panic = \"unwind\"");

#[cfg(test)]
mod tests;
