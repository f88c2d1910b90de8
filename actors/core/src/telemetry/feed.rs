//! What a receiver has been told, and what it is still to be told.
//!
//! The feed remembers for each series what the receiver took. What is due is the difference between a
//! snapshot and that, so that whatever could not be sent is in the next difference by itself.

use std::sync::Arc;

use super::dialect::{Dialect, WireName};
use super::metric::Kind;
use super::sketch::Sketch;
use super::snapshot::{Reading, Snapshot, Value};
use crate::clock::Mono;
use crate::limits;

/// What is said about one series.
#[derive(Debug, Clone, PartialEq)]
pub enum Emit {
    /// The counter grew by this much.
    Count(u64),
    /// The gauge stands here. A negative value where a sign means "relative" needs a zero first.
    Gauge {
        /// The value; finite.
        value: f64,
        /// Whether `0|g` goes before it.
        zero_first: bool,
    },
    /// These durations were seen.
    Times {
        /// In milliseconds.
        ms: Vec<f64>,
        /// The share of all durations that `ms` is; `None` when it is all of them.
        rate: Option<f64>,
    },
}

#[derive(Debug, Clone, PartialEq)]
enum Told {
    Counter(u64),
    Gauge(f64),
    Timer(Arc<Sketch>),
}

/// Something that the receiver is to be told about one series; sent whole or not at all.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    slot: usize,
    /// What is said.
    pub emit: Emit,
    told: Told,
}

impl Item {
    /// The increment that it carries; 0 when it is no counter.
    pub fn increments(&self) -> u64 {
        if let Emit::Count(n) = self.emit { n } else { 0 }
    }

    #[cfg(test)]
    pub(super) fn count(slot: usize, n: u64) -> Self {
        Item { slot, emit: Emit::Count(n), told: Told::Counter(n) }
    }
}

#[derive(Debug)]
enum Known {
    Counter(u64),
    Gauge(Option<(f64, Mono)>),
    Timer(Arc<Sketch>),
}

#[derive(Debug)]
struct Slot {
    wire: WireName,
    known: Known,
}

/// The memory of one receiver.
#[derive(Debug)]
pub struct Feed {
    dialect: Dialect,
    overhead_bytes: usize,
    payload_bytes: usize,
    slots: Vec<Slot>,
}

impl Feed {
    /// A receiver that knows nothing yet. `prefix_bytes` is the length of what goes before each name,
    /// `payload_bytes` what one packet may hold.
    pub fn new(dialect: Dialect, prefix_bytes: usize, payload_bytes: usize) -> Self {
        Feed { dialect, overhead_bytes: prefix_bytes, payload_bytes, slots: Vec::new() }
    }

    /// How the series of an item is written.
    pub fn wire_name(&self, item: &Item) -> &WireName {
        &self.slots[item.slot].wire
    }

    /// What the receiver does not know yet of a snapshot; series that did not change are not in it.
    pub fn due(&mut self, snapshot: &Snapshot, now: Mono) -> Vec<Item> {
        for reading in snapshot.readings.iter().skip(self.slots.len()) {
            self.slots.push(Slot::of(self.dialect, reading));
        }
        let due = snapshot.readings.iter().enumerate();
        due.filter_map(|(slot, reading)| self.item(slot, &reading.value, now)).collect()
    }

    fn item(&self, slot: usize, value: &Value, now: Mono) -> Option<Item> {
        let known = &self.slots[slot];
        let (emit, told) = match (value, &known.known) {
            (Value::Counter(total), Known::Counter(before)) => {
                let grown = total.saturating_sub(*before);
                (grown > 0).then_some((Emit::Count(grown), Told::Counter(*total)))?
            }
            (Value::Gauge(Some(value)), Known::Gauge(before)) => {
                let fresh = before.is_some_and(|(v, at)| {
                    v.to_bits() == value.to_bits() && now.since(at) < limits::STATSD_GAUGE_KEEPALIVE
                });
                if fresh || !value.is_finite() {
                    return None;
                }
                let zero_first = *value < 0.0 && self.dialect.sign_is_relative();
                (Emit::Gauge { value: *value, zero_first }, Told::Gauge(*value))
            }
            (Value::Timer(now), Known::Timer(before)) => {
                if now.count() == before.count() {
                    return None;
                }
                let (ms, rate) = now.since(before).samples_ms(self.samples_most(&known.wire));
                (Emit::Times { ms, rate }, Told::Timer(now.clone()))
            }
            _ => return None,
        };
        Some(Item { slot, emit, told })
    }

    /// How many durations of one timer fit into one packet, each with a rate.
    fn samples_most(&self, wire: &WireName) -> usize {
        let tags: usize = wire.tags.iter().map(|(k, v)| k.len() + v.len() + 2).sum();
        // `:` 1234567.123456 `|ms|@` 0.000012345678901234 and a line feed.
        let line = self.overhead_bytes + wire.name.len() + tags + 48;
        limits::STATSD_SAMPLES_MAX.min(self.payload_bytes / line).max(1)
    }

    /// The receiver's socket took the item.
    pub fn told(&mut self, item: &Item, now: Mono) {
        self.slots[item.slot].known = match &item.told {
            Told::Counter(total) => Known::Counter(*total),
            Told::Gauge(value) => Known::Gauge(Some((*value, now))),
            Told::Timer(sketch) => Known::Timer(sketch.clone()),
        };
    }

    /// The receiver may have been replaced: it is told every gauge again.
    pub fn forget_gauges(&mut self) {
        for slot in &mut self.slots {
            if let Known::Gauge(value) = &mut slot.known {
                *value = None;
            }
        }
    }
}

impl Slot {
    fn of(dialect: Dialect, reading: &Reading) -> Self {
        let (kind, known) = match reading.value {
            Value::Counter(_) => (Kind::Counter, Known::Counter(0)),
            Value::Gauge(_) => (Kind::Gauge, Known::Gauge(None)),
            Value::Timer(_) => (Kind::Timer, Known::Timer(Arc::default())),
        };
        Slot { wire: dialect.wire_name(kind, &reading.key), known }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::name::SeriesKey;
    use std::time::Duration;

    fn snapshot(values: &[(&str, Value)]) -> Snapshot {
        let reading = |(name, value): &(&str, Value)| Reading {
            key: Arc::new(SeriesKey::new(name, &[]).unwrap()),
            value: value.clone(),
        };
        Snapshot { readings: values.iter().map(reading).collect() }
    }

    fn emits(feed: &mut Feed, s: &Snapshot, now: Mono) -> Vec<Emit> {
        let due = feed.due(s, now);
        for item in &due {
            feed.told(item, now);
        }
        due.into_iter().map(|i| i.emit).collect()
    }

    #[test]
    fn counters_are_differences_and_what_was_not_taken_stays_due() {
        let mut feed = Feed::new(Dialect::Etsy, 5, 1432);
        let now = Mono::ZERO;
        assert_eq!(emits(&mut feed, &snapshot(&[("c", Value::Counter(5))]), now), [Emit::Count(5)]);
        // Due, but never told.
        assert_eq!(feed.due(&snapshot(&[("c", Value::Counter(7))]), now).len(), 1);
        assert_eq!(emits(&mut feed, &snapshot(&[("c", Value::Counter(12))]), now), [Emit::Count(7)]);
        assert_eq!(emits(&mut feed, &snapshot(&[("c", Value::Counter(12))]), now), []);
    }

    #[test]
    fn gauges_are_sent_on_change_kept_alive_and_never_relative() {
        let mut feed = Feed::new(Dialect::Etsy, 5, 1432);
        let at = |v| snapshot(&[("g", Value::Gauge(v))]);
        let t0 = Mono::ZERO;
        assert_eq!(emits(&mut feed, &at(None), t0), []);
        assert_eq!(emits(&mut feed, &at(Some(3.0)), t0), [Emit::Gauge { value: 3.0, zero_first: false }]);
        assert_eq!(emits(&mut feed, &at(Some(3.0)), t0 + Duration::from_secs(1)), []);
        assert_eq!(emits(&mut feed, &at(Some(3.0)), t0 + limits::STATSD_GAUGE_KEEPALIVE).len(), 1);
        assert_eq!(emits(&mut feed, &at(Some(-3.0)), t0), [Emit::Gauge { value: -3.0, zero_first: true }]);
        assert_eq!(emits(&mut feed, &at(Some(f64::NAN)), t0), []);
        feed.forget_gauges();
        assert_eq!(emits(&mut feed, &at(Some(-3.0)), t0).len(), 1);
        let mut dog = Feed::new(Dialect::Dogstatsd, 5, 1432);
        assert_eq!(emits(&mut dog, &at(Some(-3.0)), t0), [Emit::Gauge { value: -3.0, zero_first: false }]);
    }

    #[test]
    fn timers_are_bounded_and_weighted() {
        let mut feed = Feed::new(Dialect::Etsy, 5, 1432);
        let mut sketch = Sketch::default();
        sketch.record(Duration::from_millis(250));
        let first = snapshot(&[("t_seconds", Value::Timer(Arc::new(sketch.clone())))]);
        assert_eq!(emits(&mut feed, &first, Mono::ZERO), [Emit::Times { ms: vec![250.0], rate: None }]);
        for _ in 0..990 {
            sketch.record(Duration::from_millis(3));
        }
        let second = snapshot(&[("t_seconds", Value::Timer(Arc::new(sketch)))]);
        let due = feed.due(&second, Mono::ZERO);
        let Emit::Times { ms, rate: Some(rate) } = &due[0].emit else { panic!("{due:?}") };
        assert!(ms.len() <= limits::STATSD_SAMPLES_MAX);
        assert!((ms.len() as f64 / rate - 990.0).abs() < 1e-6);
        assert!(ms.iter().all(|ms| (ms - 3.0).abs() <= 0.03), "{ms:?}");
        assert_eq!(feed.wire_name(&due[0]).name, "t_ms");
    }
}
