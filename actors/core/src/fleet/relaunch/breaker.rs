//! The fleet's breaker: so many relaunches in any minute, the others wait in order.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Mono;
use crate::ids::AgentId;

/// The window in which relaunches are counted.
const WINDOW: Duration = Duration::from_secs(60);

/// What the breaker lets through.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pass {
    /// Who may go now, in the order of asking.
    pub granted: Vec<AgentId>,
    /// When to ask [`Breaker::turn`] again, while somebody waits.
    pub again_in: Option<Duration>,
}

/// Relaunches over the whole fleet.
#[derive(Debug, Clone, Default)]
pub struct Breaker {
    /// Relaunches in any [`WINDOW`]; 0 means no limit.
    limit: usize,
    passed: VecDeque<Mono>,
    waiting: VecDeque<AgentId>,
}

impl Breaker {
    /// A breaker that lets `limit` through in any minute; 0 lets all through.
    pub fn new(limit: usize) -> Self {
        Breaker { limit, ..Breaker::default() }
    }

    /// Follows changed settings.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// `agent` wants to go. Asking twice holds one place.
    pub fn ask(&mut self, agent: AgentId, now: Mono) -> Pass {
        if !self.waiting.contains(&agent) {
            self.waiting.push_back(agent);
        }
        self.turn(now)
    }

    /// `agent` no longer wants to go.
    pub fn forget(&mut self, agent: AgentId) {
        self.waiting.retain(|a| *a != agent);
    }

    /// Lets through whoever may go now.
    pub fn turn(&mut self, now: Mono) -> Pass {
        while self.passed.front().is_some_and(|at| now.since(*at) >= WINDOW) {
            self.passed.pop_front();
        }
        let mut pass = Pass::default();
        while self.limit == 0 || self.passed.len() < self.limit {
            let Some(agent) = self.waiting.pop_front() else { break };
            pass.granted.push(agent);
            if self.limit > 0 {
                self.passed.push_back(now);
            }
        }
        if !self.waiting.is_empty() {
            pass.again_in = self.passed.front().map(|at| (*at + WINDOW).since(now));
        }
        pass
    }
}
