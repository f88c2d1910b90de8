//! Registries, outputs and scripts that mean no good, or were written by somebody who was tired.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::{Value, json};
use tsup_core::ids::JobId;
use tsup_core::limits::SCRIPTS_MAX;
use tsup_core::tes::failure::Category;
use tsup_core::tes::job::JobState;
use tsup_core::wire::doc::jobs::ScriptsDoc;
use tsup_core::wire::verb::{Body, Verb};

use crate::harness::{alive, eventually};
use crate::tes::{Jobs, ask};

const UNTIL_GO: &str = "while [ ! -e go ] && [ -e ../tsup.toml ]; do sleep 0.05; done";

fn scripts(j: &Jobs) -> ScriptsDoc {
    match j.ask(Verb::Scripts) {
        Ok(Body::Scripts(doc)) => doc,
        other => panic!("{other:?}"),
    }
}

/// Waits until the registries were read, and are so.
fn scripts_when(j: &Jobs, what: &str, fits: impl Fn(&ScriptsDoc) -> bool) -> ScriptsDoc {
    eventually(what, || Some(scripts(j)).filter(&fits))
}

/// What is shown holds no byte that a terminal would obey.
#[track_caller]
fn inert(shown: &str) {
    assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
}

#[test]
fn every_field_of_the_wrong_type_costs_its_own_script_only() {
    let good = json!({
        "id": "t/x", "name": "x", "category": "t", "description": "d", "version": "1", "path": "ok.sh",
        "execution": {
            "type": "shell_script", "interpreter": "sh", "args": [], "timeout": 1000, "permissions": [],
            "retry": {"max_attempts": 1}, "env_required": [], "stdin": "none", "group": "g", "slots": 1,
            "max_slots": 1, "idempotent": false, "grace_seconds": 1, "queue_timeout_seconds": 1,
        },
        "security": {"sandbox": "minimal", "max_memory": "1MB", "max_processes": 1, "network_access": false},
        "outputs": [], "specialists": [], "dependencies": [], "tags": [],
    });
    let wrong = [
        json!(null),
        json!(7.5),
        json!(-1),
        json!("\u{1b}[2J\u{7}"),
        json!([[]]),
        json!({"a": {}}),
        json!(true),
    ];
    let mut entries = vec![
        json!({"id": "ok", "path": "ok.sh", "execution": {"type": "shell_script", "interpreter": "sh"}}),
    ];
    let mut put = |path: &[&str], with: &Value| {
        let mut entry = good.clone();
        entry["id"] = json!(format!("t/{}", entries.len()));
        let mut place = &mut entry;
        for key in path {
            place = &mut place[*key];
        }
        *place = with.clone();
        entries.push(entry);
    };
    for with in &wrong {
        for key in good.as_object().unwrap().keys() {
            put(&[key], with);
            for inner in good[key].as_object().into_iter().flatten() {
                put(&[key, inner.0], with);
            }
        }
    }
    for id in ["../up", "a/../b", "/root", "a b", "a\u{0}b", "a\nb", "\u{1b}[31m", "", "\u{202e}x", "-x"] {
        entries.push(json!({"id": id, "path": "ok.sh", "execution": {"type": "shell_script"}}));
    }
    let number = entries.len();
    let mut j = Jobs::new();
    fs::write(j.w.dir.join("scripts/ok.sh"), "true\n").unwrap();
    fs::write(j.w.dir.join("scripts/registry.json"), json!({ "scripts": entries }).to_string()).unwrap();
    j.w.configure("[tes]\nregistries = [\"scripts/registry.json\"]");
    j.w.run();
    let doc = scripts(&j);
    assert!(doc.scripts.iter().any(|s| s.id == "ok"), "{:#?}", doc.problems);
    assert!(doc.scripts.len() < number && doc.problems.len() > 50, "{} of {number}", doc.scripts.len());
    assert!(doc.scripts.iter().all(|s| !s.id.contains("..") && !s.id.contains(' ')));
    doc.problems.iter().for_each(|p| inert(p));
    assert_eq!(j.run(ask("ok")).state, JobState::Succeeded);
    let degraded = j.w.json(&["ctl", "status", "--json"])["degraded"].to_string();
    assert!(degraded.contains("registry.json"), "{degraded:.400}");
    assert!(!j.w.log().contains("panicked"), "{}", j.w.log());
}

#[test]
fn ten_thousand_scripts_are_read_or_counted_and_the_first_ones_run() {
    const MANY: usize = 10_000;
    let entry = |n: usize| json!({"id": format!("s{n:05}"), "path": "ok.sh", "execution": {"type": "shell_script", "interpreter": "sh"}});
    let mut j = Jobs::new();
    fs::write(j.w.dir.join("scripts/ok.sh"), "true\n").unwrap();
    let text = json!({ "scripts": (0..MANY).map(entry).collect::<Vec<_>>() }).to_string();
    fs::write(j.w.dir.join("scripts/registry.json"), text).unwrap();
    j.w.configure("[tes]\nregistries = [\"scripts/registry.json\"]");
    j.w.run();
    assert_eq!(j.run(ask("s00000")).state, JobState::Succeeded);
    let last = j.ask(Verb::Submit(Box::new(ask(&format!("s{:05}", MANY - 1)))));
    assert_eq!(last.is_ok(), MANY <= SCRIPTS_MAX, "{last:?}");
    // As many as one answer holds, or a word that there are too many: never silence.
    match j.ask(Verb::Scripts) {
        Ok(Body::Scripts(doc)) => assert_eq!(doc.scripts.len(), MANY.min(SCRIPTS_MAX)),
        Err(e) => assert!(!e.what.is_empty()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_registry_may_be_swapped_and_removed_while_jobs_wait() {
    let mut j = Jobs::new()
        .script(
            "long",
            &format!("echo $$ > long.pid; {UNTIL_GO}; echo n=7"),
            "outputs = [{name=\"n\", type=\"integer\"}]",
        )
        .script("late", "true", "");
    j.configure("slots = 1");
    j.w.run();
    let long = j.submit(ask("long")).id;
    j.pid("long.pid");
    let late = j.submit(ask("late")).id;
    let registry = j.w.dir.join("scripts/registry.toml");
    let text = fs::read_to_string(&registry).unwrap();
    // Nobody waits for a pipe in its place, and what is half written costs nothing that runs.
    fs::remove_file(&registry).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, &registry, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let pipe =
        scripts_when(&j, "a pipe is told", |d| d.problems.iter().any(|p| p.contains("not a plain file")));
    assert_eq!(pipe.scripts.len(), 2, "{pipe:?}");
    let broken = registry.with_extension("new");
    fs::write(&broken, &text[..text.len() - 4]).unwrap();
    fs::rename(&broken, &registry).unwrap();
    let half = scripts_when(&j, "half a file is told", |d| {
        d.problems.iter().any(|p| p.contains("registry.toml: line ") && p.contains("as it was before"))
    });
    assert_eq!(half.scripts.len(), 2, "{half:?}");
    assert!(j.w.log().contains("as it was before"), "{}", j.w.log());
    // What waits starts all the same, as the file said it before.
    assert_eq!(j.job(long).state, JobState::Running);
    fs::write(j.w.dir.join("scripts/go"), "").unwrap();
    let long = j.wait(long);
    assert_eq!(long.outputs.as_ref().unwrap().0, "{\"n\":7}", "{long:?}");
    assert_eq!(j.wait(late).state, JobState::Succeeded);
    // One that is gone is gone.
    fs::remove_file(j.w.dir.join("scripts/go")).unwrap();
    let long = j.submit(ask("long")).id;
    let late = j.submit(ask("late")).id;
    eventually("it runs", || (j.job(long).state == JobState::Running).then_some(()));
    fs::remove_file(&registry).unwrap();
    scripts_when(&j, "it is gone", |d| d.scripts.is_empty());
    fs::write(j.w.dir.join("scripts/go"), "").unwrap();
    assert!(j.wait(long).state.is_final());
    let job = j.wait(late);
    let error = job.error.unwrap();
    assert_eq!((job.state, error.category), (JobState::Failed, Category::Dependency), "{error:#?}");
    assert!(error.message.raw().contains("not registered any more"), "{error:#?}");
    assert!(error.suggestions.iter().any(|s| s.contains("retry")), "{error:#?}");
    fs::write(&registry, text).unwrap();
    scripts_when(&j, "it is back", |d| d.scripts.len() == 2);
    j.ask(Verb::Retry { job: late.to_string() }).unwrap();
    assert_eq!(j.wait(late).state, JobState::Succeeded);
}

#[test]
fn hostile_outputs_are_a_mismatch_and_are_shown_inert() {
    let number = "outputs = [{name=\"n\", type=\"integer\", required=true}]";
    let any = "outputs = [{name=\"n\", type=\"string\"}]";
    let mut j = Jobs::new()
        .script("broken", "printf '{\"n\": 1'", number)
        .script("twice", "printf '{\"n\": 1, \"n\": \"x\"}'", number)
        .script("huge", "printf '{\"n\": 1e400}'", number)
        .script("long", "printf '{\"n\": %s}' $(head -c 5000 /dev/zero | tr '\\000' 9)", number)
        .script("deep", "head -c 100000 /dev/zero | tr '\\000' '['", number)
        .script("bytes", "printf 'n=\\377\\376'", number)
        .script("nothing", "true", number)
        .script("escapes", "printf 'n=\\033[31mred\\033]0;t\\007\\000\\n'", any)
        .script("loud", "printf '\\033[2J\\033]0;pwned\\007\\r\\342\\200\\256oh\\n' >&2; exit 1", "");
    j.w.run();
    for name in ["broken", "twice", "huge", "long", "deep", "bytes", "nothing"] {
        let job = j.run(ask(name));
        let error = job.error.unwrap_or_else(|| panic!("{name}: {:?}", job.outputs));
        assert_eq!(
            (job.state, error.category),
            (JobState::Failed, Category::Validation),
            "{name}: {error:#?}"
        );
        assert!(error.message.raw().len() < 2_000, "{name}: {}", error.message.raw().len());
        inert(&error.message.to_string());
    }
    let job = j.run(ask("escapes"));
    assert!(job.state.is_final(), "{job:#?}");
    let document = serde_json::to_string(&job).unwrap();
    inert(&document);
    let job = j.run(ask("loud"));
    let error = job.error.as_ref().unwrap();
    assert_eq!(error.category, Category::Execution);
    assert!(error.message.to_string().contains("\\u{1b}"), "{}", error.message);
    inert(&error.message.to_string());
    inert(&serde_json::to_string(&job).unwrap());
    let log = fs::read_dir(j.w.home().join("log")).unwrap().flatten();
    for file in log.filter(|f| f.file_name().to_string_lossy().starts_with("executions-")) {
        inert(&fs::read_to_string(file.path()).unwrap());
    }
    inert(&j.w.log());
}

/// Ends a supervisor and starts another, so that the one that comes has the files only.
fn again(j: &mut Jobs) {
    j.w.kill9();
    j.w.run();
}

/// What a script of the supervisor's own user does where it leaves its traces and its output, where nothing shuts it in:
/// it can lie about itself. It can neither have anything followed or held up, nor be run twice.
#[test]
fn a_script_that_forges_its_own_traces_lies_about_itself_at_most() {
    let mine = "outputs = [{name=\"n\", type=\"integer\"}]\nsecurity.sandbox = \"minimal\"";
    // A line of its slot, behind so many bytes.
    let line = |at: u32, text: &str| {
        format!(
            "{{ {text}; head -c 300 /dev/zero; }} | dd bs=1 conv=notrunc status=none of=$H/attempts \
             seek=$(( ($(basename $TMPDIR) + 1) * 4096 + {at} ))"
        )
    };
    let record = |job: &str| {
        let text = format!(
            "printf '{{\"version\":1,\"id\":{{\"job\":\"%s\",\"attempt\":1,\"epoch\":0}},\"boot_id\":\"x\",\
             \"started_at\":\"2026-01-01T00:00:00.000Z\",\"ended_at\":\"2026-01-01T00:00:00.000Z\",\
             \"wall_seconds\":1.0,\"end\":{{\"exited\":0}},\"cause\":null,\"left_behind\":0,\"stdout_bytes\":3,\
             \"stderr_bytes\":0,\"truncated\":false,\"used\":{{\"cpu_seconds\":0.0,\"peak_memory_bytes\":0,\
             \"start_memory_bytes\":0,\"end_memory_bytes\":0,\"memory_source\":\"\"}},\"enforced\":{{\"fs\":\"\",\
             \"network\":\"\",\"memory\":\"\",\"cpu\":\"\",\"processes\":\"\"}}}}\\n' {job}"
        );
        line(1024, &text)
    };
    let claim = |pid: u32| {
        let text = format!(
            "printf '{{\"version\":1,\"id\":{{\"job\":\"%s\",\"attempt\":1,\"epoch\":0}},\"order\":1,\
             \"shim\":{{\"pid\":{pid},\"start_ticks\":1}},\"boot_id\":\"x\"}}\\n' $TSUP_JOB"
        );
        line(0, &text)
    };
    let folder = "mkdir -p $H/jobs/$TSUP_JOB/1; cd $H/jobs/$TSUP_JOB/1";
    let tricks = [
        ("early", record("$TSUP_JOB")),
        ("foreign", record("000000000001")),
        ("nobody", line(0, "echo '{\"version\":1}'")),
        ("claimed", claim(1)),
        ("unclaimed", line(0, "true")),
        ("linked", format!("{folder}; mv ../1 ../9; ln -s 9 ../1")),
        ("piped", format!("{folder}; mv ../1 ../9; mkfifo ../1")),
        ("drained", format!("{folder}; mkfifo stdout stderr")),
        ("aimed", format!("{folder}; ln -s ../../../victim stdout; ln -s /dev/zero stdout.tail")),
        ("shut", "mkdir $TMPDIR/x; chmod 0 $TMPDIR/x $TMPDIR".to_owned()),
    ];
    let mut j = Jobs::new();
    for (name, trick) in &tricks {
        let text = format!(
            "echo $TSUP_JOB >> runs; H=$(dirname $(dirname $TMPDIR)); ( {trick} ); touch $TSUP_JOB.ready; \
             {UNTIL_GO}; echo n=7"
        );
        j = j.script(name, &text, mine);
    }
    // Its output is replaced when it was written: nobody reads the other thing, or waits for it.
    let late = "echo n=7; cd $(dirname $(dirname $TMPDIR))/jobs; while [ ! -s $TSUP_JOB/1/stdout ]; do sleep 0.02; done; \
                cd $TSUP_JOB/1; rm stdout";
    j = j.script("swapped", &format!("{late}; mkfifo stdout"), mine);
    j = j.script("read", &format!("{late}; ln -s ../../../victim stdout"), mine);
    j.configure("slots = 20");
    fs::create_dir_all(j.w.home()).unwrap();
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(j.w.home(), fs::Permissions::from_mode(0o700)).unwrap();
    }
    fs::write(j.w.home().join("victim"), "n=8\n").unwrap();
    j.w.run();
    let jobs: Vec<(&str, JobId)> = tricks.iter().map(|(name, _)| (*name, j.submit(ask(name)).id)).collect();
    for (name, id) in &jobs {
        let ready = j.w.dir.join(format!("scripts/{id}.ready"));
        eventually(&format!("{name} has done it"), || ready.exists().then_some(()));
    }
    again(&mut j);
    fs::write(j.w.dir.join("scripts/go"), "").unwrap();
    let runs = || fs::read_to_string(j.w.dir.join("scripts/runs")).unwrap();
    for (name, id) in &jobs {
        let job = j.wait(*id);
        let ok = match *name {
            // What it printed has no place: its output is missing, and that is said.
            "linked" | "piped" | "drained" | "aimed" => {
                job.state.is_final() && job.outputs.is_none_or(|o| o.0 != "{\"n\":8}")
            }
            _ => job.state == JobState::Succeeded && job.outputs.is_some_and(|o| o.0 == "{\"n\":7}"),
        };
        assert!(ok, "{name}: {:#?}", j.job(*id));
        assert_eq!(runs().lines().filter(|line| *line == id.to_string()).count(), 1, "{name} ran once");
    }
    for name in ["swapped", "read"] {
        let job = j.run(ask(name));
        assert!(
            job.outputs.is_none_or(|o| o.0 != "{\"n\":8}"),
            "{name}: what a link names is not its output"
        );
    }
    assert_eq!(
        fs::read_to_string(j.w.home().join("victim")).unwrap(),
        "n=8\n",
        "nothing was written through a link"
    );
    assert!(!j.w.log().contains("panicked"), "{}", j.w.log());
}

/// A script takes the file with everybody's traces away: what runs is told as not known, and what comes later runs.
#[test]
fn a_script_that_removes_all_traces_is_not_run_again() {
    let script = format!(
        "echo $TSUP_JOB >> runs; until [ $(wc -l < runs) = 2 ]; do sleep 0.02; done; \
         rm -f $(dirname $(dirname $TMPDIR))/attempts; {}",
        UNTIL_GO.replace("-e go", "-e go-$TSUP_JOB")
    );
    let mut j =
        Jobs::new().script("remover", &script, "security.sandbox = \"minimal\"").script("ok", "true", "");
    j.w.run();
    let jobs: Vec<JobId> = (0..2).map(|_| j.submit(ask("remover")).id).collect();
    eventually("both run", || (j.lines("runs") == 2).then_some(()));
    // One ends under the supervisor that ordered it, one under another.
    fs::write(j.w.dir.join(format!("scripts/go-{}", jobs[0])), "").unwrap();
    assert_eq!(j.wait(jobs[0]).state, JobState::Succeeded, "its shim told how it ended");
    again(&mut j);
    fs::write(j.w.dir.join(format!("scripts/go-{}", jobs[1])), "").unwrap();
    assert_eq!(j.wait(jobs[1]).state, JobState::Interrupted);
    assert_eq!(j.run(ask("ok")).state, JobState::Succeeded);
    assert_eq!(j.lines("runs"), 2);
}

/// One script makes the place of another job's attempt unusable: that job ends with words, and no other does.
#[test]
fn a_folder_that_is_no_folder_ends_its_job_with_words() {
    let mut j = Jobs::new().script("ok", "true", "");
    j.w.run();
    let make = |what: &dyn Fn(&std::path::Path)| {
        let submit = tsup_core::wire::verb::Submit { hold: true, ..ask("ok") };
        let id = j.submit(submit).id;
        let folder = j.folder(id, 1);
        fs::create_dir_all(folder.parent().unwrap()).unwrap();
        what(&folder);
        j.ask(Verb::Release { job: id.to_string() }).unwrap();
        j.wait(id)
    };
    let elsewhere = j.w.dir.join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let file = make(&|folder| fs::write(folder, "").unwrap());
    let pipe = make(&|folder| {
        use rustix::fs::{CWD, FileType, mknodat};
        mknodat(CWD, folder, FileType::Fifo, 0o600.into(), 0).unwrap();
    });
    let link = make(&|folder| symlink(&elsewhere, folder).unwrap());
    for job in [file, pipe, link] {
        let error = job.error.unwrap();
        assert_eq!((job.state, error.category), (JobState::Failed, Category::Dependency), "{error:#?}");
        assert!(!error.suggestions.is_empty() && error.context.contains_key("folder"), "{error:#?}");
    }
    assert!(fs::read_dir(&elsewhere).unwrap().next().is_none());
    assert_eq!(j.run(ask("ok")).state, JobState::Succeeded);
}

/// A claim that names a process of somebody else does not hold its job up when the real shim ends.
#[test]
fn a_claim_that_names_another_process_holds_nothing_up() {
    let script = format!(
        "echo $$ > own.pid; H=$(dirname $(dirname $TMPDIR)); printf '{{\"version\":1,\"id\":{{\"job\":\"%s\",\
         \"attempt\":1,\"epoch\":0}},\"order\":1,\"shim\":{{\"pid\":1,\"start_ticks\":1}},\"boot_id\":\"x\"}}\\n' $TSUP_JOB \
         | dd bs=512 conv=notrunc,sync status=none of=$H/attempts seek=$(( ($(basename $TMPDIR) + 1) * 8 )); \
         touch done; {UNTIL_GO}"
    );
    let mut j = Jobs::new().script("liar", &script, "security.sandbox = \"minimal\"");
    j.w.run();
    let id = j.submit(ask("liar")).id;
    eventually("the claim is forged", || j.w.dir.join("scripts/done").exists().then_some(()));
    assert_eq!(j.shim(id, 1), 1);
    again(&mut j);
    assert_eq!(j.job(id).state, JobState::Running);
    let own = j.pid("own.pid");
    fs::write(j.w.dir.join("scripts/go"), "").unwrap();
    assert_eq!(j.wait(id).state, JobState::Succeeded);
    assert!(!alive(own));
}
