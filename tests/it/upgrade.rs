//! Another binary takes over while jobs run: each is adopted, none is lost and none begins twice.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use tsup_core::ids::JobId;
use tsup_core::tes::job::JobState;
use tsup_core::wire::verb::{Body, Verb};

use crate::harness::{TSUP, eventually};
use crate::tes::{Jobs, ask, kill9};

const JOBS: usize = 20;

/// A copy of the product at a path of its own; it takes the place of whatever is there, as package managers do it.
fn install(j: &Jobs, name: &str) -> PathBuf {
    let (path, fresh) = (j.w.dir.join(name), j.w.dir.join(format!("{name}.new")));
    fs::copy(TSUP, &fresh).unwrap();
    fs::rename(&fresh, &path).unwrap();
    path
}

/// Runs a verb of that copy, which must succeed.
#[track_caller]
fn does(j: &Jobs, program: &Path, verb: &str) {
    let out: Output = j.w.command_of(program, &[verb]).output().unwrap();
    assert!(out.status.success(), "{verb}: {}", String::from_utf8_lossy(&out.stderr));
}

fn supervisor(j: &Jobs) -> u32 {
    let lock = fs::read_to_string(j.w.home().join("tsup.lock")).unwrap();
    let lock: serde_json::Value = serde_json::from_str(&lock).unwrap();
    lock["pid"].as_u64().unwrap() as u32
}

fn running(j: &Jobs) -> Vec<JobId> {
    let verb = Verb::Jobs { states: vec![JobState::Running], script: None, limit: Some(100) };
    let Ok(Body::Jobs(doc)) = j.ask(verb) else { return Vec::new() };
    doc.jobs.iter().map(|job| job.id).collect()
}

#[test]
fn twenty_running_jobs_live_through_every_change_of_the_binary() {
    let until_go = "while [ ! -e go ] && [ -e ../tsup.toml ]; do sleep 0.2; done";
    let j = Jobs::new()
        .script(
            "long",
            &format!("echo $TSUP_JOB >> runs; {until_go}; echo n=1"),
            "outputs = [{name=\"n\", type=\"integer\"}]",
        )
        .script("quick", "echo $TSUP_JOB >> quicks", "");
    j.configure(&format!("slots = {}", JOBS + 2));
    let (one, other) = (install(&j, "tsup-one"), install(&j, "tsup-other"));
    does(&j, &one, "start");
    let all: Vec<JobId> = (0..JOBS).map(|_| j.submit(ask("long")).id).collect();
    eventually("all of them run", || (j.lines("runs") == JOBS).then_some(()));
    let mut quicks = 0;
    let mut pid = supervisor(&j);
    let changes: [(&str, &Path, bool); 5] = [
        ("another binary", &other, false),
        ("back again", &one, false),
        ("replaced at its path", &one, true),
        ("killed, and another one comes", &other, true),
        ("the same", &other, false),
    ];
    for (what, program, is_replaced) in changes {
        if is_replaced {
            install(&j, program.file_name().unwrap().to_str().unwrap());
        }
        if what.starts_with("killed") {
            kill9(pid);
            does(&j, program, "start");
        } else {
            does(&j, program, "restart");
        }
        let next = supervisor(&j);
        assert_ne!(next, pid, "{what}");
        pid = next;
        assert_eq!(fs::read_link(format!("/proc/{pid}/exe")).unwrap(), program, "{what}");
        let adopted = eventually("it knows them all as running", || {
            Some(running(&j)).filter(|running| running.len() == JOBS)
        });
        assert!(all.iter().all(|job| adopted.contains(job)), "{what}");
        quicks += 1;
        assert_eq!(j.run(ask("quick")).state, JobState::Succeeded, "{what}: it runs others beside them");
    }
    fs::write(j.w.dir.join("scripts/go"), "").unwrap();
    for id in &all {
        let job = j.wait(*id);
        assert_eq!((job.state, job.attempt), (JobState::Succeeded, 1), "{job:#?}");
        assert_eq!(job.outputs.unwrap().0, "{\"n\":1}");
    }
    let runs = fs::read_to_string(j.w.dir.join("scripts/runs")).unwrap();
    let mut runs: Vec<&str> = runs.lines().collect();
    runs.sort_unstable();
    runs.dedup();
    assert_eq!((runs.len(), j.lines("runs"), j.lines("quicks")), (JOBS, JOBS, quicks), "each began once");
}
