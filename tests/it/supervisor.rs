//! A real supervisor, asked over its control socket.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Stdio};

use serde_json::Value;

use crate::command::Place;
use crate::lifecycle::{Running, identity, place, until};

fn started() -> Running {
    let running = place();
    let done = running.0.tsup(&["start"]);
    assert_eq!(done.code, 0, "{}", done.err);
    running
}

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

/// A watch that has begun.
fn watch(place: &Place, kinds: &[&str]) -> (Child, BufReader<ChildStdout>) {
    let mut args = vec!["ctl", "watch"];
    args.extend(kinds.iter().flat_map(|k| ["--kind", k]));
    let mut child = place.command(&args).stdout(Stdio::piped()).spawn().unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    (child, out)
}

fn next(out: &mut BufReader<ChildStdout>) -> Value {
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"))
}

#[test]
fn status_is_the_document_of_the_contract() {
    let running = started();
    let place = &running.0;
    let status = place.tsup(&["status", "--json"]);
    assert_eq!(status.code, 0);
    let doc = status.json();
    let contract = "agents degraded home jobs pid ready running socket started_at supervisor_version uptime_seconds \
                    version";
    assert_eq!(keys(&doc), contract.split_whitespace().collect::<Vec<_>>());
    assert_eq!((&doc["version"], &doc["running"]), (&Value::from(1), &Value::from(true)));
    assert_eq!(doc["pid"], identity(place)["pid"]);
    assert_eq!(doc["home"], place.home().to_str().unwrap());
    let text = place.tsup(&["ctl", "status"]).out;
    assert!(text.starts_with("supervisor "), "{text}");
}

#[test]
fn an_actor_that_is_crashed_comes_back_and_everybody_sees_it() {
    let running = started();
    let place = &running.0;
    let path = "root/system/telemetry/registry";
    let (mut child, mut events) = watch(place, &["actor_restarted"]);
    // The drill is repeated until the watch has begun and sees one: its beginning shows in nothing else.
    let (seen, heard) = std::sync::mpsc::sync_channel(1);
    let reader = std::thread::spawn(move || {
        let event = next(&mut events);
        let _ = seen.send(());
        (event, events)
    });
    until("an event", || {
        assert!(matches!(place.tsup(&["ctl", "crash", path]).code, 0 | 5));
        heard.try_recv().is_ok()
    });
    let (event, mut events) = reader.join().unwrap();
    assert_eq!((&event["kind"], &event["path"]), (&Value::from("actor_restarted"), &Value::from(path)));

    let tree = place.tsup(&["ctl", "tree", "--json"]).json();
    let node_keys = "children kind last_error mailbox next_restart_in_seconds path restarts restarts_in_window state \
                     strategy uptime_seconds";
    assert_eq!(keys(&tree["root"]), node_keys.split_whitespace().collect::<Vec<_>>());
    let unknown = place.tsup(&["ctl", "crash", "root/no/such"]);
    assert_eq!(unknown.code, 4, "{}", unknown.err);
    assert!(place.tsup(&["ctl", "tree"]).out.contains("registry"));

    // A supervisor that is stopped says so, and the watch ends as it should.
    assert_eq!(place.tsup(&["stop"]).code, 0);
    let mut rest = String::new();
    while events.read_line(&mut rest).unwrap() > 0 {}
    assert!(child.wait().unwrap().success(), "{rest}");
    assert!(!rest.contains("draining"), "it was not asked for: {rest}");
    let audit = std::fs::read_to_string(place.home().join("log/audit.jsonl")).unwrap();
    let verbs: Vec<Value> = audit.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert!(verbs.iter().any(|v| v["verb"] == "crash" && v["target"] == path && v["outcome"] == "done"));
}

#[test]
fn a_reload_says_what_changed_and_refuses_what_is_broken() {
    let running = started();
    let place = &running.0;
    assert_eq!(place.tsup(&["reload"]).out, "nothing changed\n");
    place.configure("[tmux]\nsockets = [\"lifecycle\"]\npush = \"off\"\n[relaunch]\nmax_restarts = 9\n");
    let changed = place.tsup(&["ctl", "reload"]);
    assert_eq!(changed.out, "changed: relaunch.max_restarts; after `tsup restart`: tmux.push\n");
    place.configure("[tmux]\nsockets = [\"lifecycle\"]\n[statsd]\ntargets = [\"127.0.0.1:9\"]\n[relaunch]\nmax_restarts = 9\n");
    for _ in 0..2 {
        let waits = place.tsup(&["reload"]).out;
        assert_eq!(waits, "after `tsup restart`: statsd\n", "until then, and push was taken back");
    }
    assert!(!place.tsup(&["ctl", "tree"]).out.contains("statsd"), "there is no sink yet");
    place.configure("[relaunch]\nmax_restarts = \"many\"\n");
    let refused = place.tsup(&["reload"]);
    assert_eq!((refused.code, refused.out.as_str()), (2, ""));
    assert!(refused.err.contains("tsup.toml:2:16: `relaunch.max_restarts`"), "{}", refused.err);
    assert_eq!(place.tsup(&["status"]).code, 0);
}

#[test]
fn without_a_file_a_reload_does_not_claim_to_have_read_one() {
    let running = place();
    let place = &running.0;
    let file = place.path().join("tsup.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    assert_eq!(place.tsup(&["start"]).code, 0);
    std::fs::write(&file, text + "[statsd]\ntargets = [\"127.0.0.1:9\"]\n").unwrap();
    let said = place.tsup(&["reload"]).out;
    assert_eq!(said, "nothing changed: it started without a file; `tsup restart` looks for one\n");
    assert_eq!(place.tsup(&["restart"]).code, 0);
    assert_eq!(place.tsup(&["reload"]).out, "nothing changed\n");
    assert!(place.tsup(&["ctl", "tree"]).out.contains("statsd"), "it was found");
}

#[test]
fn metrics_are_counted_from_the_start() {
    let running = started();
    let doc = running.0.tsup(&["ctl", "metrics", "--current", "--json"]).json();
    assert_eq!(keys(&doc), ["counters", "gauges", "since", "timers", "version"]);
    for actor in ["root/store", "root/system/edge/audit", "root/system/telemetry/registry"] {
        assert!(doc["gauges"][format!("mailbox.depth;actor={actor}")].is_number(), "{actor}: {doc}");
    }
    assert!(running.0.tsup(&["ctl", "metrics"]).out.contains("COUNTER"));
}

#[test]
fn the_open_files_are_raised() {
    let running = place();
    let place = &running.0;
    let mut shell = std::process::Command::new("sh");
    let script = format!("ulimit -Sn 128; exec {} start", env!("CARGO_BIN_EXE_tsup"));
    let started = shell
        .args(["-c", &script])
        .current_dir(place.path())
        .env("TSUP_HOME", place.home())
        .env("TMUX_TMPDIR", place.path())
        .output()
        .unwrap();
    assert!(started.status.success(), "{started:?}");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", identity(place)["pid"])).unwrap();
    let line = limits.lines().find(|l| l.starts_with("Max open files")).unwrap();
    let soft: u64 = line.split_whitespace().nth(3).unwrap().parse().unwrap();
    assert!(soft > 128, "{line}");
}
