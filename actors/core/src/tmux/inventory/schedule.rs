//! When to list what.

use crate::clock::Mono;
use crate::limits::{LIST_ALL_INTERVAL, LIST_BUSY_INTERVAL, LIST_IDLE_INTERVAL, LIST_SOON, LIST_SOON_GAP};
use crate::tmux::command::Scope;

/// The rhythm of the listings of one connection. At most one is under way.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    /// When everything, and when anything, was last asked for.
    asked_all: Option<Mono>,
    asked: Option<Mono>,
    under_way: bool,
    listed: bool,
    /// Something told that panes came or went: list everything at this moment.
    structure_at: Option<Mono>,
    /// Something was written since the last listing.
    nudged: bool,
    /// The server's clock at the last listing: from there on the next one asks for changes.
    server_time: u64,
}

impl Schedule {
    /// Something was written somewhere.
    pub(super) fn nudge(&mut self) {
        self.nudged = true;
    }

    /// Panes, windows or sessions came or went. A storm of such news costs few listings.
    pub(super) fn structure(&mut self, now: Mono) {
        let earliest = self.asked_all.map_or(Mono::ZERO, |at| at + LIST_SOON_GAP);
        self.structure_at.get_or_insert((now + LIST_SOON).max(earliest));
    }

    /// Whether everything was listed at least once.
    pub(super) fn has_listed(&self) -> bool {
        self.listed
    }

    pub(super) fn answered(&mut self, scope: Scope, server_time: u64) {
        self.under_way = false;
        self.listed |= scope == Scope::All;
        self.server_time = server_time;
    }

    /// The listing was refused: everything is asked again, after the usual pause.
    pub(super) fn failed(&mut self, now: Mono) {
        self.under_way = false;
        self.structure(now);
    }

    fn next_all(&self) -> Mono {
        let regular = self.asked_all.map_or(Mono::ZERO, |at| at + LIST_ALL_INTERVAL);
        self.structure_at.map_or(regular, |at| at.min(regular))
    }

    fn next_changed(&self, covered: bool) -> Mono {
        let pause = if covered && !self.nudged { LIST_IDLE_INTERVAL } else { LIST_BUSY_INTERVAL };
        self.asked.map_or(Mono::ZERO, |at| at + pause)
    }

    /// When the next listing is due. `covered`: writes in all panes are told at once.
    pub(super) fn next(&self, covered: bool) -> Option<Mono> {
        (!self.under_way).then(|| self.next_all().min(self.next_changed(covered)))
    }

    /// What is to be listed now; it then counts as asked.
    pub(super) fn due(&mut self, covered: bool, now: Mono) -> Option<Scope> {
        if self.under_way {
            return None;
        }
        let scope = if self.next_all() <= now {
            self.asked_all = Some(now);
            self.structure_at = None;
            Scope::All
        } else if self.next_changed(covered) <= now {
            Scope::Since(self.server_time)
        } else {
            return None;
        };
        self.asked = Some(now);
        self.under_way = true;
        self.nudged = false;
        Some(scope)
    }
}
