//! An agent's process, its pane and its server: what begins and ends it.

use std::time::Duration;

use crate::clock::{Mono, Wall};
use crate::fleet::process::ExitFacts;
use crate::fleet::relaunch::{Hold, Trouble};
use crate::fleet::state::{AgentState, Detail};
use crate::ids::ProcId;
use crate::limits;

use super::board::Board;
use super::fuse::By;
use super::{Agent, Effect, Life, Moment, Source, Verdict};

impl Agent {
    /// Whether nothing can be seen of it at present: its server, or its pane, is away.
    pub(super) fn cut_off(&self) -> bool {
        self.before_loss.is_some() || self.pane_gone.is_some() || self.pane_ending
    }

    /// Whether a pane that is gone still has to be called missing: a lost server explains it.
    pub(super) fn may_be_missing(&self) -> bool {
        self.verdict.state != AgentState::Missing && self.before_loss.is_none()
    }

    pub(super) fn attached(&mut self, process: ProcId, age: Duration, now: Moment, out: &mut Vec<Effect>) {
        if self.process == Some(process) && self.life != Life::Unborn {
            return;
        }
        // A pane keeps its title when its program is killed; the next one has not set it.
        let before = self.process.replace(process);
        let title_left = before.map(|_| self.board.take_title()).unwrap_or_default();
        self.life = Life::Alive;
        self.born = now.mono - age;
        self.attached_at = now.mono;
        self.screen_asked = now.mono;
        self.end_asked = false;
        self.pane_gone = None;
        self.pane_ending = false;
        self.before_loss = None;
        self.trouble = None;
        // A young process may not have painted yet; an older one has, and may have been watched before.
        let painted = age >= limits::START_GRACE;
        self.board = Board { title_left, painted, unseen: Some(now.mono), ..Board::default() };
        self.before_stop = None;
        self.pending = None;
        self.last_look = now.mono;
        self.last_activity = None;
        let verdict = if age < limits::START_GRACE {
            Verdict::new(AgentState::Starting, None)
        } else {
            Verdict::new(AgentState::Unknown, None)
        };
        // An agent that was watched before and did not change keeps its state until something is seen.
        let ends = |s| matches!(s, AgentState::Starting | AgentState::Missing) || AgentState::is_dead(s);
        let known = !ends(self.verdict.state) && self.verdict.detail != Some(Detail::LostServer);
        if !(known && age >= limits::START_GRACE) {
            self.turn(verdict, &format!("process {} is watched", process.pid), now, out);
        }
    }

    /// Looks whether a pane that is gone comes back.
    pub(super) fn look_for_pane(&mut self, now: Moment, out: &mut Vec<Effect>) {
        let Some(gone) = self.pane_gone else { return };
        let over = now.mono.since(gone) >= self.grace;
        if self.life == Life::Alive && self.may_be_missing() {
            if now.mono.since(gone) >= limits::PANE_GONE_CONFIRM {
                let missing = Verdict::new(AgentState::Missing, Some(Detail::PaneGone));
                self.turn(missing, "its pane is gone and its end was not seen", now, out);
            }
        } else if over && !self.permanent && self.next_look(now.mono) == Some(Duration::ZERO) {
            out.push(Effect::Gone);
        }
    }

    pub(super) fn ended(&mut self, facts: ExitFacts, source: Source, now: Moment, out: &mut Vec<Effect>) {
        match self.life {
            Life::Unborn if source == Source::Process => return,
            // What tmux learned later fills in what nobody knew at the time.
            Life::Ended { facts: known, .. } if known.known() || !facts.known() => return,
            Life::Ended { at, .. } => self.life = Life::Ended { facts, at },
            Life::Unborn | Life::Alive => {
                self.trouble = if self.life == Life::Alive { self.in_its_way(now.mono) } else { None };
                self.life = Life::Ended { facts, at: now.mono };
                out.push(Effect::Died(facts));
            }
        }
        // How it ended was seen by an earlier supervisor, and tmux does not always know.
        if self.verdict.state.is_dead() && !facts.known() && !self.end_asked {
            return;
        }
        let verdict = self.end_verdict(facts);
        if let Some(before) = &mut self.before_loss
            && self.verdict.detail == Some(Detail::LostServer)
        {
            // A server that ends takes its panes with it: then that is what happened, not a crash of each. One that
            // only stalled did not, and when it answers again the death is told.
            *before = verdict;
            return;
        }
        let asked = if self.end_asked { "it was asked to end: " } else { "" };
        let because = format!("{asked}{}", facts.told());
        self.turn(verdict, &because, now, out);
    }

    /// What the evidence says that a new process would meet too.
    fn in_its_way(&self, now: Mono) -> Option<Trouble> {
        let last = self.propose(now);
        match (last.verdict.state, &last.by) {
            (AgentState::Waiting, _) if last.verdict.detail == Some(Detail::Login) => Some(Trouble::Login),
            (AgentState::Limited, _) => {
                Some(Trouble::Limit { until: self.board.limit.as_ref().and_then(|limit| limit.until) })
            }
            (AgentState::Error, By::Claim(evidence)) => {
                evidence.claim.is_about_login().then_some(Trouble::Login)
            }
            _ => None,
        }
    }

    /// It stays down, until a person comes or a limit ends.
    pub(super) fn held(&mut self, hold: Hold<Wall>, now: Moment, out: &mut Vec<Effect>) {
        let (detail, because) = match hold {
            Hold::Restarts => {
                (Detail::Held, "its restarts are used up; `ctl restart` starts it again".to_owned())
            }
            Hold::Login => (
                Detail::Login,
                "it ended because it has no login, or one that is refused; log in with its CLI, then \
                 `ctl restart` starts it again"
                    .to_owned(),
            ),
            Hold::Limit { until, known: true } => (
                Detail::BackingOff,
                format!("it ended at a usage limit, and is started again when that is over, at {until}"),
            ),
            Hold::Limit { until, known: false } => (
                Detail::BackingOff,
                format!("it ended at a usage limit whose end is not known, and is tried again at {until}"),
            ),
        };
        self.turn(Verdict::new(self.verdict.state, Some(detail)), &because, now, out);
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
    pub(super) fn pane_ending(&mut self, facts: ExitFacts, now: Moment, out: &mut Vec<Effect>) {
        if self.life != Life::Alive || std::mem::replace(&mut self.pane_ending, true) {
            return;
        }
        let missing = Verdict::new(AgentState::Missing, Some(Detail::PaneGone));
        if self.before_loss.is_none() {
            let because = format!("its pane's process ended with {facts}, its own still runs");
            self.turn(missing, &because, now, out);
        }
    }

    pub(super) fn pane_there(&mut self, now: Moment, out: &mut Vec<Effect>) {
        self.pane_gone = None;
        self.pane_ending = false;
        self.server_back(now, out);
        if self.verdict.state == AgentState::Missing {
            self.last_look = now.mono;
            let unknown = Verdict::new(AgentState::Unknown, None);
            self.turn(unknown, "its pane is there again", now, out);
        }
    }

    pub(super) fn server_lost(&mut self, stalled: bool, now: Moment, out: &mut Vec<Effect>) {
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
            self.turn(lost, because, now, out);
        }
    }

    pub(super) fn server_back(&mut self, now: Moment, out: &mut Vec<Effect>) {
        // A server that ended took the pane along; only the pane itself brings the agent back.
        if self.pane_gone.is_some() {
            return;
        }
        let Some(before) = self.before_loss.take() else { return };
        self.last_look = now.mono;
        if self.verdict.detail != Some(Detail::LostServer) {
            return;
        }
        match self.life {
            Life::Ended { facts, .. } => {
                self.turn(before, &facts.told(), now, out);
            }
            Life::Alive => self.turn(before, "its tmux server answers again", now, out),
            Life::Unborn => {}
        }
    }
}
