//! When the process tree is looked at: at once for what is new, and after activity where no agent is
//! known, ever less often while nothing comes of it.

use std::time::Duration;

use crate::clock::Mono;
use crate::fleet::profile::Found;
use crate::ids::{PaneId, ProcId, SocketName};
use crate::limits;
use crate::tmux::report::PaneFacts;
use crate::untrusted::Untrusted;

use super::{Effect, Pane, Roster, Server};

/// A pane to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// Which.
    pub pane: PaneId,
    /// The process that tmux started in it.
    pub pid: u32,
    /// Its title.
    pub title: Untrusted,
}

/// What a look saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    /// Which pane.
    pub pane: PaneId,
    /// The pid that was asked about; an answer about an older one is dropped.
    pub pid: u32,
    /// Its process with the start time; `None` when it is gone.
    pub process: Option<ProcId>,
    /// The agent in it.
    pub found: Option<Found>,
}

/// When a pane is looked at next.
#[derive(Debug, Clone, Copy)]
pub(super) struct LookState {
    due: Option<Mono>,
    asked: bool,
    pause: Duration,
    last_activity: Option<Mono>,
    last_look: Option<Mono>,
    /// Looks that are still made without activity: what a pane was made for may start a moment later.
    more: u8,
}

impl LookState {
    fn at_once(now: Mono) -> Self {
        LookState {
            due: Some(now),
            asked: false,
            pause: limits::LOOK_PAUSE_FIRST,
            last_activity: None,
            last_look: None,
            more: limits::LOOKS_AT_NEW,
        }
    }

    /// Something was written: a program may have started. After a time of quiet that is more likely.
    pub(super) fn activity(&mut self, now: Mono) {
        let quiet = self.last_activity.is_none_or(|at| now.since(at) >= limits::LOOK_QUIET);
        self.last_activity = Some(now);
        if quiet {
            self.pause = limits::LOOK_PAUSE_FIRST;
        }
        let soon = self.last_look.map_or(now, |at| (at + self.pause).max(now));
        self.due = Some(self.due.map_or(soon, |due| due.min(soon)));
    }

    /// What was seen may mean something else now: looked at as one that is met for the first time.
    pub(super) fn again(&mut self, now: Mono) {
        let (asked, last_activity, last_look) = (self.asked, self.last_activity, self.last_look);
        *self = LookState { asked, last_activity, last_look, ..LookState::at_once(now) };
    }

    fn looked(&mut self, found: bool, now: Mono) {
        self.asked = false;
        self.last_look = Some(now);
        if !found && self.more > 0 {
            self.more -= 1;
            self.due.get_or_insert(now + self.pause);
        }
        self.pause = (self.pause * 2).min(limits::LOOK_PAUSE_MAX);
    }
}

impl Server {
    /// A pane is there, or its facts changed.
    pub(super) fn pane_there(&mut self, facts: PaneFacts, now: Mono) {
        let id = facts.pane;
        match self.panes.get_mut(&id) {
            Some(pane) if pane.facts.pid == facts.pid => {
                // Agents set a title when they come up: worth a look where none is known.
                let hint = pane.facts.title != facts.title && (pane.found.is_none() || pane.ended);
                pane.facts = facts;
                if hint {
                    pane.look.activity(now);
                }
            }
            _ => {
                let pane =
                    Pane { facts, process: None, found: None, ended: false, look: LookState::at_once(now) };
                self.panes.insert(id, pane);
            }
        }
    }
}

impl Roster {
    /// Takes in what was seen. A look that saw no agent does not end one: its own process tells that.
    pub(super) fn looked(
        &mut self,
        socket: &SocketName,
        server: ProcId,
        looks: Vec<Looked>,
        now: Mono,
    ) -> Vec<SocketName> {
        let known = self.server(socket);
        if known.facts.as_ref().map(|f| f.process) != Some(server) {
            return Vec::new();
        }
        let mut changed = false;
        for look in looks {
            let Some(pane) = known.panes.get_mut(&look.pane).filter(|p| p.facts.pid == look.pid) else {
                continue;
            };
            pane.look.looked(look.found.is_some(), now);
            if pane.process.is_none() && look.process.is_some() {
                pane.process = look.process;
                changed = true;
            }
            if look.found.is_some() && pane.found != look.found {
                let process = |found: &Option<Found>| found.as_ref().map(|f| f.process);
                // The same process by another profile did not begin to run again.
                pane.ended &= process(&pane.found) == process(&look.found);
                pane.found = look.found;
                changed = true;
            }
        }
        if changed { vec![socket.clone()] } else { Vec::new() }
    }

    /// Asks for the looks that are due, all panes of a server in one, and for a timer for the rest.
    pub(super) fn want_looks(&mut self, now: Mono, out: &mut Vec<Effect>) {
        let mut next: Option<Mono> = None;
        for (socket, server) in &mut self.servers {
            let Some(process) = server.facts.as_ref().map(|f| f.process).filter(|_| !server.stalled) else {
                continue;
            };
            let mut panes = Vec::new();
            for (id, pane) in &mut server.panes {
                let Some(due) = pane.look.due.filter(|_| !pane.look.asked) else { continue };
                if due <= now {
                    pane.look.asked = true;
                    pane.look.due = None;
                    let (pid, title) = (pane.facts.pid, pane.facts.title.clone());
                    panes.push(Look { pane: *id, pid, title });
                } else {
                    next = Some(next.map_or(due, |n| n.min(due)));
                }
            }
            if !panes.is_empty() {
                out.push(Effect::Look { socket: socket.clone(), server: process, panes });
            }
        }
        if let Some(next) = next {
            out.push(Effect::LookAgain(next.since(now)));
        }
    }
}
