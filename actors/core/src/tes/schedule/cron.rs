//! Times as a crontab says them, in a zone whose clocks may change.
//!
//! A line names times of a calendar; the zone says when those are. Two kinds are told apart, as cron(8) does:
//!
//! - A line whose hour is restricted (`30 2 * * *`) means times of the day. One that does not exist because clocks
//!   go forward is made up for at the first moment that exists; one that comes twice counts once, the first.
//! - A line whose hour is `*` means time that passes. It goes on through the change: of an hour that comes twice
//!   both count, and nothing is made up for.

use croner::Cron as Line;
use croner::parser::{CronParser, Seconds, Year};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

use crate::clock::Wall;
use crate::limits;

/// Looks at one crontab line's next time before it is given up: a time that comes once in decades lies behind
/// some hundred changes of the clocks, and an hour that comes twice has 3,600 seconds.
const LOOKS_MAX: usize = 10_000;

/// One line of a crontab.
#[derive(Debug, Clone)]
pub struct Cron {
    text: String,
    line: Line,
    every_hour: bool,
}

impl PartialEq for Cron {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Cron {
    /// Reads a line: five fields, six with seconds before them, or a word such as `@daily`. The error is a
    /// lower-case fragment.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > limits::CRON_BYTES_MAX {
            return Err(format!("has {} bytes, {} are possible", text.len(), limits::CRON_BYTES_MAX));
        }
        let fields = match text.trim() {
            word if word.eq_ignore_ascii_case("@midnight") => "@daily",
            word if word.starts_with('@') && !WORDS.iter().any(|w| word.eq_ignore_ascii_case(w)) => {
                return Err(format!("is not one of the words {}", WORDS.join(", ")));
            }
            fields => fields,
        };
        let count = fields.split_whitespace().count();
        if !fields.starts_with('@') && !(5..=6).contains(&count) {
            return Err(format!(
                "has {count} fields: there are five (minute, hour, day of month, month, day of week), or six with \
                 seconds before them"
            ));
        }
        let parser = CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build();
        let line = parser
            .parse(fields)
            .map_err(|e| format!("is not a line of a crontab: {}", plain(&e.to_string())))?;
        let every_hour = line.pattern.hours.values().len() == 24;
        let cron = Cron { text: text.trim().to_owned(), line, every_hour };
        let comes = cron.line.find_next_occurrence(&EPOCH, true).is_ok();
        if comes { Ok(cron) } else { Err("names a day that never comes".into()) }
    }

    /// The line as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The first moment after `after` that the line names; `None` when none comes.
    pub fn next_after(&self, after: Wall, zone: &TimeZone) -> Option<Wall> {
        let after = Timestamp::from_millisecond(after.unix_ms()).ok()?;
        let found = if self.every_hour { self.by_passing(after, zone) } else { self.by_clock(after, zone) };
        found.map(|t| Wall::from_unix_ms(t.as_millisecond()))
    }

    fn next(&self, from: DateTime, inclusive: bool) -> Option<DateTime> {
        self.line.find_next_occurrence(&from, inclusive).ok()
    }

    /// Times of the day. Later ones on the clock never come earlier, so the first that lies behind is it.
    fn by_clock(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let mut shown = whole_second(zone.to_datetime(after));
        for _ in 0..LOOKS_MAX {
            shown = self.next(shown, false)?;
            let comes = moment(shown, zone)?;
            if comes > after {
                return Some(comes);
            }
        }
        None
    }

    /// Time that passes: each stretch between two changes of the clocks has a calendar of its own.
    fn by_passing(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let (mut from, mut inclusive) = (after, false);
        for _ in 0..LOOKS_MAX {
            let offset = zone.to_offset(from);
            let shown = self.next(whole_second(offset.to_datetime(from)), inclusive)?;
            let comes = offset.to_timestamp(shown).ok()?;
            match zone.following(from).next() {
                Some(change) if change.timestamp() <= comes => {
                    (from, inclusive) = (change.timestamp(), true);
                }
                _ => return Some(comes),
            }
        }
        None
    }
}

const WORDS: [&str; 7] = ["@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually"];

/// A day from which every day of the calendar comes within eight years.
const EPOCH: DateTime = DateTime::constant(2000, 1, 1, 0, 0, 0, 0);

/// When a clock of the zone first shows this time, or would have.
fn moment(shown: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    match zone.to_ambiguous_timestamp(shown).offset() {
        AmbiguousOffset::Unambiguous { offset } | AmbiguousOffset::Fold { before: offset, .. } => {
            offset.to_timestamp(shown).ok()
        }
        // By the later offset it lies before the change that leaves it out.
        AmbiguousOffset::Gap { after, .. } => {
            let before_change = after.to_timestamp(shown).ok()?;
            zone.following(before_change).next().map(|change| change.timestamp())
        }
    }
}

fn whole_second(shown: DateTime) -> DateTime {
    shown.with().subsec_nanosecond(0).build().unwrap_or(shown)
}

/// The parser's words as the rest of a sentence.
fn plain(words: &str) -> String {
    let words = words.split_once(": ").map_or(words, |(_, rest)| rest).trim_end_matches('.');
    let mut out = words.to_owned();
    if let Some(first) = out.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    out
}

#[cfg(test)]
mod tests;
