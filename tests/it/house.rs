//! The house keeps its own rules: every actor file opens with its five lines, and the table of actors
//! in `docs/ARCHITECTURE.md` says the same.

use std::fs;
use std::path::{Path, PathBuf};

const HEADER: [&str; 5] = ["Owns", "Receives", "Sends", "Bounded by", "Restart"];

fn top() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// The header of an actor file, one text a word of [`HEADER`]; continuation lines are joined.
fn header(text: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for line in text.lines().map_while(|l| l.strip_prefix("//!")) {
        let line = line.trim();
        match HEADER.iter().find(|w| line.starts_with(&format!("{w}:"))) {
            Some(word) => parts.push(line[word.len() + 1..].trim().to_owned()),
            None if line.is_empty() && !parts.is_empty() => break,
            None => {
                if let Some(last) = parts.last_mut() {
                    *last += " ";
                    *last += line;
                }
            }
        }
    }
    parts
}

/// Files in which an actor lives, with their headers. Tests have actors of their own.
fn actors() -> Vec<(String, Vec<String>)> {
    let root = top().join("actors/src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut actors = Vec::new();
    for file in files {
        let name = file.strip_prefix(&root).unwrap().display().to_string();
        let text = fs::read_to_string(&file).unwrap();
        let is_actor = text.contains("\nimpl Actor for ") || name == "supervisor.rs";
        if is_actor && !name.contains("tests") {
            actors.push((name, header(&text)));
        }
    }
    actors.sort();
    actors
}

#[test]
fn every_actor_file_opens_with_its_five_lines() {
    let actors = actors();
    assert!(actors.len() >= 10, "only {} actors found", actors.len());
    for (name, header) in actors {
        assert_eq!(header.len(), 5, "actors/src/{name} must open with {HEADER:?}, each once and in order");
    }
}

#[test]
fn the_table_of_actors_says_what_the_headers_say() {
    let page = fs::read_to_string(top().join("docs/ARCHITECTURE.md")).unwrap();
    let rows: Vec<&str> = page.lines().filter(|l| l.starts_with("| `") && l.contains(".rs` |")).collect();
    let expected: Vec<String> =
        actors().iter().map(|(name, h)| format!("| `{name}` | {} |", h.join(" | "))).collect();
    let table = expected.join("\n");
    assert_eq!(rows.join("\n"), table, "put this table into docs/ARCHITECTURE.md:\n{table}");
}

#[test]
fn ractor_names_stay_unused_and_bincode_stays_in_its_box() {
    for (package, allowed) in [("actors/core/src", "wire/frame.rs"), ("actors/src", ""), ("src", "")] {
        let root = top().join(package);
        let mut files = Vec::new();
        sources(&root, &mut files);
        for file in files {
            let name = file.strip_prefix(&root).unwrap().display().to_string();
            let text = fs::read_to_string(&file).unwrap();
            assert!(!text.contains("ractor::registry"), "{package}/{name}: actors are never named");
            if name != allowed {
                assert!(
                    !text.contains("bincode::"),
                    "{package}/{name}: bincode is named in wire::frame only"
                );
            }
        }
    }
}

/// The rooms of `actors/src`, ground floor first; rooms in one row do not use each other.
const FLOORS: [&[&str]; 8] = [
    &["clock", "os", "planted"],
    &["gate", "heirloom"],
    &["link", "bus", "actor"],
    &["store", "supervisor", "telemetry"],
    &["tmux"],
    &["fleet", "tes"],
    &["edge"],
    &["root"],
];

#[test]
fn a_room_uses_only_rooms_on_lower_floors() {
    let root = top().join("actors/src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let floor = |room: &str| FLOORS.iter().position(|rooms| rooms.contains(&room));
    for file in files {
        let name = file.strip_prefix(&root).unwrap().display().to_string();
        let room = name.split(['/', '.']).next().unwrap();
        if room == "lib" {
            continue;
        }
        let own = floor(room).unwrap_or_else(|| panic!("{room} has no floor: add it to FLOORS"));
        let text = fs::read_to_string(&file).unwrap();
        let code: String =
            text.lines().filter(|l| !l.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
        for used in code.split("crate::").skip(1) {
            // `crate::{a, b}` is not used here: one line names one room.
            let used: String = used.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
            let theirs = floor(&used).unwrap_or_else(|| panic!("{name} uses {used}, which has no floor"));
            assert!(theirs < own || used == room, "{name} uses {used}, which is not below it");
        }
    }
}

/// A task whose message finds no room must wait for it: its actor waits for that message (ADR 10).
#[test]
fn a_task_of_an_actor_insists_on_its_message() {
    let mut files = Vec::new();
    sources(&top().join("actors/src/fleet"), &mut files);
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        // A clone of an actor's own gate goes into its tasks, and is named `gate` there.
        if text.contains("cx.gate().clone()") {
            let drops = text.lines().find(|line| line.contains(" gate.control("));
            assert_eq!(drops, None, "{}: use `insist`", file.display());
        }
    }
}
