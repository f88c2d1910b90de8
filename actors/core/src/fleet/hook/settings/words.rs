//! The words of a command, as a shell would take them.

/// Splits at blanks that are not quoted, and takes the quotes off. A quote without an end ends with the text.
pub(super) fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = command.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('\'' | '"', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            ('\\', None) => word.get_or_insert_default().extend(chars.next()),
            ('\\', Some('"')) => {
                let escaped = chars.next_if(|c| matches!(c, '"' | '\\' | '$' | '`'));
                word.get_or_insert_default().push(escaped.unwrap_or(c));
            }
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_taken_as_a_shell_takes_them() {
        for (command, taken) in [
            (" a  b\tc ", &["a", "b", "c"][..]),
            (r"'a b' c", &["a b", "c"]),
            (r"'it'\''s' x", &["it's", "x"]),
            (r#""a \" \x" '' y"#, &[r#"a " \x"#, "", "y"]),
            (r"a\ b", &["a b"]),
            ("'a b", &["a b"]),
            ("", &[]),
        ] {
            assert_eq!(words(command), taken, "{command}");
        }
    }
}
