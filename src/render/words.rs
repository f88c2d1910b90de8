//! Numbers and times as words.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tsup_core::clock::Wall;

/// When and where somebody reads.
#[derive(Debug, Clone, PartialEq)]
pub struct Here {
    /// The moment, by which ages and waits are counted.
    pub now: Wall,
    /// The zone in which times to come are told: whoever waits looks at a clock on a wall.
    pub zone: TimeZone,
}

impl Here {
    /// A moment to come, by that clock, and how long it is until then: `18:30:05, in 12m 04s`.
    pub fn until(&self, at: Wall) -> String {
        let local =
            |at: Wall| Some(Timestamp::from_millisecond(at.unix_ms()).ok()?.to_zoned(self.zone.clone()));
        let (Some(then), Some(now)) = (local(at), local(self.now)) else { return at.to_string() };
        let left = at.since(self.now);
        // A day that comes within the year is told by its name, which is short.
        let clock = then.strftime(match () {
            () if then.date() == now.date() => "%H:%M:%S",
            () if left < Duration::from_secs(300 * 86_400) => "%b %d %H:%M",
            () => "%Y-%m-%d",
        });
        format!("{clock}, in {}", duration(left))
    }
}

/// A duration in its two largest units: `4s`, `3m 20s`, `2h 05m`, `6d 03h`.
pub fn duration(d: Duration) -> String {
    let s = d.as_secs();
    match s {
        0..60 => format!("{s}s"),
        60..3600 => format!("{}m {:02}s", s / 60, s % 60),
        3600..86_400 => format!("{}h {:02}m", s / 3600, s % 3600 / 60),
        _ => format!("{}d {:02}h", s / 86_400, s % 86_400 / 3600),
    }
}

/// A duration given as seconds; negative and unknown are nothing.
pub fn seconds(s: f64) -> String {
    duration(Duration::try_from_secs_f64(s).unwrap_or_default())
}

/// A short time as one number with its unit: `812µs`, `3.4ms`, `1.20s`.
pub fn short_seconds(s: f64) -> String {
    match s {
        s if s < 0.001 => format!("{:.0}µs", s * 1e6),
        s if s < 1.0 => format!("{:.1}ms", s * 1e3),
        s if s < 100.0 => format!("{s:.2}s"),
        s => seconds(s),
    }
}

/// A size with a binary unit: `812B`, `3.4M`, `1.2G`.
pub fn bytes(n: u64) -> String {
    let mut value = n as f64;
    for unit in ["B", "K", "M", "G"] {
        if value < 1000.0 {
            return if unit == "B" || value >= 100.0 {
                format!("{value:.0}{unit}")
            } else {
                format!("{value:.1}{unit}")
            };
        }
        value /= 1024.0;
    }
    format!("{value:.1}T")
}

/// How long ago a moment was.
pub fn ago(then: Wall, now: Wall) -> String {
    duration(now.since(then))
}

/// One or many of a thing: `1 agent`, `3 agents`, `2 crashes`.
pub fn count(n: u64, thing: &str) -> String {
    let end = match n {
        1 => "",
        _ if thing.ends_with("sh") || thing.ends_with("ch") || thing.ends_with('s') => "es",
        _ => "s",
    };
    format!("{n} {thing}{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_to_come_is_told_by_the_clock_of_whoever_reads() {
        let moment = |text: &str| {
            let at: Timestamp = text.parse().unwrap();
            Wall::from_unix_ms(at.as_millisecond())
        };
        let here = |zone: &str| Here {
            now: moment("2026-11-21T17:00:00Z"),
            zone: if zone.is_empty() { TimeZone::UTC } else { TimeZone::fixed(jiff::tz::offset(9)) },
        };
        assert_eq!(here("").until(moment("2026-11-21T17:12:04Z")), "17:12:04, in 12m 04s");
        assert_eq!(here("").until(moment("2026-11-22T18:00:00Z")), "Nov 22 18:00, in 1d 01h");
        assert_eq!(here("").until(moment("2027-11-21T18:00:00Z")), "2027-11-21, in 365d 01h");
        // There it is the next day already, for both.
        assert_eq!(here("east").until(moment("2026-11-21T17:12:04Z")), "02:12:04, in 12m 04s");
        assert_eq!(here("").until(Wall::from_unix_ms(i64::MAX)), Wall::from_unix_ms(i64::MAX).to_string());
    }

    #[test]
    fn words_are_short() {
        let d = |s| duration(Duration::from_secs(s));
        assert_eq!([d(0), d(59), d(61), d(3600), d(90_000)], ["0s", "59s", "1m 01s", "1h 00m", "1d 01h"]);
        assert_eq!([bytes(0), bytes(999), bytes(1024), bytes(104_857_600)], ["0B", "999B", "1.0K", "100M"]);
        assert_eq!(bytes(u64::MAX), "16777216.0T");
        assert_eq!(seconds(-1.0), "0s");
        assert_eq!(seconds(f64::NAN), "0s");
        assert_eq!(
            [short_seconds(0.000_812), short_seconds(0.0034), short_seconds(1.2)],
            ["812µs", "3.4ms", "1.20s"]
        );
        assert_eq!([count(1, "agent"), count(0, "agent")], ["1 agent", "0 agents"]);
    }
}
