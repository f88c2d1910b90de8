//! What others want done on a server, from the question to the answer.

use tsup_core::clock::Mono;
use tsup_core::ids::{PaneId, SessionId, WindowId};
use tsup_core::limits::{
    ASK_TRIES_MAX, ASKS_WAITING_MAX, CAPTURE_BYTES_MAX, CAPTURE_HISTORY_BYTES_MAX, TMUX_DEADLINE,
    TMUX_REASON_BYTES_MAX,
};
use tsup_core::tmux::command::{self, BadCommand, Line, NOT_OWNED};
use tsup_core::tmux::connection::{self, Standing};
use tsup_core::tmux::protocol::Block;
use tsup_core::tmux::report::{Answer, Ask, AskError, Launch, Launched};
use tsup_core::untrusted::Untrusted;

use super::gateway::{About, Gateway, screen};
use super::probe;
use crate::actor::Cx;
use crate::gate::Reply;

/// An ask on its way.
#[derive(Debug)]
pub(super) struct Pending {
    ask: Ask,
    reply: Reply<Result<Answer, AskError>>,
    /// How often it was put to tmux before: a session that came or went in between is tried again, and a
    /// pane to be ended that is gone by now was ended.
    tried: u8,
    /// When it came.
    since: Mono,
}

impl Pending {
    pub(super) fn new(ask: Ask, reply: Reply<Result<Answer, AskError>>, since: Mono) -> Self {
        Pending { ask, reply, tried: 0, since }
    }

    /// Moves it out of a message.
    pub(super) fn take(&mut self) -> Self {
        Pending { ask: self.ask.clone(), reply: self.reply.take(), tried: self.tried, since: self.since }
    }

    fn answer(mut self, result: Result<Answer, AskError>) {
        self.reply.send(result);
    }

    /// Answers that there was no answer; a later one finds nobody waiting.
    pub(super) fn time_out(&mut self) {
        self.reply.send(Err(AskError::Timeout(TMUX_DEADLINE.as_secs())));
    }
}

/// Asks that cannot be put yet.
#[derive(Debug, Default)]
pub(super) struct Asks {
    waiting: Vec<Pending>,
    /// A server is being started; more launches wait for it.
    starting: bool,
    /// Names for windows on their way to their own.
    aliases: u64,
}

impl Gateway {
    pub(super) fn take_ask(&mut self, pending: Pending, cx: &mut Cx<Self>) {
        if self.asks.waiting.len() >= ASKS_WAITING_MAX {
            return pending.answer(Err(AskError::NoServer(self.settings.socket.clone())));
        }
        self.asks.waiting.push(pending);
        self.resolve_asks(cx);
    }

    /// Does with the waiting asks what can be done as things stand.
    pub(super) fn resolve_asks(&mut self, cx: &mut Cx<Self>) {
        let standing = self.connection.standing();
        if standing == Standing::Coming || self.asks.waiting.is_empty() {
            return;
        }
        for pending in std::mem::take(&mut self.asks.waiting) {
            match (standing, &pending.ask) {
                (Standing::Up, _) => self.put(pending, cx),
                (Standing::Absent, Ask::Launch(_)) if self.asks.starting => self.asks.waiting.push(pending),
                (Standing::Absent, Ask::Launch(launch)) => {
                    let line = command::launch_session(launch);
                    self.start_server(pending, line, cx);
                }
                (Standing::Absent, Ask::Kill { .. }) if pending.tried > 0 => {
                    pending.answer(Ok(Answer::Killed));
                }
                _ => pending.answer(Err(AskError::NoServer(self.settings.socket.clone()))),
            }
        }
    }

    /// Answers those that have waited too long: nothing is done for somebody who has left.
    pub(super) fn expire_asks(&mut self, now: Mono) {
        let (late, waiting) = std::mem::take(&mut self.asks.waiting)
            .into_iter()
            .partition(|p| now.since(p.since) >= TMUX_DEADLINE * 2);
        self.asks.waiting = waiting;
        for pending in Vec::<Pending>::into_iter(late) {
            pending.answer(Err(AskError::Timeout(TMUX_DEADLINE.as_secs() * 2)));
        }
    }

    fn start_server(&mut self, pending: Pending, line: Result<Line, BadCommand>, cx: &mut Cx<Self>) {
        let line = match line {
            Ok(line) => line,
            Err(e) => return pending.answer(Err(e.into())),
        };
        self.asks.starting = true;
        let (place, socket) = (self.settings.place.clone(), self.settings.socket.clone());
        let gate = cx.gate().clone();
        cx.spawn(async move {
            let result = probe::start_server(&place, &socket, &line).await;
            super::gateway::deliver_started(&gate, pending, result).await;
        });
    }

    pub(super) fn server_started(
        &mut self,
        mut pending: Pending,
        result: Result<Launched, AskError>,
        cx: &mut Cx<Self>,
    ) {
        self.asks.starting = false;
        match result {
            // Somebody else started a server meanwhile, with a session of this name.
            Err(AskError::Refused(said)) if pending.tried < ASK_TRIES_MAX && is_race(said.raw()) => {
                pending.tried += 1;
                self.asks.waiting.push(pending);
            }
            other => pending.answer(other.map(Answer::Launched)),
        }
        self.connect(connection::Event::Started, cx);
    }

    /// Puts an ask to the server.
    fn put(&mut self, pending: Pending, cx: &mut Cx<Self>) {
        let line = match &pending.ask {
            Ask::Capture { pane, history } => Ok(command::capture(*pane, *history)),
            Ask::Launch(launch) => self.launch_line(launch),
            Ask::Respawn { pane, launch } => command::respawn(*pane, launch),
            Ask::Kill { pane, tag } => command::kill(*pane, tag),
        };
        self.put_line(pending, line, cx);
    }

    fn launch_line(&mut self, launch: &Launch) -> Result<Line, BadCommand> {
        if self.inventory.session_named(&launch.tag.session).is_none() {
            return command::launch_session(launch);
        }
        self.window_line(launch)
    }

    fn window_line(&mut self, launch: &Launch) -> Result<Line, BadCommand> {
        self.asks.aliases += 1;
        command::launch_window(launch, &format!("tsup-{}-{}", std::process::id(), self.asks.aliases))
    }

    /// The client is gone before the answer came. Ending a pane can be asked again without harm (it may
    /// have ended the session that the client was attached to); of the rest it is not known what was done.
    pub(super) fn strand(&mut self, mut pending: Pending) {
        if matches!(pending.ask, Ask::Kill { .. }) {
            pending.tried += 1;
            self.asks.waiting.push(pending);
        } else {
            pending.answer(Err(AskError::NoServer(self.settings.socket.clone())));
        }
    }

    pub(super) fn finish_ask(&mut self, mut pending: Pending, blocks: &[Block], cx: &mut Cx<Self>) {
        let result = match &pending.ask {
            Ask::Capture { pane, history } => {
                let max = if *history == 0 { CAPTURE_BYTES_MAX } else { CAPTURE_HISTORY_BYTES_MAX };
                first(blocks).map(|b| Answer::Screen(screen(b, max))).map_err(|e| refusal(&e, *pane))
            }
            Ask::Launch(launch) => match launched_in(blocks) {
                Err(said) if pending.tried < ASK_TRIES_MAX && is_race(&said) => {
                    let line = if said.contains("duplicate") {
                        self.window_line(launch)
                    } else {
                        command::launch_session(launch)
                    };
                    pending.tried += 1;
                    return self.put_line(pending, line, cx);
                }
                other => other.map(Answer::Launched).map_err(|e| refused(&e)),
            },
            Ask::Respawn { pane, .. } => checked(blocks, *pane)
                .and_then(|()| launched_in(blocks).map_err(|e| refused(&e)))
                .map(Answer::Launched),
            Ask::Kill { pane, .. } => match checked(blocks, *pane) {
                Err(AskError::Gone(_)) if pending.tried > 0 => Ok(Answer::Killed),
                other => other.map(|()| Answer::Killed),
            },
        };
        pending.answer(result);
    }

    fn put_line(&mut self, pending: Pending, line: Result<Line, BadCommand>, cx: &mut Cx<Self>) {
        match line {
            Ok(line) => {
                let about = About::Ask(Box::new(pending));
                if let Err(About::Ask(mut pending)) = self.question(&[line], about, cx.now()) {
                    pending.time_out();
                }
            }
            Err(e) => pending.answer(Err(e.into())),
        }
    }
}

/// Reads `$N TAB @N TAB %N TAB PID` from the first line that has this form.
pub(super) fn launched(text: &str) -> Option<Launched> {
    text.lines().find_map(|line| {
        let mut fields = line.split('\t');
        let session: SessionId = fields.next()?.parse().ok()?;
        let window: WindowId = fields.next()?.parse().ok()?;
        let pane: PaneId = fields.next()?.parse().ok()?;
        Some(Launched { session, window, pane, pid: fields.next()?.parse().ok()? })
    })
}

/// What was started, or tmux's words when something failed.
fn launched_in(blocks: &[Block]) -> Result<Launched, String> {
    if let Some(failed) = blocks.iter().find(|b| !b.ok) {
        return Err(failed.lossy().into_owned());
    }
    blocks.iter().find_map(|b| launched(&b.lossy())).ok_or_else(|| "nothing was started".to_owned())
}

fn is_race(said: &str) -> bool {
    said.contains("duplicate session") || said.contains("can't find session")
}

fn first(blocks: &[Block]) -> Result<&Block, String> {
    match blocks.first() {
        Some(b) if b.ok => Ok(b),
        Some(b) => Err(b.lossy().into_owned()),
        None => Err(String::new()),
    }
}

/// Whether the owner check let the command run, and it succeeded.
fn checked(blocks: &[Block], pane: PaneId) -> Result<(), AskError> {
    if let Some(failed) = blocks.iter().find(|b| !b.ok) {
        return Err(refusal(&failed.lossy(), pane));
    }
    if blocks.iter().any(|b| b.lossy().trim_end() == NOT_OWNED) {
        return Err(AskError::NotOwned(pane));
    }
    Ok(())
}

fn refusal(said: &str, pane: PaneId) -> AskError {
    if said.contains("can't find") { AskError::Gone(pane) } else { refused(said) }
}

fn refused(said: &str) -> AskError {
    AskError::Refused(Untrusted::bounded(said.trim_end(), TMUX_REASON_BYTES_MAX))
}
