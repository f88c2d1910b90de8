//! The version of a CLI: where its screen shows it, and whether a profile was checked with it.

use super::Screen;

/// Numbers in a version that count.
const PARTS_MAX: usize = 4;

impl Screen {
    /// The version that one of the lines shows, behind the words of `version_after`.
    pub fn version_in<'a>(&self, lines: impl IntoIterator<Item = &'a str>) -> Option<String> {
        if self.version_after.is_empty() {
            return None;
        }
        lines.into_iter().find_map(|line| self.version_after.iter().find_map(|words| behind(line, words)))
    }

    /// Whether the rules were checked with this version of the CLI; `None` where that cannot be told.
    pub fn is_checked_with(&self, version: &str) -> Option<bool> {
        let version = numbers(version).next()?.0;
        let mut known = false;
        let mut all = numbers(&self.checked).peekable();
        while let Some((low, rest)) = all.next() {
            known = true;
            let high = match all.peek() {
                Some((high, _)) if rest.starts_with("to ") => {
                    let high = high.clone();
                    all.next();
                    high
                }
                _ => low.clone(),
            };
            // What stands behind the last number that is named may be anything: 2.1 holds 2.1.34.
            let short = &version[..version.len().min(high.len())];
            if version >= low && short <= high.as_slice() {
                return Some(true);
            }
        }
        known.then_some(false)
    }
}

/// The version right behind some words that stand by themselves.
fn behind(line: &str, words: &str) -> Option<String> {
    let at = line.find(words).filter(|_| !words.is_empty())?;
    if line[..at].chars().next_back().is_some_and(char::is_alphanumeric) {
        return None;
    }
    let rest = &line[at + words.len()..];
    let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(rest.len());
    let version = rest[..end].trim_end_matches('.');
    (version.contains('.') && numbers(version).next().is_some()).then(|| version.to_owned())
}

/// The versions in a text, each with what follows it without blanks.
fn numbers(text: &str) -> impl Iterator<Item = (Vec<u64>, &str)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let start = rest.find(|c: char| c.is_ascii_digit())?;
        let word = &rest[start..];
        let end = word.find(|c: char| !(c.is_ascii_alphanumeric() || c == '.')).unwrap_or(word.len());
        let parts = word[..end].split('.').map_while(|part| part.parse().ok()).take(PARTS_MAX).collect();
        rest = &word[end..];
        Some((parts, rest.trim_start()))
    })
    .filter(|(parts, _): &(Vec<u64>, _)| !parts.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn screen(checked: &str, after: &[&str]) -> Screen {
        let version_after = after.iter().map(|words| (*words).to_owned()).collect();
        Screen { checked: checked.into(), version_after, ..Screen::default() }
    }

    #[test]
    fn a_version_is_inside_or_outside_of_what_was_checked() {
        for (checked, version, inside) in [
            ("1.0 to 2.1", "2.1.92", Some(true)),
            ("1.0 to 2.1", "1.0.0", Some(true)),
            ("1.0 to 2.1", "2.2.0", Some(false)),
            ("1.0 to 2.1", "0.9.9", Some(false)),
            ("1.0 to 2.1", "10.0", Some(false)),
            ("0.5 to 0.15", "0.12.0", Some(true)),
            ("0.0.17 to 2026", "2026.11.06", Some(true)),
            ("kimi-cli 0.7 to 1.x, Kimi Code 2.1", "1.99.1", Some(true)),
            ("kimi-cli 0.7 to 1.x, Kimi Code 2.1", "2.1.3", Some(true)),
            ("kimi-cli 0.7 to 1.x, Kimi Code 2.1", "2.0", Some(false)),
            ("Amazon Q 1.x, kiro-cli 1.x and 2.x", "2.15.2", Some(true)),
            ("Amazon Q 1.x, kiro-cli 1.x and 2.x", "3.0.0", Some(false)),
            ("1.4", "1.4.7", Some(true)),
            ("all that there are", "1.0", None),
            ("", "1.0", None),
            ("1.0", "unknown", None),
            ("99999999999999999999999.1", "1.0", None),
        ] {
            assert_eq!(screen(checked, &[]).is_checked_with(version), inside, "{version} of {checked}");
        }
    }

    #[test]
    fn a_version_stands_behind_its_words() {
        let screen = screen("", &["Claude Code v", "pi v"]);
        for (line, version) in [
            ("╭─── Claude Code v2.1.92 ───╮", Some("2.1.92")),
            (" pi v0.52.9", Some("0.52.9")),
            ("the api v1.2.3", None),
            ("Claude Code v2", None),
            ("Claude Code v", None),
            ("Claude Code v2.1. It is new", Some("2.1")),
            ("Claude Code", None),
        ] {
            assert_eq!(screen.version_in(["", line]).as_deref(), version, "{line}");
        }
        assert_eq!(Screen::default().version_in(["v1.2"]), None);
    }

    proptest::proptest! {
        #[test]
        fn nothing_breaks_it(checked in ".{0,40}", version in ".{0,20}", line in ".{0,40}") {
            let _ = screen(&checked, &[]).is_checked_with(&version);
            let _ = screen("", &[&version]).version_in([&*line]);
        }
    }
}
