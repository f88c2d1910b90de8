use proptest::prelude::*;

use super::*;
use crate::fleet::evidence::Source;
use crate::fleet::profile::{ComposerShape, Profiles, Region, Shape};
use crate::fleet::state::Detail;

const RULE: &str = "────────────────────────────────────────";

fn profiles() -> &'static Profiles {
    static PROFILES: std::sync::LazyLock<Profiles> = std::sync::LazyLock::new(|| {
        let (profiles, errors) = Profiles::parse([
            ("claude.toml", include_str!("../../../../profiles/claude.toml")),
            ("codex.toml", include_str!("../../../../profiles/codex.toml")),
            ("pi.toml", include_str!("../../../../profiles/pi.toml")),
            ("gemini.toml", include_str!("../../../../profiles/gemini.toml")),
            ("opencode.toml", include_str!("../../../../profiles/opencode.toml")),
            ("generic.toml", include_str!("../../../../profiles/generic.toml")),
            ("shell.toml", include_str!("../../../../profiles/shell.toml")),
        ]);
        assert!(errors.is_empty(), "{errors:?}");
        profiles
    });
    &PROFILES
}

fn shot(text: &str) -> Shot {
    Shot { text: text.replace("{rule}", RULE).into(), ..Shot::default() }
}

fn says(cli: &str, text: &str) -> String {
    classify(profiles().get(cli).unwrap(), &shot(text)).verdict.to_string()
}

fn claude(text: &str) -> String {
    says("claude", text)
}

/// A composer of Claude Code's below some history.
fn composed(history: &str, typed: &str) -> String {
    format!("{history}\n\n{{rule}}\n❯ {typed}\n{{rule}}\n  ? for shortcuts\n")
}

#[test]
fn an_empty_screen_says_nothing() {
    assert_eq!(read(profiles().get("claude").unwrap(), &Shot::default()), Reading::default());
    assert_eq!(claude("total 3\ndrwxr-x 2 mara mara\n"), "unknown");
}

#[test]
fn the_composer_tells_what_was_typed_and_whether_a_turn_was_taken() {
    let banner = " ▐▛███▜▌   Claude Code v2.1.99\n▝▜█████▛▘  Model · Plan\n  ▘▘ ▝▝    ~/src/orchard";
    assert_eq!(claude(banner), "starting");
    assert_eq!(claude(&composed(banner, "")), "fresh");
    assert_eq!(claude(&composed(banner, "Try \"mend the parser\"")), "fresh");
    assert_eq!(claude(&composed(&format!("{banner}\n\n❯ mend it\n\n● Mended."), "")), "idle");
    assert_eq!(
        claude(&composed(&format!("❯ mend it\n\n● Mended.\n\n{banner}"), "")),
        "fresh",
        "the nearer one counts"
    );
    assert_eq!(claude(&composed("● Mended.", "and now\n  the tests\n  too")), "queued");
    assert_eq!(claude(&composed("● Mended.", "\u{a0}")), "idle");
}

#[test]
fn a_sign_of_work_right_above_the_composer_is_live() {
    let work = "● Bash(make)\n  ⎿  Running…\n\n✻ Simmering… (12s · ↓ 1.2k tokens)";
    assert_eq!(claude(&composed(work, "")), "busy (tool)");
    assert_eq!(claude(&composed(work, "more")), "busy (tool)", "typed text does not end it");
    assert_eq!(claude(&composed(&format!("{work}\n  ⎿  ☒ Read\n     ☐ Write"), "")), "busy (tool)");
    assert_eq!(claude(&composed("✽ Compacting conversation… (esc to interrupt)", "")), "busy (compacting)");
    assert_eq!(claude(&composed("✻ Waiting for 2 background agents to finish", "")), "busy (background)");
    assert_eq!(claude(&composed("✻ Simmered for 12s", "")), "idle", "a turn's end has no ellipsis");
    let narrow =
        "✻ Simmering the whole pot… (esc to\ninterrupt · ctrl+t to hide tasks · 3m 0s\n· ↑ 6.6k tokens)";
    assert_eq!(claude(&composed(narrow, "")), "busy (thinking)");
}

#[test]
fn quotes_do_not_speak() {
    for quote in [
        "✻ Simmering… (12s · ↓ 1.2k tokens · esc to interrupt)",
        "Do you want to proceed?\n❯ 1. Yes\n  2. No\n\nEsc to cancel",
        "API Error: 401 {\"type\":\"error\"}",
        "You've hit your limit · resets 7pm",
        "mara@box:~/src$",
        "Compacting conversation…",
    ] {
        let indented = format!("\n     {}", quote.replace('\n', "\n     "));
        let output = format!("● Bash(cat notes)\n  ⎿  first{indented}");
        assert_eq!(claude(&composed(&output, "")), "idle", "{output}");
        let prose = format!("\n  {}", quote.replace('\n', "\n  "));
        let prose = format!("● It said:\n{prose}");
        assert_eq!(claude(&composed(&prose, "")), "idle", "{prose}");
        let sent = format!("❯ it says {}\n\n● I see.", quote.replace('\n', "\n  "));
        assert_eq!(claude(&composed(&sent, "")), "idle", "{sent}");
        let typed = quote.replace('\n', "\n  ");
        assert_eq!(claude(&composed("● I see.", &typed)), "queued", "{typed}");
    }
}

#[test]
fn what_stands_in_the_composers_place_waits() {
    let menu = "❯ go\n\n{rule}\n Bash command\n\n   make\n\n Do you want to proceed?\n ❯ 1. Yes\n   2. Yes, and don't ask\n   3. No\n\n Esc to cancel";
    assert_eq!(claude(menu), "waiting (permission)");
    assert_eq!(
        claude(
            &menu
                .replace("Bash command", "Some question")
                .replace("Do you want to proceed?", "Which?")
                .replace("and don't ask", "all")
        ),
        "waiting (question)"
    );
    assert_eq!(claude(&composed(menu, "")), "idle", "a composer follows below: it was answered");
    let narrow = "{rule}\n Bash command\n\n   make\n\n Do you want to\n proceed?\n ❯ 1. Yes\n   2. No\n\n Esc to cancel · Tab\n to amend";
    assert_eq!(claude(narrow), "waiting (permission)", "words that wrap are found");
    assert_eq!(says("generic", "Overwrite it? [y/N] "), "waiting (question)");
    assert_eq!(says("generic", "Log in first\n\nPress Enter to continue…"), "waiting (question)");
    let boxed = "╭──────────────────╮\n│ Allow execution? │\n│ ● 1. Allow once  │\n│   2. No          │\n╰──────────────────╯";
    assert_eq!(says("gemini", boxed), "waiting (permission)");
}

#[test]
fn the_last_message_tells_errors_and_limits() {
    let limit = "❯ go on\n  ⎿  You've hit your session limit · resets 7pm (Europe/Berlin)";
    assert_eq!(claude(&composed(limit, "")), "limited");
    assert_eq!(claude(&composed("❯ go on\n\n● Please run /login · API Error: 401 x", "")), "error");
    assert_eq!(claude(&composed("● API Error: 500 {\"type\":\"error\"}\n\n✻ Worked for 2s", "")), "error");
    assert_eq!(claude(&composed("● API Error: 500 {\"type\":\"error\"}\n\n❯ again\n\n● Done.", "")), "idle");
}

#[test]
fn viewers_and_pickers_hold() {
    let picker = "❯ /model\n\n{rule}\n Select model\n Switch between models.\n\n ❯ 1. Large\n   2. Small\n\n Enter to confirm · Esc to exit";
    let reading = read(profiles().get("claude").unwrap(), &shot(picker));
    assert!(reading.claims.is_empty() && reading.live, "{reading:?}");
    assert_eq!(&*reading.hold.unwrap().rule, "claude.picker");
    assert_eq!(claude(picker), "waiting (question)");
}

#[test]
fn a_shells_prompt_at_the_bottom_means_that_the_agent_is_gone() {
    for prompt in [
        "mara@box:~/src$ ",
        "[mara@box src]$",
        "vscode ➜ /workspaces/x (main) $ ",
        "bash-5.2# ",
        "~/src ❯",
        "box% ",
        "$ ",
    ] {
        let verdict = claude(&format!("● Done.\n\nKilled\n{prompt}"));
        let sure = prompt != "box% ";
        assert_eq!(verdict, if sure { "crashed" } else { "unknown" }, "{prompt}");
        assert_eq!(claude(&composed(&format!("● It shows:\n\n{prompt}"), "")), "idle", "quoted {prompt}");
    }
    assert_eq!(claude("● Done.\n\n{rule}\n❯ "), "unknown", "the composer's own prompt is no shell's");
    assert_eq!(claude("mara@box:~/src$ make"), "unknown", "something runs");
    assert_eq!(says("generic", "> "), "idle");
    let auto = |text: &str| guess(profiles(), &shot(text)).map(|p| p.name.to_string());
    assert_eq!(auto("mara@box:~/src$ "), Some("shell".to_owned()));
}

#[test]
fn a_pane_too_short_for_a_sign_of_work_tells_neither() {
    assert_eq!(claude("{rule}\n❯ \n{rule}"), "unknown");
    assert_eq!(claude("\n{rule}\n❯ \n{rule}"), "unknown");
    assert_eq!(
        claude("  ⎿  ◻ Read\n     ◻ Write\n\n{rule}\n❯ \n{rule}"),
        "unknown",
        "what hangs below a sign of work"
    );
    assert_eq!(claude("{rule}\n❯ and now\n{rule}"), "queued");
    assert_eq!(claude("✻ Simmering… (2s)\n{rule}\n❯ \n{rule}"), "busy (thinking)");
}

#[test]
fn attributes_count() {
    let dim = "● Done.\n\n{rule}\n❯ \u{1b}[7mr\u{1b}[27;2mun the tests\u{1b}[0m\n{rule}\n";
    assert_eq!(claude(dim), "idle", "dim text is a suggestion");
    assert_eq!(claude(&dim.replace(";2m", "m")), "queued");
    let hidden = composed("● Done.\n\n\u{1b}[8m✻ Simmering… (2s)\u{1b}[0m", "");
    assert_eq!(claude(&hidden), "idle", "what is not shown does not count");
    let coloured =
        composed("\u{1b}[38;5;174m✻\u{1b}[39m \u{1b}[1mSimmering…\u{1b}[0m\u{1b}]8;;x\u{7} (2s)", "");
    assert_eq!(claude(&coloured), "busy (thinking)");
}

#[test]
fn a_title_speaks_for_itself() {
    let shot = Shot { title: "⠙ Mend the parser".into(), ..shot(&composed("● Done.", "")) };
    let reading = read(profiles().get("claude").unwrap(), &shot);
    assert_eq!((reading.claims[0].source, reading.claims[0].says.state), (Source::Title, AgentState::Busy));
}

#[test]
fn other_shapes_of_composers() {
    assert_eq!(says("pi", "done\n\n{rule}\n\n{rule}\n~/src (main)\n↑1k ↓2 4.9%/1.0M\n"), "idle");
    assert_eq!(says("pi", "done\n\n{rule}\nmore\n{rule}\n~/src (main)\n↑1k ↓2 4.9%/1.0M\n"), "queued");
    assert_eq!(
        says("pi", " ⠹ Working...\n\n╭─ π | x | ◫ 3.9%/1.0M ─────╮\n╰─                      ─╯"),
        "busy (thinking)"
    );
    assert_eq!(
        says(
            "opencode",
            "  ┃\n  ┃  hello\n  ┃\n\n     hi\n\n  ┃\n  ┃\n  ┃  Build · Large\n  ╹▀▀▀▀▀▀▀\n   tab agents"
        ),
        "idle"
    );
    assert_eq!(
        says("opencode", "  ┃\n  ┃  typed\n  ┃\n  ┃  Build · Large\n  ╹▀▀▀▀▀▀▀\n   tab agents"),
        "queued"
    );
    assert_eq!(says("codex", "• Done.\n\n› Ask Codex to do anything\n\n  large · ~/src"), "idle");
    assert_eq!(
        says("codex", "• Working (1m 02s • esc to interrupt)\n\n› \n\n  large · ~/src"),
        "busy (thinking)"
    );
    assert_eq!(
        says(
            "gemini",
            "✦ Done.\n\n╭──────────────╮\n│ >   Type your message or @path │\n╰──────────────╯\n ~/src"
        ),
        "idle"
    );
    assert_eq!(says("gemini", "✦ Done.\n\n╭──────────────╮\n│ > typed"), "queued", "a box that is cut off");
}

const SCREENS: [(&str, &str, AgentState, Option<Detail>); 5] = [
    (
        "claude",
        "✻ Simmering… (12s)\n\n{rule}\n❯ \n{rule}\n  ? for shortcuts",
        AgentState::Busy,
        Some(Detail::Thinking),
    ),
    (
        "claude",
        "{rule}\n Bash command\n\n   make\n\n Do you want to proceed?\n ❯ 1. Yes\n   2. No\n\n Esc to cancel",
        AgentState::Waiting,
        Some(Detail::Permission),
    ),
    ("claude", "● Done.\n\n{rule}\n❯ typed\n{rule}\n  ? for shortcuts", AgentState::Queued, None),
    (
        "pi",
        " done\n\n ⠹ Working...\n\n{rule}\n\n{rule}\n~/src\n↑1k 4.9%/1.0M",
        AgentState::Busy,
        Some(Detail::Thinking),
    ),
    (
        "gemini",
        " ⠏ Thinking (esc to cancel, 12s)\n\n╭────────╮\n│ >   Type your message │\n╰────────╯\n ~/src",
        AgentState::Busy,
        Some(Detail::Thinking),
    ),
];

/// Lines that may stand in a history, quotes among them, each as a paragraph of its own at a message's mark.
fn history() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "● Mended.",
        "● Bash(make)\n  ⎿  ✻ Simmering… (12s · esc to interrupt)",
        "❯ what does “Do you want to proceed?” mean",
        "● It asks:\n\n  ❯ 1. Yes\n    2. No\n\n  Esc to cancel",
        "● Bash(ssh box)\n  ⎿  mara@box:~/src$",
        "  ⎿  API Error: 500 is what it said",
        "● 世界 「漢字」 wide words",
        "",
    ]);
    prop::collection::vec(words, 0..12).prop_map(|parts| parts.join("\n\n"))
}

#[test]
fn more_labels_than_lines_take_what_is_there() {
    let shape = ComposerShape {
        name: "".into(),
        id: "endless".to_owned(),
        shape: Shape::Bare,
        prompts: vec![">".to_owned()],
        bars: String::new(),
        placeholders: Vec::new(),
        below: 0,
        labels: usize::MAX,
    };
    let found = composer::find(&text::lines("> typed"), &[shape]).unwrap();
    assert_eq!((found.text.as_str(), found.border.as_str()), ("", "> typed"));
}

#[test]
fn the_last_paragraph_is_read_as_far_as_its_limit() {
    let history = format!("● 0{}", "\n  more".repeat(40));
    let screen = shot(&composed(&history, ""));
    let rules = &profiles().get("claude").unwrap().rules;
    let view = live::Live::find(text::lines(screen.text.raw()), rules).view(Region::Last, rules);
    assert_eq!(view.lines.lines().count(), crate::limits::LAST_LINES_MAX, "{}", view.lines);
}

proptest! {
    #[test]
    fn history_and_blank_tails_change_nothing(above in history(), blanks in 0usize..60, which in 0..SCREENS.len()) {
        let (cli, live, state, detail) = SCREENS[which];
        let text = format!("{above}\n\n{live}{}", "\n".repeat(blanks));
        let verdict = classify(profiles().get(cli).unwrap(), &shot(&text)).verdict;
        // A call as the last message makes it a tool that runs.
        let detail = if state == AgentState::Busy { verdict.detail } else { detail };
        prop_assert_eq!(verdict, Verdict::new(state, detail), "{}", text);
    }

    #[test]
    fn words_of_work_versions_and_folders_do_not_matter(
        word in "[A-Z][a-zé-]{2,14}( [a-z]{2,9}){0,3}", seconds in 1u32..5000, footer in "[a-z ·]{0,60}"
    ) {
        let text = format!("✢ {word}… ({seconds}s · ↓ 3 tokens)\n\n{{rule}}\n❯ \n{{rule}}\n  {footer}");
        prop_assert_eq!(claude(&text), if word.contains("ompacting") { "busy (compacting)" } else { "busy (thinking)" });
    }

    #[test]
    fn no_text_breaks_the_reader(text in "[\\PC\n\u{1b}\u{7}❯›>│╭╰─┃╹●⎿✻…0-9.\\[;m ]{0,400}") {
        for profile in profiles().iter() {
            let _ = classify(profile, &Shot { text: text.as_str().into(), title: text.as_str().into(), columns: None });
        }
        let _ = guess(profiles(), &shot(&text));
    }

    #[test]
    fn no_truncation_breaks_the_reader(cut in 0usize..2000, which in 0..SCREENS.len()) {
        let (cli, live, ..) = SCREENS[which];
        let text = shot(live).text.raw().to_owned();
        let bytes = &text.as_bytes()[..cut.min(text.len())];
        let shot = Shot { text: Untrusted::from_bytes(bytes, 100_000), ..Shot::default() };
        let verdict = classify(profiles().get(cli).unwrap(), &shot).verdict;
        prop_assert_ne!(verdict.state, AgentState::Crashed);
    }
}

#[test]
fn long_lines_and_many_lines_are_bounded() {
    let live = composed("✻ Simmering… (2s)", "");
    let long = "x".repeat(10 * 1024 * 1024);
    assert_eq!(claude(&format!("{long}\n\n{live}")), "busy (thinking)");
    assert_eq!(claude(&long), "unknown");
    let many = "❯ line of words\n".repeat(100_000);
    assert_eq!(claude(&format!("{many}\n\n{live}")), "busy (thinking)");
    assert_eq!(text::lines(&many).len(), crate::limits::SCREEN_LINES_MAX);
    let escapes = "\u{1b}[".repeat(500_000);
    assert_eq!(claude(&escapes), "unknown");
}

#[test]
fn what_stands_above_a_shells_line_may_be_left_behind() {
    let profile = profiles().get("claude").unwrap();
    let left = |text: &str| read(profile, &shot(text)).left;
    let limit = composed("● Hi\n\n⎿  You've hit your session limit · resets 7pm (UTC)", "/exit");
    let menu = "● Bash(rm x)\n\n{rule}\n Bash command\n\n   rm x\n\n Do you want to proceed?\n ❯ 1. Yes\n   2. No\n\n \
                Esc to cancel · Tab to amend\n";
    let work = composed("✶ Sorting… (3s · esc to interrupt)", "");
    for old in [limit.as_str(), menu, &work, "some output\n"] {
        for line in [
            "mara@birch:~/src/orchard$ claude",
            "mara@birch:~/src/orchard$",
            "~/src/orchard % claude --resume x",
            "➜  orchard git:(main) ✗ claude",
            "$ claude",
            "~/src/orchard on main via 🐍\n❯ claude",
            "Killed\nsome prompt> claude",
        ] {
            assert!(left(&format!("{old}\nResume this session with:\n{line}\n")), "{line} below {old}");
            let under = format!("{old}\n{line}\n{}", composed(" ▐▛███▜▌   Claude Code v2.1.99", ""));
            assert!(!left(&under), "a composer below {line}");
        }
        assert!(!left(old), "{old}");
    }
}
