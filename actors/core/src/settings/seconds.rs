//! Durations as people write them: a number of seconds, whole or not.

use std::fmt;
use std::time::Duration;

use serde::de::{Error, Visitor};

/// Reads a number of seconds. Negative, infinite and NaN are errors.
pub fn deserialize<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Duration, D::Error> {
    d.deserialize_any(Seconds)
}

struct Seconds;

impl Visitor<'_> for Seconds {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of seconds, 0 or more")
    }

    fn visit_f64<E: Error>(self, v: f64) -> Result<Duration, E> {
        Duration::try_from_secs_f64(v)
            .map_err(|_| E::custom(format_args!("{v} is not a number of seconds, 0 or more")))
    }

    fn visit_i64<E: Error>(self, v: i64) -> Result<Duration, E> {
        match u64::try_from(v) {
            Ok(whole) => Ok(Duration::from_secs(whole)),
            Err(_) => Err(E::custom(format_args!("{v} is not a number of seconds, 0 or more"))),
        }
    }

    fn visit_u64<E: Error>(self, v: u64) -> Result<Duration, E> {
        Ok(Duration::from_secs(v))
    }
}
