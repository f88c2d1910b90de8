use super::super::text;
use super::*;

fn whole(rows: &str, columns: Option<u16>) -> Option<Vec<String>> {
    Some(joined(&text::lines(rows), columns)?.iter().map(|line| line.text.to_string()).collect())
}

#[test]
fn what_the_terminal_broke_is_one_line_again() {
    let rows = " ⠸ Processing the wood (e\nsc to interrupt)\n";
    assert_eq!(whole(rows, Some(25)).unwrap(), [" ⠸ Processing the wood (esc to interrupt)"]);
    assert_eq!(whole(rows, None).unwrap(), [" ⠸ Processing the wood (esc to interrupt)"]);
    assert_eq!(whole(rows, Some(30)), None, "no row is as wide as the pane");
    // The blank at the edge is not captured.
    let rows = "  ┃  Patterns that hold\nuntil it ends\n────────────────────────";
    assert_eq!(whole(rows, None).unwrap()[0], "  ┃  Patterns that hold until it ends");
}

#[test]
fn what_is_drawn_stands_for_itself() {
    for next in
        ["  hung in", "● a message", "❯ typed", "2. an option", "│ a row", "───────────", "", "bo@bark:~$"]
    {
        let rows = format!("the words that fill the row\n{next}\n───────────────────────────");
        assert_eq!(whole(&rows, None), None, "{next}");
    }
    for row in ["│ a row of a box         │", "───────────────── label ─", "╭─ title ────────── here ╮"]
    {
        assert_eq!(whole(&format!("{row}\nwords"), Some(25)), None, "{row}");
    }
    let rows = "│ ❯ 1. Accept it (recommen\nded)│\n│   2. Reject it         │";
    let joined = whole(rows, None).unwrap();
    assert_eq!(joined, ["│ ❯ 1. Accept it (recommended)│", "│   2. Reject it         │"]);
}

#[test]
fn a_blank_at_the_edge_begins_the_next_row() {
    let rows = "Tell me if it is transient or recoverable\n error.\n";
    assert_eq!(whole(rows, None).unwrap(), ["Tell me if it is transient or recoverable error."]);
    let rows = " ❯ 1. Yes, clear it and accept\n edits\n";
    assert_eq!(whole(rows, None).unwrap(), [" ❯ 1. Yes, clear it and accept edits"]);
    let rows = "╰ ≈ Waiting ~/src/orchard\n (main)─╯\n";
    assert_eq!(whole(rows, None).unwrap(), ["╰ ≈ Waiting ~/src/orchard (main)─╯"]);
    assert_eq!(whole(" one line of several words\n another\n", None), None, "hung in as far as the first");
}

#[test]
fn a_row_that_alone_is_so_wide_goes_on_in_the_middle_of_a_word_only() {
    assert_eq!(whole("it has mended the parser\nThen it tested\n", None), None);
    assert!(whole("it has mended the parser\nThen it tested\n", Some(24)).is_some());
}

#[test]
fn a_line_has_so_many_rows_at_most() {
    let rows = "abcdefghijklmnopqrstuvwxyz\n".repeat(3 * WRAPPED_ROWS_MAX);
    assert_eq!(whole(&rows, None).unwrap().len(), 3);
}

#[test]
fn attributes_go_on_with_the_words() {
    let rows = "abcdefghijklmnopqrst\u{1b}[2mdim\u{1b}[0m\n\u{1b}[2mdim as well\u{1b}[0m\nplain";
    let lines = text::lines(rows);
    let joined = joined(&lines, Some(23)).unwrap();
    assert_eq!(joined[0].text, "abcdefghijklmnopqrstdimdim as well");
    assert!(joined[0].is_dim_from(20) && !joined[0].is_dim_from(19));
}
