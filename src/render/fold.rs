//! Long lines on a narrow terminal: they go on below, at the words, under the text that they belong to.

use unicode_width::UnicodeWidthChar;

/// A line is not folded into less than this many columns.
const COLUMNS_MIN: usize = 20;

/// Folds the lines that are wider than `width`. Where a name stands before a text that begins at the column `text`,
/// the rest goes there; elsewhere two columns further in than the line.
pub(super) fn fold(page: &str, width: Option<usize>, text: usize) -> String {
    let Some(width) = width else { return page.to_owned() };
    let mut out = String::with_capacity(page.len());
    for line in page.lines() {
        let named = !line.starts_with(' ') && line.get(..text).is_some_and(|name| name.ends_with("  "));
        let inner = line.len() - line.trim_start_matches(' ').len();
        let hang = if named { text } else { inner + 2 };
        fold_line(line, width.max(hang + COLUMNS_MIN), hang, &mut out);
    }
    out
}

fn fold_line(line: &str, width: usize, hang: usize, out: &mut String) {
    let (mut rest, mut indent) = (line, 0);
    while let Some(at) = break_at(rest, width - indent, if indent == 0 { hang } else { 0 }) {
        out.push_str(&" ".repeat(indent));
        out.push_str(rest[..at].trim_end_matches(' '));
        out.push('\n');
        (rest, indent) = (rest[at..].trim_start_matches(' '), hang);
    }
    out.push_str(&" ".repeat(indent));
    out.push_str(rest);
    out.push('\n');
}

/// Where a text is broken that is wider than `width`: behind the last blank that fits, but not before `least`, else
/// in a word. `None` when it fits.
fn break_at(text: &str, width: usize, least: usize) -> Option<usize> {
    let (mut used, mut blank, mut is_code) = (0, None, false);
    for (at, c) in text.char_indices() {
        // Colours take no columns.
        is_code |= c == '\x1b';
        if is_code {
            is_code = c != 'm';
            continue;
        }
        used += c.width().unwrap_or(0);
        if used > width {
            return Some(if c == ' ' { at } else { blank.unwrap_or(at) });
        }
        if c == ' ' && used > least {
            blank = Some(at + 1);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use unicode_width::UnicodeWidthStr;

    use super::*;

    #[test]
    fn long_lines_go_on_under_their_text() {
        let page = "enforced     files landlock7, network netns, memory none\n  hint: read what it said, and try again\n";
        let folded = "enforced     files landlock7, network\n             netns, memory none\n  hint: read what it said, and try again\n";
        assert_eq!(fold(page, Some(40), 13), folded);
        assert_eq!(fold(page, None, 13), page);
        let hint = "  hint: read what it said,\n    and try again\n";
        assert_eq!(fold("  hint: read what it said, and try again\n", Some(26), 13), hint);
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_and_nothing_is_lost() {
        let page = "name         日本語 and a word-that-is-very-long-and-has-no-blank-in-it at all\n    deep one two three four five six\n";
        for width in 33..90 {
            let folded = fold(page, Some(width), 13);
            assert!(folded.lines().all(|line| line.width() <= width), "{width}:\n{folded}");
            let bare = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            assert_eq!(bare(&folded), bare(page));
        }
    }

    #[test]
    fn colours_take_no_columns() {
        let line = "\x1b[1m\x1b[31mEXECUTION\x1b[0m: it ended\n";
        assert_eq!(fold(line, Some(22), 13), line);
    }
}
