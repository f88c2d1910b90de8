//! What a job can do wrong, and what is made of it: what cannot start, what does not end, what floods.
//!
//! The catalogue of faults, by number, and the tests that prove each. Where no file is named, it is this one.
//!
//! | fault | test |
//! |---|---|
//! | 16 missing, not executable | `what_cannot_start_says_what_is_missing_and_what_to_do` |
//! | 17 exit 1, SIGSEGV | `a_crash_is_told_with_its_signal` |
//! | 18 timeout | `a_timeout_asks_waits_and_kills_the_group` |
//! | 19, 20 grandchildren, a held pipe | `what_a_script_leaves_behind_neither_holds_the_job_nor_stays` |
//! | 21, 22 floods, binary output | `a_flood_is_cut_without_filling_the_memory`, `output_is_bytes` |
//! | 23 out of memory | `too_much_memory_is_a_resource` |
//! | 24, 26 bad inputs | `what_does_not_fit_is_refused_before_anything_is_made` |
//! | 25 hostile arguments | `arguments_arrive_as_they_were_given` |
//! | 27 a killed shim | `tes.rs`: `a_killed_shim_leaves_nothing_and_the_job_is_interrupted_once` |
//! | 28 retry over a restart | `tes_drills.rs`: `a_retry_keeps_its_number_and_its_time_over_a_kill` |
//! | 29 cancel and completion | `tes_drills.rs`: `a_cancel_and_an_end_at_once_are_one_end` |
//! | 30 one key, many clients | `tes_drills.rs`: `one_key_from_many_at_once_is_one_job` |
//! | 31, 32 a full disk | `tes_disk.rs`: `on_a_full_disk_…` |
//! | 33 a sync that fails | `tes_disk.rs`: `a_disk_that_does_not_confirm_…`; `store/tests/faults.rs` |
//! | 34–36, 39 the database | `tes_disk.rs`: `a_torn_log_…`, `a_damaged_database_…`; a home that is read only in `hostile.rs`; `store/tests/torn.rs` |
//! | 37, 38 the execution log | `tes_disk.rs`: `the_execution_log_…`; `telemetry/journal/file.rs`, `actors/tests/all/journal.rs` |
//! | 40 a million jobs | a bench, not a test |
//! | 41, 42, 45 submissions on the socket | `tes_limits.rs`; with other verbs `control.rs` |
//! | 43, 44, 46, 47 the socket | `control.rs` |
//! | 48 a client that goes | `tes_drills.rs`: `a_client_that_goes_while_it_submits_…` |
//! | 65, 66 stop and upgrade with jobs | `tes.rs`: `a_job_outlives_its_supervisor_and_is_recorded_once`; `upgrade.rs` |
//! | 68 no descriptors, no processes | `tes_limits.rs` |
//! | 69, 70 actors that crash | `tes_drills.rs`: `actors_that_crash_…` |
//!
//! A clock that is set cannot be tried on a machine that others use: `core/tes/schedule` and `core/tes/queue` take
//! the time as an argument and try it there.

use std::fs;

use tsup_core::limits::{JOB_ARG_BYTES_MAX, OUTPUT_TAIL_BYTES};
use tsup_core::tes::failure::Category;
use tsup_core::tes::job::JobState;
use tsup_core::wire::doc::jobs::ErrorDoc;
use tsup_core::wire::verb::{Body, Submit, Verb};

use crate::harness::{alive, eventually};
use crate::tes::{Jobs, ask, with};

#[track_caller]
fn failed(j: &Jobs, script: &str, category: Category, says: &str) {
    let job = j.run(ask(script));
    let error = job.error.unwrap_or_else(|| panic!("{script}: {}", job.state));
    assert_eq!(error.category, category, "{script}: {error:#?}");
    assert!(error.message.raw().contains(says), "{script}: {error:#?}");
    assert!(!error.suggestions.is_empty(), "{script}: {error:#?}");
}

#[test]
fn what_cannot_start_says_what_is_missing_and_what_to_do() {
    let mut j = Jobs::new()
        .entry("gone", "path = \"gone.sh\"")
        .entry("plain", "path = \"plain\"\nexecution.type = \"program\"")
        .entry("folder", "path = \"folder\"\nexecution.type = \"program\"")
        .entry("pipe", "path = \"pipe\"\nexecution.type = \"shell_script\"")
        .entry("device", "path = \"/dev/null\"\nexecution.type = \"shell_script\"")
        .entry("above", "path = \"../above.sh\"\nexecution.type = \"shell_script\"")
        .entry("link", "path = \"link.sh\"\nexecution.type = \"shell_script\"")
        .entry("loop", "path = \"loop.sh\"\nexecution.type = \"shell_script\"")
        .script("alone", "true", "")
        .script("needy", "true", "dependencies = [\"no-such-program-here\"]")
        .entry("foreign", "path = \"alone.sh\"\nexecution.type = \"shell_script\"\nexecution.interpreter = \"no-such-shell\"")
        .entry("wrong", "path = \"wrong\"\nexecution.type = \"program\"");
    let scripts = j.w.dir.join("scripts");
    fs::write(scripts.join("plain"), "#!/bin/sh\ntrue\n").unwrap();
    fs::create_dir(scripts.join("folder")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, scripts.join("pipe"), rustix::fs::FileType::Fifo, 0o700.into(), 0)
        .unwrap();
    fs::write(j.w.dir.join("above.sh"), "touch ran\n").unwrap();
    std::os::unix::fs::symlink("../above.sh", scripts.join("link.sh")).unwrap();
    std::os::unix::fs::symlink("loop.sh", scripts.join("loop.sh")).unwrap();
    fs::write(scripts.join("wrong"), "#!/no/such/interpreter\ntrue\n").unwrap();
    for program in ["wrong", "pipe"] {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(scripts.join(program), fs::Permissions::from_mode(0o755)).unwrap();
    }
    j.w.run();
    failed(&j, "gone", Category::Dependency, "its file is missing");
    failed(&j, "plain", Category::Permission, "may not be executed");
    failed(&j, "folder", Category::Dependency, "is not a plain file");
    failed(&j, "pipe", Category::Dependency, "is not a plain file");
    failed(&j, "device", Category::Permission, "outside of the registry's folder");
    failed(&j, "above", Category::Permission, "outside of the registry's folder");
    failed(&j, "link", Category::Permission, "outside of the registry's folder");
    failed(&j, "loop", Category::Dependency, "its file is missing");
    failed(&j, "needy", Category::Dependency, "no-such-program-here");
    failed(&j, "foreign", Category::Dependency, "its interpreter no-such-shell was not found");
    failed(&j, "wrong", Category::Dependency, "could not be started");
    assert!(!scripts.join("ran").exists(), "nothing of them ran");
}

#[test]
fn a_crash_is_told_with_its_signal() {
    let mut j = Jobs::new().script("one", "exit 1", "").script("crash", "kill -SEGV $$", "");
    j.w.run();
    let job = j.run(ask("one"));
    assert_eq!((job.state, job.exit_code, job.signal), (JobState::Failed, Some(1), None));
    assert_eq!(job.error.unwrap().category, Category::Execution);
    let job = j.run(ask("crash"));
    assert_eq!((job.state, job.exit_code, job.signal), (JobState::Failed, None, Some(11)));
    let error = job.error.unwrap();
    assert_eq!(error.category, Category::Execution);
    assert!(error.message.raw().contains("SIGSEGV"), "{error:#?}");
}

#[test]
fn a_timeout_asks_waits_and_kills_the_group() {
    let script = "trap 'echo asked >> asked' TERM\nsh -c 'trap \"\" TERM; echo $$ > child.pid; sleep 300' &\n\
                  while :; do sleep 0.05; done";
    let more = "execution.timeout = 1000\nexecution.grace_seconds = 0.5\nexecution.retry.max_attempts = 1";
    let mut j = Jobs::new().script("deaf", script, more);
    j.w.run();
    let job = j.submit(ask("deaf")).id;
    let child = j.pid("child.pid");
    let job = j.wait(job);
    assert_eq!((job.state, job.signal), (JobState::Failed, Some(9)), "{job:#?}");
    assert_eq!(job.error.unwrap().category, Category::Timeout);
    assert!(j.lines("asked") > 0, "it was asked to end first");
    assert!(!alive(child), "nobody of it is left when its end is told");
    let took = job.resources.unwrap().wall_time_seconds;
    assert!(took >= 1.5, "the grace was given: {took}");
}

#[test]
fn what_a_script_leaves_behind_neither_holds_the_job_nor_stays() {
    let script = "setsid sh -c '(echo $$ > left.pid; exec sleep 300) & exit' &\n\
                  while [ ! -s left.pid ]; do sleep 0.02; done; echo n=1";
    let mut j = Jobs::new().script("leaves", script, "outputs = [{name=\"n\", type=\"integer\"}]");
    j.w.run();
    let job = j.run(ask("leaves"));
    assert_eq!((job.state, job.outputs.unwrap().0.as_str()), (JobState::Succeeded, "{\"n\":1}"));
    assert!(job.attempts[0].left_behind >= 1, "{:#?}", job.attempts);
    eventually("nobody is left", || {
        let left =
            fs::read_dir("/proc").unwrap().filter_map(|e| fs::read(e.ok()?.path().join("environ")).ok());
        let mark = format!("TSUP_JOB={}", job.id);
        let mut left = left.filter(|env| env.split(|b| *b == 0).any(|v| v == mark.as_bytes()));
        left.next().is_none().then_some(())
    });
}

#[test]
fn a_flood_is_cut_without_filling_the_memory() {
    const FLOOD: u64 = 1_000_000_000;
    let script = format!(
        "head -c {FLOOD} /dev/zero; head -c 300000 /dev/zero >&2; printf END\n\
                          echo x > flooded; while [ ! -e go ] && [ -e ../tsup.toml ]; do sleep 0.02; done"
    );
    let mut j = Jobs::new().script("flood", &script, "");
    j.configure("slots = 4\noutput_mb = 1");
    j.w.run();
    let id = j.submit(ask("flood")).id;
    let shim = j.shim(id, 1);
    eventually("all was printed", || (j.lines("flooded") > 0).then_some(()));
    let status = fs::read_to_string(format!("/proc/{shim}/status")).unwrap();
    let peak: u64 = status
        .lines()
        .find_map(|l| l.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok())
        .unwrap();
    assert!(peak < 64 * 1024, "a shim of {peak} KiB");
    fs::write(j.w.dir.join("scripts/go"), "").unwrap();
    let job = j.wait(id);
    assert_eq!((job.state, job.truncated), (JobState::Succeeded, true));
    assert_eq!((job.stdout_bytes, job.stderr_bytes), (FLOOD + 3, 300_000));
    let length = |name: &str| fs::metadata(j.folder(id, 1).join(name)).map_or(0, |m| m.len());
    assert_eq!((length("stdout"), length("stderr")), (1 << 20, 300_000));
    assert!(length("stdout.tail") <= OUTPUT_TAIL_BYTES as u64);
    assert!(fs::read(j.folder(id, 1).join("stdout.tail")).unwrap().ends_with(b"END"), "the end is kept");
}

#[test]
fn output_is_bytes() {
    let mut j = Jobs::new().script("binary", "head -c 300000 /dev/urandom | tee copy", "").script(
        "open",
        "printf 'n=5'",
        "outputs = [{name=\"n\", type=\"integer\"}]",
    );
    j.w.run();
    let job = j.run(ask("binary"));
    assert_eq!((job.state, job.stdout_bytes, job.truncated), (JobState::Succeeded, 300_000, false));
    let kept = fs::read(j.folder(job.id, 1).join("stdout")).unwrap();
    assert!(kept == fs::read(j.w.dir.join("scripts/copy")).unwrap(), "byte by byte");
    let job = j.run(ask("open"));
    assert_eq!((job.state, job.outputs.unwrap().0.as_str()), (JobState::Succeeded, "{\"n\":5}"));
}

#[test]
fn too_much_memory_is_a_resource() {
    let script = "x=$(head -c 80000000 /dev/zero | tr '\\000' x); sleep 300";
    let more = "security.max_memory = \"40MB\"\nexecution.retry.max_attempts = 1";
    let mut j = Jobs::new().script("hungry", script, more);
    j.w.run();
    let job = j.run(ask("hungry"));
    let error = job.error.unwrap();
    assert_eq!((job.state, error.category), (JobState::Failed, Category::Resource), "{error:#?}");
    assert!(!error.suggestions.is_empty(), "{error:#?}");
}

#[track_caller]
fn refused(j: &Jobs, submit: Submit) -> ErrorDoc {
    match j.ask(Verb::Submit(Box::new(submit))) {
        Ok(Body::Refused(doc)) => doc.error,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn what_does_not_fit_is_refused_before_anything_is_made() {
    let args = "execution.args = [{name=\"n\", type=\"integer\", required=true}, {name=\"text\"}]";
    let mut j = Jobs::new().script("typed", "touch ran", args);
    j.w.run();
    let json = |text: &str| Submit { input: Some(text.into()), ..ask("typed") };
    let long = "x".repeat(JOB_ARG_BYTES_MAX + 1);
    let wrong = [
        ask("typed"),
        with("typed", &[("n", "five")]),
        with("typed", &[("n", "1e400")]),
        with("typed", &[("n", "1"), ("other", "2")]),
        with("typed", &[("n", "1"), ("text", "a\0b")]),
        with("typed", &[("n", "1"), ("text", &long)]),
        with("typed", &[("n", "1"), ("n", "2")]),
        json("not json"),
        json("[1]"),
        json("{\"n\": \"1\"}"),
        json("{\"n\": 1, \"text\": {\"a\": 1}}"),
        json(&format!("{{\"n\": {}1{}}}", "[".repeat(5_000), "]".repeat(5_000))),
        Submit { key: Some(String::new()), ..with("typed", &[("n", "1")]) },
        Submit { key: Some("k\0".into()), ..with("typed", &[("n", "1")]) },
        Submit { timeout_ms: Some(0), ..with("typed", &[("n", "1")]) },
        Submit { timeout_ms: Some(u64::MAX), ..with("typed", &[("n", "1")]) },
    ];
    for submit in wrong {
        let shown = format!("{:.200}", format!("{submit:?}"));
        let error = refused(&j, submit);
        assert_eq!(error.category, Category::Validation, "{shown}: {error:#?}");
    }
    let error = refused(&j, with("typed", &[("n", "1"), ("txt", "x")]));
    assert!(error.suggestions.iter().any(|s| s.contains("`text`")), "{error:#?}");
    let Ok(Body::Jobs(doc)) = j.ask(Verb::Jobs { states: vec![], script: None, limit: None }) else {
        panic!()
    };
    assert!(doc.jobs.is_empty(), "{doc:#?}");
    assert!(
        !j.w.home().join("jobs").exists() || fs::read_dir(j.w.home().join("jobs")).unwrap().next().is_none()
    );
    assert!(!j.w.dir.join("scripts/ran").exists());
    // Times beyond all calendars neither wrap nor end anything: it waits.
    let mut late = with("typed", &[("n", "1")]);
    late.delay_ms = Some(u64::MAX);
    match j.ask(Verb::Submit(Box::new(late))) {
        Ok(Body::Job(answer)) => assert_eq!(answer.job.state, JobState::Delayed, "{:#?}", answer.job),
        Ok(Body::Refused(doc)) => assert_eq!(doc.error.category, Category::Validation),
        other => panic!("{other:?}"),
    }
    assert_eq!(j.run(with("typed", &[("n", "1")])).state, JobState::Succeeded);
}

#[test]
fn arguments_arrive_as_they_were_given() {
    const WORDS: [&str; 14] = [
        "; touch pwned",
        "$(touch pwned)",
        "`touch pwned`",
        "-n",
        "--",
        "a\nb\n",
        "'\"",
        "\\",
        "*",
        "~",
        "\u{1f980}\u{202e}x",
        "\u{1b}]0;t\u{7}",
        "",
        "%s%n | & > pwned",
    ];
    let args = "execution.args = [{name=\"words\", type=\"json\"}]\nexecution.stdin = \"json\"";
    let names: Vec<String> = (0..WORDS.len()).map(|n| format!("{{name=\"w{n}\"}}")).collect();
    let many = format!("execution.args = [{}]", names.join(", "));
    let mut j = Jobs::new()
        .script("each", "for w in \"$@\"; do printf '%s\\0' \"$w\"; done > given", &many)
        .script("whole", "cat > read; printf '%s' \"$1\" > word", args);
    j.w.run();
    let given: Vec<(String, String)> =
        WORDS.iter().enumerate().map(|(n, w)| (format!("w{n}"), (*w).to_owned())).collect();
    let job = j.run(Submit { args: given, ..ask("each") });
    assert_eq!(job.state, JobState::Succeeded, "{job:#?}");
    let wanted: String = WORDS.iter().flat_map(|w| [w, "\0"]).collect();
    assert_eq!(fs::read_to_string(j.w.dir.join("scripts/given")).unwrap(), wanted);
    let document = serde_json::json!({ "words": WORDS }).to_string();
    let job = j.run(Submit { input: Some(document.clone()), ..ask("whole") });
    assert_eq!(job.state, JobState::Succeeded, "{job:#?}");
    assert_eq!(fs::read_to_string(j.w.dir.join("scripts/read")).unwrap(), document);
    assert_eq!(
        fs::read_to_string(j.w.dir.join("scripts/word")).unwrap(),
        serde_json::json!(WORDS).to_string()
    );
    assert!(!j.w.dir.join("scripts/pwned").exists());
}
