//! How a text becomes one argument of a tmux command line.

/// Appends `text` as one double-quoted argument. The text has no NUL.
///
/// Inside double quotes tmux's lexer knows the backslash, `$` (a variable) and, directly behind the
/// opening quote, `~` (a home directory). Line breaks would end the line before the lexer sees it, so they
/// and all other control characters are written as escapes.
pub fn quote(out: &mut String, text: &str) {
    debug_assert!(!text.contains('\0'));
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' | '$' | '~' => {
                out.push('\\');
                out.push(c);
            }
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_ascii_control() => {
                use std::fmt::Write as _;
                let _ = write!(out, "\\{:03o}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
