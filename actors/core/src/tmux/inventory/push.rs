//! Which sessions get one of the few push clients.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::{Effect, Inventory, Watch};
use crate::clock::Mono;
use crate::ids::{PaneId, SessionId};
use crate::limits::{PUSH_CLIENTS_MAX, PUSH_LOYALTY, PUSH_REVIEW};
use crate::settings::PushMode;

impl Inventory {
    pub(super) fn wants_clients(&self) -> bool {
        matches!(self.push, PushMode::Auto | PushMode::Clients)
    }

    pub(super) fn wants_ttys(&self) -> bool {
        matches!(self.push, PushMode::Auto | PushMode::Tty)
    }

    /// Chooses the most recently busy of the sessions with panes whose terminals are not watched. A
    /// session that has a client keeps it against one that was busy only a little later, so that clients
    /// do not move about; a session that ends with its last client gets none.
    pub(super) fn review_push(&mut self, now: Mono, out: &mut Vec<Effect>) {
        let blind: BTreeSet<SessionId> = self
            .panes
            .values()
            .filter(|p| p.facts.dead.is_none())
            .filter(|p| p.watch == Watch::Failed || self.push == PushMode::Clients)
            .map(|p| p.facts.session)
            .collect();
        let mut ranked: Vec<(Reverse<Mono>, SessionId)> = self
            .sessions
            .iter()
            .filter(|(id, s)| blind.contains(id) && !s.destroy_unattached)
            .map(|(id, s)| {
                let wrote = s.wrote.unwrap_or(Mono::ZERO);
                let bonus = if self.pushed.contains(id) { wrote + PUSH_LOYALTY } else { wrote };
                (Reverse(bonus), *id)
            })
            .collect();
        ranked.sort_unstable();
        let chosen: BTreeSet<SessionId> =
            ranked.into_iter().take(PUSH_CLIENTS_MAX).map(|(_, id)| id).collect();
        self.push_review = (!blind.is_empty() || !chosen.is_empty()).then_some(now + PUSH_REVIEW);
        if chosen != self.pushed {
            out.push(Effect::Push(chosen.iter().copied().collect()));
            self.pushed = chosen;
        }
    }

    pub(super) fn watched(&mut self, id: PaneId, ok: bool, now: Mono) {
        let Some(pane) = self.panes.get_mut(&id) else { return };
        if pane.watch == Watch::Asked {
            pane.watch = if ok { Watch::On } else { Watch::Failed };
            if !ok {
                self.push_review = Some(now);
            }
        }
    }

    pub(super) fn tty_gone(&mut self, id: PaneId, now: Mono) {
        if let Some(pane) = self.panes.get_mut(&id) {
            // A program that is started in the pane again gets another terminal.
            pane.watch = Watch::No;
            self.schedule.structure(now);
        }
    }
}
