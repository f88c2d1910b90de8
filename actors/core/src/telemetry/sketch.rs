//! A distribution of durations in a bounded number of buckets.
//!
//! Log-linear: 64 buckets an octave, so that a quantile read from the middle of a bucket is at most
//! 1/128 (0.8 %) off for durations from 1 µs to 19 hours. Count, sum, sum of squares and maximum are
//! exact. An octave's buckets exist from its first sample on: a sketch takes 0.6 KiB plus 0.5 KiB for
//! each octave in use, 20 KiB at most.

use std::time::Duration;

use crate::wire::doc::TimerDoc;

/// Buckets in one octave.
pub const SUB_BUCKETS: usize = 64;
/// Octaves: the first is linear below 1.024 µs, the last ends at 2^46 ns (19.5 hours).
pub const OCTAVES: usize = 37;
/// Nanoseconds in the smallest bucket, as a shift.
const UNIT_SHIFT: u32 = 4;
const SUB_SHIFT: u32 = SUB_BUCKETS.trailing_zeros();

/// The octave and the bucket in it that take a duration; what is too long falls in the last one.
#[inline]
pub fn bucket_of(nanos: u64) -> (usize, usize) {
    let v = nanos >> UNIT_SHIFT;
    if v < SUB_BUCKETS as u64 {
        return (0, v as usize);
    }
    let top = u64::BITS - 1 - v.leading_zeros();
    let octave = (top - SUB_SHIFT + 1) as usize;
    if octave >= OCTAVES {
        return (OCTAVES - 1, SUB_BUCKETS - 1);
    }
    (octave, (v >> (top - SUB_SHIFT)) as usize & (SUB_BUCKETS - 1))
}

/// The middle of a bucket in nanoseconds.
pub fn middle_of(octave: usize, bucket: usize) -> u64 {
    let unit = 1_u64 << UNIT_SHIFT;
    if octave == 0 {
        return bucket as u64 * unit + unit / 2;
    }
    let width = unit << (octave - 1);
    (SUB_BUCKETS + bucket) as u64 * width + width / 2
}

/// The counts of one octave.
pub type Octave = Box<[u64; SUB_BUCKETS]>;

/// A distribution of durations; see the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sketch {
    octaves: Vec<Option<Octave>>,
    count: u64,
    sum_ns: u128,
    sum_squares_ns: u128,
    max_ns: u64,
}

impl Default for Sketch {
    fn default() -> Self {
        Sketch { octaves: vec![None; OCTAVES], count: 0, sum_ns: 0, sum_squares_ns: 0, max_ns: 0 }
    }
}

impl Sketch {
    /// A sketch read from somewhere else's buckets. `octaves` beyond [`OCTAVES`] are ignored.
    pub fn from_parts(
        octaves: impl IntoIterator<Item = Option<Octave>>,
        sum_ns: u128,
        sum_squares_ns: u128,
        max_ns: u64,
    ) -> Self {
        let mut octaves: Vec<_> = octaves.into_iter().take(OCTAVES).collect();
        octaves.resize(OCTAVES, None);
        let count = octaves.iter().flatten().flat_map(|o| o.iter()).sum();
        Sketch { octaves, count, sum_ns, sum_squares_ns, max_ns }
    }

    /// Takes one duration.
    pub fn record(&mut self, d: Duration) {
        let ns = u64::try_from(d.as_nanos()).unwrap_or(u64::MAX);
        let (octave, bucket) = bucket_of(ns);
        self.octaves[octave].get_or_insert_with(|| Box::new([0; SUB_BUCKETS]))[bucket] += 1;
        self.count += 1;
        self.sum_ns = self.sum_ns.saturating_add(u128::from(ns));
        self.sum_squares_ns = self.sum_squares_ns.saturating_add(u128::from(ns) * u128::from(ns));
        self.max_ns = self.max_ns.max(ns);
    }

    /// Takes all that another sketch has taken.
    pub fn merge(&mut self, other: &Sketch) {
        for (mine, theirs) in self.octaves.iter_mut().zip(&other.octaves) {
            let Some(theirs) = theirs else { continue };
            let mine = mine.get_or_insert_with(|| Box::new([0; SUB_BUCKETS]));
            mine.iter_mut().zip(theirs.iter()).for_each(|(m, t)| *m += t);
        }
        self.count += other.count;
        self.sum_ns = self.sum_ns.saturating_add(other.sum_ns);
        self.sum_squares_ns = self.sum_squares_ns.saturating_add(other.sum_squares_ns);
        self.max_ns = self.max_ns.max(other.max_ns);
    }

    /// What this sketch has taken since it was `earlier`; the maximum stays that of all time.
    pub fn since(&self, earlier: &Sketch) -> Sketch {
        let octaves = self.octaves.iter().zip(&earlier.octaves).map(|(now, then)| {
            let mut now = now.clone()?;
            if let Some(then) = then {
                now.iter_mut().zip(then.iter()).for_each(|(n, t)| *n = n.saturating_sub(*t));
            }
            now.iter().any(|n| *n > 0).then_some(now)
        });
        Sketch::from_parts(
            octaves,
            self.sum_ns.saturating_sub(earlier.sum_ns),
            self.sum_squares_ns.saturating_sub(earlier.sum_squares_ns),
            self.max_ns,
        )
    }

    /// How many durations it has taken.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Mean in seconds; 0 of nothing.
    pub fn mean_seconds(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum_ns as f64 / self.count as f64 / 1e9 }
    }

    /// Standard deviation over all that was taken, in seconds; 0 of nothing.
    pub fn deviation_seconds(&self) -> f64 {
        if self.count == 0 {
            return 0.0;
        }
        // n·Σx² − (Σx)² in whole numbers where it fits, so that nothing cancels out.
        let n = u128::from(self.count);
        let scaled = match (n.checked_mul(self.sum_squares_ns), self.sum_ns.checked_mul(self.sum_ns)) {
            (Some(a), Some(b)) => a.saturating_sub(b) as f64,
            _ => (n as f64 * self.sum_squares_ns as f64 - (self.sum_ns as f64).powi(2)).max(0.0),
        };
        scaled.sqrt() / n as f64 / 1e9
    }

    /// The largest in seconds.
    pub fn max_seconds(&self) -> f64 {
        self.max_ns as f64 / 1e9
    }

    /// The value that the share `q` (0 to 1) of all durations does not exceed, in seconds; 0 of nothing.
    pub fn quantile_seconds(&self, q: f64) -> f64 {
        let rank = ((q.clamp(0.0, 1.0) * self.count as f64).ceil() as u64).max(1);
        self.at_ranks(std::iter::once(rank)).first().map_or(0.0, |ns| *ns as f64 / 1e9)
    }

    /// The durations at rising ranks, counted from 1.
    fn at_ranks(&self, ranks: impl Iterator<Item = u64>) -> Vec<u64> {
        let mut out = Vec::new();
        let mut buckets = self.octaves.iter().enumerate().flat_map(|(o, octave)| {
            octave.iter().flat_map(move |c| c.iter().enumerate().map(move |(b, n)| (middle_of(o, b), *n)))
        });
        let (mut below, mut value) = (0_u64, 0);
        for rank in ranks {
            while below < rank {
                let Some((middle, n)) = buckets.next() else { break };
                if n > 0 {
                    below += n;
                    value = middle;
                }
            }
            if self.count > 0 {
                out.push(value.min(self.max_ns));
            }
        }
        out
    }

    /// At most `most` durations in milliseconds that stand for all, and each one's share of the truth:
    /// with `None` they are all there is, and their sum is exact; with `Some(rate)` one in 1/rate is.
    ///
    /// They stand at equal distances in the order of size, so that a receiver that knows no weights
    /// still computes the right percentiles.
    pub fn samples_ms(&self, most: usize) -> (Vec<f64>, Option<f64>) {
        let most = most.max(1) as u64;
        if self.count <= most {
            let all = self.at_ranks(1..=self.count);
            let sum: u128 = all.iter().map(|ns| u128::from(*ns)).sum();
            // A sum that does not fit its buckets was read while a sample was being written.
            let ratio = self.sum_ns as f64 / sum as f64;
            let correct = if (0.9..1.1).contains(&ratio) { ratio } else { 1.0 };
            return (all.iter().map(|ns| *ns as f64 * correct / 1e6).collect(), None);
        }
        let n = u128::from(self.count);
        let rank = |i: u64| ((u128::from(2 * i + 1) * n).div_ceil(2 * u128::from(most))) as u64;
        let some = self.at_ranks((0..most).map(rank));
        (some.iter().map(|ns| *ns as f64 / 1e6).collect(), Some(most as f64 / self.count as f64))
    }

    /// The document of `ctl metrics --current`.
    pub fn doc(&self) -> TimerDoc {
        TimerDoc {
            count: self.count,
            mean_seconds: self.mean_seconds(),
            deviation_seconds: self.deviation_seconds(),
            p50_seconds: self.quantile_seconds(0.50),
            p90_seconds: self.quantile_seconds(0.90),
            p95_seconds: self.quantile_seconds(0.95),
            p99_seconds: self.quantile_seconds(0.99),
            max_seconds: self.max_seconds(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(nanos: &[u64]) -> Sketch {
        let mut s = Sketch::default();
        for n in nanos {
            s.record(Duration::from_nanos(*n));
        }
        s
    }

    #[test]
    fn nothing_is_zero_and_one_is_itself() {
        let none = Sketch::default().doc();
        assert_eq!((none.count, none.p99_seconds, none.deviation_seconds), (0, 0.0, 0.0));
        let one = of(&[1_234_567]);
        assert_eq!(one.samples_ms(8), (vec![1.234_567], None));
        let doc = one.doc();
        assert!((doc.max_seconds - 0.001_234_567).abs() < 1e-12 && doc.deviation_seconds.abs() < 1e-12);
    }

    #[test]
    fn buckets_touch_and_rise() {
        let mut last = None;
        for o in 0..OCTAVES {
            for b in 0..SUB_BUCKETS {
                let m = middle_of(o, b);
                assert_eq!(bucket_of(m), (o, b));
                assert!(last < Some(m));
                last = Some(m);
            }
        }
        assert_eq!(bucket_of(u64::MAX), (OCTAVES - 1, SUB_BUCKETS - 1));
    }

    #[test]
    fn a_sampled_rate_stands_for_all() {
        let s = of(&(0..1000).map(|i| 1_000_000 + i * 1000).collect::<Vec<_>>());
        let (ms, rate) = s.samples_ms(32);
        assert_eq!(ms.len(), 32);
        assert!((32.0 / rate.unwrap() - 1000.0).abs() < 1e-9);
        assert!(ms.is_sorted());
    }

    proptest! {
        #[test]
        fn quantiles_are_within_one_percent(mut v in prop::collection::vec(1_000_u64..60_000_000_000_000, 1..400)) {
            let s = of(&v);
            v.sort_unstable();
            for q in [0.5, 0.9, 0.95, 0.99] {
                let rank = ((q * v.len() as f64).ceil() as usize).max(1);
                let truth = v[rank - 1] as f64 / 1e9;
                prop_assert!((s.quantile_seconds(q) - truth).abs() <= truth * 0.01);
            }
        }

        #[test]
        fn moments_are_exact(v in prop::collection::vec(0_u64..100_000_000_000, 1..200)) {
            let doc = of(&v).doc();
            let n = v.len() as f64;
            let mean = v.iter().map(|x| *x as f64 / 1e9).sum::<f64>() / n;
            let var = v.iter().map(|x| (*x as f64 / 1e9 - mean).powi(2)).sum::<f64>() / n;
            prop_assert!((doc.mean_seconds - mean).abs() <= 1e-9 * mean.max(1.0));
            prop_assert!((doc.deviation_seconds - var.sqrt()).abs() <= 1e-6 * var.sqrt().max(1e-3));
        }

        #[test]
        fn merging_and_parting_agree(a in prop::collection::vec(any::<u64>(), 0..50),
                                     b in prop::collection::vec(any::<u64>(), 0..50)) {
            let (first, second) = (of(&a), of(&b));
            let mut both = first.clone();
            both.merge(&second);
            let again = both.since(&first);
            prop_assert_eq!(again.count(), second.count());
            prop_assert_eq!(again.octaves, second.octaves);
            prop_assert_eq!(again.sum_ns, second.sum_ns);
        }
    }
}
