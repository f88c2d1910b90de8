//! Jobs when something else stands where attempts keep what they have, and what is told of it.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tsup_core::clock::Wall;
use tsup_core::error::Exit;
use tsup_core::tes::job::JobState;
use tsup_core::wire::verb::{Body, Verb};

use crate::harness::{World, alive, eventually};
use crate::tes::{Jobs, ask};

/// Puts something into a place.
type Put<'a> = &'a dyn Fn(&Path);

/// What does not work, by `status`.
fn degraded(w: &World) -> Vec<String> {
    let out = w.tsup(&["status", "--json"]);
    let status: Value = serde_json::from_slice(&out.stdout).unwrap_or_default();
    let told = status["degraded"].as_array().cloned().unwrap_or_default();
    told.iter().filter_map(|what| what.as_str().map(str::to_owned)).collect()
}

#[track_caller]
fn told(w: &World, words: &[&str]) -> String {
    eventually(&format!("status tells {words:?}"), || {
        degraded(w).into_iter().find(|what| words.iter().all(|word| what.contains(word)))
    })
}

#[track_caller]
fn not_told(w: &World, word: &str) {
    eventually(&format!("status tells nothing of {word}"), || {
        (!degraded(w).iter().any(|what| what.contains(word))).then_some(())
    });
}

#[test]
fn with_something_else_in_their_places_jobs_wait_and_go_on_when_it_is_gone() {
    let mut j = Jobs::new().script("ok", "echo done", "");
    j.w.run();
    assert_eq!(j.run(ask("ok")).state, JobState::Succeeded);
    let remove = |path: &Path| fs::remove_file(path).or_else(|_| fs::remove_dir_all(path)).unwrap();
    let elsewhere = j.w.dir.join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let folder: Put<'_> = &|path| fs::create_dir(path).unwrap();
    let file: Put<'_> = &|path| fs::write(path, "").unwrap();
    let link: Put<'_> = &|path| std::os::unix::fs::symlink(&elsewhere, path).unwrap();
    let pipe: Put<'_> = &|path| {
        rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    };
    for (name, put) in [
        ("attempts", folder),
        ("attempts", pipe),
        ("jobs", file),
        ("jobs", link),
        ("tmp", file),
        ("tmp", link),
    ] {
        let path = j.w.home().join(name);
        remove(&path);
        put(&path);
        let id = j.submit(ask("ok")).id;
        told(&j.w, &["no jobs are started", &path.display().to_string()]);
        let job = j.job(id);
        assert!(!job.state.is_final(), "{name}: {job:#?}");
        remove(&path);
        let job = j.wait(id);
        assert_eq!((job.state, job.attempt), (JobState::Succeeded, 1), "{name}: {job:#?}");
        not_told(&j.w, "no jobs are started");
    }
    assert!(fs::read_dir(&elsewhere).unwrap().next().is_none());
}

#[test]
fn a_submission_to_a_queue_that_cannot_begin_is_told_why() {
    let mut j = Jobs::new().script("ok", "true", "");
    fs::create_dir_all(j.w.home().join("attempts")).unwrap();
    rustix::fs::chmod(j.w.home(), rustix::fs::Mode::RWXU).unwrap();
    j.w.run_unready(&[]);
    told(&j.w, &["no jobs are started", "attempts: Is a directory"]);
    let refused = j.ask(Verb::Submit(Box::new(ask("ok")))).unwrap_err();
    assert_eq!(refused.exit, Exit::Refused);
    assert!(refused.what.starts_with("no jobs are started: "), "{refused}");
    assert!(refused.what.ends_with("attempts: Is a directory (os error 21)"), "{refused}");
    assert!(refused.hint.as_deref().is_some_and(|hint| hint.contains("`tsup status`")), "{refused:?}");
    fs::remove_dir(j.w.home().join("attempts")).unwrap();
    eventually("it takes jobs", || {
        matches!(j.ask(Verb::Submit(Box::new(ask("ok")))), Ok(Body::Job(_))).then_some(())
    });
}

/// A file system below the folder for temporary files, in place of what a container leaves there as another user:
/// neither can be removed.
#[test]
fn what_a_script_leaves_in_its_tmpdir_fails_nobody_elses_job() {
    let mount = "mkdir $TMPDIR/out && mount -t tmpfs -o size=64k tmpfs $TMPDIR/out && echo x > $TMPDIR/out/kept && echo $TMPDIR";
    let mut j = Jobs::new().script("leave", mount, "security.sandbox = \"minimal\"").script(
        "clean",
        "touch $TMPDIR/x && ls -A $TMPDIR",
        "",
    );
    j.configure("slots = 1");
    j.w.run();
    let leaves = j.run(ask("leave"));
    if leaves.state != JobState::Succeeded {
        let _ = writeln!(std::io::stderr(), "skipped: this user cannot mount anything");
        return;
    }
    for _ in 0..3 {
        let job = j.run(ask("clean"));
        assert_eq!(job.state, JobState::Succeeded, "{job:#?}");
        let out = fs::read_to_string(j.folder(job.id, 1).join("stdout")).unwrap();
        assert_eq!(out, "x\n");
    }
    let left: Vec<PathBuf> =
        fs::read_dir(j.w.home().join("tmp")).unwrap().map(|e| e.unwrap().path()).collect();
    let left = left.into_iter().find(|path| path.display().to_string().contains(".left-")).unwrap();
    told(&j.w, &["a script left something", &left.display().to_string()]);
    assert!(left.join("out/kept").exists(), "what is mounted there is not a script's to lose");
    rustix::mount::unmount(left.join("out"), rustix::mount::UnmountFlags::empty()).unwrap();
    not_told(&j.w, "a script left something");
    assert!(!left.exists());
}

#[test]
fn a_job_that_ended_without_a_supervisor_ended_when_it_did() {
    let mut j = Jobs::new().script("short", "echo $$ > pid; while [ ! -e go ]; do sleep 0.05; done", "");
    j.w.run();
    let id = j.submit(ask("short")).id;
    let script = j.pid("pid");
    j.w.kill9();
    fs::write(j.w.dir.join("scripts/go"), "").unwrap();
    eventually("it ends", || (!alive(script)).then_some(()));
    let slot = j.slot(id, 1);
    let attempt = tsup_core::tes::attempt::AttemptId { job: id, attempt: 1, epoch: 0 };
    let record = eventually("its record is there", || j.traces().look(slot, attempt).unwrap().record);
    let before = Wall::from_unix_ms(jiff::Timestamp::now().as_millisecond());
    j.w.run();
    let job = j.wait(id);
    assert_eq!(job.finished_at, Some(record.ended_at), "{job:#?}");
    assert!(job.finished_at <= Some(before), "{job:#?}");
}

#[test]
fn output_that_is_gone_is_told_and_an_id_that_finds_no_place_is_said() {
    let mut j = Jobs::new().script("says", "echo hello", "").script("quiet", "true", "");
    j.w.run();
    let (id, quiet) = (j.run(ask("says")).id, j.run(ask("quiet")).id);
    let output = |id: tsup_core::ids::JobId| j.w.tsup(&["ctl", "output", &id.to_string()]);
    assert_eq!(output(id).stdout, b"hello\n");
    fs::remove_dir_all(j.w.home().join("jobs").join(id.to_string())).unwrap();
    let gone = output(id);
    let err = String::from_utf8_lossy(&gone.stderr).into_owned();
    assert_eq!(gone.status.code(), Some(4), "{err}");
    assert!(err.contains("it printed 6 bytes") && err.contains("stdout is gone"), "{err}");
    assert_eq!(output(quiet).status.code(), Some(0));

    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let submit =
        j.w.command(&["ctl", "submit", "quiet"]).stdout(full).stderr(Stdio::piped()).output().unwrap();
    let err = String::from_utf8_lossy(&submit.stderr).into_owned();
    assert_eq!(submit.status.code(), Some(1), "{err}");
    let id = err.split("tsup: job ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or_default();
    let job = j.wait(id.parse().unwrap_or_else(|e| panic!("{e}: {err}")));
    assert_eq!(job.state, JobState::Succeeded);
}
