//! Lines as people write them, and a model that looks at each minute.

use std::collections::BTreeSet;

use jiff::ToSpan;
use jiff::civil::date;
use proptest::prelude::*;

use super::*;

/// Zones by their rules: nothing is read from the machine.
fn zone(rules: &str) -> TimeZone {
    TimeZone::posix(rules).unwrap()
}

const BERLIN: &str = "CET-1CEST,M3.5.0,M10.5.0/3";
const ZONES: [&str; 5] = [
    BERLIN,
    "EST5EDT,M3.2.0,M11.1.0",
    // Half an hour, in the other half of the year.
    "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0",
    // The change is at midnight.
    "<-04>4<-03>,M9.1.6/24,M4.1.6/24",
    "IST-5:30",
];

fn wall(text: &str) -> Wall {
    Wall::from_unix_ms(text.parse::<Timestamp>().unwrap().as_millisecond())
}

/// The first `n` times after `from`, as clocks of the zone show them.
fn times(line: &str, rules: &str, from: &str, n: usize) -> Vec<String> {
    let (cron, zone) = (Cron::parse(line).unwrap(), zone(rules));
    let mut at = wall(from);
    let mut out = Vec::new();
    for _ in 0..n {
        at = cron.next_after(at, &zone).unwrap();
        let shown = Timestamp::from_millisecond(at.unix_ms()).unwrap().to_zoned(zone.clone());
        out.push(shown.strftime("%a %m-%d %H:%M:%S%z").to_string());
    }
    out
}

#[test]
fn lines_mean_what_a_crontab_means() {
    let utc = "UTC0";
    let of = |line: &str, n| times(line, utc, "2026-11-20T10:07:30.5Z", n);
    assert_eq!(of("0 9 * * mon-fri", 2), ["Mon 11-23 09:00:00+0000", "Tue 11-24 09:00:00+0000"]);
    assert_eq!(of("*/20 8-10 * * *", 2), ["Fri 11-20 10:20:00+0000", "Fri 11-20 10:40:00+0000"]);
    assert_eq!(of("5,35 * * * *", 2), ["Fri 11-20 10:35:00+0000", "Fri 11-20 11:05:00+0000"]);
    assert_eq!(of("@daily", 1), ["Sat 11-21 00:00:00+0000"]);
    assert_eq!(of("@midnight", 1), of("@DAILY", 1));
    assert_eq!(of("@weekly", 1), ["Sun 11-22 00:00:00+0000"]);
    assert_eq!(of("*/10 * * * * *", 2), ["Fri 11-20 10:07:40+0000", "Fri 11-20 10:07:50+0000"]);
    assert_eq!(of("0 0 * * 7", 1), of("0 0 * * sun", 1));
    assert_eq!(of("0 0 13 * fri", 2), ["Fri 11-27 00:00:00+0000", "Fri 12-04 00:00:00+0000"], "either day");
    assert_eq!(of("0 0 29 2 *", 1), ["Tue 02-29 00:00:00+0000"], "in 2028");
    assert_eq!(of("0 0 L * *", 2), ["Mon 11-30 00:00:00+0000", "Thu 12-31 00:00:00+0000"]);
    assert_eq!(of("0 0 * * fri#2", 2), ["Fri 12-11 00:00:00+0000", "Fri 01-08 00:00:00+0000"]);
    assert_eq!(of("0 0 * * friL", 2), ["Fri 11-27 00:00:00+0000", "Fri 12-25 00:00:00+0000"]);
    assert_eq!(of("0 0 1 jan *", 1), of("@yearly", 1));
}

#[test]
fn what_no_crontab_says_is_refused_in_words() {
    for (line, says) in [
        ("", "has 0 fields"),
        ("* * * *", "has 4 fields: there are five"),
        ("* * * * * * *", "has 7 fields"),
        ("@reboot", "is not one of the words @hourly"),
        ("60 * * * *", "is not a line of a crontab: "),
        ("* * * * mun", "is not a line of a crontab: "),
        ("1-0 * * * *", "is not a line of a crontab: "),
        ("*/0 * * * *", "is not a line of a crontab: "),
        ("0 0 30 2 *", "names a day that never comes"),
        ("é * * * *", "is not a line of a crontab: "),
    ] {
        let why = Cron::parse(line).unwrap_err();
        assert!(why.starts_with(says), "{line:?}: {why}");
    }
    assert!(Cron::parse(&"0,".repeat(400)).is_err());
}

#[test]
fn a_time_that_clocks_leave_out_is_made_up_for_once() {
    let of = |line: &str, n| times(line, BERLIN, "2026-03-28T12:00:00Z", n);
    assert_eq!(of("30 2 * * *", 2), ["Sun 03-29 03:00:00+0200", "Mon 03-30 02:30:00+0200"]);
    let several = of("0,20,40 2,3 * * *", 4);
    assert_eq!(several[0], "Sun 03-29 03:00:00+0200", "and not once for each");
    assert_eq!(several[1], "Sun 03-29 03:20:00+0200");
    assert_eq!(of("30 * * * *", 14)[13], "Sun 03-29 03:30:00+0200", "time passes from 01:30 on");
}

#[test]
fn a_time_that_comes_twice_counts_once_unless_it_is_each_hour() {
    let of = |line: &str, n| times(line, BERLIN, "2026-10-24T22:30:00Z", n);
    assert_eq!(of("30 2 * * *", 2), ["Sun 10-25 02:30:00+0200", "Mon 10-26 02:30:00+0100"]);
    assert_eq!(
        of("30 * * * *", 4),
        [
            "Sun 10-25 01:30:00+0200",
            "Sun 10-25 02:30:00+0200",
            "Sun 10-25 02:30:00+0100",
            "Sun 10-25 03:30:00+0100"
        ]
    );
    let inside = times("*/5 2 * * *", BERLIN, "2026-10-25T01:12:00Z", 1);
    assert_eq!(inside, ["Mon 10-26 02:00:00+0100"], "the second 02:12 is not the time for 02:15");
}

/// One field of a line: its text, and what it means.
#[derive(Debug, Clone)]
struct Field(String, BTreeSet<i8>);

fn field(low: i8, high: i8) -> impl Strategy<Value = Field> {
    let value = low..=high;
    prop_oneof![
        3 => Just(Field("*".into(), (low..=high).collect())),
        4 => value.clone().prop_map(|v| Field(v.to_string(), [v].into())),
        2 => prop::collection::btree_set(value.clone(), 1..4).prop_map(|set| {
            let text = set.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
            Field(text, set)
        }),
        2 => (value.clone(), value.clone(), 1..6i8).prop_map(|(a, b, step)| {
            let (from, to) = (a.min(b), a.max(b));
            Field(format!("{from}-{to}/{step}"), (from..=to).step_by(step as usize).collect())
        }),
        2 => (2..12i8).prop_map(move |step| {
            Field(format!("*/{step}"), (low..=high).step_by(step as usize).collect())
        }),
    ]
}

#[derive(Debug, Clone)]
struct Fields([Field; 5]);

impl Fields {
    fn line(&self) -> String {
        self.0.iter().map(|f| f.0.clone()).collect::<Vec<_>>().join(" ")
    }

    fn name(&self, t: DateTime) -> bool {
        let [minute, hour, day, month, weekday] = &self.0;
        let on_day = day.1.contains(&t.day());
        let on_weekday = weekday.1.contains(&t.weekday().to_sunday_zero_offset());
        let both = day.0 == "*" || weekday.0 == "*";
        minute.1.contains(&t.minute())
            && hour.1.contains(&t.hour())
            && month.1.contains(&t.month())
            && if both { on_day && on_weekday } else { on_day || on_weekday }
    }

    /// Whether something is due at this minute, by looking at clocks and calendars.
    fn due(&self, at: Timestamp, zone: &TimeZone) -> bool {
        let shown = zone.to_datetime(at);
        if self.0[1].1.len() == 24 {
            return self.name(shown);
        }
        let first = zone.to_ambiguous_timestamp(shown).earlier().unwrap() == at;
        let before = zone.to_datetime(at - 1.minute());
        let mut left_out = before + 1.minute();
        let mut made_up = false;
        while left_out < shown {
            made_up |= self.name(left_out);
            left_out += 1.minute();
        }
        made_up || (first && self.name(shown))
    }
}

fn fields() -> impl Strategy<Value = Fields> {
    // Sunday is 0 only here: 7 is the same day and would be another value.
    (field(0, 59), field(0, 23), field(1, 31), field(1, 12), field(0, 6))
        .prop_map(|(a, b, c, d, e)| Fields([a, b, c, d, e]))
}

/// Compares the two from one moment to another.
fn agree(fields: &Fields, zone: &TimeZone, from: Timestamp, to: Timestamp) {
    let cron = match Cron::parse(&fields.line()) {
        Ok(cron) => cron,
        Err(why) => {
            assert_eq!(why, "names a day that never comes", "{}", fields.line());
            return;
        }
    };
    let mut expected = Vec::new();
    let mut at = from + 1.minute();
    while at <= to {
        if fields.due(at, zone) {
            expected.push(at);
        }
        at += 1.minute();
    }
    let mut got = Vec::new();
    let mut last = Wall::from_unix_ms(from.as_millisecond());
    while let Some(next) = cron.next_after(last, zone) {
        assert!(next > last);
        let next_t = Timestamp::from_millisecond(next.unix_ms()).unwrap();
        if next_t > to {
            break;
        }
        got.push(next_t);
        last = next;
    }
    assert_eq!(got, expected, "{} in {zone:?}", fields.line());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_agrees_with_looking_at_each_minute_around_changes(
        fields in fields(), rules in 0..ZONES.len(), year in 2023..2030i16
    ) {
        let zone = zone(ZONES[rules]);
        let start = date(year, 1, 1).at(0, 0, 0, 0);
        let begin = zone.to_timestamp(start).unwrap();
        for change in zone.following(begin).take(2) {
            agree(&fields, &zone, change.timestamp() - 30.hours(), change.timestamp() + 30.hours());
        }
        let february = zone.to_timestamp(date(year, 2, 27).at(12, 0, 0, 0)).unwrap();
        agree(&fields, &zone, february, february + 72.hours());
    }

    #[test]
    fn any_text_is_survived(text in "[0-9*/,LW#?@a-z -]{0,40}|.{0,20}") {
        if let Ok(cron) = Cron::parse(&text) {
            let _ = cron.next_after(wall("2026-03-29T00:59:59.999Z"), &zone(BERLIN));
        }
    }
}

#[test]
fn it_agrees_with_looking_at_each_minute_of_years() {
    let field = |text: &str, values: &[i8]| Field(text.into(), values.iter().copied().collect());
    let any = |low: i8, high: i8| Field("*".into(), (low..=high).collect());
    let lines = [
        Fields([field("30", &[30]), field("2", &[2]), any(1, 31), any(1, 12), any(0, 6)]),
        Fields([field("0", &[0]), any(0, 23), field("29", &[29]), field("2", &[2]), any(0, 6)]),
        Fields([
            field("15,45", &[15, 45]),
            field("0-3", &[0, 1, 2, 3]),
            any(1, 31),
            any(1, 12),
            field("0", &[0]),
        ]),
    ];
    let zone = zone(BERLIN);
    let from = zone.to_timestamp(date(2027, 1, 1).at(0, 0, 0, 0)).unwrap();
    for fields in &lines {
        agree(fields, &zone, from, from + (24 * 430).hours());
    }
}
