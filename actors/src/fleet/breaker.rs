//! Owns: how many relaunches the fleet may make in a minute, and who waits.
//! Receives: agents that want to be relaunched.
//! Sends: [`agent::Msg::Granted`] to those that may.
//! Bounded by: one place for each agent.
//! Restart: permanent; who waited is asked nothing and asks again when its next timer fires.

use tsup_core::fleet::relaunch::{Breaker, Pass};
use tsup_core::ids::AgentId;

use super::{Shared, agent};
use crate::actor::{Actor, Cx, Failure, Timer};
use crate::gate::Lane;

/// What the breaker receives.
#[derive(Debug)]
pub(super) enum Msg {
    /// This agent wants to be relaunched.
    Ask(AgentId),
    /// This agent no longer wants to.
    Forget(AgentId),
    /// Somebody may be due.
    Turn,
}

/// The actor.
pub(super) struct BreakerActor {
    shared: Shared,
    breaker: Breaker,
    timer: Option<Timer>,
}

impl BreakerActor {
    pub(super) fn new(shared: Shared) -> Self {
        let breaker = Breaker::new(shared.limit());
        BreakerActor { shared, breaker, timer: None }
    }

    fn pass(&mut self, pass: Pass, cx: &mut Cx<Self>) {
        for id in pass.granted {
            if let Some(entry) = self.shared.directory.agent(id)
                && entry.gate.control(agent::Msg::Granted).is_err()
            {
                tracing::error!(agent = %id, "a relaunch was let through and could not be told");
            }
        }
        self.timer = pass.again_in.map(|after| cx.after(after, Lane::Control, Msg::Turn));
    }
}

impl Actor for BreakerActor {
    type Msg = Msg;

    async fn started(&mut self, cx: &mut Cx<Self>) -> Result<(), Failure> {
        cx.ready();
        Ok(())
    }

    async fn handle(&mut self, message: &mut Msg, cx: &mut Cx<Self>) -> Result<(), Failure> {
        self.breaker.set_limit(self.shared.limit());
        let pass = match message {
            Msg::Ask(id) => self.breaker.ask(*id, cx.now()),
            Msg::Forget(id) => {
                self.breaker.forget(*id);
                self.breaker.turn(cx.now())
            }
            Msg::Turn => self.breaker.turn(cx.now()),
        };
        self.pass(pass, cx);
        Ok(())
    }
}
