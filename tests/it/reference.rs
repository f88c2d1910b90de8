//! `docs/reference/documents.md` against the code: each document's fields, and which of them may be `null`.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tsup_core::clock::Wall;
use tsup_core::event::{AgentRef, AlertState, Event, Stamped};
use tsup_core::fleet::state::AgentState;
use tsup_core::ids::{ActorPath, AgentId, JobId, PaneId, ProcId, SocketName};
use tsup_core::tes::failure::Category;
use tsup_core::tes::job::{JobState, Priority};

const PAGE: &str = include_str!("../../docs/reference/documents.md");

/// A section, the file with its type, the type, and fields that come from elsewhere: parts that serde spreads.
const DOCUMENTS: [(&str, &str, &str, &str); 57] = [
    ("STATUS", "actors/core/src/wire/doc.rs", "StatusDoc", ""),
    ("STANDING", "src/cli/start.rs", "Standing", ""),
    ("DONE", "src/ctl.rs", "DoneDoc", ""),
    ("TREE", "actors/core/src/wire/doc.rs", "TreeDoc", ""),
    ("NODE", "actors/core/src/wire/doc.rs", "Node", ""),
    ("MAILBOX", "actors/core/src/wire/doc.rs", "MailboxDoc", ""),
    ("METRICS", "actors/core/src/wire/doc.rs", "MetricsDoc", ""),
    ("TIMER", "actors/core/src/wire/doc.rs", "TimerDoc", ""),
    ("AGENTS", "actors/core/src/wire/doc.rs", "AgentsDoc", ""),
    ("AGENT", "actors/core/src/wire/doc.rs", "AgentDoc", ""),
    ("SESSIONS", "actors/core/src/wire/doc.rs", "SessionsDoc", ""),
    ("SESSION", "actors/core/src/wire/doc.rs", "SessionDoc", ""),
    ("EXPLAIN", "actors/core/src/wire/doc/explain.rs", "ExplainDoc", "notes missing"),
    ("EVIDENCE", "src/render/detect.rs", "Piece", ""),
    ("CHANGE", "actors/core/src/wire/doc/explain.rs", "ChangeDoc", ""),
    ("RECORD", "actors/core/src/wire/doc.rs", "RecordDoc", ""),
    ("ANSWER", "actors/core/src/wire/doc/jobs.rs", "JobAnswer", ""),
    ("PART", "src/ctl/jobs/many.rs", "PartDoc", ""),
    ("MEANT", "src/ctl/jobs/many.rs", "MeantDoc", ""),
    ("JOBS", "actors/core/src/wire/doc/jobs.rs", "JobsDoc", ""),
    ("JOB", "actors/core/src/wire/doc/jobs.rs", "JobDoc", ""),
    ("AFTER", "actors/core/src/wire/doc/jobs.rs", "AfterDoc", ""),
    ("ERROR", "actors/core/src/wire/doc/jobs.rs", "ErrorDoc", ""),
    ("NOT DONE", "src/render/fault.rs", "FaultDoc", ""),
    ("FAULT", "src/render/fault.rs", "Fault", ""),
    ("RETRY", "actors/core/src/tes/failure.rs", "RetryInfo", ""),
    ("RESOURCES", "actors/core/src/wire/doc/jobs.rs", "ResourcesDoc", ""),
    ("ENFORCED", "actors/core/src/tes/attempt.rs", "Enforced", ""),
    ("ATTEMPT", "actors/core/src/wire/doc/jobs.rs", "AttemptDoc", ""),
    ("REFUSED", "actors/core/src/wire/doc/jobs.rs", "RefusedDoc", ""),
    ("OUTPUT", "actors/core/src/wire/doc/jobs.rs", "OutputDoc", ""),
    ("SCRIPTS", "actors/core/src/wire/doc/jobs.rs", "ScriptsDoc", ""),
    ("SCRIPT", "actors/core/src/wire/doc/jobs.rs", "ScriptDoc", ""),
    ("SCRIPT ANSWER", "actors/core/src/wire/doc/scripts.rs", "ScriptAnswer", ""),
    ("SCRIPT PAGE", "actors/core/src/wire/doc/scripts.rs", "ScriptPage", ""),
    ("INPUT", "actors/core/src/wire/doc/scripts.rs", "InputDoc", ""),
    ("SCRIPT OUTPUT", "actors/core/src/wire/doc/scripts.rs", "ScriptOutputDoc", ""),
    ("TIMES", "actors/core/src/wire/doc/scripts.rs", "TimesDoc", ""),
    ("RETRY POLICY", "actors/core/src/wire/doc/scripts.rs", "RetryPolicyDoc", ""),
    ("SCRIPT LIMITS", "actors/core/src/wire/doc/scripts.rs", "ScriptLimitsDoc", ""),
    ("PROBLEM", "actors/core/src/wire/doc/scripts.rs", "ProblemDoc", ""),
    ("GROUPS", "actors/core/src/wire/doc/jobs.rs", "GroupsDoc", ""),
    ("GROUP", "actors/core/src/wire/doc/jobs.rs", "GroupDoc", ""),
    ("SCHEDULES", "actors/core/src/wire/doc/schedules.rs", "SchedulesDoc", ""),
    ("SCHEDULE", "actors/core/src/wire/doc/schedules.rs", "ScheduleDoc", ""),
    ("DOCTOR", "src/cli/doctor.rs", "Report", ""),
    ("FINDING", "src/cli/doctor.rs", "Finding", ""),
    ("DEMO", "src/cli/demo.rs", "Summary", ""),
    ("DETECT", "src/render/detect.rs", "Answer", ""),
    ("REPLAY", "src/cli/replay.rs", "ReplayDoc", ""),
    ("DIFFERENCE", "src/cli/replay.rs", "DifferenceDoc", ""),
    ("VERDICT", "actors/core/src/fleet/record.rs", "Taken", ""),
    ("LISTEN LINE", "src/cli/listen.rs", "LineDoc", ""),
    ("LISTEN SUMMARY", "actors/core/src/telemetry/line.rs", "Received", "version"),
    ("HOOKS CHANGE", "src/cli/hooks.rs", "ChangeDoc", ""),
    ("HOOKS SHOW", "src/cli/hooks.rs", "ShowDoc", ""),
    ("HOOK FILE", "src/cli/hooks.rs", "Row", ""),
];

/// A section's rows: a name and its type. The last table of a section is that of its fields.
fn section(name: &str) -> Vec<(&'static str, &'static str)> {
    let text = PAGE.split(&format!("\n### {name}\n")).nth(1).unwrap_or_else(|| panic!("no section {name}"));
    let text = text.split("\n#").next().unwrap();
    let table = text.rsplit("| field | type | meaning |").next().unwrap();
    let row = |line: &'static str| {
        let mut cells = line.strip_prefix("| `")?.split(" | ");
        Some((cells.next()?.trim_end_matches('`'), cells.next()?))
    };
    table.lines().filter_map(row).collect()
}

/// Whether an object has exactly the fields that the page gives a document of that name.
#[track_caller]
pub(crate) fn is(value: &Value, name: &str) {
    let object = value.as_object().unwrap();
    let mut keys: Vec<&str> = object.keys().map(String::as_str).collect();
    let rows = section(name);
    let mut named: Vec<&str> = rows.iter().map(|row| row.0).collect();
    keys.sort_unstable();
    named.sort_unstable();
    assert_eq!(keys, named, "{name}: {value:#}");
    for (field, kind) in rows {
        assert!(!object[field].is_null() || kind.contains("null"), "{name}.{field} is null: {value:#}");
    }
}

fn source(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

/// The fields of a type that serde writes, and whether each may be `null`.
fn fields(file: &str, name: &str) -> Vec<(String, bool)> {
    let text = source(file);
    let starts = |line: &str| {
        line.split_once("struct ")
            .is_some_and(|(_, rest)| rest.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '<'])))
    };
    let body = text.lines().skip_while(|line| !starts(line)).skip(1).take_while(|line| *line != "}");
    let (mut found, mut skipped, mut nullable) = (Vec::new(), false, false);
    for line in body.map(str::trim) {
        if line.starts_with("#[") {
            assert!(!line.contains("rename"), "{file}: {name}: a name of its own is read by nobody here");
            skipped |= line.contains("skip") || line.contains("flatten");
            nullable |= line.contains("null_when_empty");
        } else if let Some((field, kind)) = line.split_once(": ").filter(|_| !line.starts_with("//")) {
            if !skipped {
                let nullable = nullable || kind.starts_with("Option<") || kind.starts_with("JsonText");
                found.push((field.rsplit(' ').next().unwrap().to_owned(), nullable));
            }
            (skipped, nullable) = (false, false);
        }
    }
    assert!(!found.is_empty(), "{file} has no {name}");
    found
}

#[test]
fn the_page_names_every_field_and_what_may_be_null() {
    for (name, file, kind, more) in DOCUMENTS {
        let mut wanted: Vec<(String, bool)> = fields(file, kind);
        wanted.extend(more.split_whitespace().map(|field| (field.to_owned(), false)));
        let mut told: Vec<(String, bool)> = section(name)
            .into_iter()
            .map(|(field, kind)| (field.to_owned(), kind.contains("null")))
            .collect();
        wanted.sort();
        told.sort();
        assert_eq!(told, wanted, "the page, and {kind} in {file}: is {name} told as it is?");
    }
    let row = |name: &str, field: &str| {
        let text = PAGE.split(&format!("\n### {name}\n")).nth(1).unwrap();
        text.lines().find(|line| line.starts_with(&format!("| `{field}` |"))).unwrap().to_owned()
    };
    let (states, priorities, categories) =
        (row("JOB", "state"), row("JOB", "priority"), row("ERROR", "category"));
    let states = JobState::ALL.map(|state| (&states, state.as_str()));
    let priorities = Priority::ALL.map(|priority| (&priorities, priority.as_str()));
    let categories = Category::ALL.map(|category| (&categories, category.as_str()));
    for (row, word) in states.into_iter().chain(priorities).chain(categories) {
        assert!(row.contains(&format!("`{word}`")), "{word}: {row}");
    }
    // The same things by another type.
    let names = |file, name| fields(file, name).into_iter().map(|field| field.0).collect::<Vec<_>>();
    let explain = "actors/core/src/wire/doc/explain.rs";
    // Whoever reads a job's error can read any other one.
    let (job, any) =
        (names("actors/core/src/wire/doc/jobs.rs", "ErrorDoc"), names("src/render/fault.rs", "Fault"));
    assert_eq!(any[..job.len()], job);
    assert_eq!(names(explain, "EvidenceDoc"), names("src/render/detect.rs", "Piece"));
}

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_document_is_on_the_page() {
    // `status` without a supervisor, and what stands around documents that have a section.
    const TOLD: [&str; 3] = ["NotRunning", "SummaryDoc", "ExplainedJson"];
    let mut files = Vec::new();
    for dir in ["src", "actors/core/src/wire"] {
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join(dir), &mut files);
    }
    let mut seen = 0;
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        for piece in text.split("#[derive(").skip(1) {
            let derived = piece.split(")]").next().unwrap();
            let body = piece.split("\n}").next().unwrap();
            let name =
                body.split_once("struct ").map(|(_, rest)| rest.split([' ', '<', '(', ';']).next().unwrap());
            let Some(name) = name.filter(|_| derived.contains("Serialize")) else { continue };
            if body.lines().any(|line| line.trim().trim_start_matches("pub ") == "version: u32,") {
                let listed = DOCUMENTS.iter().any(|(_, _, kind, _)| *kind == name);
                assert!(listed || TOLD.contains(&name), "{name} in {} is no section", file.display());
                seen += 1;
            }
        }
    }
    assert!(seen >= 20, "only {seen} documents were found");
}

fn agent() -> AgentRef {
    let process = ProcId { pid: 1, start_ticks: 2 };
    let id = AgentId::found(&SocketName("s".into()), process, PaneId(1), process);
    AgentRef { id, session: "web".into(), name: "dev".into(), pane: String::new(), pid: None }
}

/// One event of each kind.
fn events() -> Vec<Event> {
    let socket = || SocketName("s".into());
    let path = || ActorPath::root();
    let reason = || "because".to_owned();
    vec![
        Event::AgentFound(agent()),
        Event::AgentState {
            agent: agent(),
            from: AgentState::Idle,
            to: AgentState::Busy,
            detail: None,
            because: reason(),
        },
        Event::AgentDied { agent: agent(), exit_code: None, signal: None },
        Event::AgentRelaunched { agent: agent(), relaunches: 1 },
        Event::AgentGone(agent()),
        Event::SessionFound { session: "web".into(), socket: socket() },
        Event::SessionGone { session: "web".into(), socket: socket() },
        Event::ActorRestarted { path: path(), reason: reason(), restarts: 1 },
        Event::ActorQuarantined { path: path(), reason: reason(), restarts: 1 },
        Event::TmuxLost { socket: socket() },
        Event::TmuxBack { socket: socket() },
        Event::Ready,
        Event::Draining,
        Event::Lagged { missed: 1 },
        Event::Alert { alert: reason(), kind: reason(), state: AlertState::Firing, because: reason() },
        Event::JobState {
            job: JobId::drawn(1),
            script: "t/ok".into(),
            from: None,
            to: JobState::Queued,
            attempt: 0,
        },
        Event::JobForgotten { job: JobId::drawn(1), because: reason() },
    ]
}

#[test]
fn the_page_names_every_field_of_every_event() {
    let told = section("EVENT");
    let kinds: Vec<&str> = events().iter().map(Event::kind).collect();
    assert_eq!(kinds, Event::KINDS);
    for (seq, event) in (1..).zip(events()) {
        let shown = Stamped { at: Wall::from_unix_ms(0), seq, event }.to_json();
        let kind = shown["kind"].as_str().unwrap();
        let row = PAGE.lines().find(|line| line.starts_with(&format!("| `{kind}` | ")));
        let row = row.unwrap_or_else(|| panic!("{kind} is not on the page"));
        let mut named: Vec<&str> =
            row.split('`').skip(1).step_by(2).skip(1).chain(["at", "seq", "kind"]).collect();
        let object = shown.as_object().unwrap();
        let mut keys: Vec<&str> = object.keys().map(String::as_str).collect();
        named.sort_unstable();
        keys.sort_unstable();
        assert_eq!(keys, named, "{kind}");
        for (field, value) in object {
            let (_, is) =
                told.iter().find(|row| row.0 == field).unwrap_or_else(|| panic!("{field} is not told"));
            assert!(!value.is_null() || is.contains("null"), "{kind}: {field} may be null");
        }
    }
}
