//! The shipped profiles, part of the program.

mod folder;
mod shelf;

pub use folder::{files, over, text_of};
pub use shelf::{Shelf, Shelved};

use std::sync::LazyLock;

use tsup_core::fleet::profile::{ProfileError, Profiles};

pub(super) use shelf::{Stamp, stamp};

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../profiles/", $name)))),*]
    };
}

/// Every file in `actors/profiles/`.
const SHIPPED: [(&str, &str); 17] = files![
    "aider.toml",
    "amp.toml",
    "auggie.toml",
    "claude.toml",
    "codex.toml",
    "copilot.toml",
    "cursor.toml",
    "droid.toml",
    "gemini.toml",
    "generic.toml",
    "goose.toml",
    "kimi.toml",
    "kiro.toml",
    "opencode.toml",
    "pi.toml",
    "qwen.toml",
    "shell.toml",
];

/// The shipped profiles, read once.
static READ: LazyLock<Profiles> = LazyLock::new(|| {
    let (profiles, errors) = Profiles::parse(SHIPPED);
    debug_assert!(errors.is_empty(), "{errors:?}");
    for error in errors {
        tracing::error!(%error, "a shipped profile cannot be read");
    }
    profiles
});

/// Lays files of name and text over the shipped profiles; tells what is wrong with any of them.
pub fn with<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> (Profiles, Vec<ProfileError>) {
    READ.over(files)
}

/// The text of a shipped profile.
pub fn text(name: &str) -> Option<&'static str> {
    SHIPPED.iter().find(|(file, _)| file.strip_suffix(".toml") == Some(name)).map(|(_, text)| *text)
}

/// The names of the shipped profiles, sorted.
pub fn names() -> impl Iterator<Item = &'static str> {
    SHIPPED.iter().filter_map(|(file, _)| file.strip_suffix(".toml"))
}

/// The shipped profiles.
pub fn shipped() -> Profiles {
    READ.clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_files_are_shipped_and_read() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/profiles");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .filter(|name| std::path::Path::new(name).extension().is_some_and(|e| e == "toml"))
            .collect();
        files.sort();
        assert_eq!(files, SHIPPED.map(|(name, _)| name));
        let names: Vec<String> = shipped().names().map(|n| format!("{n}.toml")).collect();
        assert_eq!(names, files, "a profile stands in the file of its name");
    }
}
