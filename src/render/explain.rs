//! Why an agent is in its state, for a person who has never seen the rules.

use std::fmt::Write as _;

use anstyle::Style;
use tsup_core::clock::Wall;
use tsup_core::untrusted::Untrusted;
use tsup_core::wire::doc::explain::{EvidenceDoc, ExplainDoc, Explained};
use unicode_width::UnicodeWidthStr;

use super::agents::state_style;
use super::table::{Cell, Column, Table};
use super::{Look, words};

const EVIDENCE: [Column; 5] = [
    Column::text("SOURCE", 8, 0),
    Column::text("RULE", 12, 0),
    Column::text("SAYS", 12, 0),
    Column::number("AGE", 0),
    Column::text("SEEN", 12, 1),
];

const HISTORY: [Column; 4] = [
    Column::number("AGO", 0),
    Column::text("FROM", 8, 0),
    Column::text("TO", 12, 0),
    Column::text("BECAUSE", 20, 1),
];

/// Draws the explanation; `now` tells how long ago things were.
pub fn draw(explained: &Explained, now: Wall, look: Look) -> String {
    let (doc, notes) = (&explained.doc, &explained.notes);
    let mut text = String::new();
    let mut state = doc.state.to_string();
    if let Some(detail) = doc.detail {
        let _ = write!(state, " ({detail})");
    }
    let state = look.paint(state_style(doc.state), &state);
    let since = words::ago(doc.since, now);
    let _ = writeln!(
        text,
        "{}/{} is {state}, for {since}, confidence {:.2}",
        notes.session, notes.name, doc.confidence
    );
    text.push_str(&wrapped(&place(explained), 2, look));
    text.push_str(&wrapped(&format!("because {}", notes.because), 2, look));
    for note in &notes.notes {
        text.push_str(&wrapped(&format!("note: {note}"), 2, look));
    }
    heading(&mut text, "What was seen, strongest first", look);
    text.push_str(&evidence(doc, look));
    if !notes.missing.is_empty() {
        heading(&mut text, "What is not there", look);
        for missing in &notes.missing {
            text.push_str(&wrapped(missing, 2, look));
        }
    }
    heading(&mut text, "How it came here, latest first", look);
    text.push_str(&history(doc, now, look));
    text
}

fn place(explained: &Explained) -> String {
    let notes = &explained.notes;
    let pane = if notes.pane.is_empty() { "no pane".to_owned() } else { format!("pane {}", notes.pane) };
    let process = notes.pid.map_or_else(|| "no process".to_owned(), |pid| format!("process {pid}"));
    format!("{} in {pane}, {process}, id {}", notes.title, explained.doc.agent)
}

fn heading(text: &mut String, words: &str, look: Look) {
    let _ = writeln!(text, "\n{}", look.paint(Style::new().bold(), words));
}

fn evidence(doc: &ExplainDoc, look: Look) -> String {
    if doc.evidence.is_empty() {
        return "  nothing yet\n".to_owned();
    }
    let mut table = Table::new(&EVIDENCE);
    for row in &doc.evidence {
        table.row(evidence_row(row));
    }
    table.draw(look)
}

fn evidence_row(row: &EvidenceDoc) -> Vec<Cell> {
    vec![
        row.source.clone().into(),
        Untrusted::from(row.rule.as_str()).to_string().into(),
        row.says.clone().into(),
        age(row.age_seconds).into(),
        first_line(&row.excerpt).into(),
    ]
}

fn age(seconds: f64) -> String {
    if seconds < 0.05 {
        "now".to_owned()
    } else if seconds < 10.0 {
        format!("{seconds:.1}s")
    } else {
        words::seconds(seconds)
    }
}

/// The first line with words, its runs of blanks squeezed: a screen is padded, a person reads words.
fn first_line(text: &Untrusted) -> String {
    let mut lines = text.raw().lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    let line = lines.find(|line| !line.is_empty()).unwrap_or_else(|| "-".to_owned());
    Untrusted::from(line.as_str()).to_string()
}

fn history(doc: &ExplainDoc, now: Wall, look: Look) -> String {
    if doc.history.is_empty() {
        return "  no change yet\n".to_owned();
    }
    let mut table = Table::new(&HISTORY);
    let mut short = Table::new(&HISTORY[..3]);
    for change in doc.history.iter().rev() {
        let row: Vec<Cell> =
            vec![words::ago(change.at, now).into(), change.from.to_string().into(), change.to.clone().into()];
        short.row(row.clone());
        table.row([row, vec![change.because.clone().into()]].concat());
    }
    let Some(width) = look.width else { return table.draw(look) };
    let widest = short.draw(Look { color: false, ..look }).lines().map(UnicodeWidthStr::width).max();
    if widest.unwrap_or(0) + 2 + HISTORY[3].min <= width {
        return table.draw(look);
    }
    // A reason that has no room beside its change stands below it.
    let drawn = short.draw(look);
    let mut lines = drawn.lines();
    let mut text = lines.next().map(|head| format!("{head}\n")).unwrap_or_default();
    for (line, change) in lines.zip(doc.history.iter().rev()) {
        let _ = writeln!(text, "{line}");
        text.push_str(&wrapped(&change.because, 4, look));
    }
    text
}

/// The text in lines that fit, broken at words; a word that fits nowhere stays whole.
fn wrapped(text: &str, indent: usize, look: Look) -> String {
    let room = look.width.map_or(usize::MAX, |width| width.saturating_sub(indent));
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.width() + 1 + word.width() <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    let mut text = String::new();
    for line in lines {
        let _ = writeln!(text, "{:indent$}{}", "", line.trim_end());
    }
    text
}

#[cfg(test)]
mod tests;
