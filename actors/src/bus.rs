//! The event bus: one bounded ring of everything that happens.
//!
//! Publishing never waits. A reader that falls behind the ring is told how many events it missed.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::broadcast;
use tsup_core::event::{Event, Stamped};
use tsup_core::limits::EVENT_RING;

use crate::clock::now_wall;

/// The bus. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Bus {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    ring: broadcast::Sender<Arc<Stamped>>,
    /// The last sequence number. Held while an event enters the ring, so that the ring's order and the
    /// numbers agree; a leaf, nothing waits under it.
    last_seq: Mutex<u64>,
}

impl Default for Bus {
    fn default() -> Self {
        Self::new()
    }
}

impl Bus {
    /// A bus nobody listens to yet.
    pub fn new() -> Self {
        Bus { inner: Arc::new(Inner { ring: broadcast::Sender::new(EVENT_RING), last_seq: Mutex::new(0) }) }
    }

    /// Tells everybody who listens.
    pub fn publish(&self, event: Event) {
        let mut seq = self.inner.last_seq.lock();
        *seq += 1;
        // Without readers the event is only numbered.
        let _ = self.inner.ring.send(Arc::new(Stamped { at: now_wall(), seq: *seq, event }));
    }

    /// Listens to what happens from now on.
    pub fn subscribe(&self) -> Subscription {
        let last = self.inner.last_seq.lock();
        Subscription { ring: self.inner.ring.subscribe(), last_seq: *last }
    }

    /// How many events were published.
    pub fn published(&self) -> u64 {
        *self.inner.last_seq.lock()
    }
}

/// One reader's place in the ring.
#[derive(Debug)]
pub struct Subscription {
    ring: broadcast::Receiver<Arc<Stamped>>,
    last_seq: u64,
}

impl Subscription {
    /// The next event; [`Event::Lagged`] when the reader was too slow; `None` when the bus is gone.
    pub async fn next(&mut self) -> Option<Arc<Stamped>> {
        match self.ring.recv().await {
            Ok(stamped) => Some(self.seen(stamped)),
            Err(broadcast::error::RecvError::Lagged(missed)) => Some(self.lagged(missed)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }

    /// The next event if one is there already.
    pub fn try_next(&mut self) -> Option<Arc<Stamped>> {
        match self.ring.try_recv() {
            Ok(stamped) => Some(self.seen(stamped)),
            Err(broadcast::error::TryRecvError::Lagged(missed)) => Some(self.lagged(missed)),
            Err(_) => None,
        }
    }

    fn seen(&mut self, stamped: Arc<Stamped>) -> Arc<Stamped> {
        self.last_seq = stamped.seq;
        stamped
    }

    fn lagged(&mut self, missed: u64) -> Arc<Stamped> {
        self.last_seq += missed;
        Arc::new(Stamped { at: now_wall(), seq: self.last_seq, event: Event::Lagged { missed } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_slow_reader_is_told_how_many_it_missed() {
        let bus = Bus::new();
        let mut reader = bus.subscribe();
        for _ in 0..EVENT_RING + 10 {
            bus.publish(Event::Ready);
        }
        let first = reader.next().await.unwrap();
        let Event::Lagged { missed } = first.event else { panic!("{first:?}") };
        let mut seen = 0;
        while seen + missed < (EVENT_RING + 10) as u64 {
            let next = reader.next().await.unwrap();
            seen += 1;
            assert_eq!(next.seq, missed + seen, "numbers have no gap but the one that was told");
        }
    }
}
