//! Jobs when what keeps them fails: a full disk, a disk that does not confirm, torn and damaged files.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tsup::ctl::client::Client;
use tsup_actors::tes::shim::traces::Traces;
use tsup_core::error::{Exit, UserError};
use tsup_core::ids::JobId;
use tsup_core::tes::job::JobState;
use tsup_core::wire::verb::{Body, Submit, Verb};

use crate::harness::{TSUP, alive, eventually};
use crate::reference::is;
use crate::tes::{Jobs, ask};

/// How long a script waits that is let go: not longer than its test.
const UNTIL_GO: &str = "while [ ! -e go ] && [ -e ../tsup.toml ]; do sleep 0.05; done";

/// Time for everything to work again when the cause of a fault is gone.
const RECOVERY: Duration = Duration::from_secs(5);

/// A supervisor whose home is a small disk of its own, which only it and what it starts can see.
struct Small {
    j: Jobs,
    supervisor: Child,
}

impl Small {
    /// `None` where this user cannot mount anything.
    fn new(mut j: Jobs) -> Option<Small> {
        fs::create_dir(j.w.home()).unwrap();
        let mount = "mount -t tmpfs -o size=2m,mode=700 tmpfs \"$0\"";
        let mut try_out = Command::new("unshare");
        if !try_out.args(["-m", "sh", "-c", mount]).arg(j.w.home()).status().is_ok_and(|s| s.success()) {
            let _ = writeln!(std::io::stderr(), "skipped: this user cannot mount a disk of its own");
            return None;
        }
        j.socket = j.w.dir.join("ctl.sock");
        let supervisor = Command::new("unshare")
            .args(["-m", "sh", "-c", &format!("{mount} && exec \"$@\"")])
            .arg(j.w.home())
            .args([TSUP, "run", "--foreground"])
            .env("TSUP_HOME", j.w.home())
            .env("TSUP_SOCKET", &j.socket)
            .env_remove("TMUX")
            .env_remove("TMUX_PANE")
            .current_dir(&j.w.dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(j.w.dir.join("log")).unwrap())
            .spawn()
            .unwrap();
        let small = Small { j, supervisor };
        eventually("it is ready", || small.status().filter(|s| s["ready"] == true).map(drop));
        Some(small)
    }

    fn status(&self) -> Option<Value> {
        let mut command = self.j.w.command(&["ctl", "status", "--json"]);
        let out = command.env("TSUP_SOCKET", &self.j.socket).output().unwrap();
        serde_json::from_slice(&out.stdout).ok()
    }

    /// A file of the home, as the supervisor sees it.
    fn file(&self, name: &str) -> PathBuf {
        let inside = format!("/proc/{}/root{}", self.supervisor.id(), self.j.w.home().display());
        PathBuf::from(inside).join(name)
    }

    fn fill(&self) {
        let mut fill = fs::File::create(self.file("fill")).unwrap();
        while fill.write_all(&[0; 4096]).is_ok() {}
        while fill.write_all(&[0; 1]).is_ok() {}
    }

    fn make_room(&self) {
        fs::remove_file(self.file("fill")).unwrap();
    }

    /// Submits under new keys until that is refused; answers what was taken in, the key that was not, and why.
    fn submit_until_refused(&self, script: &str) -> (Vec<JobId>, Submit, UserError) {
        let mut acked = Vec::new();
        for n in 0..1_000 {
            let submit = Submit { key: Some(format!("full-{n}")), ..ask(script) };
            match self.j.ask(Verb::Submit(Box::new(submit.clone()))) {
                Ok(Body::Job(answer)) => acked.push(answer.job.id),
                Err(e) => return (acked, submit, e),
                other => panic!("{other:?}"),
            }
        }
        panic!("a disk that is full takes a thousand jobs");
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = self.supervisor.kill();
        let _ = self.supervisor.wait();
    }
}

fn runs(j: &Jobs) -> BTreeMap<String, usize> {
    let mut runs = BTreeMap::new();
    for line in fs::read_to_string(j.w.dir.join("scripts/runs")).unwrap_or_default().lines() {
        *runs.entry(line.to_owned()).or_default() += 1;
    }
    runs
}

/// Submits until it is taken in, which must not take longer than [`RECOVERY`].
#[track_caller]
fn taken_in_again(j: &Jobs, submit: &Submit) -> JobId {
    let began = Instant::now();
    let id = eventually("it is taken in again", || match j.ask(Verb::Submit(Box::new(submit.clone()))) {
        Ok(Body::Job(answer)) => Some(answer.job.id),
        _ => None,
    });
    assert!(began.elapsed() < RECOVERY, "it took {:?}", began.elapsed());
    id
}

#[test]
fn on_a_full_disk_a_submission_is_refused_and_taken_in_when_there_is_room() {
    let j = Jobs::new().script("quick", "echo $TSUP_JOB >> runs", "");
    let Some(small) = Small::new(j) else { return };
    let j = &small.j;
    let before = j.run(ask("quick")).id;
    small.fill();
    let (mut acked, submit, e) = small.submit_until_refused("quick");
    assert_eq!(e.exit, Exit::Refused, "{e}");
    assert!(e.what.contains("full") || e.what.contains("no space"), "{e}");
    assert!(e.hint.is_some() && e.retry_after.is_some(), "{e:?}");
    let mut command = j.w.command(&["ctl", "submit", "quick", "--json"]);
    let out = command.env("TSUP_SOCKET", &j.socket).output().unwrap();
    let doc: Value = serde_json::from_slice(&out.stdout).unwrap();
    is(&doc, "NOT DONE");
    is(&doc["error"], "FAULT");
    assert_eq!((out.status.code(), &doc["error"]["retry_after_seconds"]), (Some(5), &json!(1.0)), "{doc:#}");
    eventually("the status says so", || {
        small.status()?["degraded"].to_string().contains("no space left").then_some(())
    });
    small.make_room();
    let late = taken_in_again(j, &submit);
    acked.extend([before, late]);
    for id in &acked {
        let job = j.wait(*id);
        assert_eq!((job.state, job.attempt), (JobState::Succeeded, 1), "{job:#?}");
    }
    let runs = runs(j);
    assert_eq!(runs.len(), acked.len(), "nothing that was refused has run");
    assert!(runs.values().all(|n| *n == 1), "{runs:?}");
    eventually("the status is well again", || {
        small.status()?["degraded"].as_array()?.is_empty().then_some(())
    });
}

#[test]
fn on_a_full_disk_a_result_has_its_place_and_nothing_else_is_started() {
    let j = Jobs::new().script("long", &format!("echo $$ > long.pid; {UNTIL_GO}; echo done"), "").script(
        "quick",
        "echo $TSUP_JOB >> runs",
        "",
    );
    j.configure("slots = 1");
    let Some(small) = Small::new(j) else { return };
    let j = &small.j;
    let long = j.submit(ask("long")).id;
    let pid = j.pid("long.pid");
    let queued = j.submit(ask("quick")).id;
    small.fill();
    let (acked, submit, _) = small.submit_until_refused("quick");
    fs::write(j.w.dir.join("scripts/go"), "").unwrap();
    eventually("the script ends", || (!alive(pid)).then_some(()));
    let traces = Traces::find(&small.file("attempts")).unwrap().unwrap();
    let (slot, id) = traces.scan().unwrap().slots.into_iter().find(|(_, id)| id.job == long).unwrap();
    eventually("the record is in its place", || traces.look(slot, id).unwrap().record);
    assert_eq!(j.job(long).state, JobState::Running);
    let status = small.status().unwrap();
    assert!(status["degraded"].to_string().contains("no jobs are started"), "{status:#}");
    assert!(runs(j).is_empty(), "nothing was started");
    small.make_room();
    let late = taken_in_again(j, &submit);
    let job = j.wait(long);
    assert_eq!((job.state, job.attempt, job.stdout_bytes), (JobState::Succeeded, 1, 5), "{job:#?}");
    assert!(job.truncated, "what found no room is said to be missing");
    for id in acked.into_iter().chain([queued, late]) {
        assert_eq!(j.wait(id).state, JobState::Succeeded);
        assert_eq!(runs(j)[&id.to_string()], 1);
    }
}

/// `strace` on a process and its threads, until it goes.
struct Tracer(Child);

impl Tracer {
    fn attach(pid: u32, inject: &str) -> Option<Tracer> {
        let tracer = Command::new("strace")
            .args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e", inject])
            .args(["-p", &pid.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let mut tracer = Tracer(tracer.ok()?);
        let traced = |task: fs::DirEntry| {
            let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
            !status.lines().any(|l| l == "TracerPid:\t0")
        };
        eventually("all threads are traced, or it may not", || {
            if tracer.0.try_wait().unwrap().is_some() {
                return Some(None);
            }
            let mut tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
            tasks.all(traced).then_some(Some(()))
        })?;
        Some(tracer)
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // Asked, so that it lets go of what it holds.
        if let Some(pid) = rustix::process::Pid::from_raw(self.0.id().cast_signed()) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _ = self.0.wait();
    }
}

#[test]
fn a_disk_that_does_not_confirm_ends_the_store_and_a_clean_start_has_everything() {
    let mut j = Jobs::new().script("quick", "echo $TSUP_JOB >> runs", "");
    let pid = j.w.run();
    let before: Vec<JobId> = (0..5).map(|_| j.submit(Submit { hold: true, ..ask("quick") }).id).collect();
    let Some(tracer) = Tracer::attach(pid, "inject=fsync,fdatasync:error=EIO") else {
        let _ = writeln!(std::io::stderr(), "skipped: strace is not here, or may not trace");
        return;
    };
    let submit = Submit { key: Some("k".into()), ..ask("quick") };
    let refused = j.ask(Verb::Submit(Box::new(submit.clone())));
    assert!(refused.is_err(), "it was taken in, and nothing confirmed it: {refused:?}");
    eventually("it is fatal to the store", || j.w.log().contains("did not confirm").then_some(()));
    drop(tracer);
    // Nobody knows what the disk holds: whoever wrote goes, and what comes after it reads everything anew.
    eventually("the store was ended, or the supervisor with it", || {
        let out = j.w.tsup(&["ctl", "tree", "--json"]);
        let tree: Value = serde_json::from_slice(&out.stdout).unwrap_or_default();
        let store =
            tree["root"]["children"].as_array().and_then(|c| c.iter().find(|c| c["path"] == "root/store"));
        let restarted = store.is_some_and(|store| store["restarts"].as_u64() > Some(0));
        (restarted || !alive(pid)).then_some(())
    });
    // It came back by itself, or ended for whoever started it to start it again.
    eventually("it works, or has ended", || {
        let works =
            Client::connect(&j.socket).and_then(|mut c| c.ask(Verb::Job { job: before[0].to_string() }));
        (!alive(pid) || works.is_ok()).then_some(())
    });
    if !alive(pid) {
        j.w.kill9();
        j.w.run();
    }
    let late = taken_in_again(&j, &submit);
    assert_eq!(j.wait(late).state, JobState::Succeeded);
    for id in before {
        assert_eq!(j.job(id).state, JobState::Held);
        j.ask(Verb::Release { job: id.to_string() }).unwrap();
        assert_eq!(j.wait(id).state, JobState::Succeeded);
    }
    assert!(runs(&j).len() == 6 && runs(&j).values().all(|n| *n == 1), "{:?}", runs(&j));
}

fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_file(to);
    fs::copy(from, to).unwrap();
}

#[test]
fn a_torn_log_of_the_database_costs_the_last_jobs_and_nobody_else() {
    let mut j = Jobs::new().script("quick", "echo $TSUP_JOB >> runs", "");
    j.w.run();
    let ids: Vec<JobId> = (0..30).map(|_| j.submit(Submit { hold: true, ..ask("quick") }).id).collect();
    j.w.kill9();
    let names = ["tsup.db", "tsup.db-wal"];
    let at = |name: &str| j.w.home().join(name);
    let log = fs::read(at(names[1])).unwrap();
    let file = fs::read(at(names[0])).unwrap();
    assert!(!log.is_empty(), "what was written last is in the log");
    for cut in [log.len() - 1, log.len() * 2 / 3, log.len() / 3] {
        fs::write(j.w.home().join(names[0]), &file).unwrap();
        fs::write(j.w.home().join(names[1]), &log[..cut]).unwrap();
        let _ = fs::remove_file(j.w.home().join("tsup.db-shm"));
        j.w.run();
        let there: Vec<bool> =
            ids.iter().map(|id| j.ask(Verb::Job { job: id.to_string() }).is_ok()).collect();
        assert!(there.is_sorted_by(|a, b| a >= b), "the first ones: {there:?}");
        let kept = there.iter().filter(|t| **t).count();
        assert!(kept < ids.len(), "cut at {cut} of {}", log.len());
        assert!(cut == log.len() / 3 || kept > 0, "cut at {cut} of {}, {kept} are there", log.len());
        assert_eq!(j.run(ask("quick")).state, JobState::Succeeded, "it takes others");
        if let Some(last) = ids[..kept].last() {
            j.ask(Verb::Release { job: last.to_string() }).unwrap();
            assert_eq!(j.wait(*last).state, JobState::Succeeded);
        }
        j.w.kill9();
    }
}

#[test]
fn a_damaged_database_is_told_and_a_newer_one_is_refused_and_neither_is_touched() {
    let mut j = Jobs::new().script("quick", "echo $TSUP_JOB >> runs", "");
    j.w.run();
    let ids: Vec<JobId> = (0..30).map(|_| j.submit(Submit { hold: true, ..ask("quick") }).id).collect();
    assert!(j.w.tsup(&["stop"]).status.success());
    j.w.kill9();
    let db = j.w.home().join("tsup.db");
    let whole = j.w.dir.join("whole.db");
    copy(&db, &whole);
    // Pages of which the first bytes say what they are.
    let pages = fs::metadata(&db).unwrap().len() / 4096;
    let file = fs::File::options().write(true).open(&db).unwrap();
    for page in 1..pages {
        file.write_all_at(&[0xff; 64], page * 4096).unwrap();
    }
    drop(file);
    let damaged = fs::read(&db).unwrap();
    j.w.run_unready(&[]);
    eventually("the damage is told", || {
        let out = j.w.tsup(&["ctl", "status", "--json"]);
        let status: Value = serde_json::from_slice(&out.stdout).ok()?;
        status["degraded"].to_string().contains("tsup.db").then_some(())
    });
    let e = eventually("a submission is refused", || j.ask(Verb::Submit(Box::new(ask("quick")))).err());
    assert_eq!(e.exit, Exit::Refused, "{e}");
    j.w.kill9();
    assert!(fs::read(&db).unwrap() == damaged, "it is left for whoever mends it");
    // A version that nobody knows yet stands in the header, big end first.
    copy(&whole, &db);
    let file = fs::File::options().write(true).open(&db).unwrap();
    file.write_all_at(&9_999_u32.to_be_bytes(), 60).unwrap();
    drop(file);
    let newer = fs::read(&db).unwrap();
    let out = j.w.tsup(&["run", "--foreground"]);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(!out.status.success() && said.contains("9999") && said.contains("newer"), "{said}");
    assert!(fs::read(&db).unwrap() == newer, "it is not touched");
    copy(&whole, &db);
    j.w.run();
    for id in &ids {
        assert_eq!(j.job(*id).state, JobState::Held, "all is there when the file is");
    }
    j.ask(Verb::Release { job: ids[0].to_string() }).unwrap();
    assert_eq!(j.wait(ids[0]).state, JobState::Succeeded);
    assert_eq!(runs(&j).len(), 1);
}

#[test]
fn the_execution_log_survives_its_removal_and_a_torn_line() {
    let mut j = Jobs::new().script("quick", "echo $TSUP_JOB >> runs", "");
    j.w.run();
    let folder = j.w.home().join("log");
    let logs = || {
        let mut files: Vec<PathBuf> = fs::read_dir(&folder)
            .unwrap()
            .map(|e| e.unwrap().path())
            .filter(|p| p.file_name().unwrap().to_string_lossy().starts_with("executions-"))
            .collect();
        files.sort();
        files
    };
    let lines = |id: JobId| -> Option<usize> {
        let text: String = logs().iter().map(|f| fs::read_to_string(f).unwrap_or_default()).collect();
        let entries: Vec<Value> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>().ok()?;
        let id = id.to_string();
        Some(entries.iter().filter(|e| e.to_string().contains(&id)).count())
    };
    let first = j.run(ask("quick")).id;
    let each = eventually("a job is in the log", || lines(first).filter(|n| *n >= 2));
    for file in logs() {
        fs::remove_file(file).unwrap();
    }
    let second = j.run(ask("quick")).id;
    eventually("the file is made again", || (lines(second)? == each).then_some(()));
    j.w.kill9();
    let last = logs().pop().unwrap();
    fs::File::options().append(true).open(&last).unwrap().write_all(b"{\"time\":\"torn").unwrap();
    j.w.run();
    let third = j.run(ask("quick")).id;
    eventually("the torn line is mended", || (lines(third)? == each).then_some(()));
    assert_eq!(lines(second), Some(each), "nothing whole was lost");
}
