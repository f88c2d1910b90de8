//! The table of metrics.

use super::*;
use crate::gate::{Capacity, Gate};

fn metrics() -> Metrics {
    Metrics::new(Wall::from_unix_ms(0))
}

#[test]
fn a_name_with_labels_is_one_series_however_it_is_asked_for() {
    let m = metrics();
    m.counter("c", &[("a", "1"), ("b", "2")]).inc();
    m.counter(String::from("c"), &[("b", "2"), ("a", "1")]).add(4);
    m.counter("c", &[]).inc();
    m.gauge("g", &[]).set(-1.5);
    m.timer("t_seconds", &[]).record(Duration::from_millis(20));
    let doc = m.doc();
    assert_eq!(doc.counters["c;a=1;b=2"], 5);
    assert_eq!(doc.counters["c"], 1);
    assert!((doc.gauges["g"] + 1.5).abs() < f64::EPSILON);
    assert_eq!(doc.timers["t_seconds"].count, 1);
    assert_eq!(doc.counters["metrics.refused"], 0);
}

#[test]
fn what_cannot_be_taken_is_counted_and_has_a_handle_all_the_same() {
    let m = metrics();
    m.counter("c", &[]).inc();
    m.gauge("c", &[]).set(1.0);
    m.counter("n".repeat(1000), &[]).inc();
    let g = m.gauge("g", &[]);
    g.set(f64::NAN);
    g.set(f64::INFINITY);
    let doc = m.doc();
    assert_eq!(doc.counters["metrics.refused"], 4);
    assert!(doc.gauges.is_empty());
}

#[test]
fn series_are_bounded_by_metric_and_in_all() {
    let m = metrics();
    for name in ["a", "b", "c", "d", "e", "f"] {
        for i in 0..limits::SERIES_PER_METRIC_MAX + 5 {
            m.counter(name, &[("i", &i.to_string())]).inc();
        }
    }
    let doc = m.doc();
    assert_eq!(doc.counters["a;overflow=true"], 5);
    assert_eq!(doc.counters.len(), limits::SERIES_MAX);
    assert!(doc.counters["metrics.refused"] > 0);
}

#[test]
fn threads_lose_no_increment() {
    let m = metrics();
    std::thread::scope(|s| {
        for _ in 0..8 {
            s.spawn(|| {
                let (c, t) = (m.counter("c", &[]), m.timer("t_seconds", &[]));
                for i in 0..10_000 {
                    c.inc();
                    t.record(Duration::from_nanos(i));
                }
            });
        }
    });
    let doc = m.doc();
    assert_eq!((doc.counters["c"], doc.timers["t_seconds"].count), (80_000, 80_000));
    assert!((doc.timers["t_seconds"].mean_seconds - 4999.5e-9).abs() < 1e-12);
}

#[test]
fn mailboxes_are_read_when_somebody_reads_and_totals_outlive_them() {
    let m = metrics();
    let capacity = Capacity { control: 8, work: 8, telemetry: 2 };
    let gates = [1, 2].map(|n| {
        let gate = Gate::<u8>::with_capacity(format!("root/x{n}").as_str().into(), capacity);
        let watch = m.watch_gate_as("x", &gate);
        (gate, watch)
    });
    for (gate, _) in &gates {
        (0..5).for_each(|n| gate.telemetry(n));
    }
    let doc = m.doc();
    assert!((doc.gauges["mailbox.depth;actor=x"] - 4.0).abs() < f64::EPSILON);
    assert_eq!(doc.counters["mailbox.dropped;actor=x"], 6);
    drop(gates);
    let doc = m.doc();
    assert!(doc.gauges["mailbox.depth;actor=x"].abs() < f64::EPSILON);
    assert_eq!(doc.counters["mailbox.dropped;actor=x"], 6);
}

#[test]
fn all_states_are_shown_and_the_absent_are_zero() {
    let m = metrics();
    m.agent_gauges().set(&BTreeMap::from([(AgentState::Busy, 3)]));
    let doc = m.doc();
    assert!((doc.gauges["agents.busy"] - 3.0).abs() < f64::EPSILON);
    assert_eq!(doc.gauges.len(), AgentState::ALL.len());
}
