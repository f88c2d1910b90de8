//! Where in a text something stands.

/// Line and column in characters, both from 1, of a byte offset. One inside a character is the character's.
pub(crate) fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(offset)];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_told_in_lines_and_characters() {
        let text = "a\né漢x\n";
        let places =
            [(0, (1, 1)), (2, (2, 1)), (3, (2, 1)), (4, (2, 2)), (7, (2, 3)), (9, (3, 1)), (99, (3, 1))];
        for (offset, place) in places {
            assert_eq!(position(text, offset), place, "{offset}");
        }
    }
}
