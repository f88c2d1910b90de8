//! What is shown of jobs and of the scripts that they run.

use serde_json::{Value, json};

use crate::jobs::{submit, text, world};
use crate::reference::is;

#[test]
fn a_delayed_job_says_when_it_starts() {
    let w = world();
    let mut command = w.command(&["ctl", "submit", "t/ok", "--delay", "26h", "--json"]);
    let delayed: Value = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
    assert_eq!(delayed["job"]["state"], "delayed");
    let (at, id) =
        (delayed["job"]["next_attempt_at"].as_str().unwrap(), delayed["job"]["id"].as_str().unwrap());
    // By the clock of whoever reads, not by that of the supervisor.
    let at: jiff::Timestamp = at.parse().unwrap();
    let at = at.to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(5)));
    let expected = format!("not before {}, in 1d 01h", at.strftime("%b %d %H:%M"));
    for verb in [&["ctl", "jobs"][..], &["ctl", "job", id], &["ctl", "release", id]] {
        let said = text(&w.command(verb).env("TZ", "XXX-5").output().unwrap().stdout);
        assert!(said.contains(&expected), "{verb:?}: {said}");
    }
    let held = submit(&w, &["t/ok", "--delay", "26h", "--hold"]);
    let held = w.json(&["ctl", "job", &held, "--json"])["job"].clone();
    assert_eq!((&held["state"], held["next_attempt_at"].is_string()), (&json!("held"), true), "{held:#}");
}

#[test]
fn a_script_is_told_in_full_with_what_it_lacks() {
    let w = world();
    let doc = w.json(&["ctl", "scripts", "t/gate", "--json"]);
    is(&doc, "SCRIPT ANSWER");
    let script = &doc["script"];
    is(script, "SCRIPT PAGE");
    is(&script["inputs"][0], "INPUT");
    is(&script["times"], "TIMES");
    is(&script["retry"], "RETRY POLICY");
    is(&script["limits"], "SCRIPT LIMITS");
    is(&script["enforced_here"], "ENFORCED");
    assert_eq!((&script["healthy"], &script["inputs"][0]["required"]), (&json!(true), &json!(true)));
    assert_eq!(script["file"], json!(w.dir.canonicalize().unwrap().join("scripts/gate.sh")));
    // What is said of a job that ran is what was said before.
    let id = submit(&w, &["t/ok"]);
    w.tsup(&["ctl", "wait", &id]);
    let ran = w.json(&["ctl", "job", &id, "--json"])["job"]["enforced"].clone();
    assert_eq!(w.json(&["ctl", "scripts", "t/ok", "--json"])["script"]["enforced_here"], ran);
    // By its name alone, where only one has it.
    let page = text(&w.tsup(&["ctl", "scripts", "gate"]).stdout);
    assert!(page.starts_with("ok  t/gate\n") && page.contains("30s for an attempt"), "{page}");
    std::fs::remove_file(w.dir.join("scripts/gate.sh")).unwrap();
    let broken = w.json(&["ctl", "scripts", "t/gate", "--json"])["script"].clone();
    is(&broken["problems"][0], "PROBLEM");
    assert_eq!((&broken["healthy"], &broken["file"]), (&json!(false), &Value::Null));
    assert!(broken["problems"][0]["todo"].as_str().unwrap().starts_with("put it there"), "{broken:#}");
    let out = w.tsup(&["ctl", "scripts", "t/nothing", "--json"]);
    assert_eq!(out.status.code(), Some(4));
    is(&serde_json::from_slice(&out.stdout).unwrap(), "NOT DONE");
}
