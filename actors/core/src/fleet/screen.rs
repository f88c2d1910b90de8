//! What a screen says: the live region of a pane, read with the rules of a profile.
//!
//! Only the live region speaks (composer, footer, menu, spinner line); what scrolled by above it is
//! history, whatever words it quotes.

use crate::fleet::evidence::{Claim, RuleName};
use crate::fleet::profile::Profile;
use crate::untrusted::Untrusted;

/// A captured screen.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// A transcript viewer, a picker or a help panel covers the live region: the last state holds.
    pub hold: Option<RuleName>,
    /// Whether the live region was found at all. When it was not, nothing follows from silence.
    pub live: bool,
}

/// Reads a screen with the rules of `profile`.
pub fn read(profile: &Profile, shot: &Shot) -> Reading {
    let _ = (profile, shot);
    Reading::default()
}
