//! The tools of `examples/tools`, as an agent runs them: each one to its end, on what a test made for it.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::harness::World;

const TOOLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/tools");

/// A supervisor with the registries of the examples.
fn world() -> World {
    let mut w = World::new();
    w.configure(&format!(
        "[tes]\nregistries = [\"{TOOLS}/registry.json\", \"{TOOLS}/registry.toml\"]\nslots = 4"
    ));
    w.run();
    w
}

/// Whether a program is here. Its absence is told: what needs it is not tried.
fn has(program: &str) -> bool {
    let there = Command::new(program).arg("--version").output().is_ok_and(|o| o.status.success());
    if !there {
        let _ = writeln!(std::io::stderr(), "{program} is not here: its examples are skipped");
    }
    there
}

fn write(w: &World, path: &str, text: &str) -> String {
    let path = w.dir.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

fn ask(w: &World, script: &str, inputs: &Value) -> Output {
    let mut child = w
        .command(&["ctl", "submit", script, "--input", "-", "--wait", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(inputs.to_string().as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[track_caller]
fn job(out: &Output) -> Value {
    let doc: Value = serde_json::from_slice(&out.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&out.stderr)));
    doc["job"].clone()
}

/// Runs a script, which must succeed, and gives its outputs.
#[track_caller]
fn run(w: &World, script: &str, inputs: &Value) -> Value {
    let job = job(&ask(w, script, inputs));
    assert_eq!(job["state"], "succeeded", "{job:#}");
    job["outputs"].clone()
}

#[test]
fn the_registries_have_no_problem_and_their_scripts_can_run() {
    let w = world();
    let doc = w.json(&["ctl", "scripts", "--json"]);
    assert_eq!(doc["problems"], json!([]));
    let scripts = doc["scripts"].as_array().unwrap();
    assert_eq!(scripts.len(), 7);
    let node = has("node");
    for script in scripts.iter().filter(|s| node || !s["path"].as_str().unwrap().ends_with("mjs")) {
        assert_eq!(script["healthy"], true, "{script:#}");
    }
}

#[test]
fn bash_counts_lines_and_takes_nothing_else() {
    let w = world();
    let tree = w.dir.join("tree");
    write(&w, "tree/a.py", "one\ntwo\nthree\n");
    write(&w, "tree/with a space.py", "one\n");
    write(&w, "tree/empty.rs", "");
    write(&w, "tree/notes", "not of a language\n");
    write(&w, "tree/target/built.rs", "no source\n");
    let outputs = run(&w, "code/count-lines", &json!({"folder": tree}));
    assert_eq!(outputs, json!({"files": 3, "lines": 4, "main_language": "Python"}));
    fs::create_dir(w.dir.join("bare")).unwrap();
    let outputs = run(&w, "code/count-lines", &json!({"folder": w.dir.join("bare"), "sort": "name"}));
    assert_eq!(outputs, json!({"files": 0, "lines": 0}));

    let out = ask(&w, "code/count-lines", &json!({"folder": tree, "sort": "size"}));
    assert_eq!(out.status.code(), Some(5));
    let doc: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(doc["error"]["category"], "VALIDATION");
    assert_eq!(doc["error"]["context"]["sort"], "expected one of lines, files, name, found \"size\"");
    let out = ask(&w, "code/count-lines", &json!({"folder": w.dir.join("none")}));
    let job = job(&out);
    assert_eq!((out.status.code(), &job["error"]["category"]), (Some(1), &json!("EXECUTION")), "{job:#}");
    assert!(job["error"]["message"].as_str().unwrap().contains("is no folder"), "{job:#}");
}

#[test]
fn bash_reads_options_and_variables() {
    if !has("git") {
        return;
    }
    let w = world();
    let repository = w.dir.join("repository");
    fs::create_dir(&repository).unwrap();
    git(&repository, &["init", "-q"]);
    for (author, file) in [("Ada", "a"), ("Ada", "b"), ("Bo", "a")] {
        fs::write(repository.join(file), author).unwrap();
        git(&repository, &["add", "."]);
        let mail = format!("{author}@example.org");
        let who = [format!("user.name={author}"), format!("user.email={mail}")];
        git(&repository, &["-c", &who[0], "-c", &who[1], "commit", "-qm", "a change"]);
    }
    let outputs = run(&w, "code/changes", &json!({"repository": repository}));
    assert_eq!(outputs, json!({"commits": 3, "authors": 2, "files": 2}));
    let one = json!({"repository": repository, "author": "Bo", "merges": true, "since": "1 hour ago"});
    assert_eq!(run(&w, "code/changes", &one), json!({"commits": 1, "authors": 1, "files": 1}));
}

#[track_caller]
fn git(folder: &Path, args: &[&str]) {
    let out = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(args)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .unwrap();
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
}

#[test]
fn python_summarises_waits_and_runs_tests() {
    if !has("python3") {
        return;
    }
    let w = world();
    let log = write(
        &w,
        "app.jsonl",
        "{\"timestamp\": \"2026-01-02T00:00:00Z\", \"level\": \"WARN\", \"message\": \"slow\"}\n\
         not json\n\n\
         {\"timestamp\": \"2026-01-01T00:00:00Z\", \"level\": \"INFO\", \"message\": \"up\"}\n\
         {\"timestamp\": \"2026-01-03T00:00:00Z\", \"level\": \"WARN\", \"message\": \"slow\"}\n",
    );
    let outputs = run(&w, "data/summarise-log", &json!({"file": log}));
    assert_eq!((&outputs["entries"], &outputs["broken_lines"]), (&json!(3), &json!(1)));
    assert_eq!(outputs["counts"], json!({"WARN": 2, "INFO": 1}));
    assert_eq!(outputs["first"], "2026-01-01T00:00:00Z");
    assert_eq!(outputs["said_most"][0], json!({"message": "slow", "count": 2}));

    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let outputs = run(&w, "net/wait-for-port", &json!({"port": port}));
    assert!(outputs["waited_seconds"].is_number(), "{outputs}");

    let says =
        "echo 'test one ... FAILED'; echo 'test result: FAILED. 4 passed; 1 failed; 0 ignored'; exit $CODE";
    let asked = json!({"folder": w.dir, "command": ["sh", "-c", says], "variables": {"CODE": 9}});
    let outputs = run(&w, "checks/run-tests", &asked);
    assert_eq!(
        (&outputs["passed"], &outputs["failed"], &outputs["status"]),
        (&json!(4), &json!(1), &json!(9))
    );
    assert_eq!(outputs["failures"], json!(["one"]));
}

#[test]
fn a_port_that_comes_later_is_waited_for_by_trying_again() {
    if !has("python3") {
        return;
    }
    let w = world();
    // The port is free again when this is dropped, and nobody else is given it at once.
    let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let inputs = [format!("port={port}"), "for_seconds=0.1".to_owned()];
    let args = ["ctl", "submit", "net/wait-for-port", "--arg", &inputs[0], "--arg", &inputs[1]];
    let submitted = w.tsup(&args);
    let id = String::from_utf8(submitted.stdout).unwrap().trim().to_owned();
    let waiting = crate::harness::eventually("its first attempt has failed", || {
        let doc = w.json(&["ctl", "job", &id, "--json"]);
        (doc["job"]["state"] == "delayed").then(|| doc["job"].clone())
    });
    assert_eq!(waiting["error"]["category"], "DEPENDENCY", "{waiting:#}");
    assert_eq!(waiting["error"]["retry"]["next_retry_delay_seconds"], 2.0, "{waiting:#}");
    let _listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let doc = w.json(&["ctl", "wait", &id, "--json"]);
    assert_eq!(doc["jobs"][0]["state"], "succeeded", "{doc:#}");
    assert!(doc["jobs"][0]["attempt"].as_u64().unwrap() >= 2, "{doc:#}");
}

#[test]
fn node_checks_links_and_compares_shut_in() {
    if !has("node") {
        return;
    }
    let w = world();
    write(&w, "docs/a.md", "# Title\n[ok](b.md#two-words) [gone](c.md) [no](#none)\n`[code](x)`\n");
    write(
        &w,
        "docs/b.md",
        "## Two words\n```\n[in code](nowhere)\n```\n[home](a.md) [far](https://example.org)\n",
    );
    let outputs = run(&w, "docs/check-links", &json!({"folder": w.dir.join("docs")}));
    assert_eq!((&outputs["files"], &outputs["links"]), (&json!(2), &json!(4)), "{outputs}");
    let whys: Vec<&str> =
        outputs["broken"].as_array().unwrap().iter().map(|b| b["why"].as_str().unwrap()).collect();
    assert_eq!(whys, ["no such file", "no such heading"]);

    let (before, after) = (
        write(&w, "before.json", r#"{"a": 1, "b": {"c": [1, 2]}, "gone": null}"#),
        write(&w, "after.json", r#"{"a": 1, "b": {"c": [1, 3]}, "x/y": true}"#),
    );
    let job = job(&ask(&w, "data/compare-json", &json!({"before": before, "after": after})));
    if job["error"]["category"] == "PERMISSION" {
        let why = &job["error"]["message"];
        let _ = writeln!(std::io::stderr(), "strict cannot be held on this host: {why}");
        return;
    }
    assert_eq!(
        job["outputs"],
        json!({"same": false, "added": ["/x~1y"], "removed": ["/gone"], "changed": ["/b/c/1"]}),
        "{job:#}"
    );
    assert!(job["enforced"]["fs"].as_str().unwrap().starts_with("landlock"), "{job:#}");
}
