//! The painted screens: all of them can be painted, and every CLI has one for each state it can show.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use tsup_actors::fleet::profiles;
use tsup_actors::fleet::screens::{self, Screen};
use tsup_core::fleet::evidence::Verdict;
use tsup_core::fleet::profile::Profiles;
use tsup_core::fleet::screen::{self, Shot};
use tsup_core::fleet::stage::{Frame, Painted};
use tsup_core::fleet::state::{AgentState, Detail};
use tsup_core::untrusted::Untrusted;

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

/// What the rules still read wrong on painted screens, for each CLI: screens in all their widths, with attributes and without.
const OWN_KNOWN: [(&str, usize); 0] = [];
/// The same for quotes: a banner at the end of a message looks like a start.
const QUOTES_KNOWN: [(&str, usize); 1] = [("claude", 4)];
/// The same for the cases that need a screen of their own: after a resize the old signs of work may stand in the way.
const CASES_KNOWN: [(&str, usize); 1] = [("gemini", 2)];

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

/// Whether a reading is right: the state always, the kind where a person must know it.
fn is_right(painted: &Painted, said: Verdict) -> bool {
    let kind_matters = !matches!(painted.header.detail, None | Some(Detail::Thinking | Detail::Tool));
    painted.accepts(said.state)
        && (!kind_matters || said.state != painted.header.state || said.detail == painted.header.detail)
}

/// Reads a screen in all its widths, with attributes and without; tells what is wrong.
fn misreadings(profiles: &Profiles, name: &str, cli: &str, painted: &Painted) -> Vec<String> {
    let profile = profiles.get(cli).unwrap_or_else(|| panic!("{cli} has no profile"));
    let mut wrong = Vec::new();
    for &columns in &painted.header.columns {
        let frame = Frame { rows: painted.header.rows, ..Frame::of(columns) };
        for (how, shot) in [("", painted.shot(&frame)), (", plain", painted.plain_shot(&frame))] {
            if painted.header.attributes && !how.is_empty() {
                continue;
            }
            let read = screen::classify(profile, &shot);
            if !is_right(painted, read.verdict) {
                let rule = read.claims.first().map_or("no rule", |c| &*c.rule);
                let right = painted.verdict();
                wrong.push(format!("{name} at {columns}{how}: {} by {rule}, not {right}", read.verdict));
            }
        }
    }
    wrong
}

fn assert_none(wrong: &[String]) {
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// Misreadings that are known: the number for each CLI may only go down. None is a wrong death.
fn assert_few(wrong: &[(String, String)], known: &[(&str, usize)]) {
    let mut count = BTreeMap::<&str, Vec<&str>>::new();
    for (cli, what) in wrong {
        assert!(!what.contains(": crashed"), "{what}");
        count.entry(cli).or_default().push(what);
    }
    for (cli, wrong) in count {
        let most = known.iter().find(|(known, _)| *known == cli).map_or(0, |(_, most)| *most);
        assert!(wrong.len() <= most, "{cli}: {} wrong, not {most}:\n{}", wrong.len(), wrong.join("\n"));
    }
}

/// Misreadings of screens of that CLI, with its name.
fn told(profiles: &Profiles, name: &str, cli: &str, painted: &Painted) -> Vec<(String, String)> {
    misreadings(profiles, name, cli, painted).into_iter().map(|wrong| (cli.to_owned(), wrong)).collect()
}

#[test]
fn every_screen_gives_its_state() {
    let profiles = profiles::shipped();
    let wrong: Vec<_> = screens::all()
        .flat_map(|s| told(&profiles, &format!("{}/{}", s.cli, s.case), s.cli, &painted(s)))
        .collect();
    assert_few(&wrong, &OWN_KNOWN);
}

#[test]
fn no_quote_changes_the_state() {
    let profiles = profiles::shipped();
    let wrong: Vec<_> =
        quoted().iter().flat_map(|(name, cli, painted)| told(&profiles, name, cli, painted)).collect();
    // Who works or waits for a person is never called idle, whatever words stand on the screen.
    let calm = |what: &&str| {
        let (said, right) = what.split_once(", not ").unwrap_or((what, ""));
        (said.contains(": idle") || said.contains(": fresh"))
            && (right.starts_with("busy") || right.starts_with("waiting"))
    };
    let calmed: Vec<String> = wrong.iter().map(|(_, w)| w.as_str()).filter(calm).map(str::to_owned).collect();
    assert_none(&calmed);
    assert_few(&wrong, &QUOTES_KNOWN);
}

#[test]
fn no_spoofed_screen_is_misread() {
    let profiles = profiles::shipped();
    let wrong: Vec<_> = spoofs("cases")
        .iter()
        .flat_map(|(name, text)| {
            let (cli, painted) = spoof(name, text);
            told(&profiles, name, &cli, &painted)
        })
        .collect();
    assert_few(&wrong, &CASES_KNOWN);
}

#[test]
fn the_structure_of_a_screen_tells_its_cli() {
    let profiles = profiles::shipped();
    let mut wrong = Vec::new();
    for screen in screens::all() {
        let painted = painted(screen);
        for &columns in painted.header.columns.iter().filter(|_| painted.header.tells_cli) {
            let shot = painted.shot(&Frame { rows: painted.header.rows, ..Frame::of(columns) });
            let guess = screen::guess(&profiles, &shot).map_or("nobody", |p| &*p.name);
            if guess != screen.cli {
                wrong.push(format!("{}/{} at {columns}: {guess}", screen.cli, screen.case));
            }
        }
    }
    assert_none(&wrong);
}

/// A terminal that is still being drawn shows a part of the screen: that is never a death, and no panic.
#[test]
fn a_part_of_a_screen_is_never_a_crash() {
    let profiles = profiles::shipped();
    for screen in screens::all() {
        let painted = painted(screen);
        let profile = profiles.get(screen.cli).unwrap();
        let shot = painted.shot(&Frame { rows: painted.header.rows, ..Frame::of(80) });
        let text = shot.text.raw();
        let parts = text.char_indices().map(|(at, _)| &text[..at]);
        for part in parts.step_by(29) {
            let part = Shot { text: Untrusted::new(part), ..shot.clone() };
            let said = screen::classify(profile, &part).verdict.state;
            let dead = said == AgentState::Crashed;
            assert!(
                !dead || painted.header.state == said || painted.accepts(said),
                "{}/{}:\n{}",
                screen.cli,
                screen.case,
                part.text.raw()
            );
        }
    }
}
