//! What a CLI's transcript says: limits with their end, errors, context use, tokens.

use serde::{Deserialize, Serialize};

use crate::clock::Wall;
use crate::fleet::evidence::Claim;

/// What is known from a transcript, latest word each.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens sent to the model, over the session.
    pub input_tokens: Option<u64>,
    /// Tokens it answered with, over the session.
    pub output_tokens: Option<u64>,
    /// Tokens that stand in the context now.
    pub context_tokens: Option<u64>,
    /// How many fit, where the CLI or the model's name says.
    pub context_window: Option<u64>,
    /// When a usage limit that holds it ends.
    pub limit_resets_at: Option<Wall>,
}

/// What a transcript says now, after all lines that were read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Heard {
    /// What it says about the state; `None` when it says nothing (any more).
    pub claim: Option<Claim>,
    /// When the line was written that the claim stands on, by the CLI's own clock.
    pub at: Option<Wall>,
    /// What is known of tokens and limits.
    pub usage: Usage,
}

impl Usage {
    /// How full the context is, in percent of its window, where both are known.
    pub fn context_percent(&self) -> Option<f64> {
        let (tokens, window) = (self.context_tokens?, self.context_window.filter(|w| *w > 0)?);
        Some((tokens as f64 / window as f64 * 1000.0).round().min(1000.0) / 10.0)
    }
}
