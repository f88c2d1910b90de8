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

/// What was read from new lines.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Heard {
    /// What they say about the state; the last one counts.
    pub claim: Option<Claim>,
    /// What is known now.
    pub usage: Usage,
}
