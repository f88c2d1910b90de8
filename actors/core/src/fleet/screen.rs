//! What a screen says: the live region of a pane, read with the rules of a profile.
//!
//! Only the live region speaks (composer, footer, menu, spinner line); what scrolled by above it is
//! history, whatever words it quotes. [`text`] makes lines of a capture, `wrap` makes those whole that the
//! terminal broke, [`line`] tells what a line is made of, [`composer`] and [`dialog`] find the two landmarks,
//! [`live`] puts the region together, [`speak`] lets the rules look at it, [`shell`] knows prompts, and
//! [`guess`] tells which CLI a screen belongs to.

use crate::fleet::evidence::{Claim, Rank, Verdict};
use crate::fleet::profile::{Profile, Profiles};
use crate::fleet::state::AgentState;
use crate::untrusted::Untrusted;

pub mod composer;
pub mod dialog;
mod guess;
pub mod line;
pub mod live;
pub mod shell;
mod speak;
pub mod text;
mod wrap;

/// A captured screen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shot {
    /// Its text, line by line, with SGR escape sequences where the capture kept them.
    pub text: Untrusted,
    /// The pane's title.
    pub title: Untrusted,
    /// Its width in cells, where known.
    pub columns: Option<u16>,
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reading {
    /// What each rule that matched says, strongest first.
    pub claims: Vec<Claim>,
    /// A transcript viewer, a picker or a help panel covers the live region: the last state holds. The claim
    /// names the rule, and says what the screen means when nothing is known of the time before.
    pub hold: Option<Claim>,
    /// Whether the live region was found at all. When it was not, nothing follows from silence.
    pub live: bool,
    /// Whether a shell's line stands below all that the rules know: it may be what a program left behind that was
    /// there before.
    pub left: bool,
    /// The pane's width in cells, where known.
    pub columns: Option<u16>,
}

impl Reading {
    /// Whether it says more than that the agent rests.
    fn is_pressing(&self) -> bool {
        let says = self.claims.first().map(|claim| claim.says.state);
        self.hold.is_some()
            || matches!(says, Some(AgentState::Busy | AgentState::Waiting | AgentState::Limited))
    }
}

/// Reads a screen with the rules of `profile`.
pub fn read(profile: &Profile, shot: &Shot) -> Reading {
    let reading = read_lines(profile, shot, text::lines(shot.text.raw()));
    Reading { columns: shot.columns, ..reading }
}

/// Reads the lines as the program wrote them: where the terminal broke some, made whole again. What works or
/// waits by the rows as they stand is believed, too, since a row may end at the edge of the pane by chance.
fn read_lines(profile: &Profile, shot: &Shot, lines: Vec<text::Line<'_>>) -> Reading {
    let Some(whole) = wrap::joined(&lines, shot.columns) else {
        return speak::read(profile, &shot.title, lines);
    };
    let reading = speak::read(profile, &shot.title, whole);
    if reading.is_pressing() {
        return reading;
    }
    let as_it_stands = speak::read(profile, &shot.title, lines);
    if as_it_stands.is_pressing() || !reading.live { as_it_stands } else { reading }
}

/// The version of the CLI, where the screen shows it.
pub fn version(profile: &Profile, shot: &Shot) -> Option<String> {
    let screen = &profile.rules.screen;
    if screen.version_after.is_empty() {
        return None;
    }
    screen.version_in(text::lines(shot.text.raw()).iter().map(text::Line::body))
}

/// What a screen alone says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Classified {
    /// What the agent is doing.
    pub verdict: Verdict,
    /// What each rule says, the one that decided first.
    pub claims: Vec<Claim>,
}

impl Default for Classified {
    /// Nothing can be said.
    fn default() -> Self {
        Classified { verdict: Verdict::new(AgentState::Unknown, None), claims: Vec::new() }
    }
}

/// The state that a screen alone tells, when nothing else is known: for captured files.
pub fn classify(profile: &Profile, shot: &Shot) -> Classified {
    let lines = text::lines(shot.text.raw());
    if let Some(claim) = speak::gone(profile, &lines) {
        return Classified { verdict: claim.says, claims: vec![claim] };
    }
    let reading = read_lines(profile, shot, lines);
    let mut claims = reading.claims;
    if let Some(hold) = reading.hold {
        // What covers the composer says more than what stands in its place.
        let place = claims.iter().position(|claim| claim.rank >= Rank::Composer).unwrap_or(claims.len());
        claims.insert(place, hold);
    }
    let verdict = claims.first().map_or(Verdict::new(AgentState::Unknown, None), |claim| claim.says);
    Classified { verdict, claims }
}

/// The profile of the CLI that a screen belongs to, or the generic one.
pub fn guess<'p>(profiles: &'p Profiles, shot: &Shot) -> Option<&'p Profile> {
    guess::guess(profiles, shot)
}

#[cfg(test)]
mod tests;
