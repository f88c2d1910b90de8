//! The past states of an agent, the last few of them.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::clock::Wall;
use crate::fleet::state::AgentState;
use crate::limits;

use super::Verdict;

/// One change of state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// When.
    pub at: Wall,
    /// The state before.
    pub from: AgentState,
    /// The state after, with its kind.
    pub to: Verdict,
    /// Why, in words.
    pub because: Arc<str>,
}

impl Change {
    /// Whether it belongs into the history. What a busy agent is busy with changes by the second.
    pub fn lasts(&self) -> bool {
        self.from != self.to.state || self.to.state != AgentState::Busy
    }
}

/// The last [`limits::AGENT_HISTORY`] changes, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct History {
    changes: VecDeque<Change>,
}

impl History {
    /// Adds the latest change; the oldest goes when there are too many.
    pub fn push(&mut self, change: Change) {
        if self.changes.len() >= limits::AGENT_HISTORY {
            self.changes.pop_front();
        }
        self.changes.push_back(change);
    }

    /// The changes, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Change> {
        self.changes.iter()
    }

    /// The latest change.
    pub fn last(&self) -> Option<&Change> {
        self.changes.back()
    }

    /// How many are kept.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether nothing happened yet.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

impl FromIterator<Change> for History {
    fn from_iter<I: IntoIterator<Item = Change>>(changes: I) -> Self {
        let mut history = History::default();
        for change in changes {
            history.push(change);
        }
        history
    }
}
