//! Why an agent is in its state, in words, and how sure that is.

use std::fmt;

use crate::clock::Mono;
use crate::fleet::evidence::{Claim, Evidence, Rank, Source, Verdict};
use crate::fleet::state::{AgentState, Detail};
use crate::limits;
use crate::untrusted::Untrusted;

use super::board::rests;
use super::fuse::{By, Proposal};
use super::{Agent, Life};

impl Agent {
    /// The reason for taking a state.
    pub(super) fn because(&self, proposal: &Proposal, now: Mono) -> String {
        let looks = self.pending.map_or(0, |p| p.looks.max(1));
        match &proposal.by {
            By::Claim(evidence) => claimed(evidence, looks),
            By::Behind { screen, hook } => format!(
                "{} said {} ago that its turn was over, but {} shows that something still works",
                named(&hook.claim),
                ago(hook.at, now),
                shown(&screen.claim)
            ),
            By::Outlived { said, screen } => format!(
                "{} said {} {} ago, but its screen shows no sign of it since: {}",
                named(&said.claim),
                said.claim.says,
                ago(said.at, now),
                composer(&screen.claim)
            ),
            By::Limit(evidence) => match evidence.claim.source {
                Source::Screen | Source::Title => {
                    format!("{} tells of a usage limit", shown(&evidence.claim))
                }
                _ => format!("{} told of a usage limit{}", named(&evidence.claim), quoted(&evidence.claim)),
            },
            By::Stopped => "its process is stopped; `fg` in its pane lets it go on".to_owned(),
            By::Cover => "something covers its screen; what was known before holds".to_owned(),
            By::CoverAfterLimit => "its usage limit is over, and something covers its screen".to_owned(),
            By::Output if self.verdict.state == AgentState::Starting => {
                "its pane changes since it started".to_owned()
            }
            By::Output => "its pane changed".to_owned(),
            By::Quiet => "its pane has been quiet for several looks".to_owned(),
            By::Nothing(why) => format!("nothing can be said: {why}"),
        }
    }

    /// How sure its state is, 0 to 1: by what it stands on, who agrees, who does not, and how old that is.
    pub fn confidence(&self, now: Mono) -> f64 {
        match self.verdict.state {
            AgentState::Exited | AgentState::Crashed => return 1.0,
            AgentState::Missing => return 0.5,
            AgentState::Unknown => return 0.0,
            AgentState::Starting => return 0.8,
            _ => {}
        }
        if self.life != Life::Alive || self.cut_off() {
            return 0.4;
        }
        let proposal = self.propose(now);
        if proposal.verdict.state != self.verdict.state {
            // It is about to change, or nothing has confirmed it since it was restored.
            return 0.5;
        }
        let base = match proposal.rank {
            Rank::Process => 1.0,
            Rank::Gate | Rank::Blocker => 0.95,
            Rank::Spinner => 0.93,
            Rank::Hook => 0.9,
            Rank::Composer => 0.85,
            Rank::Transcript => 0.8,
            Rank::Activity => 0.6,
            Rank::Unknown => 0.0,
        };
        let mut confidence: f64 = base;
        for other in self.others(&proposal) {
            let agrees = other.says.state == self.verdict.state || (rests(other.says) && rests(self.verdict));
            confidence += if agrees { 0.04 } else { -0.1 };
        }
        let seen = self.board.looked;
        let changed =
            self.last_activity.is_some_and(|at| seen.is_none_or(|seen| at > seen + limits::SCREEN_LATE));
        if changed && proposal.rank > Rank::Process && self.nature.reads_screen {
            confidence -= 0.15;
        }
        (confidence.clamp(0.1, 0.99) * 100.0).round() / 100.0
    }

    /// The claims beside the one that decides, one of each other source.
    fn others(&self, proposal: &Proposal) -> Vec<&Claim> {
        let own = match &proposal.by {
            By::Claim(e) | By::Limit(e) => Some(e.claim.source),
            By::Behind { .. } | By::Outlived { .. } => Some(Source::Screen),
            _ => None,
        };
        let screen = self.board.screen_claims().next();
        let hook = self.board.hook_counts().map(|e| &e.claim);
        let transcript = self.board.transcript_counts().map(|e| &e.claim);
        let all = [screen, self.board.title.first(), hook, transcript].into_iter().flatten();
        all.filter(|c| Some(c.source) != own).collect()
    }
}

/// A claim as the reason.
fn claimed(evidence: &Evidence, looks: u8) -> String {
    let claim = &evidence.claim;
    match (claim.source, claim.says.state) {
        (Source::Hook, state) => {
            format!("{} {}{}", named(claim), hook_says(state, claim.says.detail), quoted(claim))
        }
        (Source::Transcript, _) => format!("its transcript says {}{}", claim.says, quoted(claim)),
        (_, AgentState::Waiting) => format!("{} is on its {}", question(claim), place(claim)),
        (_, AgentState::Busy) => format!("{} shows that it works", shown(claim)),
        _ => match looks {
            0 | 1 => composer(claim),
            n => format!("{}, seen {n} times in a row", composer(claim)),
        },
    }
}

/// What a hook's call means, as a sentence goes on.
fn hook_says(state: AgentState, detail: Option<Detail>) -> String {
    match (state, detail) {
        (AgentState::Busy, Some(Detail::Tool)) => "says that a tool runs".to_owned(),
        (AgentState::Busy, Some(Detail::Compacting)) => "says that it compacts its context".to_owned(),
        (AgentState::Busy, _) => "says that it works".to_owned(),
        (AgentState::Idle, _) => "says that its turn is over".to_owned(),
        (AgentState::Fresh, _) => "says that its session begins".to_owned(),
        (state, detail) => format!("says {}", Verdict::new(state, detail)),
    }
}

/// A question on a screen, named by its kind and its words.
fn question(claim: &Claim) -> String {
    let kind = match claim.says.detail {
        Some(Detail::Permission) => "the permission menu",
        Some(Detail::Question) => "a question",
        Some(Detail::Trust) => "the question whether to trust the folder",
        Some(Detail::Login) => "the login",
        Some(Detail::Plan) => "a plan to approve",
        _ => "something that waits for a person",
    };
    format!("{kind}{}", quoted(claim))
}

/// What the composer, or the lines above it, say.
fn composer(claim: &Claim) -> String {
    match claim.says.state {
        AgentState::Idle => "its composer is empty and nothing on its screen works".to_owned(),
        AgentState::Fresh => "its composer is empty and no turn was taken yet".to_owned(),
        AgentState::Queued => format!("text stands in its composer that was not sent{}", quoted(claim)),
        AgentState::Error => format!("its last turn ended in an error{}", quoted(claim)),
        _ => format!("its screen says {}{}", claim.says, quoted(claim)),
    }
}

fn place(claim: &Claim) -> &'static str {
    if claim.source == Source::Title { "title" } else { "screen" }
}

/// The words of a claim as a subject: `…` on its screen.
fn shown(claim: &Claim) -> String {
    match line(&claim.excerpt) {
        Some(words) => format!("`{words}` on its {}", place(claim)),
        None => format!("its {}", place(claim)),
    }
}

/// Who said it: its hook Stop.
fn named(claim: &Claim) -> String {
    match claim.source {
        Source::Transcript => "its transcript".to_owned(),
        _ => format!("its hook {}", claim.rule.strip_prefix("hook.").unwrap_or(&claim.rule)),
    }
}

/// The words of a claim, behind the sentence that they prove.
fn quoted(claim: &Claim) -> String {
    line(&claim.excerpt).map(|words| format!(" `{words}`")).unwrap_or_default()
}

/// The first line of some words, short enough for a sentence.
fn line(words: &Untrusted) -> Option<Untrusted> {
    let first = words.raw().lines().map(str::trim).find(|l| !l.is_empty())?;
    Some(Untrusted::bounded(first, limits::QUOTE_BYTES))
}

/// How long ago something was said.
fn ago(at: Mono, now: Mono) -> impl fmt::Display {
    let seconds = now.since(at).as_secs_f64();
    if seconds < 10.0 { format!("{seconds:.1} s") } else { format!("{seconds:.0} s") }
}
