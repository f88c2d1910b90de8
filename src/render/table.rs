//! Tables that fit: columns give way in a stated order, then texts are cut with an ellipsis.

use anstyle::Style;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::Look;

/// Blanks between two columns.
const GAP: usize = 2;

/// A column.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Its head.
    pub title: &'static str,
    /// Whether its texts stand at its right side: numbers do.
    pub right: bool,
    /// Its texts may be cut to this many columns before a whole column is left out.
    pub min: usize,
    /// Columns with a larger number are left out first; 0 is never left out.
    pub give_way: u8,
}

impl Column {
    /// A column of texts.
    pub const fn text(title: &'static str, min: usize, give_way: u8) -> Self {
        Column { title, right: false, min, give_way }
    }

    /// A column of numbers, which are never cut.
    pub const fn number(title: &'static str, give_way: u8) -> Self {
        Column { title, right: true, min: usize::MAX, give_way }
    }
}

/// One text of a row.
#[derive(Debug, Clone, Default)]
pub struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// A text in a style.
    pub fn styled(text: impl Into<String>, style: Style) -> Self {
        Cell { text: text.into(), style }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Cell { text: text.into(), style: Style::new() }
    }
}

/// A table.
#[derive(Debug, Clone)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table without rows.
    pub fn new(columns: &[Column]) -> Self {
        Table { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row, which has a cell for each column.
    pub fn row(&mut self, cells: Vec<Cell>) {
        debug_assert_eq!(cells.len(), self.columns.len(), "a row has a cell for each column");
        self.rows.push(cells);
    }

    /// Draws the table; each line ends with a line's end.
    pub fn draw(&self, look: Look) -> String {
        let layout = self.layout(look.width);
        let mut out = String::new();
        let head: Vec<Cell> =
            self.columns.iter().map(|c| Cell::styled(c.title, Style::new().bold())).collect();
        for row in std::iter::once(&head).chain(&self.rows) {
            self.line(row, &layout, look, &mut out);
        }
        out
    }

    /// The columns that are shown, by index, each with its width.
    fn layout(&self, width: Option<usize>) -> Vec<(usize, usize)> {
        let natural = |i: usize| {
            let texts = self.rows.iter().map(|r| r[i].text.width());
            texts.chain([self.columns[i].title.width()]).max().unwrap_or(0)
        };
        let mut shown: Vec<(usize, usize)> = (0..self.columns.len()).map(|i| (i, natural(i))).collect();
        let Some(width) = width else { return shown };
        loop {
            if let Some(fitted) = self.fit(&shown, width) {
                return fitted;
            }
            let next = shown.iter().map(|(i, _)| self.columns[*i].give_way).max().unwrap_or(0);
            if next == 0 {
                return shown;
            }
            shown.retain(|(i, _)| self.columns[*i].give_way != next);
        }
    }

    /// Takes from the widest text until the line fits; `None` when it cannot.
    fn fit(&self, shown: &[(usize, usize)], width: usize) -> Option<Vec<(usize, usize)>> {
        let mut fitted = shown.to_vec();
        let gaps = GAP * shown.len().saturating_sub(1);
        loop {
            let total = fitted.iter().map(|(_, w)| w).sum::<usize>() + gaps;
            if total <= width {
                return Some(fitted);
            }
            let widest =
                fitted.iter_mut().filter(|(i, w)| *w > self.columns[*i].min).max_by_key(|(_, w)| *w)?;
            widest.1 -= 1;
        }
    }

    fn line(&self, row: &[Cell], layout: &[(usize, usize)], look: Look, out: &mut String) {
        let start = out.len();
        for (n, (i, width)) in layout.iter().enumerate() {
            if n > 0 {
                out.push_str(&" ".repeat(GAP));
            }
            let cell = &row[*i];
            let text = cut(&cell.text, *width);
            let pad = " ".repeat(width.saturating_sub(text.width()));
            let painted = look.paint(cell.style, &text);
            if self.columns[*i].right {
                out.extend([pad, painted]);
            } else {
                out.extend([painted, pad]);
            }
        }
        out.truncate(start + out[start..].trim_end_matches(' ').len());
        out.push('\n');
    }
}

/// The text, or as much of it as fits with an ellipsis at its end.
pub fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut used = 0;
    let mut out = String::new();
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used + 1 > width {
            break;
        }
        out.push(c);
    }
    if width > 0 {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut t =
            Table::new(&[Column::text("NAME", 4, 0), Column::number("N", 1), Column::text("TITLE", 5, 2)]);
        t.row(vec!["alpha".into(), "1".into(), "a title of some length".into()]);
        t.row(vec!["日本語".into(), "12345".into(), "x".into()]);
        t
    }

    fn draw(width: Option<usize>) -> String {
        table().draw(Look { color: false, width })
    }

    #[test]
    fn without_a_width_nothing_is_cut() {
        assert_eq!(
            draw(None),
            "NAME        N  TITLE\nalpha       1  a title of some length\n日本語  12345  x\n"
        );
    }

    #[test]
    fn texts_are_cut_before_columns_go() {
        assert_eq!(draw(Some(20)), "NAME        N  TITLE\nalpha       1  a ti…\n日本語  12345  x\n");
        assert_eq!(draw(Some(13)), "NAME        N\nalpha       1\n日本語  12345\n");
        assert_eq!(draw(Some(5)), "NAME\nalpha\n日本…\n");
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for width in 4..60 {
            for line in draw(Some(width)).lines() {
                assert!(line.width() <= width, "{width}: {line}");
            }
        }
    }
}
