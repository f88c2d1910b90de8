//! Jobs of a real supervisor: what becomes of them whatever happens to it, to their shims and to the machine.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use tsup::ctl::client::Client;
use tsup_actors::tes::shim::traces::Traces;
use tsup_core::error::UserError;
use tsup_core::ids::JobId;
use tsup_core::tes::attempt::AttemptId;
use tsup_core::tes::failure::Category;
use tsup_core::tes::job::{Edge, JobState};
use tsup_core::wire::doc::jobs::JobDoc;
use tsup_core::wire::verb::{Body, Submit, Verb};

use crate::harness::{World, alive, eventually};

/// A supervisor with scripts, and what is asked of it over its socket.
pub(crate) struct Jobs {
    pub(crate) w: World,
    pub(crate) socket: PathBuf,
    scripts: Vec<(String, String)>,
}

impl Jobs {
    pub(crate) fn new() -> Jobs {
        let w = World::new();
        fs::create_dir(w.dir.join("scripts")).unwrap();
        let jobs = Jobs { socket: w.home().join("ctl.sock"), w, scripts: Vec::new() };
        jobs.configure("slots = 4");
        jobs
    }

    /// `[tes]` besides its registry.
    pub(crate) fn configure(&self, rest: &str) {
        self.w.configure(&format!("[tes]\nregistries = [\"scripts/registry.toml\"]\n{rest}"));
    }

    /// Registers a shell script; `more` are further lines of its entry.
    pub(crate) fn script(mut self, name: &str, text: &str, more: &str) -> Jobs {
        let path = self.w.dir.join("scripts").join(format!("{name}.sh"));
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let permissions = "execution.permissions = [\"read_file\", \"write_file\", \"network\"]";
        let permissions = if more.contains("execution.permissions") { "" } else { permissions };
        let entry = format!(
            "[[scripts]]\nid = \"{name}\"\npath = \"{name}.sh\"\nexecution.type = \"shell_script\"\n\
             execution.interpreter = \"sh\"\n{permissions}\n{more}\n"
        );
        self.scripts.push((name.into(), entry));
        self.register();
        self
    }

    /// Registers an entry as it is written.
    pub(crate) fn entry(mut self, name: &str, text: &str) -> Jobs {
        self.scripts.push((name.into(), format!("[[scripts]]\nid = \"{name}\"\n{text}\n")));
        self.register();
        self
    }

    pub(crate) fn register(&self) {
        let entries: String = self.scripts.iter().map(|(_, entry)| entry.as_str()).collect();
        fs::write(self.w.dir.join("scripts/registry.toml"), entries).unwrap();
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(&self.socket).unwrap()
    }

    pub(crate) fn ask(&self, verb: Verb) -> Result<Body, UserError> {
        let mut client = self.client();
        client.ask(verb)
    }

    #[track_caller]
    pub(crate) fn submit(&self, submit: Submit) -> JobDoc {
        match self.ask(Verb::Submit(Box::new(submit))) {
            Ok(Body::Job(answer)) => answer.job,
            other => panic!("not submitted: {other:?}"),
        }
    }

    #[track_caller]
    pub(crate) fn wait(&self, job: JobId) -> JobDoc {
        match self.ask(Verb::Wait { jobs: vec![job.to_string()], for_ms: Some(30_000) }) {
            Ok(Body::Jobs(mut doc)) => doc.jobs.remove(0),
            other => panic!("not waited for: {other:?}\n{:#?}", self.job(job)),
        }
    }

    /// Submits and waits.
    #[track_caller]
    pub(crate) fn run(&self, submit: Submit) -> JobDoc {
        let job = self.submit(submit);
        self.wait(job.id)
    }

    #[track_caller]
    pub(crate) fn job(&self, job: JobId) -> JobDoc {
        match self.ask(Verb::Job { job: job.to_string() }) {
            Ok(Body::Job(answer)) => answer.job,
            other => panic!("no job: {other:?}"),
        }
    }

    #[track_caller]
    pub(crate) fn job_when(&self, what: &str, job: JobId, fits: impl Fn(&JobDoc) -> bool) -> JobDoc {
        eventually(what, || Some(self.job(job)).filter(&fits))
    }

    pub(crate) fn folder(&self, job: JobId, attempt: u32) -> PathBuf {
        let id = AttemptId { job, attempt, epoch: 0 };
        tsup_actors::tes::shim::files::folder(&self.w.home().join("jobs"), id)
    }

    /// The file with the traces of attempts.
    pub(crate) fn traces(&self) -> Traces {
        Traces::find(&self.w.home().join("attempts")).unwrap().expect("a supervisor makes it")
    }

    /// Where an attempt has its traces, once they are reserved.
    pub(crate) fn slot(&self, job: JobId, attempt: u32) -> u32 {
        let id = AttemptId { job, attempt, epoch: 0 };
        eventually("its traces have a slot", || {
            self.traces().scan().unwrap().slots.into_iter().find(|(_, of)| *of == id).map(|(slot, _)| slot)
        })
    }

    /// The pid of an attempt's shim, by its claim.
    pub(crate) fn shim(&self, job: JobId, attempt: u32) -> u32 {
        let (slot, id) = (self.slot(job, attempt), AttemptId { job, attempt, epoch: 0 });
        eventually("a shim made its claim", || Some(self.traces().look(slot, id).unwrap().claim?.shim.pid))
    }

    /// The pid that a script wrote into a file of the registry's folder.
    pub(crate) fn pid(&self, file: &str) -> u32 {
        eventually("a script writes its pid", || {
            fs::read_to_string(self.w.dir.join("scripts").join(file)).ok()?.trim().parse().ok()
        })
    }

    pub(crate) fn lines(&self, file: &str) -> usize {
        fs::read_to_string(self.w.dir.join("scripts").join(file)).unwrap_or_default().lines().count()
    }
}

pub(crate) fn ask(script: &str) -> Submit {
    Submit { script: script.into(), ..Submit::default() }
}

pub(crate) fn with(script: &str, args: &[(&str, &str)]) -> Submit {
    let args = args.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    Submit { script: script.into(), args, ..Submit::default() }
}

#[test]
fn a_job_runs_and_is_told_with_what_it_gave() {
    let mut j = Jobs::new().script(
        "add",
        "echo \"sum=$(($1 + $2))\"; echo talk >&2",
        "execution.args = [{name=\"a\", type=\"integer\", required=true}, {name=\"b\", type=\"integer\", default=5}]\n\
         outputs = [{name=\"sum\", type=\"integer\"}]",
    );
    j.w.run();
    let mut submit = with("add", &[("a", "3")]);
    submit.user = Some("me".into());
    let job = j.run(submit);
    assert_eq!(job.state, JobState::Succeeded, "{job:#?}");
    assert_eq!(job.outputs.as_ref().unwrap().0, "{\"sum\":8}");
    assert_eq!((job.attempt, job.exit_code, job.stderr_bytes), (1, Some(0), 5));
    assert_eq!(job.inputs.0, "{\"a\":3,\"b\":5}");
    assert!(job.started_at.is_some() && job.finished_at >= job.started_at && job.error.is_none());
    assert!(job.resources.is_some() && job.enforced.is_some());
}

#[test]
fn a_failure_says_why() {
    let mut j = Jobs::new()
        .script("bad", "echo oh no >&2; exit 3", "")
        .script("slow", "sleep 60", "execution.timeout = 200\nexecution.retry.max_attempts = 1")
        .script("gone", "true", "");
    fs::remove_file(j.w.dir.join("scripts/gone.sh")).unwrap();
    j.w.run();
    let job = j.run(ask("bad"));
    let error = job.error.unwrap();
    assert_eq!((job.state, job.exit_code, error.category), (JobState::Failed, Some(3), Category::Execution));
    assert!(error.message.raw().contains("oh no"), "{error:?}");
    assert!(!error.suggestions.is_empty() && !error.retry.unwrap().is_retryable);
    let job = j.run(ask("slow"));
    assert_eq!(job.error.unwrap().category, Category::Timeout);
    let job = j.run(ask("gone"));
    let error = job.error.unwrap();
    assert_eq!((job.state, error.category), (JobState::Failed, Category::Dependency), "{error:?}");
    let missing = j.ask(Verb::Submit(Box::new(ask("never"))));
    assert_eq!(missing.unwrap_err().exit, tsup_core::error::Exit::NotFound);
}

#[test]
fn a_retry_without_a_pause_is_begun_too() {
    let more = "execution.retry.max_attempts = 3\nexecution.retry.on = [\"EXECUTION\"]\n\
                execution.retry.initial_delay_seconds = 0.0";
    let mut j = Jobs::new().script("bad", "echo x >> runs; exit 3", more);
    j.w.run();
    let job = j.run(ask("bad"));
    assert_eq!((job.state, job.attempt, j.lines("runs")), (JobState::Dead, 3, 3), "{job:#?}");
}

#[test]
fn a_job_outlives_its_supervisor_and_is_recorded_once() {
    let mut j = Jobs::new()
        .script(
            "long",
            "echo $$ > long.pid; echo x >> runs; while [ ! -e go ]; do sleep 0.05; done; echo n=7",
            "outputs = [{name=\"n\", type=\"integer\"}]",
        )
        .script("short", "echo x >> shorts", "");
    j.configure("slots = 1");
    j.w.run();
    let long = j.submit(ask("long")).id;
    let queued: Vec<JobId> = (0..5).map(|_| j.submit(ask("short")).id).collect();
    let pid = j.pid("long.pid");
    j.w.kill9();
    assert!(alive(pid), "it goes on without its supervisor");
    j.w.run();
    assert_eq!(j.job(long).state, JobState::Running);
    j.w.kill9();
    fs::write(j.w.dir.join("scripts/go"), "").unwrap();
    eventually("it ends while nobody looks", || (!alive(pid)).then_some(()));
    j.w.run();
    let job = j.wait(long);
    assert_eq!((job.state, job.attempt), (JobState::Succeeded, 1));
    assert_eq!(job.outputs.unwrap().0, "{\"n\":7}");
    for job in queued {
        assert_eq!(j.wait(job).state, JobState::Succeeded);
    }
    assert_eq!((j.lines("runs"), j.lines("shorts")), (1, 5));
}

#[test]
fn a_job_waits_for_others_and_a_vain_wait_ends() {
    let mut j = Jobs::new().script("ok", "true", "").script("no", "exit 1", "").script(
        "late",
        "while [ ! -e go ]; do sleep 0.05; done",
        "",
    );
    j.w.run();
    let late = j.submit(ask("late")).id;
    let after = |script: &str, job: JobId, edge| {
        let mut submit = ask(script);
        submit.after = vec![(job.to_string(), edge)];
        submit
    };
    let child = j.submit(after("ok", late, Edge::Success));
    assert_eq!(child.state, JobState::Blocked);
    assert!(child.waiting_for.unwrap().contains(&late.to_string()));
    let vain = j.submit(after("ok", late, Edge::Failure)).id;
    let grandchild = j.submit(after("ok", vain, Edge::Success)).id;
    j.w.kill9();
    fs::write(j.w.dir.join("scripts/go"), "").unwrap();
    j.w.run();
    assert_eq!(j.wait(child.id).state, JobState::Succeeded);
    for job in [vain, grandchild] {
        let job = j.wait(job);
        assert_eq!((job.state, job.error.unwrap().category), (JobState::Failed, Category::Dependency));
    }
    let failed = j.run(ask("no")).id;
    assert_eq!(j.run(after("ok", failed, Edge::End)).state, JobState::Succeeded);
    assert_eq!(j.run(after("ok", failed, Edge::Failure)).state, JobState::Succeeded);
    assert_eq!(j.run(after("ok", failed, Edge::Success)).state, JobState::Failed);
    let nobody = j.ask(Verb::Submit(Box::new(after("ok", JobId::drawn(1), Edge::End))));
    assert_eq!(nobody.unwrap_err().exit, tsup_core::error::Exit::NotFound);
}

#[test]
fn a_cancelled_job_ends_with_its_whole_tree() {
    let script = "setsid sleep 300 & echo $! > other.pid; trap '' TERM; echo $$ > own.pid; while :; do sleep 0.1; done";
    let mut j = Jobs::new().script("stubborn", script, "execution.grace_seconds = 0.2");
    j.w.run();
    let id = j.submit(ask("stubborn")).id;
    let (own, other) = (j.pid("own.pid"), j.pid("other.pid"));
    let Ok(Body::Job(answer)) = j.ask(Verb::Cancel { job: id.to_string() }) else { panic!("not cancelled") };
    assert_eq!(answer.job.state, JobState::Cancelled, "{:#?}", answer.job);
    assert!(!alive(own) && !alive(other), "nobody of it is left when the answer comes");
    let again = j.ask(Verb::Cancel { job: id.to_string() }).unwrap_err();
    assert!(again.what.contains("has ended: cancelled"), "{again}");
    // One that was adopted by another supervisor ends as well.
    for file in ["own.pid", "other.pid"] {
        fs::remove_file(j.w.dir.join("scripts").join(file)).unwrap();
    }
    let id = j.submit(ask("stubborn")).id;
    let own = j.pid("own.pid");
    j.w.kill9();
    j.w.run();
    let Ok(Body::Job(answer)) = j.ask(Verb::Cancel { job: id.to_string() }) else { panic!("not cancelled") };
    assert_eq!(answer.job.state, JobState::Cancelled);
    assert!(!alive(own));
}

#[test]
fn a_killed_shim_leaves_nothing_and_the_job_is_interrupted_once() {
    let script = "echo x >> runs; setsid sleep 300 & echo $! > other.pid; echo $$ > own.pid; sleep 300";
    let mut j = Jobs::new().script("lost", script, "").script(
        "again",
        &format!("[ -e twice ] && exit 0; touch twice; {script}"),
        "execution.idempotent = true",
    );
    j.w.run();
    let id = j.submit(ask("lost")).id;
    let (own, other) = (j.pid("own.pid"), j.pid("other.pid"));
    kill9(j.shim(id, 1));
    let job = j.wait(id);
    assert_eq!((job.state, job.error.unwrap().category), (JobState::Interrupted, Category::Unknown));
    assert!(!alive(own) && !alive(other), "its processes are ended before its end is told");
    // Supervisor, server and shim at once: nobody is there to see it.
    fs::remove_file(j.w.dir.join("scripts/other.pid")).unwrap();
    let id = j.submit(ask("again")).id;
    let other = j.pid("other.pid");
    let shim = j.shim(id, 1);
    let server = tsup_actors::os::proc::stat(shim).unwrap().parent;
    j.w.kill9();
    kill9(server);
    kill9(shim);
    assert!(alive(other));
    j.w.run();
    let job = j.wait(id);
    assert_eq!((job.state, job.attempt), (JobState::Succeeded, 2), "{job:#?}");
    assert!(!alive(other), "what was left of the first attempt is gone");
}

pub(crate) fn kill9(pid: u32) {
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

#[test]
fn a_held_job_waits_for_its_release_and_the_same_key_is_the_same_job() {
    let mut j = Jobs::new().script("ok", "echo x >> runs", "");
    j.w.run();
    let mut submit = ask("ok");
    (submit.hold, submit.key) = (true, Some("k1".into()));
    let id = j.submit(submit.clone()).id;
    assert_eq!(j.job(id).state, JobState::Held);
    submit.hold = false;
    assert_eq!(j.submit(submit.clone()).id, id, "the same key is the same job");
    submit.priority = Some(tsup_core::tes::job::Priority::High);
    let other = j.ask(Verb::Submit(Box::new(submit))).unwrap_err();
    assert_eq!(other.exit, tsup_core::error::Exit::Refused);
    j.w.kill9();
    j.w.run();
    assert_eq!(j.job(id).state, JobState::Held, "it is held still");
    j.ask(Verb::Release { job: id.to_string() }).unwrap();
    assert_eq!(j.wait(id).state, JobState::Succeeded);
    let late = j.job_when("it is told as ended", id, |job| job.finished_at.is_some());
    assert_eq!((late.attempt, j.lines("runs")), (1, 1));
}
