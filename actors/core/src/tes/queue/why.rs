//! What a job waits for, told to people.

use super::Queue;
use crate::clock::Mono;
use crate::ids::JobId;
use crate::tes::job::{JobState, WaitingFor};

impl Queue {
    /// What a job waits for; `None` when it runs or is not here.
    pub fn waiting_for(&self, job: JobId, now: Mono) -> Option<WaitingFor> {
        let entry = self.jobs.get(&job)?;
        Some(match entry.state {
            JobState::Held => WaitingFor::Release,
            JobState::Blocked => WaitingFor::Jobs(entry.parents.iter().map(|(id, _)| *id).collect()),
            JobState::Delayed if entry.ticket.not_before.is_some_and(|at| at > now) => WaitingFor::Time,
            JobState::Queued if !self.open => WaitingFor::Queue,
            JobState::Queued => {
                if let Some((kind, name, limit)) = self.lanes.bound(entry.lane, &self.usage, &self.caps) {
                    return Some(WaitingFor::Limit {
                        of: format!("{kind} {}", self.lanes.name(name)),
                        limit,
                    });
                }
                let others = self.lanes.depths()[..=usize::from(entry.lane.class)].iter().sum::<usize>();
                WaitingFor::Turn { others: others.saturating_sub(1) }
            }
            _ => return None,
        })
    }
}
