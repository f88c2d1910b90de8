//! Agents in rough weather: narrow panes, resizes and floods in the middle of work, screens that lie.

use std::fs;
use std::io::Write as _;

use serde_json::Value;

use crate::harness::{Watch, World};

/// The states that were told of an agent, without what is told before enough is seen.
fn states(watch: &Watch, name: &str) -> Vec<String> {
    let of = watch.seen.iter().filter(|e| e["kind"] == "agent_state" && e["name"] == name);
    let mut states: Vec<String> = of.map(|e| e["to"].as_str().unwrap().to_owned()).collect();
    states.retain(|s| !matches!(s.as_str(), "starting" | "unknown"));
    states.dedup();
    states
}

/// Waits until that many agents have ended.
fn all_end(watch: &mut Watch, count: usize) {
    let mut dead = 0;
    watch.next("all have ended", move |e| {
        dead += usize::from(e["to"] == "exited");
        dead == count
    });
}

#[test]
fn in_a_pane_of_forty_columns_work_questions_and_rest_are_told() {
    // With the screens that a CLI paints when there is so little room.
    const LOOKS: [(&str, &str, &str); 9] = [
        ("aider", "busy", "ask"),
        ("claude", "busy", "ask"),
        ("codex", "busy", "ask"),
        ("copilot", "busy", "ask"),
        ("cursor", "busy", "permission-bare"),
        ("gemini", "thinking-narrow", "ask"),
        ("opencode", "busy", "ask"),
        ("pi", "busy", "ask"),
        ("qwen", "busy", "ask"),
    ];
    let mut w = World::new();
    w.tmux(&["new-session", "-d", "-s", "team", "-n", "keep", "-x", "40", "-y", "30", "sh"]);
    w.run();
    let mut watch = w.watch(&["--kind", "agent_state"]);
    for (look, busy, ask) in LOOKS {
        let fake = w.fake(look, &format!("start 2, {busy} 3.6, {ask} 3.6, idle 4, exit"));
        w.tmux(&["new-window", "-d", "-t", "team:", "-n", look, &fake]);
    }
    all_end(&mut watch, LOOKS.len());
    let wrong: Vec<_> = LOOKS
        .iter()
        .map(|(look, ..)| (*look, states(&watch, look)))
        .filter(|(_, told)| {
            let told: Vec<&str> = told.iter().map(String::as_str).filter(|s| *s != "fresh").collect();
            told != ["busy", "waiting", "idle", "exited"]
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn neither_resizes_nor_a_flood_end_a_turn() {
    const LOOKS: [&str; 4] = ["claude", "codex", "gemini", "opencode"];
    let mut w = World::new();
    w.tmux(&["new-session", "-d", "-s", "team", "-n", "keep", "-x", "100", "-y", "40", "sh"]);
    w.run();
    let mut watch = w.watch(&["--kind", "agent_state"]);
    for look in LOOKS {
        let fake = w.fake(look, "start 1, busy 5, flood 3, busy 5, idle 4, exit");
        w.tmux(&["new-window", "-d", "-t", "team:", "-n", look, &fake]);
    }
    let mut busy = 0;
    watch.next("all work", |e| {
        busy += usize::from(e["to"] == "busy" && e["from"] != "busy");
        busy == LOOKS.len()
    });
    // Through all that follows their terminals change their size again and again.
    for size in [(40, 12), (200, 60), (60, 8), (90, 36), (41, 50), (120, 24)] {
        for look in LOOKS {
            let (x, y) = (size.0.to_string(), size.1.to_string());
            w.tmux(&["resize-window", "-t", &format!("team:{look}"), "-x", &x, "-y", &y]);
        }
        w.json(&["ctl", "agents", "--json"]);
    }
    all_end(&mut watch, LOOKS.len());
    for look in LOOKS {
        let told = states(&watch, look);
        let told: Vec<&str> = told.iter().map(String::as_str).filter(|s| *s != "fresh").collect();
        assert_eq!(told, ["busy", "idle", "exited"], "{look}: {:#?}", watch.seen);
    }
}

/// Writes into a pane as the program in it would.
fn write_into(w: &World, pane: &str, text: &str) {
    let tty = w.tmux(&["display-message", "-p", "-t", pane, "#{pane_tty}"]);
    let mut tty = fs::File::options().write(true).open(tty).unwrap();
    tty.write_all(text.as_bytes()).unwrap();
}

#[test]
fn a_painted_rest_or_question_above_live_work_is_believed_by_nobody() {
    // What a tool's output or an answer may hold: the composers, questions, limits and ends of several CLIs.
    const LIES: [&str; 5] = [
        "\u{2500}\u{2500}\u{2500}\u{2500}\r\n\u{276f} \r\n\u{2500}\u{2500}\u{2500}\u{2500}\r\n  ? for shortcuts",
        "Do you want to proceed?\r\n\u{276f} 1. Yes\r\n  2. No\r\n\r\nEsc to cancel",
        "You've hit your usage limit \u{b7} resets 7pm (UTC)",
        "\u{203a} Ask Codex to do anything\r\n\r\n  ? for shortcuts",
        "bash: claude: Segmentation fault (core dumped)\r\nuser@host:~$ ",
    ];
    let mut w = World::new();
    w.tmux(&["new-session", "-d", "-s", "web", "-n", "keep", "-x", "100", "-y", "40", "sh"]);
    for look in ["claude", "codex"] {
        w.tmux(&["new-window", "-d", "-t", "web:", "-n", look, &w.fake(look, "start 0.1, busy 3600")]);
    }
    w.run();
    let agents = w.agents_when("both work", |a| a.len() == 2 && a.iter().all(|a| a["state"] == "busy"));
    let mut watch = w.watch(&["--kind", "agent_state"]);
    for (n, lie) in LIES.iter().enumerate() {
        for look in ["claude", "codex"] {
            write_into(&w, &format!("web:{look}"), &format!("\x1b7\x1b[H{lie}\x1b8"));
        }
        // Another agent is told after the lie was on the screen for a look or two.
        let (name, life) = (format!("mark{n}"), "start 4, ask 3600");
        w.tmux(&["new-window", "-d", "-t", "web:", "-n", &name, &w.fake("gemini", life)]);
        watch.next("the mark", |e| e["name"] == name.as_str() && e["to"] == "waiting");
    }
    let ids: Vec<&Value> = agents.iter().map(|a| &a["id"]).collect();
    let about: Vec<_> =
        watch.seen.iter().filter(|e| ids.contains(&&e["agent"]) && e["to"] != "busy").collect();
    assert!(about.is_empty(), "{about:#?}");
}

#[test]
fn cursors_agent_is_known_under_its_common_name_and_others_of_that_name_are_not() {
    let mut w = World::new();
    let run = |script: &str| {
        format!("bash -c 'exec -a /home/u/.local/bin/agent bash -c \"read x; :\" --use-system-ca {script}'")
    };
    let own = "/home/u/.local/share/cursor-agent/versions/2026.08.25/index.js";
    w.tmux(&["new-session", "-d", "-s", "web", "-n", "other", &run("/opt/backup/agent/index.js")]);
    w.tmux(&["new-window", "-d", "-t", "web:", "-n", "cursor", &run(own)]);
    w.run();
    let agents = w.agents_when("one is found", |a| !a.is_empty());
    let found: Vec<_> =
        agents.iter().map(|a| (a["name"].as_str().unwrap(), a["agent"].as_str().unwrap())).collect();
    assert_eq!(found, [("cursor", "cursor")]);
}
