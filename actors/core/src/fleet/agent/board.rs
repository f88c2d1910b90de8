//! What the sources of evidence said last, about the process that runs now.

use crate::clock::Mono;
use crate::fleet::evidence::{Claim, Evidence, Rank, Verdict};
use crate::fleet::screen::Reading;
use crate::fleet::state::AgentState;
use crate::limits;

use super::words::Front;

/// A screen that was read, and when it was captured.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// What its rules say, the title's apart.
    pub(super) claims: Vec<Claim>,
    /// Whether the live region was found.
    pub(super) live: bool,
    /// Whether nothing had been written for a moment when it was captured.
    pub(super) calm: bool,
    pub(super) at: Mono,
}

/// Something covers the live region: the state from before holds.
#[derive(Debug, Clone)]
pub(super) struct Cover {
    /// Which rule saw it, and what it means where nothing is known of the time before.
    pub(super) claim: Claim,
    /// When it was first seen.
    pub(super) since: Mono,
    pub(super) at: Mono,
}

/// A usage limit that was met.
#[derive(Debug, Clone)]
pub(super) struct Limit {
    pub(super) evidence: Evidence,
    /// When it ends, where that is known.
    pub(super) until: Option<Mono>,
    /// Since when it is known of.
    pub(super) met: Mono,
}

impl Limit {
    /// When nobody believes it any more.
    pub(super) fn ends(&self) -> Mono {
        self.until.unwrap_or(self.met + limits::LIMIT_HOLD)
    }
}

/// The latest word of each source. A new process begins with an empty board.
#[derive(Debug, Clone, Default)]
pub(super) struct Board {
    pub(super) screen: Option<Seen>,
    pub(super) cover: Option<Cover>,
    pub(super) title: Vec<Claim>,
    pub(super) title_at: Mono,
    /// What the title said that the process before left behind.
    pub(super) title_left: Vec<Claim>,
    pub(super) hook: Option<Evidence>,
    /// The hook's last word was overruled by the screen and counts no more.
    pub(super) hook_spent: bool,
    pub(super) transcript: Option<Evidence>,
    /// The same of the transcript's, until it says something else.
    pub(super) transcript_spent: bool,
    pub(super) limit: Option<Limit>,
    /// When work, or a question that comes of it, was last seen with own eyes.
    pub(super) worked: Option<Mono>,
    pub(super) front: Front,
}

impl Board {
    /// Takes in what was read from a screen. An older capture than the last one says nothing.
    pub(super) fn read(&mut self, reading: Reading, calm: bool, at: Mono) {
        if self.screen.as_ref().is_some_and(|seen| at < seen.at) {
            return;
        }
        let (title, claims): (Vec<Claim>, Vec<Claim>) =
            reading.claims.into_iter().partition(|c| c.source == super::Source::Title);
        self.titled(title, at);
        if let Some(claim) = reading.hold {
            let since = self.cover.as_ref().map_or(at, |cover| cover.since);
            self.cover = Some(Cover { claim, since, at });
        } else {
            self.cover = None;
            self.screen = Some(Seen { claims, live: reading.live, calm, at });
        }
        let seen: Vec<Claim> = self.screen_claims().cloned().collect();
        self.observe(&seen, at);
    }

    /// When the last screen was captured, whatever it showed.
    pub(super) fn screen_at(&self) -> Option<Mono> {
        let cover = self.cover.as_ref().map(|cover| cover.at);
        self.screen.as_ref().map(|seen| seen.at).max(cover)
    }

    /// Takes in what the title says.
    pub(super) fn titled(&mut self, mut claims: Vec<Claim>, at: Mono) {
        if claims == self.title_left {
            claims.clear();
        } else {
            self.title_left.clear();
        }
        // One that nobody takes back is met with every screen, and is no work.
        if claims != self.title {
            self.observe(&claims, at);
        }
        self.title = claims;
        self.title_at = at;
    }

    /// What follows from claims beyond their moment: that there was work, or that a limit was met.
    fn observe(&mut self, claims: &[Claim], at: Mono) {
        for claim in claims {
            let works = matches!(claim.says.state, AgentState::Busy | AgentState::Waiting);
            if works && claim.rank <= Rank::Spinner && self.front.shows_agent() {
                self.work_seen(at);
            } else if claim.says.state == AgentState::Limited {
                self.limited(Evidence { claim: claim.clone(), at }, None);
            }
        }
    }

    /// There is work again: a limit that was met before is over, and so is an end that was told before.
    fn work_seen(&mut self, at: Mono) {
        self.worked = Some(self.worked.map_or(at, |last| last.max(at)));
        if self.limit.as_ref().is_some_and(|l| l.evidence.at + limits::EVIDENCE_SETTLES < at) {
            self.limit = None;
        }
    }

    /// A limit was met, or is still told of.
    pub(super) fn limited(&mut self, evidence: Evidence, until: Option<Mono>) {
        // Words that stood on the screen before a limit ended may stand there for ever after; what a CLI
        // writes or calls later is another limit.
        let seen = matches!(evidence.claim.source, super::Source::Screen | super::Source::Title);
        let before = self.limit.take().filter(|l| seen || evidence.at < l.ends());
        let met = before.as_ref().map_or(evidence.at, |l| l.met);
        let until = until.or(before.and_then(|l| l.until));
        self.limit = Some(Limit { evidence, until, met });
    }

    /// Takes in a hook's word.
    pub(super) fn hooked(&mut self, evidence: Evidence) {
        if self.hook.as_ref().is_some_and(|last| evidence.at < last.at) {
            return;
        }
        if evidence.claim.says.state == AgentState::Limited {
            self.limited(evidence.clone(), None);
        }
        // Work that is told of later than a limit means that the limit is over.
        let later = |limit: &Limit| evidence.at > limit.evidence.at + limits::EVIDENCE_SETTLES;
        if !rests(evidence.claim.says) && self.limit.as_ref().is_some_and(later) {
            self.limit = None;
        }
        self.hook = Some(evidence);
        self.hook_spent = false;
    }

    /// Takes in the transcript's word, with the end of a limit where it says one; `None` takes its last
    /// word back.
    pub(super) fn heard(&mut self, evidence: Option<Evidence>, limit_ends: Option<Mono>) {
        if let Some(evidence) = evidence.as_ref().filter(|e| e.claim.says.state == AgentState::Limited)
            && self.worked.is_none_or(|at| at <= evidence.at + limits::EVIDENCE_SETTLES)
        {
            self.limited(evidence.clone(), limit_ends);
        }
        // The same word comes again when only tokens changed, and its age is told with a little error.
        self.transcript_spent &= match (&self.transcript, &evidence) {
            (Some(last), Some(now)) => {
                last.claim == now.claim && now.at <= last.at + limits::EVIDENCE_SETTLES
            }
            _ => false,
        };
        self.transcript = evidence;
    }

    /// What the screen's rules say, when the screen is the agent's own and nothing covers it.
    pub(super) fn screen_claims(&self) -> impl Iterator<Item = &Claim> {
        let shown = self.front.shows_agent() && self.cover.is_none();
        self.screen.iter().filter(move |_| shown).flat_map(|seen| &seen.claims)
    }

    /// The screen has the last word about what was said before `at`, until the next word of that source.
    pub(super) fn overrule(&mut self, at: Mono) {
        self.hook_spent |= self.hook.as_ref().is_some_and(|hook| hook.at < at);
        self.transcript_spent |= self.transcript.as_ref().is_some_and(|said| said.at < at);
    }

    /// The hook's word, while it counts. What covers the screen since then does not hold it up.
    pub(super) fn hook_counts(&self) -> Option<&Evidence> {
        let hook = self.hook.as_ref().filter(|_| !self.hook_spent)?;
        self.cover.as_ref().is_none_or(|cover| hook.at >= cover.since).then_some(hook)
    }

    /// The transcript's word, while it counts: an end that was followed by work is old.
    pub(super) fn transcript_counts(&self) -> Option<&Evidence> {
        let said = self.transcript.as_ref()?;
        let outlived = self.worked.is_some_and(|at| at > said.at + limits::EVIDENCE_SETTLES)
            || self.hook.as_ref().is_some_and(|hook| hook.at > said.at + limits::EVIDENCE_SETTLES);
        let covered = self.cover.as_ref().is_some_and(|cover| said.at < cover.since);
        let counts = !covered && !self.transcript_spent && (!rests(said.claim.says) || !outlived);
        counts.then_some(said)
    }
}

/// Whether an agent that does this does nothing until somebody comes, or time passes.
pub(super) fn rests(verdict: Verdict) -> bool {
    matches!(
        verdict.state,
        AgentState::Idle | AgentState::Fresh | AgentState::Queued | AgentState::Error | AgentState::Limited
    )
}
