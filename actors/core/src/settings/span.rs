//! Spans of time as people write them beside a clock: `30s`, `15m`, `1h 30m`.

use std::time::Duration;

use serde::Deserialize;

/// Reads a span: numbers with a unit each, from `ms`, `s`, `m`, `h`, `d`, `w`.
pub fn parse(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        rest = rest[digits..].trim_start();
        let letters = rest.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(rest.len());
        let unit_ms = match &rest[..letters] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 7 * 86_400_000,
            _ => return None,
        };
        total = total.checked_add(Duration::from_millis(number.checked_mul(unit_ms)?))?;
        rest = rest[letters..].trim_start();
    }
    Some(total)
}

/// Reads a span from a text.
pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(d)?;
    parse(&text).ok_or_else(|| {
        serde::de::Error::custom(format_args!(
            "`{}` is not a span of time, write it like 90s, 15m or 1h 30m",
            { text.escape_default() }
        ))
    })
}

/// Reads a span that may be left out.
pub(super) fn deserialize_some<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Option<Duration>, D::Error> {
    deserialize(d).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_numbers_with_units() {
        let seconds = |n| Some(Duration::from_secs(n));
        assert_eq!(parse("30s"), seconds(30));
        assert_eq!(parse(" 1h 30m "), seconds(5400));
        assert_eq!(parse("1h30m"), seconds(5400));
        assert_eq!(parse("2w1d"), seconds(15 * 86_400));
        assert_eq!(parse("0s"), Some(Duration::ZERO));
        assert_eq!(parse("250ms"), Some(Duration::from_millis(250)));
        for bad in
            ["", " ", "30", "s", "-1s", "1.5s", "1x", "1S", "1 hour", "1s,2s", "99999999999999999999s", "é"]
        {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
        assert_eq!(parse(&format!("{}w", u64::MAX)), None);
    }
}
