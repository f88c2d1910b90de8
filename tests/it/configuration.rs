//! Configurations as people write them, right and wrong.

use crate::command::{Done, Place};

#[test]
fn init_writes_what_means_the_defaults() {
    let place = Place::new();
    let done = place.tsup(&["init"]);
    assert_eq!((done.code, done.out.as_str()), (0, ""), "{}", done.err);
    let text = std::fs::read_to_string(place.path().join("tsup.toml")).unwrap();
    let settings = tsup_core::settings::source::parse("tsup.toml", &text, &[]).unwrap();
    assert_eq!(settings, tsup_core::settings::Settings::default());

    let again = place.tsup(&["init"]);
    assert_eq!(again.code, 5);
    assert!(again.err.contains("--force"), "{}", again.err);
    place.configure("[log]\n");
    assert_eq!(place.tsup(&["init", "--force"]).code, 0);
    assert_eq!(std::fs::read_to_string(place.path().join("tsup.toml")).unwrap(), text);
    assert_eq!(place.tsup(&["init", "--config", "other.toml"]).code, 0);
    assert_eq!(std::fs::read_to_string(place.path().join("other.toml")).unwrap(), text);
    assert_eq!(place.tsup(&["init", "--config", "no/folder/t.toml"]).code, 1);
}

#[test]
fn init_writes_scripts_that_run() {
    let w = crate::harness::World::new();
    std::fs::remove_file(w.dir.join("tsup.toml")).unwrap();
    let wrote = w.tsup(&["init"]);
    let said = String::from_utf8(wrote.stderr).unwrap();
    assert!(wrote.status.success(), "{said}");
    for file in ["tsup.toml", "registry.json", "scripts/largest.sh", "scripts/words.py"] {
        assert!(said.contains(&format!("wrote {file}")) && w.dir.join(file).exists(), "{file}: {said}");
    }
    // The only thing that a test changes: the user's own tmux is none of its business.
    let started = w
        .command(&["start"])
        .env("TSUP_TMUX__SOCKETS", format!("[\"{}\"]", w.tmux_socket()))
        .output()
        .unwrap();
    assert!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));
    let folder = w.dir.join("texts");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("a text"), "many words, many many words and a few\n").unwrap();
    let run = |script: &str, input: String| {
        w.json(&["ctl", "submit", script, "--arg", &input, "--wait", "--json"])["job"]["outputs"].clone()
    };
    let shown = folder.display();
    let largest = run("files/largest", format!("folder={shown}"));
    assert_eq!(largest, serde_json::json!({"files": 1, "bytes": 38, "largest": format!("{shown}/a text")}));
    let words = run("text/words", format!("file={shown}/a text"));
    assert_eq!(words, serde_json::json!({"words": 8, "most": {"many": 3, "words": 2}}));
    assert!(w.tsup(&["stop"]).status.success());
}

#[test]
fn init_leaves_a_registry_that_is_there() {
    let place = Place::new();
    let registry = place.path().join("registry.json");
    std::fs::write(&registry, "{}").unwrap();
    let done = place.tsup(&["init"]);
    assert!(done.code == 0 && done.err.contains("registry.json is there already"), "{}", done.err);
    assert_eq!(std::fs::read_to_string(&registry).unwrap(), "{}");
    assert!(!place.path().join("scripts").exists());
    assert_eq!(place.tsup(&["init", "--force"]).code, 0);
    assert!(std::fs::read_to_string(&registry).unwrap().contains("files/largest"));
}

#[test]
fn a_broken_configuration_is_located_and_starts_nothing() {
    let place = Place::new();
    for (text, says) in [
        (
            "[fleet]\nmissing_grace_seconds = 0\n",
            "tsup.toml:2:25: `fleet.missing_grace_seconds` is 0 seconds",
        ),
        ("[tmux]\nsoquets = []\n", "tsup.toml:2:1: unknown field `soquets`"),
        ("[statsd\n", "tsup.toml:1:8: "),
        ("[web]\nenabled = true\n", "tsup.toml:1:2: unknown field `web`"),
    ] {
        place.configure(text);
        let done = place.tsup(&["start"]);
        assert_eq!((done.code, done.out.as_str()), (2, ""), "{text}");
        assert!(done.err.starts_with(&format!("tsup: {says}")), "{}", done.err);
        assert!(done.err.lines().count() <= 2, "{}", done.err);
        assert_eq!(place.tsup(&["run"]).code, 2, "{text}");
    }
    assert!(!place.home().exists());
    assert_eq!(place.tsup(&["run", "--config", "missing.toml"]).code, 2);
}

#[test]
fn a_wrong_variable_is_named() {
    let place = Place::new();
    let with = |name: &str, value: &str| -> Done {
        place.command(&["start"]).env(name, value).output().unwrap().into()
    };
    for (name, value) in [
        ("TSUP_STATSD__FLUSH_SECONDS", "0"),
        ("TSUP_NOTHING__AT_ALL", "1"),
        ("METACLAUDE_METRICS_PORT", "http"),
    ] {
        let done = with(name, value);
        assert_eq!(done.code, 2, "{name}");
        assert!(done.err.starts_with(&format!("tsup: {name}: ")), "{}", done.err);
    }
}

#[test]
fn the_doctor_reads_the_configuration_too() {
    let place = Place::new();
    place.configure("[relaunch]\nperiod_seconds = \"long\"\n");
    let done = place.tsup(&["doctor", "--json"]);
    assert_eq!(done.code, 1);
    let report = done.json();
    let finding =
        report["findings"].as_array().unwrap().iter().find(|f| f["name"] == "configuration").unwrap();
    assert_eq!(finding["level"], "fix");
    assert!(finding["says"].as_str().unwrap().starts_with("tsup.toml:2:18: `relaunch.period_seconds`"));
}

#[test]
fn the_reference_names_every_key() {
    let reference = include_str!("../../docs/reference/configuration.md");
    let mut section = String::new();
    for line in tsup_core::settings::SAMPLE.lines().map(|l| l.trim_start_matches('#')) {
        if line.starts_with('[') {
            section = format!("### `{line}`");
            assert!(reference.contains(&section), "{section} is not in the reference");
        } else if let Some((key, value)) = line.split_once(" = ")
            && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
        {
            let part = reference.split(&section).nth(1).unwrap().split("\n### ").next().unwrap();
            let row = part.lines().find(|l| l.starts_with(&format!("| `{key}` |")));
            let row = row.unwrap_or_else(|| panic!("`{key}` is not under {section}"));
            // Examples of what has no default, and the long list under its table, are told in words.
            let is_told = concat!(
                "name socket role command env dir profiles shadow_profiles session_slots script inputs cron ",
                "timezone specialist"
            )
            .split(' ')
            .any(|told| told == key);
            assert!(is_told || row.contains(&format!("`{value}`")), "{key}: the default is {value}: {row}");
        }
    }
}

#[test]
fn the_reference_names_every_kind_of_event() {
    let reference = include_str!("../../docs/reference/cli.md");
    for kind in tsup_core::event::Event::KINDS {
        assert!(reference.contains(&format!("`{kind}`")), "{kind}");
    }
}

#[test]
fn the_reference_names_every_verb() {
    use clap::CommandFactory;
    let reference = include_str!("../../docs/reference/cli.md");
    let command = tsup::cli::Cli::command();
    let asked = command.find_subcommand("ctl").unwrap().get_subcommands();
    for verb in command
        .get_subcommands()
        .chain(asked)
        .filter(|c| !c.is_hide_set() && !["ctl", "help"].contains(&c.get_name()))
    {
        let name = verb.get_name();
        let row = |end: &str| reference.contains(&format!("| `{name}{end}"));
        assert!(row("`") || row(" "), "{name} is not in the reference");
    }
}
