//! One lane of a gate.

use std::collections::VecDeque;

use parking_lot::Mutex;
use tsup_core::limits;

/// A message with how often it was tried.
pub(crate) struct Envelope<M> {
    pub(crate) message: M,
    pub(super) deaths: u8,
}

/// Messages that wait, at most so many, the oldest first.
pub(super) struct LaneQueue<M> {
    /// A leaf lock, held for one move. An idle actor has room for a few messages and no more: there are thousands of lanes,
    /// and blocks of a lock-free queue would be most of what an idle actor takes.
    queue: Mutex<VecDeque<Envelope<M>>>,
    pub(super) capacity: usize,
}

impl<M> LaneQueue<M> {
    pub(super) fn new(capacity: usize) -> Self {
        LaneQueue { queue: Mutex::new(VecDeque::new()), capacity }
    }

    pub(super) fn push(&self, message: M) -> Result<(), M> {
        let mut queue = self.queue.lock();
        if queue.len() >= self.capacity {
            return Err(message);
        }
        queue.push_back(Envelope { message, deaths: 0 });
        Ok(())
    }

    pub(super) fn pop(&self) -> Option<Envelope<M>> {
        let mut queue = self.queue.lock();
        let envelope = queue.pop_front()?;
        if queue.is_empty() && queue.capacity() > limits::LANE_ROOM_KEPT {
            let room = std::mem::take(&mut *queue);
            drop(queue);
            drop(room);
        }
        Some(envelope)
    }

    pub(super) fn depth(&self) -> usize {
        self.queue.lock().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room<M>(lane: &LaneQueue<M>) -> usize {
        lane.queue.lock().capacity()
    }

    #[test]
    fn a_lane_is_full_with_as_many_as_it_may_have() {
        let lane = LaneQueue::new(2);
        assert_eq!((lane.push(1), lane.push(2), lane.push(3)), (Ok(()), Ok(()), Err(3)));
        assert_eq!(lane.pop().map(|e| e.message), Some(1), "the oldest first");
        assert_eq!((lane.push(4), lane.depth()), (Ok(()), 2));
        assert_eq!(LaneQueue::new(0).push(1), Err(1));
    }

    #[test]
    fn a_flood_gives_its_room_back_and_a_few_messages_find_theirs() {
        let lane = LaneQueue::new(1000);
        assert_eq!(room(&lane), 0, "who never had a message takes nothing");
        lane.push(0).unwrap();
        lane.pop().unwrap();
        assert!((1..=limits::LANE_ROOM_KEPT).contains(&room(&lane)));
        (0..1000).for_each(|n| lane.push(n).unwrap());
        let taken: Vec<_> = std::iter::from_fn(|| lane.pop()).map(|e| e.message).collect();
        assert_eq!(taken, (0..1000).collect::<Vec<_>>());
        assert_eq!((room(&lane), lane.depth()), (0, 0));
    }
}
