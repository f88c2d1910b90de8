//! Jobs when the system gives no more: descriptors, processes, places on the socket.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use tsup::ctl::client::Client;
use tsup::daemon::limits::raise_open_files;
use tsup_core::ids::JobId;
use tsup_core::limits::{CONNECTIONS_MAX, FRAME_BYTES_MAX, JOB_INPUT_BYTES_MAX};
use tsup_core::tes::failure::Category;
use tsup_core::tes::job::JobState;
use tsup_core::wire::frame::{self, HEADER_BYTES, Kind};
use tsup_core::wire::verb::{Body, Request, Response, Submit, Verb};

use crate::control::answer;
use crate::harness::eventually;
use crate::tes::{Jobs, ask};

const UNTIL_GO: &str = "while [ ! -e go ] && [ -e ../tsup.toml ]; do sleep 0.05; done";

/// Time for everything to work again when there is enough again.
const RECOVERY: Duration = Duration::from_secs(5);

fn pid_of(pid: u32) -> Pid {
    Pid::from_raw(pid.cast_signed()).unwrap()
}

/// Lets a process open no descriptor above `max`; answers what it might before.
fn open_files(pid: u32, max: u64) -> Rlimit {
    let now = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let line = now.lines().find(|l| l.starts_with("Max open files")).unwrap();
    // A limit that was lowered for good could not be raised again: only the soft one is.
    let maximum = line.split_whitespace().nth(4).and_then(|n| n.parse().ok());
    prlimit(Some(pid_of(pid)), Resource::Nofile, Rlimit { current: Some(max), maximum }).unwrap()
}

/// The number that the next descriptor of a process would get, or more.
fn next_descriptor(pid: u32) -> u64 {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let open: Vec<u64> = open.filter_map(|e| e.unwrap().file_name().to_str()?.parse().ok()).collect();
    (0..=u64::from(u16::MAX)).find(|n| !open.contains(n)).unwrap()
}

fn runs(j: &Jobs) -> BTreeMap<String, usize> {
    let mut runs = BTreeMap::new();
    for line in fs::read_to_string(j.w.dir.join("scripts/runs")).unwrap_or_default().lines() {
        *runs.entry(line.to_owned()).or_default() += 1;
    }
    runs
}

/// A job that runs until it is let go, and the server that its shim is from.
fn held_up(j: &Jobs) -> (JobId, u32) {
    let id = j.submit(ask("long")).id;
    let shim = j.shim(id, 1);
    (id, tsup_actors::os::proc::stat(shim).unwrap().parent)
}

fn scripts() -> Jobs {
    let stay = format!("echo $TSUP_JOB >> runs; {}", UNTIL_GO.replace("-e go", "-e left"));
    Jobs::new()
        .script("quick", "echo $TSUP_JOB >> runs", "")
        .script("long", UNTIL_GO, "")
        .script("stay", &stay, "")
}

/// Everything that was taken in ends, soon, and ran once.
#[track_caller]
fn all_end(j: &Jobs, acked: &[JobId], since: Instant) {
    for id in acked {
        let job = j.wait(*id);
        assert_eq!((job.state, job.attempt), (JobState::Succeeded, 1), "{job:#?}");
    }
    assert!(since.elapsed() < RECOVERY, "it took {:?}", since.elapsed());
    let runs = runs(j);
    assert!(acked.iter().all(|id| runs.get(&id.to_string()) == Some(&1)), "{runs:?}");
}

#[test]
fn without_descriptors_nothing_that_was_taken_in_is_lost() {
    let mut j = scripts();
    let pid = j.w.run();
    let (long, _) = held_up(&j);
    // Connections from before: who comes now finds no place.
    let mut client = j.client();
    let mut other = j.client();
    client.ask(Verb::Status).unwrap();
    other.ask(Verb::Status).unwrap();
    let before = open_files(pid, next_descriptor(pid));
    let mut acked = Vec::new();
    for n in 0..20 {
        let submit = Submit { key: Some(format!("k{n}")), ..ask("quick") };
        match client.ask(Verb::Submit(Box::new(submit))) {
            Ok(Body::Job(answer)) => acked.push(answer.job.id),
            Err(e) => assert!(!e.what.is_empty(), "{e}"),
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(other.ask(Verb::Status), Ok(Body::Status(_))), "who is there is answered");
    prlimit(Some(pid_of(pid)), Resource::Nofile, before).unwrap();
    let since = Instant::now();
    all_end(&j, &acked, since);
    fs::write(j.w.dir.join("scripts/go"), "").unwrap();
    assert_eq!(j.wait(long).state, JobState::Succeeded);
    assert_eq!(j.run(ask("quick")).state, JobState::Succeeded);
    assert!(!j.w.log().contains("panicked"), "{}", j.w.log());
}

#[test]
fn a_shim_server_without_descriptors_or_processes_lets_jobs_wait() {
    let mut j = scripts();
    j.configure("slots = 50");
    j.w.run();
    let (long, server) = held_up(&j);
    // There is no way to a shim, and none that waits for more.
    let before = open_files(server, next_descriptor(server).min(4));
    let acked: Vec<JobId> = (0..10).map(|_| j.submit(ask("quick")).id).collect();
    eventually("they are tried again", || j.w.log().contains("could not begin").then_some(()));
    assert!(acked.iter().all(|id| !j.job(*id).state.is_final()), "they wait");
    j.job_when("it says what it waits for", acked[0], |job| {
        job.waiting_for.as_deref().is_some_and(|what| what.contains("Too many open files"))
    });
    let is_told = || {
        let Ok(Body::Status(status)) = j.ask(Verb::Status) else { return None };
        status.degraded.iter().any(|what| what.contains("attempts cannot begin")).then_some(())
    };
    eventually("status tells it", is_told);
    prlimit(Some(pid_of(server)), Resource::Nofile, before).unwrap();
    all_end(&j, &acked, Instant::now());
    eventually("status tells it no more", || is_told().is_none().then_some(()));
    let tries = j.w.log().matches("could not begin").count();
    assert!(tries < 200, "{tries} tries of ten jobs: there is no pause between them");
    // It cannot fork: only shims that wait run what they are given, one each.
    if let Some(tracer) = deny_forks(server) {
        let acked: Vec<JobId> = (0..20).map(|_| j.submit(ask("stay")).id).collect();
        eventually("they are tried again", || {
            (j.w.log().matches("could not begin").count() > tries).then_some(())
        });
        assert!(runs(&j).keys().filter(|id| acked.iter().any(|a| a.to_string() == **id)).count() <= 10);
        fs::write(j.w.dir.join("scripts/left"), "").unwrap();
        release(tracer);
        all_end(&j, &acked, Instant::now());
    }
    fs::write(j.w.dir.join("scripts/go"), "").unwrap();
    assert_eq!(j.wait(long).state, JobState::Succeeded);
}

/// Has every fork of a process fail with EAGAIN.
fn deny_forks(pid: u32) -> Option<Child> {
    let calls = "clone,clone3,fork,vfork";
    let tracer = Command::new("strace")
        .args(["-qq", "-o", "/dev/null", "-e", &format!("trace={calls}")])
        .args(["-e", &format!("inject={calls}:error=EAGAIN"), "-p", &pid.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mut tracer = tracer.ok()?;
    let there = eventually("it is traced, or may not be", || {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        if status.lines().any(|l| l.starts_with("TracerPid:") && !l.ends_with("\t0")) {
            return Some(true);
        }
        tracer.try_wait().unwrap().map(|_| false)
    });
    if !there {
        let _ = writeln!(std::io::stderr(), "skipped: strace is not here, or may not trace");
        return None;
    }
    Some(tracer)
}

/// Asked to end, it lets go of the process; killed, it would take it along.
fn release(mut tracer: Child) {
    kill_process(pid_of(tracer.id()), Signal::TERM).unwrap();
    tracer.wait().unwrap();
}

#[test]
fn a_killed_shim_server_is_started_again_when_there_are_descriptors() {
    let mut j = scripts();
    let pid = j.w.run();
    let (long, server) = held_up(&j);
    let mut client = j.client();
    client.ask(Verb::Status).unwrap();
    let before = open_files(pid, 3);
    kill_process(pid_of(server), Signal::KILL).unwrap();
    let acked: Vec<JobId> = (0..5)
        .filter_map(|_| match client.ask(Verb::Submit(Box::new(ask("quick")))) {
            Ok(Body::Job(answer)) => Some(answer.job.id),
            _ => None,
        })
        .collect();
    eventually("it cannot be started", || j.w.log().contains("shim server cannot be started").then_some(()));
    prlimit(Some(pid_of(pid)), Resource::Nofile, before).unwrap();
    let since = Instant::now();
    all_end(&j, &acked, since);
    assert_eq!(j.run(ask("quick")).state, JobState::Succeeded);
    fs::write(j.w.dir.join("scripts/go"), "").unwrap();
    // Its shim lives on without its server.
    assert_eq!(j.wait(long).state, JobState::Succeeded);
}

#[test]
fn a_shim_server_that_was_stopped_goes_on() {
    let mut j = scripts();
    j.w.run();
    let (_, server) = held_up(&j);
    kill_process(pid_of(server), Signal::STOP).unwrap();
    assert_eq!(j.run(ask("quick")).state, JobState::Succeeded);
    assert!(j.w.log().contains("the shim server was stopped"));
    fs::write(j.w.dir.join("scripts/go"), "").unwrap();
}

#[test]
fn a_submission_that_is_too_large_is_refused_with_words() {
    let mut j =
        Jobs::new().script("takes", "true", "execution.args = [{name=\"x\"}]\nexecution.stdin = \"json\"");
    j.w.run();
    let given = |bytes: usize| {
        let input = format!("{{\"x\":\"{}\"}}", "y".repeat(bytes));
        j.ask(Verb::Submit(Box::new(Submit { input: Some(input), ..ask("takes") })))
    };
    let Ok(Body::Refused(doc)) = given(JOB_INPUT_BYTES_MAX + 1) else { panic!("taken in") };
    assert_eq!(doc.error.category, Category::Validation);
    assert!(doc.error.message.raw().contains("bytes"), "{:#?}", doc.error);
    // More than a client may say at once; the connection is given up, with a word.
    for bytes in [2 << 20, 4 << 20] {
        let e = given(bytes).unwrap_err();
        assert!(e.what.contains("over the limit"), "{e}");
    }
    // More than any frame: the client says so itself, and the supervisor says so to whoever sends it all the same.
    let huge = Submit { input: Some("z".repeat(FRAME_BYTES_MAX as usize)), ..ask("takes") };
    let e = j.ask(Verb::Submit(Box::new(huge))).unwrap_err();
    assert!(e.what.contains("large") || e.what.contains("bytes"), "{e}");
    let mut head = frame::encode(Kind::Request, &Request { id: 1, verb: Verb::Status }).unwrap();
    head.truncate(HEADER_BYTES);
    head[4..8].copy_from_slice(&(FRAME_BYTES_MAX + 1).to_le_bytes());
    let mut stream = UnixStream::connect(&j.socket).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(&head).unwrap();
    let Some(Response { body: Body::Error(e), .. }) = answer(&mut stream) else { panic!("no word") };
    assert!(!e.what.is_empty());
    assert_eq!(j.run(ask("takes")).state, JobState::Succeeded);
}

#[test]
fn a_crowd_on_the_socket_holds_up_neither_jobs_nor_the_administrator() {
    raise_open_files();
    let mut j = scripts();
    j.w.run();
    let (long, _) = held_up(&j);
    let queued: Vec<JobId> = (0..20).map(|_| j.submit(ask("quick")).id).collect();
    let request = Request { id: 1, verb: Verb::Submit(Box::new(ask("quick"))) };
    let bytes = frame::encode(Kind::Request, &request).unwrap();
    let mut crowd = Vec::new();
    for n in 0..CONNECTIONS_MAX + 100 {
        let Ok(mut stream) = UnixStream::connect(&j.socket) else { break };
        // Some say half of what they want.
        if n % 3 == 0 {
            let _ = stream.write_all(&bytes[..bytes.len() / 2]);
        }
        crowd.push(stream);
    }
    for _ in 0..5 {
        let out = j.w.tsup(&["ctl", "status"]);
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    }
    eventually("jobs end meanwhile", || (runs(&j).len() >= queued.len()).then_some(()));
    drop(crowd);
    // A place that is kept for short questions may be taken back before all of them are asked.
    let (ended, all) = eventually("there is room again", || {
        let mut client = Client::connect(&j.socket).ok()?;
        let mut ask = |verb| client.ask(verb).ok();
        let ended: Option<Vec<Body>> =
            queued.iter().map(|id| ask(Verb::Job { job: id.to_string() })).collect();
        Some((ended?, ask(Verb::Jobs { states: vec![], script: None, limit: Some(100) })?))
    });
    for answer in ended {
        let Body::Job(answer) = answer else { panic!("{answer:?}") };
        assert_eq!(answer.job.state, JobState::Succeeded);
    }
    let Body::Jobs(all) = all else { panic!("{all:?}") };
    assert_eq!(all.jobs.len(), queued.len() + 1, "half a submission is none");
    fs::write(j.w.dir.join("scripts/go"), "").unwrap();
    assert_eq!(j.wait(long).state, JobState::Succeeded);
}
