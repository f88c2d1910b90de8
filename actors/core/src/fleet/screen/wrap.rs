//! Makes one line again of what the terminal broke at its right edge.
//!
//! A program wraps its own words between words and keeps its indentation; a terminal that is too narrow breaks
//! anywhere and goes on in the first column. A row that fills the pane and goes on so is one line with
//! the next. What is drawn (rules, boxes, options, prompts, marks) stands for itself.

use super::line::{is_bar_char, is_rule, is_side, menu_item};
use super::shell;
use super::text::Line;
use crate::limits::{SCREEN_LINE_BYTES_MAX, WRAP_COLUMNS_MIN, WRAPPED_ROWS_MAX};

/// The lines with those made whole that the terminal broke, or nothing when none was.
pub(super) fn joined<'a>(lines: &[Line<'a>], columns: Option<u16>) -> Option<Vec<Line<'a>>> {
    let edge = Edge::of(lines, columns)?;
    let seams: Vec<Option<&str>> = (0..lines.len()).map(|at| edge.seam(lines, at)).collect();
    if seams.iter().all(Option::is_none) {
        return None;
    }
    let mut whole: Vec<Line<'a>> = Vec::with_capacity(lines.len());
    let mut rows = 1;
    for (line, seam) in lines.iter().zip(seams) {
        match (seam, whole.last_mut()) {
            (Some(seam), Some(last))
                if rows < WRAPPED_ROWS_MAX && last.text.len() + line.text.len() < SCREEN_LINE_BYTES_MAX =>
            {
                last.go_on(seam, line);
                rows += 1;
            }
            _ => {
                whole.push(line.clone());
                rows = 1;
            }
        }
    }
    Some(whole)
}

/// The right edge of the pane.
struct Edge {
    columns: usize,
    widths: Vec<usize>,
    /// Whether it is known, or reached by several rows. What one row alone reaches may be its own end.
    sure: bool,
}

impl Edge {
    fn of(lines: &[Line<'_>], columns: Option<u16>) -> Option<Self> {
        let widths: Vec<usize> = lines.iter().map(Line::width).collect();
        let widest = widths.iter().copied().max().unwrap_or(0);
        let known = columns.map(usize::from);
        let columns = known.unwrap_or(widest);
        let sure = known.is_some() || widths.iter().filter(|width| **width == widest).count() > 1;
        (widest >= columns && columns >= WRAP_COLUMNS_MIN).then_some(Edge { columns, widths, sure })
    }

    /// What stood between a row and the one above it, if they are one line: nothing, or the blank that the
    /// capture took off.
    fn seam(&self, lines: &[Line<'_>], at: usize) -> Option<&'static str> {
        let above = at.checked_sub(1)?;
        let room = self.columns.saturating_sub(self.widths[above]);
        let (line, next) = (&lines[above], &lines[at]);
        let hung = line.indent > 0 || is_side(line);
        let seam = match room {
            0 => "",
            1 if hung && next.indent == 0 => " ",
            _ => return None,
        };
        (breaks(line) && goes_on(line, next, self.sure) && !shell::is_line(lines, at)).then_some(seam)
    }
}

/// Whether a row may go on: it is no rule, and no row of a box that has its right border.
fn breaks(line: &Line<'_>) -> bool {
    let framed = line.body().starts_with(is_frame) && line.body().ends_with(is_frame);
    !framed && !is_rule(line) && !line.body().ends_with('…')
}

fn is_frame(c: char) -> bool {
    let corner = matches!(
        c,
        '╭' | '╮'
            | '╰'
            | '╯'
            | '┌'
            | '┐'
            | '└'
            | '┘'
            | '┏'
            | '┓'
            | '┗'
            | '┛'
            | '╔'
            | '╗'
            | '╚'
            | '╝'
    );
    corner || is_bar_char(c)
}

/// Whether a row may be the rest of the one above it: words from the first column on, or what closes a box. Of
/// words that were parted before a blank, the blank comes first.
fn goes_on(above: &Line<'_>, line: &Line<'_>, sure: bool) -> bool {
    let body = line.body();
    let Some(first) = body.chars().next().filter(|_| line.indent <= 1) else { return false };
    if above.body().starts_with(is_frame) && body.ends_with(is_frame) && !body.starts_with(is_bar_char) {
        return true;
    }
    if line.indent == 1 && above.indent == 1 && menu_item(above.body()).is_none() {
        return false;
    }
    let closes =
        matches!(first, ')' | ']' | '}' | '.' | ',' | ';' | ':' | '!' | '?' | '\'' | '"' | '`' | '…' | '·');
    let words = first.is_alphanumeric() || matches!(first, '/' | '(' | '[' | '-' | '_' | '=');
    let ends_box = matches!(first, '╯' | '┘' | '┛' | '╝');
    menu_item(body).is_none() && (closes || ends_box || first.is_lowercase() || (sure && words))
}

#[cfg(test)]
mod tests;
