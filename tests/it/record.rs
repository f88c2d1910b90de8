//! What was seen of an agent is kept, and taken through other rules.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::command::Place;
use crate::harness::{World, eventually};

/// Rules for Claude Code that know no sign of work: what a broken profile looks like.
const BLIND: &str = "version = 1\nname = \"claude\"\ntitle = \"Claude Code\"\n[recognise]\nnames = [\"claude\"]\n\
                     [launch]\ncommand = [\"claude\"]\n[screen]\nchecked = \"2\"\nbusy_is_drawn = true\n\
                     [[composer]]\nid = \"ruled\"\nshape = \"ruled\"\nprompts = [\"❯\", \">\"]\n";

fn lines(path: &str) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn one(w: &World) -> Value {
    w.json(&["ctl", "agents", "--json"])["agents"][0].clone()
}

#[test]
fn a_record_is_replayed_the_same_and_with_other_rules_not() {
    let mut w = World::new();
    w.dev(&[&w.fake("claude", "start 0.1, idle 3600")]);
    w.run();
    let rests = |a: &[Value]| a.len() == 1 && matches!(a[0]["state"].as_str(), Some("idle" | "fresh"));
    let agents = w.agents_when("it rests", rests);
    let document = w.json(&["ctl", "record", "web/dev", "--for", "60s", "--json"]);
    assert_eq!(document["agent"], agents[0]["id"], "by its id, as everywhere");
    let path = document["path"].as_str().unwrap().to_owned();
    assert!(path.starts_with(w.home().join("records").to_str().unwrap()), "{path}");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(lines(&path)[0]["profile"], "claude");
    // Only one at a time.
    let again = w.tsup(&["ctl", "record", "web/dev"]);
    let told = String::from_utf8_lossy(&again.stderr);
    assert_eq!(again.status.code(), Some(5), "{told}");
    assert!(told.contains(&w.home().join("records").display().to_string()), "{told}");
    // A turn of two seconds.
    w.tmux(&["send-keys", "-t", "web:dev", "hello", "Enter"]);
    w.agents_when("it works", |a| a[0]["state"] == "busy");
    w.agents_when("it rests again", |a| a[0]["state"] == "idle");
    eventually("the record has seen both", || {
        let seen = |state: &str| lines(&path).iter().any(|l| l["then"]["state"] == state);
        (seen("busy") && seen("idle")).then_some(())
    });
    // An ordered end of the supervisor ends the record.
    assert!(w.tsup(&["stop"]).status.success());
    let all = lines(&path);
    assert_eq!(all.last().unwrap()["line"], "end", "{:#?}", all.last());
    assert!(all.iter().any(|l| l["saw"]["kind"] == "screen"), "no screen was recorded");
    assert_eq!(one_of(&w, &["replay", &path, "--json"], 0)["differences"], Value::Array(Vec::new()));
    // Rules that cannot see work.
    let folder = w.dir.join("blind");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("claude.toml"), BLIND).unwrap();
    let other = one_of(&w, &["replay", &path, "--profiles", folder.to_str().unwrap(), "--json"], 1);
    assert_eq!(other["same_rules"], false);
    let differences = other["differences"].as_array().unwrap();
    assert!(
        differences.iter().any(|d| d["then"]["state"] == "busy" && d["now"]["state"] != "busy"),
        "{other:#}"
    );
    // A torn line is left out, a broken one is told with its number, a missing file is missing.
    let torn = w.dir.join("torn.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&torn, &text[..text.len() - 20]).unwrap();
    assert_eq!(one_of(&w, &["replay", torn.to_str().unwrap(), "--json"], 0)["torn"], true);
    fs::write(&torn, text.replacen('\n', "\n{}\n", 1)).unwrap();
    let broken = w.tsup(&["replay", torn.to_str().unwrap()]);
    assert_eq!(broken.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&broken.stderr).contains("line 2"), "{broken:?}");
    assert_eq!(w.tsup(&["replay", "nowhere.jsonl"]).status.code(), Some(4));
}

/// The CLIs of which records are begun at any moment of their lives.
const LOOKS: [&str; 6] = ["claude", "codex", "gemini", "aider", "copilot", "opencode"];

#[test]
fn a_record_begun_in_the_middle_is_replayed_the_same() {
    let mut w = World::new();
    let moments: Vec<(String, &str, &str)> = LOOKS
        .iter()
        .flat_map(|look| ["busy", "waiting"].map(|state| (format!("{look}-{state}"), *look, state)))
        .collect();
    for (name, look, _) in &moments {
        let life = w.fake(look, "start 0.5, busy 3, ask 3, idle 3, loop");
        w.tmux(&["new-session", "-d", "-s", name, "-n", "dev", &life]);
    }
    w.run();
    let mut paths: Vec<(&str, String)> = Vec::new();
    eventually("each is recorded from the state on", || {
        let agents = w.json(&["ctl", "agents", "--json"]);
        for (name, _, state) in &moments {
            let in_it =
                agents["agents"].as_array()?.iter().any(|a| a["session"] == **name && a["state"] == **state);
            if in_it && !paths.iter().any(|(known, _)| known == name) {
                let agent = format!("{name}/dev");
                let document = w.json(&["ctl", "record", &agent, "--for", "9s", "--json"]);
                paths.push((name, document["path"].as_str()?.to_owned()));
            }
        }
        (paths.len() == moments.len()).then_some(())
    });
    let ended = |path: &str| lines(path).last().is_some_and(|l| l["line"] == "end");
    eventually("the records end", || paths.iter().all(|(_, path)| ended(path)).then_some(()));
    let mut wrong: Vec<String> = Vec::new();
    for (name, path) in &paths {
        let out = w.tsup(&["replay", path]);
        if out.status.code() != Some(0) {
            wrong.push(format!("{name}: {}", String::from_utf8_lossy(&out.stdout)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_no_record_is_told_as_such() {
    let place = Place::new();
    let long = "x".repeat(600 * 1024);
    for (name, bytes) in [
        ("text", &b"hello\n"[..]),
        ("other.json", b"{\"a\":1}\n"),
        ("frame.jsonl", b"{\"line\":\"gap\",\"missed\":1}\n"),
        ("bytes", b"\xff\x00\xfe\n"),
        ("empty", b""),
        ("long", long.as_bytes()),
    ] {
        fs::write(place.path().join(name), bytes).unwrap();
        let done = place.tsup(&["replay", name]);
        assert_eq!((done.code, done.out.as_str()), (1, ""), "{name}: {done:?}");
        assert!(done.err.starts_with(&format!("tsup: {name}: line 1: ")), "{name}: {}", done.err);
        let said = done.err.contains("is no record") || done.err.contains("no line of a record");
        assert!(said && !done.err.contains("column"), "{name}: {}", done.err);
        assert!(done.err.contains("tsup ctl record AGENT"), "{name}: {}", done.err);
    }
    assert_eq!(place.tsup(&["replay", "."]).code, 1);
}

#[test]
fn a_time_to_record_is_some_time() {
    let place = Place::new();
    for (time, says) in
        [("0", "no time at all"), ("-1s", "cannot be negative"), ("soon", "write it like 90s")]
    {
        for verb in [&["ctl", "record", "a"][..], &["ctl", "pause", "a"], &["listen"]] {
            let done = place.tsup(&[verb, &["--for", time]].concat());
            assert_eq!(done.code, 2, "{verb:?} {time}: {done:?}");
            assert!(done.err.contains(says), "{verb:?} {time}: {}", done.err);
        }
    }
}

#[track_caller]
fn one_of(w: &World, args: &[&str], code: i32) -> Value {
    let out = w.tsup(args);
    assert_eq!(
        out.status.code(),
        Some(code),
        "{}{}",
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    );
    serde_json::from_slice(&out.stdout).unwrap()
}

#[test]
fn shadow_profiles_tell_where_they_disagree_and_change_nothing() {
    let mut w = World::new();
    fs::create_dir(w.dir.join("shadow")).unwrap();
    fs::write(w.dir.join("shadow/claude.toml"), BLIND).unwrap();
    w.configure("[fleet]\nshadow_profiles = \"shadow\"\n");
    w.dev(&[&w.fake("claude", "start 0.1, busy 3600")]);
    w.run();
    w.agents_when("it works", |a| a.len() == 1 && a[0]["state"] == "busy");
    eventually("the disagreement is counted", || {
        let metrics = w.json(&["ctl", "metrics", "--current", "--json"]);
        metrics["counters"]["profile.shadow_disagreements;cli=claude"].as_u64().filter(|n| *n > 0)
    });
    let explained = String::from_utf8(w.tsup(&["ctl", "explain", "web/dev"]).stdout).unwrap();
    assert!(explained.contains("the shadow profile disagreed"), "{explained}");
    assert_eq!(one(&w)["state"], "busy");
}
