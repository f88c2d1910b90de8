use proptest::prelude::*;

use super::*;

/// A model of how tmux cuts a line into commands and arguments, for the part of its grammar that is used:
/// bare words, double quotes with escapes, `;` between commands, `{` and `}` as words.
fn lex(line: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let mut chars = line.chars().peekable();
    while let Some(&c) = chars.peek() {
        match c {
            ' ' => {
                chars.next();
            }
            ';' => {
                chars.next();
                commands.push(Vec::new());
            }
            '"' => {
                chars.next();
                let word = quoted(&mut chars);
                assert!(matches!(chars.peek(), None | Some(' ')), "two tokens grow together");
                commands.last_mut().unwrap().push(word);
            }
            _ => {
                let mut word = String::new();
                while let Some(c) = chars.next_if(|c| *c != ' ') {
                    assert!(!"\"\\$~#;'".contains(c), "a bare word with {c:?}");
                    word.push(c);
                }
                commands.last_mut().unwrap().push(word);
            }
        }
    }
    commands
}

fn quoted(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> String {
    let mut word = Vec::new();
    let mut put = |c: char| word.extend(c.encode_utf8(&mut [0; 4]).bytes());
    let mut first = true;
    loop {
        match chars.next().expect("quotes are closed") {
            '"' => return String::from_utf8(word).unwrap(),
            '$' => panic!("a variable"),
            '~' if first => panic!("a home directory"),
            '\n' | '\r' | '\0' => panic!("a line break"),
            '\\' => match chars.next().expect("an escape is complete") {
                'n' => put('\n'),
                'r' => put('\r'),
                't' => put('\t'),
                d @ '0'..='3' => {
                    let rest: String = (0..2).map(|_| chars.next().unwrap()).collect();
                    put(char::from(u8::from_str_radix(&format!("{d}{rest}"), 8).unwrap()));
                }
                'e' | 'u' | 'U' | 's' | 'a' | 'b' | 'f' | 'v' | '4'..='7' => panic!("another escape"),
                c => put(c),
            },
            c => put(c),
        }
        first = false;
    }
}

/// Texts in which everything that means something to tmux or a shell is frequent.
fn hostile() -> impl Strategy<Value = String> {
    let special = "[\\n\\r\\t;'\"\\\\$~#{}()\\[\\],:%=@!&|<>*? \u{1b}\u{7f}-]";
    proptest::collection::vec(
        prop_oneof![4 => special.prop_map(String::from), 1 => "#\\([a-z]{1,3}\\)", 1 => "[^\0]{0,3}"],
        0..24,
    )
    .prop_map(|v| v.concat())
}

fn tag() -> OwnerTag {
    OwnerTag { home: "/h/é".into(), session: "web".into(), name: "dev".into() }
}

fn launch(argv: Vec<String>, cwd: &str, env: Vec<(String, String)>) -> Launch {
    Launch { tag: tag(), cwd: cwd.into(), argv, env }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn any_text_is_exactly_one_argument(text in hostile()) {
        let mut line = String::from("set-buffer ");
        quote(&mut line, &text);
        prop_assert_eq!(lex(&line), vec![vec!["set-buffer".to_owned(), text]]);
    }

    #[test]
    fn a_launch_is_one_line_with_literal_arguments(
        argv in proptest::collection::vec(hostile(), 1..5),
        cwd in hostile(),
        value in hostile(),
    ) {
        let l = launch(argv.clone(), &format!("/{cwd}"), vec![("K".into(), value.clone())]);
        for line in [launch_session(&l), launch_window(&l, "tsup-1"), respawn(PaneId(3), &l)] {
            let line = line.unwrap();
            prop_assert!(!line.as_str().contains('\n') && !line.as_str().is_empty());
            let commands = lex(line.as_str());
            let first = &commands[0];
            let end = first.iter().position(|w| w == "--").unwrap();
            prop_assert!(first.ends_with(&argv), "{first:?}");
            let assigned = format!("K={value}");
            prop_assert!(first[..end].contains(&assigned));
            // What tmux expands as a format holds no `#` but in formats of our own.
            let dir = first.iter().position(|w| w == "-c").unwrap();
            prop_assert!(!first[dir + 1].contains('#'));
        }
    }

    #[test]
    fn names_that_mean_something_are_refused(name in hostile()) {
        prop_assume!(!is_name(&name));
        let mut l = launch(vec!["a".into()], "/", vec![]);
        l.tag.session = name;
        let refused = matches!(launch_session(&l), Err(BadCommand::Name { .. }));
        prop_assert!(refused);
    }
}

#[test]
fn the_lines_read_as_they_should() {
    assert_eq!(server_facts().as_str(), "display-message -p \"#{pid}\\t#{version}\"");
    assert_eq!(capture(PaneId(7), 0).as_str(), "capture-pane -p -t %7");
    let [screen, facts] = look(PaneId(7)).map(|line| line.as_str().to_owned());
    assert_eq!(screen, "capture-pane -p -e -t %7");
    assert!(facts.starts_with("display-message -p -t %7 "), "{facts}");
    assert_eq!(capture(PaneId(7), u32::MAX).as_str(), "capture-pane -p -t %7 -S -5000");
    assert_eq!(
        kill(PaneId(7), &tag()).unwrap().as_str(),
        "if-shell -F -t %7 \"#{==:#{@tsup_agent},v1:=2Fh=2F=C3=A9:web:dev}\" { kill-pane -t %7 } \
         { has-session -t %7 ; display-message -p \"tsup-not-owned\" }"
    );
    let l = launch(vec!["claude".into()], "/srv", vec![("A".into(), "b c".into())]);
    assert_eq!(
        launch_session(&l).unwrap().as_str(),
        "new-session -d -E -P -F \"#{session_id}\\t#{window_id}\\t#{pane_id}\\t#{pane_pid}\" -x 200 -y 50 -s \
         \"web\" -n \"dev\" -c \"/srv\" -e \"A=b c\" -- \"/bin/sh\" \"-c\" \"exec \\\"\\$0\\\"\" \"claude\" ; \
         set-option -p -t \"=web:\" remain-on-exit on ; set-option -p -t \"=web:\" @tsup_agent \
         \"v1:=2Fh=2F=C3=A9:web:dev\""
    );
}

#[test]
fn what_cannot_be_said_is_refused() {
    let bad = |f: &dyn Fn(&mut Launch)| {
        let mut l = launch(vec!["a".into()], "/", vec![]);
        f(&mut l);
        launch_session(&l).unwrap_err()
    };
    assert_eq!(bad(&|l| l.argv = vec!["a\0".into()]), BadCommand::Nul("the program"));
    assert_eq!(bad(&|l| l.argv.clear()), BadCommand::NoProgram);
    assert_eq!(bad(&|l| l.cwd = "x".into()), BadCommand::Relative("x".into()));
    assert_eq!(bad(&|l| l.env = vec![("A=B".into(), String::new())]), BadCommand::Variable("A=B".into()));
    assert_eq!(bad(&|l| l.argv.push("x".repeat(COMMAND_LINE_BYTES_MAX))), BadCommand::TooLong);
}
