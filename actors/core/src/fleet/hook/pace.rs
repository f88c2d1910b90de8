//! How many reports an agent may send: a bucket for each.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Mono;
use crate::ids::AgentId;
use crate::limits::{HOOK_BURST, HOOK_PACED_MAX, HOOK_RATE};

/// The buckets.
#[derive(Debug, Default)]
pub struct Pace {
    buckets: BTreeMap<AgentId, Bucket>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: u32,
    /// Until when the refill is accounted for.
    at: Mono,
}

const EVERY: Duration = Duration::from_nanos(1_000_000_000 / HOOK_RATE as u64);

impl Pace {
    /// Whether one more report of `agent` is taken.
    pub fn take(&mut self, agent: AgentId, now: Mono) -> bool {
        if self.buckets.len() >= HOOK_PACED_MAX && !self.buckets.contains_key(&agent) {
            let quiet = self.buckets.iter().min_by_key(|(_, bucket)| bucket.at).map(|(id, _)| *id);
            quiet.and_then(|id| self.buckets.remove(&id));
        }
        let bucket = self.buckets.entry(agent).or_insert(Bucket { left: HOOK_BURST, at: now });
        let refill = now.since(bucket.at).as_nanos() / EVERY.as_nanos();
        if refill > 0 {
            let refill = u32::try_from(refill).unwrap_or(u32::MAX);
            bucket.left = bucket.left.saturating_add(refill).min(HOOK_BURST);
            bucket.at = if bucket.left == HOOK_BURST { now } else { bucket.at + EVERY * refill };
        }
        let more = bucket.left > 0;
        bucket.left = bucket.left.saturating_sub(1);
        more
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::SocketName;

    fn id(n: usize) -> AgentId {
        AgentId::owned(&SocketName("s".into()), "web", &n.to_string())
    }

    #[test]
    fn a_burst_passes_and_a_flood_is_cut_to_the_rate() {
        let mut pace = Pace::default();
        let start = Mono::from_origin(Duration::from_secs(100));
        assert_eq!((0..1000).filter(|_| pace.take(id(1), start)).count(), HOOK_BURST as usize);
        assert!(pace.take(id(2), start), "another agent has its own");
        // Ten a millisecond for ten seconds.
        let taken = (1..=10_000u64)
            .flat_map(|ms| std::iter::repeat_n(ms, 10))
            .filter(|ms| pace.take(id(1), start + Duration::from_millis(*ms)))
            .count();
        assert_eq!(taken, 10 * HOOK_RATE as usize);
    }

    #[test]
    fn the_quietest_makes_room() {
        let mut pace = Pace::default();
        for n in 0..HOOK_PACED_MAX + 10 {
            assert!(pace.take(id(n), Mono::from_origin(Duration::from_millis(n as u64))));
        }
        assert_eq!(pace.buckets.len(), HOOK_PACED_MAX);
    }
}
