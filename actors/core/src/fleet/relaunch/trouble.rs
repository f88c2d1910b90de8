//! What stood in an agent's way when it ended: a new process at once would meet it again.

use crate::clock::{Mono, Wall};
use crate::fleet::agent::Moment;
use crate::fleet::screen::text;
use crate::fleet::transcript::reset::{self, Zones};
use crate::limits;
use crate::untrusted::Untrusted;

/// What stood in its way. The moment is monotonic where decisions are made, and by the wall clock where it is
/// stored or shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble<T = Mono> {
    /// It is not logged in, or its key is refused.
    Login,
    /// A usage limit.
    Limit {
        /// When it ends, where that is known.
        until: Option<T>,
    },
}

/// What keeps an agent from being relaunched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold<T = Mono> {
    /// Its restarts are used up: until a person asks.
    Restarts,
    /// It has no login: until a person asks.
    Login,
    /// A usage limit.
    Limit {
        /// When it is tried again.
        until: T,
        /// Whether the limit is known to end then.
        known: bool,
    },
}

impl<T> Hold<T> {
    /// Whether time alone does not end it.
    pub fn needs_person(&self) -> bool {
        !matches!(self, Hold::Limit { .. })
    }
}

impl Hold {
    /// The same by the wall clock, to the nearest second: the two clocks are never read at quite the same
    /// moment, and a time that is told twice must be the same time.
    pub fn shown(self, now: Moment) -> Hold<Wall> {
        match self {
            Hold::Restarts => Hold::Restarts,
            Hold::Login => Hold::Login,
            Hold::Limit { until, known } => {
                let ms = now.wall.plus(until.since(now.mono)).unix_ms();
                let seconds = ms.saturating_add(500).div_euclid(1000);
                Hold::Limit { until: Wall::from_unix_ms(seconds.saturating_mul(1000)), known }
            }
        }
    }
}

impl Hold<Wall> {
    /// The same by the monotonic clock.
    pub fn decides(self, now: Moment) -> Hold {
        match self {
            Hold::Restarts => Hold::Restarts,
            Hold::Login => Hold::Login,
            Hold::Limit { until, known } => Hold::Limit { until: now.mono + until.since(now.wall), known },
        }
    }
}

impl Trouble<Wall> {
    /// The same by the monotonic clock.
    pub fn decides(self, now: Moment) -> Trouble {
        match self {
            Trouble::Login => Trouble::Login,
            Trouble::Limit { until } => {
                Trouble::Limit { until: until.map(|until| now.mono + until.since(now.wall)) }
            }
        }
    }
}

/// Words by which CLIs say that nobody is logged in, or that a key is refused.
const LOGIN: [&str; 23] = [
    "please run /login",
    "not logged in",
    "invalid api key",
    "incorrect api key",
    "invalid x-api-key",
    "api key not found",
    "api key is not set",
    "missing api key",
    "no api key",
    "401 unauthorized",
    "authentication_error",
    "authentication failed",
    "authentication required",
    "failed to authenticate",
    "login required",
    "please log in",
    "please login",
    "please sign in",
    "log in again",
    "sign in again",
    "token has expired",
    "set an auth method",
    "select login method",
];

/// Words by which they say that a usage limit was met.
const LIMIT: [&str; 9] = [
    "usage limit",
    "hit your limit",
    "session limit",
    "limit reached",
    "rate limit",
    "quota exceeded",
    "exceeded your current quota",
    "insufficient_quota",
    "too many requests",
];

/// What a program's last words say about why it ended: what stands at the end of its dead pane, which was
/// captured at `written`. The lowest line that says something decides. Such words are believed only of a process
/// that ended by itself with a failing status; they hold it back and do nothing else.
pub fn last_words(screen: &Untrusted, written: Wall, zones: &Zones<'_>) -> Option<Trouble<Wall>> {
    let lines = text::lines(screen.raw());
    let words = lines.iter().filter(|line| !line.is_blank()).map(|line| line.body().to_ascii_lowercase());
    // tmux itself writes below them that the pane is dead.
    let words: Vec<String> = words.filter(|line| !line.starts_with("pane is dead")).collect();
    let last = words.get(words.len().saturating_sub(limits::LAST_LINES_MAX)..).unwrap_or(&words);
    let at = last.iter().rposition(|line| speaks_of_login(line) || speaks_of_limit(line))?;
    if speaks_of_login(&last[at]) {
        return Some(Trouble::Login);
    }
    // When it ends may stand on the lines below.
    Some(Trouble::Limit { until: reset::parse(&last[at..].join(" "), written, zones) })
}

/// Whether words, in lower case, say that there is no login.
pub(in crate::fleet) fn speaks_of_login(lower: &str) -> bool {
    LOGIN.iter().any(|words| lower.contains(words))
}

fn speaks_of_limit(lower: &str) -> bool {
    LIMIT.iter().any(|words| lower.contains(words))
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    fn read(screen: &str) -> Option<Trouble<Wall>> {
        let nowhere = |_: &str| None;
        let zones = Zones { local: TimeZone::UTC, named: &nowhere };
        last_words(&screen.into(), Wall::from_unix_ms(1_795_225_162_000), &zones)
    }

    #[test]
    fn a_time_that_is_told_twice_is_the_same_time() {
        use std::time::Duration;
        let hold = Hold::Limit { until: Mono::ZERO + Duration::from_secs(100), known: true };
        let told = |mono_us: u64, wall_ms: i64| {
            let mono = Mono::ZERO + Duration::from_micros(mono_us);
            hold.shown(Moment { mono, wall: Wall::from_unix_ms(wall_ms) })
        };
        assert_eq!(told(1_000_000, 50_000), told(1_000_900, 50_000));
        assert_eq!(told(1_000_000, 50_000), told(7_000_400, 56_001));
    }

    #[test]
    fn the_last_words_of_a_program_say_what_stood_in_its_way() {
        for screen in [
            "$ claude\nInvalid API key · Please run /login\n",
            "\x1b[31mError: Not logged in. Run `codex login`.\x1b[0m\n\nPane is dead (status 1, Sat Nov 21 01:39:22 2026)\n",
            "unexpected status 401 Unauthorized: bad",
            " Select login method:\n\n ❯ 1. Claude account with subscription\n   2. Console account\nbye\n",
        ] {
            assert_eq!(read(screen), Some(Trouble::Login), "{screen:?}");
        }
        let until = Some(Wall::from_unix_ms(1_795_225_162_000 + 2 * 3_600_000));
        assert_eq!(
            read("You've hit your usage limit.\nTry again in 2 hours.\n"),
            Some(Trouble::Limit { until })
        );
        assert_eq!(read("Error: quota exceeded"), Some(Trouble::Limit { until: None }));
        // The lowest line decides.
        assert_eq!(read("quota exceeded\nplease log in"), Some(Trouble::Login));
    }

    #[test]
    fn other_words_and_old_ones_say_nothing() {
        assert_eq!(read(""), None);
        assert_eq!(read("panicked at src/main.rs:7: index out of bounds"), None);
        let old = format!("please run /login\n{}", "a line\n".repeat(limits::LAST_LINES_MAX));
        assert_eq!(read(&old), None);
        let wide = "x".repeat(100_000);
        assert_eq!(read(&wide), None);
    }
}
