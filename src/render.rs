//! What people see: text for a terminal, plain text for a pipe, documents for programs.
//!
//! This is the only place that writes to standard output. Text from outside reaches it as
//! `Untrusted`, whose `Display` escapes; colour never stands alone for a meaning.

pub mod agents;
pub mod detect;
pub mod event;
pub mod explain;
pub mod fault;
mod fold;
pub mod jobs;
pub mod metrics;
pub mod replay;
pub mod schedules;
pub mod sessions;
pub mod status;
pub mod table;
pub mod tree;
pub mod words;

use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anstyle::Style;
use serde::Serialize;
use tsup_core::error::{Exit, UserError};

use crate::cli::{Fail, Outcome};
use crate::config::plain;

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Color {
    /// On a terminal that can, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Where a verb writes.
#[derive(Debug, Clone)]
pub struct Out {
    /// How to draw.
    pub look: Look,
    /// Whether a program reads: then an error is a document, too.
    json: bool,
    /// Whether anything was written: a document is the only one, and what a stream told stays as it is.
    wrote: Arc<AtomicBool>,
}

/// How to draw: what the terminal can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Whether colour is wanted.
    pub color: bool,
    /// Columns of the terminal; `None` when the output is not cut to a width.
    pub width: Option<usize>,
}

impl Look {
    /// The text in a style, when colour is wanted.
    pub fn paint(self, style: Style, text: &str) -> String {
        if self.color { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }
}

impl Out {
    /// The output of this process.
    pub fn new(color: Color, json: bool) -> Self {
        let stdout = std::io::stdout();
        let color = match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => anstream::AutoStream::choice(&stdout) != anstream::ColorChoice::Never,
        };
        let look = Look { color, width: stdout.is_terminal().then(terminal_width) };
        Out { look, json, wrote: Arc::default() }
    }

    /// Writes bytes as they are.
    pub fn bytes(&self, bytes: &[u8]) -> Result<(), Fail> {
        self.wrote.fetch_or(!bytes.is_empty(), Ordering::Relaxed);
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(|e| match e.kind() {
            std::io::ErrorKind::BrokenPipe => Fail::Closed,
            _ => UserError::new(Exit::Failed, format!("cannot write the output: {}", plain(&e))).into(),
        })
    }

    /// Writes text, ending it with a line's end when it has none.
    pub fn print(&self, text: &str) -> Result<(), Fail> {
        let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        self.bytes(format!("{text}{end}").as_bytes())
    }

    /// Writes one document on one line.
    pub fn json(&self, document: &impl Serialize) -> Result<(), Fail> {
        let text = serde_json::to_string(document)
            .map_err(|e| UserError::new(Exit::Bug, format!("a document cannot be written as JSON: {e}")))?;
        self.print(&text)
    }

    /// Says something to the person; the output stays clean.
    pub fn say(&self, text: &str) {
        // Nobody may be listening, which changes nothing.
        let _ = writeln!(std::io::stderr(), "{text}");
    }

    /// Passes on bytes for the person; the output stays clean.
    pub fn talk(&self, bytes: &[u8]) {
        let _ = std::io::stderr().lock().write_all(bytes);
    }

    /// Says how a verb ended, and gives its exit code.
    pub fn conclude(&self, outcome: Outcome) -> u8 {
        match outcome {
            Ok(exit) => exit.code(),
            Err(Fail::Closed) => Exit::Ok.code(),
            Err(Fail::Code(code)) => code,
            Err(Fail::User(error)) => {
                self.say(&error_text(&error));
                if self.json && !self.wrote.load(Ordering::Relaxed) {
                    // Whoever cannot be told so has the exit code.
                    let _ = self.json(&fault::FaultDoc::of(&error));
                }
                error.exit.code()
            }
        }
    }
}

/// An error as people read it: what, and under it what to do.
pub fn error_text(error: &UserError) -> String {
    let mut text = format!("tsup: {}", tsup_core::untrusted::Untrusted::new(error.what.as_str()));
    if let Some(hint) = &error.hint {
        let _ = write!(text, "\n  hint: {}", tsup_core::untrusted::Untrusted::new(hint.as_str()));
    }
    text
}

/// Columns of the terminal, 80 where it does not say.
pub fn terminal_width() -> usize {
    let told = rustix::termios::tcgetwinsize(std::io::stdout()).ok().map(|w| usize::from(w.ws_col));
    told.filter(|w| *w > 0).unwrap_or(80)
}

#[cfg(test)]
mod tests;
