//! Time as an argument: monotonic time decides, wall time is only shown.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// A monotonic moment: nanoseconds since an origin that only its maker knows.
///
/// Two moments compare only within one process. The core never makes one: the shell passes it in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Mono(u64);

impl Mono {
    /// The origin itself.
    pub const ZERO: Mono = Mono(0);

    /// The moment `since_origin` after the origin. Saturates after 584 years.
    pub fn from_origin(since_origin: Duration) -> Self {
        Mono(u64::try_from(since_origin.as_nanos()).unwrap_or(u64::MAX))
    }

    /// Time since the origin.
    pub fn since_origin(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    /// How long before `self` the moment `earlier` was; zero when it was not.
    pub fn since(self, earlier: Mono) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Mono {
    type Output = Mono;
    fn add(self, rhs: Duration) -> Mono {
        Mono(self.0.saturating_add(u64::try_from(rhs.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub<Duration> for Mono {
    type Output = Mono;
    fn sub(self, rhs: Duration) -> Mono {
        Mono(self.0.saturating_sub(u64::try_from(rhs.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// A wall-clock moment in milliseconds since 1970-01-01 UTC; shown and stored, never decided on.
///
/// A person reads RFC 3339 in UTC with milliseconds; compact formats carry the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Wall(i64);

impl Wall {
    /// From milliseconds since 1970-01-01 UTC.
    pub const fn from_unix_ms(ms: i64) -> Self {
        Wall(ms)
    }

    /// Milliseconds since 1970-01-01 UTC.
    pub const fn unix_ms(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970-01-01 UTC.
    pub const fn unix_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// `self` moved back by `by`.
    pub fn minus(self, by: Duration) -> Self {
        Wall(self.0.saturating_sub(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }

    /// `self` moved on by `by`.
    pub fn plus(self, by: Duration) -> Self {
        Wall(self.0.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long before `self` the moment `earlier` was; zero when the wall clock went back.
    pub fn since(self, earlier: Wall) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl fmt::Display for Wall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(t) => write!(f, "{t:.3}"),
            Err(_) => write!(f, "{}ms", self.0),
        }
    }
}

impl Serialize for Wall {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() { s.collect_str(self) } else { s.serialize_i64(self.0) }
    }
}

impl<'de> Deserialize<'de> for Wall {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        if d.is_human_readable() {
            let text = String::deserialize(d)?;
            let t: jiff::Timestamp = text.parse().map_err(D::Error::custom)?;
            Ok(Wall(t.as_millisecond()))
        } else {
            i64::deserialize(d).map(Wall)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_is_rfc3339_with_milliseconds_for_people() {
        let w = Wall::from_unix_ms(1_795_225_162_138);
        assert_eq!(w.to_string(), "2026-11-21T01:39:22.138Z");
        assert_eq!(serde_json::to_string(&w).unwrap(), "\"2026-11-21T01:39:22.138Z\"");
        assert_eq!(serde_json::from_str::<Wall>("\"2026-11-21T01:39:22.138Z\"").unwrap(), w);
    }

    #[test]
    fn wall_before_1970_and_out_of_range_do_not_panic() {
        assert_eq!(Wall::from_unix_ms(-1).unix_seconds(), -1);
        assert!(!Wall::from_unix_ms(i64::MAX).to_string().is_empty());
        assert_eq!(Wall::from_unix_ms(0).since(Wall::from_unix_ms(5)), Duration::ZERO);
    }

    #[test]
    fn mono_saturates() {
        assert_eq!(Mono::ZERO - Duration::from_secs(1), Mono::ZERO);
        assert_eq!(Mono::ZERO.since(Mono::ZERO + Duration::from_secs(3)), Duration::ZERO);
    }
}
