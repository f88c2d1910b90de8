//! What CLIs write about the end of a limit, and what only looks like it.

use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::*;

fn zone(name: &str) -> Option<TimeZone> {
    match name {
        "Europe/Berlin" => TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").ok(),
        "America/New_York" => TimeZone::posix("EST5EDT,M3.2.0,M11.1.0").ok(),
        _ => None,
    }
}

fn zones() -> Zones<'static> {
    Zones { local: TimeZone::UTC, named: &zone }
}

fn wall(text: &str) -> Wall {
    Wall::from_unix_ms(text.parse::<Timestamp>().unwrap().as_millisecond())
}

/// What `text`, written on a Saturday in November at 10:00 UTC, means.
fn read(text: &str) -> Option<String> {
    parse(text, wall("2026-11-21T10:00:00Z"), &zones()).map(|w| w.to_string()[..16].to_owned())
}

#[test]
fn times_of_day_are_the_next_ones_in_their_zone() {
    for (text, means) in [
        ("You've hit your session limit · resets 7pm (Europe/Berlin)", "2026-11-21T18:00"),
        ("You've hit your limit · resets 1:20am (Europe/Berlin)", "2026-11-22T00:20"),
        ("5-hour limit reached ∙ resets 3pm", "2026-11-21T15:00"),
        ("You've hit your session limit — resets 11:30am (America/New_York)", "2026-11-21T16:30"),
        ("Claude usage limit reached. Your limit will reset at 10am (UTC).", "2026-11-22T10:00"),
        ("Claude usage limit reached. Your limit will reset at 9:59 am.", "2026-11-22T09:59"),
        ("limit reached, resets 12am (UTC)", "2026-11-22T00:00"),
        ("limit reached, resets 12pm (UTC)", "2026-11-21T12:00"),
        ("limit reached, resets at 14:30", "2026-11-21T14:30"),
        ("limit reached, resets at 09:15 UTC", "2026-11-22T09:15"),
        ("You've hit your usage limit. Upgrade to Pro or try again at 3:05 PM.", "2026-11-21T15:05"),
        (
            "You've hit your usage limit. To get more, ask your admin or try again at 12:16\u{202f}PM.",
            "2026-11-21T12:16",
        ),
    ] {
        assert_eq!(read(text).as_deref(), Some(means), "{text}");
    }
}

#[test]
fn dates_are_the_next_ones() {
    for (text, means) in [
        ("You've hit your weekly limit · resets Nov 24 at 10:30am (UTC)", "2026-11-24T10:30"),
        ("weekly limit reached ∙ resets Nov 24, 9am (Europe/Berlin)", "2026-11-24T08:00"),
        ("weekly limit · resets Jan 2 at 9am", "2027-01-02T09:00"),
        ("weekly limit · resets Nov 25", "2026-11-25T00:00"),
        ("You've hit your usage limit. Try again at Nov 24th, 2026 3:05 PM.", "2026-11-24T15:05"),
        ("limit reached, resets on December 1st at 8pm (UTC)", "2026-12-01T20:00"),
    ] {
        assert_eq!(read(text).as_deref(), Some(means), "{text}");
    }
}

#[test]
fn spans_and_stamps() {
    for (text, means) in [
        ("You've hit your usage limit. Try again in 3 hours 20 minutes.", "2026-11-21T13:20"),
        ("limit reached, try again in 1 day, 2 hours and 5 minutes", "2026-11-22T12:05"),
        ("limit reached, resets in 28m", "2026-11-21T10:28"),
        ("limit: resets in 2h 5m", "2026-11-21T12:05"),
        ("Try again in less than a minute.", "2026-11-21T10:01"),
        ("Claude AI usage limit reached|1795262400", "2026-11-21T12:00"),
        ("Claude AI usage limit reached|1795262400000", "2026-11-21T12:00"),
    ] {
        assert_eq!(read(text).as_deref(), Some(means), "{text}");
    }
}

#[test]
fn what_cannot_be_a_time_is_none() {
    for text in [
        "",
        "limit reached",
        "limit reached, resets",
        "limit reached, resets 25:00",
        "limit reached, resets 13pm",
        "limit reached, resets 0am",
        "limit reached, resets 7:60pm",
        "limit reached, resets 7:5pm",
        "limit reached, resets 7",
        "limit reached, resets 123:00",
        "limit reached, resets soon",
        "limit reached, resets 7pm (Nowhere/Atall)",
        "limit reached, resets 7pm (Europe/Berlin",
        "limit reached, resets Nov 31 at 9am",
        "limit reached, resets Nov 24th, 1999 9am",
        "limit reached|17",
        "limit reached|99999999999999999999999",
        "limit reached|1695262400",
        "API Error: Rate limit reached",
        "try again in a moment",
        "try again in 99999999999999999999 hours",
        "try again in 9223372036854775807 days",
        "try again in 400 days",
    ] {
        assert_eq!(read(text), None, "{text}");
    }
}

#[test]
fn the_night_that_clocks_change_has_its_own_hours() {
    let at = |written: &str, text: &str| {
        parse(text, wall(written), &zones()).map(|w| w.to_string()[..16].to_owned())
    };
    // 25 October 2026, 3:00 summer time becomes 2:00.
    let words = "limit reached, resets 4am (Europe/Berlin)";
    assert_eq!(at("2026-10-24T22:00:00Z", words).as_deref(), Some("2026-10-25T03:00"));
    // 29 March 2026 has no 2:30: the clock then shows 3:30.
    let words = "limit reached, resets 2:30am (Europe/Berlin)";
    assert_eq!(at("2026-03-28T22:00:00Z", words).as_deref(), Some("2026-03-29T01:30"));
}

proptest! {
    #[test]
    fn any_text_is_read_without_panic(text in "\\PC*", lead in 0..LEADS.len(), tail in "\\PC*", ms in any::<i64>()) {
        let text = format!("{text} limit|{} {tail}", LEADS[lead]);
        let _ = parse(&text, Wall::from_unix_ms(ms), &zones());
    }

    #[test]
    fn an_end_lies_ahead(text in "(limit )?(resets|try again at|try again in) ?(at|in|on)? ?(Nov|Feb)? ?[0-9]{0,3}(:[0-9]{0,2})? ?(am|pm|h|m|d)? ?(\\(UTC\\)|\\(Europe/Berlin\\))?") {
        let now = wall("2026-11-21T10:00:00Z");
        if let Some(end) = parse(&text, now, &zones()) {
            prop_assert!(end > now, "{text}");
        }
    }
}
