//! Which looks are under way: one that is waited for, and those that hang.
//!
//! A file on a server that does not answer holds up the thread that reads it, maybe for ever. Such a look is
//! given up after its time, and the others go on. Its thread cannot be ended, so there may be only so many.

use std::collections::BTreeSet;

use tsup_core::ids::AgentId;
use tsup_core::limits::TRANSCRIPT_LOOKS_LOST_MAX;

/// Their numbers. No number is used twice.
#[derive(Debug, Default)]
pub(super) struct Looks {
    last: u64,
    waited: Option<(u64, Vec<AgentId>)>,
    lost: BTreeSet<u64>,
}

/// What a look that came back is worth.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Back {
    /// It was waited for.
    InTime,
    /// It had been given up: what it brings is out of date, but it hangs no more.
    Late,
}

impl Looks {
    /// Whether none may begin now.
    pub(super) fn are_busy(&self) -> bool {
        self.waited.is_some() || self.lost.len() >= TRANSCRIPT_LOOKS_LOST_MAX
    }

    /// Begins a look at these agents' transcripts.
    pub(super) fn begin(&mut self, agents: Vec<AgentId>) -> u64 {
        debug_assert!(!self.are_busy(), "one look at a time");
        self.last += 1;
        self.waited = Some((self.last, agents));
        self.last
    }

    /// Gives a look up; whom it was about, when it was still waited for.
    pub(super) fn give_up(&mut self, number: u64) -> Option<Vec<AgentId>> {
        let (_, agents) = self.waited.take_if(|(waited, _)| *waited == number)?;
        self.lost.insert(number);
        Some(agents)
    }

    /// A look came back.
    pub(super) fn back(&mut self, number: u64) -> Back {
        self.lost.remove(&number);
        match self.waited.take_if(|(waited, _)| *waited == number) {
            Some(_) => Back::InTime,
            None => Back::Late,
        }
    }
}

#[cfg(test)]
mod tests {
    use tsup_core::ids::SocketName;

    use super::*;

    #[test]
    fn a_look_that_hangs_holds_up_no_other_and_there_are_only_so_many() {
        let id = AgentId::owned(&SocketName("s".into()), "web", "dev");
        let mut looks = Looks::default();
        let first = looks.begin(vec![id]);
        assert!(looks.are_busy());
        assert_eq!(looks.give_up(first), Some(vec![id]));
        assert_eq!(looks.give_up(first), None, "only once");
        let second = looks.begin(vec![]);
        assert_eq!(looks.back(first), Back::Late);
        assert!(looks.are_busy(), "the second is still waited for");
        assert_eq!(looks.back(second), Back::InTime);
        assert_eq!(looks.give_up(second), None, "it came in time");

        let mut hang = || {
            let number = looks.begin(vec![id]);
            looks.give_up(number);
            (number, looks.are_busy())
        };
        let lost: Vec<(u64, bool)> = (0..TRANSCRIPT_LOOKS_LOST_MAX).map(|_| hang()).collect();
        assert_eq!(lost.iter().position(|(_, busy)| *busy), Some(TRANSCRIPT_LOOKS_LOST_MAX - 1));
        looks.back(lost[0].0);
        assert!(!looks.are_busy());
    }
}
