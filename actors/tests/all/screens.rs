//! The painted screens: all of them can be painted, and every CLI has one for each state it can show.

use std::fs;
use std::path::Path;

use tsup_actors::fleet::screens::{self, Screen};
use tsup_core::fleet::stage::{Frame, Painted};

/// Words of a life, and the CLIs that have no such screen.
const WORDS: [(&str, &[&str]); 16] = [
    ("starting", &["generic", "shell"]),
    ("fresh", &["generic", "shell"]),
    ("trust", &["amp", "generic", "goose", "kimi", "opencode", "pi", "qwen", "shell"]),
    ("login", &["generic", "shell"]),
    ("thinking", &["shell"]),
    ("tool", &["aider", "generic", "shell"]),
    ("permission", &["shell"]),
    ("question", &["amp", "generic", "qwen", "shell"]),
    ("limit", &["generic", "shell"]),
    ("error", &["generic", "shell"]),
    ("auth", &["generic", "shell"]),
    ("compact", &["generic", "shell"]),
    ("queued", &["shell"]),
    ("idle", &["shell"]),
    ("interrupted", &["generic", "shell"]),
    ("exit", &["shell"]),
];

fn painted(screen: Screen) -> Painted {
    screen.painted().unwrap_or_else(|e| panic!("{}/{}.screen: {e}", screen.cli, screen.case))
}

#[test]
fn every_screen_can_be_painted_in_every_width() {
    let mut count = 0;
    for screen in screens::all() {
        let painted = painted(screen);
        for &columns in &painted.header.columns {
            let frame = Frame { rows: painted.header.rows, ..Frame::of(columns) };
            let sheet = painted.sheet(&frame);
            assert!(!sheet.rows.is_empty(), "{screen:?}");
            assert!(
                painted.header.detail.is_none() || !painted.header.hold,
                "{screen:?}: a screen that holds says nothing"
            );
            count += 1;
        }
    }
    assert!(count > 800, "only {count} paintings");
}

#[test]
fn every_cli_has_a_screen_for_each_state_it_can_show() {
    for cli in screens::clis() {
        for (word, without) in WORDS {
            let has = screens::of(cli).any(|s| s.is_for(word));
            assert_eq!(has, !without.contains(&cli), "{cli}: {word}");
        }
    }
    assert_eq!(screens::clis().len(), 17);
}

/// Name and text of every file in a folder of the spoof suite.
fn spoofs(folder: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles/spoofs").join(folder);
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            (path.file_stem().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(path).unwrap())
        })
        .collect();
    files.sort();
    files
}

/// A file of the spoof suite: it says itself whose screen it is.
fn spoof(name: &str, text: &str) -> (String, Painted) {
    // The spinner goes by the CLI, and the CLI stands in the header.
    let cli = Painted::parse("generic", text).unwrap_or_else(|e| panic!("{name}: {e}")).header.cli;
    let cli = cli.unwrap_or_else(|| panic!("{name}: whose screen is it?"));
    let painted = Painted::parse(&cli, text).unwrap();
    (cli, painted)
}

/// Every quote in every base that takes it: a name, the CLI, the screen.
fn quoted() -> Vec<(String, String, Painted)> {
    let quotes = spoofs("quotes");
    let mut screens = Vec::new();
    for (base, text) in spoofs("bases") {
        let (cli, painted) = spoof(&base, &text);
        for (name, quote) in &quotes {
            let long = painted.header.one_line && quote.lines().count() > 1;
            if !long && !painted.header.except.contains(name) {
                let quote = if painted.header.one_line { quote.trim() } else { quote };
                screens.push((format!("{base} < {name}"), cli.clone(), painted.with_quote(quote).unwrap()));
            }
        }
    }
    screens
}

#[test]
fn the_spoof_suite_is_large_and_readable() {
    let names: Vec<String> = spoofs("quotes").into_iter().map(|(name, _)| name).collect();
    for (base, text) in spoofs("bases") {
        let (_, painted) = spoof(&base, &text);
        assert!(painted.header.place.is_some(), "{base}: where does the quote stand?");
        for name in &painted.header.except {
            assert!(names.contains(name), "{base}: there is no quote `{name}`");
        }
        let plain = painted.with_quote("HERE").unwrap().plain_shot(&Frame::of(120));
        assert!(plain.text.raw().contains("HERE") || plain.title.raw().contains("HERE"), "{base}");
    }
    let cases = spoofs("cases");
    for (name, text) in &cases {
        spoof(name, text);
    }
    assert!(cases.len() >= 59 && quoted().len() > 3000, "{} cases, {} quotes", cases.len(), quoted().len());
}
