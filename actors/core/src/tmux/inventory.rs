//! What one tmux server has, and what to ask it next.
//!
//! The truth is the listing: all panes every few seconds, changed ones in between. Push (a write seen on
//! a pane's terminal device, or `%output`) only says *where*, and says it at once. The inventory turns
//! both into reports, and decides what to list, which panes to capture once they are quiet, which
//! terminals to watch, and which sessions deserve one of the few push clients.

use std::collections::{BTreeMap, BTreeSet};

use crate::clock::Mono;
use crate::ids::{PaneId, SessionId};
use crate::limits::REPORT_RETRY;
use crate::settings::PushMode;
use crate::tmux::command::Scope;
use crate::tmux::listing::{Listing, PaneRow, SessionRow};
use crate::tmux::protocol::Notice;
use crate::tmux::report::{PaneFacts, Report, Screen, ServerFacts, SessionFacts};
use crate::untrusted::Untrusted;

mod activity;
mod merge;
mod push;
mod schedule;
#[cfg(test)]
mod tests;

use activity::Activity;
use schedule::Schedule;

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A connection to this server stands.
    Connected(ServerFacts),
    /// The connection is gone; what was asked will not be answered.
    Disconnected,
    /// The answer to [`Effect::List`].
    Listed {
        /// What was asked for.
        scope: Scope,
        /// The sessions, with [`Scope::All`].
        sessions: Option<Listing<SessionRow>>,
        /// The panes.
        panes: Listing<PaneRow>,
    },
    /// The answer to [`Effect::List`] could not be had.
    ListFailed,
    /// tmux told something unasked.
    Notice(Notice),
    /// Something was written in these panes.
    Wrote(Vec<PaneId>),
    /// The push client of this session ended by itself.
    PushEnded(SessionId),
    /// Writes were missed; the next listing must tell where.
    PushLost,
    /// The answer to [`Effect::Watch`].
    Watched {
        /// Which pane's terminal.
        pane: PaneId,
        /// Whether writes in it will be told.
        ok: bool,
    },
    /// A watched terminal is no more: its pane ended, or its program did.
    TtyGone(PaneId),
    /// The answer for one pane of [`Effect::Capture`]; without anything when there was none.
    Captured {
        /// Which.
        pane: PaneId,
        /// What it shows.
        shown: Option<Shown>,
    },
    /// Only these panes are of interest: no other is captured from now on.
    Agents(BTreeSet<PaneId>),
    /// This pane is to be captured though nothing was seen to be written in it.
    Look(PaneId),
    /// The listener had no room for a report.
    Refused,
    /// The listener wants to hear everything again.
    Resync,
    /// Time has passed.
    Tick,
}

/// What was captured of a pane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Its visible text.
    pub text: Untrusted,
    /// Its title.
    pub title: Untrusted,
    /// Its width in cells.
    pub columns: Option<u16>,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Tell the listener.
    Report(Report),
    /// Ask for panes, and with [`Scope::All`] for sessions.
    List(Scope),
    /// Ask what these panes show.
    Capture(Vec<PaneId>),
    /// Watch the terminal of a pane for writes.
    Watch {
        /// Which pane.
        pane: PaneId,
        /// Its device.
        tty: String,
    },
    /// No longer watch the terminal of a pane.
    Unwatch(PaneId),
    /// Keep push clients on exactly these sessions.
    Push(Vec<SessionId>),
}

/// How far the writes in a pane are told at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Watch {
    /// Not tried.
    #[default]
    No,
    /// Asked for.
    Asked,
    /// Told.
    On,
    /// Cannot be watched, or told nothing when something was written.
    Failed,
}

#[derive(Debug)]
struct Pane {
    facts: PaneFacts,
    watch: Watch,
    /// When its window was last written in, in the server's seconds.
    activity: u64,
    /// Whether the last listing saw it later than the second of `activity`: only then is nothing more to
    /// come for that second.
    settled: bool,
    /// Listings in a row that show writes of which the watch said nothing.
    missed: u8,
    /// When push last told of a write.
    told: Option<Mono>,
}

#[derive(Debug)]
struct Session {
    name: Untrusted,
    destroy_unattached: bool,
    /// When something was last seen to be written in it.
    wrote: Option<Mono>,
}

/// The state of one server.
#[derive(Debug)]
pub struct Inventory {
    push: PushMode,
    server: Option<ServerFacts>,
    connected: bool,
    /// A snapshot must come before anything else is told.
    fresh: bool,
    /// Set when the listener had no room: when to try a snapshot again.
    retry_at: Option<Mono>,
    sessions: BTreeMap<SessionId, Session>,
    panes: BTreeMap<PaneId, Pane>,
    activity: Activity,
    schedule: Schedule,
    pushed: BTreeSet<SessionId>,
    push_review: Option<Mono>,
    /// The watch lost writes: until the next listing it proves nothing.
    push_lost: bool,
}

impl Inventory {
    /// An inventory of nothing.
    pub fn new(push: PushMode) -> Self {
        Inventory {
            push,
            server: None,
            connected: false,
            fresh: true,
            retry_at: None,
            sessions: BTreeMap::new(),
            panes: BTreeMap::new(),
            activity: Activity::default(),
            schedule: Schedule::default(),
            pushed: BTreeSet::new(),
            push_review: None,
            push_lost: false,
        }
    }

    /// Takes what happened; the effects are to be done in order.
    pub fn step(&mut self, event: Event, now: Mono) -> Vec<Effect> {
        let mut out = Vec::new();
        match event {
            Event::Connected(server) => self.connect(server, now, &mut out),
            Event::Disconnected => self.disconnect(&mut out),
            Event::Listed { scope, sessions, panes } => self.listed(scope, sessions, panes, now, &mut out),
            Event::ListFailed => self.schedule.failed(now),
            Event::Notice(notice) => self.notice(notice, now, &mut out),
            Event::Wrote(panes) => self.pushed(panes, now, &mut out),
            Event::PushEnded(session) => {
                self.pushed.remove(&session);
            }
            Event::PushLost => {
                self.push_lost = true;
                self.schedule.nudge();
            }
            Event::Watched { pane, ok } => self.watched(pane, ok, now),
            Event::TtyGone(pane) => self.tty_gone(pane, now),
            Event::Captured { pane, shown } => self.captured(pane, shown, now, &mut out),
            Event::Agents(panes) => self.activity.want(panes, now),
            Event::Look(pane) if self.panes.contains_key(&pane) => self.activity.look(pane, now),
            Event::Refused => {
                self.fresh = true;
                self.retry_at = Some(now + REPORT_RETRY);
            }
            Event::Resync => {
                self.fresh = true;
                self.retry_at = Some(now);
            }
            Event::Look(_) | Event::Tick => {}
        }
        if self.connected {
            self.due(now, &mut out);
        }
        out
    }

    /// When [`Event::Tick`] should come at the latest.
    pub fn deadline(&self) -> Option<Mono> {
        if !self.connected {
            return None;
        }
        let told = if self.fresh { None } else { self.activity.next_report() };
        [self.schedule.next(self.all_covered()), told, self.activity.next_capture()]
            .into_iter()
            .chain([self.push_review, self.retry_at.filter(|_| self.schedule.has_listed())])
            .flatten()
            .min()
    }

    /// The server, when a connection stands.
    pub fn server(&self) -> Option<&ServerFacts> {
        self.server.as_ref().filter(|_| self.connected)
    }

    /// The session of this name.
    pub fn session_named(&self, name: &str) -> Option<SessionId> {
        self.sessions.iter().find(|(_, s)| s.name.raw() == name).map(|(id, _)| *id)
    }

    /// Whether this pane is known.
    pub fn knows(&self, pane: PaneId) -> bool {
        self.panes.contains_key(&pane)
    }

    /// How many panes are known, and of how many a write is told at once.
    pub fn coverage(&self) -> (usize, usize) {
        (self.panes.len(), self.panes.values().filter(|p| p.watch == Watch::On).count())
    }

    fn connect(&mut self, server: ServerFacts, now: Mono, out: &mut Vec<Effect>) {
        if self.server.as_ref() != Some(&server) {
            out.extend(
                self.panes.iter().filter(|(_, p)| p.watch != Watch::No).map(|(id, _)| Effect::Unwatch(*id)),
            );
            self.panes.clear();
            self.sessions.clear();
            self.activity.restart();
        }
        self.server = Some(server);
        self.connected = true;
        self.fresh = true;
        self.retry_at = None;
        self.schedule = Schedule::default();
        self.push_review = self.wants_clients().then_some(now);
    }

    fn disconnect(&mut self, out: &mut Vec<Effect>) {
        self.connected = false;
        self.fresh = true;
        self.activity.restart();
        if !self.pushed.is_empty() {
            self.pushed.clear();
            out.push(Effect::Push(Vec::new()));
        }
    }

    fn notice(&mut self, notice: Notice, now: Mono, out: &mut Vec<Effect>) {
        match notice {
            Notice::Output { pane, .. } | Notice::Pause(pane) => self.pushed(vec![pane], now, out),
            Notice::SessionRenamed(Some(id), name) => self.rename_session(id, name, out),
            Notice::WindowRenamed(window, name) => self.rename_window(window, &name, out),
            Notice::SessionsChanged
            | Notice::SessionRenamed(None, _)
            | Notice::WindowAdd(_)
            | Notice::WindowClose(_)
            | Notice::WindowPaneChanged(..)
            | Notice::LayoutChange(_)
            | Notice::PaneModeChanged(_) => self.schedule.structure(now),
            Notice::SessionChanged(..)
            | Notice::SessionWindowChanged(..)
            | Notice::Continue(_)
            | Notice::Other => {}
        }
    }

    fn pushed(&mut self, panes: Vec<PaneId>, now: Mono, out: &mut Vec<Effect>) {
        for id in &panes {
            if let Some(pane) = self.panes.get_mut(id) {
                pane.told = Some(now);
                pane.missed = 0;
            }
        }
        self.wrote(panes, now, out);
    }

    /// Activity is told at once; what follows within the interval is told together at its end.
    fn wrote(&mut self, panes: Vec<PaneId>, now: Mono, out: &mut Vec<Effect>) {
        let mut told = Vec::new();
        for id in panes {
            let Some(pane) = self.panes.get(&id) else {
                self.schedule.structure(now);
                continue;
            };
            if let Some(session) = self.sessions.get_mut(&pane.facts.session) {
                session.wrote = Some(now);
            }
            if self.fresh {
                self.activity.hold(id, now);
            } else if self.activity.wrote(id, now) {
                told.push(id);
            }
        }
        self.schedule.nudge();
        if !told.is_empty() {
            out.push(Effect::Report(Report::Activity { panes: told, at: now }));
        }
    }

    fn captured(&mut self, id: PaneId, shown: Option<Shown>, now: Mono, out: &mut Vec<Effect>) {
        let calm = self.activity.captured(id);
        match shown {
            Some(Shown { text, title, columns }) if self.panes.contains_key(&id) && !self.fresh => {
                let screen = Box::new(Screen { text, title, columns, calm, at: now });
                out.push(Effect::Report(Report::Screen { pane: id, screen }));
            }
            Some(_) => {}
            None => self.schedule.structure(now),
        }
    }

    fn due(&mut self, now: Mono, out: &mut Vec<Effect>) {
        if self.retry_at.is_some_and(|at| at <= now) && self.schedule.has_listed() {
            self.snapshot(out);
        }
        if let Some(scope) = self.schedule.due(self.all_covered(), now) {
            out.push(Effect::List(scope));
        }
        if !self.fresh {
            let told = self.activity.due_reports(now);
            if !told.is_empty() {
                out.push(Effect::Report(Report::Activity { panes: told, at: now }));
            }
        }
        let quiet = self.activity.due_captures(now);
        if !quiet.is_empty() {
            out.push(Effect::Capture(quiet));
        }
        if self.push_review.is_some_and(|at| at <= now) {
            self.review_push(now, out);
        }
    }

    fn snapshot(&mut self, out: &mut Vec<Effect>) {
        let Some(server) = self.server.clone() else { return };
        self.fresh = false;
        self.retry_at = None;
        out.push(Effect::Report(Report::Snapshot {
            server,
            sessions: self
                .sessions
                .iter()
                .map(|(id, s)| SessionFacts { id: *id, name: s.name.clone() })
                .collect(),
            panes: self.panes.values().map(|p| p.facts.clone()).collect(),
        }));
    }

    /// Whether every write in every living pane is told at once.
    fn all_covered(&self) -> bool {
        !self.push_lost && self.panes.values().all(|p| p.watch == Watch::On || p.facts.dead.is_some())
    }
}
