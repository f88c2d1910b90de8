//! What is shown of jobs and of the scripts that they run.

use serde_json::{Value, json};

use crate::jobs::{submit, text, world};

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
