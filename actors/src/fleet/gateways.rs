//! The way from the fleet to the tmux gateways.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tsup_core::ids::{PaneId, SocketName};
use tsup_core::limits;
use tsup_core::tmux::report::{Answer, Ask, AskError, Report};

use super::{Fleet, Tmux};
use crate::actor::BoxFuture;
use crate::gate::{CallError, Gate, Lane};
use crate::tmux::{Listener, Msg, Refused};

/// The gates of all gateways, by socket.
#[derive(Debug, Clone, Default)]
pub struct Gateways {
    gates: BTreeMap<SocketName, Gate<Msg>>,
}

impl FromIterator<(SocketName, Gate<Msg>)> for Gateways {
    fn from_iter<I: IntoIterator<Item = (SocketName, Gate<Msg>)>>(gates: I) -> Self {
        Gateways { gates: gates.into_iter().collect() }
    }
}

impl Tmux for Gateways {
    fn ask(&self, socket: &SocketName, ask: Ask) -> BoxFuture<Result<Answer, AskError>> {
        let gate = self.gates.get(socket).cloned();
        let socket = socket.clone();
        Box::pin(async move {
            let Some(gate) = gate else { return Err(AskError::NoServer(socket)) };
            // The gateway answers within its own deadlines; this one is for a gateway that does not.
            let deadline = limits::SERVER_START_DEADLINE + limits::TMUX_DEADLINE;
            let answer = gate.call(Lane::Control, deadline, |reply| Msg::Ask(ask, reply)).await;
            answer.unwrap_or_else(|e| match e {
                CallError::Timeout(_) | CallError::Dropped(_) => Err(AskError::Timeout(deadline.as_secs())),
                CallError::Full(_) | CallError::Vacant => Err(AskError::Refused(e.to_string().into())),
            })
        })
    }

    fn resync(&self, socket: &SocketName) {
        if let Some(gate) = self.gates.get(socket)
            && gate.control(Msg::Resync).is_err()
        {
            tracing::error!(%socket, "a gateway has no room for a resync");
        }
    }

    fn agents(&self, socket: &SocketName, panes: BTreeSet<PaneId>) -> bool {
        self.gates.get(socket).is_none_or(|gate| gate.control(Msg::Agents(panes)).is_ok())
    }

    fn look(&self, socket: &SocketName, pane: PaneId) {
        if let Some(gate) = self.gates.get(socket) {
            // Who asks asks again.
            gate.telemetry(Msg::Look(pane));
        }
    }
}

impl Fleet {
    /// Who is to be told what the gateways see.
    pub fn listener(&self) -> Arc<dyn Listener> {
        let fleet = self.clone();
        Arc::new(
            move |socket: &SocketName, report: Report| {
                if fleet.hear(socket, report) { Ok(()) } else { Err(Refused) }
            },
        )
    }
}
