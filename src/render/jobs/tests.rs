//! Jobs as people see them.

use std::collections::BTreeMap;

use tsup_core::ids::JobId;
use tsup_core::tes::attempt::Enforced;
use tsup_core::tes::failure::{Category, RetryInfo};
use tsup_core::tes::job::{Edge, Priority};
use tsup_core::wire::doc::VERSION;
use tsup_core::wire::doc::jobs::{
    AfterDoc, AttemptDoc, ErrorDoc, GroupDoc, JsonText, ResourcesDoc, ScriptDoc,
};
use tsup_core::wire::doc::scripts::ScriptPage;

use super::*;
use crate::render::tests::{NOW, screens};

const ESCAPE: &str = "\x1b]0;evil\x07";

fn here() -> Here {
    Here { now: NOW, zone: jiff::tz::TimeZone::UTC }
}

fn before(seconds: i64) -> Wall {
    Wall::from_unix_ms(NOW.unix_ms() - seconds * 1000)
}

/// A job that waits.
pub(crate) fn job() -> JobDoc {
    JobDoc {
        id: JobId::drawn(0xab),
        script: "docs/convert".into(),
        specialist: None,
        user: Some("ada".into()),
        session: Some("web".into()),
        agent: None,
        correlation_id: None,
        key: None,
        priority: Priority::Normal,
        group: None,
        slots: 1,
        state: JobState::Queued,
        attempt: 0,
        max_attempts: 3,
        submitted_at: before(65),
        started_at: None,
        finished_at: None,
        next_attempt_at: None,
        waiting_for: Some("a free slot; 3 others wait".into()),
        after: vec![],
        exit_code: None,
        signal: None,
        inputs: JsonText(r#"{"file":"a.md","pages":[1,2]}"#.into()),
        outputs: None,
        inputs_bytes: 2,
        outputs_bytes: 0,
        error: None,
        resources: None,
        enforced: None,
        stdout_bytes: 0,
        stderr_bytes: 0,
        truncated: false,
        attempts: vec![],
    }
}

/// A job that failed in its last attempt.
pub(crate) fn failed(category: Category) -> JobDoc {
    let error = ErrorDoc {
        category,
        message: format!("exit code 3{ESCAPE}").into(),
        context: BTreeMap::from([("exit_code".into(), "3".into()), ("stderr".into(), ESCAPE.into())]),
        suggestions: vec!["see what it printed: `tsup ctl output 0000000000ab --stderr`".into()],
        stack_trace: Some(
            "Traceback (most recent call last):\n  File \"x.py\", line 1\nValueError: \x1b[31m".into(),
        ),
        retry: Some(RetryInfo {
            is_retryable: false,
            attempts_made: 2,
            max_attempts: 2,
            next_retry_delay_seconds: None,
            retry_reason: "EXECUTION is not tried again".into(),
        }),
    };
    let resources = ResourcesDoc {
        start_memory_mb: Some(8.0),
        end_memory_mb: Some(10.0),
        peak_memory_mb: 12.5,
        cpu_time_seconds: 0.5,
        wall_time_seconds: 1.25,
        memory_source: "cgroup".into(),
    };
    let attempt = |attempt, seconds| AttemptDoc {
        attempt,
        starting_at: before(seconds),
        ended_at: Some(before(seconds - 1)),
        exit_code: Some(3),
        signal: None,
        error: Some(error.clone()),
        resources: Some(resources.clone()),
        stdout_bytes: 0,
        stderr_bytes: 0,
        truncated: false,
        left_behind: attempt,
    };
    JobDoc {
        state: JobState::Failed,
        attempt: 2,
        max_attempts: 2,
        started_at: Some(before(10)),
        finished_at: Some(before(9)),
        waiting_for: None,
        exit_code: Some(3),
        outputs: Some(JsonText(r#"{"title":"\u001b[31m"}"#.into())),
        error: Some(error.clone()),
        resources: Some(resources.clone()),
        enforced: Some(Enforced {
            fs: "landlock7".into(),
            network: "netns".into(),
            memory: "cgroup".into(),
            cpu: "rlimit".into(),
            processes: "cgroup".into(),
            sockets: "landlock".into(),
        }),
        stdout_bytes: 3_500,
        stderr_bytes: 120,
        truncated: true,
        attempts: vec![attempt(1, 30), attempt(2, 10)],
        ..job()
    }
}

#[test]
fn jobs_screen() {
    let running = JobDoc {
        id: JobId::drawn(0xcd),
        state: JobState::Running,
        attempt: 1,
        started_at: Some(before(12)),
        waiting_for: None,
        priority: Priority::Critical,
        ..job()
    };
    let delayed = |attempt, seconds: i64| JobDoc {
        state: JobState::Delayed,
        attempt,
        waiting_for: Some("its time".into()),
        next_attempt_at: Some(before(-seconds)),
        ..job()
    };
    let jobs = [job(), running, failed(Category::Execution), delayed(0, 90_000), delayed(1, 3)];
    insta::assert_snapshot!(screens(|look| list(&jobs, &here(), look)));
}

#[test]
fn job_pages() {
    let blocked = JobDoc {
        state: JobState::Blocked,
        waiting_for: Some("job 0000000000cd".into()),
        after: vec![AfterDoc { job: JobId::drawn(0xcd), on: Edge::Failure }],
        key: Some("k\x1b[2J".into()),
        ..job()
    };
    let look = Look { color: false, width: None };
    let again = JobDoc {
        state: JobState::Delayed,
        attempt: 1,
        waiting_for: Some("its time".into()),
        next_attempt_at: Some(before(-125)),
        finished_at: None,
        ..failed(Category::Dependency)
    };
    let pages = [failed(Category::Execution), blocked, again].map(|job| page::draw(&job, &here(), look));
    assert!(pages.iter().all(|page| !page.contains('\x1b')), "what a job says reached the terminal as it is");
    insta::assert_snapshot!(pages.join("\n== \n"));
    insta::assert_snapshot!("job_ending", page::ending(&failed(Category::Timeout)));
}

#[test]
fn scripts_screen() {
    let script = |id: &str, problem: Option<&str>| ScriptDoc {
        id: id.into(),
        version: Some("1.2.0".into()),
        description: "Converts a document".into(),
        registry: "/r/registry.json".into(),
        path: "scripts/convert.sh".into(),
        inputs: vec!["file=<file>".into(), "[pages=<integer>]".into()],
        outputs: vec![],
        specialists: vec![],
        group: None,
        sandbox: "standard".into(),
        healthy: problem.is_none(),
        problems: problem.map(str::to_owned).into_iter().collect(),
    };
    let doc = ScriptsDoc {
        version: VERSION,
        scripts: vec![script("docs/convert", None), script("docs/publish", Some("jq is not on the PATH"))],
        problems: vec!["registry.json: line 7: no `path`".into()],
    };
    insta::assert_snapshot!(screens(|look| scripts(&doc, look)));
    let none = ScriptsDoc { version: VERSION, scripts: vec![], problems: vec![] };
    assert!(scripts(&none, Look { color: false, width: None }).contains("no scripts"));
}

#[test]
fn script_pages() {
    use tsup_core::wire::doc::scripts::{InputDoc, ProblemDoc, ScriptOutputDoc};
    let mut script = tsup_core::tes::script::Script::bare("docs/convert");
    script.description = format!("Converts a document{ESCAPE}");
    let plain = tsup_core::tes::describe::page(&script);
    let input = |name: &str, kind: &str| InputDoc {
        name: name.into(),
        kind: kind.into(),
        words: vec![],
        required: false,
        default: JsonText(String::new()),
        pattern: None,
        min: None,
        max: None,
        arrives: "positional".into(),
        description: "".into(),
    };
    let mut full = ScriptPage {
        version: Some("1.2.0".into()),
        inputs: vec![
            InputDoc { required: true, description: "what is converted".into(), ..input("file", "file") },
            InputDoc {
                default: JsonText("3".into()),
                min: Some(1.0),
                max: Some(10.0),
                arrives: "--pages".into(),
                ..input("pages", "integer")
            },
            InputDoc {
                words: vec!["fast".into(), ESCAPE.into()],
                arrives: "$MODE".into(),
                ..input("mode", "enum")
            },
            InputDoc { pattern: Some("[a-z]{2}".into()), min: Some(2.0), ..input("lang", "string") },
        ],
        stdin_json: true,
        outputs: vec![ScriptOutputDoc {
            name: "title".into(),
            kind: "string".into(),
            words: vec![],
            required: true,
            description: "its title".into(),
        }],
        tags: vec!["pdf".into()],
        specialists: vec!["writer".into()],
        registry: "/r/registry.json".into(),
        file: Some("/r/scripts/convert.sh".into()),
        program: Some("/usr/bin/bash".into()),
        permissions: vec!["read_file".into(), "network".into()],
        enforced_here: failed(Category::Execution).enforced,
        ..plain.clone()
    };
    full.times.silence_seconds = Some(90.0);
    full.limits.max_slots = Some(2);
    full.limits.group = Some("db".into());
    full.limits.group_slots = Some(4);
    full.limits.max_memory_bytes = Some(512 << 20);
    full.retry.idempotent = true;
    let problem =
        ProblemDoc { says: "it needs jq, which was not found".into(), todo: Some("install jq".into()) };
    let broken = ScriptPage { healthy: false, problems: vec![problem], ..plain };
    let shown = screens(|look| [&full, &broken].map(|page| script::draw(page, look)).join("\n== \n"));
    assert!(!shown.contains('\x1b'), "what a registry says reached the terminal as it is");
    insta::assert_snapshot!(shown);
}

#[test]
fn groups_screen() {
    let group = |kind: &str, name: &str, limit, used| GroupDoc {
        kind: kind.into(),
        name: name.into(),
        limit,
        used,
        running: used.into(),
        queued: 2,
    };
    let doc = GroupsDoc {
        version: VERSION,
        groups: vec![group("all", "", Some(4), 4), group("session", "web\x1b", None, 1)],
        open: false,
        closed_because: Some("a drain".into()),
    };
    insta::assert_snapshot!(screens(|look| groups(&doc, look)));
}
