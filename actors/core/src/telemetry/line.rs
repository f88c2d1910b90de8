//! Reading StatsD lines, for the receiver that `tsup listen` is.
//!
//! It reads what etsy's server reads, and Datadog's tags: `name:value|type[|@rate][|#tag,…]`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::metric::Kind;
use crate::limits;
use crate::untrusted::Untrusted;

/// One metric line.
#[derive(Debug, Clone, PartialEq)]
pub struct Line<'a> {
    /// The name, labels in it included.
    pub name: &'a str,
    /// The value as it stands there; of a gauge with a sign, a step.
    pub value: &'a str,
    /// The value as a number.
    pub number: f64,
    /// Its kind.
    pub kind: Kind,
    /// The share of all samples that this one is; 1 when not told.
    pub rate: f64,
    /// Tags after `|#`.
    pub tags: Option<&'a str>,
}

/// Reads a line; `None` when it is none of a counter, a gauge or a timer.
pub fn parse(line: &str) -> Option<Line<'_>> {
    let (name, rest) = line.split_once(':')?;
    let mut parts = rest.split('|');
    let value = parts.next()?;
    let number: f64 = value.parse().ok().filter(|v: &f64| v.is_finite())?;
    let kind = match parts.next()? {
        "c" => Kind::Counter,
        "g" => Kind::Gauge,
        "ms" => Kind::Timer,
        _ => return None,
    };
    let (mut rate, mut tags) = (1.0, None);
    for part in parts {
        if let Some(told) = part.strip_prefix('@') {
            rate = told.parse().ok().filter(|r| *r > 0.0 && *r <= 1.0)?;
        } else {
            tags = Some(part.strip_prefix('#')?);
        }
    }
    (!name.is_empty()).then_some(Line { name, value, number, kind, rate, tags })
}

/// What was received, added up.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Received {
    /// Packets.
    pub packets: u64,
    /// Lines that could be read.
    pub lines: u64,
    /// Lines that could not.
    pub bad_lines: u64,
    /// Totals of the counters.
    pub counters: BTreeMap<Untrusted, f64>,
    /// Last values of the gauges.
    pub gauges: BTreeMap<Untrusted, f64>,
    /// How many durations each timer had, rates counted in.
    pub timers: BTreeMap<Untrusted, f64>,
}

impl Received {
    /// Takes a line. A name beyond [`limits::SERIES_MAX`] of its kind is counted as a line only.
    pub fn take(&mut self, line: &str) {
        let Some(line) = parse(line) else {
            self.bad_lines += 1;
            return;
        };
        self.lines += 1;
        let table = match line.kind {
            Kind::Counter => &mut self.counters,
            Kind::Gauge => &mut self.gauges,
            Kind::Timer => &mut self.timers,
        };
        let name = Untrusted::new(match line.tags {
            Some(tags) => format!("{}|#{tags}", line.name),
            None => line.name.to_owned(),
        });
        if table.len() >= limits::SERIES_MAX && !table.contains_key(&name) {
            return;
        }
        let held = table.entry(name).or_default();
        match line.kind {
            Kind::Counter => *held += line.number / line.rate,
            Kind::Timer => *held += 1.0 / line.rate,
            // As etsy's server does it: from zero, a sign is no step.
            Kind::Gauge if line.value.starts_with(['+', '-']) => *held += line.number,
            Kind::Gauge => *held = line.number,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_are_read_as_they_are_written() {
        let line = parse("tsup.a.b:0.25|ms|@0.1|#k:v,l:w").unwrap();
        assert_eq!((line.name, line.kind, line.tags), ("tsup.a.b", Kind::Timer, Some("k:v,l:w")));
        assert!((line.number - 0.25).abs() < 1e-12 && (line.rate - 0.1).abs() < 1e-12);
        for bad in [
            "", "a", "a:", ":1|c", "a:1", "a:1|", "a:x|c", "a:1|h", "a:NaN|g", "a:1|c|@0", "a:1|c|@2",
            "a:1|c|x",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_was_received_adds_up() {
        let mut r = Received::default();
        for line in ["c:2|c", "c:1|c|@0.1", "g:5|g", "g:-3|g", "h:0|g", "h:-4|g", "t:9|ms|@0.5", "nonsense"] {
            r.take(line);
        }
        let of = |table: &BTreeMap<Untrusted, f64>, name: &str| table[&Untrusted::from(name)];
        let close = |a: f64, b: f64| (a - b).abs() < 1e-9;
        assert!(close(of(&r.counters, "c"), 12.0) && close(of(&r.timers, "t"), 2.0));
        assert!(close(of(&r.gauges, "g"), 2.0) && close(of(&r.gauges, "h"), -4.0));
        assert_eq!((r.lines, r.bad_lines), (7, 1));
    }

    proptest! {
        #[test]
        fn nothing_breaks_the_reader(line in "[a.:|@#cgms0-9eE+-]{0,24}|\\PC{0,24}") {
            Received::default().take(&line);
        }
    }
}
