//! The state of one agent: what was seen of it, and what follows.
//!
//! Its process and its pane come first ([`life`]): only the process itself, or tmux's word about a dead
//! pane, ends an agent; a failed observation is not a death. While it lives, each source of evidence has
//! its latest word on the [`board`], the strongest rank proposes a state ([`fuse`]), and the agent takes it
//! at once or after several looks ([`settle`]). Words about a process that was replaced are dropped.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Mono, Wall};
use crate::fleet::hook::HookSays;
use crate::fleet::process::ExitFacts;
use crate::fleet::relaunch::Trouble;
use crate::fleet::state::AgentState;
use crate::fleet::transcript::Usage;
use crate::ids::ProcId;
use crate::limits;

mod board;
mod explain;
mod fuse;
mod heard;
mod history;
mod life;
mod marks;
mod nature;
mod reason;
mod settle;
mod words;

pub use explain::Explanation;
pub use history::{Change, History};
pub use marks::Marks;
pub use nature::Nature;
pub use words::{Effect, Event, Front, Moment, Shows};

pub use super::evidence::{Claim, Evidence, Rank, Source, Verdict};

use board::Board;
use settle::Pending;

/// How an agent's process stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    /// None was seen yet.
    Unborn,
    /// It runs.
    Alive,
    /// It ended.
    Ended { facts: ExitFacts, at: Mono },
}

/// One agent.
#[derive(Debug, Clone)]
pub struct Agent {
    verdict: Verdict,
    since: Moment,
    /// Why it is in its state.
    reason: Arc<str>,
    nature: Nature,
    process: Option<ProcId>,
    life: Life,
    /// When its process started, as far as that lies within this clock.
    born: Mono,
    /// Since when this process is watched.
    attached_at: Mono,
    last_activity: Option<Mono>,
    last_look: Mono,
    board: Board,
    pending: Option<Pending>,
    /// When a screen was asked for that did not come by itself.
    screen_asked: Mono,
    end_asked: bool,
    pane_gone: Option<Mono>,
    /// Whether the process ended for which its pane is there: the pane will follow.
    pane_ending: bool,
    /// The state before its server went away.
    before_loss: Option<Verdict>,
    /// The state before its process was stopped.
    before_stop: Option<Verdict>,
    /// Whether it stays listed without pane and process: declared agents do.
    permanent: bool,
    grace: Duration,
    usage: Usage,
    /// What stood in the way of the process that ended.
    trouble: Option<Trouble>,
    history: History,
}

impl Agent {
    /// An agent nothing was seen of. A `permanent` one is never gone; others are, `grace` after their
    /// pane.
    pub fn new(now: Moment, permanent: bool, grace: Duration) -> Self {
        Agent {
            verdict: Verdict::new(AgentState::Starting, None),
            since: now,
            reason: "nothing was seen of it yet".into(),
            nature: Nature::default(),
            process: None,
            life: Life::Unborn,
            born: now.mono,
            attached_at: now.mono,
            last_activity: None,
            last_look: now.mono,
            board: Board::default(),
            pending: None,
            screen_asked: now.mono,
            end_asked: false,
            pane_gone: None,
            pane_ending: false,
            before_loss: None,
            before_stop: None,
            permanent,
            grace,
            usage: Usage::default(),
            trouble: None,
            history: History::default(),
        }
    }

    /// Takes up where an earlier incarnation of its actor, or of the supervisor, left off.
    pub fn restore(&mut self, history: History, since: Option<(Verdict, Wall)>) {
        self.history = history;
        if let Some((verdict, wall)) = since {
            self.verdict = verdict;
            self.since.wall = wall;
            self.reason = self.history.last().map_or_else(|| "restored".into(), |c| Arc::clone(&c.because));
        }
    }

    /// Whether it stays listed without pane and process, and how long it does otherwise.
    pub fn keep_listed(&mut self, permanent: bool, grace: Duration) {
        self.permanent = permanent;
        self.grace = grace;
    }

    /// What may be concluded from its screen, by its profile.
    pub fn set_nature(&mut self, nature: Nature) {
        self.nature = nature;
    }

    /// Its screen means something else now: what was read of it is old, and it is asked for until it comes.
    pub fn read_again(&mut self, now: Mono) {
        self.board.unseen = Some(now);
        self.screen_asked = now;
    }

    /// What it is doing.
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Since when.
    pub fn since(&self) -> Moment {
        self.since
    }

    /// The process it runs in, or ran in last.
    pub fn process(&self) -> Option<ProcId> {
        self.process
    }

    /// Whether its process is known to run.
    pub fn is_alive(&self) -> bool {
        self.life == Life::Alive
    }

    /// When its pane last changed.
    pub fn last_activity(&self) -> Option<Mono> {
        self.last_activity
    }

    /// What stood in the way of its process when that ended, by all that was known then.
    pub fn trouble(&self) -> Option<Trouble> {
        self.trouble
    }

    /// Its past states.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// How long until [`Event::Look`] is due; `None` while nothing changes by time alone.
    pub fn next_look(&self, now: Mono) -> Option<Duration> {
        let due = match (self.pane_gone, self.life) {
            (Some(gone), Life::Alive) if self.may_be_missing() => gone + limits::PANE_GONE_CONFIRM,
            (Some(_), _) if self.permanent => return None,
            (Some(gone), Life::Ended { at, .. }) => gone.max(at) + self.grace,
            (Some(gone), _) => gone + self.grace,
            (None, Life::Ended { .. } | Life::Unborn) => return None,
            (None, Life::Alive) if self.cut_off() => return None,
            (None, Life::Alive) => self.next_settle(now)?,
        };
        Some(due.since(now))
    }

    /// Takes in what happened.
    pub fn step(&mut self, event: Event, now: Moment) -> Vec<Effect> {
        let mut out = Vec::new();
        match event {
            Event::Attached { process, age } => self.attached(process, age, now, &mut out),
            Event::Activity { at } => {
                self.last_activity = Some(self.last_activity.map_or(at, |last| last.max(at)));
                self.board.wrote(at);
                self.settle(now, &mut out);
            }
            Event::Look => self.look(now, &mut out),
            Event::Died { process, facts } if Some(process) == self.process => {
                self.ended(facts, Source::Process, now, &mut out);
            }
            // The end of a process that was replaced says nothing about this one.
            Event::Died { .. } => {}
            Event::PaneDead { facts } => self.ended(facts, Source::Pane, now, &mut out),
            Event::PaneEnding { facts } => self.pane_ending(facts, now, &mut out),
            Event::PaneGone => {
                self.pane_gone.get_or_insert(now.mono);
            }
            Event::PaneThere => self.pane_there(now, &mut out),
            Event::ServerLost { stalled } => self.server_lost(stalled, now, &mut out),
            Event::ServerBack => self.server_back(now, &mut out),
            Event::EndAsked => self.end_asked = true,
            Event::Held(hold) => self.held(hold, now, &mut out),
            Event::Screen { reading, calm, at } => {
                if self.is_of_now(at) {
                    self.board.read(*reading, calm, at, self.last_activity);
                    self.settle(now, &mut out);
                }
            }
            Event::Title(claims) => {
                self.board.titled(claims, now.mono);
                self.settle(now, &mut out);
            }
            Event::Hook { says, rule, words, at } => {
                if let (HookSays::State(state, detail), true) = (says, self.is_of_now(at)) {
                    let says = Verdict::new(state, detail);
                    let claim = Claim { source: Source::Hook, rank: Rank::Hook, rule, says, excerpt: words };
                    self.board.hooked(Evidence { claim, at });
                    self.settle(now, &mut out);
                }
            }
            Event::Transcript(heard) => {
                self.heard(*heard, now);
                self.settle(now, &mut out);
            }
            Event::Front(front) => self.fronted(front, now, &mut out),
        }
        out
    }

    /// Whether something that was observed then can be about the process that runs now.
    fn is_of_now(&self, at: Mono) -> bool {
        self.life == Life::Alive && at + limits::BIRTH_SLACK >= self.born
    }

    /// Takes in who has its terminal, and whether it is stopped.
    fn fronted(&mut self, front: Front, now: Moment, out: &mut Vec<Effect>) {
        let before = self.board.front;
        if front.stopped && !before.stopped {
            self.before_stop = Some(self.verdict);
        }
        self.board.fronted(front, now.mono);
        if front.shows_agent() && !before.shows_agent() && self.nature.reads_screen {
            // It paints anew, and until that is seen nothing is known of what it shows.
            self.screen_asked = now.mono;
            out.push(Effect::WantScreen);
        }
        self.settle(now, out);
    }

    fn look(&mut self, now: Moment, out: &mut Vec<Effect>) {
        if self.pane_gone.is_some() {
            return self.look_for_pane(now, out);
        }
        self.last_look = now.mono;
        if self.life == Life::Alive && !self.cut_off() {
            self.want_screen(now.mono, out);
            self.settle(now, out);
        }
    }

    fn turn(&mut self, to: Verdict, because: &str, now: Moment, out: &mut Vec<Effect>) {
        if to == self.verdict {
            return;
        }
        let change = Change { at: now.wall, from: self.verdict.state, to, because: because.into() };
        if self.verdict.state != to.state {
            self.since = now;
        }
        self.reason = Arc::clone(&change.because);
        self.verdict = to;
        if change.lasts() {
            self.history.push(change.clone());
        }
        out.push(Effect::Changed(change));
    }
}

#[cfg(test)]
mod fusion;
#[cfg(test)]
mod tests;
