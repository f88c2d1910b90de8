//! Reads one line of markup.

use super::file::StageError;
use super::spinner::Spinner;

/// One piece of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Text(String),
    /// An SGR parameter that holds from here on.
    Attribute(String),
    /// No attribute from here on.
    Off,
    /// Takes the room that is left in the row.
    Fill(char),
    /// From here to the next fill, text that does not fit is cut with an ellipsis.
    Cut,
    Spin(Option<Spinner>),
    Elapsed,
    Tokens,
    Cursor,
    Quote,
}

/// A line of the body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) parts: Vec<Part>,
    /// Wrapped at words, further rows indented by this many cells; otherwise at the cell, as a terminal does.
    pub(super) flow: Option<usize>,
    from_columns: u16,
    upto_columns: Option<u16>,
    bottom: bool,
}

impl Line {
    pub(super) fn is_live(&self) -> bool {
        self.parts.iter().any(|p| matches!(p, Part::Spin(_) | Part::Elapsed | Part::Tokens))
    }

    /// Whether it pushes what follows to the bottom of the pane.
    pub(super) fn is_bottom(&self) -> bool {
        self.bottom
    }

    pub(super) fn shows_at(&self, columns: u16) -> bool {
        columns >= self.from_columns && self.upto_columns.is_none_or(|most| columns <= most)
    }

    /// The line with `quote` in its place: the first quoted line stands after what stands before, the others below it.
    pub(super) fn quoting(&self, quote: &[Line]) -> Vec<Line> {
        let Some(at) = self.parts.iter().position(|p| *p == Part::Quote) else {
            return vec![self.clone()];
        };
        let (before, after) = (&self.parts[..at], &self.parts[at + 1..]);
        let below: Vec<Part> = before.iter().map(margin).collect();
        quote
            .iter()
            .enumerate()
            .map(|(i, line)| {
                let lead = if i == 0 { before } else { &below };
                let parts = [lead, &line.parts, after].concat();
                Line { parts, ..self.clone() }
            })
            .collect()
    }
}

/// What stands to the left of further rows: borders stay, everything else is blank.
fn margin(part: &Part) -> Part {
    let blank = |c: char| if "│┃|║▌".contains(c) { c } else { ' ' };
    match part {
        Part::Text(text) => Part::Text(text.chars().map(blank).collect()),
        other => other.clone(),
    }
}

/// Reads a line; `number` is its place in the file.
pub(super) fn line(text: &str, number: usize) -> Result<Line, StageError> {
    let mut line = Line::default();
    let mut rest = text;
    let mut plain = String::new();
    while let Some(at) = rest.find('{') {
        plain.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('{') {
            plain.push('{');
            rest = after;
            continue;
        }
        let end =
            rest.find('}').ok_or_else(|| StageError::new(number, "`{` without `}`; a brace is `{{`"))?;
        let word = &rest[..end];
        rest = &rest[end + 1..];
        if word == "nbsp" {
            plain.push('\u{a0}');
            continue;
        }
        if !plain.is_empty() {
            line.parts.push(Part::Text(std::mem::take(&mut plain)));
        }
        read(word, &mut line)
            .ok_or_else(|| StageError::new(number, format!("`{{{word}}}` is no word of the markup")))?;
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        line.parts.push(Part::Text(plain));
    }
    Ok(line)
}

/// Reads one word in braces into the line.
fn read(word: &str, line: &mut Line) -> Option<()> {
    let (name, argument) = word.split_once(':').map_or((word, None), |(n, a)| (n, Some(a)));
    let number = || argument.and_then(|a| a.parse::<u16>().ok());
    let part = match name {
        "bottom" => {
            line.bottom = true;
            return Some(());
        }
        "flow" => {
            line.flow = Some(if argument.is_some() { usize::from(number()?) } else { 2 });
            return Some(());
        }
        "from" => {
            line.from_columns = number()?;
            return Some(());
        }
        "upto" => {
            line.upto_columns = Some(number()?);
            return Some(());
        }
        "off" => Part::Off,
        "rule" => Part::Fill(argument.map_or(Some('─'), one_char)?),
        "fill" => Part::Fill(' '),
        "cut" => Part::Cut,
        "spin" => Part::Spin(match argument {
            Some(name) => Some(Spinner::named(name)?),
            None => None,
        }),
        "elapsed" => Part::Elapsed,
        "tokens" => Part::Tokens,
        "cursor" => Part::Cursor,
        "quote" => Part::Quote,
        "fg" => Part::Attribute(format!("38;5;{}", number()?)),
        "bg" => Part::Attribute(format!("48;5;{}", number()?)),
        _ => Part::Attribute(attribute(name)?.to_owned()),
    };
    line.parts.push(part);
    Some(())
}

fn one_char(text: &str) -> Option<char> {
    let mut chars = text.chars();
    chars.next().filter(|_| chars.next().is_none())
}

/// The SGR parameter of an attribute.
fn attribute(name: &str) -> Option<&'static str> {
    Some(match name {
        "bold" => "1",
        "dim" => "2",
        "italic" => "3",
        "underline" => "4",
        "reverse" => "7",
        "hidden" => "8",
        "strike" => "9",
        "red" => "31",
        "green" => "32",
        "yellow" => "33",
        "blue" => "34",
        "magenta" => "35",
        "cyan" => "36",
        "white" => "37",
        "grey" => "90",
        _ => return None,
    })
}
