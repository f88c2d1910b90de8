use proptest::prelude::*;

use super::*;

fn parse(bytes: &[u8]) -> Vec<Event> {
    let mut out = Vec::new();
    Parser::new().keeping_output().feed(bytes, |e| out.push(e));
    out
}

fn block(text: &str, number: u64, ok: bool) -> Event {
    let guard = Guard { time: 7, number, flags: 1 };
    Event::Block(Block { guard, ok, text: text.as_bytes().to_vec(), truncated: false })
}

#[test]
fn replies_keep_their_lines_and_their_outcome() {
    let got = parse(b"%begin 7 1 1\na\n\nb\n%end 7 1 1\n%begin 7 2 1\nno\n%error 7 2 1\n");
    assert_eq!(got, [block("a\n\nb\n", 1, true), block("no\n", 2, false)]);
    assert_eq!(parse(b"%begin 7 3 1\n%end 7 3 1\n"), [block("", 3, true)]);
}

#[test]
fn text_that_imitates_an_end_is_text() {
    let got =
        parse(b"%begin 7 5 1\n%end 7 4 1\n%end 8 5 1\n%error 7 5 0\n%end 7 5\n%begin 7 6 1\n%end 7 5 1\n");
    assert_eq!(got, [block("%end 7 4 1\n%end 8 5 1\n%error 7 5 0\n%end 7 5\n%begin 7 6 1\n", 5, true)]);
}

#[test]
fn notices_of_every_kind_are_read() {
    let cases: &[(&str, Notice)] = &[
        ("%pause %3", Notice::Pause(PaneId(3))),
        ("%continue %3", Notice::Continue(PaneId(3))),
        ("%sessions-changed", Notice::SessionsChanged),
        ("%session-changed $1 a b", Notice::SessionChanged(SessionId(1), "a b".into())),
        ("%session-renamed $1 x y", Notice::SessionRenamed(Some(SessionId(1)), "x y".into())),
        ("%session-renamed x y", Notice::SessionRenamed(None, "x y".into())),
        ("%window-add @2", Notice::WindowAdd(WindowId(2))),
        ("%unlinked-window-add @2", Notice::WindowAdd(WindowId(2))),
        ("%window-close @2", Notice::WindowClose(WindowId(2))),
        ("%unlinked-window-close @2", Notice::WindowClose(WindowId(2))),
        ("%window-renamed @2 n", Notice::WindowRenamed(WindowId(2), "n".into())),
        ("%unlinked-window-renamed @2 ", Notice::WindowRenamed(WindowId(2), "".into())),
        ("%window-pane-changed @2 %4", Notice::WindowPaneChanged(WindowId(2), PaneId(4))),
        ("%session-window-changed $1 @2", Notice::SessionWindowChanged(SessionId(1), WindowId(2))),
        ("%layout-change @2 b25d,80x24,0,0,0 b25d,80x24,0,0,0 *", Notice::LayoutChange(WindowId(2))),
        ("%pane-mode-changed %4", Notice::PaneModeChanged(PaneId(4))),
        ("%client-detached /dev/pts/1", Notice::Other),
        ("%window-add two", Notice::Other),
        ("%", Notice::Other),
    ];
    for (line, want) in cases {
        assert_eq!(parse(format!("{line}\n").as_bytes()), [Event::Notice(want.clone())], "{line}");
    }
    assert_eq!(parse(b"%exit\n"), [Event::Exit(None)]);
    assert_eq!(parse(b"%exit server exited\n"), [Event::Exit(Some("server exited".into()))]);
    for stray in ["", "hello", "%end 7 1 1", "%error 7 1 1", "%begin x"] {
        assert_eq!(parse(format!("{stray}\n").as_bytes()), [Event::Stray], "{stray}");
    }
}

#[test]
fn output_is_unescaped() {
    let output =
        |age_ms, data: &[u8]| Event::Notice(Notice::Output { pane: PaneId(1), age_ms, data: data.to_vec() });
    assert_eq!(parse(b"%output %1 a\\033[1m\\134 b\n"), [output(None, b"a\x1b[1m\\ b")]);
    assert_eq!(parse(b"%extended-output %1 250 : x : y\n"), [output(Some(250), b"x : y")]);
    assert_eq!(parse(b"%extended-output %1 250 more words : x\n"), [output(Some(250), b"x")]);
    assert_eq!(parse(b"%output %1 \n"), [output(None, b"")]);
    assert_eq!(parse(b"%extended-output %1\n"), [Event::Notice(Notice::Other)]);
    assert_eq!(unescape(b"\\4\\40\\400\\777\\"), b"\\4\\40\\400\\777\\");
}

#[test]
fn long_lines_and_long_replies_are_cut_and_counted() {
    let mut parser = Parser::new();
    let mut out = Vec::new();
    let long = vec![b'x'; CONTROL_LINE_BYTES_MAX + 1];
    parser.feed(b"%begin 7 1 1\nkept\n", |e| out.push(e));
    parser.feed(&long, |e| out.push(e));
    parser.feed(b"more of it\nalso kept\n%end 7 1 1\n", |e| out.push(e));
    let [Event::Block(b)] = &out[..] else { panic!("{out:?}") };
    assert_eq!(
        (b.text.as_slice(), b.truncated, parser.long_lines()),
        (b"kept\nalso kept\n".as_slice(), true, 1)
    );

    out.clear();
    parser.feed(b"%begin 7 2 1\n", |e| out.push(e));
    let line = [vec![b'y'; CONTROL_LINE_BYTES_MAX / 2], b"\n".to_vec()].concat();
    for _ in 0..=(2 * CONTROL_REPLY_BYTES_MAX / CONTROL_LINE_BYTES_MAX + 1) {
        parser.feed(&line, |e| out.push(e));
    }
    parser.feed(b"%end 7 2 1\n", |e| out.push(e));
    let [Event::Block(b)] = &out[..] else { panic!("not one reply") };
    assert!(b.truncated && b.text.len() <= CONTROL_REPLY_BYTES_MAX);
}

/// Pieces that make hostile streams likelier than random bytes do.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..40),
        "%(begin|end|error) [0-9]{1,2} [0-9]{1,2} [01]\n".prop_map(String::into_bytes),
        "%(output|extended-output|pause|exit|window-add) ?[%@$]?[0-9]{0,3}[ :\\\\0-7a]{0,9}\n"
            .prop_map(String::into_bytes),
        "[ -~]{0,30}\n".prop_map(String::into_bytes),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Chunking changes nothing, and nothing panics.
    #[test]
    fn any_cut_gives_the_same_events(
        pieces in proptest::collection::vec(piece(), 0..40),
        cuts in proptest::collection::vec(1usize..50, 1..20),
    ) {
        let bytes = pieces.concat();
        let whole = parse(&bytes);
        let mut out = Vec::new();
        let mut parser = Parser::new().keeping_output();
        let (mut rest, mut cuts) = (&bytes[..], cuts.iter().cycle());
        while !rest.is_empty() {
            let n = (*cuts.next().unwrap()).min(rest.len());
            parser.feed(&rest[..n], |e| out.push(e));
            rest = &rest[n..];
        }
        prop_assert_eq!(whole, out);
    }

    /// What tmux escapes comes back.
    #[test]
    fn escapes_round_trip(data in proptest::collection::vec(any::<u8>(), 0..200)) {
        use std::fmt::Write as _;
        let mut line = b"%output %9 ".to_vec();
        for b in &data {
            if *b < b' ' || *b == b'\\' {
                let mut escape = String::new();
                write!(escape, "\\{b:03o}").unwrap();
                line.extend(escape.bytes());
            } else {
                line.push(*b);
            }
        }
        line.push(b'\n');
        // A carriage return at the end of a line belongs to it when it is escaped.
        prop_assert_eq!(parse(&line), [Event::Notice(Notice::Output { pane: PaneId(9), age_ms: None, data })]);
    }

    /// Text without the guard's own words never ends a reply, whatever else it says.
    #[test]
    fn a_reply_holds_whatever_its_text_says(lines in proptest::collection::vec("(%(end|error|begin) 7 [0-8] 1|[ -~]{0,20})", 0..12)) {
        let body = lines.iter().fold(String::new(), |text, line| text + line + "\n");
        let stream = format!("%begin 7 9 1\n{body}%end 7 9 1\n");
        prop_assert_eq!(parse(stream.as_bytes()), [block(&body, 9, true)]);
    }
}
