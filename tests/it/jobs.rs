//! Jobs from outside: submitted, waited for, followed and explained, by a real supervisor.

use std::fs;
use std::io::{BufRead, BufReader, Write as _};
use std::process::{Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::harness::{World, eventually};
use crate::reference::is;

const SCRIPTS: [(&str, &str); 6] = [
    ("ok", "echo \"name=${1:-nobody}\"; echo said >&2"),
    ("fail", "echo partial; echo oops >&2; exit ${1:-3}"),
    ("steps", "for i in 1 2 3; do echo \"out $i\"; echo \"err $i\" >&2; sleep 0.2; done"),
    ("gate", "while [ ! -e \"$1\" ]; do sleep 0.02; done; echo through"),
    ("big", "head -c 20000000 /dev/zero | tr '\\0' x; printf END"),
    ("binary", "printf '\\000\\377\\033[31m'"),
];

/// A world with a registry of small scripts, and a supervisor that runs them.
pub(crate) fn world() -> World {
    let mut w = World::new();
    fs::create_dir(w.dir.join("scripts")).unwrap();
    let mut entries = Vec::new();
    for (name, text) in SCRIPTS {
        let path = format!("scripts/{name}.sh");
        fs::write(w.dir.join(&path), format!("{text}\n")).unwrap();
        let kind = if name == "fail" { "number" } else { "string" };
        entries.push(json!({
            "id": format!("t/{name}"), "name": name, "category": "t", "path": path, "description": "a test",
            "execution": {"type": "shell_script", "timeout": 30_000, "permissions": ["read_file"],
                          "args": [{"name": "a", "type": kind, "required": name == "gate"}]},
            "security": {"sandbox": "minimal"},
        }));
    }
    let registry = json!({"version": "1", "scripts": entries});
    fs::write(w.dir.join("registry.json"), registry.to_string()).unwrap();
    w.configure("[tes]\nregistries = [\"registry.json\"]\nslots = 2\n");
    w.run();
    eventually("the scripts are known", || {
        let out = w.tsup(&["ctl", "scripts", "--json"]);
        let doc: Value = serde_json::from_slice(&out.stdout).ok()?;
        (doc["scripts"].as_array()?.len() == SCRIPTS.len()).then_some(())
    });
    w
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Waits until a client has its line to the supervisor.
pub(crate) fn connected(client: u32) {
    eventually("it is connected", || {
        let files = fs::read_dir(format!("/proc/{client}/fd")).ok()?;
        let mut files = files.filter_map(|file| fs::read_link(file.ok()?.path()).ok());
        files.any(|file| file.to_string_lossy().starts_with("socket:")).then_some(())
    });
}

#[track_caller]
pub(crate) fn code(out: &Output, expected: i32) {
    assert_eq!(out.status.code(), Some(expected), "{}{}", text(&out.stdout), text(&out.stderr));
}

/// Submits, and gives the id.
#[track_caller]
pub(crate) fn submit(w: &World, args: &[&str]) -> String {
    let out = w.tsup(&[&["ctl", "submit"], args].concat());
    code(&out, 0);
    text(&out.stdout).trim().to_owned()
}

/// Runs with this on standard input.
pub(crate) fn with_input(w: &World, args: &[&str], input: &str) -> Output {
    let mut command = w.command(args);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Who has read enough may go before the end.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

#[test]
fn waiting_ends_as_the_job_does() {
    let w = world();
    let out = w.tsup(&["ctl", "submit", "t/ok", "--arg", "a=you", "--wait", "--json"]);
    code(&out, 0);
    let doc: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!((&doc["job"]["state"], &doc["job"]["inputs"]["a"]), (&json!("succeeded"), &json!("you")));
    let out = w.tsup(&["ctl", "submit", "t/fail", "--arg", "a=7", "--wait", "--json"]);
    code(&out, 7);
    let doc: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!((&doc["job"]["state"], &doc["job"]["exit_code"]), (&json!("failed"), &json!(7)));
    assert_eq!(doc["job"]["error"]["category"], "EXECUTION");
    let late = submit(&w, &["t/gate", "--arg", "a=never", "--timeout", "100ms", "--hold"]);
    let out = w.tsup(&["ctl", "wait", &late, "--timeout", "100ms"]);
    code(&out, 6);
    code(&w.tsup(&["ctl", "cancel", &late]), 0);
    code(&w.tsup(&["ctl", "wait", &late]), 1);
    code(&w.tsup(&["ctl", "wait", "000000000000"]), 4);
    // Of several the first that did not succeed decides, in the order of the question.
    let (ok, three, four) =
        (submit(&w, &["t/ok"]), submit(&w, &["t/fail"]), submit(&w, &["t/fail", "--arg", "a=4"]));
    code(&w.tsup(&["ctl", "wait", &ok, &four, &three]), 4);
    code(&w.tsup(&["ctl", "wait", &ok[..11], &three, &four]), 3);
}

#[test]
fn what_does_not_fit_is_refused_before_anything_runs_and_logged() {
    let w = world();
    let out = w.tsup(&["ctl", "submit", "t/fail", "--arg", "a=many", "--json"]);
    code(&out, 5);
    let doc: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!((&doc["version"], &doc["error"]["category"]), (&json!(1), &json!("VALIDATION")));
    let keys: Vec<&String> = doc["error"].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["category", "context", "message", "retry", "stack_trace", "suggestions"]);
    let out = with_input(&w, &["ctl", "submit", "t/ok", "--input", "-"], &"x".repeat(1 << 21));
    code(&out, 5);
    assert!(text(&out.stderr).contains("VALIDATION: inputs: more than"), "{}", text(&out.stderr));
    code(&with_input(&w, &["ctl", "submit", "t/ok", "--input", "-"], "{"), 5);
    code(&with_input(&w, &["ctl", "submit", "t/ok", "--input", "-", "--wait"], r#"{"a":"b"}"#), 0);
    code(&w.tsup(&["ctl", "submit", "t/none"]), 4);
    code(&w.tsup(&["ctl", "submit", "t/ok", "--at", "soon"]), 2);
    assert_eq!(w.json(&["ctl", "jobs", "--json"])["jobs"].as_array().unwrap().len(), 1);
    eventually("the execution log tells of it", || {
        let log = w.home().join("log");
        let file = fs::read_dir(&log)
            .ok()?
            .flatten()
            .map(|e| e.path())
            .find(|p| p.to_string_lossy().contains("executions-"));
        let lines = fs::read_to_string(file?).ok()?;
        let entries: Vec<Value> = lines.lines().filter_map(|l| serde_json::from_str(l).ok()).collect();
        let refused = entries.iter().any(|e| e["error_category"] == "VALIDATION" && e["job_id"].is_null());
        let events =
            |word: &str| entries.iter().filter(|e| e["event"] == word && e["success"] != false).count();
        (refused && events("started") == 1 && events("finished") == 1).then_some(())
    });
}

#[test]
fn a_batch_is_answered_line_by_line_in_its_order() {
    let w = world();
    let batch = "{\"script\":\"t/ok\",\"arg\":{\"a\":\"1\"}}\n\n{broken\n{\"script\":\"t/fail\",\"input\":{\"a\":\"x\"}}\n\
                 {\"script\":\"none\"}\n{\"script\":\"t/ok\",\"colour\":1}\n{\"script\":\"t/ok\",\"key\":\"k\"}";
    let out = with_input(&w, &["ctl", "submit", "--batch", "-", "--json"], batch);
    code(&out, 1);
    let answers: Vec<Value> =
        text(&out.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<(u64, &str)> = answers
        .iter()
        .map(|a| (a["line"].as_u64().unwrap(), a["error"]["category"].as_str().unwrap_or("-")))
        .collect();
    assert_eq!(told, [(1, "-"), (3, "VALIDATION"), (4, "VALIDATION"), (5, "-"), (6, "VALIDATION"), (7, "-")]);
    assert!(answers[0]["job"]["id"].is_string() && answers[3]["error"]["message"].is_string());
    let many: Vec<String> =
        (0..2_000).map(|n| format!("{{\"script\":\"t/ok\",\"arg\":{{\"a\":\"{n}\"}}}}")).collect();
    fs::write(w.dir.join("many.jsonl"), many.join("\n")).unwrap();
    code(&w.tsup(&["ctl", "drain"]), 0);
    let out = w.tsup(&["ctl", "submit", "--batch", "many.jsonl", "--json"]);
    code(&out, 0);
    for (n, line) in text(&out.stdout).lines().enumerate() {
        let answer: Value = serde_json::from_str(line).unwrap();
        assert_eq!(answer["job"]["inputs"]["a"], n.to_string());
    }
    assert_eq!(text(&out.stdout).lines().count(), 2_000);
}

#[test]
fn a_batch_answers_a_line_before_the_next_one_is_written() {
    let w = world();
    let mut command = w.command(&["ctl", "submit", "--batch", "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut to, mut from) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
    for _ in 0..3 {
        to.write_all(b"{\"script\":\"t/ok\"}\n").unwrap();
        let mut line = String::new();
        from.read_line(&mut line).unwrap();
        assert!(line.ends_with("  t/ok\n"), "{line}");
    }
    drop(to);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn output_is_followed_kept_and_binary() {
    let w = world();
    let out = w.tsup(&["ctl", "submit", "t/steps", "--follow"]);
    code(&out, 0);
    assert_eq!(text(&out.stdout), "out 1\nout 2\nout 3\n");
    assert!(text(&out.stderr).contains("err 1\nerr 2\nerr 3\n"), "{}", text(&out.stderr));
    let out = w.tsup(&["ctl", "submit", "t/fail", "--follow"]);
    code(&out, 3);
    assert_eq!(text(&out.stdout), "partial\n");
    assert!(text(&out.stderr).contains("EXECUTION"), "{}", text(&out.stderr));

    let binary = submit(&w, &["t/binary"]);
    assert_eq!(w.tsup(&["ctl", "output", &binary, "-f"]).stdout, b"\0\xff\x1b[31m");
    let files = w.json(&["ctl", "output", &binary, "--json"]);
    assert_eq!((&files["job"], &files["attempt"]), (&json!(binary), &json!(1)));
    let failed = submit(&w, &["t/fail"]);
    code(&w.tsup(&["ctl", "wait", &failed]), 3);
    assert_eq!(text(&w.tsup(&["ctl", "output", &failed, "--stderr"]).stdout), "oops\n");

    let big = submit(&w, &["t/big"]);
    code(&w.tsup(&["ctl", "wait", &big]), 0);
    let out = w.tsup(&["ctl", "output", &big]);
    let said = text(&out.stderr);
    let missing: usize = said.split_whitespace().find_map(|word| word.parse().ok()).expect(&said);
    assert_eq!(out.stdout.len() + missing, 20_000_003);
    assert!(out.stdout.ends_with(b"xEND") && said.contains("bytes are missing"));
    // A reader that has enough is no error.
    let mut command = w.command(&["ctl", "output", &big]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let done = child.wait_with_output().unwrap();
    assert_eq!((done.status.code(), text(&done.stderr)), (Some(0), String::new()));
}

#[test]
fn the_wait_outlives_the_supervisor_and_ctrl_c_ends_the_wait_alone() {
    let mut w = world();
    let go = w.dir.join("go").display().to_string();
    let mut command = w.command(&["ctl", "submit", "t/gate", "--arg", &format!("a={go}"), "--follow"]);
    let following = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let running = |w: &World| {
        let out = w.tsup(&["ctl", "jobs", "--state", "running", "--json"]);
        let doc: Value = serde_json::from_slice(&out.stdout).ok()?;
        Some(doc["jobs"].as_array()?.first()?["id"].as_str()?.to_owned())
    };
    let id = eventually("it runs", || running(&w));
    let waiting = w.command(&["ctl", "wait", &id]).stderr(Stdio::piped()).spawn().unwrap();
    connected(waiting.id());
    w.kill9();
    w.run();
    assert_eq!(eventually("it still runs", || running(&w)), id);
    kill_process(Pid::from_child(&waiting), Signal::INT).unwrap();
    let done = waiting.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(130));
    assert!(text(&done.stderr).contains(&format!("tsup ctl cancel {id}")), "{}", text(&done.stderr));
    assert_eq!(running(&w), Some(id));
    fs::write(&go, "").unwrap();
    let done = following.wait_with_output().unwrap();
    assert_eq!(
        (done.status.code(), text(&done.stdout).as_str()),
        (Some(0), "through\n"),
        "{}",
        text(&done.stderr)
    );
}

#[test]
fn keys_chains_holds_and_the_dead() {
    let w = world();
    let first = submit(&w, &["t/ok", "--key", "k", "--arg", "a=1"]);
    assert_eq!(submit(&w, &["t/ok", "--key", "k", "--arg", "a=1"]), first);
    code(&w.tsup(&["ctl", "submit", "t/ok", "--key", "k", "--arg", "a=2"]), 5);

    let held = submit(&w, &["t/ok", "--hold"]);
    let then = submit(&w, &["t/ok", "--after", &held]);
    let otherwise = submit(&w, &["t/ok", "--after", &format!("{held}:failure")]);
    let anyhow = submit(&w, &["t/ok", "--after", &format!("{held}:end")]);
    let states = |ids: &[&str]| -> Vec<String> {
        let state =
            |id: &&str| w.json(&["ctl", "job", id, "--json"])["job"]["state"].as_str().unwrap().to_owned();
        ids.iter().map(state).collect()
    };
    assert_eq!(states(&[&held, &then]), ["held", "blocked"]);
    let out = w.tsup(&["ctl", "release", &held]);
    code(&out, 0);
    assert!(text(&out.stdout).starts_with(&format!("{held} t/ok is ")));
    code(&w.tsup(&["ctl", "wait", &held, &then, &anyhow]), 0);
    code(&w.tsup(&["ctl", "wait", &otherwise]), 1);

    let out = w.tsup(&["ctl", "jobs", "--script", "t/ok", "--limit", "2"]);
    assert_eq!(text(&out.stdout).lines().count(), 3, "{}", text(&out.stdout));
    let groups = w.json(&["ctl", "groups", "--json"]);
    assert_eq!((&groups["open"], &groups["groups"][0]["limit"]), (&json!(true), &json!(2)));
    code(&w.tsup(&["ctl", "drain"]), 0);
    assert_eq!(w.json(&["ctl", "groups", "--json"])["open"], false);
    let waits = submit(&w, &["t/ok"]);
    assert_eq!(states(&[&waits]), ["queued"]);
    code(&w.tsup(&["ctl", "drain", "--end"]), 0);
    code(&w.tsup(&["ctl", "wait", &waits]), 0);
    assert_eq!(w.json(&["ctl", "dead", "--json"])["jobs"], json!([]));
    code(&w.tsup(&["ctl", "dead", "drop", &waits]), 5);
    code(&w.tsup(&["ctl", "retry", &waits]), 5);
    let failed = submit(&w, &["t/fail"]);
    code(&w.tsup(&["ctl", "wait", &failed]), 3);
    code(&w.tsup(&["ctl", "retry", &failed]), 0);
    code(&w.tsup(&["ctl", "wait", &failed]), 3);
    assert_eq!(w.json(&["ctl", "job", &failed, "--json"])["job"]["attempt"], 2);
}

#[test]
fn the_documents_have_the_fields_of_the_contract() {
    let w = world();
    let failed = submit(
        &w,
        &["t/fail", "--user", "ada", "--correlation", "c", "--specialist", "s", "--session", "web"],
    );
    code(&w.tsup(&["ctl", "wait", &failed]), 3);
    let doc = w.json(&["ctl", "job", &failed, "--json"]);
    is(&doc, "ANSWER");
    let one = &doc["job"];
    is(one, "JOB");
    is(&one["error"], "ERROR");
    is(&one["error"]["retry"], "RETRY");
    is(&one["resources"], "RESOURCES");
    is(&one["enforced"], "ENFORCED");
    is(&one["attempts"][0], "ATTEMPT");
    let words = ["user", "correlation_id", "specialist", "session"].map(|name| one[name].as_str().unwrap());
    assert_eq!(words, ["ada", "c", "s", "web"]);
    for verb in ["jobs", "dead"] {
        is(&w.json(&["ctl", verb, "--json"]), "JOBS");
    }
    is(&w.json(&["ctl", "jobs", "--json"])["jobs"][0], "JOB");
    let page = text(&w.tsup(&["ctl", "job", &failed]).stdout);
    let (why, inputs) = (page.find("EXECUTION").unwrap(), page.find("priority").unwrap());
    assert!(page.starts_with("failed  t/fail") && why < inputs, "{page}");
    let scripts = w.json(&["ctl", "scripts", "--json"]);
    is(&scripts, "SCRIPTS");
    is(&scripts["scripts"][0], "SCRIPT");
    let groups = w.json(&["ctl", "groups", "--json"]);
    is(&groups, "GROUPS");
    is(&groups["groups"][0], "GROUP");
    is(&w.json(&["ctl", "output", &failed, "--json"]), "OUTPUT");
    is(&w.json(&["ctl", "schedules", "--json"]), "SCHEDULES");
    let metrics = w.json(&["ctl", "metrics", "--current", "--json"]);
    assert_eq!(
        (&metrics["counters"]["executions.total"], &metrics["counters"]["executions.failure"]),
        (&json!(1), &json!(1))
    );
}

#[test]
fn an_agents_pane_is_known_to_its_jobs() {
    let w = world();
    w.tmux(&["new-session", "-d", "-s", "team", &w.fake("claude", "start 0.1, idle 3600")]);
    let agent = w.agents_when("the agent is found", |agents| agents.len() == 1).remove(0);
    let pane = w.tmux(&["display-message", "-p", "-t", "team", "#{pane_id}"]);
    let tmux = w.tmux(&["display-message", "-p", "-t", "team", "#{socket_path},#{pid},0"]);
    let mut command = w.command(&["ctl", "submit", "t/ok", "--wait", "--json"]);
    let out = command.env("TMUX", tmux).env("TMUX_PANE", pane).output().unwrap();
    code(&out, 0);
    let doc: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!((&doc["job"]["session"], &doc["job"]["agent"]), (&json!("team"), &agent["id"]), "{doc:#}");
    assert!(doc["job"]["user"].is_string());
    // Who calls from nowhere has neither.
    let doc = w.json(&["ctl", "submit", "t/ok", "--json"]);
    assert!(doc["job"]["session"].is_null() && doc["job"]["agent"].is_null());
}

#[test]
fn a_batch_of_thousands_is_taken_in_whole_and_takes_little_memory() {
    const LINES: usize = 20_000;
    let w = world();
    let status = w.json(&["ctl", "status", "--json"]);
    let supervisor = u32::try_from(status["pid"].as_u64().unwrap()).unwrap();
    let before = crate::control::rss_kib(supervisor);
    let mut lines = String::new();
    for n in 0..LINES {
        lines.extend(["{\"script\":\"t/ok\",\"hold\":true,\"key\":\"k", &n.to_string(), "\"}\n"]);
    }
    fs::write(w.dir.join("many.jsonl"), lines).unwrap();
    let out = w.tsup(&["ctl", "submit", "--batch", "many.jsonl"]);
    code(&out, 0);
    let first = text(&out.stdout);
    let ids: std::collections::HashSet<&str> = first.lines().collect();
    assert_eq!((first.lines().count(), ids.len()), (LINES, LINES), "each line is a job of its own");
    assert_eq!(w.json(&["ctl", "status", "--json"])["jobs"]["held"], LINES);
    let grown = crate::control::rss_kib(supervisor).saturating_sub(before);
    assert!(grown < 64 * 1024, "{grown} KiB for {LINES} jobs");
    // Whoever is not sure hands the same in once more.
    let again = w.tsup(&["ctl", "submit", "--batch", "many.jsonl"]);
    code(&again, 0);
    assert_eq!(text(&again.stdout), first, "the same keys are the same jobs, in the same order");
    assert_eq!(w.json(&["ctl", "status", "--json"])["jobs"]["held"], LINES);
}
