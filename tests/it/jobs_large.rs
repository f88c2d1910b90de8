//! Jobs with large inputs and outputs, in lists: bounded, and said to be.

use serde_json::{Value, json};
use tsup_core::wire::verb::{Submit, Verb};

use crate::tes::{Jobs, ask};

/// So many jobs with 120 KB of input each: more than fits into one answer.
fn large(jobs: &Jobs, n: usize, hold: bool) -> Vec<String> {
    let input = json!({"text": "x".repeat(120_000)}).to_string();
    let one = || Submit { input: Some(input.clone()), hold, ..ask("takes") };
    (0..n).map(|_| jobs.submit(one()).id.to_string()).collect()
}

fn takes() -> Jobs {
    let arg = "[[scripts.execution.args]]\nname = \"text\"\ntype = \"string\"";
    Jobs::new().script("takes", "true", arg)
}

fn peak_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn lists_of_large_jobs_are_answered_without_their_values() {
    let mut jobs = takes();
    let pid = jobs.w.run();
    let held = large(&jobs, 45, true);
    let ended = large(&jobs, 45, false);
    let wait: Vec<&str> =
        ["ctl", "wait", "--json"].into_iter().chain(ended.iter().map(String::as_str)).collect();
    let waited = jobs.w.json(&wait);
    assert_eq!(waited["jobs"].as_array().unwrap().len(), ended.len());
    assert!(waited["jobs"].as_array().unwrap().iter().all(|j| j["state"] == "succeeded"));
    let before = peak_kib(pid);
    for args in
        [&["ctl", "jobs", "--limit", "99", "--json"][..], &["ctl", "jobs", "--state", "held", "--json"]]
    {
        let doc = jobs.w.json(args);
        let listed = doc["jobs"].as_array().unwrap();
        assert_eq!(
            (listed.len(), &doc["more"]),
            (if args.contains(&"held") { 45 } else { 90 }, &json!(false))
        );
        for job in listed {
            assert_eq!(job["inputs"], Value::Null);
            assert!(job["inputs_bytes"].as_u64().unwrap() > 120_000);
        }
    }
    let grown = peak_kib(pid).saturating_sub(before);
    assert!(grown < 12 * 1024, "a list of 90 jobs took {grown} KiB more");
    let one = jobs.w.json(&["ctl", "job", &held[0], "--json"]);
    assert_eq!(one["job"]["inputs"]["text"].as_str().unwrap().len(), 120_000, "the job itself has them");
}

#[test]
fn a_list_that_is_not_whole_says_so() {
    let mut jobs = takes();
    jobs.w.run();
    for _ in 0..3 {
        jobs.submit(Submit { hold: true, ..ask("takes") });
    }
    let said = |args: &[&str]| {
        let out = jobs.w.tsup(args);
        assert!(out.status.success());
        String::from_utf8_lossy(&out.stderr).into_owned()
    };
    for args in [&["ctl", "jobs"][..], &["ctl", "jobs", "--state", "held"]] {
        assert!(said(&[args, &["--limit", "2"]].concat()).contains("the youngest 2, and there are more"));
        assert_eq!(said(&[args, &["--limit", "3"]].concat()), "");
    }
    assert_eq!(said(&["ctl", "dead", "--limit", "1"]), "");
}

#[test]
fn what_was_cut_of_an_earlier_attempt_is_told() {
    let more = "execution.retry.max_attempts = 2\nexecution.retry.initial_delay_seconds = 0.05";
    let mut jobs = Jobs::new().script("loud", "head -c 3000000 /dev/zero; echo THE-END; exit 75", more);
    jobs.configure("output_mb = 1");
    jobs.w.run();
    let job = jobs.submit(ask("loud")).id;
    let doc = jobs.wait(job);
    assert!(doc.attempts.iter().all(|a| a.truncated && a.stdout_bytes > 3_000_000), "{doc:#?}");
    for attempt in 1..=doc.attempt {
        let Ok(tsup_core::wire::verb::Body::Output(doc)) =
            jobs.ask(Verb::Output { job: job.to_string(), attempt: Some(attempt) })
        else {
            panic!("no output of attempt {attempt}")
        };
        assert!(doc.truncated, "attempt {attempt}");
    }
}
