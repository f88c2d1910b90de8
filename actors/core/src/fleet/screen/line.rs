//! What a line is made of: rules, borders of boxes, bars, options of a menu.

use super::text::Line;

/// Characters that draw horizontal rules.
pub fn is_rule_char(c: char) -> bool {
    matches!(c, '─' | '━' | '═' | '╌' | '╍' | '┄' | '┅' | '┈' | '┉' | '▀' | '▄' | '▁' | '▔' | '⎯')
}

/// Characters that draw a vertical border or a bar before text.
pub fn is_bar_char(c: char) -> bool {
    matches!(c, '│' | '┃' | '║' | '▌' | '▎' | '▍' | '▏' | '▐' | '█' | '┆' | '┊' | '╎')
}

/// Whether a line is a rule across the pane, with or without a label in it: it begins and ends with the
/// drawing of a rule. The end of a line that was cut in a character does not count.
pub fn is_rule(line: &Line<'_>) -> bool {
    let body = line.body();
    let mut chars = body.chars();
    if !(chars.next().is_some_and(is_rule_char) && chars.next().is_some_and(is_rule_char)) {
        return false;
    }
    // A label may also stand at its end.
    if body.chars().take(12).filter(|c| is_rule_char(*c)).count() == 12 {
        return true;
    }
    let end = body.trim_end_matches('\u{fffd}');
    end.chars().next_back().is_some_and(is_rule_char) && chars.next().is_some_and(|_| end.len() >= 9)
}

/// Whether a rule is dashed: those part a dialog, and do not begin one.
pub fn is_dashed(line: &Line<'_>) -> bool {
    line.body().starts_with(['╌', '╍', '┄', '┅', '┈', '┉'])
}

/// The words in a rule or a border.
pub fn label<'a>(line: &'a Line<'_>) -> &'a str {
    line.body().trim_matches(|c: char| {
        is_rule_char(c) || c == ' ' || matches!(c, '╭' | '╮' | '╰' | '╯' | '┌' | '┐' | '└' | '┘')
    })
}

/// Whether a line opens a box.
pub fn opens_box(line: &Line<'_>) -> bool {
    let mut chars = line.body().chars();
    matches!(chars.next(), Some('╭' | '┌' | '┏' | '╔')) && chars.next().is_some_and(is_rule_char)
}

/// Whether a line closes a box. One that was cut at the right still does.
pub fn closes_box(line: &Line<'_>) -> bool {
    let body = line.body();
    let mut chars = body.chars();
    matches!(chars.next(), Some('╰' | '└' | '┗' | '╚'))
        && match chars.next() {
            // A label may stand at the left of the border.
            Some(' ') => chars.next_back().is_some_and(|c| matches!(c, '╯' | '┘' | '┛' | '╝')),
            next => next.is_some_and(is_rule_char) && chars.next().is_some_and(is_rule_char),
        }
}

/// Whether a line is inside a box or carries a bar.
pub fn is_side(line: &Line<'_>) -> bool {
    line.body().chars().next().is_some_and(is_bar_char)
}

/// What stands inside a box or behind a bar, border characters at both ends taken off.
pub fn inside<'a>(line: &'a Line<'_>) -> &'a str {
    let body = line.body();
    let Some(first) = body.chars().next().filter(|c| is_bar_char(*c)) else { return body };
    let body = body[first.len_utf8()..].trim_end_matches('\u{fffd}').trim_end();
    let last = body.chars().next_back();
    match last {
        Some(last) if is_bar_char(last) => body[..body.len() - last.len_utf8()].trim_end(),
        _ => body,
    }
}

/// Marks that point at the chosen option of a menu.
pub fn is_cursor(c: char) -> bool {
    matches!(c, '❯' | '›' | '→' | '>' | '●' | '◉' | '▸' | '▶' | '‣' | '»' | '➜' | '➤' | '⏵' | '◆')
}

/// Marks of options of which one can be chosen, filled or not.
pub fn is_radio(c: char) -> bool {
    matches!(c, '●' | '○' | '◉' | '◯')
}

/// An option of a menu.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MenuItem {
    /// Whether the cursor stands before it.
    pub chosen: bool,
    /// Its number, if it has one.
    pub number: Option<u32>,
}

/// Reads a line, borders taken off, as an option: a cursor, a number, or both before words.
pub fn menu_item(text: &str) -> Option<MenuItem> {
    let text = text.trim();
    let cursor = text.chars().next().filter(|c| is_cursor(*c));
    let words = match cursor {
        Some(c) => {
            let rest = &text[c.len_utf8()..];
            rest.strip_prefix(is_radio).unwrap_or(rest).strip_prefix(' ')?.trim_start()
        }
        // Marks of a list that goes on beyond the pane stand where the cursor would.
        None => text.strip_prefix(['↓', '↑', '○', '◯', '◇']).map_or(text, str::trim_start),
    };
    let digits = words.bytes().take_while(u8::is_ascii_digit).count();
    let after = words.get(digits..).unwrap_or("");
    let number = match after.chars().next() {
        Some('.' | ')' | ':') if (1..=2).contains(&digits) && after.get(1..2).is_none_or(|s| s == " ") => {
            words[..digits].parse().ok()
        }
        _ => None,
    };
    if words.is_empty() || (cursor.is_none() && number.is_none()) {
        return None;
    }
    Some(MenuItem { chosen: cursor.is_some(), number })
}
