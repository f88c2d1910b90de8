//! Scripts that run at times, with a real clock.

use std::time::{Duration, Instant};

use serde_json::Value;
use tsup_core::tes::job::JobState;
use tsup_core::tes::schedule::run_of_key;
use tsup_core::wire::doc::jobs::JobDoc;
use tsup_core::wire::verb::{Body, Verb};

use crate::harness::eventually;
use crate::tes::Jobs;

fn schedule(name: &str, script: &str, rest: &str) -> String {
    format!("[[tes.schedule]]\nname = \"{name}\"\nscript = \"{script}\"\n{rest}\n")
}

/// All jobs of a script, the oldest first.
fn jobs(j: &Jobs, script: &str) -> Vec<JobDoc> {
    let verb = Verb::Jobs { states: vec![], script: Some(script.into()), limit: Some(10_000) };
    match j.ask(verb) {
        Ok(Body::Jobs(doc)) => doc.jobs.into_iter().rev().collect(),
        other => panic!("not listed: {other:?}"),
    }
}

/// The seconds at which the runs of a schedule's jobs were due.
fn dues(jobs: &[JobDoc], schedule: &str) -> Vec<i64> {
    let due = |job: &JobDoc| {
        let key = job.key.as_ref().unwrap();
        let (name, due) = run_of_key(key.raw()).unwrap();
        assert_eq!(name, schedule);
        due.unix_seconds()
    };
    jobs.iter().map(due).collect()
}

fn shown(j: &Jobs, name: &str) -> Value {
    let doc = j.w.json(&["ctl", "schedules", "--json"]);
    assert_eq!(doc["version"], 1);
    doc["schedules"].as_array().unwrap().iter().find(|s| s["name"] == name).unwrap().clone()
}

/// Time passes while nobody is there.
fn pass(time: Duration) {
    let since = Instant::now();
    eventually("time passes", || (since.elapsed() >= time).then_some(()));
}

#[test]
fn kills_neither_lose_nor_double_a_run() {
    let mut j = Jobs::new().script("tick", "echo x >> ticks", "");
    j.configure(&schedule("pulse", "tick", "every = \"1s\"\nmissed = \"all\"\noverlap = \"queue\""));
    j.w.run();
    eventually("the first run", || (!jobs(&j, "tick").is_empty()).then_some(()));
    for ms in [0, 1_300, 2_600, 50] {
        let before = jobs(&j, "tick").len();
        eventually("the next run", || (jobs(&j, "tick").len() > before).then_some(()));
        j.w.kill9();
        pass(Duration::from_millis(ms));
        j.w.run();
    }
    let before = jobs(&j, "tick").len();
    let all = eventually("it goes on", || Some(jobs(&j, "tick")).filter(|all| all.len() > before + 1));
    let mut times = dues(&all, "pulse");
    times.sort_unstable();
    let expected: Vec<i64> = (times[0]..times[0] + times.len() as i64).collect();
    assert_eq!(times, expected, "one each second");
    let first = all[0].clone();
    assert_eq!(first.user.unwrap().raw(), "schedule");
    eventually("all have run", || {
        let (lines, all) = (j.lines("ticks"), jobs(&j, "tick"));
        let ended = all.iter().filter(|job| job.state == JobState::Succeeded && job.attempt == 1).count();
        assert!(all.iter().all(|job| !job.state.is_final() || job.state == JobState::Succeeded), "{all:#?}");
        (lines == ended && ended >= times.len()).then_some(())
    });
}

#[test]
fn a_run_before_that_has_not_ended_counts_by_its_policy() {
    let slow = "echo $$ >> runs.$0; exec sleep 300";
    let mut j = Jobs::new().script("one", slow, "execution.timeout = 300000").script(
        "newest",
        slow,
        "execution.timeout = 300000\nexecution.grace_seconds = 0.2",
    );
    let every = "every = \"1s\"\noverlap";
    j.configure(
        &(schedule("one", "one", &format!("{every} = \"skip\""))
            + &schedule("newest", "newest", &format!("{every} = \"replace\""))),
    );
    j.w.run();
    let skipped = |j: &Jobs| shown(j, "one")["skipped"].as_u64().unwrap();
    eventually("runs are left out", || (skipped(&j) >= 2).then_some(()));
    let only = jobs(&j, "one");
    assert_eq!((only.len(), only[0].state), (1, JobState::Running));
    eventually("runs are replaced", || (jobs(&j, "newest").len() >= 4).then_some(()));
    let all = jobs(&j, "newest");
    let (last, before) = all.split_last().unwrap();
    assert!(!last.state.is_final());
    assert!(before.iter().all(|job| job.state == JobState::Cancelled), "{before:#?}");
    assert!(dues(&all, "newest").is_sorted());

    j.w.kill9();
    j.w.run();
    eventually("runs are left out for a job that was found again", || (skipped(&j) >= 2).then_some(()));
    assert_eq!(jobs(&j, "one").len(), 1);
    let now = shown(&j, "one");
    assert_eq!((&now["last_job"], &now["last_state"]), (&only[0].id.to_string().into(), &"running".into()));
    j.ask(Verb::Cancel { job: only[0].id.to_string() }).unwrap();
    eventually("it goes on", || (jobs(&j, "one").len() == 2).then_some(()));
}

#[test]
fn what_is_wrong_with_one_is_told_with_its_place_and_stops_no_other() {
    let mut j = Jobs::new().script("ok", "true", "").script(
        "picky",
        "true",
        "execution.args = [{name=\"n\", type=\"integer\", required=true}]",
    );
    let wrong = schedule("nowhere", "never", "every = \"1s\"")
        + &schedule("mars", "ok", "cron = \"* * * * * *\"\ntimezone = \"Mars/Base\"")
        + &schedule("unfit", "picky", "every = \"1s\"\ninputs = { n = \"many\" }");
    let good = schedule("good", "ok", "cron = \"* * * * * *\"\ntimezone = \"Europe/Berlin\"");
    j.configure(&(wrong.clone() + &good));
    j.w.run();
    let degraded = |j: &Jobs| -> Vec<String> {
        let status = j.w.json(&["ctl", "status", "--json"]);
        status["degraded"].as_array().unwrap().iter().map(|s| s.as_str().unwrap().to_owned()).collect()
    };
    for says in [
        "schedule `nowhere`: no script \"never\" is registered",
        "schedule `mars`: there is no time zone \"Mars/Base\" in this machine's database",
        "schedule `unfit`: input `n`: expected integer",
    ] {
        let told = eventually("it is told", || degraded(&j).into_iter().find(|line| line.contains(says)));
        let place = told.split(": schedule").next().unwrap();
        let mut parts = place.rsplit(':');
        let column: usize = parts.next().unwrap().parse().unwrap();
        let line: usize = parts.next().unwrap().parse().unwrap();
        assert!(parts.next().unwrap().ends_with("tsup.toml") && line > 1 && column > 0, "{told}");
    }
    eventually("the good one runs", || {
        Some(shown(&j, "good")).filter(|s| s["last_state"] == "succeeded" && s["problem"].is_null())
    });
    assert_eq!(shown(&j, "mars")["next_at"], Value::Null);

    let off = wrong.replace("every", "enabled = false\nevery").replace("Mars/Base", "Asia/Tokyo");
    j.configure(&(off + &good));
    let done = j.w.tsup(&["ctl", "reload"]);
    assert!(
        done.status.success() && String::from_utf8_lossy(&done.stdout).contains("tes.schedule"),
        "{done:?}"
    );
    eventually("all is well", || degraded(&j).is_empty().then_some(()));
    eventually("its zone is known", || (shown(&j, "mars")["last_state"] == "succeeded").then_some(()));
    let table = String::from_utf8(j.w.tsup(&["ctl", "schedules"]).stdout).unwrap();
    assert!(table.contains("Asia/Tokyo") && table.contains("off"), "{table}");
}
