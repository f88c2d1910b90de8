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

/// Whether a file is one of the log's, by its name.
pub fn is_log(name: &str) -> bool {
    let rest = name.strip_prefix(STEM).unwrap_or_default();
    let is_log = rest.strip_suffix(".gz").unwrap_or(rest).strip_suffix(".jsonl").is_some();
    is_log && rest.get(..DAY_CHARS).is_some_and(is_day)
}

/// The files of the log that have to go so that the rest takes at most `most` bytes, those first that were written to
/// first. `files` are names, last writes and lengths; the file of `now` stays whatever it takes.
pub fn too_many<T: Ord>(mut files: Vec<(T, String, u64)>, now: Wall, most: u64) -> Vec<String> {
    let mut total: u64 = files.iter().map(|(_, _, bytes)| bytes).sum();
    let current = name(now);
    files.retain(|(_, name, _)| *name != current);
    files.sort();
    let gone = files.into_iter().take_while(|(_, _, bytes)| {
        let is_over = total > most;
        total = total.saturating_sub(*bytes);
        is_over
    });
    gone.map(|(_, name, _)| name).collect()
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
    fn the_oldest_files_go_first_and_the_one_of_today_stays() {
        let files = || {
            let of = |at: u32, name: &str, bytes| (at, name.to_owned(), bytes);
            vec![of(3, &name(NOW), 50), of(2, "b", 30), of(1, "c", 20), of(4, "a", 10)]
        };
        let gone = |most| too_many(files(), NOW, most).join(" ");
        assert_eq!(gone(110), "");
        assert_eq!(gone(109), "c");
        assert_eq!(gone(90), "c");
        assert_eq!(gone(89), "c b");
        assert_eq!(gone(0), "c b a");
        assert!(is_log("executions-2026-11-21.jsonl") && is_log("executions-2026-11-21T013922-138.jsonl.gz"));
        assert!(
            !is_log("executions-x.jsonl") && !is_log("executions-2026-11-21.txt") && !is_log("daemon.jsonl")
        );
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
