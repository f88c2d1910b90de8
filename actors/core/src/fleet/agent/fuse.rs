//! From the words of all sources to one state: the strongest rank decides.
//!
//! Nothing here changes anything; [`super::settle`] decides whether and when the agent takes the state.

use std::time::Duration;

use crate::clock::Mono;
use crate::fleet::evidence::{Claim, Evidence, Rank, Source, Verdict};
use crate::fleet::state::{AgentState, Detail};
use crate::limits;

use super::board::{Limit, rests};
use super::{Agent, Life};

/// What decides.
#[derive(Debug, Clone)]
pub(super) enum By {
    /// A claim as it stands.
    Claim(Evidence),
    /// The hook said that the turn was over, and the screen shows work all the same.
    Behind { screen: Evidence, hook: Evidence },
    /// What a hook or the transcript said is outlived: the screen shows no sign of it.
    Outlived { said: Evidence, screen: Evidence },
    /// A usage limit that was met and has not ended.
    Limit(Evidence),
    /// Its process is stopped.
    Stopped,
    /// Something covers its screen; what was known before holds.
    Cover,
    /// The same, but what was known before was a usage limit, which has ended.
    CoverAfterLimit,
    /// Its pane changes.
    Output,
    /// Its pane is quiet.
    Quiet,
    /// Nothing can be said, because of this.
    Nothing(&'static str),
}

/// What the evidence of a moment says.
#[derive(Debug, Clone)]
pub(super) struct Proposal {
    pub(super) verdict: Verdict,
    pub(super) rank: Rank,
    pub(super) by: By,
    /// Whether it is believed at once.
    pub(super) sure: bool,
}

impl Proposal {
    fn new(verdict: Verdict, rank: Rank, by: By) -> Self {
        Proposal { verdict, rank, by, sure: false }
    }

    fn claim(evidence: Evidence) -> Self {
        let (verdict, rank) = (evidence.claim.says, evidence.claim.rank);
        Proposal::new(verdict, rank, By::Claim(evidence))
    }
}

impl Agent {
    /// What the evidence says now. The agent must be alive, with its pane.
    pub(super) fn propose(&self, now: Mono) -> Proposal {
        debug_assert_eq!(self.life, Life::Alive);
        if self.board.front.stopped {
            let stopped = Verdict::new(AgentState::Waiting, Some(Detail::Stopped));
            return Proposal::new(stopped, Rank::Process, By::Stopped);
        }
        self.question()
            .or_else(|| self.work(now))
            .or_else(|| self.limit(now))
            .or_else(|| self.said(now))
            .unwrap_or_else(|| self.rest(now))
    }

    /// A gate or a question that holds everything, on the screen or in the title.
    fn question(&self) -> Option<Proposal> {
        let strong = |c: &&Claim| c.rank <= Rank::Blocker && c.says.state != AgentState::Limited;
        let screen = self.board.screen_claims().filter(strong).min_by_key(|c| c.rank);
        let title = self.titles().filter(strong).min_by_key(|c| c.rank);
        let best = screen.into_iter().chain(title).min_by_key(|c| c.rank)?;
        Some(Proposal::claim(self.dated(best)))
    }

    /// A live sign of work.
    fn work(&self, now: Mono) -> Option<Proposal> {
        let spins = |c: &&Claim| c.rank == Rank::Spinner;
        let screen = self.board.screen_claims().find(spins);
        // A title that nobody takes back stands for ever, whatever else is written; a live one turns.
        let still = self.quiet_for(now).max(now.since(self.board.title_at));
        let title = self.titles().find(spins).filter(|_| still <= limits::TITLE_MOVES);
        let best = self.at_what(self.dated(screen.or(title)?));
        let Some(hook) = self.board.hook_counts() else { return Some(Proposal::claim(best)) };
        let afterwards = best.at > hook.at + limits::EVIDENCE_SETTLES;
        if hook.claim.says.state == AgentState::Waiting && !afterwards {
            // The question came after this was seen.
            return None;
        }
        // Over by the CLI's own word, and busy ever since: what still works, works in the background.
        let goes_on = self.verdict.state == AgentState::Busy && self.since.mono <= hook.at;
        if !(rests(hook.claim.says) && afterwards && goes_on) {
            return Some(Proposal::claim(best));
        }
        let says = best.claim.says;
        let plain = matches!(says.detail, None | Some(Detail::Thinking | Detail::Output));
        let detail = if plain { Some(Detail::Background) } else { says.detail };
        let by = By::Behind { screen: best, hook: hook.clone() };
        Some(Proposal::new(Verdict::new(says.state, detail), Rank::Spinner, by))
    }

    /// A title that only says that it works, with what the CLI itself says that it works at.
    fn at_what(&self, mut seen: Evidence) -> Evidence {
        let plain = Verdict::new(AgentState::Busy, None);
        if seen.claim.says == plain {
            let said = self.board.hook_counts().or_else(|| self.board.transcript_counts());
            if let Some(said) = said.filter(|said| said.claim.says.state == AgentState::Busy) {
                seen.claim.says = said.claim.says;
            }
        }
        seen
    }

    /// A limit holds until its time or until work is seen.
    fn limit(&self, now: Mono) -> Option<Proposal> {
        let limit = self.board.limit.as_ref().filter(|limit| now < limit.ends())?;
        // No limit hides a question.
        let asks = |hook: &&Evidence| {
            hook.claim.says.state == AgentState::Waiting
                && hook.at + limits::EVIDENCE_SETTLES >= limit.evidence.at
        };
        if self.board.hook_counts().filter(asks).is_some_and(|hook| self.outlived(hook, now).is_none()) {
            return None;
        }
        let evidence = limit.evidence.clone();
        let (verdict, rank) = (evidence.claim.says, evidence.claim.rank);
        Some(Proposal { verdict, rank, by: By::Limit(evidence), sure: rank < Rank::Composer })
    }

    /// What the CLI says itself, by its hooks or in its transcript.
    fn said(&self, now: Mono) -> Option<Proposal> {
        // A limit that ended is told by others.
        let open = |said: &&Evidence| said.claim.says.state != AgentState::Limited;
        let hook = self.board.hook_counts().filter(open);
        let said = hook.or_else(|| self.board.transcript_counts().filter(open))?;
        Some(self.weigh(said, now))
    }

    /// A word of the CLI against its composer.
    fn weigh(&self, said: &Evidence, now: Mono) -> Proposal {
        let plain = Proposal::claim(said.clone());
        let composer = self.composer(now);
        if rests(said.claim.says) {
            return match composer {
                // The composer knows better what kind of rest it is.
                Some(seen) if finer(seen.claim.says.state) && seen.at >= said.at => Proposal::claim(seen),
                // The CLI's own word for the end of a turn needs no confirmation, unless work was seen after it.
                _ => {
                    let last = self.board.stirred.is_none_or(|at| at <= said.at);
                    Proposal { sure: last && said.claim.source == Source::Hook, ..plain }
                }
            };
        }
        let Some(seen) = self.outlived(said, now) else { return plain };
        let (verdict, said) = (seen.claim.says, said.clone());
        Proposal::new(verdict, Rank::Composer, By::Outlived { said, screen: seen })
    }

    /// The composer that shows no sign of what was said, when it has shown none for long.
    fn outlived(&self, said: &Evidence, now: Mono) -> Option<Evidence> {
        let waits = said.claim.says.state == AgentState::Waiting;
        let provable = waits || (self.nature.busy_is_drawn && !self.tool_since(said.at));
        let long =
            now.since(said.at) >= limits::OUTLIVED_AFTER && self.quiet_for(now) >= limits::OUTLIVED_QUIET;
        self.composer(now).filter(|seen| provable && long && seen.at > said.at)
    }

    /// Whether a process that the agent started since then still runs.
    fn tool_since(&self, at: Mono) -> bool {
        self.board.front.tool.is_some_and(|started| started + limits::EVIDENCE_SETTLES >= at)
    }

    /// Nothing strong is known: the composer, or only output and quiet.
    fn rest(&self, now: Mono) -> Proposal {
        let writes = self.quiet_for(now) < limits::QUIET_LOOK_INTERVAL;
        if let Some(cover) = &self.board.cover {
            let unknown = Verdict::new(AgentState::Unknown, None);
            let stopped = self.verdict.detail == Some(Detail::Stopped);
            let held = if stopped { self.before_stop.unwrap_or(unknown) } else { self.verdict };
            return match held.state {
                AgentState::Unknown | AgentState::Starting => {
                    Proposal::claim(Evidence { claim: cover.claim.clone(), at: cover.at })
                }
                AgentState::Limited if now >= self.limit_ends() => {
                    let idle = Verdict::new(AgentState::Idle, None);
                    Proposal::new(idle, Rank::Composer, By::CoverAfterLimit)
                }
                _ => Proposal { sure: true, ..Proposal::new(held, Rank::Composer, By::Cover) },
            };
        }
        // Without rules for the screen, output is the only sign of work there is.
        if let Some(seen) = self.composer(now).filter(|_| self.nature.reads_screen || !writes) {
            return Proposal::claim(seen);
        }
        // After another program had the terminal, a capture is on its way.
        let awaited = self.nature.reads_screen && self.board.is_awaited();
        // Neither is a repaint work: what was known holds until it can be read again.
        if writes && !awaited && self.board.resized.is_none() {
            let busy = Verdict::new(AgentState::Busy, Some(Detail::Output));
            return Proposal::new(busy, Rank::Activity, By::Output);
        }
        if !self.nature.reads_screen {
            return Proposal::new(Verdict::new(AgentState::Idle, None), Rank::Activity, By::Quiet);
        }
        let why = if !self.board.front.shows_agent() {
            "another program has its terminal"
        } else if self.board.screen.is_none() && self.board.left.is_some() {
            "what stands on its screen was left there by a program before it"
        } else if self.board.screen.is_none() {
            "its screen was not seen yet"
        } else if self.board.screen_claims().next().is_some() {
            "a rule of its profile knows its screen, which says nothing about what it does"
        } else {
            "no rule of its profile knows what its screen shows"
        };
        Proposal::new(Verdict::new(AgentState::Unknown, None), Rank::Unknown, By::Nothing(why))
    }

    /// When the limit is over that it is known for. After a restart of the supervisor its end may not be known
    /// yet.
    pub(super) fn limit_ends(&self) -> Mono {
        self.board.limit.as_ref().map_or(self.since.mono + limits::LIMIT_HOLD, Limit::ends)
    }

    /// What the composer says. A limit that is over is no more than rest.
    fn composer(&self, now: Mono) -> Option<Evidence> {
        let claim = self.board.screen_claims().next()?;
        let mut seen = self.dated(claim);
        if seen.claim.says.state == AgentState::Limited {
            seen.claim.rank = Rank::Composer;
            if self.board.limit.as_ref().is_none_or(|limit| now >= limit.ends()) {
                seen.claim.says = Verdict::new(AgentState::Idle, None);
            }
        }
        (seen.claim.rank == Rank::Composer).then_some(seen)
    }

    fn titles(&self) -> impl Iterator<Item = &Claim> {
        let shown = self.board.front.shows_agent();
        self.board.title.iter().filter(move |_| shown)
    }

    /// A claim of the screen or the title with its time.
    fn dated(&self, claim: &Claim) -> Evidence {
        let at = match (claim.source, &self.board.screen) {
            (Source::Title, _) | (_, None) => self.board.title_at,
            (_, Some(seen)) => seen.at,
        };
        Evidence { claim: claim.clone(), at }
    }

    /// For how long nothing was written in its pane.
    pub(super) fn quiet_for(&self, now: Mono) -> Duration {
        self.last_activity.map_or(Duration::MAX, |at| now.since(at))
    }
}

/// Whether a state of the composer says more than that the turn is over.
fn finer(state: AgentState) -> bool {
    matches!(state, AgentState::Queued | AgentState::Error)
}
