//! The entries of the execution log: one for each start, retry and end of a job, as one line of JSON.
//!
//! The line is where secrets are taken out, so that nobody who makes an entry can forget it: what an input or
//! output of a secret's name holds is written as [`MASK`], and nowhere else in the line either.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::Wall;
use crate::ids::JobId;
use crate::tes::attempt::{End, Record};
use crate::tes::failure::{Category, Failure};
use crate::tes::job::JobState;
use crate::tes::kept::{AttemptEnd, NextState};
use crate::untrusted::Untrusted;
use crate::wire::doc::jobs::ResourcesDoc;
use crate::wire::verb::Submit;

pub mod file;
mod secret;

pub use secret::MASK;

/// How much a person should care.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Level {
    /// As it should be.
    #[default]
    Info,
    /// It took too long, is tried again, or somebody called it off.
    Warn,
    /// It did not succeed.
    Error,
}

/// What happened. The words are the contract's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// An attempt began.
    Started,
    /// An attempt failed, and another one follows.
    Retry,
    /// The job has ended.
    #[default]
    Finished,
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Entry {
    /// When.
    pub timestamp: Wall,
    /// How much a person should care.
    pub level: Level,
    /// The job; `None` for a submission that was refused.
    pub job_id: Option<JobId>,
    /// The attempt, from 1; 0 for what ended before its first.
    pub attempt: u32,
    /// The script's id.
    pub script_id: String,
    /// For whom.
    pub specialist: Option<String>,
    /// By whom.
    pub user: Option<String>,
    /// What it was given: a JSON object.
    pub inputs: String,
    /// What it gave: a JSON object.
    pub outputs: Option<String>,
    /// How long the attempt took; `None` when it did not run, or nobody saw its end.
    pub duration_seconds: Option<f64>,
    /// Whether it succeeded; `None` at a start.
    pub success: Option<bool>,
    /// Its own process's exit code.
    pub exit_code: Option<i32>,
    /// Why it did not succeed.
    pub failure: Option<Failure>,
    /// What its processes used together.
    pub resource_usage: Option<ResourcesDoc>,
    /// Attempts before this one.
    pub retry_count: u32,
    /// The session that it was submitted from or for.
    pub session_id: Option<String>,
    /// What ties it to other things.
    pub correlation_id: Option<String>,
    /// What happened.
    pub event: Moment,
}

/// What the processes of an attempt used, as people read it. A MB has 1,048,576 bytes.
pub fn usage(record: &Record) -> ResourcesDoc {
    let mb = |bytes: u64| bytes as f64 / f64::from(1u32 << 20);
    ResourcesDoc {
        start_memory_mb: record.used.start_memory_bytes.map(mb),
        end_memory_mb: record.used.end_memory_bytes.map(mb),
        peak_memory_mb: mb(record.used.peak_memory_bytes),
        cpu_time_seconds: record.used.cpu_seconds,
        wall_time_seconds: record.wall_seconds,
        memory_source: record.used.memory_source.clone(),
    }
}

/// What an entry says of its job.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// Which.
    pub id: JobId,
    /// The script's id.
    pub script: &'a str,
    /// The session that it was submitted from or for; an empty name is none.
    pub session: &'a str,
    /// For whom.
    pub specialist: Option<&'a str>,
    /// By whom.
    pub user: Option<&'a str>,
    /// What ties it to other things.
    pub correlation_id: Option<&'a str>,
    /// What it was given: a JSON object.
    pub inputs: &'a str,
}

impl Entry {
    fn about(job: &About<'_>, attempt: u32, at: Wall) -> Entry {
        Entry {
            timestamp: at,
            job_id: Some(job.id),
            attempt,
            script_id: job.script.to_owned(),
            specialist: job.specialist.map(str::to_owned),
            user: job.user.map(str::to_owned),
            inputs: job.inputs.to_owned(),
            retry_count: attempt.saturating_sub(1),
            session_id: Some(job.session.to_owned()).filter(|s| !s.is_empty()),
            correlation_id: job.correlation_id.map(str::to_owned),
            ..Entry::default()
        }
    }

    /// An attempt begins.
    pub fn started(job: &About<'_>, attempt: u32, at: Wall) -> Entry {
        Entry { event: Moment::Started, ..Entry::about(job, attempt, at) }
    }

    /// An attempt ended. `None` for one that never began and is made again: nothing happened.
    pub fn ended(job: &About<'_>, end: &AttemptEnd) -> Option<Entry> {
        let (event, success) = match end.next {
            NextState::Final(state) => (Moment::Finished, state == JobState::Succeeded),
            NextState::Again(_) => (Moment::Retry, false),
            NextState::Same(_) => return None,
        };
        let cancelled = end.next == NextState::Final(JobState::Cancelled);
        let record = end.record.as_ref();
        Some(Entry {
            level: level(event, success, cancelled, end.failure.as_ref()),
            outputs: end.outputs.clone(),
            duration_seconds: record.map(|r| r.wall_seconds),
            success: Some(success),
            exit_code: record.and_then(|r| match r.end {
                End::Exited(code) => Some(code),
                End::Signalled(_) | End::NotStarted { .. } => None,
            }),
            failure: end.failure.clone(),
            resource_usage: record.map(usage),
            event,
            ..Entry::about(job, end.attempt, end.at)
        })
    }

    /// A job ended without an attempt under way: cancelled, expired, or what it waited for ended otherwise.
    /// `attempt` is the last one it had, 0 for none.
    pub fn finished(
        job: &About<'_>,
        attempt: u32,
        state: JobState,
        at: Wall,
        failure: Option<&Failure>,
    ) -> Entry {
        let success = state == JobState::Succeeded;
        Entry {
            level: level(Moment::Finished, success, state == JobState::Cancelled, failure),
            success: Some(success),
            failure: failure.cloned(),
            ..Entry::about(job, attempt, at)
        }
    }

    /// A submission was refused for what was submitted.
    pub fn refused(submit: &Submit, at: Wall, failure: &Failure) -> Entry {
        Entry {
            timestamp: at,
            level: level(Moment::Finished, false, false, Some(failure)),
            script_id: submit.script.clone(),
            specialist: submit.specialist.clone(),
            user: submit.user.clone(),
            inputs: given(submit),
            success: Some(false),
            failure: Some(failure.clone()),
            session_id: submit.session.clone(),
            correlation_id: submit.correlation_id.clone(),
            ..Entry::default()
        }
    }

    /// About how many bytes the entry takes in memory and as a line.
    pub fn bytes(&self) -> usize {
        size_of::<Entry>() + self.inputs.len() + self.outputs.as_ref().map_or(0, String::len)
    }

    /// The entry as one line with its end.
    pub fn line(&self) -> String {
        let (mut secrets, inputs) = secret::masked(&self.inputs);
        let outputs = self.outputs.as_deref().map(|outputs| {
            let (more, outputs) = secret::masked(outputs);
            secrets.extend(more);
            outputs
        });
        let words = |text: &Untrusted| secret::without(text.raw(), &secrets).into_owned();
        let failure = self.failure.as_ref();
        let line = Line {
            timestamp: self.timestamp,
            level: self.level,
            job_id: self.job_id,
            attempt: self.attempt,
            script_id: &self.script_id,
            specialist: self.specialist.as_deref(),
            user: self.user.as_deref(),
            inputs: &inputs,
            outputs: outputs.as_ref(),
            duration_seconds: self.duration_seconds,
            success: self.success,
            exit_code: self.exit_code,
            error_category: failure.map(|f| f.category),
            error_message: failure.map(|f| words(&f.message)),
            error_details: failure.map(|f| Details {
                context: f.context.iter().map(|(name, fact)| (name.as_str(), words(fact))).collect(),
                suggestions: f.suggestions.iter().map(|s| secret::without(s, &secrets)).collect(),
            }),
            resource_usage: self.resource_usage.as_ref(),
            retry_count: self.retry_count,
            session_id: self.session_id.as_deref(),
            correlation_id: self.correlation_id.as_deref(),
            event: self.event,
        };
        let mut text = serde_json::to_string(&line).expect("an entry has text keys and finite numbers");
        text.push('\n');
        text
    }
}

fn level(event: Moment, success: bool, cancelled: bool, failure: Option<&Failure>) -> Level {
    let late = failure.is_some_and(|f| f.category == Category::Timeout);
    match event {
        _ if success => Level::Info,
        Moment::Started => Level::Info,
        Moment::Retry => Level::Warn,
        Moment::Finished if cancelled || late => Level::Warn,
        Moment::Finished => Level::Error,
    }
}

/// What a submission gave, words and JSON together; what is no object is left out.
fn given(submit: &Submit) -> String {
    let json = submit.input.as_deref().and_then(|text| serde_json::from_str(text).ok());
    let mut inputs = match json {
        Some(Value::Object(map)) => map,
        _ => serde_json::Map::new(),
    };
    inputs.extend(submit.args.iter().map(|(name, word)| (name.clone(), Value::from(word.as_str()))));
    Value::Object(inputs).to_string()
}

/// A line in the order in which people read it.
#[derive(Serialize)]
struct Line<'a> {
    timestamp: Wall,
    level: Level,
    job_id: Option<JobId>,
    attempt: u32,
    script_id: &'a str,
    specialist: Option<&'a str>,
    user: Option<&'a str>,
    inputs: &'a Value,
    outputs: Option<&'a Value>,
    duration_seconds: Option<f64>,
    success: Option<bool>,
    exit_code: Option<i32>,
    error_category: Option<Category>,
    error_message: Option<String>,
    error_details: Option<Details<'a>>,
    resource_usage: Option<&'a ResourcesDoc>,
    retry_count: u32,
    session_id: Option<&'a str>,
    correlation_id: Option<&'a str>,
    event: Moment,
}

#[derive(Serialize)]
struct Details<'a> {
    context: BTreeMap<&'a str, String>,
    suggestions: Vec<Cow<'a, str>>,
}

#[cfg(test)]
mod tests;
