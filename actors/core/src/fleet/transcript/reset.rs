//! When a usage limit ends, by the words that tell of it.
//!
//! CLIs write it for people: "resets 7pm (Europe/Berlin)", "limit reached ∙ resets 3pm", "resets Nov 24 at
//! 10:30am (UTC)", "try again at Nov 24th, 2026 3:05 PM", "try again in 3 hours 20 minutes", or as
//! seconds since 1970 behind a bar. A time without a date is the next one after the words were written. What
//! cannot be a time (25:00, 13pm) is none, rather than another.

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _, Zoned};

use crate::clock::Wall;
use crate::limits;

/// The rules of time zones, which only the system knows.
pub struct Zones<'a> {
    /// The zone that holds where the words name none: the CLI's own is taken to be the system's.
    pub local: TimeZone,
    /// The zone of a name; `None` when the system does not know it.
    pub named: &'a dyn Fn(&str) -> Option<TimeZone>,
}

impl Zones<'_> {
    fn of(&self, name: Option<&str>) -> Option<TimeZone> {
        match name {
            None => Some(self.local.clone()),
            Some("UTC" | "utc" | "GMT" | "gmt" | "Z") => Some(TimeZone::UTC),
            Some(name) => (self.named)(name),
        }
    }
}

/// Words that a time follows, longest first where one begins another.
const LEADS: [&str; 9] = [
    "will reset at",
    "resets at",
    "resets on",
    "resets in",
    "resets",
    "reset at",
    "reset in",
    "try again at",
    "try again in",
];

/// When the limit ends that `text`, written at `written`, tells of.
pub fn parse(text: &str, written: Wall, zones: &Zones<'_>) -> Option<Wall> {
    let now = Timestamp::from_millisecond(written.unix_ms()).ok()?;
    let text = head(text, limits::RESET_TEXT_BYTES);
    // Only ASCII changes its case here, so that places in both texts agree.
    let lower = text.to_ascii_lowercase();
    if let Some(end) = stamp(&lower) {
        return plausible(end, now);
    }
    let mut from = 0;
    while let Some((at, lead)) = next_lead(&lower, from) {
        from = at + lead.len();
        let rest = head(&text[from..], limits::RESET_AHEAD_BYTES);
        let found = if lead.ends_with(" in") { span(rest, now) } else { moment(rest, now, zones) };
        if let Some(end) = found.or_else(|| behind_in(rest, now)) {
            return plausible(end, now);
        }
    }
    None
}

/// The beginning of a text, cut at a character.
fn head(text: &str, max: usize) -> &str {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn next_lead(lower: &str, from: usize) -> Option<(usize, &'static str)> {
    let found = LEADS.iter().filter_map(|lead| Some((from + lower.get(from..)?.find(lead)?, *lead)));
    // The earliest, and of those the longest.
    found.min_by_key(|(at, lead)| (*at, std::cmp::Reverse(lead.len())))
}

fn plausible(end: Timestamp, now: Timestamp) -> Option<Wall> {
    let far = now.checked_add(limits::RESET_FAR_HOURS.hours()).ok()?;
    (end > now && end < far).then(|| Wall::from_unix_ms(end.as_millisecond()))
}

/// `…|1762952400`, in seconds or in milliseconds.
fn stamp(lower: &str) -> Option<Timestamp> {
    if !lower.contains("limit") {
        return None;
    }
    let (_, rest) = lower.split_once('|')?;
    let digits: &str = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    let number: i64 = digits.parse().ok()?;
    match digits.len() {
        10 => Timestamp::from_second(number).ok(),
        13 => Timestamp::from_millisecond(number).ok(),
        _ => None,
    }
}

/// `resets: in 3 hours`: the little word apart.
fn behind_in(rest: &str, now: Timestamp) -> Option<Timestamp> {
    let rest = rest.trim_start_matches([' ', ':']);
    let (first, rest) = rest.split_at_checked(3)?;
    first.eq_ignore_ascii_case("in ").then(|| span(rest, now))?
}

/// `3 hours 20 minutes`, `1 day, 2 hours`, `28m`, `2h 5m`, `less than a minute`.
fn span(rest: &str, now: Timestamp) -> Option<Timestamp> {
    let rest = rest.trim_start().to_ascii_lowercase();
    if rest.starts_with("less than a minute") {
        return now.checked_add(1.minute()).ok();
    }
    let (mut seconds, mut any, mut left) = (0_i64, false, rest.as_str());
    loop {
        left = left.trim_start_matches([' ', ',']);
        left = left.strip_prefix("and ").unwrap_or(left).trim_start();
        let digits = left.len() - left.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let Ok(number) = left[..digits].parse::<i64>() else { break };
        let unit = left[digits..].trim_start();
        let word = unit.len() - unit.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
        let one = match &unit[..word] {
            "d" | "day" | "days" => 86_400,
            "h" | "hr" | "hrs" | "hour" | "hours" => 3_600,
            "m" | "min" | "mins" | "minute" | "minutes" => 60,
            "s" | "sec" | "secs" | "second" | "seconds" => 1,
            _ => break,
        };
        seconds = seconds.checked_add(number.checked_mul(one)?)?;
        any = true;
        left = &unit[word..];
    }
    if !any {
        return None;
    }
    now.as_second().checked_add(seconds).and_then(|at| Timestamp::from_second(at).ok())
}

/// A time of day, with a date before it or not, in a zone that is named behind it or not.
fn moment(rest: &str, now: Timestamp, zones: &Zones<'_>) -> Option<Timestamp> {
    let (words, zone) = match rest.split_once('(') {
        Some((words, zone)) if words.len() < 40 => (words, Some(zone.split_once(')')?.0.trim())),
        _ => (rest, None),
    };
    let mut words = Words(words);
    let date = words.date();
    let Some(time) = words.time() else {
        // "resets Nov 24": that day's beginning.
        let (month, day, year) = date?;
        let zoned = now.to_zoned(zones.of(zone)?);
        return on(month, day, year, Time::midnight(), &zoned);
    };
    let zone = zone.or_else(|| words.zone());
    let zoned = now.to_zoned(zones.of(zone)?);
    if let Some((month, day, year)) = date {
        return on(month, day, year, time, &zoned);
    }
    let today = zoned.date().to_datetime(time).to_zoned(zoned.time_zone().clone()).ok()?;
    if today.timestamp() > now {
        return Some(today.timestamp());
    }
    let tomorrow = zoned.date().tomorrow().ok()?;
    Some(tomorrow.to_datetime(time).to_zoned(zoned.time_zone().clone()).ok()?.timestamp())
}

/// A date whose year may be left out: the next such day.
fn on(month: i8, day: i8, year: Option<i16>, time: Time, now: &Zoned) -> Option<Timestamp> {
    let at = |year: i16| -> Option<Timestamp> {
        let date = Date::new(year, month, day).ok()?;
        Some(date.to_datetime(time).to_zoned(now.time_zone().clone()).ok()?.timestamp())
    };
    match year {
        Some(year) => at(year),
        None => at(now.year()).filter(|t| *t > now.timestamp()).or_else(|| at(now.year() + 1)),
    }
}

/// What is left of a text that is read word by word.
struct Words<'a>(&'a str);

impl<'a> Words<'a> {
    /// The next run of letters, or of digits, and what stands behind it; nothing is taken.
    fn run(&self, kind: fn(&char) -> bool) -> (&'a str, &'a str) {
        let text = self.0.trim_start_matches([' ', ',', ':', '\u{a0}', '\u{202f}', '\n', '\t']);
        let end = text.find(|c: char| !kind(&c)).unwrap_or(text.len());
        text.split_at(end)
    }

    fn letters(&self) -> (&'a str, &'a str) {
        self.run(char::is_ascii_alphabetic)
    }

    fn digits(&self) -> (&'a str, &'a str) {
        self.run(char::is_ascii_digit)
    }

    /// `Nov 24`, `November 24th, 2026`, with an `on` before and an `at` behind.
    fn date(&mut self) -> Option<(i8, i8, Option<i16>)> {
        const MONTHS: [&str; 12] =
            ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
        let mut probe = Words(self.0);
        if let ("on" | "at", rest) = probe.letters() {
            probe.0 = rest;
        }
        let (word, rest) = probe.letters();
        let month = head(word, 3).to_ascii_lowercase();
        let month = MONTHS.iter().position(|m| *m == month)?;
        probe.0 = rest;
        let (day, rest) = probe.digits();
        let day: i8 = day.parse().ok()?;
        probe.0 = rest;
        if let ("st" | "nd" | "rd" | "th", rest) = probe.letters() {
            probe.0 = rest;
        }
        let mut year = None;
        if let (digits, rest) = probe.digits()
            && digits.len() == 4
        {
            year = digits.parse().ok();
            probe.0 = rest;
        }
        *self = probe;
        Some((i8::try_from(month + 1).ok()?, day, year))
    }

    /// `7pm`, `7:30 PM`, `19:30`.
    fn time(&mut self) -> Option<Time> {
        if let ("at", rest) = self.letters() {
            self.0 = rest;
        }
        let (hour, mut rest) = self.digits();
        if hour.len() > 2 {
            return None;
        }
        let hour: i8 = hour.parse().ok()?;
        let mut minute = None;
        if let Some(behind) = rest.strip_prefix(':') {
            let (digits, behind) = Words(behind).digits();
            if digits.len() != 2 {
                return None;
            }
            minute = Some(digits.parse::<i8>().ok()?);
            rest = behind;
            // Seconds say nothing here.
            if let Some(behind) = rest.strip_prefix(':') {
                rest = behind.trim_start_matches(|c: char| c.is_ascii_digit());
            }
        }
        self.0 = rest;
        let (half, behind) = self.letters();
        let hour = match half.to_ascii_lowercase().as_str() {
            "am" if (1..=12).contains(&hour) => hour % 12,
            "pm" if (1..=12).contains(&hour) => hour % 12 + 12,
            "am" | "pm" => return None,
            // A bare number is no time.
            _ => {
                minute?;
                return Time::new(hour, minute?, 0, 0).ok();
            }
        };
        self.0 = behind;
        Time::new(hour, minute.unwrap_or(0), 0, 0).ok()
    }

    /// `UTC`, without brackets.
    fn zone(&self) -> Option<&'a str> {
        let (word, _) = self.letters();
        matches!(word, "UTC" | "GMT").then_some(word)
    }
}

#[cfg(test)]
mod tests;
