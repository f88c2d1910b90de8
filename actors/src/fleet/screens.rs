//! The painted screens of every CLI, part of the program: the fake agents paint them, tests read them.

use tsup_core::fleet::stage::{Painted, StageError};

/// A painted screen with its place: the CLI's folder and the file's name without its ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Screen {
    /// Whose screen it is.
    pub cli: &'static str,
    /// What it shows, as `permission-edit`.
    pub case: &'static str,
    text: &'static str,
}

/// Every file in `actors/profiles/screens/`, by CLI and case.
const SHIPPED: &[(&str, &str, &str)] = include!(concat!(env!("OUT_DIR"), "/screens.rs"));

impl Screen {
    /// Reads the file.
    pub fn painted(self) -> Result<Painted, StageError> {
        Painted::parse(self.cli, self.text)
    }

    /// Whether it is a screen for that word: `permission` has `permission` and `permission-edit`.
    pub fn is_for(self, word: &str) -> bool {
        self.case.strip_prefix(word).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    }
}

/// All painted screens.
pub fn all() -> impl Iterator<Item = Screen> {
    SHIPPED.iter().map(|&(cli, case, text)| Screen { cli, case, text })
}

/// The CLIs that have screens, sorted.
pub fn clis() -> Vec<&'static str> {
    let mut clis: Vec<_> = all().map(|screen| screen.cli).collect();
    clis.dedup();
    clis
}

/// The screens of a CLI.
pub fn of(cli: &str) -> impl Iterator<Item = Screen> {
    all().filter(move |screen| screen.cli == cli)
}
