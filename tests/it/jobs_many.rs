//! Several jobs at once: named by their ids, or meant by what they have in common.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::harness::World;
use crate::jobs::{code, connected, submit, text, with_input, world};
use crate::reference::is;

fn state(w: &World, id: &str) -> Value {
    w.json(&["ctl", "job", id, "--json"])["job"]["state"].clone()
}

fn lines(bytes: &[u8]) -> Vec<Value> {
    text(bytes).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn each_of_several_has_its_own_answer_and_the_worst_is_the_exit_code() {
    let w = world();
    let jobs: Vec<String> = (0..3).map(|_| submit(&w, &["t/ok", "--hold"])).collect();
    let out = w.tsup(&["ctl", "cancel", &jobs[0], "000000000000", &jobs[1]]);
    code(&out, 4);
    let mut said: Vec<String> = text(&out.stdout).lines().map(str::to_owned).collect();
    said.sort();
    let mut expected = [0, 1].map(|n| format!("{} t/ok is cancelled", jobs[n]));
    expected.sort();
    assert_eq!(said, expected);
    let talk = text(&out.stderr);
    assert!(
        talk.contains("no job \"000000000000\"") && talk.contains("2 jobs were changed, 1 were not"),
        "{talk}"
    );
    // One that has ended is worse than one that is not there.
    let out = w.tsup(&["ctl", "cancel", &jobs[0], "000000000000", &jobs[2], "--json"]);
    code(&out, 5);
    let parts = lines(&out.stdout);
    assert_eq!(parts.len(), 3);
    for part in &parts {
        is(part, "PART");
        let of = &part["id"];
        assert_eq!(part["job"].is_null(), !part["error"].is_null(), "{part:#}");
        if *of == json!(jobs[2]) {
            is(&part["job"], "JOB");
            assert_eq!(part["job"]["state"], "cancelled");
        } else {
            is(&part["error"], "FAULT");
            let expected = if *of == json!(jobs[0]) { 5 } else { 4 };
            assert_eq!(part["error"]["context"]["exit_code"], expected, "{part:#}");
        }
    }
}

#[test]
fn what_is_meant_is_shown_first_and_only_that_is_changed() {
    let w = world();
    let ok: Vec<String> = (0..3).map(|_| submit(&w, &["t/ok", "--hold"])).collect();
    let fail: Vec<String> = (0..2).map(|_| submit(&w, &["t/fail", "--hold", "--session", "web"])).collect();
    let out = w.tsup(&["ctl", "cancel", "--script", "t/ok", "--dry-run"]);
    code(&out, 0);
    let youngest_first: Vec<String> = ok.iter().rev().map(|id| format!("{id} t/ok is held")).collect();
    assert_eq!(text(&out.stdout).lines().collect::<Vec<_>>(), youngest_first);
    for meant in lines(&w.tsup(&["ctl", "cancel", "--script", "t/ok", "--dry-run", "--json"]).stdout) {
        is(&meant, "MEANT");
    }
    assert!(ok.iter().all(|id| state(&w, id) == "held"));
    let out = w.tsup(&["ctl", "cancel", "--script", "t/ok"]);
    code(&out, 0);
    assert_eq!(text(&out.stdout).lines().count(), 3);
    assert!(ok.iter().all(|id| state(&w, id) == "cancelled"));
    assert!(fail.iter().all(|id| state(&w, id) == "held"));
    // Nothing is left of them, which is what was wanted.
    let out = w.tsup(&["ctl", "cancel", "--script", "t/ok"]);
    code(&out, 0);
    assert!(text(&out.stderr).contains("no job is meant"), "{}", text(&out.stderr));
    code(&w.tsup(&["ctl", "release", "--session", "elsewhere"]), 0);
    assert!(fail.iter().all(|id| state(&w, id) == "held"));
    code(&w.tsup(&["ctl", "release", "--session", "web"]), 0);
    code(&w.tsup(&["ctl", "wait", &fail[0], &fail[1]]), 3);
    code(&w.tsup(&["ctl", "retry", "--script", "t/fail"]), 2);
    code(&w.tsup(&["ctl", "retry", "--script", "t/fail", "--state", "failed"]), 0);
    code(&w.tsup(&["ctl", "wait", &fail[0], &fail[1]]), 3);
    for id in &fail {
        assert_eq!(w.json(&["ctl", "job", id, "--json"])["job"]["attempt"], 2);
    }
    for none in [&["dead", "drop"][..], &["dead", "requeue"], &["cancel"], &["hold", "--dry-run"]] {
        code(&w.tsup(&[&["ctl"], none].concat()), 2);
    }
    code(&w.tsup(&["ctl", "dead", "drop", "--all"]), 0);
}

/// More than are read at a time, some of them twice; and who is not there is told before the others have ended.
#[test]
fn many_are_waited_for_together() {
    let w = world();
    let held = submit(&w, &["t/ok", "--hold"]);
    let mut all: Vec<String> = (0..150).map(|_| submit(&w, &["t/ok"])).collect();
    code(&w.tsup(&["ctl", "wait", &held, &all[0], "000000000000"]), 4);
    all.extend(all[..3].to_vec());
    let mut args = vec!["ctl", "wait", "--json"];
    args.extend(all.iter().map(String::as_str));
    let told = w.json(&args)["jobs"].clone();
    let told: Vec<&str> = told.as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap()).collect();
    assert_eq!(told, all, "in the order in which they were asked for");
    code(&w.tsup(&["ctl", "wait", &held, &all[0], "--timeout", "50ms"]), 6);
}

#[test]
fn a_queue_that_is_being_read_is_not_taken_for_an_empty_one() {
    let w = world();
    for _ in 0..20 {
        submit(&w, &["t/ok", "--hold"]);
    }
    for _ in 0..3 {
        w.tsup(&["ctl", "crash", "root/system/tes/queue"]);
        let held = w.json(&["ctl", "jobs", "--state", "held", "--json"])["jobs"].clone();
        assert_eq!(held.as_array().unwrap().len(), 20);
        let meant = w.tsup(&["ctl", "cancel", "--all", "--dry-run"]);
        assert_eq!(text(&meant.stdout).lines().count(), 20, "{}", text(&meant.stderr));
    }
}

/// Its time runs while it looks for its supervisor, too.
#[test]
fn a_wait_ends_in_its_time_without_a_supervisor() {
    let mut w = world();
    let held = submit(&w, &["t/ok", "--hold"]);
    // One that had not asked yet by then finds nobody, and says so.
    let codes = (0..5).map(|_| {
        let mut wait = w.command(&["ctl", "wait", &held, "--timeout", "3s"]);
        let waits = wait.stderr(Stdio::piped()).spawn().unwrap();
        connected(waits.id());
        w.kill9();
        let out = waits.wait_with_output().unwrap();
        w.run();
        out.status.code()
    });
    assert_eq!(codes.into_iter().find(|code| *code != Some(3)), Some(Some(6)));
}

#[test]
fn a_bad_batch_is_taken_back_with_one_command() {
    let w = world();
    let kept = submit(&w, &["t/ok", "--hold", "--session", "web"]);
    let batch = "{\"script\": \"t/ok\", \"hold\": true, \"session\": \"bad\"}\n".repeat(400);
    code(&with_input(&w, &["ctl", "submit", "--batch", "-"], &batch), 0);
    let out = w.tsup(&["ctl", "cancel", "--session", "bad"]);
    code(&out, 0);
    assert_eq!(text(&out.stdout).lines().filter(|line| line.ends_with(" is cancelled")).count(), 400);
    assert!(text(&out.stderr).contains("400 jobs were changed"));
    assert_eq!(state(&w, &kept), "held");
    // A hold on one that runs is for its next attempt, and is taken back with the others.
    let gate = w.dir.join("gate");
    let running = submit(&w, &["t/gate", "--session", "web", "--arg", &format!("a={}", gate.display())]);
    crate::harness::eventually("it runs", || (state(&w, &running) == "running").then_some(()));
    let hold = |verb: &str| text(&w.tsup(&["ctl", verb, "--session", "web", "--dry-run"]).stdout);
    assert!(hold("hold").contains(&running) && !hold("hold").contains(&kept), "{}", hold("hold"));
    code(&w.tsup(&["ctl", "hold", "--session", "web"]), 0);
    assert_eq!(hold("hold"), "");
    assert!(hold("release").contains(&running) && hold("release").contains(&kept), "{}", hold("release"));
    code(&w.tsup(&["ctl", "release", "--session", "web"]), 0);
    assert_eq!(hold("release"), "");
    std::fs::write(gate, "").unwrap();
    code(&w.tsup(&["ctl", "wait", &running, &kept]), 0);
}
