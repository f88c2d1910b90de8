//! The names of the execution log's files, one a day in UTC: `executions-2026-11-21.jsonl`; one that was set
//! aside has the time of that behind the day: `executions-2026-11-21T101502-123.jsonl`.

use std::time::Duration;

use crate::clock::Wall;

const STEM: &str = "executions-";
const DAY_CHARS: usize = "2026-11-21".len();

/// The day of a moment in UTC, as it stands in a name.
fn day(at: Wall) -> String {
    let text = at.to_string();
    text.get(..DAY_CHARS).filter(|d| is_day(d)).unwrap_or("1970-01-01").to_owned()
}

fn is_day(text: &str) -> bool {
    text.len() == DAY_CHARS
        && text
            .bytes()
            .enumerate()
            .all(|(i, b)| if i == 4 || i == 7 { b == b'-' } else { b.is_ascii_digit() })
}

/// The file that an entry of this moment belongs to.
pub fn name(at: Wall) -> String {
    format!("{STEM}{}.jsonl", day(at))
}

/// What a grown file is called from `now` on.
pub fn set_aside(name: &str, now: Wall) -> String {
    let time: String = now.to_string().chars().skip(DAY_CHARS).filter(|c| *c != ':' && *c != 'Z').collect();
    let stem = name.strip_suffix(".jsonl").unwrap_or(name);
    format!("{stem}{}.jsonl", time.replace('.', "-"))
}

/// Whether a file of the log, by its name, holds nothing younger than `days` days.
pub fn has_expired(name: &str, now: Wall, days: u64) -> bool {
    let Some(rest) = name.strip_prefix(STEM) else { return false };
    let is_log = rest.strip_suffix(".gz").unwrap_or(rest).strip_suffix(".jsonl").is_some();
    let of = rest.get(..DAY_CHARS).filter(|d| is_day(d));
    let first = day(now.minus(Duration::from_secs(days.saturating_mul(86_400))));
    is_log && of.is_some_and(|of| of < first.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-21T01:39:22.138Z
    const NOW: Wall = Wall::from_unix_ms(1_795_225_162_138);

    #[test]
    fn a_day_has_a_file_and_what_is_set_aside_sorts_behind_it() {
        let (name, aside) = (name(NOW), set_aside(&name(NOW), NOW));
        assert_eq!(name, "executions-2026-11-21.jsonl");
        assert_eq!(aside, "executions-2026-11-21T013922-138.jsonl");
        assert!(name < aside);
        assert_eq!(super::name(Wall::from_unix_ms(i64::MAX)), "executions-1970-01-01.jsonl");
    }

    #[test]
    fn files_expire_by_their_day() {
        for (name, gone) in [
            ("executions-2026-10-21.jsonl", true),
            ("executions-2026-10-22.jsonl", false),
            ("executions-2026-10-21T013922-138.jsonl", true),
            ("executions-2026-10-21.jsonl.gz", true),
            ("executions-2026-11-21.jsonl", false),
            ("executions-2026-10-21.txt", false),
            ("executions-.jsonl", false),
            ("executions-2O26-10-21.jsonl", false),
            ("daemon-2020-01-01.jsonl", false),
        ] {
            assert_eq!(has_expired(name, NOW, 30), gone, "{name}");
        }
    }
}
