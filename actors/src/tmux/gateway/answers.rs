//! What a gateway does with what it is told.

use tsup_core::ids::PaneId;
use tsup_core::limits::{CAPTURE_BYTES_MAX, PUSH_PAUSE_FOR, TITLE_BYTES_MAX};
use tsup_core::tmux::command::Scope;
use tsup_core::tmux::ledger::Answered;
use tsup_core::tmux::protocol::{Block, Event};
use tsup_core::tmux::report::ServerFacts;
use tsup_core::tmux::{connection, inventory, listing};
use tsup_core::untrusted::Untrusted;

use super::{About, Gateway, Inner, Msg, Own, Told, identify};
use crate::actor::Cx;
use crate::gate::Lane;

impl Gateway {
    pub(super) fn own(&mut self, inner: &mut Inner, cx: &mut Cx<Self>) {
        match inner {
            Inner::Tick => self.tick(cx),
            Inner::Probed(found) => {
                let fit = !matches!(found, connection::Probe::NoBinary(_) | connection::Probe::TooOld(_));
                self.program_known = fit;
                self.connect(connection::Event::Probed(found.clone()), cx);
            }
            Inner::Heard(id, events) if self.is_client(*id) => {
                for event in std::mem::take(events) {
                    self.hear(event, cx);
                }
            }
            Inner::ClientEnded(id) if self.is_client(*id) => {
                self.client = None;
                self.abandon();
                self.connect(connection::Event::ClientEnded, cx);
            }
            // Of a client that was let go.
            Inner::Heard(..) | Inner::ClientEnded(_) => {}
            Inner::Seen(seen) => {
                let seen = self.ttys.translate(seen);
                for pane in seen.gone {
                    self.stock(inventory::Event::TtyGone(pane), cx);
                }
                if seen.overflow {
                    self.stock(inventory::Event::PushLost, cx);
                }
                if !seen.wrote.is_empty() {
                    self.stock(inventory::Event::Wrote(seen.wrote), cx);
                }
            }
            Inner::Told(id, told) => {
                let Told { wrote, paused } = std::mem::take(told);
                for pane in &paused {
                    let resume = Msg::Own(Own(Inner::Resume(*id, *pane)));
                    cx.after(PUSH_PAUSE_FOR, Lane::Control, resume).detach();
                }
                self.stock(inventory::Event::Wrote([wrote, paused].concat()), cx);
            }
            Inner::Resume(id, pane) => self.pushers.resume(*id, *pane),
            Inner::PusherEnded(id) => {
                if let Some(session) = self.pushers.ended(*id) {
                    self.stock(inventory::Event::PushEnded(session), cx);
                }
            }
            Inner::ServerStarted(pending, result) => {
                let (pending, result) = (pending.take(), result.clone());
                self.server_started(pending, result, cx);
            }
        }
    }

    fn is_client(&self, id: u64) -> bool {
        self.client.as_ref().is_some_and(|(current, _)| *current == id)
    }

    fn hear(&mut self, event: Event, cx: &mut Cx<Self>) {
        match event {
            Event::Block(block) => {
                self.connect(connection::Event::Answered, cx);
                match self.ledger.block(block) {
                    Ok(None) => {}
                    Ok(Some(answered)) => self.answered(answered, cx),
                    Err(_) => self.desync(cx),
                }
            }
            Event::Notice(notice) if self.connection.is_up() => {
                self.stock(inventory::Event::Notice(notice), cx);
            }
            // The end of the client's output follows.
            Event::Notice(_) | Event::Exit(_) => {}
            Event::Stray => self.desync(cx),
        }
    }

    fn desync(&mut self, cx: &mut Cx<Self>) {
        tracing::warn!(socket = %self.settings.socket, "tmux's replies do not fit the questions; connecting anew");
        self.counts.errors.inc();
        self.connect(connection::Event::Desync, cx);
    }

    fn answered(&mut self, answered: Answered<About>, cx: &mut Cx<Self>) {
        let Answered { about, blocks, asked } = answered;
        self.counts.latency.record(cx.now().since(asked));
        if blocks.iter().any(|b| !b.ok) {
            self.counts.errors.inc();
        }
        match about {
            About::Server => self.met(&blocks, cx),
            About::List { epoch, .. } | About::Capture { epoch, .. } if epoch != self.epoch => {}
            About::List { scope, .. } => self.stock(listed(scope, &blocks), cx),
            About::Capture { pane, .. } => self.stock(captured(pane, &blocks), cx),
            About::Ask(pending) => self.finish_ask(*pending, &blocks, cx),
        }
    }

    /// The server said who it is: `PID TAB VERSION`.
    fn met(&mut self, blocks: &[Block], cx: &mut Cx<Self>) {
        let said = blocks.first().map(Block::lossy).unwrap_or_default();
        let Some((pid, version)) = said.trim_end().split_once('\t') else { return self.desync(cx) };
        let Ok(pid) = pid.parse() else { return self.desync(cx) };
        let (socket, version) = (self.settings.socket.clone(), version.to_owned());
        self.server = Some(ServerFacts { socket, process: identify(pid), version: version.clone() });
        self.connect(connection::Event::Server(version), cx);
    }

    /// Questions will not be answered in time. They stay in the ledger, which must still recognise what
    /// comes late.
    pub(super) fn give_up(&mut self) {
        for about in self.ledger.open_mut() {
            if let About::Ask(pending) = about {
                pending.time_out();
            }
        }
    }

    /// Questions will not be answered at all: their client is gone.
    pub(super) fn abandon(&mut self) {
        self.outbox.clear();
        let open: Vec<About> = self.ledger.drain().collect();
        for about in open {
            if let About::Ask(pending) = about {
                self.strand(*pending);
            }
        }
    }
}

fn listed(scope: Scope, blocks: &[Block]) -> inventory::Event {
    match (scope, blocks) {
        (Scope::All, [sessions, panes]) if sessions.ok && panes.ok => inventory::Event::Listed {
            scope,
            sessions: Some(listing::sessions(sessions)),
            panes: listing::panes(panes),
        },
        (Scope::Since(_), [panes]) if panes.ok => {
            inventory::Event::Listed { scope, sessions: None, panes: listing::panes(panes) }
        }
        _ => inventory::Event::ListFailed,
    }
}

/// The text, then `WIDTH TAB TITLE`.
fn captured(pane: PaneId, blocks: &[Block]) -> inventory::Event {
    let shown = blocks.first().filter(|b| b.ok).map(|b| {
        let said = blocks.get(1).filter(|b| b.ok).map(Block::lossy).unwrap_or_default();
        let (width, title) = said.trim_end_matches('\n').split_once('\t').unwrap_or_default();
        let title = Untrusted::bounded(title, TITLE_BYTES_MAX);
        inventory::Shown { text: screen(b, CAPTURE_BYTES_MAX), title, columns: width.parse().ok() }
    });
    inventory::Event::Captured { pane, shown }
}

/// The end of a captured text, within a bound: what an agent does is said at the bottom.
pub(in crate::tmux) fn screen(block: &Block, max_bytes: usize) -> Untrusted {
    let text = block.lossy();
    let mut from = text.len().saturating_sub(max_bytes);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    Untrusted::new(&text[from..])
}
