//! Lays a line out in rows of a given width.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthChar as _;

use super::Frame;
use super::markup::{Line, Part};
use super::spinner::Spinner;

/// A character with the cells it takes and the attributes it has.
#[derive(Debug, Clone, Copy)]
struct Cell {
    glyph: char,
    width: usize,
    style: usize,
}

/// A line's rows.
pub(super) struct Laid {
    pub(super) rows: Vec<String>,
    /// Row and column of the cursor.
    pub(super) cursor: Option<(usize, usize)>,
}

/// Cells of one line before it is broken into rows.
#[derive(Default)]
struct Strip {
    cells: Vec<Cell>,
    styles: Vec<String>,
    /// Places of fills: index of the cell they stand before, and their character.
    fills: Vec<(usize, char)>,
    /// Where text may be cut: from and to.
    cuts: Vec<(usize, usize)>,
    cursor: Option<usize>,
}

/// The rows of a line.
pub(super) fn rows(line: &Line, spinner: Spinner, frame: &Frame) -> Laid {
    let columns = usize::from(frame.columns).max(1);
    let mut strip = strip_of(line, spinner, frame);
    strip.cut(columns);
    strip.fill(columns);
    let breaks = match line.flow {
        Some(hang) => strip.flow(columns, hang.min(columns / 2)),
        None => strip.wrap(columns),
    };
    strip.write(&breaks)
}

/// The text of a line in one row, without attributes.
pub(super) fn plain(line: &Line, spinner: Spinner, frame: &Frame) -> String {
    strip_of(line, spinner, frame).cells.iter().map(|c| c.glyph).collect()
}

/// Takes SGR escape sequences out.
pub(super) fn strip(row: &str) -> String {
    let mut text = String::with_capacity(row.len());
    let mut rest = row;
    while let Some(at) = rest.find("\x1b[") {
        text.push_str(&rest[..at]);
        rest = rest[at..].find('m').map_or("", |end| &rest[at + end + 1..]);
    }
    text.push_str(rest);
    text
}

fn strip_of(line: &Line, spinner: Spinner, frame: &Frame) -> Strip {
    let mut strip = Strip { styles: vec![String::new()], ..Strip::default() };
    let mut style = 0;
    let mut cut_from = None;
    for part in &line.parts {
        match part {
            Part::Text(text) => strip.text(text, style),
            Part::Attribute(code) => {
                let mut codes = strip.styles[style].clone();
                let _ = write!(codes, "{}{code}", if codes.is_empty() { "" } else { ";" });
                strip.styles.push(codes);
                style = strip.styles.len() - 1;
            }
            Part::Off => style = 0,
            Part::Fill(glyph) => {
                strip.cuts.extend(cut_from.take().map(|from| (from, strip.cells.len())));
                strip.fills.push((strip.cells.len(), *glyph));
            }
            Part::Cut => cut_from = Some(strip.cells.len()),
            Part::Spin(own) => strip.text(own.unwrap_or(spinner).glyph(frame.spin), style),
            Part::Elapsed => strip.text(&elapsed(frame.elapsed_seconds), style),
            Part::Tokens => strip.text(&tokens(frame.tokens), style),
            Part::Cursor => strip.cursor = Some(strip.cells.len()),
            // A base that is shown without a quote has nothing there.
            Part::Quote => {}
        }
    }
    strip.cuts.extend(cut_from.take().map(|from| (from, strip.cells.len())));
    strip
}

/// Durations as the CLIs write them: `12s`, `1m 8s`.
fn elapsed(seconds: u64) -> String {
    match (seconds / 60, seconds % 60) {
        (0, s) => format!("{s}s"),
        (m, s) => format!("{m}m {s}s"),
    }
}

/// Counts as the CLIs write them: `297`, `1.2k`.
fn tokens(count: u64) -> String {
    if count < 1000 { count.to_string() } else { format!("{}.{}k", count / 1000, count % 1000 / 100) }
}

impl Strip {
    fn text(&mut self, text: &str, style: usize) {
        self.cells.extend(text.chars().map(|glyph| Cell { glyph, width: glyph.width().unwrap_or(0), style }));
    }

    fn width(&self) -> usize {
        self.cells.iter().map(|c| c.width).sum()
    }

    /// Cuts the first place that may be cut so that the line fits.
    fn cut(&mut self, columns: usize) {
        let over = self.width().saturating_sub(columns);
        let Some(&(from, mut to)) = self.cuts.first().filter(|_| over > 0) else { return };
        let mut gone = 0;
        while to > from && gone < over + 1 {
            to -= 1;
            let cell = self.cells.remove(to);
            gone += cell.width;
            self.shift(to, -1);
        }
        let style = self.cells.get(to.saturating_sub(1)).map_or(0, |c| c.style);
        self.cells.insert(to, Cell { glyph: '…', width: 1, style });
        self.shift(to, 1);
    }

    /// Shares the room that is left among the fills.
    fn fill(&mut self, columns: usize) {
        let free = columns.saturating_sub(self.width());
        let count = self.fills.len();
        for n in 0..count {
            let (at, glyph) = self.fills[n];
            let share = free / count + usize::from(n < free % count);
            let style = at.checked_sub(1).and_then(|i| self.cells.get(i)).map_or(0, |c| c.style);
            let cells = std::iter::repeat_n(Cell { glyph, width: 1, style }, share);
            self.cells.splice(at..at, cells);
            for later in &mut self.fills[n + 1..] {
                later.0 += share;
            }
            if let Some(cursor) = self.cursor.as_mut().filter(|c| **c > at) {
                *cursor += share;
            }
        }
    }

    /// Moves what stands behind a cell that was put in or taken out.
    fn shift(&mut self, at: usize, by: isize) {
        for (fill, _) in &mut self.fills {
            if *fill > at {
                *fill = fill.saturating_add_signed(by);
            }
        }
        if let Some(cursor) = self.cursor.as_mut().filter(|c| **c > at) {
            *cursor = cursor.saturating_add_signed(by);
        }
    }

    /// Breaks where a terminal breaks: after the last cell that fits. Each row is its indentation and its cells.
    fn wrap(&self, columns: usize) -> Vec<(usize, usize, usize)> {
        let mut rows = Vec::new();
        let (mut from, mut width) = (0, 0);
        for (i, cell) in self.cells.iter().enumerate() {
            if width + cell.width > columns && i > from {
                rows.push((0, from, i));
                (from, width) = (i, 0);
            }
            width += cell.width;
        }
        rows.push((0, from, self.cells.len()));
        rows
    }

    /// Breaks at spaces, and inside a word only when it is longer than a row.
    fn flow(&self, columns: usize, hang: usize) -> Vec<(usize, usize, usize)> {
        let mut rows = Vec::new();
        let (mut from, mut indent) = (0, 0);
        while from < self.cells.len() {
            let end = self.row_end(from, columns - indent);
            if end == self.cells.len() {
                break;
            }
            let space = (from + 1..=end).rev().find(|&i| self.cells[i].glyph == ' ');
            // A row is not broken inside its own indentation.
            let at = space.filter(|&i| self.cells[from..i].iter().any(|c| c.glyph != ' ')).unwrap_or(end);
            rows.push((indent, from, at));
            from = at;
            while self.cells.get(from).is_some_and(|c| c.glyph == ' ') {
                from += 1;
            }
            indent = hang;
        }
        if from < self.cells.len() || rows.is_empty() {
            rows.push((indent, from, self.cells.len()));
        }
        rows
    }

    /// Where a row that begins at `from` ends at the latest.
    fn row_end(&self, from: usize, columns: usize) -> usize {
        let mut width = 0;
        for (i, cell) in self.cells.iter().enumerate().skip(from) {
            width += cell.width;
            if width > columns && i > from {
                return i;
            }
        }
        self.cells.len()
    }

    fn write(&self, breaks: &[(usize, usize, usize)]) -> Laid {
        let mut rows = Vec::with_capacity(breaks.len());
        let mut cursor = None;
        for (row, &(indent, from, to)) in breaks.iter().enumerate() {
            let mut text = " ".repeat(indent);
            let mut style = 0;
            for cell in &self.cells[from..to] {
                if cell.style != style {
                    style = cell.style;
                    let codes = &self.styles[style];
                    let _ = write!(text, "\x1b[0{}{codes}m", if codes.is_empty() { "" } else { ";" });
                }
                text.push(cell.glyph);
            }
            if style != 0 {
                text.push_str("\x1b[0m");
            }
            if let Some(at) = self.cursor.filter(|c| (from..=to).contains(c)) {
                let before: usize = self.cells[from..at].iter().map(|c| c.width).sum();
                cursor = Some((row, indent + before));
            }
            rows.push(text);
        }
        Laid { rows, cursor }
    }
}
