//! When a server is there, and what to do until it is.
//!
//! A connection is a control client attached to one session. Before it, a probe says whether anybody
//! listens and which sessions there are. A server that does not answer is not gone: the client stays
//! (ending control clients has crashed tmux up to 3.6a, and a stopped server could not take notice
//! anyway), and whatever it says later begins a new snapshot.

use std::mem::discriminant;

use crate::clock::Mono;
use crate::ids::SessionId;
use crate::limits::{RECONNECT_FIRST, RECONNECT_LAST, TMUX_DEADLINE, TMUX_STEADY, TMUX_UNFIT_RETRY};
use crate::tmux::listing::SessionRow;
use crate::tmux::report::LostWhy;

mod version;

pub use version::is_too_old;

/// What a probe found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// Nobody listens, or the server has no session.
    Absent,
    /// The sessions there are.
    Sessions(Vec<SessionRow>),
    /// Somebody listens and does not answer.
    Silent,
    /// The `tmux` program cannot be run.
    NoBinary(String),
    /// The `tmux` program is too old: its version.
    TooOld(String),
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The answer to [`Effect::Probe`].
    Probed(Probe),
    /// The answer to [`Effect::AskServer`]: the server's version.
    Server(String),
    /// tmux answered something.
    Answered,
    /// The client's output ended.
    ClientEnded,
    /// A question has waited for [`TMUX_DEADLINE`].
    Late,
    /// Replies do not fit the questions.
    Desync,
    /// A server was started: look at once.
    Started,
    /// Time has passed.
    Tick,
}

/// How things stand for whoever wants something done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Questions can be asked.
    Up,
    /// It will be known in a moment.
    Coming,
    /// Nobody listens: a server may be started.
    Absent,
    /// Somebody listens and does not answer, or tmux cannot be used.
    Down,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Find out whether somebody listens and what sessions there are.
    Probe,
    /// Start a control client on this session, and ask it what server it is.
    Attach(SessionId),
    /// Ask the client that stands what server it is.
    AskServer,
    /// Let the client go.
    Detach,
    /// The server is there: list it.
    Up,
    /// Questions will not be answered.
    Down,
    /// Tell that the server is lost.
    Lost(LostWhy),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing stands; look again then.
    Waiting(Mono),
    Probing,
    /// A client was started, or a silent one spoke again; it must say what server it is until then.
    Meeting(Mono),
    Up {
        since: Mono,
    },
    /// A client stands and the server does not answer.
    Silent,
}

/// The state of one connection.
#[derive(Debug)]
pub struct Connection {
    phase: Phase,
    /// Failures in a row.
    failures: u32,
    /// A loss was told, and no server was there since.
    lost: Option<LostWhy>,
    /// A server was there since the last loss.
    was_up: bool,
    /// What the last probe means for whoever wants something done.
    verdict: Standing,
}

impl Connection {
    /// Nothing stands yet; the first [`Event::Tick`] begins.
    pub fn new() -> Self {
        Connection {
            phase: Phase::Waiting(Mono::ZERO),
            failures: 0,
            lost: None,
            was_up: false,
            verdict: Standing::Coming,
        }
    }

    /// Whether questions may be asked.
    pub fn is_up(&self) -> bool {
        matches!(self.phase, Phase::Up { .. })
    }

    /// How things stand.
    pub fn standing(&self) -> Standing {
        match self.phase {
            Phase::Up { .. } => Standing::Up,
            Phase::Silent => Standing::Down,
            Phase::Meeting(_) => Standing::Coming,
            Phase::Waiting(_) | Phase::Probing => self.verdict,
        }
    }

    /// When [`Event::Tick`] should come at the latest.
    pub fn deadline(&self) -> Option<Mono> {
        match self.phase {
            Phase::Waiting(at) | Phase::Meeting(at) => Some(at),
            Phase::Probing | Phase::Up { .. } | Phase::Silent => None,
        }
    }

    /// Takes what happened; the effects are to be done in order.
    pub fn step(&mut self, event: Event, now: Mono) -> Vec<Effect> {
        let mut out = Vec::new();
        if event == Event::Started {
            self.verdict = Standing::Coming;
        }
        match (self.phase, event) {
            (Phase::Waiting(at), Event::Tick) if at <= now => self.probe(&mut out),
            (Phase::Probing, Event::Probed(probe)) => self.probed(probe, now, &mut out),
            (Phase::Meeting(_), Event::Server(version)) => self.met(&version, now, &mut out),
            (Phase::Meeting(at), Event::Tick) if at <= now => self.silent(&mut out),
            (Phase::Meeting(_), Event::Late) => self.silent(&mut out),
            (Phase::Up { .. }, Event::Late) => {
                out.push(Effect::Down);
                self.silent(&mut out);
            }
            (Phase::Silent, Event::Answered) => {
                self.phase = Phase::Meeting(now + TMUX_DEADLINE);
                out.push(Effect::AskServer);
            }
            (Phase::Up { since }, Event::ClientEnded) => {
                out.push(Effect::Down);
                if now.since(since) >= TMUX_STEADY {
                    self.failures = 0;
                    self.probe(&mut out);
                } else {
                    self.wait(now);
                }
            }
            (Phase::Waiting(_), Event::Started) | (Phase::Silent, Event::ClientEnded) => self.probe(&mut out),
            (Phase::Meeting(_), Event::ClientEnded) => self.wait(now),
            (Phase::Up { .. }, Event::Desync) => {
                out.extend([Effect::Down, Effect::Detach]);
                self.wait(now);
            }
            (Phase::Meeting(_) | Phase::Silent, Event::Desync) => {
                out.push(Effect::Detach);
                self.wait(now);
            }
            _ => {}
        }
        out
    }

    fn probe(&mut self, out: &mut Vec<Effect>) {
        self.phase = Phase::Probing;
        out.push(Effect::Probe);
    }

    fn probed(&mut self, probe: Probe, now: Mono, out: &mut Vec<Effect>) {
        self.verdict = match probe {
            Probe::Absent => Standing::Absent,
            Probe::Sessions(_) => Standing::Coming,
            Probe::Silent | Probe::NoBinary(_) | Probe::TooOld(_) => Standing::Down,
        };
        let why = match probe {
            Probe::Sessions(sessions) => {
                if let Some(session) = choose(&sessions) {
                    self.phase = Phase::Meeting(now + TMUX_DEADLINE);
                    out.push(Effect::Attach(session));
                    return;
                }
                LostWhy::NoServer
            }
            Probe::Absent if self.was_up => LostWhy::Ended,
            Probe::Absent => LostWhy::NoServer,
            Probe::Silent => LostWhy::Stalled,
            Probe::NoBinary(why) => return self.unfit(LostWhy::NoBinary(why), now, out),
            Probe::TooOld(version) => return self.unfit(LostWhy::TooOld(version), now, out),
        };
        self.lose(why, out);
        self.wait(now);
    }

    fn met(&mut self, version: &str, now: Mono, out: &mut Vec<Effect>) {
        if is_too_old(version) {
            out.push(Effect::Detach);
            return self.unfit(LostWhy::TooOld(version.to_owned()), now, out);
        }
        self.phase = Phase::Up { since: now };
        self.lost = None;
        self.was_up = true;
        out.push(Effect::Up);
    }

    fn silent(&mut self, out: &mut Vec<Effect>) {
        self.phase = Phase::Silent;
        self.lose(LostWhy::Stalled, out);
    }

    /// A person must do something first; looking often would not help.
    fn unfit(&mut self, why: LostWhy, now: Mono, out: &mut Vec<Effect>) {
        self.lose(why, out);
        self.verdict = Standing::Down;
        self.phase = Phase::Waiting(now + TMUX_UNFIT_RETRY);
    }

    fn lose(&mut self, why: LostWhy, out: &mut Vec<Effect>) {
        let is_news = match (&self.lost, &why) {
            (None, _) => true,
            // Nothing came after the end.
            (Some(LostWhy::Ended), LostWhy::NoServer) => false,
            (Some(told), why) => discriminant(told) != discriminant(why),
        };
        if is_news {
            // A server that does not answer may yet end.
            self.was_up &= why == LostWhy::Stalled;
            self.lost = Some(why.clone());
            out.push(Effect::Lost(why));
        }
    }

    fn wait(&mut self, now: Mono) {
        let pause = RECONNECT_FIRST * 2u32.saturating_pow(self.failures.min(16));
        self.failures += 1;
        self.phase = Phase::Waiting(now + pause.min(RECONNECT_LAST));
    }
}

impl Default for Connection {
    fn default() -> Self {
        Self::new()
    }
}

/// The session to attach to: one that does not end when its last client leaves, and of those the oldest,
/// which is the likeliest to last.
fn choose(sessions: &[SessionRow]) -> Option<SessionId> {
    sessions.iter().min_by_key(|s| (s.destroy_unattached, s.facts.id)).map(|s| s.facts.id)
}

#[cfg(test)]
mod tests;
