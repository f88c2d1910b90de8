//! What a shim begins when it has ended the attempt that it runs, without asking anybody.
//!
//! Between two attempts of a shim stand two changes of process, which cost as much as a small script. So an attempt that
//! waits for room is handed to a shim that runs another one, when that one has begun a moment ago: it is expected to end soon. It
//! takes no slot before its turn, and is taken back when its turn does not come soon.

use std::collections::HashMap;
use std::time::Duration;

use tsup_core::limits;
use tsup_core::tes::attempt::plan::{News, Plan};

use super::{Run, Server, Shim, fence};

/// An attempt that a shim has been handed before its turn.
pub(super) struct After {
    pub(super) plan: Box<Plan>,
    frame: Vec<u8>,
    /// Which of the shim's orders it is.
    pub(super) number: u64,
    /// It was called back, and could not be taken yet: the one before it has not begun, or it begins just now.
    pub(super) called: bool,
    /// And it is to end if it begins.
    pub(super) unwanted: bool,
}

impl Shim {
    /// Whether it can run such an order: what shims share that have no network was there when it was forked, or not.
    pub(super) fn fits(&self, frame: &[u8], wants_network: bool, network: bool) -> bool {
        frame.len() <= limits::ORDER_HANDED_BYTES_MAX && (!wants_network || self.network == network)
    }

    /// Hands it an order, and says which of its orders that is. `None` when it takes none.
    pub(super) fn hand(&mut self, frame: &[u8]) -> Option<u64> {
        self.given = self.desk.as_mut()?.hand(frame)?;
        Some(self.given)
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
            if fits
                && let Some(number) = shim.hand(frame)
                && let Some((plan, frame)) = self.waiting.pop_front()
            {
                shim.after = Some(After { plan, frame, number, called: false, unwanted: false });
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
            let Some(desk) = &shim.desk else { continue };
            let runs = shim.runs;
            back.extend(shim.after.take_if(|after| meant(after, runs) && desk.call_off(after.number)));
        }
        self.handed -= back.len();
        for after in back {
            self.wait_again(after);
        }
    }

    /// Lets it wait for room again, in its place; or gives it back, if it was called.
    pub(super) fn wait_again(&mut self, after: After) {
        let After { plan, frame, called, .. } = after;
        if called {
            return self.tell(&News::NotStarted(plan.id, libc::ECANCELED));
        }
        let place = self.waiting.partition_point(|(other, _)| other.order < plan.order);
        self.waiting.insert(place, (plan, frame));
    }

    /// What shims have before its turn.
    pub(super) fn afters(&mut self) -> impl Iterator<Item = &mut After> {
        let some = if self.handed == 0 { None } else { Some(&mut self.shims) };
        some.into_iter().flat_map(HashMap::values_mut).filter_map(|shim| shim.after.as_mut())
    }

    /// Takes back for slots that are free what waits behind other attempts.
    pub(super) fn fill(&mut self) {
        if self.handed == 0 || !self.waiting.is_empty() {
            return;
        }
        let used = self.taken.saturating_add(self.elsewhere);
        self.take_back(|after, _| used.saturating_add(after.plan.slots.into()) <= after.plan.within);
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
        // What could not be taken back is asked for again.
        Some(limits::AHEAD_PATIENCE.checked_sub(since.elapsed()).unwrap_or(limits::AHEAD_PATIENCE))
    }
}
