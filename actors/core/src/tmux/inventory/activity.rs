//! Which panes were written in, who is told about it, and which are due for a look.

use std::collections::{BTreeMap, BTreeSet};

use crate::clock::Mono;
use crate::ids::PaneId;
use crate::limits::{
    ACTIVITY_INTERVAL, CAPTURE_AT_LEAST, CAPTURE_BATCH_GAP, CAPTURE_LEAD, CAPTURE_QUIET, CAPTURE_SECOND,
    CAPTURE_STREAK, CAPTURES_PER_BATCH,
};

/// Writes in panes, coalesced.
#[derive(Debug, Default)]
pub(super) struct Activity {
    /// When a pane's activity was last told.
    told: BTreeMap<PaneId, Mono>,
    /// Written in since, and to be told at `report_at`.
    waiting: BTreeSet<PaneId>,
    report_at: Option<Mono>,
    /// The panes that are captured; all, as long as nobody said which.
    wanted: Option<BTreeSet<PaneId>>,
    /// Those of them that were captured since the connection stands.
    seen: BTreeSet<PaneId>,
    dirty: BTreeMap<PaneId, Dirty>,
    streaks: BTreeMap<PaneId, Streak>,
    /// One entry for each dirty pane; it may be early, never late, so that a write costs no reordering.
    queue: BTreeSet<(Mono, PaneId)>,
    /// Panes whose screen was asked for and has not come, and whether they were calm then.
    asked: BTreeMap<PaneId, bool>,
    /// After a full batch the next one waits until then.
    captures_from: Mono,
}

/// A pane that shows something that was not captured.
#[derive(Debug, Clone, Copy)]
struct Dirty {
    /// The first such write, or the last capture while it was being written in.
    since: Mono,
    last: Mono,
}

/// Writes without a long pause between them.
#[derive(Debug, Clone, Copy)]
struct Streak {
    last: Mono,
    /// Captures within it while it was never quiet.
    captures: u32,
}

impl Streak {
    /// How long after the first write, or the last capture, a pane that is never quiet is looked at: soon
    /// when it begins to move, seldom when it has moved for long.
    fn patience(self) -> std::time::Duration {
        match self.captures {
            0 => CAPTURE_LEAD,
            1 => CAPTURE_SECOND,
            _ => CAPTURE_AT_LEAST,
        }
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

    /// The pane is to be looked at when it begins to move, and once it is quiet.
    fn dirty(&mut self, pane: PaneId, now: Mono) {
        if !self.wants(pane) {
            return;
        }
        let streak = self.streaks.entry(pane).or_insert(Streak { last: now, captures: 0 });
        if now.since(streak.last) >= CAPTURE_STREAK {
            streak.captures = 0;
        }
        streak.last = now;
        if let Some(dirty) = self.dirty.get_mut(&pane) {
            dirty.last = now;
        } else {
            self.dirty.insert(pane, Dirty { since: now, last: now });
            self.queue.insert((self.due(pane, Dirty { since: now, last: now }), pane));
        }
    }

    /// When a dirty pane is to be captured.
    fn due(&self, pane: PaneId, dirty: Dirty) -> Mono {
        let patience = self.streaks.get(&pane).map_or(CAPTURE_LEAD, |streak| streak.patience());
        (dirty.last + CAPTURE_QUIET).min(dirty.since + patience)
    }

    fn wants(&self, pane: PaneId) -> bool {
        self.wanted.as_ref().is_none_or(|wanted| wanted.contains(&pane))
    }

    /// Captures these panes from now on and no others; those that were not seen yet at once.
    pub(super) fn want(&mut self, panes: BTreeSet<PaneId>, now: Mono) {
        self.dirty.retain(|pane, _| panes.contains(pane));
        self.streaks.retain(|pane, _| panes.contains(pane));
        self.seen.retain(|pane| panes.contains(pane));
        let first: Vec<PaneId> = panes.difference(&self.seen).copied().collect();
        self.wanted = Some(panes);
        for pane in first {
            self.look(pane, now);
        }
    }

    /// Captures a pane at once. Whether it was quiet is not known, so it is taken for quiet: what is
    /// written from now on makes it dirty again.
    pub(super) fn look(&mut self, pane: PaneId, now: Mono) {
        if self.wants(pane) {
            let quiet = Dirty { since: now - CAPTURE_AT_LEAST, last: now - CAPTURE_QUIET };
            self.dirty.entry(pane).or_insert(quiet);
            self.queue.insert((now, pane));
        }
    }

    pub(super) fn forget(&mut self, pane: PaneId) {
        self.told.remove(&pane);
        self.waiting.remove(&pane);
        self.asked.remove(&pane);
        self.dirty.remove(&pane);
        self.streaks.remove(&pane);
        self.seen.remove(&pane);
    }

    /// Forgets everything but which panes are wanted: the connection is another one.
    pub(super) fn restart(&mut self) {
        *self = Activity { wanted: self.wanted.take(), ..Activity::default() };
    }

    /// A screen has come, or will not. Answers whether the pane was calm when it was asked for.
    pub(super) fn captured(&mut self, pane: PaneId) -> bool {
        self.seen.insert(pane);
        self.asked.remove(&pane).unwrap_or(false)
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
    /// whose screen is still under way waits for it; one that was not quiet is looked at again.
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
            let at = self.due(pane, dirty);
            if at > now {
                self.queue.insert((at, pane));
            } else if self.asked.contains_key(&pane) {
                self.queue.insert((now + CAPTURE_QUIET, pane));
            } else {
                self.capture(pane, dirty, now);
                due.push(pane);
            }
        }
        if due.len() == CAPTURES_PER_BATCH {
            self.captures_from = now + CAPTURE_BATCH_GAP;
        }
        due
    }

    fn capture(&mut self, pane: PaneId, dirty: Dirty, now: Mono) {
        let calm = now.since(dirty.last) >= CAPTURE_QUIET;
        self.asked.insert(pane, calm);
        if calm {
            self.dirty.remove(&pane);
            // What moves again soon after it fell quiet shows something new: it does not wait for the slow
            // rhythm, and one that only ticks is not looked at twice for each tick.
            if let Some(streak) = self.streaks.get_mut(&pane) {
                streak.captures = streak.captures.min(1);
            }
            return;
        }
        if let Some(streak) = self.streaks.get_mut(&pane) {
            streak.captures = streak.captures.saturating_add(1);
        }
        let again = Dirty { since: now, ..dirty };
        self.dirty.insert(pane, again);
        self.queue.insert((self.due(pane, again), pane));
    }
}
