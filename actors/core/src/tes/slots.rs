//! Which slot each attempt under way has among the traces.

use std::collections::{BTreeMap, BTreeSet};

use super::attempt::AttemptId;
use crate::limits;

/// Slots, given out the lowest first, so that the file with the traces stays as small as it can.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Slots {
    /// Those below `next` that nobody has.
    free: BTreeSet<u32>,
    /// All from here on are free.
    next: u32,
}

impl Slots {
    /// Gives out a slot; `None` when all [`limits::ATTEMPT_SLOTS_MAX`] are taken.
    pub fn take(&mut self) -> Option<u32> {
        if let Some(slot) = self.free.pop_first() {
            return Some(slot);
        }
        let slot = (self.next < limits::ATTEMPT_SLOTS_MAX).then_some(self.next)?;
        self.next += 1;
        Some(slot)
    }

    /// Takes the slots that attempts have from before, and answers for each whether it keeps its own.
    ///
    /// Two may be written down with the same one: what became of a start that the store did not confirm is not known,
    /// and its slot went to another. Then it is whose traces stand there, by `found`; for the other one nothing ran.
    pub fn adopt(&mut self, attempts: &[(AttemptId, u32)], found: &BTreeMap<u32, AttemptId>) -> Vec<bool> {
        let is_own = |(id, slot): &(AttemptId, u32)| found.get(slot) == Some(id);
        let mut keeps = vec![false; attempts.len()];
        for own in [true, false] {
            for (keeps, attempt) in keeps.iter_mut().zip(attempts).filter(|(_, a)| is_own(a) == own) {
                *keeps = self.claim(attempt.1);
            }
        }
        keeps
    }

    /// Takes one that somebody has from before. `false` when it was given out.
    fn claim(&mut self, slot: u32) -> bool {
        if slot >= limits::ATTEMPT_SLOTS_MAX {
            return false;
        }
        if slot >= self.next {
            self.free.extend(self.next..slot);
            self.next = slot + 1;
            return true;
        }
        self.free.remove(&slot)
    }

    /// Takes a slot back.
    pub fn put(&mut self, slot: u32) {
        if slot < self.next {
            self.free.insert(slot);
        }
        while self.next.checked_sub(1).is_some_and(|last| self.free.remove(&last)) {
            self.next -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_with_one_slot_it_is_whose_traces_stand_there() {
        let id = |n| AttemptId { job: crate::ids::JobId::drawn(n), attempt: 1, epoch: 0 };
        let attempts = [(id(1), 3), (id(2), 3), (id(3), 0), (id(4), 0)];
        let found = BTreeMap::from([(3, id(2)), (0, id(9))]);
        let mut slots = Slots::default();
        assert_eq!(slots.adopt(&attempts, &found), [false, true, true, false]);
        assert_eq!([slots.take(), slots.take(), slots.take()], [1, 2, 4].map(Some));
    }

    #[test]
    fn nobody_has_what_another_one_has() {
        let mut slots = Slots::default();
        assert!(slots.claim(3));
        assert!(!slots.claim(3) && !slots.claim(limits::ATTEMPT_SLOTS_MAX));
        assert_eq!([slots.take(), slots.take(), slots.take(), slots.take()], [0, 1, 2, 4].map(Some));
        slots.put(1);
        slots.put(9);
        assert_eq!(slots.take(), Some(1));
        for slot in [4, 0, 3, 2, 1] {
            slots.put(slot);
        }
        assert_eq!(slots, Slots::default());
        let all: Vec<_> = std::iter::from_fn(|| slots.take()).collect();
        assert_eq!(all.len() as u32, limits::ATTEMPT_SLOTS_MAX);
    }
}
