//! The composer: where a person types. Of everything on a screen it is the surest landmark.

use super::line::{closes_box, inside, is_bar_char, is_rule, is_side, label, opens_box};
use super::text::Line;
use crate::fleet::profile::{ComposerShape, Shape};
use crate::limits::COMPOSER_LINES_MAX;

/// A composer that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Composer {
    /// Which of the profile's shapes it has.
    pub shape: usize,
    /// Its first line, border or rule included.
    pub first: usize,
    /// The line of its prompt, or its first line of text.
    pub prompt: usize,
    /// Its last line, border or rule included.
    pub last: usize,
    /// Its text, without prompt, borders and labels.
    pub text: String,
    /// Whether the text is what it shows while it is empty.
    pub placeholder: bool,
    /// The words in its borders, and the lines that are labels.
    pub border: String,
    /// Whether a prompt of its own tells it, not its frame alone.
    pub prompted: bool,
    /// Whether borders on both sides hold it, and a prompt begins it: then it is no menu.
    pub closed: bool,
}

impl Composer {
    /// Whether nothing was typed.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty() || self.placeholder
    }
}

/// The lowest composer of a screen that has one of the shapes.
pub fn find(lines: &[Line<'_>], shapes: &[ComposerShape]) -> Option<Composer> {
    let found = shapes.iter().enumerate().filter_map(|(at, shape)| {
        let found = match shape.shape {
            Shape::Ruled => near_bottom(lines, shape, |bottom| ruled(lines, bottom, shape)),
            Shape::Boxed => near_bottom(lines, shape, |bottom| boxed(lines, bottom, shape)),
            Shape::Bar => near_bottom(lines, shape, |bottom| bar(lines, bottom, shape)),
            Shape::Bare => near_bottom(lines, shape, |bottom| bare(lines, bottom, shape)),
            Shape::Powerline => near_bottom(lines, shape, |bottom| powerline(lines, bottom)),
        };
        found.map(|found| finish(lines, Composer { shape: at, ..found }, shape))
    });
    // Of two shapes that end on the same line, the one that the profile names first.
    found.reduce(|best, other| if other.last > best.last { other } else { best })
}

/// Tries each line from the bottom up, as long as no more lines with words are below it than the shape
/// allows.
fn near_bottom(
    lines: &[Line<'_>],
    shape: &ComposerShape,
    mut ends_at: impl FnMut(usize) -> Option<Composer>,
) -> Option<Composer> {
    let mut below = 0;
    for (at, line) in lines.iter().enumerate().rev() {
        if line.is_blank() {
            continue;
        }
        if let Some(found) = ends_at(at) {
            return Some(found);
        }
        below += 1;
        if below > shape.below {
            return None;
        }
    }
    None
}

fn found(first: usize, prompt: usize, last: usize) -> Composer {
    Composer {
        shape: 0,
        first,
        prompt,
        last,
        text: String::new(),
        placeholder: false,
        border: String::new(),
        prompted: false,
        closed: false,
    }
}

/// What follows the prompt, when the text begins with one.
fn after_prompt<'a>(text: &'a str, shape: &ComposerShape) -> Option<&'a str> {
    shape.prompts.iter().find_map(|prompt| {
        let rest = text.strip_prefix(prompt.as_str())?;
        (rest.is_empty() || rest.starts_with(' ')).then_some(rest)
    })
}

/// Between two rules; the one at `bottom` is its end.
fn ruled(lines: &[Line<'_>], bottom: usize, shape: &ComposerShape) -> Option<Composer> {
    if !is_rule(&lines[bottom]) {
        return None;
    }
    let lowest = bottom.saturating_sub(COMPOSER_LINES_MAX);
    let top = (lowest..bottom).rev().find(|at| is_rule(&lines[*at]))?;
    let first = lines.get(top + 1..bottom)?.first()?;
    let prompted =
        shape.prompts.is_empty() || (first.indent <= 1 && after_prompt(first.body(), shape).is_some());
    prompted.then(|| Composer { closed: !shape.prompts.is_empty(), ..found(top, top + 1, bottom) })
}

/// In a box that ends at `bottom`; a capture may be cut before its end.
fn boxed(lines: &[Line<'_>], bottom: usize, shape: &ComposerShape) -> Option<Composer> {
    let closed = closes_box(&lines[bottom]);
    let cut = is_side(&lines[bottom]) && bottom + 1 == lines.len() && !shape.prompts.is_empty();
    if !closed && !cut {
        return None;
    }
    let lowest = bottom.saturating_sub(COMPOSER_LINES_MAX);
    let last = if closed { bottom.checked_sub(1)? } else { bottom };
    let sides = (lowest..=last).rev().take_while(|at| is_side(&lines[*at])).count();
    let first = (last + 1).checked_sub(sides)?;
    if sides == 0 || (first > 0 && !opens_box(&lines[first - 1])) {
        return None;
    }
    let prompt = (first..=last).find(|at| !inside(&lines[*at]).trim().is_empty()).unwrap_or(first);
    if !shape.prompts.is_empty() && after_prompt(inside(&lines[prompt]).trim(), shape).is_none() {
        return None;
    }
    let closed = closed && !shape.prompts.is_empty();
    Some(Composer { closed, ..found(first.saturating_sub(1), prompt, bottom) })
}

/// Behind a bar; its last line is at `bottom`.
fn bar(lines: &[Line<'_>], bottom: usize, shape: &ComposerShape) -> Option<Composer> {
    let end = lines[bottom].body().starts_with(['╹', '╵', '┗', '╰']);
    let last = if end { bottom.checked_sub(1)? } else { bottom };
    let column = lines[last].indent;
    if !shape.bars.is_empty() && !lines[last].body().starts_with(|c| shape.bars.contains(c)) {
        return None;
    }
    let lowest = last.saturating_sub(COMPOSER_LINES_MAX);
    let sides = (lowest..=last).rev().take_while(|at| is_barred(&lines[*at], column)).count();
    if sides == 0 {
        return None;
    }
    let first = last + 1 - sides;
    if !shape.prompts.is_empty() && after_prompt(inside(&lines[first]).trim(), shape).is_none() {
        return None;
    }
    Some(found(first, first, bottom))
}

/// Whether a line stands behind a bar in that column, and not in a box or a drawing.
fn is_barred(line: &Line<'_>, column: usize) -> bool {
    let mut chars = line.body().chars();
    line.indent == column
        && chars.next().is_some_and(is_bar_char)
        && chars.next().is_none_or(|c| c == ' ')
        && !chars.next_back().is_some_and(is_bar_char)
}

/// A prompt on a line of its own, and what was typed further down to the next blank line.
fn bare(lines: &[Line<'_>], bottom: usize, shape: &ComposerShape) -> Option<Composer> {
    let line = &lines[bottom];
    // A prompt that is written with blanks before it stands that far in.
    let deep = |prompt: &String| prompt.starts_with(' ') && line.text.starts_with(prompt.as_str());
    if (line.indent > 1 && !shape.prompts.iter().any(deep)) || after_prompt(line.body(), shape).is_none() {
        return None;
    }
    let typed = lines[bottom + 1..].iter().take(COMPOSER_LINES_MAX);
    let more = typed.take_while(|l| !l.is_blank() && l.indent >= 2).count();
    Some(found(bottom, bottom, bottom + more))
}

/// Behind `╰─` at `bottom`, below a line that begins with `╭─`.
fn powerline(lines: &[Line<'_>], bottom: usize) -> Option<Composer> {
    let tail = lines[bottom].body().strip_prefix("╰─")?;
    if tail.chars().next().is_some_and(|c| c != ' ' && c != '\u{fffd}') {
        return None;
    }
    let lowest = bottom.saturating_sub(COMPOSER_LINES_MAX);
    let top = (lowest..bottom).rev().take_while(|at| *at + 1 == bottom || is_side(&lines[*at + 1]));
    let top = top.into_iter().find(|at| opens_box(&lines[*at]))?;
    Some(found(top, top + 1, bottom))
}

/// Fills in the words of a composer.
fn finish(lines: &[Line<'_>], mut composer: Composer, shape: &ComposerShape) -> Composer {
    let (first, last) = (composer.first, composer.last);
    let content: Vec<usize> = match shape.shape {
        Shape::Ruled => (first + 1..last).collect(),
        Shape::Boxed => (first..=last).filter(|at| is_side(&lines[*at])).collect(),
        Shape::Bar => (first..=last).filter(|at| is_side(&lines[*at])).collect(),
        Shape::Bare => (first..=last).collect(),
        Shape::Powerline => (first + 1..=last).collect(),
    };
    let mut texts: Vec<&str> = content.iter().map(|at| content_of(&lines[*at], shape.shape)).collect();
    let mut border = String::new();
    if !matches!(shape.shape, Shape::Bare) {
        for at in [first, last] {
            if !is_side(&lines[at]) {
                push_words(&mut border, label(&lines[at]));
            }
        }
    }
    for _ in 0..shape.labels {
        while texts.last().is_some_and(|text| text.trim().is_empty()) {
            texts.pop();
        }
        let Some(label) = texts.pop() else { break };
        push_words(&mut border, label.trim());
    }
    let mut text = String::new();
    for (at, words) in texts.iter().enumerate() {
        let words = words.trim();
        let words =
            if at == 0 || text.is_empty() { after_prompt(words, shape).unwrap_or(words) } else { words };
        push_words(&mut text, words.trim());
    }
    let prompt = &lines[composer.prompt.min(lines.len() - 1)];
    let typed_from = text
        .split('\n')
        .next()
        .and_then(|words| if words.is_empty() { None } else { prompt.text.find(words) });
    composer.placeholder = !text.is_empty()
        && (shape.placeholders.iter().any(|pattern| pattern.begins(&text))
            || typed_from.is_some_and(|from| prompt.is_dim_from(from)));
    composer.prompted = !shape.prompts.is_empty();
    composer.text = text;
    composer.border = border;
    composer
}

fn content_of<'a>(line: &'a Line<'_>, shape: Shape) -> &'a str {
    match shape {
        Shape::Ruled | Shape::Bare => line.body(),
        Shape::Boxed | Shape::Bar => inside(line),
        Shape::Powerline => {
            let body = line.body();
            let body = body.strip_prefix("╰─").unwrap_or(body);
            let body = body.trim_end_matches(['╯', '─', '\u{fffd}', ' ']);
            body.trim_start_matches(is_bar_char)
        }
    }
}

fn push_words(text: &mut String, words: &str) {
    if words.is_empty() {
        return;
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(words);
}
