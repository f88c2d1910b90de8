use super::*;

fn texts(text: &str) -> Vec<String> {
    lines(text).iter().map(|l| l.text.to_string()).collect()
}

#[test]
fn blank_ends_are_taken_off() {
    assert_eq!(texts("a  \n\nb\n  \n\n"), ["a", "", "b"]);
    assert_eq!(texts("a\n\u{1b}[0m \n\u{a0}\n"), ["a"]);
    assert_eq!(texts(""), Vec::<String>::new());
}

#[test]
fn odd_spaces_are_plain_and_what_takes_no_cell_is_dropped() {
    assert_eq!(texts("❯\u{a0}a\u{2009}b\u{200b}c\u{fe0f}\td\u{7}\r"), ["❯ a bc d"]);
    assert_eq!(texts("it\u{2019}s \u{201c}so\u{201d}"), ["it's \"so\""]);
    let line = &lines("   漢字 x")[0];
    assert_eq!((line.indent, line.body()), (3, "漢字 x"));
}

#[test]
fn escapes_are_dropped_and_attributes_kept() {
    let line = &lines("\u{1b}[1;38;2;2;2;2mbold\u{1b}[0m \u{1b}[2mdim\u{1b}[22m plain")[0];
    assert_eq!(line.text, "bold dim plain");
    assert!(!line.is_dim_from(0) && !line.is_dim_from(5));
    let line = &lines("x \u{1b}[7md\u{1b}[0;2mim\u{1b}[0m")[0];
    assert!(line.is_dim_from(2), "a drawn cursor does not count against it");
    assert_eq!(texts("a\u{1b}]0;title\u{7}b\u{1b}]8;;x\u{1b}\\c\u{1b}(Bd\u{1b}Pq\u{1b}\\e"), ["abcde"]);
    assert_eq!(texts("a\u{1b}[8mhidden\u{1b}[28mb"), ["ab"]);
    assert_eq!(texts("\u{1b}[8mover\nlines\u{1b}[0m end"), ["", " end"], "attributes run on");
    assert_eq!(texts("a\u{1b}"), ["a"]);
    assert_eq!(texts("a\u{1b}[38;5"), ["a"]);
    assert_eq!(texts("a\u{1b}[é"), ["aé"]);
}

#[test]
fn a_line_that_is_cut_leaves_its_attributes_behind_the_cut() {
    let long = "x".repeat(SCREEN_LINE_BYTES_MAX);
    let hidden = format!("\u{1b}[8m{long}\u{1b}[0m\nshown");
    assert_eq!(texts(&hidden), ["", "shown"]);
    let begun = format!("{long}\u{1b}[2m\ndim");
    assert!(lines(&begun)[1].is_dim_from(0), "what begins behind the cut runs on, too");
    // The cut falls into a sequence.
    for short in 1..8 {
        let at_cut =
            format!("\u{1b}[8m{}\u{1b}[38;5;2;0mx\nshown", "x".repeat(SCREEN_LINE_BYTES_MAX - 4 - short));
        assert_eq!(texts(&at_cut), ["", "shown"], "{short}");
        let dim = format!("{}\u{1b}[38;5;2mx\nplain", "x".repeat(SCREEN_LINE_BYTES_MAX - short));
        assert!(!lines(&dim)[1].is_dim_from(0), "{short}");
    }
}
