//! Jobs while everything around them ends, comes again, or happens at once: nothing lost, nothing doubled.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tsup::ctl::client::Client;
use tsup_core::error::UserError;
use tsup_core::ids::JobId;
use tsup_core::tes::job::JobState;
use tsup_core::wire::frame::{self, Kind};
use tsup_core::wire::verb::{Body, Request, Submit, Verb};

use crate::harness::{PATIENCE, eventually};
use crate::tes::{Jobs, ask};

fn keyed(script: &str, key: &str) -> Submit {
    Submit { key: Some(key.into()), ..ask(script) }
}

/// Submits until it is answered with a job. The key makes that safe.
fn insist(socket: &std::path::Path, submit: &Submit) -> JobId {
    let deadline = Instant::now() + PATIENCE;
    let mut last: Option<Result<Body, UserError>> = None;
    while Instant::now() < deadline {
        let answer = Client::connect(socket).and_then(|mut c| c.ask(Verb::Submit(Box::new(submit.clone()))));
        if let Ok(Body::Job(answer)) = answer {
            return answer.job.id;
        }
        last = Some(answer);
        std::thread::park_timeout(Duration::from_millis(20));
    }
    panic!("never taken in: {last:?}");
}

/// What the scripts' `echo $TSUP_JOB >> runs` left: how often each job ran.
fn runs(j: &Jobs) -> BTreeMap<String, usize> {
    let mut runs = BTreeMap::new();
    for line in fs::read_to_string(j.w.dir.join("scripts/runs")).unwrap_or_default().lines() {
        *runs.entry(line.to_owned()).or_default() += 1;
    }
    runs
}

#[test]
fn a_retry_keeps_its_number_and_its_time_over_a_kill() {
    let script = "echo x >> tries; [ $(wc -l < tries) -gt 1 ] && exit 0; echo 'retry-after: 3' >&2; exit 75";
    let mut j = Jobs::new().script("later", script, "");
    j.w.run();
    let id = j.submit(ask("later")).id;
    let job = j.job_when("its next attempt has a time", id, |job| job.next_attempt_at.is_some());
    let at = job.next_attempt_at.unwrap();
    assert_eq!((job.state, job.attempt), (JobState::Delayed, 1), "{job:#?}");
    j.w.kill9();
    j.w.run();
    let job = j.job(id);
    if job.attempts.len() == 1 {
        assert_eq!((job.attempt, job.next_attempt_at), (1, Some(at)), "{job:#?}");
    }
    let job = j.wait(id);
    assert_eq!((job.state, job.attempt, j.lines("tries")), (JobState::Succeeded, 2, 2), "{job:#?}");
    // The clock is read twice on the way, with what a kill rounds.
    let began = job.attempts[1].starting_at;
    assert!(began >= at || at.since(began) < Duration::from_millis(50), "{began} is before {at}");
}

#[test]
fn a_cancel_and_an_end_at_once_are_one_end() {
    const RACES: usize = 200;
    let mut j = Jobs::new().script("quick", "echo $TSUP_JOB >> runs", "");
    j.configure("slots = 8");
    j.w.run();
    let mut watch = j.w.watch(&["--kind", "job_state"]);
    let attached = AtomicBool::new(false);
    std::thread::scope(|s| {
        s.spawn(|| {
            while !attached.load(Ordering::Relaxed) {
                j.run(ask("quick"));
            }
        });
        watch.next("the watch sees jobs", |e| e["to"] == "succeeded");
        attached.store(true, Ordering::Relaxed);
    });
    let socket = &j.socket;
    let ids: Vec<JobId> = std::thread::scope(|s| {
        let workers: Vec<_> = (0..4)
            .map(|worker| {
                s.spawn(move || {
                    let mut client = Client::connect(socket).unwrap();
                    let mut ids = Vec::new();
                    for n in 0..RACES / 4 {
                        let Ok(Body::Job(answer)) = client.ask(Verb::Submit(Box::new(ask("quick")))) else {
                            panic!("not submitted")
                        };
                        let id = answer.job.id;
                        ids.push(id);
                        // From at once to after its end.
                        std::thread::park_timeout(Duration::from_micros((n as u64 * 7 + worker) % 40 * 500));
                        match client.ask(Verb::Cancel { job: id.to_string() }) {
                            Ok(Body::Job(answer)) => {
                                assert!(answer.job.state.is_final(), "{:#?}", answer.job);
                            }
                            Err(e) => assert!(e.what.contains("has ended"), "{e}"),
                            other => panic!("{other:?}"),
                        }
                    }
                    ids
                })
            })
            .collect();
        workers.into_iter().flat_map(|w| w.join().unwrap()).collect()
    });
    let told: BTreeMap<JobId, JobState> = ids.iter().map(|id| (*id, j.job(*id).state)).collect();
    let last = j.run(ask("quick")).id;
    watch.next("the last one", |e| e["job"] == last.to_string() && e["to"] == "succeeded");
    let mut ends: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for event in &watch.seen {
        let to = event["to"].as_str().unwrap().to_owned();
        if ["succeeded", "failed", "cancelled", "interrupted", "dead"].contains(&to.as_str()) {
            ends.entry(event["job"].as_str().unwrap().to_owned()).or_default().push(to);
        }
    }
    for (id, state) in &told {
        assert_eq!(ends[&id.to_string()], [state.to_string()], "{id}");
    }
    let cancelled = told.values().filter(|s| **s == JobState::Cancelled).count();
    assert!(told.values().all(|s| matches!(s, JobState::Cancelled | JobState::Succeeded)), "{told:#?}");
    j.w.kill9();
    j.w.run();
    let runs = runs(&j);
    for (id, state) in told {
        assert_eq!(j.job(id).state, state, "the same after a kill");
        let ran = runs.get(&id.to_string()).copied().unwrap_or(0);
        assert!(ran == 1 || (ran == 0 && state == JobState::Cancelled), "{id} {state} ran {ran} times");
    }
    assert!(cancelled > 0 && cancelled < RACES, "{cancelled} of {RACES} were cancelled: no race");
}

#[test]
fn one_key_from_many_at_once_is_one_job() {
    let mut j = Jobs::new().script("once", "echo $TSUP_JOB >> runs", "");
    j.w.run();
    for round in 0..5 {
        let submit = keyed("once", &format!("k{round}"));
        let (socket, gate) = (&j.socket, std::sync::Barrier::new(20));
        let ids: BTreeSet<JobId> = std::thread::scope(|s| {
            let clients: Vec<_> = (0..20)
                .map(|_| {
                    s.spawn(|| {
                        let mut client = Client::connect(socket).unwrap();
                        gate.wait();
                        match client.ask(Verb::Submit(Box::new(submit.clone()))) {
                            Ok(Body::Job(answer)) => answer.job.id,
                            other => panic!("{other:?}"),
                        }
                    })
                })
                .collect();
            clients.into_iter().map(|c| c.join().unwrap()).collect()
        });
        assert_eq!(ids.len(), 1, "{ids:?}");
        assert_eq!(j.wait(*ids.first().unwrap()).state, JobState::Succeeded);
        assert_eq!(runs(&j).len(), round + 1);
    }
    assert!(runs(&j).values().all(|n| *n == 1), "{:?}", runs(&j));
}

#[test]
fn a_client_that_goes_while_it_submits_is_told_by_its_key_what_became_of_it() {
    let mut j = Jobs::new().script("once", "echo $TSUP_JOB >> runs", "");
    j.w.run();
    let mut whole_taken = 0;
    for n in 0..40 {
        let submit = keyed("once", &format!("gone-{n}"));
        let request = Request { id: 1, verb: Verb::Submit(Box::new(submit.clone())) };
        let bytes = frame::encode(Kind::Request, &request).unwrap();
        // Half of them say all and go without an answer, the others go in the middle of a word.
        let is_whole = n % 2 == 0;
        let part = if is_whole { bytes.len() } else { bytes.len() * n / 40 };
        let mut stream = UnixStream::connect(&j.socket).unwrap();
        stream.write_all(&bytes[..part]).unwrap();
        drop(stream);
        if is_whole {
            eventually("what was asked for whole is done", || {
                let ran = runs(&j).len();
                (ran > whole_taken).then(|| whole_taken = ran)
            });
        }
        let before = runs(&j).len();
        let id = insist(&j.socket, &submit);
        assert_eq!(j.wait(id).state, JobState::Succeeded);
        let ran = runs(&j);
        // One that was taken in before is the same job; one that was not runs now.
        assert_eq!(ran.len(), before + usize::from(!is_whole), "submission {n}");
        assert_eq!(ran[&id.to_string()], 1);
        whole_taken = ran.len();
    }
}

/// Says that it is over when it goes.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn actors_that_crash_under_load_lose_nothing_and_double_nothing() {
    const CLIENTS: usize = 3;
    let mut j = Jobs::new()
        .script("quick", "echo $TSUP_JOB >> runs", "")
        .script("slow", "echo $TSUP_JOB >> runs; sleep 0.3", "")
        .script(
            "long",
            "echo $TSUP_JOB >> runs; while [ ! -e go ] && [ -e ../tsup.toml ]; do sleep 0.05; done",
            "",
        );
    j.configure("slots = 6");
    j.w.run();
    let long: Vec<JobId> = (0..2).map(|_| j.submit(ask("long")).id).collect();
    for id in &long {
        j.shim(*id, 1);
    }
    let (socket, over) = (&j.socket, AtomicBool::new(false));
    let acked: Vec<JobId> = std::thread::scope(|s| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let over = &over;
                s.spawn(move || {
                    let mut acked = Vec::new();
                    while !over.load(Ordering::Relaxed) {
                        let n = acked.len();
                        let script = if n % 7 == 0 { "slow" } else { "quick" };
                        acked.push(insist(socket, &keyed(script, &format!("{client}-{n}"))));
                        std::thread::park_timeout(Duration::from_millis(10));
                    }
                    acked
                })
            })
            .collect();
        // Also when something fails here: then nobody may go on.
        let end = Over(&over);
        let drill = |path: &str| {
            let done = j.w.tsup(&["ctl", "crash", path]);
            let said = String::from_utf8_lossy(&done.stderr).into_owned();
            // Submissions are taken in again, in time.
            let began = Instant::now();
            insist(socket, &keyed("quick", &format!("after {path} {began:?}")));
            assert!(
                began.elapsed() < Duration::from_secs(5),
                "{path}: back after {:?}: {said}",
                began.elapsed()
            );
            done.status.success()
        };
        for path in ["queue", "shims", "registry", "queue", "shims", "jobs"] {
            drill(&format!("root/system/tes/{path}"));
        }
        for id in &long {
            assert!(drill(&format!("root/system/tes/jobs/{id}")), "its actor is there");
        }
        assert!(drill("root/store"));
        assert!(drill("root/system/tes/queue"));
        drop(end);
        clients.into_iter().flat_map(|c| c.join().unwrap()).collect()
    });
    for id in &long {
        assert_eq!(j.job(*id).state, JobState::Running, "{:#?}", j.job(*id));
    }
    fs::write(j.w.dir.join("scripts/go"), "").unwrap();
    for id in acked.iter().chain(&long) {
        let job = j.wait(*id);
        assert_eq!((job.state, job.attempt), (JobState::Succeeded, 1), "{job:#?}");
    }
    let runs = runs(&j);
    assert!(acked.iter().chain(&long).all(|id| runs.contains_key(&id.to_string())), "one was lost");
    assert!(runs.values().all(|n| *n == 1), "one was doubled: {runs:?}");
    assert!(acked.len() > 3 * CLIENTS, "only {} came through", acked.len());
}
