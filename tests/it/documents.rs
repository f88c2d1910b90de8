//! The documents of `--json`, field by field as people script against them, from a real supervisor.

use serde_json::Value;

use crate::harness::{Watch, World};
use crate::reference::is;

/// Whether an object has exactly these fields.
#[track_caller]
fn fields(value: &Value, expected: &str) {
    let mut keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    let mut expected: Vec<&str> = expected.split_whitespace().collect();
    expected.sort_unstable();
    assert_eq!(keys, expected, "{value:#}");
}

#[track_caller]
fn one_of(value: &Value, words: &str) {
    let word = value.as_str().unwrap();
    assert!(words.split_whitespace().any(|w| w == word), "{word} is none of {words}");
}

/// RFC 3339 in UTC with milliseconds.
#[track_caller]
fn time(value: &Value) {
    let text = value.as_str().unwrap();
    assert!(text.len() == 24 && text.ends_with('Z') && text.as_bytes()[19] == b'.', "{text}");
}

const STATES: &str = "starting fresh busy idle waiting queued limited error exited crashed missing unknown";

fn node(node: &Value) {
    is(node, "NODE");
    is(&node["mailbox"], "MAILBOX");
    one_of(&node["kind"], "supervisor actor process");
    one_of(&node["state"], "running backing_off restarting stopping failed quarantined");
    if node["kind"] == "supervisor" {
        one_of(&node["strategy"], "one_for_one one_for_all rest_for_one");
    } else {
        assert!(node["strategy"].is_null(), "{node:#}");
    }
    node["children"].as_array().unwrap().iter().for_each(self::node);
}

/// A command that starts an agent of tsup's own which crashes once.
fn flaky(w: &World) -> Vec<String> {
    let program = w.dir.join("bin/claude").display().to_string();
    let once = w.dir.join("crashed-once").display().to_string();
    let life = "start 0.1, busy 1, crash, idle 3600";
    [&program, "fake-agent", "--life", life, "--once", &once].map(str::to_owned).to_vec()
}

#[test]
fn what_is_asked_is_answered_with_one_document() {
    let mut w = World::new();
    w.configure("[relaunch]\ninitial_delay_seconds = 0.0\n");
    w.run();
    let command = flaky(&w);
    let spawn = ["ctl", "spawn", "web/dev", "--agent", "claude", "--json", "--"];
    let spawned = w.json(&[&spawn[..], &command.iter().map(String::as_str).collect::<Vec<_>>()].concat());
    is(&spawned, "AGENTS");
    is(&spawned["agents"][0], "AGENT");
    w.agents_when("it is back", |a| a.len() == 1 && a[0]["relaunches"] == 1 && a[0]["state"] == "idle");

    let tree = w.json(&["ctl", "tree", "--json"]);
    is(&tree, "TREE");
    assert_eq!(tree["root"]["path"], "root");
    node(&tree["root"]);

    let agents = w.json(&["ctl", "agents", "--json"]);
    is(&agents, "AGENTS");
    let agent = &agents["agents"][0];
    is(agent, "AGENT");
    one_of(&agent["state"], STATES);
    time(&agent["since"]);

    let explained = w.json(&["ctl", "explain", "web/dev", "--json"]);
    is(&explained, "EXPLAIN");
    assert_eq!(explained["agent"], agent["id"]);
    is(&explained["evidence"][0], "EVIDENCE");
    is(&explained["history"][0], "CHANGE");

    let sessions = w.json(&["ctl", "sessions", "--json"]);
    is(&sessions, "SESSIONS");
    is(&sessions["sessions"][0], "SESSION");

    is(&w.json(&["ctl", "capture", "web/dev", "--json"]), "CAPTURE");
    for verb in ["pause", "resume", "restart", "kill"] {
        let done = w.json(&["ctl", verb, "web/dev", "--json"]);
        is(&done, "AGENTS");
        is(&done["agents"][0], "AGENT");
    }

    let metrics = w.json(&["ctl", "metrics", "--current", "--json"]);
    is(&metrics, "METRICS");
    time(&metrics["since"]);
    let timers = metrics["timers"].as_object().unwrap();
    assert!(timers.contains_key("tmux.latency_seconds"), "{metrics:#}");
    for timer in timers.values() {
        is(timer, "TIMER");
    }

    let status = w.json(&["status", "--json"]);
    is(&status, "STATUS");
    time(&status["started_at"]);

    for (args, words) in [
        (&["ctl", "crash", "root/system/edge/audit", "--json"][..], "crashed root/system/edge/audit"),
        (&["ctl", "reload", "--json"], "nothing changed"),
        (&["reload", "--json"], "nothing changed"),
    ] {
        let done = w.json(args);
        is(&done, "DONE");
        assert_eq!(done["done"], words);
    }
}

#[test]
fn a_verb_that_returns_when_it_is_true_says_what_is_true() {
    let w = World::new();
    let standing = |verb: &str| {
        let doc = w.json(&[verb, "--json"]);
        is(&doc, "STANDING");
        assert_eq!(doc["home"], w.home().to_str().unwrap());
        (doc["running"].as_bool().unwrap(), doc["pid"].as_u64())
    };
    assert_eq!(standing("stop"), (false, None), "nobody ran");
    let (runs, first) = standing("start");
    assert_eq!((runs, first), (true, w.json(&["status", "--json"])["pid"].as_u64()));
    let (runs, second) = standing("restart");
    assert!(runs && second.is_some() && second != first);
    assert_eq!(standing("stop"), (false, second));
}

/// The next event of a kind, with exactly these fields beside `at`, `seq` and `kind`.
fn event(watch: &mut Watch, kind: &str, own: &str) -> Value {
    let event = watch.next(kind, |e| e["kind"] == kind);
    fields(&event, &format!("at seq kind {own}"));
    time(&event["at"]);
    event
}

#[test]
fn every_event_has_its_fields() {
    const WHO: &str = "agent session name pane pid";
    let mut w = World::new();
    w.configure("[relaunch]\ninitial_delay_seconds = 0.0\n[fleet]\nmissing_grace_seconds = 1\n");
    w.run();
    let mut watch = w.watch(&[]);
    // A drill is an event for sure: from then on the watch sees everything.
    let drill = ["ctl", "crash", "root/system/telemetry/resources"];
    assert!(w.tsup(&drill).status.success());
    event(&mut watch, "actor_restarted", "path reason restarts");

    w.tmux(&["new-session", "-d", "-s", "other", &w.fake("codex", "start 0.1, idle 3600")]);
    event(&mut watch, "session_found", "session socket");
    event(&mut watch, "agent_found", WHO);
    let command = flaky(&w);
    let spawn = ["ctl", "spawn", "web/dev", "--agent", "claude", "--json", "--"];
    w.json(&[&spawn[..], &command.iter().map(String::as_str).collect::<Vec<_>>()].concat());
    let found = event(&mut watch, "agent_found", WHO);
    let state = event(&mut watch, "agent_state", &format!("{WHO} from to detail because"));
    one_of(&state["from"], STATES);
    one_of(&state["to"], STATES);
    let died = event(&mut watch, "agent_died", &format!("{WHO} exit_code signal"));
    assert!(died["exit_code"].is_i64() || died["signal"].is_i64(), "{died}");
    let back = event(&mut watch, "agent_relaunched", &format!("{WHO} relaunches"));
    assert_eq!((&back["agent"], &back["relaunches"]), (&found["agent"], &Value::from(1)));
    w.tmux(&["kill-session", "-t", "other"]);
    event(&mut watch, "session_gone", "session socket");
    event(&mut watch, "agent_gone", WHO);
    w.tmux(&["kill-server"]);
    event(&mut watch, "tmux_lost", "socket");
    w.tmux(&["new-session", "-d", "-s", "again", "sleep 3600"]);
    event(&mut watch, "tmux_back", "socket");
    assert!(w.tsup(&["stop"]).status.success());
    event(&mut watch, "draining", "");
    let seqs: Vec<u64> = watch.seen.iter().map(|e| e["seq"].as_u64().unwrap()).collect();
    assert!(seqs.windows(2).all(|pair| pair[1] == pair[0] + 1), "numbers without gaps: {seqs:?}");
}

#[test]
fn what_needs_no_supervisor_has_its_fields() {
    let w = World::new();
    let printed = |args: &[&str]| -> Value { serde_json::from_slice(&w.tsup(args).stdout).unwrap() };
    let doctor = printed(&["doctor", "--json"]);
    is(&doctor, "DOCTOR");
    doctor["findings"].as_array().unwrap().iter().for_each(|found| is(found, "FINDING"));
    let hooks = printed(&["hooks", "show", "--json"]);
    is(&hooks, "HOOKS SHOW");
    hooks["hooks"].as_array().unwrap().iter().for_each(|file| is(file, "HOOK FILE"));
    let screen = w.dir.join("screen");
    std::fs::write(&screen, "$ ls\n").unwrap();
    is(&printed(&["detect", "--json", screen.to_str().unwrap()]), "DETECT");
    fields(&printed(&["status", "--json"]), "version running");
}
