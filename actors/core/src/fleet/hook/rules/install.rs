//! How a CLI's hooks are put into its settings.

use serde::Deserialize;

/// How and where.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Install {
    /// The shape of the file.
    pub style: Style,
    /// The events that are asked for.
    #[serde(default)]
    pub events: Vec<String>,
    /// Whether the call names the event, because the CLI's JSON does not.
    #[serde(default)]
    pub named: bool,
    /// The user's own file.
    pub user: Place,
    /// The project's file, below the project's folder.
    pub project: Option<String>,
    /// What a person must know or do besides.
    #[serde(default)]
    pub note: String,
}

/// Where a file is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// A variable of the environment that names the folder.
    pub env: Option<String>,
    /// The folder below the user's home, when that variable is not set.
    pub folder: String,
    /// The file in that folder.
    pub file: String,
}

/// The shape of a settings file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Style {
    /// JSON: `hooks.EVENT` is a list of groups, each with a list `hooks` of commands.
    Groups,
    /// JSON: `hooks.EVENT` is a list of commands, beside `"version": 1`.
    Commands,
    /// JSON: as [`Style::Commands`], the command under the name `bash`.
    Shell,
    /// TOML: one table `[[hooks]]` for each event.
    Tables,
    /// A program of ours in the CLI's own language, as a file of its own.
    Plugin,
}
