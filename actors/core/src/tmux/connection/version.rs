//! Which versions of tmux are too old.

use crate::tmux::command::TMUX_MIN;

/// Whether a version, as `tmux -V` or `#{version}` says it, is before [`TMUX_MIN`]. What is not a number
/// (`master`, `openbsd-7.6`, `next-3.6`) is taken for recent: such builds are made by people who follow
/// tmux, and what is missing shows in the first commands.
pub fn is_too_old(version: &str) -> bool {
    match (number(version), number(TMUX_MIN)) {
        (Some(this), Some(least)) => this < least,
        _ => false,
    }
}

fn number(version: &str) -> Option<(u32, u32)> {
    let (major, rest) = version.trim().split_once('.')?;
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    Some((major.parse().ok()?, rest[..digits].parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        for old in ["1.8", "2.9a", "3.0", "3.1c"] {
            assert!(is_too_old(old), "{old}");
        }
        for new in ["3.2", "3.2a", "3.3-rc", "3.10", "4.0", "next-3.6", "master", "openbsd-7.6", ""] {
            assert!(!is_too_old(new), "{new}");
        }
    }
}
