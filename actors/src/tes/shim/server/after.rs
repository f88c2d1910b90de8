//! What a shim begins when it has ended the attempt that it runs, without asking anybody.
//!
//! Between two attempts of a shim stand two changes of process, which cost as much as a small script. So an attempt that
//! waits for room is handed to a shim that runs another one, when that one has begun a moment ago: it is expected to end soon. It
//! takes no slot before its turn, and is taken back when its turn does not come soon.

use std::time::Duration;

use tsup_core::limits;
use tsup_core::tes::attempt::plan::Plan;

use super::{Desk, Run, Server, Shim, fence};

/// An attempt that a shim has been handed before its turn.
pub(super) struct After {
    pub(super) plan: Box<Plan>,
    pub(super) frame: Vec<u8>,
    /// Somebody wants it to end, and it could not be taken back.
    pub(super) unwanted: bool,
}

impl Shim {
    /// Whether it can run such an order: what shims share that have no network was there when it was forked, or not.
    pub(super) fn fits(&self, frame: &[u8], wants_network: bool, network: bool) -> bool {
        frame.len() <= limits::ORDER_HANDED_BYTES_MAX && (!wants_network || self.network == network)
    }

    /// Hands it an order. `false` when it takes none.
    pub(super) fn hand(&mut self, frame: &[u8]) -> bool {
        let handed = self.desk.as_mut().is_some_and(|desk| desk.hand(frame));
        self.given += u32::from(handed);
        handed
    }

    /// The attempt that it runs, if another may be handed to it now.
    fn may_get_another(&self) -> Option<Run> {
        let is_young = |run: &Run| run.since.elapsed() < limits::AHEAD_QUICK;
        let is_full = self.after.is_some() || self.given >= limits::SHIM_ATTEMPTS_MAX;
        self.runs.filter(|run| !is_full && is_young(run))
    }
}

impl Server {
    /// Hands attempts that wait for room to shims that run another one.
    pub(super) fn hand_out(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        for shim in self.shims.values_mut() {
            let Some((plan, frame)) = self.waiting.front() else { return };
            let used = self.taken.saturating_add(self.elsewhere);
            if used > plan.within {
                return;
            }
            let Some(run) = shim.may_get_another() else { continue };
            let wants_network = fence::may_share_network(&plan.fence);
            let fits = plan.slots <= run.slots
                && shim.fits(frame, wants_network, self.tools.network.is_some())
                && plan.fence.groups().all(|group| self.groups.contains(group));
            if fits && shim.hand(frame) {
                shim.after =
                    self.waiting.pop_front().map(|(plan, frame)| After { plan, frame, unwanted: false });
                self.handed += 1;
            }
        }
    }

    /// Takes back what was handed out and is `meant`, of those that have not begun.
    pub(super) fn take_back(&mut self, meant: impl Fn(&After, Option<Run>) -> bool) {
        if self.handed == 0 {
            return;
        }
        let mut back = Vec::new();
        for shim in self.shims.values_mut() {
            let runs = shim.runs;
            if shim.after.as_ref().is_some_and(|after| meant(after, runs))
                && shim.desk.as_ref().is_some_and(Desk::call_off)
            {
                back.extend(shim.after.take());
            }
        }
        self.handed -= back.len();
        for after in back {
            self.wait_again(after);
        }
    }

    /// Lets it wait for room again, in its place.
    pub(super) fn wait_again(&mut self, after: After) {
        let After { plan, frame, unwanted } = after;
        let place = self.waiting.partition_point(|(other, _)| other.order < plan.order);
        let id = plan.id;
        self.waiting.insert(place, (plan, frame));
        if unwanted {
            self.call_back(|waiting| waiting == id);
        }
    }

    /// Takes back what waits behind an attempt that does not end soon.
    pub(super) fn lose_patience(&mut self) {
        self.take_back(|_, runs| runs.is_none_or(|run| run.since.elapsed() >= limits::AHEAD_PATIENCE));
    }

    /// How long until that is due.
    pub(super) fn patience(&self) -> Option<Duration> {
        if self.handed == 0 {
            return None;
        }
        let handed = self.shims.values().filter(|shim| shim.after.is_some());
        let since = handed.filter_map(|shim| shim.runs).map(|run| run.since).min()?;
        // One that could not be taken back begins just now, or its shim was stopped.
        Some(limits::AHEAD_PATIENCE.checked_sub(since.elapsed()).unwrap_or(limits::AHEAD_PATIENCE))
    }
}
