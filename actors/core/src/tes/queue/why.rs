//! What a job waits for, told to people.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Queue;
use crate::clock::Mono;
use crate::ids::JobId;
use crate::tes::job::{JobState, WaitingFor};

/// Who shares a limit, or could: all jobs, or those of one script, specialist, group or session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sharers {
    /// All.
    All,
    /// Of a group.
    Group,
    /// Of a script.
    Script,
    /// For a specialist.
    Specialist,
    /// Of a session.
    Session,
}

impl Sharers {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Sharers::All => "all",
            Sharers::Group => "group",
            Sharers::Script => "script",
            Sharers::Specialist => "specialist",
            Sharers::Session => "session",
        }
    }
}

/// What they use of their limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Share {
    /// Slots that they may take together.
    pub limit: Option<u32>,
    /// Slots that they take.
    pub used: u32,
    /// Jobs that run.
    pub running: u64,
    /// Jobs that wait for their turn.
    pub queued: u64,
}

impl Queue {
    /// What a job waits for; `None` when it runs or is not here.
    pub fn waiting_for(&self, job: JobId, now: Mono) -> Option<WaitingFor> {
        let entry = self.jobs.get(&job)?;
        Some(match entry.state {
            JobState::Held => WaitingFor::Release,
            JobState::Blocked => WaitingFor::Jobs(entry.parents().iter().map(|(id, _)| *id).collect()),
            JobState::Delayed if entry.not_before().is_some_and(|at| at > now) => WaitingFor::Time,
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

    /// Whether a person holds it back; one that runs is held back from its next attempt.
    pub fn is_held(&self, job: JobId) -> bool {
        self.jobs.get(&job).is_some_and(|entry| entry.held)
    }

    /// The group whose limit a job is under.
    pub fn group_of(&self, job: JobId) -> Option<&str> {
        Some(self.lanes.name(self.jobs.get(&job)?.lane.group?))
    }

    /// Every limit there is, and whoever has jobs here, with what they use of it. It looks at every job.
    pub fn shares(&self) -> BTreeMap<(Sharers, Arc<str>), Share> {
        let mut shares: BTreeMap<(Sharers, Arc<str>), Share> = BTreeMap::new();
        let limits = [
            (Sharers::Group, &self.caps.groups),
            (Sharers::Script, &self.caps.scripts),
            (Sharers::Specialist, &self.caps.specialists),
        ];
        for (kind, limits) in limits {
            for (name, limit) in limits {
                shares.entry((kind, Arc::clone(name))).or_default().limit = Some(*limit);
            }
        }
        shares.entry((Sharers::All, "".into())).or_default().limit = Some(self.caps.slots);
        let nobody: Arc<str> = "".into();
        for entry in self.jobs.values() {
            let (lane, name) = (entry.lane, |of| self.lanes.shared_name(of));
            let of = [
                (Sharers::All, Some(&nobody)),
                (Sharers::Group, lane.group.and_then(name)),
                (Sharers::Script, name(lane.script)),
                (Sharers::Specialist, lane.specialist.and_then(name)),
                (Sharers::Session, name(lane.session).filter(|name| !name.is_empty())),
            ];
            for (kind, name) in of {
                let Some(name) = name else { continue };
                let share = shares.entry((kind, Arc::clone(name))).or_default();
                if kind == Sharers::Session {
                    share.limit = self.caps.session;
                }
                match entry.state {
                    JobState::Running => {
                        share.running += 1;
                        share.used += u32::from(lane.slots);
                    }
                    JobState::Queued => share.queued += 1,
                    _ => {}
                }
            }
        }
        shares
    }
}
