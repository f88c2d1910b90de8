//! Times as people type them.

use std::time::Duration;

/// What a person may write.
const LIKE: &str = "write it like 90s, 15m or 2h";

/// Reads a time that is longer than nothing.
pub fn parse(text: &str) -> Result<Duration, String> {
    if text.trim_start().starts_with('-') {
        return Err(format!("a time cannot be negative; {LIKE}"));
    }
    match humantime::parse_duration(text) {
        Ok(nothing) if nothing.is_zero() => Err(format!("that is no time at all; {LIKE}")),
        Ok(time) => Ok(time),
        Err(_) => Err(LIKE.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_longer_than_nothing() {
        assert_eq!(parse("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse("1h 30m"), Ok(Duration::from_secs(5400)));
        for (text, says) in [
            ("0", "no time at all; write it like"),
            ("0s", "no time at all"),
            ("-1s", "cannot be negative; write it like"),
            ("-1", "cannot be negative"),
            ("1x", "write it like 90s"),
            ("90", "write it like 90s"),
            ("", "write it like 90s"),
            ("999999999999999999999y", "write it like"),
        ] {
            assert!(parse(text).is_err_and(|why| why.contains(says)), "{text}");
        }
    }
}
