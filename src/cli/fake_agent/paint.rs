//! Brings a painted screen to the terminal, and moves what moves on it.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::time::Duration;

use tsup_core::fleet::stage::{Frame, Painted, Sheet};

/// A terminal that shows painted screens. Like the real programs it writes again only what changed.
pub(super) struct Canvas<W> {
    out: W,
    shown: Option<Shown>,
    title: Option<String>,
}

struct Shown {
    screen: Painted,
    sheet: Sheet,
    size: (u16, u16),
}

/// A terminal that does not tell its size is taken for one of this.
const SIZE: (u16, u16) = (80, 24);

/// Columns and rows of the terminal on the standard output.
fn size() -> (u16, u16) {
    match rustix::termios::tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col, size.ws_row),
        _ => SIZE,
    }
}

impl<W: Write> Canvas<W> {
    pub(super) fn new(out: W) -> Self {
        Canvas { out, shown: None, title: None }
    }

    /// Paints a screen from the top.
    pub(super) fn show(&mut self, screen: Painted, moment: Moment) -> io::Result<()> {
        let size = size();
        let mut sheet = screen.sheet(&moment.frame(&screen, size));
        sheet.clip(usize::from(size.1));
        let first = self.shown.is_none();
        self.write(&sheet, first, usize::from(size.1))?;
        self.shown = Some(Shown { screen, sheet, size });
        Ok(())
    }

    /// Moves the screen on to another moment; paints it anew when the terminal has another size.
    pub(super) fn advance(&mut self, moment: Moment) -> io::Result<()> {
        let Some(mut shown) = self.shown.take() else { return Ok(()) };
        let frame = moment.frame(&shown.screen, shown.size);
        let changed =
            if shown.size == size() { shown.screen.refresh(&mut shown.sheet, &frame) } else { None };
        let Some(rows) = changed else { return self.show(shown.screen, moment) };
        let mut text = String::new();
        for row in rows {
            let _ = write!(text, "\x1b[{};1H\x1b[2K{}", row + 1, shown.sheet.rows[row]);
        }
        if !text.is_empty() {
            text += &cursor(&shown.sheet);
        }
        text += &self.titled(&shown.sheet);
        self.out.write_all(text.as_bytes())?;
        self.shown = Some(shown);
        self.out.flush()
    }

    /// Paints what is shown once more: something else was written over it.
    pub(super) fn repaint(&mut self, moment: Moment) -> io::Result<()> {
        match self.shown.take() {
            Some(shown) => self.show(shown.screen, moment),
            None => Ok(()),
        }
    }

    /// Time between two moments of what is shown; nothing when it stands still.
    pub(super) fn pace(&self) -> Option<Duration> {
        let shown = self.shown.as_ref().filter(|s| s.screen.is_live())?;
        Some(Duration::from_millis(shown.screen.spinner().every_ms()))
    }

    /// Writes text as it is.
    pub(super) fn raw(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }

    fn write(&mut self, sheet: &Sheet, first: bool, height: usize) -> io::Result<()> {
        // Each row is cleared before it is written: behind a full row a terminal would clear its last cell.
        let rows: Vec<String> = sheet.rows.iter().map(|row| format!("\x1b[2K{row}")).collect();
        let clear = if first { "\x1b[2J\x1b[H" } else { "\x1b[H" };
        let below = if rows.is_empty() { "\x1b[J" } else { "" };
        let mut text = format!("{clear}{}{below}", rows.join("\r\n"));
        // There is nothing below the last row: a terminal would take the cursor back into it, and clear it.
        if sheet.rows.len() < height {
            let _ = write!(text, "\x1b[{};1H\x1b[J", sheet.rows.len() + 1);
        }
        text += &cursor(sheet);
        text += &self.titled(sheet);
        self.raw(&text)
    }

    /// Sets the title where it changed. A screen without one takes the last one away; a terminal whose title
    /// was never set keeps what its owner gave it.
    fn titled(&mut self, sheet: &Sheet) -> String {
        if self.title == sheet.title {
            return String::new();
        }
        self.title.clone_from(&sheet.title);
        format!("\x1b]2;{}\x07", sheet.title.as_deref().unwrap_or_default())
    }
}

/// Prints a screen once, for whoever wants to see it.
pub(super) fn print(out: &mut impl Write, screen: &Painted) -> io::Result<()> {
    let sheet = screen.sheet(&Moment::default().frame(screen, size()));
    writeln!(out, "{}", sheet.rows.join("\n"))?;
    out.flush()
}

/// Puts the cursor where the screen has it, or behind its last row.
fn cursor(sheet: &Sheet) -> String {
    let (row, column) = sheet.cursor.unwrap_or((sheet.rows.len().saturating_sub(1), 0));
    format!("\x1b[{};{}H", row + 1, column + 1)
}

/// A moment of a step.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Moment {
    /// Time since the step began.
    pub(super) elapsed: Duration,
    /// Varies the figures.
    pub(super) seed: u64,
}

impl Moment {
    fn frame(self, screen: &Painted, (columns, rows): (u16, u16)) -> Frame {
        let ms = self.elapsed.as_millis() as u64;
        Frame {
            columns,
            rows,
            spin: (ms / screen.spinner().every_ms().max(1)) as usize,
            elapsed_seconds: self.elapsed.as_secs(),
            tokens: 40 + self.seed % 40 + ms / 20,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn painted(text: &str) -> Painted {
        Painted::parse("opencode", text).unwrap()
    }

    fn written(sheets: &[Sheet], height: usize) -> String {
        let mut canvas = Canvas::new(Vec::new());
        for (n, sheet) in sheets.iter().enumerate() {
            canvas.write(sheet, n == 0, height).unwrap();
        }
        String::from_utf8(canvas.out).unwrap()
    }

    #[test]
    fn a_screen_that_fills_the_terminal_keeps_its_last_row() {
        let screen = painted("---\nstate = \"idle\"\n---\ntop\n{bottom}\nlast");
        let frame = Frame { rows: 5, ..Frame::of(20) };
        let sheet = screen.sheet(&frame);
        assert_eq!(sheet.rows.len(), 5);
        let full = written(std::slice::from_ref(&sheet), 5);
        assert!(!full[full.find("last").unwrap()..].contains("\x1b[J"), "{full:?}");
        let taller = written(&[sheet], 6);
        assert!(taller.contains("last\x1b[6;1H\x1b[J"), "{taller:?}");
    }

    #[test]
    fn a_screen_without_a_title_takes_the_last_one_away_once() {
        let with = painted("---\nstate = \"idle\"\ntitle = \"OC\"\n---\ntop");
        let without = painted("---\nstate = \"idle\"\n---\ntop");
        let sheets = [&without, &with, &without, &without].map(|s| s.sheet(&Frame::of(20)));
        let text = written(&sheets, 24);
        let titles: Vec<&str> =
            text.split("\x1b]2;").skip(1).map(|t| t.split('\x07').next().unwrap()).collect();
        assert_eq!(titles, ["OC", ""]);
    }
}
