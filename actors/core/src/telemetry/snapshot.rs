//! One reading of the whole table of metrics.

use std::sync::Arc;

use super::name::SeriesKey;
use super::sketch::Sketch;

/// What one series holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// The total since counting began.
    Counter(u64),
    /// The last value; `None` before the first.
    Gauge(Option<f64>),
    /// All durations since counting began.
    Timer(Arc<Sketch>),
}

/// One series and what it holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// Which.
    pub key: Arc<SeriesKey>,
    /// What.
    pub value: Value,
}

/// All series in the order of their registration: the place of a series never changes, so that
/// whoever reads snapshots may remember by place.
///
/// Totals, not differences: a reader that misses a snapshot loses nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    /// The series.
    pub readings: Vec<Reading>,
}
