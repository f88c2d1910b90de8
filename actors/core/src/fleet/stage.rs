//! Painted screens: what the screens of agent CLIs look like, written in a small markup.
//!
//! A `.screen` file holds a header that says which state it shows, and a body. The body is expanded for
//! a width, a height and a moment: rules and fills take the room that is left, long lines wrap as a
//! terminal wraps them, a spinner stands on one of its frames. Tests read what comes out with the rules of
//! a profile; the fake agents paint it. `docs/reference/screens.md` describes the markup.

mod file;
mod layout;
mod markup;
mod spinner;

use std::ops::Range;

pub use self::file::{Header, StageError};
use self::markup::Line;
pub use self::spinner::Spinner;
use crate::fleet::evidence::Verdict;
use crate::fleet::screen::Shot;
use crate::fleet::state::AgentState;
use crate::untrusted::Untrusted;

/// One painted screen.
#[derive(Debug, Clone)]
pub struct Painted {
    /// What its header says.
    pub header: Header,
    spinner: Spinner,
    title: Option<Line>,
    body: Vec<Line>,
}

/// The size and the moment for which a screen is expanded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Cells in a row.
    pub columns: u16,
    /// Rows of the pane: what `{bottom}` pushes down ends on the last one.
    pub rows: u16,
    /// How many frames the spinner has moved.
    pub spin: usize,
    /// Seconds since the work began.
    pub elapsed_seconds: u64,
    /// Tokens so far.
    pub tokens: u64,
}

impl Frame {
    /// An ordinary moment in a pane of that width.
    pub fn of(columns: u16) -> Self {
        Frame { columns, rows: 40, spin: 3, elapsed_seconds: 12, tokens: 1234 }
    }
}

/// An expanded screen: rows with SGR escape sequences.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sheet {
    /// Its rows from the top.
    pub rows: Vec<String>,
    /// Where the cursor stands: row and column from 0.
    pub cursor: Option<(usize, usize)>,
    /// The title that the CLI sets, if it sets one.
    pub title: Option<String>,
    /// Which rows come from which line of the body.
    spans: Vec<Range<usize>>,
}

impl Painted {
    /// Reads a `.screen` file of that CLI.
    pub fn parse(cli: &str, text: &str) -> Result<Self, StageError> {
        let (header, body, first) = file::split(text)?;
        let spinner = Spinner::of(cli);
        let title = header.title.as_deref().map(|t| markup::line(t, 1)).transpose()?;
        let body = body
            .lines()
            .enumerate()
            .map(|(i, line)| markup::line(line, first + i))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Painted { header, spinner, title, body })
    }

    /// The state that the screen shows.
    pub fn verdict(&self) -> Verdict {
        Verdict::new(self.header.state, self.header.detail)
    }

    /// Whether `state` is right for this screen.
    pub fn accepts(&self, state: AgentState) -> bool {
        state == self.header.state || self.header.accept.contains(&state)
    }

    /// The spinner of its CLI.
    pub fn spinner(&self) -> Spinner {
        self.spinner
    }

    /// Whether anything on it moves.
    pub fn is_live(&self) -> bool {
        self.body.iter().chain(&self.title).any(Line::is_live)
    }

    /// The screen with the lines of `quote` where its `{quote}` stands, in the body or the title. A body without
    /// one stays as it is.
    pub fn with_quote(&self, quote: &str) -> Result<Self, StageError> {
        let quoted =
            quote.lines().enumerate().map(|(i, l)| markup::line(l, i + 1)).collect::<Result<Vec<_>, _>>()?;
        let body = self.body.iter().flat_map(|line| line.quoting(&quoted)).collect();
        let title = self.title.as_ref().and_then(|t| t.quoting(&quoted).into_iter().next());
        Ok(Painted { title, body, ..self.clone() })
    }

    /// Expands the screen.
    pub fn sheet(&self, frame: &Frame) -> Sheet {
        let mut sheet = Sheet { title: self.title_at(frame), ..Sheet::default() };
        let mut bottom = None;
        for line in &self.body {
            let from = sheet.rows.len();
            if line.is_bottom() {
                bottom = Some((from, sheet.spans.len()));
            } else if line.shows_at(frame.columns) {
                self.put(line, frame, from, &mut sheet);
            }
            sheet.spans.push(from..sheet.rows.len());
        }
        if let Some((row, line)) = bottom {
            let free = usize::from(frame.rows).saturating_sub(sheet.rows.len());
            sheet.push_down(row, line, free);
        }
        sheet
    }

    /// Expands again only what moves. Returns the rows that changed, or nothing when the size of the screen did,
    /// so that it has to be expanded as a whole.
    pub fn refresh(&self, sheet: &mut Sheet, frame: &Frame) -> Option<Vec<usize>> {
        let mut changed = Vec::new();
        sheet.title = self.title_at(frame);
        for (line, span) in self.body.iter().zip(sheet.spans.clone()) {
            if !line.is_live() || span.is_empty() {
                continue;
            }
            let mut rows = layout::rows(line, self.spinner, frame).rows;
            if rows.len() != span.len() {
                return None;
            }
            for (row, text) in span.zip(rows.drain(..)) {
                if sheet.rows[row] != text {
                    sheet.rows[row] = text;
                    changed.push(row);
                }
            }
        }
        Some(changed)
    }

    fn put(&self, line: &Line, frame: &Frame, from: usize, sheet: &mut Sheet) {
        let laid = layout::rows(line, self.spinner, frame);
        if let Some((row, column)) = laid.cursor {
            sheet.cursor = Some((from + row, column));
        }
        sheet.rows.extend(laid.rows);
    }

    fn title_at(&self, frame: &Frame) -> Option<String> {
        self.title.as_ref().map(|line| layout::plain(line, self.spinner, frame))
    }

    /// The screen as a capture with escape sequences would show it.
    pub fn shot(&self, frame: &Frame) -> Shot {
        let sheet = self.sheet(frame);
        Shot {
            text: Untrusted::new(sheet.rows.join("\n")),
            title: Untrusted::new(sheet.title.unwrap_or_default()),
            columns: Some(frame.columns),
        }
    }

    /// The screen as a capture without escape sequences would show it: colour and attributes are lost.
    pub fn plain_shot(&self, frame: &Frame) -> Shot {
        let sheet = self.sheet(frame);
        let rows: Vec<String> = sheet.rows.iter().map(|row| layout::strip(row)).collect();
        Shot {
            text: Untrusted::new(rows.join("\n")),
            title: Untrusted::new(sheet.title.unwrap_or_default()),
            columns: Some(frame.columns),
        }
    }
}

impl Sheet {
    /// Moves everything from `row` on down by `free` rows.
    fn push_down(&mut self, row: usize, line: usize, free: usize) {
        self.rows.splice(row..row, std::iter::repeat_n(String::new(), free));
        for span in &mut self.spans[line..] {
            *span = span.start + free..span.end + free;
        }
        if let Some((at, _)) = self.cursor.as_mut().filter(|(at, _)| *at >= row) {
            *at += free;
        }
    }

    /// Only the last `rows` rows, as a pane of that height shows them.
    pub fn clip(&mut self, rows: usize) {
        let over = self.rows.len().saturating_sub(rows);
        self.rows.drain(..over);
        for span in &mut self.spans {
            *span = span.start.saturating_sub(over)..span.end.saturating_sub(over);
        }
        self.cursor = self.cursor.and_then(|(row, column)| Some((row.checked_sub(over)?, column)));
    }
}

#[cfg(test)]
mod tests;
