//! `tsup detect` on files: verdicts, documents, exit codes, profiles of one's own.

use std::io::Write;
use std::process::Stdio;

use serde_json::Value;

use crate::command::{Done, Place};

const BUSY: &str = "● Bash(make)\n  ⎿  Running…\n\n✻ Simmering… (12s · ↓ 1.2k tokens · esc to interrupt)\n\n\
────────────────────────────────\n❯ \n────────────────────────────────\n  ? for shortcuts\n";
const ASKS: &str = "❯ list them\n\n────────────────────────────────\n Bash command\n\n   ls -la ~/x\n\n Do you want to proceed?\n \
❯ 1. Yes\n   2. No\n\n Esc to cancel · Tab to amend\n";

fn write(place: &Place, name: &str, text: &str) {
    std::fs::write(place.path().join(name), text).unwrap();
}

fn documents(done: &Done) -> Vec<Value> {
    done.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn each_file_gets_an_answer_with_its_reasons() {
    let place = Place::new();
    write(&place, "busy.txt", BUSY);
    write(&place, "asks.txt", ASKS);
    let done = place.tsup(&["detect", "busy.txt", "asks.txt"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.out.starts_with("busy.txt: busy (tool), claude\n  claude.tool says busy"), "{}", done.out);
    assert!(done.out.contains("asks.txt: waiting (permission), claude\n"), "{}", done.out);
    let done = place.tsup(&["detect", "--json", "--agent", "claude", "busy.txt", "asks.txt"]);
    let [busy, asks] = documents(&done).try_into().unwrap();
    assert_eq!(
        (&busy["version"], &busy["file"], &busy["state"]),
        (&1.into(), &"busy.txt".into(), &"busy".into())
    );
    assert_eq!((&asks["agent"], &asks["detail"]), (&"claude".into(), &"permission".into()));
    assert_eq!(
        (&asks["rule"], &asks["evidence"][0]["source"]),
        (&"claude.permission".into(), &"screen".into())
    );
    assert_eq!(asks["evidence"][0]["excerpt"], "Do you want to proceed?");
    assert!(asks["evidence"][0]["age_seconds"].is_null());
}

#[test]
fn what_cannot_be_read_decides_the_exit_code_and_the_rest_is_answered() {
    let place = Place::new();
    write(&place, "busy.txt", BUSY);
    let done = place.tsup(&["detect", "--json", ".", "busy.txt"]);
    assert_eq!((done.code, documents(&done).len()), (1, 1), "{done:?}");
    let done = place.tsup(&["detect", "--json", "gone.txt", ".", "busy.txt"]);
    assert_eq!((done.code, documents(&done).len()), (4, 1), "{done:?}");
    assert!(done.err.contains("gone.txt: no such file"), "{}", done.err);
    let done = place.tsup(&["detect", "--agent", "nobody", "busy.txt"]);
    assert_eq!(done.code, 2, "{done:?}");
    assert!(done.err.contains("claude"), "it names the profiles: {}", done.err);
}

#[test]
fn bytes_of_any_kind_come_on_the_standard_input() {
    let place = Place::new();
    for (bytes, state) in
        [(&b""[..], "unknown"), (b"\xff\xfe\x1b[\x1b]\x00", "unknown"), (BUSY.as_bytes(), "busy")]
    {
        let mut command = place.command(&["detect", "--json", "-"]);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(bytes).unwrap();
        let done = Done::from(child.wait_with_output().unwrap());
        assert_eq!((done.code, &done.json()["state"]), (0, &state.into()), "{done:?}");
    }
}

#[test]
fn what_is_no_plain_file_is_refused_instead_of_waited_for() {
    let place = Place::new();
    let pipe = place.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let _socket = std::os::unix::net::UnixListener::bind(place.path().join("socket")).unwrap();
    for verb in ["detect", "replay"] {
        for (file, says) in [
            ("pipe", "pipe: it is a pipe, and must be a plain file"),
            ("socket", "it is not a plain file"),
            ("/dev/zero", "/dev/zero: it is not a plain file"),
            (".", ".: is a directory"),
        ] {
            let done = place.tsup(&[verb, file]);
            assert_eq!(done.code, 1, "{verb} {file}: {done:?}");
            assert!(done.err.contains(says), "{verb} {file}: {}", done.err);
        }
    }
}

#[test]
fn a_version_that_the_rules_were_not_checked_with_is_told() {
    let place = Place::new();
    for (version, checked) in [("2.1.9", Some(true)), ("9.0.1", Some(false))] {
        write(&place, "a.txt", &format!(" ▐▛███▜▌   Claude Code v{version}\n\n{BUSY}"));
        let done = place.tsup(&["detect", "--json", "--agent", "claude", "a.txt"]);
        let doc = done.json();
        assert_eq!((doc["cli_version"].as_str(), doc["version_checked"].as_bool()), (Some(version), checked));
        let told = "this is Claude Code 9.0.1; the rules were checked with 1.0 to 2.1 only";
        assert_eq!(doc["notes"] == serde_json::json!([told]), checked == Some(false), "{doc}");
        let text = place.tsup(&["detect", "--agent", "claude", "a.txt"]).out;
        assert_eq!(text.contains(&format!("\n  note: {told}\n")), checked == Some(false), "{text}");
    }
    write(&place, "a.txt", BUSY);
    let doc = place.tsup(&["detect", "--json", "--agent", "claude", "a.txt"]).json();
    assert!(doc["cli_version"].is_null() && doc["version_checked"].is_null(), "{doc}");
}

#[test]
fn a_file_that_holds_no_screen_is_told_as_such() {
    let place = Place::new();
    for (bytes, says) in [(&b""[..], "the file is empty;"), (b"\x7fELF\x00\x01", "the file holds no text;")] {
        std::fs::write(place.path().join("a"), bytes).unwrap();
        let done = place.tsup(&["detect", "a"]);
        assert_eq!(done.code, 0, "{done:?}");
        assert!(done.out.contains(&format!("\n  note: {says} `tmux capture-pane -pe`")), "{}", done.out);
    }
}

#[test]
fn the_guide_shows_what_is_printed() {
    let guide = include_str!("../../docs/guides/teach-an-agent.md");
    let blocks: Vec<&str> = guide.split("```").skip(1).step_by(2).collect();
    let block = |words: &str| *blocks.iter().find(|block| block.contains(words)).unwrap();
    let place = Place::new();
    write(&place, "busy.txt", block("│ brew> ask").trim_start_matches('\n'));
    let profiles = place.path().join("profiles");
    std::fs::create_dir(&profiles).unwrap();
    std::fs::write(profiles.join("brew.toml"), block("name = \"brew\"").trim_start_matches("toml")).unwrap();
    for args in [
        &["detect", "--agent", "generic", "busy.txt"][..],
        &["detect", "--profiles", "profiles", "--agent", "brew", "busy.txt"],
        &["detect", "--profiles", "profiles", "busy.txt"],
    ] {
        let done = place.tsup(args);
        assert_eq!((done.code, done.err.as_str()), (0, ""), "{done:?}");
        assert!(guide.contains(&format!("```\n{}```", done.out)), "the guide does not say: {}", done.out);
    }
    // The guide's profile keeps the guide's advice.
    let composer = "┌──────────────────────────────────────────┐\n│ brew> ask for anything                   │\n\
                    └──────────────────────────────────────────┘\n";
    for (said, state) in [("* The log says:\n  * Kettle error: no", "idle"), ("* Kettle error: no", "error")]
    {
        write(&place, "said.txt", &format!("> mend the parser\n\n{said}\n\n{composer}"));
        let done = place.tsup(&["detect", "--profiles", "profiles", "--agent", "brew", "--json", "said.txt"]);
        assert_eq!(done.json()["state"], state, "{said}");
    }
}

#[test]
fn own_profiles_add_to_the_shipped_ones() {
    let place = Place::new();
    let folder = place.path().join("profiles");
    std::fs::create_dir(&folder).unwrap();
    let profile = r#"version = 1
name = "brew"
[[composer]]
id = "prompt"
shape = "bare"
prompts = ["brew>"]
[[rule]]
id = "kettle"
in = "last"
any = ["kettle is empty"]
says = "error"
[[rule]]
id = "broken"
in = "attic"
says = "idle"
"#;
    std::fs::write(folder.join("brew.toml"), profile).unwrap();
    std::fs::write(folder.join("notes.txt"), "no profile").unwrap();
    write(&place, "a.txt", "the kettle is empty\n\nbrew>\n");
    let done = place.tsup(&["detect", "--profiles", "profiles", "--agent", "brew", "--json", "a.txt"]);
    assert_eq!((&done.json()["state"], &done.json()["rule"]), (&"error".into(), &"brew.kettle".into()));
    assert!(
        done.err.contains("brew.toml:14:6: this rule is left out: unknown variant `attic`"),
        "{}",
        done.err
    );
    assert_eq!(place.tsup(&["detect", "--profiles", "nowhere", "a.txt"]).code, 4);

    // Of a folder, what can be used is used, and each other file is named.
    std::fs::write(folder.join("bytes.toml"), b"version = 1\n\xff").unwrap();
    std::fs::write(folder.join("huge.toml"), vec![b'#'; 300 * 1024]).unwrap();
    std::fs::write(folder.join("two.toml"), profile).unwrap();
    let done = place.tsup(&["detect", "--profiles", "profiles", "--agent", "brew", "--json", "a.txt"]);
    assert_eq!((done.code, &done.json()["state"]), (0, &"error".into()), "{done:?}");
    for told in [
        "tsup: profiles/bytes.toml:2:1: it is not text in UTF-8\n",
        "tsup: profiles/huge.toml: it is larger than 256 KiB\n",
        "tsup: profiles/two.toml:2:8: the file is left out: profiles/brew.toml has the name `brew`, too",
    ] {
        assert!(done.err.contains(told), "{}", done.err);
    }
    assert_eq!(place.tsup(&["detect", "--profiles", "a.txt", "a.txt"]).code, 1);
}
