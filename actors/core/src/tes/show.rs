//! Jobs as people are shown them: what is kept of a job, with what the queue knows of it now.

use super::attempt::{End, Record};
use super::job::JobState;
use super::kept::{AttemptRow, JobRow};
use crate::clock::Wall;
use crate::telemetry::record::usage;
use crate::untrusted::Untrusted;
use crate::wire::doc::jobs::{AfterDoc, AttemptDoc, ErrorDoc, JobDoc, JsonText};

/// What the queue knows of a job that has not ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Now {
    /// Where it stands.
    pub state: JobState,
    /// The attempt that runs or ran last.
    pub attempt: u32,
    /// When the attempt that runs was started.
    pub started_at: Option<Wall>,
    /// When its next attempt may start.
    pub next_attempt_at: Option<Wall>,
    /// What it waits for.
    pub waiting_for: Option<String>,
}

/// The document of a job; `now` is `None` for one that has ended.
pub fn doc(row: JobRow, now: Option<Now>) -> JobDoc {
    let JobRow { job, state, finished_at, again_at, failure, outputs, bytes, attempts } = row;
    let last = attempts.last();
    let record = last.and_then(|a| a.record.as_ref());
    let ended_by = |a: &AttemptRow| a.failure.clone().map(|f| ErrorDoc::of(f, a.retry.clone()));
    let error = failure.map(|f| ErrorDoc::of(f, None)).or_else(|| last.and_then(ended_by));
    let word = |text: &str| (!text.is_empty()).then(|| Untrusted::from(text));
    let started = now.as_ref().and_then(|n| n.started_at);
    let (exit_code, signal) = ending(record);
    JobDoc {
        id: job.id,
        script: job.script.to_string(),
        specialist: job.specialist.as_deref().and_then(word),
        user: job.user.as_deref().and_then(word),
        session: word(&job.session),
        agent: job.agent,
        correlation_id: job.correlation_id.as_deref().and_then(word),
        key: job.key.as_deref().and_then(word),
        priority: job.priority,
        group: job.group.as_deref().and_then(word),
        slots: job.slots,
        state: now.as_ref().map_or(state, |n| n.state),
        attempt: now.as_ref().map_or_else(|| last.map_or(0, |a| a.attempt), |n| n.attempt),
        max_attempts: job.max_attempts,
        submitted_at: job.submitted_at,
        started_at: started
            .or_else(|| last.map(|a| a.record.as_ref().map_or(a.starting_at, |r| r.started_at))),
        finished_at: if now.is_some() { None } else { finished_at },
        next_attempt_at: match &now {
            Some(now) => now.next_attempt_at,
            None if state.is_final() => None,
            None => again_at,
        },
        waiting_for: now.and_then(|n| n.waiting_for),
        after: job.after.iter().map(|(job, on)| AfterDoc { job: *job, on: *on }).collect(),
        exit_code,
        signal,
        inputs: JsonText(job.inputs),
        inputs_bytes: bytes.0,
        outputs_bytes: bytes.1,
        outputs: outputs.map(JsonText),
        error: if state == JobState::Succeeded { None } else { error },
        resources: record.map(usage),
        enforced: record.map(|r| r.enforced.clone()),
        stdout_bytes: record.map_or(0, |r| r.stdout_bytes),
        stderr_bytes: record.map_or(0, |r| r.stderr_bytes),
        truncated: record.is_some_and(|r| r.truncated),
        attempts: attempts.iter().map(attempt).collect(),
    }
}

fn attempt(row: &AttemptRow) -> AttemptDoc {
    let (exit_code, signal) = ending(row.record.as_ref());
    AttemptDoc {
        attempt: row.attempt,
        starting_at: row.starting_at,
        ended_at: row.ended_at,
        exit_code,
        signal,
        error: row.failure.clone().map(|f| ErrorDoc::of(f, row.retry.clone())),
        resources: row.record.as_ref().map(usage),
        stdout_bytes: row.record.as_ref().map_or(0, |r| r.stdout_bytes),
        stderr_bytes: row.record.as_ref().map_or(0, |r| r.stderr_bytes),
        truncated: row.record.as_ref().is_some_and(|r| r.truncated),
        left_behind: row.record.as_ref().map_or(0, |r| r.left_behind),
    }
}

fn ending(record: Option<&Record>) -> (Option<i32>, Option<i32>) {
    match record.map(|r| &r.end) {
        Some(End::Exited(code)) => (Some(*code), None),
        Some(End::Signalled(signal)) => (None, Some(*signal)),
        Some(End::NotStarted { .. }) | None => (None, None),
    }
}
