use super::*;
use crate::fleet::state::Detail;

fn painted(body: &str) -> Painted {
    Painted::parse("claude", &format!("---\nstate = \"busy\"\ndetail = \"thinking\"\n---\n{body}")).unwrap()
}

fn rows(body: &str, columns: u16) -> Vec<String> {
    painted(body).sheet(&Frame { rows: 6, ..Frame::of(columns) }).rows
}

#[test]
fn a_file_is_a_header_and_a_body() {
    let screen = painted("hello\n");
    assert_eq!(screen.verdict(), Verdict::new(AgentState::Busy, Some(Detail::Thinking)));
    assert!(screen.accepts(AgentState::Busy) && !screen.accepts(AgentState::Idle));
    assert_eq!(rows("hello\n\nyou", 20), ["hello", "", "you"]);
}

#[test]
fn what_cannot_be_read_says_where() {
    for (text, line, what) in [
        ("hello", 1, "begins with `---`"),
        ("---\nstate = \"busy\"\n", 1, "no end"),
        ("---\nstate = \"busy\"\ncolour = 3\n---\n", 3, "unknown field"),
        ("---\nstate = \"asleep\"\n---\n", 2, "unknown variant"),
        ("---\nstate = \"busy\"\n---\nfine\n{blink}\n", 5, "`{blink}` is no word"),
        ("---\nstate = \"busy\"\n---\nfn main() {\n", 4, "a brace is `{{`"),
        ("---\nstate = \"busy\"\n---\n{rule:--}\n", 4, "is no word"),
    ] {
        let error = Painted::parse("claude", text).unwrap_err();
        assert!(error.line == line && error.what.contains(what), "{text:?}: {error}");
    }
}

#[test]
fn rules_and_fills_take_the_room_that_is_left() {
    assert_eq!(rows("╭{rule}╮", 6), ["╭────╮"]);
    assert_eq!(rows("left{fill}right", 12), ["left   right"]);
    assert_eq!(rows("a{fill}b{fill}c", 8), ["a   b  c"]);
    assert_eq!(rows("{rule:═}", 3), ["═══"]);
    assert_eq!(rows("│ 界{fill}│", 8), ["│ 界   │"], "wide characters take two cells");
}

#[test]
fn long_lines_wrap_as_a_terminal_wraps_them() {
    assert_eq!(rows("abcdef", 4), ["abcd", "ef"]);
    assert_eq!(rows("ab界c", 3), ["ab", "界c"], "a wide character does not stand in half a cell");
    assert_eq!(rows("{flow}● one two three", 9), ["● one two", "  three"]);
    assert_eq!(rows("{flow:4}    go onwards", 10), ["    go", "    onward", "    s"]);
    assert_eq!(rows("{cut}a long footer", 8), ["a long …"]);
    assert_eq!(rows("│ {cut}too much text{fill}│", 10), ["│ too mu…│"]);
}

#[test]
fn attributes_become_escape_sequences_and_can_be_taken_out() {
    assert_eq!(rows("{dim}a{off}b", 9), ["\x1b[0;2ma\x1b[0mb"]);
    assert_eq!(rows("{dim}{reverse}a", 9), ["\x1b[0;2;7ma\x1b[0m"]);
    let screen = painted("{hidden}secret{off} {nbsp}x {{y}");
    assert_eq!(screen.plain_shot(&Frame::of(80)).text.raw(), "secret \u{a0}x {y}");
}

#[test]
fn what_lives_moves_with_the_moment() {
    let screen = painted("still\n{spin} Weaving… ({elapsed} · {tokens} tokens)\n");
    let mut frame = Frame { spin: 0, elapsed_seconds: 68, tokens: 297, ..Frame::of(80) };
    let mut sheet = screen.sheet(&frame);
    assert_eq!(sheet.rows[1], "· Weaving… (1m 8s · 297 tokens)");
    frame = Frame { spin: 1, tokens: 1900, ..frame };
    assert_eq!(screen.refresh(&mut sheet, &frame), Some(vec![1]));
    assert_eq!(sheet.rows[1], "✢ Weaving… (1m 8s · 1.9k tokens)");
    assert_eq!(sheet, screen.sheet(&frame));
    assert!(screen.is_live() && !painted("still").is_live());
}

#[test]
fn bottom_pushes_what_follows_down() {
    assert_eq!(rows("top\n{bottom}\nfoot{cursor}er", 9), ["top", "", "", "", "", "footer"]);
    let sheet = painted("top\n{bottom}\nfoot{cursor}er").sheet(&Frame { rows: 6, ..Frame::of(9) });
    assert_eq!(sheet.cursor, Some((5, 4)));
    let mut low = sheet;
    low.clip(2);
    assert_eq!((low.rows.join("/"), low.cursor), ("/footer".to_owned(), Some((1, 4))));
}

#[test]
fn lines_can_be_for_some_widths_only() {
    let body = "{from:60}wide\n{upto:59}narrow\n";
    assert_eq!(rows(body, 60), ["wide"]);
    assert_eq!(rows(body, 59), ["narrow"]);
}

#[test]
fn a_quote_takes_the_margin_of_its_place() {
    let screen = painted("● {quote}\n│ {quote}{fill}│\nend");
    let quoted = screen.with_quote("one\ntwo").unwrap();
    let rows = quoted.sheet(&Frame { rows: 6, ..Frame::of(8) }).rows;
    assert_eq!(rows, ["● one", "  two", "│ one  │", "│ two  │", "end"]);
}
