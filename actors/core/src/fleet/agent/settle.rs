//! Whether and when the agent takes the state that the evidence says.
//!
//! Work and questions are believed at once. Rest is believed when several looks in a row saw it: each is
//! either a capture of a pane that had come to rest, or a moment later at which nothing was written since.

use std::time::Duration;

use crate::clock::Mono;
use crate::fleet::evidence::{Rank, Source, Verdict};
use crate::fleet::state::{AgentState, Detail};
use crate::limits;

use super::board::rests;
use super::fuse::{By, Proposal};
use super::{Agent, Effect, Life, Moment};

/// A state that is not believed yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pending {
    pub(super) verdict: Verdict,
    /// Looks that saw it.
    pub(super) looks: u8,
    /// Captures of a pane that was never quiet that saw it.
    pub(super) noisy: u8,
    /// The last of them.
    pub(super) capture: Option<Mono>,
    pub(super) first: Mono,
    pub(super) last: Mono,
}

impl Agent {
    /// Takes the state that the evidence says, or waits for more.
    pub(super) fn settle(&mut self, now: Moment, out: &mut Vec<Effect>) {
        if self.life != Life::Alive || self.cut_off() {
            self.pending = None;
            return;
        }
        let proposal = self.propose(now.mono);
        let starting = self.is_starting(now.mono);
        if starting && (proposal.rank >= Rank::Transcript || rests(proposal.verdict)) {
            return;
        }
        if proposal.verdict == self.verdict {
            self.pending = None;
        } else if !self.needs_confirmation(&proposal) || self.confirmed(&proposal, now.mono) {
            self.take(&proposal, now, out);
        }
    }

    /// Whether it is so young that only strong words count.
    fn is_starting(&self, now: Mono) -> bool {
        self.verdict.state == AgentState::Starting && now.since(self.born) < limits::START_GRACE
    }

    fn take(&mut self, proposal: &Proposal, now: Moment, out: &mut Vec<Effect>) {
        let because = self.because(proposal, now.mono);
        self.pending = None;
        if let By::Outlived { screen, .. } = &proposal.by {
            self.board.overrule(screen.at);
        }
        self.turn(proposal.verdict, &because, now, out);
    }

    fn needs_confirmation(&self, proposal: &Proposal) -> bool {
        let (from, to) = (self.verdict, proposal.verdict);
        let other_rest = rests(from) && !matches!(to.state, AgentState::Idle | AgentState::Fresh);
        match to.state {
            AgentState::Unknown => true,
            // Only a process that begins is starting; of any other that banner is half a painting.
            AgentState::Starting => !matches!(from.state, AgentState::Starting | AgentState::Unknown),
            _ => rests(to) && !proposal.sure && !other_rest,
        }
    }

    /// Counts this moment as a look where it is one, and says whether there were enough.
    fn confirmed(&mut self, proposal: &Proposal, now: Mono) -> bool {
        let same = |p: &Pending| rests(p.verdict) == rests(proposal.verdict);
        let spaced = self.pending.as_ref().is_none_or(|p| now.since(p.last) >= limits::CONFIRM_SPACING);
        let begun =
            Pending { verdict: proposal.verdict, looks: 0, noisy: 0, capture: None, first: now, last: now };
        let known = self.pending.filter(same);
        let mut pending = known.unwrap_or(begun);
        pending.verdict = proposal.verdict;
        if known.is_none() || spaced {
            if self.is_calm(proposal) {
                pending.looks = pending.looks.saturating_add(1);
                pending.last = now;
            } else if let Some(capture) = self.board.screen.as_ref().map(|seen| seen.at)
                && pending.capture.is_none_or(|last| capture > last)
            {
                pending.noisy = pending.noisy.saturating_add(1);
                (pending.capture, pending.last) = (Some(capture), now);
            }
        }
        self.pending = Some(pending);
        let enough = match proposal.verdict.state {
            AgentState::Unknown | AgentState::Starting => limits::UNKNOWN_LOOKS,
            _ => limits::QUIET_LOOKS,
        };
        // The first look at a starting agent comes at the end of its grace: one look over seconds in which
        // it may long have come to rest, which is as good as several looks.
        let long = limits::QUIET_LOOK_INTERVAL * u32::from(enough);
        let rested = self.verdict.state == AgentState::Starting
            && self.quiet_for(now) >= long
            && proposal.verdict.state != AgentState::Unknown;
        // A status line that ticks must not keep it busy for ever, and a stream of words that no rule knows
        // as work is not rest.
        let noisy = pending.noisy >= limits::QUIET_LOOKS && now.since(pending.first) >= limits::NOISY_REST;
        pending.looks >= enough || rested || noisy
    }

    /// Whether what the proposal stands on is as it was: nothing was written since.
    fn is_calm(&self, proposal: &Proposal) -> bool {
        let on_screen = matches!(&proposal.by, By::Outlived { .. })
            || matches!(&proposal.by, By::Claim(e) if e.claim.source == Source::Screen);
        let Some(seen) = self.board.screen.as_ref().filter(|_| on_screen) else { return true };
        seen.calm && self.last_activity.is_none_or(|at| at <= seen.at)
    }

    /// When time alone may change its state, while it is alive and its pane is there.
    pub(super) fn next_settle(&self, now: Mono) -> Option<Mono> {
        let again = self.last_look + limits::QUIET_LOOK_INTERVAL;
        if self.is_starting(now) {
            return Some((self.born + limits::START_GRACE).max(self.last_look));
        }
        let by_output = self.verdict == Verdict::new(AgentState::Busy, Some(Detail::Output));
        let proposal = self.propose(now);
        let differs = self.pending.is_some() || proposal.verdict != self.verdict;
        // What only another capture can confirm waits for that, and not for time.
        let by_time = self.is_calm(&proposal) || !self.nature.reads_screen;
        if by_output || (differs && by_time) {
            return Some(again);
        }
        let wrote = self.last_activity;
        let said = self.board.hook_counts().or_else(|| self.board.transcript_counts());
        let outlived = said.map(|said| {
            let quiet = wrote.map_or(Mono::ZERO, |at| at + limits::OUTLIVED_QUIET);
            (said.at + limits::OUTLIVED_AFTER).max(quiet)
        });
        let turns = wrote.filter(|_| !self.board.title.is_empty()).map(|at| at.min(self.board.title_at));
        let title = turns.map(|at| at + limits::TITLE_MOVES + TICK);
        let limited = self.board.limit.is_some() || self.verdict.state == AgentState::Limited;
        let limit = limited.then(|| self.limit_ends());
        let by_itself = [outlived, title, limit].into_iter().flatten().filter(|at| *at > now);
        // A screen may be overdue while other looks were waited for.
        by_itself.chain(self.screen_due().map(|at| at.max(now))).min()
    }

    /// When a screen that should long have come is asked for.
    fn screen_due(&self) -> Option<Mono> {
        let unseen = self.board.unseen.filter(|_| self.nature.reads_screen)?;
        Some(unseen.max(self.screen_asked) + limits::SCREEN_LATE)
    }

    /// Asks for a screen that should long have come: a report may have been displaced by others.
    pub(super) fn want_screen(&mut self, now: Mono, out: &mut Vec<Effect>) {
        if self.screen_due().is_some_and(|at| at <= now) {
            self.screen_asked = now;
            out.push(Effect::WantScreen);
        }
    }
}

/// A limit that is met exactly is not passed.
const TICK: Duration = Duration::from_millis(1);
