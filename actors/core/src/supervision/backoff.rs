//! How long a restart waits: exponential with full jitter and a cap.
//!
//! Full jitter means that the delay is drawn from the whole span between nothing and the bound, so
//! that many children which fell together do not come back together.

use std::time::Duration;

/// The delay before a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Upper bound of the first delay; zero: restarts do not wait.
    pub initial: Duration,
    /// Upper bound of every delay.
    pub max: Duration,
    /// A child that ran this long without reporting ready counts as well again.
    pub stable_after: Duration,
}

impl Default for Backoff {
    /// None: as in OTP, restarts do not wait.
    fn default() -> Self {
        Backoff::NONE
    }
}

impl Backoff {
    /// Restarts do not wait.
    pub const NONE: Backoff =
        Backoff { initial: Duration::ZERO, max: Duration::ZERO, stable_after: Duration::ZERO };

    /// From at most `initial` doubling up to `max`; a child is stable after running for `max`.
    pub const fn exponential(initial: Duration, max: Duration) -> Self {
        Backoff { initial, max, stable_after: max }
    }

    /// The bound of the delay after `failures` failures in a row.
    pub fn bound(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        self.initial.saturating_mul(1 << doublings).min(self.max)
    }

    /// The delay after `failures` failures in a row, drawn evenly from zero to [`Backoff::bound`].
    pub fn delay(&self, failures: u32, jitter: &mut Jitter) -> Duration {
        let bound = self.bound(failures);
        if bound.is_zero() {
            return Duration::ZERO;
        }
        // 53 bits are what an f64 holds exactly; a delay needs no more.
        bound.mul_f64((jitter.next() >> 11) as f64 / (1_u64 << 53) as f64)
    }
}

/// A small generator of evenly spread numbers (SplitMix64: Steele, Lea, Flood 2014). Not for secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jitter(u64);

impl Jitter {
    /// The same seed gives the same numbers.
    pub fn seeded(seed: u64) -> Self {
        Jitter(seed)
    }

    /// The next number.
    #[expect(clippy::should_implement_trait, reason = "an endless stream of plain numbers, not of options")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_double_up_to_the_cap() {
        let b = Backoff::exponential(Duration::from_millis(100), Duration::from_secs(1));
        let ms: Vec<u128> = (0..8).map(|n| b.bound(n).as_millis()).collect();
        assert_eq!(ms, [100, 100, 200, 400, 800, 1000, 1000, 1000]);
        assert_eq!(b.bound(u32::MAX), Duration::from_secs(1));
    }

    #[test]
    fn delays_fill_the_whole_span() {
        let b = Backoff::exponential(Duration::from_millis(1000), Duration::from_secs(60));
        let mut jitter = Jitter::seeded(1);
        let delays: Vec<Duration> = (0..2000).map(|_| b.delay(1, &mut jitter)).collect();
        assert!(delays.iter().all(|d| *d <= Duration::from_secs(1)));
        let tenths = delays.iter().fold([0_u32; 10], |mut t, d| {
            t[(d.as_millis() / 100).min(9) as usize] += 1;
            t
        });
        assert!(tenths.iter().all(|n| *n > 120), "uneven: {tenths:?}");
    }

    #[test]
    fn the_same_seed_gives_the_same_delays() {
        let (mut a, mut b) = (Jitter::seeded(7), Jitter::seeded(7));
        assert!((0..100).all(|_| a.next() == b.next()));
        assert_ne!(Jitter::seeded(7).next(), Jitter::seeded(8).next());
        assert_eq!(Backoff::NONE.delay(9, &mut a), Duration::ZERO);
    }
}
