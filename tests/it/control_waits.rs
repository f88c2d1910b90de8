//! Clients that wait on the control socket: many of them, and such as leave before they have what they wait for.

use std::fs;
use std::io::Write as _;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use tsup::daemon::limits::raise_open_files;
use tsup_core::wire::frame::{self, Kind};
use tsup_core::wire::verb::{Body, Request, Submit, Verb};

use crate::harness::eventually;
use crate::tes::{Jobs, ask};

fn asked(jobs: &Jobs, verb: Verb) -> UnixStream {
    let mut stream = UnixStream::connect(jobs.w.home().join("ctl.sock")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(&frame::encode(Kind::Request, &Request { id: 1, verb }).unwrap()).unwrap();
    stream
}

fn answer(stream: &mut UnixStream) -> Body {
    crate::control::answer(stream).unwrap().body
}

/// Those that a process has. One or two more than it needs may be about to be closed.
fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

fn wait(job: &str) -> Verb {
    Verb::Wait { jobs: vec![job.to_owned()], for_ms: None }
}

#[test]
fn a_thousand_may_wait_and_the_administrator_gets_through() {
    raise_open_files();
    let mut jobs = Jobs::new().script("ok", "true", "");
    let pid = jobs.w.run();
    let job = jobs.submit(Submit { hold: true, ..ask("ok") }).id.to_string();
    let before = descriptors(pid);
    let mut crowd: Vec<UnixStream> = (0..1_000).map(|_| asked(&jobs, wait(&job))).collect();
    eventually("all of them wait", || (descriptors(pid) >= before + 998).then_some(()));
    for args in [&["ctl", "status"][..], &["ctl", "jobs"], &["ctl", "release", &job]] {
        let out = jobs.w.tsup(args);
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    }
    for stream in &mut crowd {
        let body = answer(stream);
        let Body::Jobs(doc) = body else { panic!("{body:?}") };
        assert!(doc.jobs[0].state.is_final());
    }
}

#[test]
fn clients_that_leave_while_they_wait_leave_nothing_behind() {
    raise_open_files();
    let mut jobs = Jobs::new().script("ok", "true", "");
    let pid = jobs.w.run();
    let job = jobs.submit(Submit { hold: true, ..ask("ok") }).id.to_string();
    let before = descriptors(pid);
    // Thrice, they are more than may wait at once.
    for _ in 0..3 {
        let crowd: Vec<UnixStream> = (0..800).map(|_| asked(&jobs, wait(&job))).collect();
        eventually("all of them wait", || (descriptors(pid) >= before + 798).then_some(()));
        drop(crowd);
        eventually("their connections are closed", || (descriptors(pid) <= before + 2).then_some(()));
    }
    let out = jobs.w.tsup(&["ctl", "wait", &job, "--timeout", "100ms"]);
    assert_eq!(out.status.code(), Some(6), "{}", String::from_utf8_lossy(&out.stderr));
    let mut crowd: Vec<UnixStream> = (0..200).map(|_| asked(&jobs, wait(&job))).collect();
    crowd.push(asked(&jobs, Verb::Drain { for_ms: None }));
    // More waits than a connection may have under way: then nothing more is read of it.
    let more = frame::encode(Kind::Request, &Request { id: 2, verb: wait(&job) }).unwrap().repeat(60);
    crowd[0].write_all(&more).unwrap();
    eventually("all of them wait", || (descriptors(pid) >= before + 199).then_some(()));
    drop(crowd);
    eventually("their connections are closed", || (descriptors(pid) <= before + 2).then_some(()));
}

#[test]
fn a_drain_goes_on_without_its_client_and_is_audited() {
    let mut jobs = Jobs::new().script("long", "while :; do sleep 0.1; done", "");
    jobs.w.run();
    let job = jobs.submit(ask("long")).id;
    jobs.job_when("it runs", job, |j| j.started_at.is_some());
    drop(asked(&jobs, Verb::Drain { for_ms: None }));
    let line = eventually("its line", || {
        let log = fs::read_to_string(jobs.w.home().join("log/audit.jsonl")).ok()?;
        log.lines().find(|l| l.contains("\"drain\"")).map(str::to_owned)
    });
    assert!(line.contains("begun: nobody waited"), "{line}");
    let status = jobs.w.json(&["ctl", "groups", "--json"]);
    assert_eq!(status["open"], false, "{status}");
    jobs.w.tsup(&["ctl", "cancel", &job.to_string()]);
}

#[test]
fn who_says_nothing_more_still_gets_what_it_waits_for() {
    let mut jobs = Jobs::new().script("ok", "true", "");
    jobs.w.run();
    let job = jobs.submit(Submit { hold: true, ..ask("ok") }).id.to_string();
    let mut stream = asked(&jobs, wait(&job));
    stream.shutdown(Shutdown::Write).unwrap();
    jobs.w.json(&["ctl", "release", &job, "--json"]);
    let Body::Jobs(doc) = answer(&mut stream) else { panic!("no jobs") };
    assert!(doc.jobs[0].state.is_final());
}
