//! One job on a page: why it failed first, then what it was given, gave and used.

use std::fmt::Write as _;

use anstyle::AnsiColor;
use serde_json::Value;
use tsup_core::clock::Wall;
use tsup_core::tes::attempt::Enforced;
use tsup_core::tes::failure::RetryInfo;
use tsup_core::tes::job::{Edge, JobState};
use tsup_core::untrusted::Untrusted;
use tsup_core::wire::doc::jobs::{AttemptDoc, ErrorDoc, JobDoc, JsonText, ResourcesDoc};

use super::super::fold::fold;
use super::{Here, Look, state_style, waits, words};

/// Columns of a line's name.
pub(super) const NAME: usize = 12;
/// Lines of a stack trace that are shown; `--json` has all that is kept.
const TRACE_LINES: usize = 30;
/// Characters of an input or output that are shown.
const VALUE_CHARS: usize = 200;

/// A fact that is shorter may stand in a message by chance.
const FACT_BYTES: usize = 8;

/// Draws a job.
pub fn draw(job: &JobDoc, here: &Here, look: Look) -> String {
    let mut out = String::new();
    let state = look.paint(state_style(job.state).bold(), job.state.as_str());
    let _ = writeln!(out, "{state}  {}  {}", Untrusted::new(job.script.as_str()), job.id);
    if let Some(waits) = waits(job, here) {
        let _ = writeln!(out, "{waits}");
    }
    if let Some(error) = job.error.as_ref().filter(|_| job.state != JobState::Succeeded) {
        out.push('\n');
        out.push_str(&failure(error, look));
    }
    out.push('\n');
    about(job, here.now, &mut out);
    values("inputs", Some(&job.inputs), &mut out);
    values("outputs", job.outputs.as_ref(), &mut out);
    used(job, &mut out);
    attempts(job, &mut out);
    fold(&out, look.width, NAME + 1)
}

/// How a job ended that did not succeed, for whoever saw its output.
pub fn ending(job: &JobDoc) -> String {
    let mut out = format!("tsup: job {} {}\n", job.id, job.state);
    if let Some(error) = &job.error {
        out.push_str(&failure(error, Look { color: false, width: None }));
    }
    out
}

/// A submission that does not fit.
pub fn refusal(error: &ErrorDoc) -> String {
    format!("tsup: {}", failure(error, Look { color: false, width: None }))
}

/// Why, the facts behind it, what can be done, and what will be.
fn failure(error: &ErrorDoc, look: Look) -> String {
    let category = look.paint(AnsiColor::Red.on_default().bold(), error.category.as_str());
    let mut out = format!("{category}: {}\n", error.message);
    let message = error.message.to_string();
    // What the message says already is not said again.
    let is_told = |fact: &str| fact.len() >= FACT_BYTES && message.contains(fact);
    for (name, fact) in error.context.iter().filter(|(_, fact)| !is_told(&fact.to_string())) {
        let _ = writeln!(out, "  {}: {fact}", Untrusted::new(name.as_str()));
    }
    for suggestion in &error.suggestions {
        let _ = writeln!(out, "  hint: {}", Untrusted::new(suggestion.as_str()));
    }
    if let Some(retry) = &error.retry {
        let _ = writeln!(out, "  retry: {}", retry_words(retry));
    }
    if let Some(trace) = &error.stack_trace {
        out.push_str("  trace:\n");
        let lines: Vec<&str> = trace.raw().lines().collect();
        let left_out = lines.len().saturating_sub(TRACE_LINES);
        if left_out > 0 {
            let _ = writeln!(out, "    … {} before", words::count(left_out as u64, "line"));
        }
        for line in &lines[left_out..] {
            let _ = writeln!(out, "    {}", Untrusted::new(*line));
        }
    }
    out
}

fn retry_words(retry: &RetryInfo) -> String {
    let made = format!("{} of {} attempts made", retry.attempts_made, retry.max_attempts);
    let reason = Untrusted::new(retry.retry_reason.as_str());
    match (retry.is_retryable, retry.next_retry_delay_seconds) {
        (true, Some(delay)) => format!("tried again after {}; {reason}; {made}", words::short_seconds(delay)),
        (true, None) => format!("tried again; {reason}; {made}"),
        (false, _) if retry.attempts_made >= retry.max_attempts => format!("not tried again; {reason}"),
        (false, _) => format!("not tried again; {reason}; {made}"),
    }
}

pub(super) fn line(out: &mut String, name: &str, value: &str) {
    let _ = writeln!(out, "{name:<NAME$} {value}");
}

fn about(job: &JobDoc, now: Wall, out: &mut String) {
    line(out, "priority", job.priority.as_str());
    let when = |at: Wall| format!("{at}  ({} ago)", words::ago(at, now));
    line(out, "submitted", &when(job.submitted_at));
    let moments = [("started", job.started_at), ("finished", job.finished_at)];
    for (name, at) in moments {
        if let Some(at) = at {
            line(out, name, &when(at));
        }
    }
    if let Some(at) = job.next_attempt_at.filter(|_| !job.state.is_final()) {
        line(out, "next", &format!("{at}  (in {})", words::duration(at.since(now))));
    }
    line(out, "attempt", &format!("{} of {}", job.attempt, job.max_attempts));
    if let Some(code) = job.exit_code {
        line(out, "exit code", &code.to_string());
    }
    if let Some(signal) = job.signal {
        line(out, "signal", &signal.to_string());
    }
    let agent = job.agent.as_ref().map(ToString::to_string);
    for (name, value) in [
        ("session", job.session.as_ref().map(ToString::to_string)),
        ("agent", agent),
        ("specialist", job.specialist.as_ref().map(ToString::to_string)),
        ("user", job.user.as_ref().map(ToString::to_string)),
        ("correlation", job.correlation_id.as_ref().map(ToString::to_string)),
        ("key", job.key.as_ref().map(ToString::to_string)),
        ("group", job.group.as_ref().map(ToString::to_string)),
    ] {
        if let Some(value) = value {
            line(out, name, &value);
        }
    }
    if job.slots > 1 {
        line(out, "slots", &job.slots.to_string());
    }
    for after in &job.after {
        let end = match after.on {
            Edge::Success => "succeeds",
            Edge::Failure => "does not succeed",
            Edge::End => "ends",
        };
        line(out, "after", &format!("{} {end}", after.job));
    }
}

/// Named values, one a line.
fn values(title: &str, json: Option<&JsonText>, out: &mut String) {
    let Some(Ok(Value::Object(map))) = json.map(|json| serde_json::from_str(&json.0)) else { return };
    if map.is_empty() {
        return;
    }
    let _ = writeln!(out, "{title}");
    let width = map.keys().map(|name| name.chars().count()).max().unwrap_or(0).min(NAME * 2);
    for (name, value) in &map {
        let text = match value {
            Value::String(text) => Untrusted::new(text.as_str()).to_string(),
            other => Untrusted::new(other.to_string()).to_string(),
        };
        let text = match text.char_indices().nth(VALUE_CHARS) {
            Some((at, _)) => format!("{}…", &text[..at]),
            None => text,
        };
        let _ = writeln!(out, "  {:<width$}  {text}", Untrusted::new(name.as_str()).to_string());
    }
}

fn used(job: &JobDoc, out: &mut String) {
    if let Some(used) = &job.resources {
        line(out, "used", &resources(used));
    }
    if let Some(enforced) = &job.enforced {
        let told = self::enforced(enforced);
        if !told.is_empty() {
            line(out, "enforced", &told);
        }
    }
    if job.stdout_bytes + job.stderr_bytes > 0 {
        let (stdout, stderr) = (words::bytes(job.stdout_bytes), words::bytes(job.stderr_bytes));
        let cut = if job.truncated { ", not all of it kept" } else { "" };
        line(
            out,
            "printed",
            &format!("{stdout} on stdout, {stderr} on stderr{cut}: `tsup ctl output {}`", job.id),
        );
    }
}

/// How each was held, in words.
pub(super) fn enforced(how: &Enforced) -> String {
    let parts = [
        ("files", &how.fs),
        ("network", &how.network),
        ("memory", &how.memory),
        ("cpu", &how.cpu),
        ("processes", &how.processes),
        ("sockets", &how.sockets),
    ];
    let told = parts.into_iter().filter(|(_, how)| !how.is_empty());
    let told: Vec<String> =
        told.map(|(what, how)| format!("{what} {}", Untrusted::new(how.as_str()))).collect();
    told.join(", ")
}

fn resources(used: &ResourcesDoc) -> String {
    format!(
        "{:.1} MB at most ({}), {} of CPU, {} in all",
        used.peak_memory_mb,
        Untrusted::new(used.memory_source.as_str()),
        words::short_seconds(used.cpu_time_seconds),
        words::short_seconds(used.wall_time_seconds)
    )
}

/// Attempts before the last one, which the page is about.
fn attempts(job: &JobDoc, out: &mut String) {
    if job.attempts.len() < 2 {
        return;
    }
    let _ = writeln!(out, "attempts");
    for attempt in &job.attempts {
        let _ = writeln!(out, "  {}  {}  {}", attempt.attempt, attempt.starting_at, how(attempt));
    }
}

fn how(attempt: &AttemptDoc) -> String {
    let mut text = match (&attempt.error, attempt.ended_at) {
        (Some(error), _) => format!("{}: {}", error.category, error.message),
        (None, Some(_)) => "succeeded".to_owned(),
        (None, None) => "runs".to_owned(),
    };
    if let Some(ended) = attempt.ended_at {
        let took = words::short_seconds(ended.since(attempt.starting_at).as_secs_f64());
        let _ = write!(text, "  ({took})");
    }
    if attempt.left_behind > 0 {
        let left = words::count(attempt.left_behind.into(), "process");
        let _ = write!(text, "  ({left} left behind)");
    }
    text
}
