//! When a schedule is due, and which of its times have passed.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::cron::Cron;
use crate::clock::Wall;
use crate::limits;

/// When something is due.
#[derive(Debug, Clone, PartialEq)]
pub enum Timing {
    /// At times of a calendar, in a zone.
    Cron(Box<Cron>, TimeZone),
    /// Every so often, counted from the beginning of 1970 in UTC.
    Every(Duration),
}

impl Timing {
    /// The first time after `after`.
    pub fn next_after(&self, after: Wall) -> Option<Wall> {
        match self {
            Timing::Cron(cron, zone) => cron.next_after(after, zone),
            Timing::Every(every) => {
                let every = i64::try_from(every.as_millis()).ok().filter(|ms| *ms > 0)?;
                let turns = after.unix_ms().div_euclid(every).checked_add(1)?;
                turns.checked_mul(every).map(Wall::from_unix_ms)
            }
        }
    }

    /// The last time that is not after `to`, if it is after `from`.
    fn last_until(&self, from: Wall, to: Wall) -> Option<Wall> {
        let ms = Wall::unix_ms;
        let due_after = |x: i64| self.next_after(Wall::from_unix_ms(x)).filter(|due| *due <= to);
        due_after(ms(from))?;
        // The last one mostly lies close: the way back doubles until it is passed.
        let (mut back, mut none) = (1_000, ms(to));
        let mut some = ms(from);
        while back < ms(to).saturating_sub(ms(from)) {
            let x = ms(to) - back;
            if due_after(x).is_some() {
                some = x;
                break;
            }
            none = x;
            back *= 2;
        }
        let mut last = due_after(some)?;
        loop {
            match due_after(ms(last)) {
                None => return Some(last),
                Some(next) => last = next,
            }
            let middle = ms(last) + (none - ms(last)) / 2;
            match due_after(middle) {
                Some(due) => last = due,
                None => none = middle.max(ms(last)),
            }
        }
    }
}

/// Times that have passed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Passed {
    /// The last of them, the oldest first.
    pub last: VecDeque<Wall>,
    /// Whether there were more.
    pub more: bool,
}

impl Passed {
    fn push(&mut self, due: Wall, keep: usize) {
        if self.last.len() == keep {
            self.last.pop_front();
            self.more = true;
        }
        self.last.push_back(due);
    }
}

/// What of the times after `from` has come by `now`, each put off by its jitter: the last `keep` of them. They are
/// passed in their order, so one that is put off keeps those behind it.
pub fn passed(
    timing: &Timing,
    put_off: impl Fn(Wall) -> Duration,
    from: Wall,
    now: Wall,
    keep: usize,
    longest: Duration,
) -> Passed {
    let mut passed = Passed::default();
    let mut at = from;
    let mut steps = 0;
    let come = |at: Wall| timing.next_after(at).filter(|due| due.plus(put_off(*due)) <= now);
    while let Some(due) = come(at) {
        passed.push(due, keep);
        at = due;
        steps += 1;
        if steps == limits::SCHEDULE_STEPS {
            break;
        }
    }
    if steps < limits::SCHEDULE_STEPS {
        return passed;
    }
    // Too many to count: the last ones are found from behind. What lies further back than the longest jitter has come.
    let mut behind = now.minus(longest);
    let mut found = Vec::new();
    while found.len() < keep
        && let Some(due) = timing.last_until(at, behind)
    {
        found.push(due);
        behind = Wall::from_unix_ms(due.unix_ms() - 1);
    }
    for due in found.into_iter().rev() {
        passed.push(due, keep);
        at = due;
    }
    while let Some(due) = come(at) {
        passed.push(due, keep);
        at = due;
    }
    passed
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: i64 = 1_795_000_000_000;

    fn wall(ms: i64) -> Wall {
        Wall::from_unix_ms(ms)
    }

    #[test]
    fn quarters_of_an_hour_fall_on_the_clock() {
        let every = Timing::Every(Duration::from_secs(900));
        let next = every.next_after(wall(NOW)).unwrap();
        assert_eq!(next.to_string(), "2026-11-18T11:15:00.000Z");
        assert_eq!(every.next_after(next).unwrap().to_string(), "2026-11-18T11:30:00.000Z");
        assert_eq!(every.next_after(wall(-1)), Some(wall(0)));
        assert_eq!(every.next_after(wall(i64::MAX)), None);
    }

    #[test]
    fn years_of_seconds_are_not_counted_one_by_one() {
        let line = |text: &str| Timing::Cron(Box::new(Cron::parse(text).unwrap()), TimeZone::UTC);
        let years = wall(NOW).minus(Duration::from_secs(10 * 366 * 24 * 3600));
        for timing in [Timing::Every(Duration::from_secs(1)), line("* * * * * *"), line("* * * 1 1 *")] {
            let all = passed(&timing, |_| Duration::ZERO, years, wall(NOW), 1_440, Duration::ZERO);
            assert!(all.more && all.last.len() == 1_440);
            let last = *all.last.back().unwrap();
            assert!(timing.next_after(last).unwrap() > wall(NOW));
            for (a, b) in all.last.iter().zip(all.last.iter().skip(1)) {
                assert_eq!(timing.next_after(*a), Some(*b), "none is left out");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_last_ones_are_those_that_counting_finds(
            every in 1..9_i64, from in 0..12_000_000_i64, keep in 1..40_usize, jitter in 0..50_u64, seed: u64
        ) {
            let timing = Timing::Every(Duration::from_secs(every as u64));
            let put_off = |due: Wall| {
                let mixed = (due.unix_ms() as u64 ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
                Duration::from_millis(mixed % (jitter * 1_000 + 1))
            };
            let (from, now) = (wall(NOW - from), wall(NOW));
            let got = passed(&timing, put_off, from, now, keep, Duration::from_secs(jitter));
            let mut all = Vec::new();
            let mut at = from;
            while let Some(due) = timing.next_after(at).filter(|d| *d <= now) {
                all.push(due);
                at = due;
            }
            // One that is put off beyond now keeps those behind it; none is that lies further back than the jitter.
            let held = all.iter().position(|d| d.plus(put_off(*d)) > now).unwrap_or(all.len());
            all.truncate(held);
            let kept = all.split_off(all.len().saturating_sub(keep));
            prop_assert_eq!(got.last.into_iter().collect::<Vec<_>>(), kept);
            prop_assert_eq!(got.more, !all.is_empty());
        }
    }
}
