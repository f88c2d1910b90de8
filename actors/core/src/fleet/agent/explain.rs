//! Why, at length: every source's word, what decides, and what is not there.

use std::sync::Arc;

use crate::clock::Mono;
use crate::fleet::evidence::Evidence;
use crate::fleet::state::AgentState;
use crate::limits;

use super::words::Shows;
use super::{Agent, Life, Verdict};

/// Why an agent is in its state.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// What it is doing.
    pub verdict: Verdict,
    /// Why, in a sentence.
    pub because: Arc<str>,
    /// How sure that is.
    pub confidence: f64,
    /// What every source said last, strongest first.
    pub evidence: Vec<Evidence>,
    /// What stands beside the evidence: what is about to change, what does not count, and why.
    pub notes: Vec<String>,
}

impl Agent {
    /// What every source said last, strongest first; words that were outlived among them.
    pub fn evidence(&self) -> Vec<Evidence> {
        let board = &self.board;
        let mut all: Vec<Evidence> = Vec::new();
        if let Some(seen) = &board.screen {
            all.extend(seen.claims.iter().map(|claim| Evidence { claim: claim.clone(), at: seen.at }));
        }
        if let Some(cover) = &board.cover {
            all.push(Evidence { claim: cover.claim.clone(), at: cover.at });
        }
        all.extend(board.title.iter().map(|claim| Evidence { claim: claim.clone(), at: board.title_at }));
        all.extend(board.hook.clone());
        all.extend(board.transcript.clone());
        all.extend(board.limit.as_ref().map(|limit| limit.evidence.clone()));
        all.sort_by_key(|e| (e.claim.rank, e.claim.source));
        all.dedup_by(|a, b| a.claim == b.claim);
        all
    }

    /// Why it is in its state.
    pub fn explain(&self, now: Mono) -> Explanation {
        Explanation {
            verdict: self.verdict,
            because: Arc::clone(&self.reason),
            confidence: self.confidence(now),
            evidence: self.evidence(),
            notes: self.notes(now),
        }
    }

    fn notes(&self, now: Mono) -> Vec<String> {
        let mut notes = Vec::new();
        if self.life != Life::Alive || self.cut_off() {
            return notes;
        }
        let proposal = self.propose(now);
        if let Some(pending) = &self.pending
            && pending.verdict != self.verdict
        {
            let looks = pending.looks;
            notes.push(match pending.verdict.state {
                AgentState::Unknown => format!(
                    "its screen has told nothing for {looks} looks; after {} it is called unknown",
                    limits::UNKNOWN_LOOKS
                ),
                _ => format!(
                    "it seems {} now, for {looks} looks; it counts after {} of a quiet pane",
                    pending.verdict,
                    if pending.verdict.state == AgentState::Starting {
                        limits::UNKNOWN_LOOKS
                    } else {
                        limits::QUIET_LOOKS
                    }
                ),
            });
        } else if proposal.verdict != self.verdict {
            notes.push(format!("it seems {} now: {}", proposal.verdict, self.because(&proposal, now)));
        }
        match self.board.front.shows {
            Shows::Agent => {}
            Shows::Child => {
                notes.push("a program that it started has the terminal: the screen says nothing".into());
            }
            Shows::Other => notes.push("another program has the terminal: the screen says nothing".into()),
        }
        if let Some(cover) = &self.board.cover {
            notes.push(format!("{} covers its screen: the state from before holds", cover.claim.rule));
        }
        if self.board.hook_spent {
            notes.push("the last hook is outlived: the screen decides until the next one".into());
        }
        if self.board.transcript.is_some() && self.board.transcript_counts().is_none() {
            notes.push("the transcript's last word is older than what was seen since".into());
        }
        if self.nature.reads_screen && self.board.screen.as_ref().is_some_and(|seen| !seen.live) {
            notes.push(
                "its live region was not found on the last screen: nothing follows from silence".into(),
            );
        }
        notes
    }
}
