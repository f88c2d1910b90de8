//! How a gateway gets its clients, and lets them go.

use tsup_core::ids::SessionId;
use tsup_core::limits::{CLIENT_PAUSE, PUSH_PAUSE_AFTER};
use tsup_core::tmux::command;
use tsup_core::tmux::ledger::Ledger;

use super::{Gateway, Inner, deliver, nonce};
use crate::actor::Cx;
use crate::gate::Lane;
use crate::tmux::{client, pushers};

impl Gateway {
    pub(super) fn attach(&mut self, session: SessionId, cx: &mut Cx<Self>) {
        let args = command::attach_args(&self.settings.socket, session, false, PUSH_PAUSE_AFTER);
        self.clients_made += 1;
        let (id, gate) = (self.clients_made, cx.gate().clone());
        let (client, talk) = client::start(self.settings.place.command(&args), move |events| {
            let gate = gate.clone();
            async move { deliver(&gate, Lane::Control, Inner::Heard(id, events)).await }
        });
        let gate = cx.gate().clone();
        cx.spawn(async move {
            talk.await;
            deliver(&gate, Lane::Control, Inner::ClientEnded(id)).await;
        });
        self.abandon();
        self.client = Some((id, client));
        self.ledger = Ledger::new(nonce());
        self.ask_server(cx.now());
    }

    pub(super) fn detach(&mut self, cx: &mut Cx<Self>) {
        if let Some((_, client)) = self.client.take() {
            cx.spawn(client.end());
        }
        self.abandon();
    }

    pub(super) fn push(&mut self, sessions: &[SessionId], cx: &mut Cx<Self>) {
        let (missing, leaving) = self.pushers.set(sessions);
        for client in leaving {
            cx.spawn(client.end());
        }
        for session in missing {
            let args = command::attach_args(&self.settings.socket, session, true, PUSH_PAUSE_AFTER);
            self.clients_made += 1;
            let (id, gate) = (self.clients_made, cx.gate().clone());
            let (client, talk) = client::start(self.settings.place.command(&args), move |events| {
                let (gate, told) = (gate.clone(), pushers::told(events));
                async move {
                    deliver(&gate, Lane::Work, Inner::Told(id, told)).await;
                    // What comes meanwhile is taken together: a flood costs few messages.
                    tokio::time::sleep(CLIENT_PAUSE).await;
                }
            });
            let gate = cx.gate().clone();
            cx.spawn(async move {
                talk.await;
                deliver(&gate, Lane::Control, Inner::PusherEnded(id)).await;
            });
            self.pushers.add(session, id, client);
        }
    }
}
