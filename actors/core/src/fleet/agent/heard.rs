//! What the transcript says, as evidence beside the others.

use crate::fleet::transcript::{Heard, Usage};

use super::{Agent, Evidence, Moment};

impl Agent {
    /// What is known of its tokens and limits.
    pub fn usage(&self) -> &Usage {
        &self.usage
    }

    /// Takes in what its transcript says; a transcript that says nothing any more takes its word back.
    pub(super) fn heard(&mut self, heard: Heard, now: Moment) {
        self.usage = heard.usage;
        let ends = self.usage.limit_resets_at.map(|at| now.mono + at.since(now.wall));
        let said = heard.claim.map(|claim| {
            let age = heard.at.map(|at| now.wall.since(at)).unwrap_or_default();
            Evidence { claim, at: now.mono - age }
        });
        let again = self.board.is_heard_again(said.as_ref(), heard.at);
        // What was under way when a process ended may come when the next one runs.
        let said = said.filter(|said| again || self.is_of_now(said.at));
        self.board.heard(said, heard.at, ends, now.mono);
    }
}
