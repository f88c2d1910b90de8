//! What a rule may say: a state that a screen can show, and which kind of it.

use serde::Deserialize;
use serde::de::{Deserializer, Error};

use super::Region;
use crate::fleet::evidence::{Rank, Verdict};
use crate::fleet::state::{AgentState, Detail};

/// A state a rule may tell, as `state` or `state/detail`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Says(pub Verdict);

/// The states that a screen can tell: the others are of processes and panes.
fn told() -> impl Iterator<Item = AgentState> {
    AgentState::ALL.into_iter().filter(|state| !state.is_dead() && *state != AgentState::Missing)
}

/// The details of a state that a screen or a hook can tell.
const fn details(state: AgentState) -> &'static [Detail] {
    match state {
        AgentState::Waiting => {
            &[Detail::Permission, Detail::Question, Detail::Trust, Detail::Login, Detail::Plan]
        }
        AgentState::Busy => &[Detail::Thinking, Detail::Tool, Detail::Compacting, Detail::Background],
        _ => &[],
    }
}

impl Says {
    fn parse(text: &str) -> Result<Self, String> {
        let (state, detail) = match text.split_once('/') {
            Some((state, detail)) => (state, Some(detail)),
            None => (text, None),
        };
        let Some(state) = told().find(|told| told.as_str() == state) else {
            let words: Vec<&str> = told().map(AgentState::as_str).collect();
            return Err(format!(
                "`{state}` is no state that a screen can tell; take one of {}",
                words.join(", ")
            ));
        };
        let known = details(state);
        let detail = match detail {
            None => None,
            Some(word) => Some(known.iter().copied().find(|d| d.as_str() == word).ok_or_else(|| {
                let words: Vec<&str> = known.iter().map(|d| d.as_str()).collect();
                if words.is_empty() {
                    format!("`{state}` has no details; write `{state}` alone")
                } else {
                    format!("`{word}` is no detail of {state}; take one of {}", words.join(", "))
                }
            })?),
        };
        Ok(Says(Verdict::new(state, detail)))
    }

    /// How much it weighs when words in `region` say it.
    pub fn rank(self, region: Region) -> Rank {
        match (self.0.state, self.0.detail) {
            (AgentState::Waiting, Some(Detail::Trust | Detail::Login)) => Rank::Gate,
            (AgentState::Waiting, _) => Rank::Blocker,
            (AgentState::Limited | AgentState::Error, _) if region == Region::Dialog => Rank::Blocker,
            (AgentState::Busy, _) => Rank::Spinner,
            (AgentState::Unknown, _) => Rank::Unknown,
            _ => Rank::Composer,
        }
    }
}

impl<'de> Deserialize<'de> for Says {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Says::parse(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}
