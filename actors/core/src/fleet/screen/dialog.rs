//! Menus, questions and panels that stand at the bottom of a screen in place of the composer.
//!
//! They are told by their structure: options of which one carries a cursor, a line that says which keys
//! do what, a question that ends in its answers. What they ask is for the profile's rules.

use std::sync::LazyLock;

use regex::Regex;

use super::line::{
    closes_box, inside, is_bar_char, is_cursor, is_dashed, is_radio, is_rule, is_side, menu_item, opens_box,
};
use super::text::Line;
use crate::limits;

/// What kind of dialog it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Options, one of them chosen.
    Menu,
    /// A question with its answers behind it.
    Question,
    /// A page that wants a key pressed.
    Page,
    /// A panel that says how to leave it.
    Panel,
}

/// A dialog that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialog {
    /// What kind it is.
    pub kind: Kind,
    /// The first line that belongs to it for sure: an option, the question, a border.
    pub first: usize,
    /// The line by which it was told: the cursor, the question, the hint.
    pub anchor: usize,
    /// The last line that belongs to it for sure: an option, the question, the line about keys.
    pub last: usize,
    /// Where its words begin, its title and what it is about.
    pub words: usize,
    /// Whether it stands in a box or below a rule of its own.
    pub framed: bool,
}

#[expect(clippy::unwrap_used, reason = "a constant pattern; a test compiles it")]
static KEYS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?i)(?:\besc(?:ape)?\b|\benter\b|\breturn\b|[↑↓←→↵⏎]|\bctrl[+-]\w\b|\bshift\+tab\b|\btab\b|\bspace\b|\barrows?\b)",
        r".{0,16}\b(?:cancel|confirm|select|close|exit|continue|navigate|choose|go back|back|submit|view|dismiss|skip",
        r"|quit|toggle|amend|save|deny|reject|approve|switch|accept|apply|search|change|add|proceed|expand|move)\b"
    ))
    .unwrap()
});
#[expect(clippy::unwrap_used, reason = "a constant pattern; a test compiles it")]
static ANSWERS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?i)(?:\[\(y\)es, \(n\)o\]|[\[(](?:y|yes)\s?/\s?(?:n|no)(?:\s?/\s?\w+)*[\])]|\(y\)es\s?/\s?\(n\)o(?:/\S+)*)",
        r"(?:\s*[\[(]\w+[\])])?\s*[:?>]?\s*\w?$"
    ))
    .unwrap()
});
#[expect(clippy::unwrap_used, reason = "a constant pattern; a test compiles it")]
static PRESS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)\b(?:press|hit) (?:\W?enter\W?|return|any key|\W?space\W?) to \w+|^[-(\[ ]*press any key|--more--|\(END\)$")
        .unwrap()
});

/// Whether a line says which keys do what.
pub fn is_hint(text: &str) -> bool {
    KEYS.is_match(text)
}

/// A line without border and indentation.
fn words<'a>(line: &'a Line<'_>) -> &'a str {
    if is_side(line) { inside(line).trim() } else { line.body() }
}

/// The column in which the words of a line begin, after a border and a cursor.
fn column(line: &Line<'_>) -> usize {
    let inner = if is_side(line) { inside(line) } else { &line.text };
    let blanks = inner.chars().take_while(|c| *c == ' ').count();
    let mut chars = inner.trim_start().chars();
    let mut blanks = blanks;
    let mut first = chars.next();
    if first.is_some_and(is_cursor) && chars.clone().next().is_some_and(is_radio) {
        blanks += 1;
        first = chars.next();
    }
    match first {
        Some(c) if is_cursor(c) || matches!(c, '↓' | '↑' | '○' | '◯' | '◇') => {
            1 + blanks + chars.take_while(|c| *c == ' ').count()
        }
        _ => blanks,
    }
}

/// The dialog at the bottom of a screen, if there is one. `starts` tells where messages begin.
pub fn find(lines: &[Line<'_>], starts: impl Fn(&Line<'_>) -> bool) -> Option<Dialog> {
    let bottom = lines.len().checked_sub(1)?;
    let filled: Vec<usize> = (0..lines.len())
        .rev()
        .take(limits::DIALOG_LINES_MAX)
        .filter(|at| !words(&lines[*at]).is_empty())
        .take(limits::DIALOG_FILLED_LINES)
        .collect();
    let hint = filled
        .iter()
        .filter(|at| !closes_box(&lines[**at]) && !is_rule(&lines[**at]))
        .take(limits::HINT_LINES)
        .copied()
        .find(|at| is_hint(words(&lines[*at])));
    if let Some(menu) = menu(lines, &filled, hint) {
        return Some(frame(lines, menu, bottom, &starts));
    }
    let last = *filled.iter().find(|at| !closes_box(&lines[**at]))?;
    let said = words(&lines[last]);
    let plain = |kind, at| Dialog { kind, first: at, anchor: at, last: at, words: at, framed: false };
    if ANSWERS.is_match(said) {
        return Some(frame(lines, plain(Kind::Question, last), bottom, &starts));
    }
    if PRESS.is_match(said) {
        return Some(frame(lines, plain(Kind::Page, last), bottom, &starts));
    }
    let hint = hint?;
    let panel = frame(lines, plain(Kind::Panel, hint), bottom, &starts);
    panel.framed.then_some(Dialog { first: panel.words, ..panel })
}

/// Options of which exactly one carries the cursor.
fn menu(lines: &[Line<'_>], filled: &[usize], hint: Option<usize>) -> Option<Dialog> {
    let mut below = 0;
    for (place, at) in filled.iter().enumerate() {
        let chosen = menu_item(words(&lines[*at])).filter(|item| item.chosen);
        let Some(chosen) = chosen else {
            below += 1;
            if below > limits::OPTIONS_BELOW_CURSOR_LINES {
                return None;
            }
            continue;
        };
        let wanted = column(&lines[*at]);
        let is_option = |other: &usize| {
            let line = &lines[*other];
            let item = menu_item(words(line));
            !is_rule(line)
                && item.is_none_or(|item| !item.chosen)
                && column(line) == wanted
                && (chosen.number.is_none() || item.is_some_and(|item| item.number.is_some()))
        };
        // Options may have lines of their own below them, further in, or blank lines between them.
        let belongs = |other: &&usize| column(&lines[**other]) >= wanted && !is_rule(&lines[**other]);
        let after: Vec<usize> =
            filled[..place].iter().rev().take_while(belongs).filter(|o| is_option(o)).copied().collect();
        let before: Vec<usize> =
            filled[place + 1..].iter().take_while(belongs).filter(|o| is_option(o)).copied().collect();
        let last = after.last().copied().unwrap_or(*at).max(*at);
        let below = filled.iter().take_while(|other| **other > last).count();
        let several = !after.is_empty() || !before.is_empty();
        let one =
            before.iter().chain(&after).all(|o| !menu_item(words(&lines[*o])).is_some_and(|i| i.chosen));
        if !(several && one && below <= limits::BELOW_OPTIONS_LINES) {
            return None;
        }
        if chosen.number.is_none() && hint.is_none_or(|hint| hint <= *at) {
            // Words behind an arrow alone are a menu only with a line that says so, or the keys in them.
            let keyed =
                after.iter().chain(&before).chain([at]).filter(|o| has_key(words(&lines[**o]))).count();
            let radios = after.iter().chain(&before).chain([at]).all(|o| has_radio(&lines[*o]));
            if keyed < 2 && !radios {
                return None;
            }
        }
        let first = before.last().copied().unwrap_or(*at).min(*at);
        let last = hint
            .filter(|hint| *hint <= last + limits::HINT_BELOW_OPTIONS_LINES)
            .map_or(last, |hint| hint.max(last));
        return Some(Dialog { kind: Kind::Menu, first, anchor: *at, last, words: first, framed: false });
    }
    None
}

/// Whether an option in a box carries the mark of a choice: `▸● Yes`, ` ○ No`.
fn has_radio(line: &Line<'_>) -> bool {
    let words = words(line);
    line.body().ends_with(is_bar_char)
        && is_side(line)
        && words.strip_prefix(is_cursor_not_radio).unwrap_or(words).starts_with(is_radio)
}

fn is_cursor_not_radio(c: char) -> bool {
    is_cursor(c) && !is_radio(c)
}

/// Whether an option names its key: `Run (y)`, `Reject (esc or p)`.
fn has_key(text: &str) -> bool {
    let Some(open) = text.find(" (") else { return false };
    let key = text[open + 2..].split([')', ' ', ',']).next().unwrap_or("");
    key.chars().count() == 1
        || matches!(key, "esc" | "enter" | "tab" | "Esc" | "Enter" | "Tab")
        || key.contains('+')
}

/// Finds where a dialog's words begin: its box, the rule above it, or the message above it.
fn frame(lines: &[Line<'_>], dialog: Dialog, bottom: usize, starts: impl Fn(&Line<'_>) -> bool) -> Dialog {
    let lowest = bottom.saturating_sub(limits::DIALOG_LINES_MAX);
    if is_side(&lines[dialog.anchor]) {
        let sides = (lowest..=dialog.anchor).rev().take_while(|at| is_side(&lines[*at])).count();
        let top = dialog.anchor + 1 - sides;
        let framed = top == 0 || opens_box(&lines[top - 1]);
        return Dialog { words: top, framed, ..dialog };
    }
    let mut plain = 0;
    for at in (lowest..dialog.first).rev() {
        let line = &lines[at];
        if (is_rule(line) && !is_dashed(line)) || opens_box(line) {
            let words = if super::line::label(line).is_empty() { at + 1 } else { at };
            return Dialog { words, framed: true, ..dialog };
        }
        if closes_box(line) && dialog.kind == Kind::Panel {
            let top = (lowest..at).rev().find(|top| opens_box(&lines[*top]));
            return Dialog { words: top.unwrap_or(at), framed: true, ..dialog };
        }
        if starts(line) || closes_box(line) {
            let words = (at..dialog.first).find(|at| lines[*at].is_blank()).unwrap_or(dialog.first);
            return Dialog { words, ..dialog };
        }
        plain += usize::from(!line.is_blank());
        if plain >= limits::ABOVE_OPTIONS_LINES && dialog.kind != Kind::Menu && dialog.kind != Kind::Panel {
            return Dialog { words: at, ..dialog };
        }
    }
    Dialog { words: dialog.first.saturating_sub(limits::ABOVE_OPTIONS_LINES).max(lowest), ..dialog }
}
