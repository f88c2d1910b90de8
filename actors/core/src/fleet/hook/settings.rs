//! Puts the calls of `tsup hook` into the text of a CLI's settings, and takes them out again.
//!
//! The text is edited where it must be and stays as it is everywhere else: order, comments, indentation.
//! Ours are the entries whose command is `tsup hook NAME`. [`json`] knows where things stand in JSON,
//! [`groups`] edits it; [`tables`] edits TOML; [`words`] reads a command as a shell does.

use super::rules::{Install, Style};
use crate::place::position;

mod groups;
mod json;
mod tables;
mod words;

/// Why a text is not edited.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// It cannot be read.
    #[error("{line}:{column}: {what}")]
    Syntax {
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// What is wrong.
        what: String,
    },
    /// It can be read, and means something else than settings with hooks.
    #[error("{0}")]
    Shape(String),
}

impl EditError {
    fn at(text: &str, offset: usize, what: impl Into<String>) -> Self {
        let (line, column) = position(text, offset);
        EditError::Syntax { line, column, what: what.into() }
    }
}

/// One call that stands in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The CLI's event.
    pub event: String,
    /// The command.
    pub command: String,
}

/// The text with a call for each event; `None` stands for a file that is not there. `command` is what is
/// called, without an event's name.
pub fn install(how: &Install, cli: &str, command: &str, text: Option<&str>) -> Result<String, EditError> {
    let call = |event: &String| if how.named { format!("{command} {event}") } else { command.to_owned() };
    let wanted = how.events.iter().map(|event| Entry { event: event.clone(), command: call(event) });
    let wanted: Vec<Entry> = wanted.collect();
    let text = text.unwrap_or_default();
    let there = installed(how, cli, text)?;
    if there.len() == wanted.len() && wanted.iter().all(|entry| there.contains(entry)) {
        return Ok(text.to_owned());
    }
    wanted.iter().try_fold(uninstall(how, cli, text)?, |text, Entry { event, command }| match how.style {
        Style::Tables => tables::add(&text, event, command),
        style => groups::add(&text, style, event, command),
    })
}

/// The text without our calls, and without what held nothing else.
pub fn uninstall(how: &Install, cli: &str, text: &str) -> Result<String, EditError> {
    match how.style {
        Style::Tables => tables::remove(text, cli),
        style => groups::remove(text, style, cli),
    }
}

/// Our calls in a text.
pub fn installed(how: &Install, cli: &str, text: &str) -> Result<Vec<Entry>, EditError> {
    match how.style {
        Style::Tables => tables::list(text, cli),
        style => groups::list(text, style, cli),
    }
}

/// Whether a command is `tsup hook NAME`, by whatever path tsup is called, with whatever behind it.
pub fn is_ours(command: &str, cli: &str) -> bool {
    let words = words::words(command);
    // A folder may be called `hook`, and a path may stand there without the quotes that its blanks want.
    let calls = |at: usize| words[at] == "hook" && words[..at].join(" ").rsplit('/').next() == Some("tsup");
    (1..words.len()).any(|at| calls(at) && words[at + 1..].iter().any(|word| word == cli))
}

#[cfg(test)]
mod tests;
