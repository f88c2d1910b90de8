//! What the sources of evidence said last, about the process that runs now.

use crate::clock::{Mono, Wall};
use crate::fleet::evidence::{Claim, Evidence, Rank, Source, Verdict};
use crate::fleet::screen::Reading;
use crate::fleet::state::{AgentState, Detail};
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
    /// Whether the transcript told of it and stands by that.
    written: bool,
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
    /// When its pane was captured last, whatever that showed.
    pub(super) looked: Option<Mono>,
    /// Since when its pane may show something that no capture has seen.
    pub(super) unseen: Option<Mono>,
    /// Whether it has painted anything of its own. Before that, what stands above a shell's line is what a program
    /// before it left behind.
    pub(super) painted: bool,
    /// What that says, while nothing else is on its screen.
    pub(super) left: Option<Vec<Claim>>,
    pub(super) title: Vec<Claim>,
    /// When what the title says last changed.
    pub(super) title_at: Mono,
    /// What the title said that the process before left behind.
    pub(super) title_left: Vec<Claim>,
    pub(super) hook: Option<Evidence>,
    /// The hook's last word was overruled by the screen and counts no more.
    pub(super) hook_spent: bool,
    pub(super) transcript: Option<Evidence>,
    /// When the line behind that was written, by its CLI's clock.
    pub(super) line: Option<Wall>,
    /// The same of the transcript's, until it says something else.
    pub(super) transcript_spent: bool,
    pub(super) limit: Option<Limit>,
    /// When work or any question was last seen with own eyes: an end that was told before is old.
    pub(super) stirred: Option<Mono>,
    /// When work, or a question that only comes of it, was: a limit that was met before is over.
    pub(super) worked: Option<Mono>,
    pub(super) front: Front,
    /// How wide its pane was when it was captured last.
    pub(super) columns: Option<u16>,
    /// Since when it is of another width and cannot be read: what is written then is a repaint.
    pub(super) resized: Option<Mono>,
}

impl Board {
    /// Something was written in its pane.
    pub(super) fn wrote(&mut self, at: Mono) {
        if self.looked.is_none_or(|seen| at > seen) {
            self.unseen.get_or_insert(at);
        }
    }

    /// Takes in what was read from a screen; `wrote` is when its pane last changed. An older capture than the last
    /// one says nothing, and neither does what another program shows.
    pub(super) fn read(&mut self, reading: Reading, calm: bool, at: Mono, wrote: Option<Mono>) {
        if self.looked.is_some_and(|seen| at < seen) {
            return;
        }
        self.looked = Some(at);
        let other = self.columns.is_some() && reading.columns.is_some() && self.columns != reading.columns;
        self.resized = self.resized.or(other.then_some(at)).filter(|_| !reading.live);
        self.columns = reading.columns.or(self.columns);
        // After a capture in the middle of writing another one must come.
        let later = self.unseen.max(wrote).filter(|since| *since > at);
        self.unseen = if calm { later } else { Some(at) };
        let (title, claims): (Vec<Claim>, Vec<Claim>) =
            reading.claims.into_iter().partition(|c| c.source == Source::Title);
        if !self.front.shows_agent() {
            return self.titled(title, at);
        }
        if reading.left && !self.painted && self.is_left(&claims, reading.hold.as_ref()) {
            (self.title_left, self.title) = (title, Vec::new());
            return;
        }
        self.painted = true;
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

    /// Whether all that a screen says was left behind by a program before: it said so at first sight.
    fn is_left(&mut self, claims: &[Claim], hold: Option<&Claim>) -> bool {
        let mut said = claims.iter().chain(hold);
        if let Some(left) = &self.left {
            return said.all(|claim| left.contains(claim));
        }
        self.left = Some(said.cloned().collect());
        true
    }

    /// Takes in who has its terminal. What stood there says nothing once that is somebody else, before or after.
    pub(super) fn fronted(&mut self, front: Front, now: Mono) {
        if front.shows != self.front.shows {
            (self.screen, self.cover) = (None, None);
            self.unseen = Some(now);
        }
        self.front = front;
    }

    /// What the title says that the next process finds, whoever set it.
    pub(super) fn take_title(&mut self) -> Vec<Claim> {
        let own = std::mem::take(&mut self.title);
        if own.is_empty() { std::mem::take(&mut self.title_left) } else { own }
    }

    /// Whether its screen was seen, but not since another program had the terminal.
    pub(super) fn is_awaited(&self) -> bool {
        self.screen.is_none() && self.looked.is_some() && self.left.is_none()
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
            self.title_at = at;
        }
        self.title = claims;
    }

    /// What follows from claims beyond their moment: that there was work, or that a limit was met.
    fn observe(&mut self, claims: &[Claim], at: Mono) {
        if !self.front.shows_agent() {
            return;
        }
        for claim in claims {
            if claim.says.state == AgentState::Limited {
                self.limited(Evidence { claim: claim.clone(), at }, None);
            } else if matches!(claim.says.state, AgentState::Busy | AgentState::Waiting)
                && claim.rank <= Rank::Spinner
            {
                self.stirred = self.stirred.max(Some(at));
                if works(claim.says) {
                    self.work_seen(at);
                }
            }
        }
    }

    /// There is work again: a limit that was met before is over.
    fn work_seen(&mut self, at: Mono) {
        self.worked = self.worked.max(Some(at));
        if self.limit.as_ref().is_some_and(|l| l.evidence.at + limits::EVIDENCE_SETTLES < at) {
            self.limit = None;
        }
    }

    /// A limit was met, or is still told of.
    fn limited(&mut self, evidence: Evidence, until: Option<Mono>) {
        // Words that stood on the screen before a limit ended may stand there for ever after; what a CLI
        // writes or calls later is another limit.
        let seen = matches!(evidence.claim.source, Source::Screen | Source::Title);
        let before = self.limit.take().filter(|l| seen || evidence.at < l.ends());
        let met = before.as_ref().map_or(evidence.at, |l| l.met);
        let until = until.or(before.as_ref().and_then(|l| l.until));
        let written = evidence.claim.source == Source::Transcript || before.is_some_and(|l| l.written);
        self.limit = Some(Limit { evidence, until, met, written });
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
        if works(evidence.claim.says) && self.limit.as_ref().is_some_and(later) {
            self.limit = None;
        }
        self.hook = Some(evidence);
        self.hook_spent = false;
    }

    /// Takes in the transcript's word, when the `line` behind it was written, and the end of a limit where it says
    /// one; `None` takes its last word back.
    pub(super) fn heard(
        &mut self,
        mut said: Option<Evidence>,
        line: Option<Wall>,
        limit_ends: Option<Mono>,
        now: Mono,
    ) {
        let again = self.is_heard_again(said.as_ref(), line);
        if again {
            // How old it is was told by the wall clock, which may have been set since: its first hearing counts.
            said = self.transcript.take();
        } else {
            self.transcript_spent = false;
            self.line = line;
        }
        let limited = said.as_ref().filter(|e| e.claim.says.state == AgentState::Limited);
        if let Some(evidence) = limited {
            // Work that was seen since the same words were written has ended that limit.
            let worked = |at: Mono| again && at > evidence.at + limits::EVIDENCE_SETTLES;
            if !self.worked.is_some_and(worked) {
                self.limited(evidence.clone(), limit_ends);
            }
        } else if said.as_ref().is_none_or(|e| works(e.claim.says)) {
            self.limit_taken_back(now);
        }
        self.transcript = said;
    }

    /// Whether that is what the transcript said before: the same word comes again when only tokens changed.
    pub(super) fn is_heard_again(&self, said: Option<&Evidence>, line: Option<Wall>) -> bool {
        let (Some(last), Some(said)) = (&self.transcript, said) else { return false };
        let apart = match (self.line, line) {
            (Some(a), Some(b)) => a.since(b).max(b.since(a)),
            (None, None) => std::time::Duration::ZERO,
            _ => return false,
        };
        last.claim == said.claim && apart <= limits::EVIDENCE_SETTLES
    }

    /// A limit that the transcript told of, and tells of no more, is over. It stays known, since its words may
    /// stand on the screen for ever after.
    fn limit_taken_back(&mut self, now: Mono) {
        if let Some(limit) = self.limit.as_mut().filter(|limit| limit.written) {
            limit.until = Some(limit.ends().min(now));
            limit.written = false;
        }
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
        let outlived = self.stirred.is_some_and(|at| at > said.at + limits::EVIDENCE_SETTLES)
            || self.hook.as_ref().is_some_and(|hook| hook.at > said.at + limits::EVIDENCE_SETTLES);
        let covered = self.cover.as_ref().is_some_and(|cover| said.at < cover.since);
        let counts = !covered && !self.transcript_spent && (!rests(said.claim.says) || !outlived);
        counts.then_some(said)
    }
}

/// Whether that is work, or a question that only comes of work. Other questions are put by gates, and by panels
/// that a person opens.
fn works(verdict: Verdict) -> bool {
    let asks = matches!(verdict.detail, Some(Detail::Permission | Detail::Plan));
    verdict.state == AgentState::Busy || (verdict.state == AgentState::Waiting && asks)
}

/// Whether an agent that does this does nothing until somebody comes, or time passes.
pub(super) fn rests(verdict: Verdict) -> bool {
    matches!(
        verdict.state,
        AgentState::Idle | AgentState::Fresh | AgentState::Queued | AgentState::Error | AgentState::Limited
    )
}
