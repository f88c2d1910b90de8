//! Agents of several CLIs through their whole life: which states are told, in which order, and why.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::{Watch, World, eventually};

/// The CLIs whose screens the fake agents can paint.
const LOOKS: [&str; 3] = ["claude", "codex", "gemini"];

/// The states an agent was told to go through, one word each, details where they matter.
fn story(watch: &Watch, name: &str) -> Vec<String> {
    let of = watch.seen.iter().filter(|e| e["kind"] == "agent_state" && e["name"] == name);
    let mut words: Vec<String> = of
        .map(|e| {
            let to = e["to"].as_str().unwrap();
            if to == "waiting" {
                format!("{to}/{}", e["detail"].as_str().unwrap_or("-"))
            } else {
                to.to_owned()
            }
        })
        .collect();
    words.dedup();
    words
}

fn is<'a>(name: &'a str, state: &'a str) -> impl Fn(&Value) -> bool + 'a {
    move |e: &Value| e["name"] == name && e["to"] == state
}

#[test]
fn every_state_of_a_life_is_told_in_its_order_for_every_cli() {
    let mut w = World::new();
    w.tmux(&["new-session", "-d", "-s", "team", "-n", "keep", "sh"]);
    w.run();
    let mut watch = w.watch(&["--kind", "agent_state", "--kind", "agent_died"]);
    for look in LOOKS {
        let life = "start 1, idle 4, busy 4, ask 3, busy 3, idle 3, exit 3";
        w.tmux(&["new-window", "-d", "-t", "team:", "-n", look, &w.fake(look, life)]);
    }
    let mut dead = 0;
    watch.next("all have ended", move |e| {
        dead += usize::from(e["kind"] == "agent_died");
        dead == LOOKS.len()
    });
    for look in LOOKS {
        let told = story(&watch, look);
        let rest = |word: &&String| matches!(word.as_str(), "idle" | "fresh" | "queued");
        assert!(told.iter().any(|word| word == "waiting/permission"), "{look}: {told:?}");
        let plain: Vec<&str> = told
            .iter()
            .filter(|word| *word != "starting" && *word != "unknown")
            .map(|word| if rest(&word) { "rest" } else { word })
            .collect();
        let mut expected = vec!["rest", "busy", "waiting/permission", "busy", "rest"];
        if plain.last().is_some_and(|last| *last == "crashed" || *last == "exited") {
            expected.push(plain[plain.len() - 1]);
        }
        assert_eq!(plain, expected, "{look}");
    }
    assert!(
        watch
            .seen
            .iter()
            .filter(|e| e["to"] == "waiting")
            .all(|e| e["because"].as_str().unwrap().contains('`'))
    );
}

#[test]
fn what_is_only_quoted_or_typed_changes_no_state() {
    let mut w = World::new();
    w.tmux(&[
        "new-session",
        "-d",
        "-s",
        "web",
        "-n",
        "dev",
        "-x",
        "120",
        "-y",
        "40",
        &w.fake("claude", "start 0.1, idle 3600"),
    ]);
    w.run();
    let rest = |a: &[Value]| a.len() == 1 && (a[0]["state"] == "idle" || a[0]["state"] == "fresh");
    let agents = w.agents_when("it rests", rest);
    let mut watch = w.watch(&["--kind", "agent_state", "--kind", "agent_died"]);
    // What somebody types stands in the composer or below it, whatever it says.
    for words in
        ["Do you want to proceed?", "You've hit your usage limit", "esc to interrupt", "Segmentation fault"]
    {
        w.tmux(&["send-keys", "-t", "web:dev", "-l", words]);
    }
    // The narrow pane shows the same, wrapped; copy mode covers nothing for tsup.
    w.tmux(&["resize-window", "-t", "web:dev", "-x", "60", "-y", "20"]);
    w.tmux(&["copy-mode", "-t", "web:dev"]);
    w.tmux(&["resize-window", "-t", "web:dev", "-x", "120", "-y", "40"]);
    w.tmux(&["send-keys", "-t", "web:dev", "-X", "cancel"]);
    // An agent that really works afterwards is told, so that the silence before means something.
    w.tmux(&["new-window", "-d", "-t", "web:", "-n", "other", &w.fake("codex", "start 0.1, busy 3600")]);
    watch.next("the other works", is("other", "busy"));
    let about: Vec<_> = watch.seen.iter().filter(|e| e["agent"] == agents[0]["id"]).collect();
    assert!(
        about.iter().all(|e| !matches!(
            e["to"].as_str(),
            Some("waiting" | "limited" | "error" | "crashed" | "exited" | "missing")
        )),
        "{about:#?}"
    );
}

#[test]
fn after_kill_9_every_state_is_known_again_at_once() {
    let mut w = World::new();
    w.tmux(&["new-session", "-d", "-s", "web", "-n", "asks", &w.fake("claude", "start 0.1, ask 3600")]);
    w.tmux(&["new-window", "-d", "-t", "web:", "-n", "works", &w.fake("codex", "start 0.1, busy 3600")]);
    w.tmux(&[
        "new-window",
        "-d",
        "-t",
        "web:",
        "-n",
        "rests",
        &w.fake("gemini", "start 0.1, busy 1, idle 3600"),
    ]);
    w.run();
    let right = |a: &[Value]| {
        let state = |name: &str| a.iter().find(|x| x["name"] == name).map(|x| x["state"].clone());
        state("asks").is_some_and(|s| s == "waiting")
            && state("works").is_some_and(|s| s == "busy")
            && state("rests").is_some_and(|s| s == "idle" || s == "fresh")
    };
    w.agents_when("all are known", right);
    // The history reaches the disk within a second; what had not is told by the screen.
    w.kill9();
    w.run();
    let mut watch = w.watch(&["--kind", "agent_state"]);
    let agents = w.agents_when("all are known again", right);
    let ids: Vec<_> = agents.iter().map(|a| a["id"].as_str().unwrap().to_owned()).collect();
    w.tmux(&["new-window", "-d", "-t", "web:", "-n", "mark", &w.fake("codex", "start 0.1, busy 3600")]);
    watch.next("the mark", is("mark", "busy"));
    for event in &watch.seen {
        if ids.iter().any(|id| event["agent"] == id.as_str()) {
            assert!(!matches!(event["to"].as_str(), Some("crashed" | "missing" | "exited")), "{event:#}");
        }
    }
    let asks = agents.iter().find(|a| a["name"] == "asks").unwrap();
    let why = w.json(&["ctl", "explain", asks["id"].as_str().unwrap(), "--json"]);
    assert_eq!((why["state"].as_str(), why["detail"].as_str()), (Some("waiting"), Some("permission")));
    assert!(why["evidence"].as_array().unwrap().iter().any(|e| e["source"] == "screen"), "{why:#}");
}

#[test]
fn a_stopped_agent_waits_and_goes_on() {
    let mut w = World::new();
    // tmux lets go on what it started itself, so a shell with jobs stands between.
    w.tmux(&["new-session", "-d", "-s", "web", "-n", "dev", "bash", "--norc"]);
    w.tmux(&["send-keys", "-t", "web:dev", &w.fake("claude", "start 0.1, busy 3600"), "Enter"]);
    w.run();
    let agents = w.agents_when("it works", |a| a.len() == 1 && a[0]["state"] == "busy");
    let pid = agents[0]["pid"].to_string();
    let signal = |name: &str| {
        let status = Command::new("kill").args([name, &pid]).stdout(Stdio::null()).status().unwrap();
        assert!(status.success());
    };
    signal("-STOP");
    w.agents_when("it is stopped", |a| a[0]["state"] == "waiting" && a[0]["detail"] == "stopped");
    w.tmux(&["send-keys", "-t", "web:dev", "fg", "Enter"]);
    w.agents_when("it works again", |a| a[0]["state"] == "busy");
}

#[test]
fn explain_reads_well_and_fits_its_contract() {
    let mut w = World::new();
    w.tmux(&["new-session", "-d", "-s", "web", "-n", "dev", &w.fake("claude", "start 0.1, ask 3600")]);
    w.run();
    w.agents_when("it asks", |a| a.len() == 1 && a[0]["state"] == "waiting");
    let doc = w.json(&["ctl", "explain", "web/dev", "--json"]);
    let mut keys: Vec<_> = doc.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["agent", "confidence", "detail", "evidence", "history", "since", "state", "version"]);
    let screen = doc["evidence"].as_array().unwrap().iter().find(|e| e["source"] == "screen").unwrap();
    let mut keys: Vec<_> = screen.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["age_seconds", "excerpt", "rule", "says", "source"]);
    let last = doc["history"].as_array().unwrap().last().unwrap();
    for key in ["at", "from", "to", "because"] {
        assert!(last[key].is_string(), "{last:#}");
    }
    let out = w.tsup(&["ctl", "explain", "web/dev"]);
    let text = String::from_utf8(out.stdout).unwrap();
    for part in
        ["web/dev is waiting (permission)", "because", "strongest first", "not there", "How it came here"]
    {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    assert_eq!(w.tsup(&["ctl", "explain", "web/nobody"]).status.code(), Some(4));
}

#[test]
fn a_profile_of_ones_own_is_taken_while_it_runs_and_a_broken_one_is_told() {
    let mut w = World::new();
    let folder = w.dir.join("own");
    std::fs::create_dir(&folder).unwrap();
    w.configure("[fleet]\nprofiles = \"own\"\n");
    w.tmux(&["new-session", "-d", "-s", "web", "-n", "dev", "-x", "100", "-y", "30", "sh"]);
    w.run();
    let own = "version = 1\nname = \"workhorse\"\ntitle = \"Workhorse\"\n[recognise]\nnames = [\"workhorse\"]\n\
               [launch]\ncommand = [\"workhorse\"]\n";
    let file = folder.join("workhorse.toml");
    std::fs::write(&file, format!("{own}\n[[rule]\n")).unwrap();
    let place = "workhorse.toml:9:";
    eventually("the broken file is told", || {
        let status = w.json(&["ctl", "status", "--json"]);
        status["degraded"].to_string().contains(place).then_some(())
    });
    std::fs::write(&file, own).unwrap();
    eventually("it is mended", || {
        let status = w.json(&["ctl", "status", "--json"]);
        (!status["degraded"].to_string().contains("workhorse")).then_some(())
    });
    let command = "bash -c 'exec -a workhorse sleep 600'";
    w.tmux(&["send-keys", "-t", "web:dev", command, "Enter"]);
    let agents = w.agents_when("the workhorse is found", |a| a.len() == 1);
    assert_eq!(agents[0]["agent"], "workhorse");
}
