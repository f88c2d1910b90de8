//! What series are made of: atomics that many threads write and the registry reads.

use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tsup_core::telemetry::sketch::{OCTAVES, SUB_BUCKETS, Sketch, bucket_of};

/// Parts of a counter. Threads that count at the same time seldom share one, so that they do not fight
/// for a cache line; more than a few buy nothing for a runtime of a few threads.
const SHARDS: usize = 4;

#[derive(Default)]
#[repr(align(64))]
struct Shard(AtomicU64);

thread_local! {
    static SHARD: Cell<usize> = const { Cell::new(usize::MAX) };
}

#[inline]
fn shard() -> usize {
    let known = SHARD.get();
    if known < SHARDS { known } else { choose_shard() }
}

#[cold]
fn choose_shard() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let mine = NEXT.fetch_add(1, Relaxed) % SHARDS;
    SHARD.set(mine);
    mine
}

#[derive(Default)]
pub(super) struct CounterCell([Shard; SHARDS]);

impl CounterCell {
    #[inline]
    pub(super) fn add(&self, n: u64) {
        self.0[shard()].0.fetch_add(n, Relaxed);
    }

    pub(super) fn total(&self) -> u64 {
        self.0.iter().fold(0, |sum, s| sum.wrapping_add(s.0.load(Relaxed)))
    }
}

/// A value as its bits; a NaN, which nobody can set, stands for "none yet".
pub(super) struct GaugeCell(AtomicU64);

impl Default for GaugeCell {
    fn default() -> Self {
        GaugeCell(AtomicU64::new(f64::NAN.to_bits()))
    }
}

impl GaugeCell {
    pub(super) fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Relaxed);
    }

    pub(super) fn get(&self) -> Option<f64> {
        let value = f64::from_bits(self.0.load(Relaxed));
        (!value.is_nan()).then_some(value)
    }
}

/// A sum of 128 bits in two words. A reader may meet the low word after it wrapped and before the high
/// one followed, about once in 2^64 of sum; the next reading is right again.
#[derive(Default)]
struct Wide {
    low: AtomicU64,
    high: AtomicU64,
}

impl Wide {
    #[inline]
    fn add(&self, n: u128) {
        let low = n as u64;
        let carry = self.low.fetch_add(low, Relaxed).checked_add(low).is_none();
        let high = (n >> 64) as u64 + u64::from(carry);
        if high > 0 {
            self.high.fetch_add(high, Relaxed);
        }
    }

    fn get(&self) -> u128 {
        u128::from(self.high.load(Relaxed)) << 64 | u128::from(self.low.load(Relaxed))
    }
}

type AtomicOctave = Box<[AtomicU64; SUB_BUCKETS]>;

/// The buckets of a [`Sketch`] as atomics; an octave comes into being with its first sample.
pub(super) struct TimerCell {
    octaves: [OnceLock<AtomicOctave>; OCTAVES],
    sum_ns: Wide,
    sum_squares_ns: Wide,
    max_ns: AtomicU64,
}

impl Default for TimerCell {
    fn default() -> Self {
        TimerCell {
            octaves: [const { OnceLock::new() }; OCTAVES],
            sum_ns: Wide::default(),
            sum_squares_ns: Wide::default(),
            max_ns: AtomicU64::new(0),
        }
    }
}

impl TimerCell {
    #[inline]
    pub(super) fn record(&self, took: Duration) {
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let (octave, bucket) = bucket_of(ns);
        let buckets =
            self.octaves[octave].get_or_init(|| Box::new([const { AtomicU64::new(0) }; SUB_BUCKETS]));
        buckets[bucket].fetch_add(1, Relaxed);
        self.sum_ns.add(u128::from(ns));
        self.sum_squares_ns.add(u128::from(ns) * u128::from(ns));
        if ns > self.max_ns.load(Relaxed) {
            self.max_ns.fetch_max(ns, Relaxed);
        }
    }

    pub(super) fn read(&self) -> Sketch {
        let octaves = self.octaves.iter().map(|octave| {
            let octave = octave.get()?;
            Some(Box::new(std::array::from_fn(|b| octave[b].load(Relaxed))))
        });
        Sketch::from_parts(octaves, self.sum_ns.get(), self.sum_squares_ns.get(), self.max_ns.load(Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wide_sum_carries() {
        let wide = Wide::default();
        wide.add(u128::from(u64::MAX));
        wide.add(1);
        wide.add(5 << 64);
        assert_eq!(wide.get(), 6 << 64);
    }

    #[test]
    fn a_cell_reads_as_the_sketch_of_its_samples() {
        let (cell, mut sketch) = (TimerCell::default(), Sketch::default());
        for ms in [1, 7, 7, 300, 86_400_000] {
            cell.record(Duration::from_millis(ms));
            sketch.record(Duration::from_millis(ms));
        }
        assert_eq!(cell.read(), sketch);
    }
}
