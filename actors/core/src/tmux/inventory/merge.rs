//! How a listing changes what is known.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::{Effect, Inventory, Pane, Session, Watch};
use crate::clock::Mono;
use crate::ids::{PaneId, SessionId, WindowId};
use crate::limits::{PANES_MAX, PUSH_KNOWN_FOR, PUSH_MISS_AFTER, PUSH_MISSES_MAX};
use crate::tmux::command::Scope;
use crate::tmux::listing::{Listing, PaneRow, SessionRow};
use crate::tmux::report::{PaneFacts, Report, SessionFacts};
use crate::untrusted::Untrusted;

/// What changed, as it will be told.
#[derive(Default)]
struct Changes {
    sessions: Vec<SessionFacts>,
    sessions_gone: Vec<SessionId>,
    panes: Vec<PaneFacts>,
    panes_gone: Vec<PaneId>,
}

impl Changes {
    fn is_empty(&self) -> bool {
        self.sessions.is_empty()
            && self.sessions_gone.is_empty()
            && self.panes.is_empty()
            && self.panes_gone.is_empty()
    }

    fn report(self) -> Report {
        let Changes { sessions, sessions_gone, panes, panes_gone } = self;
        Report::Delta { sessions, sessions_gone, panes, panes_gone }
    }
}

impl Inventory {
    pub(super) fn listed(
        &mut self,
        scope: Scope,
        sessions: Option<Listing<SessionRow>>,
        panes: Listing<PaneRow>,
        now: Mono,
        out: &mut Vec<Effect>,
    ) {
        self.schedule.answered(scope, panes.server_time);
        let mut changes = Changes::default();
        if let Some(sessions) = sessions {
            self.merge_sessions(sessions, &mut changes);
        }
        let server_time = panes.server_time;
        let all = scope == Scope::All && panes.complete;
        let mut rows: BTreeMap<PaneId, PaneRow> = BTreeMap::new();
        for row in panes.rows {
            match rows.entry(row.facts.pane) {
                Entry::Vacant(v) => {
                    v.insert(row);
                }
                Entry::Occupied(mut o) if row.facts.session < o.get().facts.session => {
                    o.insert(row);
                }
                Entry::Occupied(_) => {}
            }
        }
        if all {
            let gone: Vec<PaneId> = self.panes.keys().filter(|id| !rows.contains_key(id)).copied().collect();
            for id in gone {
                self.remove(id, &mut changes, out);
            }
        }
        let mut wrote = Vec::new();
        for row in rows.into_values() {
            self.merge_pane(row, server_time, now, &mut changes, &mut wrote, out);
        }
        self.push_lost = false;
        if self.fresh {
            // A listener without room is tried again later, not with every listing.
            if self.retry_at.is_none_or(|at| at <= now) && self.schedule.has_listed() {
                self.snapshot(out);
            }
        } else if !changes.is_empty() {
            out.push(Effect::Report(changes.report()));
        }
        if !wrote.is_empty() {
            self.wrote(wrote, now, out);
        }
        if self.wants_clients() && !self.all_covered() {
            self.push_review.get_or_insert(now);
        }
    }

    fn merge_sessions(&mut self, listing: Listing<SessionRow>, changes: &mut Changes) {
        if listing.complete {
            let listed: Vec<SessionId> = listing.rows.iter().map(|r| r.facts.id).collect();
            self.sessions.retain(|id, _| {
                let stays = listed.contains(id);
                if !stays {
                    changes.sessions_gone.push(*id);
                }
                stays
            });
        }
        for row in listing.rows {
            let SessionRow { facts, destroy_unattached } = row;
            match self.sessions.entry(facts.id) {
                Entry::Vacant(v) => {
                    v.insert(Session { name: facts.name.clone(), destroy_unattached, wrote: None });
                    changes.sessions.push(facts);
                }
                Entry::Occupied(mut o) => {
                    let known = o.get_mut();
                    known.destroy_unattached = destroy_unattached;
                    if known.name != facts.name {
                        known.name = facts.name.clone();
                        changes.sessions.push(facts);
                    }
                }
            }
        }
    }

    fn merge_pane(
        &mut self,
        row: PaneRow,
        server_time: u64,
        now: Mono,
        changes: &mut Changes,
        wrote: &mut Vec<PaneId>,
        out: &mut Vec<Effect>,
    ) {
        let id = row.facts.pane;
        let room = self.panes.len() < PANES_MAX;
        let known = match self.panes.entry(id) {
            Entry::Occupied(o) => o.into_mut(),
            // A listing that was cut ends no pane, so that those of many cut ones could add up.
            Entry::Vacant(_) if !room => return,
            Entry::Vacant(v) => {
                changes.panes.push(row.facts.clone());
                let (activity, settled) = (row.window_activity, row.window_activity < server_time);
                let pane =
                    Pane { facts: row.facts, watch: Watch::No, activity, settled, missed: 0, told: None };
                v.insert(pane);
                self.watch(id, out);
                return;
            }
        };
        // A push client told of it already; telling it again would hold back the next write.
        let told = !self.push_lost && known.told.is_some_and(|at| now.since(at) < PUSH_KNOWN_FOR);
        if row.window_activity != known.activity {
            known.activity = row.window_activity;
            let alone = row.facts.window_panes == 1;
            if known.watch != Watch::On || self.push_lost {
                if !told {
                    wrote.push(id);
                }
            } else if alone && known.told.is_none_or(|at| now.since(at) > PUSH_MISS_AFTER) {
                known.missed = known.missed.saturating_add(1);
                wrote.push(id);
            }
        } else if !known.settled && known.watch != Watch::On && !told {
            // More may have come within the second that was told. Told once too often is a second of
            // seeming busy; told once too seldom is a line that nobody saw.
            wrote.push(id);
        }
        known.settled = row.window_activity < server_time;
        let missed = known.missed;
        let other_tty = row.facts.tty != known.facts.tty || row.facts.dead != known.facts.dead;
        if known.facts != row.facts {
            known.facts = row.facts;
            changes.panes.push(known.facts.clone());
        }
        let had = known.watch;
        if missed >= PUSH_MISSES_MAX && had == Watch::On {
            known.watch = Watch::Failed;
            out.push(Effect::Unwatch(id));
        } else if other_tty || had == Watch::No {
            if had != Watch::No {
                known.watch = Watch::No;
                out.push(Effect::Unwatch(id));
            }
            self.watch(id, out);
        }
    }

    /// Asks for the terminal of a living pane. That of a dead one may belong to somebody else by now.
    fn watch(&mut self, id: PaneId, out: &mut Vec<Effect>) {
        let wanted = self.wants_ttys();
        let Some(pane) = self.panes.get_mut(&id) else { return };
        if wanted && pane.facts.dead.is_none() && !pane.facts.tty.is_empty() {
            pane.watch = Watch::Asked;
            out.push(Effect::Watch { pane: id, tty: pane.facts.tty.clone() });
        }
    }

    fn remove(&mut self, id: PaneId, changes: &mut Changes, out: &mut Vec<Effect>) {
        let Some(pane) = self.panes.remove(&id) else { return };
        self.activity.forget(id);
        changes.panes_gone.push(id);
        if matches!(pane.watch, Watch::Asked | Watch::On) {
            out.push(Effect::Unwatch(id));
        }
    }

    pub(super) fn rename_session(&mut self, id: SessionId, name: Untrusted, out: &mut Vec<Effect>) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if session.name == name {
            return;
        }
        session.name = name.clone();
        if !self.fresh {
            let sessions = vec![SessionFacts { id, name }];
            out.push(Effect::Report(Changes { sessions, ..Changes::default() }.report()));
        }
    }

    pub(super) fn rename_window(&mut self, window: WindowId, name: &Untrusted, out: &mut Vec<Effect>) {
        let mut panes = Vec::new();
        for pane in self.panes.values_mut() {
            if pane.facts.window == window && pane.facts.window_name != *name {
                pane.facts.window_name = name.clone();
                panes.push(pane.facts.clone());
            }
        }
        if !panes.is_empty() && !self.fresh {
            out.push(Effect::Report(Changes { panes, ..Changes::default() }.report()));
        }
    }
}
