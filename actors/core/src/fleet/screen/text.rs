//! The text of a screen: lines without escapes, with the attributes that matter.
//!
//! Only the tail of a capture is read, and only so many bytes of a line, so that a hostile screen costs no
//! more than a large one. Attributes run on from line to line, as tmux writes them.

use std::borrow::Cow;

use unicode_width::UnicodeWidthStr;

use crate::limits::{SCREEN_BLANK_LINES_MAX, SCREEN_LINE_BYTES_MAX, SCREEN_LINES_MAX};

/// Attributes of a run of text that say something about its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Style {
    /// Dim or greyed text: placeholders and hints are drawn so.
    pub dim: bool,
    /// Reverse video: a cursor that the program draws itself.
    pub reverse: bool,
    /// Text that is not shown.
    pub hidden: bool,
}

/// One line of a screen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Line<'a> {
    /// Its text, every odd space a plain one, blanks at the end taken off.
    pub text: Cow<'a, str>,
    /// Spaces before its first character.
    pub indent: usize,
    /// Where each style begins, in bytes of the text; empty for a line that is plain throughout.
    styles: Vec<(usize, Style)>,
}

impl Line<'_> {
    /// Goes on with the words of another line behind `seam`.
    pub fn go_on(&mut self, seam: &str, next: &Line<'_>) {
        let from = self.text.len() + seam.len();
        if !self.styles.is_empty() || !next.styles.is_empty() {
            if self.styles.is_empty() {
                self.styles.push((0, Style::default()));
            }
            match next.styles.as_slice() {
                [] => self.styles.push((from, Style::default())),
                styles => self.styles.extend(styles.iter().map(|(at, style)| (from + at, *style))),
            }
        }
        let text = self.text.to_mut();
        text.push_str(seam);
        text.push_str(&next.text);
    }

    /// Whether nothing is on it.
    pub fn is_blank(&self) -> bool {
        self.text.len() == self.indent
    }

    /// Its text from the first character on.
    pub fn body(&self) -> &str {
        self.text.get(self.indent..).unwrap_or("")
    }

    /// Its width in cells.
    pub fn width(&self) -> usize {
        self.text.width()
    }

    /// Whether all that can be seen from byte `from` on is dim. A cursor drawn in reverse video on its first
    /// character does not count against it.
    pub fn is_dim_from(&self, from: usize) -> bool {
        let mut any = false;
        for (at, style) in self.styles.iter().enumerate() {
            let end = self.styles.get(at + 1).map_or(self.text.len(), |next| next.0);
            let start = style.0.max(from);
            let Some(run) = self.text.get(start..end.max(start)) else { continue };
            if run.trim().is_empty() {
                continue;
            }
            any |= style.1.dim;
            let cursor = style.1.reverse && run.chars().count() == 1;
            if !style.1.dim && !cursor {
                return false;
            }
        }
        any
    }
}

/// The last lines of a capture, blank ones at the end taken off, oldest first.
pub fn lines(text: &str) -> Vec<Line<'_>> {
    let tail = tail(text);
    let mut style = Style::default();
    let mut lines: Vec<Line<'_>> = tail.split('\n').map(|raw| line(raw, &mut style)).collect();
    while lines.last().is_some_and(Line::is_blank) {
        lines.pop();
    }
    let surplus = lines.len().saturating_sub(SCREEN_LINES_MAX);
    lines.drain(..surplus);
    lines
}

/// The end of a text that holds the lines which are read.
fn tail(text: &str) -> &str {
    let text = text.trim_end();
    let newlines = text.bytes().enumerate().rev().filter(|(_, b)| *b == b'\n');
    match newlines.map(|(at, _)| at).nth(SCREEN_LINES_MAX + SCREEN_BLANK_LINES_MAX - 1) {
        Some(at) => &text[at + 1..],
        None => text,
    }
}

fn bounded(raw: &str) -> &str {
    let mut end = raw.len().min(SCREEN_LINE_BYTES_MAX);
    while !raw.is_char_boundary(end) {
        end -= 1;
    }
    &raw[..end]
}

/// Reads one line; `style` runs on from the line before.
fn line<'a>(whole: &'a str, style: &mut Style) -> Line<'a> {
    let raw = bounded(whole);
    if *style == Style::default() && raw.chars().all(|c| read_as(c) == Some(c)) {
        let text = raw.trim_end_matches(' ');
        let indent = text.len() - text.trim_start_matches(' ').len();
        run_on(&whole[raw.len()..], style);
        return Line { text: Cow::Borrowed(text), indent, styles: Vec::new() };
    }
    let mut text = String::with_capacity(raw.len());
    let mut styles = vec![(0, *style)];
    let mut rest = whole;
    while let Some(c) = rest.chars().next().filter(|_| whole.len() - rest.len() < raw.len()) {
        rest = &rest[c.len_utf8()..];
        if c == '\u{1b}' {
            let (length, sequence) = escape(rest);
            rest = &rest[length..];
            if let Some(parameters) = sequence {
                select(style, parameters);
                note(&mut styles, text.len(), *style);
            }
        } else if !style.hidden
            && let Some(c) = read_as(c)
        {
            text.push(c);
        }
    }
    run_on(rest, style);
    text.truncate(text.trim_end_matches(' ').len());
    let indent = text.len() - text.trim_start_matches(' ').len();
    if styles.iter().all(|(_, style)| *style == Style::default()) {
        styles.clear();
    }
    Line { text: Cow::Owned(text), indent, styles }
}

/// Goes over what is not read of a line for the attributes that the next one has.
fn run_on(mut rest: &str, style: &mut Style) {
    while let Some(at) = rest.find('\u{1b}') {
        rest = &rest[at + 1..];
        let (length, sequence) = escape(rest);
        rest = &rest[length..];
        if let Some(parameters) = sequence {
            select(style, parameters);
        }
    }
}

fn note(styles: &mut Vec<(usize, Style)>, at: usize, style: Style) {
    match styles.last_mut() {
        Some(last) if last.0 == at => last.1 = style,
        Some(last) if last.1 == style => {}
        _ => styles.push((at, style)),
    }
}

/// What a character is read as: odd spaces as plain ones, what takes no cell and what drives a terminal as
/// nothing.
fn read_as(c: char) -> Option<char> {
    match c {
        ' '..='~' => Some(c),
        '\t' | '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => {
            Some(' ')
        }
        '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}'
        | '\u{ad}' => None,
        // Typographers' quotes are what some versions of a CLI write and others do not.
        '\u{2018}' | '\u{2019}' => Some('\''),
        '\u{201c}' | '\u{201d}' => Some('"'),
        c if c.is_control() => None,
        c => Some(c),
    }
}

/// The length of the sequence after an escape character, and its parameters if it selects attributes.
fn escape(rest: &str) -> (usize, Option<&str>) {
    let bytes = rest.as_bytes();
    match bytes.first() {
        Some(b'[') => {
            let end = bytes[1..].iter().position(|b| !(0x20..=0x3f).contains(b)).map(|at| at + 1);
            match end {
                Some(at) if (0x40..=0x7e).contains(&bytes[at]) => {
                    let parameters = (bytes[at] == b'm').then(|| &rest[1..at]);
                    (at + 1, parameters)
                }
                // Not a sequence after all: its introducer is dropped, the rest is text.
                Some(at) => (at, None),
                None => (bytes.len(), None),
            }
        }
        // A string ends with BEL or ESC \; what has no end on this line is dropped to the line's end.
        Some(b']' | b'P' | b'X' | b'^' | b'_') => {
            let end = bytes.iter().position(|b| *b == 0x07 || *b == 0x1b);
            match end {
                Some(at) if bytes[at] == 0x07 => (at + 1, None),
                Some(at) if bytes.get(at + 1) == Some(&b'\\') => (at + 2, None),
                Some(at) => (at, None),
                None => (bytes.len(), None),
            }
        }
        Some(0x20..=0x7e) => {
            let inner = bytes.iter().take_while(|b| (0x20..=0x2f).contains(*b)).count();
            let last = usize::from(bytes.get(inner).is_some_and(|b| (0x30..=0x7e).contains(b)));
            (inner + last, None)
        }
        _ => (0, None),
    }
}

/// Applies the parameters of a select-graphic-rendition sequence.
fn select(style: &mut Style, parameters: &str) {
    let mut numbers = parameters.split(';');
    while let Some(number) = numbers.next() {
        match number {
            "" | "0" | "00" => *style = Style::default(),
            // Bright black is what themes draw hints with.
            "2" | "90" => style.dim = true,
            "22" => style.dim = false,
            "7" => style.reverse = true,
            "27" => style.reverse = false,
            "8" => style.hidden = true,
            "28" => style.hidden = false,
            "38" | "48" | "58" => {
                let skipped = match numbers.next() {
                    Some("5") => 1,
                    Some("2") => 3,
                    _ => 0,
                };
                for _ in 0..skipped {
                    numbers.next();
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
