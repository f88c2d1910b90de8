//! Runs single actors under a supervisor that restarts nothing.

use std::time::{Duration, Instant};

use ractor::{ActorCell, ActorId, ActorProcessingErr, ActorRef, ActorStatus, SupervisionEvent};
use tokio::sync::watch;
use tsup_actors::actor::{Actor, Start, starter};
use tsup_actors::gate::Gate;
use tsup_core::ids::Generation;

/// How long anything may take before a test fails.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// A supervisor that lets its children die.
pub(crate) struct Stage {
    audience: ActorRef<()>,
    ended: watch::Receiver<Vec<ActorId>>,
}

struct Audience;

impl ractor::Actor for Audience {
    type Msg = ();
    type State = watch::Sender<Vec<ActorId>>;
    type Arguments = Self::State;

    async fn pre_start(
        &self,
        _: ActorRef<()>,
        ended: Self::State,
    ) -> Result<Self::State, ActorProcessingErr> {
        Ok(ended)
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<()>,
        event: SupervisionEvent,
        ended: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        let id = match event {
            SupervisionEvent::ActorTerminated(cell, state, _) => {
                // As a supervisor does: what a killed child held must be free before it is told.
                drop(state);
                cell.get_id()
            }
            SupervisionEvent::ActorFailed(cell, _) => cell.get_id(),
            _ => return Ok(()),
        };
        ended.send_modify(|all| all.push(id));
        Ok(())
    }
}

impl Stage {
    pub(crate) async fn new() -> Self {
        let (tell, ended) = watch::channel(Vec::new());
        Stage { audience: ractor::Actor::spawn(None, Audience, tell).await.unwrap().0, ended }
    }

    /// Starts an incarnation.
    pub(crate) async fn start<A: Actor>(
        &self,
        gate: &Gate<A::Msg>,
        make: impl Fn() -> A + Send + Sync + 'static,
    ) -> ActorCell {
        let start =
            Start { supervisor: self.audience.get_cell(), generation: Generation(1), ready: Box::new(|| {}) };
        starter(gate.clone(), make)(start).await.unwrap()
    }

    /// Kills an actor and waits until what it held is free.
    pub(crate) async fn kill(&self, actor: &ActorCell) {
        actor.kill();
        let id = actor.get_id();
        let told = async || self.ended.borrow().contains(&id).then_some(());
        until("the actor is dead", told).await;
    }
}

/// Ends an actor in order and waits for it.
pub(crate) async fn stop(actor: &ActorCell) {
    actor.stop(None);
    until("the actor has stopped", async || (actor.get_status() == ActorStatus::Stopped).then_some(())).await;
}

/// Waits until `look` sees something.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(Instant::now() < end, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
