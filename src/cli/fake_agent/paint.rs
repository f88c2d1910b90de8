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
        self.write(&sheet, first)?;
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

    /// Whether the terminal has another size than the one that was painted for.
    pub(super) fn resized(&self) -> bool {
        self.shown.as_ref().is_some_and(|shown| shown.size != size())
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

    fn write(&mut self, sheet: &Sheet, first: bool) -> io::Result<()> {
        // Each row is cleared before it is written: behind a full row a terminal would clear its last cell.
        let rows: Vec<String> = sheet.rows.iter().map(|row| format!("\x1b[2K{row}")).collect();
        let clear = if first { "\x1b[2J\x1b[H" } else { "\x1b[H" };
        let below = if rows.is_empty() { "\x1b[J" } else { "" };
        let mut text = format!("{clear}{}{below}", rows.join("\r\n"));
        let next = sheet.rows.len() + 1;
        let _ = write!(text, "\x1b[{next};1H\x1b[J");
        text += &cursor(sheet);
        text += &self.titled(sheet);
        self.raw(&text)
    }

    /// Sets the title where it changed.
    fn titled(&mut self, sheet: &Sheet) -> String {
        match &sheet.title {
            Some(title) if self.title.as_ref() != Some(title) => {
                self.title = Some(title.clone());
                format!("\x1b]2;{title}\x07")
            }
            _ => String::new(),
        }
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
