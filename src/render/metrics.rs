//! The metrics, as tables.

use tsup_core::clock::Wall;
use tsup_core::wire::doc::MetricsDoc;

use super::table::{Column, Table};
use super::{Look, words};

/// Draws counters, gauges and timers; `now` tells for how long was counted.
pub fn draw(doc: &MetricsDoc, now: Wall, look: Look) -> String {
    let mut out = format!("since {} ({})\n", doc.since, words::ago(doc.since, now));
    if !doc.counters.is_empty() {
        let mut table = Table::new(&[Column::text("COUNTER", 12, 0), Column::number("TOTAL", 0)]);
        for (name, total) in &doc.counters {
            table.row(vec![name.as_str().into(), total.to_string().into()]);
        }
        out.extend(["\n", &table.draw(look)]);
    }
    if !doc.gauges.is_empty() {
        let mut table = Table::new(&[Column::text("GAUGE", 12, 0), Column::number("VALUE", 0)]);
        for (name, value) in &doc.gauges {
            table.row(vec![name.as_str().into(), gauge(*value).into()]);
        }
        out.extend(["\n", &table.draw(look)]);
    }
    if doc.timers.values().any(|t| t.count > 0) {
        out.extend(["\n", &timers(doc).draw(look)]);
    }
    out
}

/// Three decimals are what a person compares; JSON has them all.
fn gauge(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Timers that were never hit have no figures to show.
fn timers(doc: &MetricsDoc) -> Table {
    let mut table = Table::new(&[
        Column::text("TIMER", 12, 0),
        Column::number("COUNT", 0),
        Column::number("MEAN", 1),
        Column::number("P50", 0),
        Column::number("P90", 3),
        Column::number("P95", 2),
        Column::number("P99", 0),
        Column::number("MAX", 1),
        Column::number("DEV", 4),
    ]);
    for (name, t) in doc.timers.iter().filter(|(_, t)| t.count > 0) {
        let short = |s: f64| words::short_seconds(s).into();
        table.row(vec![
            name.as_str().into(),
            t.count.to_string().into(),
            short(t.mean_seconds),
            short(t.p50_seconds),
            short(t.p90_seconds),
            short(t.p95_seconds),
            short(t.p99_seconds),
            short(t.max_seconds),
            short(t.deviation_seconds),
        ]);
    }
    table
}
