//! Lines, written by cadence.
//!
//! cadence formats a metric and hands it to a sink of one's choice. The sink here only collects: the
//! courier wants to know which lines stand in which packet, so that it can tell what a receiver took.
//! The crate's own sockets are not used, because they are not connected: sending to a closed port
//! through them reports no error, and an outage is never noticed.

use std::io;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

use cadence::ext::{MetricValue, ToTimerValue};
use cadence::prelude::*;
use cadence::{Metric, MetricBuilder, MetricResult, MetricSink, StatsdClient};
use parking_lot::Mutex;
use tsup_core::telemetry::dialect::WireName;
use tsup_core::telemetry::feed::Emit;

/// Collects lines, one after the other.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<String>>);

// A panic in between leaves at most half of a line of the item that caused it.
impl UnwindSafe for Collector {}
impl RefUnwindSafe for Collector {}

impl MetricSink for Collector {
    fn emit(&self, line: &str) -> io::Result<usize> {
        let mut text = self.0.lock();
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(line);
        Ok(line.len())
    }
}

/// Milliseconds with a fraction. cadence's own conversion of a duration cuts it off, and most answers of
/// tmux take less than one.
struct Milliseconds(f64);

impl ToTimerValue for Milliseconds {
    fn try_to_value(self) -> MetricResult<MetricValue> {
        // Whole nanoseconds: more digits would be noise of the arithmetic.
        Ok(MetricValue::Float((self.0 * 1e6).round() / 1e6))
    }
}

/// Writes items as lines.
pub struct Lines {
    client: StatsdClient,
    written: Collector,
}

impl Lines {
    /// Lines whose names begin with `prefix`, which must have been escaped already.
    pub fn new(prefix: &str) -> Self {
        let written = Collector::default();
        Lines { client: StatsdClient::from_sink(prefix, written.clone()), written }
    }

    /// The lines of one item, separated by line feeds.
    pub fn write(&self, name: &WireName, emit: &Emit) -> String {
        match emit {
            Emit::Count(n) => send(name, self.client.count_with_tags(&name.name, *n)),
            Emit::Gauge { value, zero_first } => {
                if *zero_first {
                    send(name, self.client.gauge_with_tags(&name.name, 0_u64));
                }
                send(name, self.client.gauge_with_tags(&name.name, *value));
            }
            Emit::Times { ms, rate } => {
                for ms in ms {
                    let line = self.client.time_with_tags(&name.name, Milliseconds(*ms));
                    send(name, if let Some(rate) = rate { line.with_sampling_rate(*rate) } else { line });
                }
            }
        }
        std::mem::take(&mut *self.written.0.lock())
    }
}

fn send<'a, M: Metric + From<String>>(name: &'a WireName, line: MetricBuilder<'a, '_, M>) {
    let tagged = name.tags.iter().fold(line, |line, (key, value)| line.with_tag(key, value));
    // The collector cannot fail, and neither can the values.
    let _ = tagged.try_send();
}

#[cfg(test)]
impl Lines {
    /// Lines before each of which something happens, a panic for one.
    pub(crate) fn after(
        prefix: &str,
        first: impl Fn() + Send + Sync + UnwindSafe + RefUnwindSafe + 'static,
    ) -> Self {
        struct After<F>(F, Collector);
        impl<F: Fn()> MetricSink for After<F> {
            fn emit(&self, line: &str) -> io::Result<usize> {
                (self.0)();
                self.1.emit(line)
            }
        }
        let written = Collector::default();
        Lines { client: StatsdClient::from_sink(prefix, After(first, written.clone())), written }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(tags: &[(&str, &str)]) -> WireName {
        let tags = tags.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        WireName { name: "a.b".into(), tags }
    }

    #[test]
    fn every_item_is_written_as_receivers_read_it() {
        let lines = Lines::new("tsup");
        assert_eq!(lines.write(&name(&[]), &Emit::Count(u64::MAX)), "tsup.a.b:18446744073709551615|c");
        let gauge = |value, zero_first| lines.write(&name(&[]), &Emit::Gauge { value, zero_first });
        assert_eq!(gauge(5.0, false), "tsup.a.b:5|g");
        assert_eq!(gauge(-0.5, true), "tsup.a.b:0|g\ntsup.a.b:-0.5|g");
        let times = Emit::Times { ms: vec![0.213, 3.0], rate: Some(0.000_000_5) };
        let tagged = lines.write(&name(&[("k", "v"), ("l", "w")]), &times);
        assert_eq!(tagged, "tsup.a.b:0.213|ms|@0.0000005|#k:v,l:w\ntsup.a.b:3|ms|@0.0000005|#k:v,l:w");
        assert_eq!(Lines::new("").write(&name(&[]), &Emit::Count(1)), "a.b:1|c");
    }
}
