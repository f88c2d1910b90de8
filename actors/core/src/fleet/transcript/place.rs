//! Where transcripts lie, and which of several is an agent's.

use crate::clock::Wall;
use crate::limits::TRANSCRIPT_PATH_BYTES_MAX;

/// The name of the folder that Claude Code keeps its sessions of a working directory in: whatever is no
/// ASCII letter or digit becomes a dash, one for each UTF-16 unit.
pub fn claude_folder(cwd: &str) -> String {
    let dash = |c: char| std::iter::repeat_n('-', c.len_utf16());
    let mut name = String::with_capacity(cwd.len());
    for c in cwd.chars() {
        if c.is_ascii_alphanumeric() {
            name.push(c);
        } else {
            name.extend(dash(c));
        }
    }
    name
}

fn is_lines(name: &str) -> bool {
    name.strip_suffix(".jsonl").is_some_and(|stem| !stem.is_empty())
}

/// Whether a file of that name is a session of Claude Code; those of subagents are `agent-ID.jsonl`.
pub fn is_session(name: &str) -> bool {
    is_lines(name) && !name.starts_with("agent-")
}

/// Whether a file of that name is a rollout of Codex.
pub fn is_rollout(name: &str) -> bool {
    name.starts_with("rollout-") && is_lines(name)
}

/// A path that a hook told, when it may be one: a hook is called by whoever calls it.
pub fn told(path: &str) -> Option<&str> {
    let whole = path.starts_with('/') && is_lines(path) && path.len() <= TRANSCRIPT_PATH_BYTES_MAX;
    let plain = !path.contains('\0') && !path.split('/').any(|part| part == "..");
    (whole && plain).then_some(path)
}

/// The file that changed last, if that was in the life of a process born then. Of two that changed at
/// once, the later name: both CLIs' names grow with time or do not matter.
pub fn newest<T: Ord>(files: impl IntoIterator<Item = (Wall, T)>, born: Wall) -> Option<T> {
    files.into_iter().filter(|(changed, _)| *changed >= born).max().map(|(_, file)| file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_names() {
        assert_eq!(claude_folder("/home/me/my_app.v2"), "-home-me-my-app-v2");
        assert_eq!(claude_folder("/a/é/😀"), "-a---".to_owned() + "--");
        assert!(is_session("5f0c.jsonl") && !is_session("agent-1.jsonl") && !is_session("x.json"));
        assert!(is_rollout("rollout-2026-11-21T10-00-00-x.jsonl") && !is_rollout("x.jsonl"));
    }

    #[test]
    fn told_paths_are_judged() {
        assert_eq!(told("/home/me/.claude/projects/x/y.jsonl"), Some("/home/me/.claude/projects/x/y.jsonl"));
        for bad in ["", "x.jsonl", "/etc/passwd", "/a/../b.jsonl", "/a\0.jsonl"] {
            assert_eq!(told(bad), None, "{bad:?}");
        }
        assert_eq!(told(&format!("/{}.jsonl", "x".repeat(TRANSCRIPT_PATH_BYTES_MAX))), None);
    }

    #[test]
    fn the_newest_of_a_life() {
        let at = Wall::from_unix_ms;
        assert_eq!(newest([(at(5), "b"), (at(9), "a"), (at(7), "c")], at(6)), Some("a"));
        assert_eq!(newest([(at(5), "b")], at(6)), None);
    }
}
