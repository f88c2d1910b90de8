//! The state of one agent: what was seen of it, and what follows.
//!
//! States here come from its process, its pane and its pane's activity. A failed observation is not a
//! death: only the process itself, or tmux's word about a dead pane, ends an agent. Busy is believed at
//! once; idle needs several quiet looks. Reports about a process that was replaced are dropped.

use std::time::Duration;

use crate::clock::{Mono, Wall};
use crate::fleet::hook::HookSays;
use crate::fleet::process::ExitFacts;
use crate::fleet::state::{AgentState, Detail};
use crate::fleet::transcript::Usage;
use crate::ids::ProcId;
use crate::limits;
use crate::untrusted::Untrusted;

mod heard;
mod history;
mod words;

pub use history::{Change, History};
pub use words::{Effect, Event, Moment};

pub use super::evidence::{Claim, Evidence, Rank, Source, Verdict};

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
    process: Option<ProcId>,
    life: Life,
    /// When its process started, as far as that lies within this clock.
    born: Mono,
    last_activity: Option<Mono>,
    last_look: Mono,
    quiet_looks: u8,
    end_asked: bool,
    pane_gone: Option<Mono>,
    /// Whether the process ended for which its pane is there: the pane will follow.
    pane_ending: bool,
    /// The state before its server went away.
    before_loss: Option<Verdict>,
    /// Whether it stays listed without pane and process: declared agents do.
    permanent: bool,
    grace: Duration,
    evidence: Vec<Evidence>,
    usage: Usage,
    history: History,
}

impl Agent {
    /// An agent nothing was seen of. A `permanent` one is never gone; others are, `grace` after their
    /// pane.
    pub fn new(now: Moment, permanent: bool, grace: Duration) -> Self {
        Agent {
            verdict: Verdict::new(AgentState::Starting, None),
            since: now,
            process: None,
            life: Life::Unborn,
            born: now.mono,
            last_activity: None,
            last_look: now.mono,
            quiet_looks: 0,
            end_asked: false,
            pane_gone: None,
            pane_ending: false,
            before_loss: None,
            permanent,
            grace,
            evidence: Vec::new(),
            usage: Usage::default(),
            history: History::default(),
        }
    }

    /// Takes up where an earlier incarnation of its actor, or of the supervisor, left off.
    pub fn restore(&mut self, history: History, since: Option<(Verdict, Wall)>) {
        self.history = history;
        if let Some((verdict, wall)) = since {
            self.verdict = verdict;
            self.since.wall = wall;
        }
    }

    /// Whether it stays listed without pane and process, and how long it does otherwise.
    pub fn keep_listed(&mut self, permanent: bool, grace: Duration) {
        self.permanent = permanent;
        self.grace = grace;
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

    /// What its state stands on, the latest of each source.
    pub fn evidence(&self) -> &[Evidence] {
        &self.evidence
    }

    /// Its past states.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// How sure its state is, 0 to 1. Ends are facts; activity cannot tell work from a clock that ticks.
    pub fn confidence(&self) -> f64 {
        match self.verdict.state {
            AgentState::Exited | AgentState::Crashed => 1.0,
            AgentState::Starting => 0.8,
            AgentState::Missing => 0.5,
            AgentState::Unknown => 0.0,
            _ => 0.6,
        }
    }

    /// How long until [`Event::Look`] is due; `None` while nothing changes by time alone.
    pub fn next_look(&self, now: Mono) -> Option<Duration> {
        let due = match (self.pane_gone, self.life) {
            (Some(gone), Life::Alive) if self.may_be_missing() => gone + limits::PANE_GONE_CONFIRM,
            (Some(_), _) if self.permanent => return None,
            (Some(gone), Life::Ended { at, .. }) => gone.max(at) + self.grace,
            (Some(gone), _) => gone + self.grace,
            (None, Life::Ended { .. } | Life::Unborn) => return None,
            (None, Life::Alive) => match self.verdict.state {
                _ if self.before_loss.is_some() || self.pane_ending => return None,
                AgentState::Starting => (self.born + limits::START_GRACE).max(self.last_look),
                AgentState::Busy | AgentState::Unknown => self.last_look + limits::QUIET_LOOK_INTERVAL,
                _ => return None,
            },
        };
        Some(due.since(now))
    }

    /// Whether a pane that is gone still has to be called missing: a lost server explains it.
    fn may_be_missing(&self) -> bool {
        self.verdict.state != AgentState::Missing && self.before_loss.is_none()
    }

    /// Takes in what happened.
    pub fn step(&mut self, event: Event, now: Moment) -> Vec<Effect> {
        let mut out = Vec::new();
        match event {
            Event::Attached { process, age } => self.attached(process, age, now, &mut out),
            Event::Activity { at } => self.active(at, now, &mut out),
            Event::Look => self.look(now, &mut out),
            Event::Died { process, facts } if Some(process) == self.process => {
                self.ended(facts, Source::Process, now, &mut out);
            }
            Event::PaneDead { facts } => self.ended(facts, Source::Pane, now, &mut out),
            Event::PaneEnding { facts } => self.pane_ending(facts, now, &mut out),
            Event::PaneGone => {
                self.pane_gone.get_or_insert(now.mono);
            }
            Event::PaneThere => self.pane_there(now, &mut out),
            Event::ServerLost { stalled } => self.server_lost(stalled, now, &mut out),
            Event::ServerBack => self.server_back(now, &mut out),
            Event::EndAsked => {
                self.end_asked = true;
                self.note(Source::Person, "end asked", self.verdict, now);
            }
            Event::Held => {
                let verdict = Verdict::new(self.verdict.state, Some(Detail::Held));
                self.turn(verdict, "its restarts are used up; `ctl restart` starts it again", now, &mut out);
            }
            Event::Screen { reading, at } => {
                self.claimed(Source::Screen, reading.claims.into_iter().next(), at);
            }
            Event::Title(claims) => self.claimed(Source::Title, claims.into_iter().next(), now.mono),
            Event::Hook { says: HookSays::State(state, detail), rule, words, at } => {
                let says = Verdict::new(state, detail);
                let claim = Claim { source: Source::Hook, rank: Rank::Hook, rule, says, excerpt: words };
                self.claimed(Source::Hook, Some(claim), at);
            }
            // The end of a process that was replaced says nothing about this one, nor do a subagent's hooks.
            Event::Died { .. } | Event::Hook { .. } => {}
            Event::Transcript(heard) => self.heard(*heard, now),
        }
        out
    }

    fn attached(&mut self, process: ProcId, age: Duration, now: Moment, out: &mut Vec<Effect>) {
        if self.process == Some(process) && self.life != Life::Unborn {
            return;
        }
        self.process = Some(process);
        self.life = Life::Alive;
        self.born = now.mono - age;
        self.end_asked = false;
        self.pane_gone = None;
        self.pane_ending = false;
        self.before_loss = None;
        self.quiet_looks = 0;
        self.last_look = now.mono;
        self.last_activity = None;
        let verdict = if age < limits::START_GRACE {
            Verdict::new(AgentState::Starting, None)
        } else {
            Verdict::new(AgentState::Unknown, None)
        };
        self.note(Source::Process, "runs", verdict, now);
        // An agent that was watched before and did not change keeps its state until something is seen.
        let known = matches!(self.verdict.state, AgentState::Busy | AgentState::Idle);
        if !(known && age >= limits::START_GRACE) {
            self.turn(verdict, &format!("process {} is watched", process.pid), now, out);
        }
        if self.verdict.state == AgentState::Idle {
            self.quiet_looks = limits::QUIET_LOOKS;
        }
    }

    fn active(&mut self, at: Mono, now: Moment, out: &mut Vec<Effect>) {
        self.last_activity = Some(self.last_activity.map_or(at, |last| last.max(at)));
        self.quiet_looks = 0;
        let cut_off = self.before_loss.is_some() || self.pane_gone.is_some() || self.pane_ending;
        if self.life != Life::Alive || cut_off {
            return;
        }
        let busy = Verdict::new(AgentState::Busy, Some(Detail::Output));
        self.note(Source::Activity, "output", busy, now);
        if now.mono.since(self.born) >= limits::START_GRACE {
            if self.verdict != busy {
                self.last_look = now.mono;
            }
            self.turn(busy, "its pane changed", now, out);
        }
    }

    fn look(&mut self, now: Moment, out: &mut Vec<Effect>) {
        if let Some(gone) = self.pane_gone {
            let over = now.mono.since(gone) >= self.grace;
            if self.life == Life::Alive && self.may_be_missing() {
                if now.mono.since(gone) >= limits::PANE_GONE_CONFIRM {
                    let missing = Verdict::new(AgentState::Missing, Some(Detail::PaneGone));
                    self.note(Source::Pane, "gone", missing, now);
                    self.turn(missing, "its pane is gone and its end was not seen", now, out);
                }
            } else if over && !self.permanent && self.next_look(now.mono) == Some(Duration::ZERO) {
                out.push(Effect::Gone);
            }
            return;
        }
        if self.life != Life::Alive || self.before_loss.is_some() || self.pane_ending {
            return;
        }
        // The first look at a starting agent comes at the end of its grace: one look over seconds in which
        // it may long have come to rest, which is as good as several looks.
        let long = limits::QUIET_LOOK_INTERVAL * u32::from(limits::QUIET_LOOKS);
        let quiet = self.last_activity.is_none_or(|at| at <= self.last_look || now.mono.since(at) >= long);
        self.last_look = now.mono;
        if !quiet {
            self.quiet_looks = 0;
            if self.verdict.state == AgentState::Starting && now.mono.since(self.born) >= limits::START_GRACE
            {
                let busy = Verdict::new(AgentState::Busy, Some(Detail::Output));
                self.turn(busy, "its pane changes since it started", now, out);
            }
            return;
        }
        self.quiet_looks = self.quiet_looks.saturating_add(1);
        if self.quiet_looks >= limits::QUIET_LOOKS || self.verdict.state == AgentState::Starting {
            self.quiet_looks = limits::QUIET_LOOKS;
            let idle = Verdict::new(AgentState::Idle, None);
            self.note(Source::Activity, "quiet", idle, now);
            self.turn(idle, "its pane has been quiet for several looks", now, out);
        }
    }

    fn ended(&mut self, facts: ExitFacts, source: Source, now: Moment, out: &mut Vec<Effect>) {
        match self.life {
            Life::Unborn if source == Source::Process => return,
            // What tmux learned later fills in what nobody knew at the time.
            Life::Ended { facts: known, .. } if known.known() || !facts.known() => return,
            Life::Ended { at, .. } => self.life = Life::Ended { facts, at },
            Life::Unborn | Life::Alive => {
                self.life = Life::Ended { facts, at: now.mono };
                out.push(Effect::Died(facts));
            }
        }
        let verdict = self.end_verdict(facts);
        self.note(source, "ended", verdict, now);
        if let Some(before) = &mut self.before_loss
            && self.verdict.detail == Some(Detail::LostServer)
        {
            // The server took its panes with it: that is what happened, not a crash of each.
            *before = verdict;
            return;
        }
        let asked = if self.end_asked { "it was asked to end: " } else { "" };
        let because = format!("{asked}its process ended with {facts}");
        self.turn(verdict, &because, now, out);
    }

    /// Without a status nothing says that it failed.
    fn end_verdict(&self, facts: ExitFacts) -> Verdict {
        match (facts.signal, facts.status) {
            _ if self.end_asked => Verdict::new(AgentState::Crashed, Some(Detail::Killed)),
            (Some(_), _) => Verdict::new(AgentState::Crashed, Some(Detail::Signal)),
            (None, Some(0)) => Verdict::new(AgentState::Exited, Some(Detail::Finished)),
            (None, Some(_)) => Verdict::new(AgentState::Crashed, Some(Detail::Status)),
            (None, None) => Verdict::new(AgentState::Exited, Some(Detail::UnknownCause)),
        }
    }

    /// The pane ends with the process it was made for. Ours mostly follows, but until it does it is not
    /// dead.
    fn pane_ending(&mut self, facts: ExitFacts, now: Moment, out: &mut Vec<Effect>) {
        if self.life != Life::Alive || std::mem::replace(&mut self.pane_ending, true) {
            return;
        }
        let missing = Verdict::new(AgentState::Missing, Some(Detail::PaneGone));
        self.note(Source::Pane, "its process ended", missing, now);
        if self.before_loss.is_none() {
            let because = format!("its pane's process ended with {facts}, its own still runs");
            self.turn(missing, &because, now, out);
        }
    }

    fn pane_there(&mut self, now: Moment, out: &mut Vec<Effect>) {
        self.pane_gone = None;
        self.pane_ending = false;
        self.server_back(now, out);
        if self.verdict.state == AgentState::Missing {
            self.quiet_looks = 0;
            self.last_look = now.mono;
            let unknown = Verdict::new(AgentState::Unknown, None);
            self.turn(unknown, "its pane is there again", now, out);
        }
    }

    fn server_lost(&mut self, stalled: bool, now: Moment, out: &mut Vec<Effect>) {
        let because = if stalled { "its tmux server does not answer" } else { "its tmux server has ended" };
        let recent = match self.life {
            Life::Ended { at, .. } => !stalled && now.mono.since(at) <= limits::SERVER_LOSS_WINDOW,
            Life::Alive | Life::Unborn => true,
        };
        if !stalled {
            self.pane_gone.get_or_insert(now.mono);
        }
        if recent && !self.end_asked {
            self.before_loss.get_or_insert(self.verdict);
            let lost = Verdict::new(AgentState::Unknown, Some(Detail::LostServer));
            self.note(Source::Pane, "server lost", lost, now);
            self.turn(lost, because, now, out);
        }
    }

    fn server_back(&mut self, now: Moment, out: &mut Vec<Effect>) {
        // A server that ended took the pane along; only the pane itself brings the agent back.
        if self.pane_gone.is_some() {
            return;
        }
        let Some(before) = self.before_loss.take() else { return };
        self.last_look = now.mono;
        self.quiet_looks = 0;
        if self.verdict.detail == Some(Detail::LostServer) && self.life == Life::Alive {
            self.turn(before, "its tmux server answers again", now, out);
        }
    }

    /// Keeps the latest claim of a source.
    fn claimed(&mut self, source: Source, claim: Option<Claim>, at: Mono) {
        self.evidence.retain(|e| e.claim.source != source);
        self.evidence.extend(claim.map(|claim| Evidence { claim, at }));
    }

    fn note(&mut self, source: Source, rule: &'static str, says: Verdict, now: Moment) {
        let rank = match source {
            Source::Activity => Rank::Activity,
            _ => Rank::Process,
        };
        let claim = Claim { source, rank, rule: rule.into(), says, excerpt: Untrusted::default() };
        let evidence = Evidence { claim, at: now.mono };
        match self.evidence.iter_mut().find(|e| e.claim.source == source) {
            Some(old) => *old = evidence,
            None => self.evidence.push(evidence),
        }
    }

    fn turn(&mut self, to: Verdict, because: &str, now: Moment, out: &mut Vec<Effect>) {
        if to == self.verdict {
            return;
        }
        let change = Change { at: now.wall, from: self.verdict.state, to, because: because.into() };
        self.verdict = to;
        self.since = now;
        self.history.push(change.clone());
        out.push(Effect::Changed(change));
    }
}

#[cfg(test)]
mod tests;
