//! Jobs, scripts and groups, as tables; one job as a page in `jobs/page.rs`, one script in `jobs/script.rs`.

use std::time::Duration;

use anstyle::{AnsiColor, Style};
use tsup_core::clock::Wall;
use tsup_core::tes::job::JobState;
use tsup_core::untrusted::Untrusted;
use tsup_core::wire::doc::jobs::{GroupsDoc, JobDoc, ScriptsDoc};

use super::table::{Cell, Column, Table};
use super::words::Here;
use super::{Look, words};

pub mod page;
pub mod script;

/// The colour of a state. The word always stands beside it.
pub fn state_style(state: JobState) -> Style {
    let color = match state {
        JobState::Running => AnsiColor::Cyan,
        JobState::Succeeded => AnsiColor::Green,
        JobState::Failed | JobState::Dead | JobState::Interrupted => AnsiColor::Red,
        JobState::Held | JobState::Blocked => AnsiColor::Yellow,
        JobState::Queued | JobState::Delayed => AnsiColor::Blue,
        JobState::Cancelled => return Style::new().dimmed(),
    };
    color.on_default()
}

const JOBS: [Column; 8] = [
    Column::text("ID", 12, 0),
    Column::text("SCRIPT", 12, 0),
    Column::text("STATE", 9, 0),
    Column::text("PRIORITY", 8, 5),
    Column::number("ATTEMPT", 4),
    Column::number("SUBMITTED", 3),
    Column::number("TOOK", 2),
    Column::text("WAITS FOR, OR WHY", 16, 1),
];

/// Draws a list of jobs.
pub fn list(jobs: &[JobDoc], here: &Here, look: Look) -> String {
    let mut table = Table::new(&JOBS);
    for job in jobs {
        table.row(vec![
            job.id.to_string().into(),
            Untrusted::new(job.script.as_str()).to_string().into(),
            Cell::styled(job.state.as_str(), state_style(job.state)),
            job.priority.as_str().into(),
            format!("{}/{}", job.attempt, job.max_attempts).into(),
            words::ago(job.submitted_at, here.now).into(),
            took(job, here.now).map_or_else(String::new, short).into(),
            why(job, here).into(),
        ]);
    }
    table.draw(look)
}

/// How long the last attempt took, or has taken.
fn took(job: &JobDoc, now: Wall) -> Option<Duration> {
    let end = match job.state {
        JobState::Running => now,
        _ => job.attempts.last().and_then(|a| a.ended_at).or(job.finished_at)?,
    };
    Some(end.since(job.started_at?))
}

fn short(took: Duration) -> String {
    words::short_seconds(took.as_secs_f64())
}

/// What it waits for, else why it did not succeed.
fn why(job: &JobDoc, here: &Here) -> String {
    if let Some(waits) = waits(job, here) {
        return waits.strip_prefix("waits for ").map_or(waits.clone(), str::to_owned);
    }
    match &job.error {
        Some(e) if job.state != JobState::Succeeded => format!("{}: {}", e.category, e.message),
        _ => String::new(),
    }
}

/// What a job waits for, as what it does: `waits for a free slot`, `again at 18:30:05, in 3s`. `None` of one that waits for
/// nothing.
pub fn waits(job: &JobDoc, here: &Here) -> Option<String> {
    if job.state.is_final() {
        return None;
    }
    match job.next_attempt_at.filter(|_| job.state == JobState::Delayed) {
        Some(at) if job.attempt == 0 => Some(format!("not before {}", here.until(at))),
        Some(at) => Some(format!("again at {}", here.until(at))),
        None => job.waiting_for.as_deref().map(|what| format!("waits for {}", Untrusted::new(what))),
    }
}

const SCRIPTS: [Column; 6] = [
    Column::text("SCRIPT", 12, 0),
    Column::text("HEALTH", 6, 0),
    Column::text("VERSION", 5, 4),
    Column::text("SANDBOX", 8, 3),
    Column::text("INPUTS", 10, 2),
    Column::text("DESCRIPTION", 12, 1),
];

/// Draws the scripts, and under them what is wrong.
pub fn scripts(doc: &ScriptsDoc, look: Look) -> String {
    let mut text = if doc.scripts.is_empty() {
        "no scripts; name a registry in `[tes] registries`\n".to_owned()
    } else {
        let mut table = Table::new(&SCRIPTS);
        for script in &doc.scripts {
            let health = if script.healthy {
                Cell::styled("ok", AnsiColor::Green.on_default())
            } else {
                Cell::styled("broken", AnsiColor::Red.on_default())
            };
            let version = script.version.clone().unwrap_or_default();
            table.row(vec![
                Untrusted::new(script.id.as_str()).to_string().into(),
                health,
                Untrusted::new(version).to_string().into(),
                Untrusted::new(script.sandbox.as_str()).to_string().into(),
                Untrusted::new(script.inputs.join(" ")).to_string().into(),
                script.description.to_string().into(),
            ]);
        }
        table.draw(look)
    };
    for script in doc.scripts.iter().filter(|s| !s.healthy) {
        for problem in &script.problems {
            let (id, problem) = (Untrusted::new(script.id.as_str()), Untrusted::new(problem.as_str()));
            text.extend([format!("{id}: {problem}\n")]);
        }
    }
    for problem in &doc.problems {
        text.extend([format!("{}\n", Untrusted::new(problem.as_str()))]);
    }
    text
}

const GROUPS: [Column; 6] = [
    Column::text("KIND", 7, 0),
    Column::text("NAME", 12, 0),
    Column::number("LIMIT", 0),
    Column::number("USED", 0),
    Column::number("RUNNING", 1),
    Column::number("QUEUED", 1),
];

/// Draws who shares which limit.
pub fn groups(doc: &GroupsDoc, look: Look) -> String {
    let mut table = Table::new(&GROUPS);
    for group in &doc.groups {
        let is_full = group.limit.is_some_and(|limit| group.used >= limit && limit > 0);
        let used = group.used.to_string();
        let style = AnsiColor::Yellow.on_default();
        table.row(vec![
            Untrusted::new(group.kind.as_str()).to_string().into(),
            group.name.to_string().into(),
            group.limit.map_or_else(|| "–".to_owned(), |limit| limit.to_string()).into(),
            if is_full { Cell::styled(used, style) } else { used.into() },
            group.running.to_string().into(),
            group.queued.to_string().into(),
        ]);
    }
    let mut text = table.draw(look);
    if !doc.open {
        let why = doc.closed_because.as_deref().unwrap_or("nobody says why");
        // The status says it in the same words.
        let why = why.strip_prefix("no jobs are started: ").unwrap_or(why);
        text.extend([format!("no job is started: {}\n", Untrusted::new(why))]);
    }
    text
}

#[cfg(test)]
pub(crate) mod tests;
