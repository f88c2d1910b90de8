//! Which panes were written in, who is told about it, and which are due for a look.

use std::collections::{BTreeMap, BTreeSet};

use crate::clock::Mono;
use crate::ids::PaneId;
use crate::limits::{
    ACTIVITY_INTERVAL, CAPTURE_AT_LEAST, CAPTURE_BATCH_GAP, CAPTURE_QUIET, CAPTURES_PER_BATCH,
};

/// Writes in panes, coalesced.
#[derive(Debug, Default)]
pub(super) struct Activity {
    /// When a pane's activity was last told.
    told: BTreeMap<PaneId, Mono>,
    /// Written in since, and to be told at `report_at`.
    waiting: BTreeSet<PaneId>,
    report_at: Option<Mono>,
    dirty: BTreeMap<PaneId, Dirty>,
    /// One entry for each dirty pane; it may be early, never late, so that a write costs no reordering.
    queue: BTreeSet<(Mono, PaneId)>,
    /// Panes whose screen was asked for and has not come.
    asked: BTreeSet<PaneId>,
    /// After a full batch the next one waits until then.
    captures_from: Mono,
}

#[derive(Debug, Clone, Copy)]
struct Dirty {
    since: Mono,
    last: Mono,
}

impl Dirty {
    fn due(self) -> Mono {
        (self.last + CAPTURE_QUIET).min(self.since + CAPTURE_AT_LEAST)
    }
}

impl Activity {
    /// Notes a write. True when it is to be told now; else it is told with others within
    /// [`ACTIVITY_INTERVAL`].
    pub(super) fn wrote(&mut self, pane: PaneId, now: Mono) -> bool {
        self.dirty(pane, now);
        if self.told.get(&pane).is_none_or(|at| now.since(*at) >= ACTIVITY_INTERVAL) {
            self.told.insert(pane, now);
            self.waiting.remove(&pane);
            return true;
        }
        self.waiting.insert(pane);
        self.report_at.get_or_insert(now + ACTIVITY_INTERVAL);
        false
    }

    /// Notes a write that cannot be told now.
    pub(super) fn hold(&mut self, pane: PaneId, now: Mono) {
        self.dirty(pane, now);
        self.waiting.insert(pane);
        self.report_at.get_or_insert(now);
    }

    /// The pane is to be looked at once it is quiet.
    pub(super) fn dirty(&mut self, pane: PaneId, now: Mono) {
        if let Some(dirty) = self.dirty.get_mut(&pane) {
            dirty.last = now;
        } else {
            let dirty = Dirty { since: now, last: now };
            self.dirty.insert(pane, dirty);
            self.queue.insert((dirty.due(), pane));
        }
    }

    pub(super) fn forget(&mut self, pane: PaneId) {
        self.told.remove(&pane);
        self.waiting.remove(&pane);
        self.asked.remove(&pane);
        self.dirty.remove(&pane);
    }

    pub(super) fn captured(&mut self, pane: PaneId) {
        self.asked.remove(&pane);
    }

    pub(super) fn next_report(&self) -> Option<Mono> {
        self.report_at
    }

    pub(super) fn next_capture(&self) -> Option<Mono> {
        self.queue.first().map(|(at, _)| (*at).max(self.captures_from))
    }

    pub(super) fn due_reports(&mut self, now: Mono) -> Vec<PaneId> {
        if self.report_at.is_none_or(|at| at > now) {
            return Vec::new();
        }
        self.report_at = None;
        let panes: Vec<PaneId> = std::mem::take(&mut self.waiting).into_iter().collect();
        self.told.extend(panes.iter().map(|p| (*p, now)));
        panes
    }

    /// Panes that have been quiet for long enough, or dirty for too long; at most a batch of them. A pane
    /// whose screen is still under way waits for it.
    pub(super) fn due_captures(&mut self, now: Mono) -> Vec<PaneId> {
        let mut due = Vec::new();
        if self.captures_from > now {
            return due;
        }
        while due.len() < CAPTURES_PER_BATCH {
            let Some(&(at, pane)) = self.queue.first() else { break };
            if at > now {
                break;
            }
            self.queue.pop_first();
            let Some(dirty) = self.dirty.get(&pane).copied() else { continue };
            if dirty.due() > now {
                self.queue.insert((dirty.due(), pane));
            } else if self.asked.contains(&pane) {
                self.queue.insert((now + CAPTURE_QUIET, pane));
            } else {
                self.dirty.remove(&pane);
                self.asked.insert(pane);
                due.push(pane);
            }
        }
        if due.len() == CAPTURES_PER_BATCH {
            self.captures_from = now + CAPTURE_BATCH_GAP;
        }
        due
    }
}
