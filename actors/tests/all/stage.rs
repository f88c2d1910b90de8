//! Runs single actors under a supervisor that restarts nothing.

use std::time::{Duration, Instant};

use ractor::{ActorCell, ActorProcessingErr, ActorRef, ActorStatus, SupervisionEvent};
use tsup_actors::actor::{Actor, Start, starter};
use tsup_actors::gate::Gate;
use tsup_core::ids::Generation;

/// How long anything may take before a test fails.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// A supervisor that lets its children die.
pub(crate) struct Stage(ActorRef<()>);

struct Audience;

impl ractor::Actor for Audience {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<()>,
        _: SupervisionEvent,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        Ok(())
    }
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Stage(ractor::Actor::spawn(None, Audience, ()).await.unwrap().0)
    }

    /// Starts an incarnation.
    pub(crate) async fn start<A: Actor>(
        &self,
        gate: &Gate<A::Msg>,
        make: impl Fn() -> A + Send + Sync + 'static,
    ) -> ActorCell {
        let start =
            Start { supervisor: self.0.get_cell(), generation: Generation(1), ready: Box::new(|| {}) };
        starter(gate.clone(), make)(start).await.unwrap()
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
