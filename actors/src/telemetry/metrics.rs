//! The table of metrics: one leaf of atomics, shared by everybody who counts.
//!
//! It is the one named exception to single ownership: it outlives the restarts of the registry and of
//! whoever counts in it. Asking for a handle takes a lock for a moment; using one takes none.

mod cells;
mod mailboxes;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use tsup_core::clock::Wall;
use tsup_core::fleet::state::AgentState;
use tsup_core::limits;
use tsup_core::telemetry::metric::{self, Kind};
use tsup_core::telemetry::name::SeriesKey;
use tsup_core::telemetry::snapshot::{Reading, Snapshot, Value};
use tsup_core::wire::doc::{MetricsDoc, VERSION};

use cells::{CounterCell, GaugeCell, TimerCell};
pub use mailboxes::MailboxWatch;

/// The table. Cheap to clone; all clones are the same table.
#[derive(Clone)]
pub struct Metrics {
    table: Arc<Table>,
}

struct Table {
    since: Wall,
    series: RwLock<Series>,
    mailboxes: Mutex<mailboxes::Mailboxes>,
    refused: Arc<CounterCell>,
}

#[derive(Default)]
struct Series {
    slots: Vec<Slot>,
    places: HashMap<Arc<SeriesKey>, usize>,
    /// Kind and number of series of each name.
    names: HashMap<String, (Kind, usize)>,
}

struct Slot {
    key: Arc<SeriesKey>,
    cell: Cell,
}

#[derive(Clone)]
enum Cell {
    Counter(Arc<CounterCell>),
    Gauge(Arc<GaugeCell>),
    Timer(Arc<TimerCell>),
}

/// Counts up. Cheap to clone; an increment is an atomic add, about 5 ns.
#[derive(Clone)]
pub struct Counter(Arc<CounterCell>);

impl Counter {
    /// One more.
    #[inline]
    pub fn inc(&self) {
        self.0.add(1);
    }

    /// `n` more.
    #[inline]
    pub fn add(&self, n: u64) {
        self.0.add(n);
    }
}

/// Shows a value of now. Cheap to clone.
#[derive(Clone)]
pub struct Gauge {
    cell: Arc<GaugeCell>,
    refused: Arc<CounterCell>,
}

impl Gauge {
    /// The value is `value` now. What is not finite is turned away and counted.
    #[inline]
    pub fn set(&self, value: f64) {
        if value.is_finite() {
            self.cell.set(value);
        } else {
            self.refused.add(1);
        }
    }
}

/// Takes durations. Cheap to clone; a record is four atomic operations, about 20 ns.
#[derive(Clone)]
pub struct Timer(Arc<TimerCell>);

impl Timer {
    /// It took this long.
    #[inline]
    pub fn record(&self, took: Duration) {
        self.0.record(took);
    }
}

macro_rules! handle_debug {
    ($($name:ident),*) => { $(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    )* };
}
handle_debug!(Counter, Gauge, Timer, Metrics);

/// The gauges `agents.<state>`.
#[derive(Debug, Clone)]
pub struct AgentGauges(Arc<[(AgentState, Gauge)]>);

impl AgentGauges {
    /// How many agents are in each state now; a state that is not named has none.
    pub fn set(&self, counts: &BTreeMap<AgentState, u64>) {
        for (state, gauge) in self.0.iter() {
            gauge.set(counts.get(state).copied().unwrap_or(0) as f64);
        }
    }
}

impl Metrics {
    /// An empty table that counts from `since` on.
    pub fn new(since: Wall) -> Self {
        let refused = Arc::new(CounterCell::default());
        let table = Table { since, series: RwLock::default(), mailboxes: Mutex::default(), refused };
        let metrics = Metrics { table: Arc::new(table) };
        metrics.series(metric::METRICS_REFUSED.name, &[], Kind::Counter, 1, &|| {
            Cell::Counter(Arc::clone(&metrics.table.refused))
        });
        metrics
    }

    /// The counter of this name and these labels; the same one each time.
    ///
    /// There is always a handle. A series that cannot be taken (too long, too many, a name that has
    /// another kind already) is counted in `metrics.refused`, and its handle counts for nobody; series
    /// beyond their metric's share are one, with the label `overflow=true`.
    pub fn counter(&self, name: impl AsRef<str>, labels: &[(&str, &str)]) -> Counter {
        self.counter_of(limits::SERIES_PER_METRIC_MAX, name.as_ref(), labels)
    }

    /// The same, of a metric that has at most so many series.
    pub fn counter_of(&self, most: usize, name: &str, labels: &[(&str, &str)]) -> Counter {
        match self.series(name, labels, Kind::Counter, most, &|| Cell::Counter(Arc::default())) {
            Some(Cell::Counter(cell)) => Counter(cell),
            _ => Counter(Arc::default()),
        }
    }

    /// The gauge of this name and these labels; see [`Metrics::counter`].
    pub fn gauge(&self, name: impl AsRef<str>, labels: &[(&str, &str)]) -> Gauge {
        let most = limits::SERIES_PER_METRIC_MAX;
        let cell =
            match self.series(name.as_ref(), labels, Kind::Gauge, most, &|| Cell::Gauge(Arc::default())) {
                Some(Cell::Gauge(cell)) => cell,
                _ => Arc::default(),
            };
        Gauge { cell, refused: Arc::clone(&self.table.refused) }
    }

    /// The timer of this name and these labels; see [`Metrics::counter`]. Names end in `_seconds`.
    pub fn timer(&self, name: impl AsRef<str>, labels: &[(&str, &str)]) -> Timer {
        self.timer_of(limits::SERIES_PER_METRIC_MAX, name.as_ref(), labels)
    }

    /// The same, of a metric that has at most so many series.
    pub fn timer_of(&self, most: usize, name: &str, labels: &[(&str, &str)]) -> Timer {
        match self.series(name, labels, Kind::Timer, most, &|| Cell::Timer(Arc::default())) {
            Some(Cell::Timer(cell)) => Timer(cell),
            _ => Timer(Arc::default()),
        }
    }

    /// The gauges that count agents by state, all at zero.
    pub fn agent_gauges(&self) -> AgentGauges {
        let gauges = AgentState::ALL.iter().map(|s| (*s, self.gauge(metric::agents_in(*s), &[])));
        let gauges = AgentGauges(gauges.collect());
        gauges.set(&BTreeMap::new());
        gauges
    }

    fn series(
        &self,
        name: &str,
        labels: &[(&str, &str)],
        kind: Kind,
        most: usize,
        make: &dyn Fn() -> Cell,
    ) -> Option<Cell> {
        let cell = SeriesKey::new(name, labels).ok().and_then(|key| {
            let known = self.table.series.read().find(&key, kind);
            match known {
                Ok(None) => self.table.series.write().add(key, kind, most, make),
                Ok(found) => found,
                Err(OtherKind) => None,
            }
        });
        if cell.is_none() {
            self.table.refused.add(1);
        }
        cell
    }

    /// All series and what they hold now.
    pub fn snapshot(&self) -> Snapshot {
        let series = self.table.series.read();
        let readings = series.slots.iter().map(|slot| Reading {
            key: Arc::clone(&slot.key),
            value: match &slot.cell {
                Cell::Counter(cell) => Value::Counter(cell.total()),
                Cell::Gauge(cell) => Value::Gauge(cell.get()),
                Cell::Timer(cell) => Value::Timer(Arc::new(cell.read())),
            },
        });
        Snapshot { readings: readings.collect() }
    }

    /// The document of `ctl metrics --current`, from what is counted at this moment; it asks nobody.
    pub fn doc(&self) -> MetricsDoc {
        self.read_mailboxes();
        let mut doc = MetricsDoc {
            version: VERSION,
            since: self.table.since,
            counters: BTreeMap::new(),
            gauges: BTreeMap::new(),
            timers: BTreeMap::new(),
        };
        for Reading { key, value } in self.snapshot().readings {
            let name = key.to_string();
            match value {
                Value::Counter(total) => drop(doc.counters.insert(name, total)),
                Value::Gauge(Some(value)) => drop(doc.gauges.insert(name, value)),
                Value::Gauge(None) => {}
                Value::Timer(sketch) => drop(doc.timers.insert(name, sketch.doc())),
            }
        }
        doc
    }
}

/// The name belongs to metrics of another kind.
struct OtherKind;

impl Series {
    /// The cell of a series, if it is there.
    fn find(&self, key: &SeriesKey, kind: Kind) -> Result<Option<Cell>, OtherKind> {
        if self.names.get(key.name()).is_some_and(|(known, _)| *known != kind) {
            return Err(OtherKind);
        }
        Ok(self.places.get(key).map(|place| self.slots[*place].cell.clone()))
    }

    fn add(&mut self, key: SeriesKey, kind: Kind, most: usize, make: &dyn Fn() -> Cell) -> Option<Cell> {
        // Somebody else may have been quicker between the two locks.
        match self.find(&key, kind) {
            Ok(None) => {}
            Ok(found) => return found,
            Err(OtherKind) => return None,
        }
        let of_name = self.names.get(key.name()).map_or(0, |(_, n)| *n);
        if of_name >= most {
            let overflow = key.overflow_of();
            if overflow == key || self.places.contains_key(&overflow) {
                return self.places.get(&overflow).map(|place| self.slots[*place].cell.clone());
            }
            return self.insert(overflow, kind, make);
        }
        self.insert(key, kind, make)
    }

    fn insert(&mut self, key: SeriesKey, kind: Kind, make: &dyn Fn() -> Cell) -> Option<Cell> {
        if self.slots.len() >= limits::SERIES_MAX {
            return None;
        }
        let (key, cell) = (Arc::new(key), make());
        self.names.entry(key.name().to_owned()).or_insert((kind, 0)).1 += 1;
        self.places.insert(Arc::clone(&key), self.slots.len());
        self.slots.push(Slot { key, cell: cell.clone() });
        Some(cell)
    }
}

#[cfg(test)]
mod tests;
