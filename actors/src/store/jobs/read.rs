//! Rows of jobs into words again.

use std::collections::{BTreeMap, HashSet};
use std::str::FromStr;
use std::sync::LazyLock;
use std::time::Duration;

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};
use tsup_core::clock::Wall;
use tsup_core::ids::JobId;
use tsup_core::limits;
use tsup_core::tes::job::{Edge, JobState, Priority};
use tsup_core::tes::kept::{AttemptRow, Filter, JobRow, Listed, Live, NewJob};
use tsup_core::tes::select::{Picked, Selected, Selection};
use tsup_core::tes::show;
use tsup_core::wire::frame;

use super::LoadedJobs;

/// A text that is none of the words it can be.
fn not_a_word(what: &str, text: &str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, Type::Text, format!("`{text}` is no {what}").into())
}

fn parsed<T: FromStr>(what: &str, text: &str) -> rusqlite::Result<T> {
    text.parse().map_err(|_| not_a_word(what, text))
}

/// An id as it stands in a column.
pub(in super::super) fn id_of(text: &str) -> rusqlite::Result<JobId> {
    parsed("job's id", text)
}

/// The columns of a job, in the order of [`new_job`].
const JOB: &str = "seq, id, script, priority, session, agent, specialist, user, correlation_id, key, print, \
                   job_group, slots, max_attempts, timeout_ms, submitted_ms, not_before_ms, start_by_ms, held, inputs, \
                   state, attempt, again_ms, finished_ms, failure, outputs";

/// [`JOB`] as it stands in a list: large inputs and outputs are not even read. An empty text stands for them.
static LISTED: LazyLock<String> = LazyLock::new(|| {
    let short = |column: &str| {
        let most = limits::LISTED_VALUES_BYTES;
        format!("CASE WHEN octet_length({column}) > {most} THEN '' ELSE {column} END")
    };
    JOB.replace(" inputs,", &format!(" {},", short("inputs")))
        .replace(" outputs", &format!(" {}", short("outputs")))
});
/// Behind the columns of a job: the bytes of its inputs and of its outputs.
const BYTES: &str = "octet_length(inputs), coalesce(octet_length(outputs), 0)";

fn wall(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Wall>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Wall::from_unix_ms))
}

/// A text in a column, without a copy.
fn text<'r>(row: &'r Row<'_>, column: usize) -> rusqlite::Result<&'r str> {
    Ok(row.get_ref(column)?.as_str()?)
}

fn shared(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<std::sync::Arc<str>>> {
    Ok(row.get_ref(column)?.as_str_or_null()?.map(Into::into))
}

/// The job of a row of [`JOB`], without those that it waits for.
fn new_job(row: &Row<'_>) -> rusqlite::Result<NewJob> {
    Ok(NewJob {
        seq: row.get::<_, i64>(0)?.cast_unsigned(),
        id: id_of(text(row, 1)?)?,
        script: text(row, 2)?.into(),
        priority: parsed::<Priority>("priority", text(row, 3)?)?,
        session: text(row, 4)?.into(),
        agent: row.get_ref(5)?.as_str_or_null()?.map(|a| parsed("agent's id", a)).transpose()?,
        specialist: shared(row, 6)?,
        user: row.get(7)?,
        correlation_id: row.get(8)?,
        key: row.get(9)?,
        print: row.get::<_, i64>(10)?.cast_unsigned(),
        group: shared(row, 11)?,
        slots: row.get(12)?,
        max_attempts: row.get(13)?,
        timeout: row
            .get::<_, Option<i64>>(14)?
            .map(|ms| Duration::from_millis(u64::try_from(ms).unwrap_or(0))),
        submitted_at: Wall::from_unix_ms(row.get(15)?),
        not_before: wall(row, 16)?,
        start_by: wall(row, 17)?,
        held: row.get(18)?,
        after: Vec::new(),
        inputs: row.get(19)?,
    })
}

fn parents(c: &Connection, seq: i64) -> rusqlite::Result<Vec<(JobId, Edge, Option<JobState>)>> {
    c.prepare_cached("SELECT parent, edge, ended FROM parents WHERE seq = ?1 ORDER BY place")?
        .query_and_then([seq], |row| {
            let ended = row.get_ref(2)?.as_str_or_null()?.map(|s| parsed("job's state", s)).transpose()?;
            Ok((id_of(text(row, 0)?)?, parsed("end to wait for", text(row, 1)?)?, ended))
        })?
        .collect()
}

/// The attempt of job `j` that has no end.
const UNDER_WAY: &str = "WHERE a.seq = j.seq AND a.attempt = j.attempt AND a.ended_ms IS NULL";

/// Everything that the queue begins with.
pub(in super::super) fn load(c: &Connection) -> rusqlite::Result<LoadedJobs> {
    let mut loaded = LoadedJobs { last_seq: last_seq(c)?, counts: counts(c)?, ..LoadedJobs::default() };
    let mut rows = c.prepare(&format!(
        "SELECT {JOB}, (SELECT boot_id FROM attempts a {UNDER_WAY}), (SELECT slot FROM attempts a {UNDER_WAY}) \
         FROM jobs j INDEXED BY jobs_live WHERE finished_ms IS NULL ORDER BY seq"
    ))?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        match live(c, row) {
            Ok(job) => loaded.live.push(job),
            Err(rusqlite::Error::FromSqlConversionFailure(_, _, e)) => {
                tracing::error!(error = %e, "a job in the database cannot be read, and is left there");
                loaded.unreadable += 1;
            }
            Err(e) => return Err(e),
        }
    }
    let mut schedules = c.prepare("SELECT name, until_ms FROM schedules")?;
    let schedules = schedules.query_map([], |row| Ok((row.get(0)?, Wall::from_unix_ms(row.get(1)?))))?;
    loaded.schedules = schedules.collect::<rusqlite::Result<_>>()?;
    Ok(loaded)
}

fn live(c: &Connection, row: &Row<'_>) -> rusqlite::Result<Live> {
    let mut job = new_job(row)?;
    let parents = parents(c, row.get(0)?)?;
    job.after = parents.iter().map(|(id, edge, _)| (*id, *edge)).collect();
    Ok(Live {
        job,
        attempt: row.get(21)?,
        starting_in: row.get(26)?,
        slot: row.get(27)?,
        again_at: wall(row, 22)?,
        parents,
    })
}

/// The largest number ever given: that of a job that is kept, or of one that was forgotten.
fn last_seq(c: &Connection) -> rusqlite::Result<u64> {
    let kept: Option<i64> = c.query_row("SELECT max(seq) FROM jobs", [], |row| row.get(0))?;
    let forgotten: Option<i64> = c
        .query_row("SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'last_seq'", [], |row| row.get(0))
        .optional()?;
    Ok(kept.max(forgotten).unwrap_or(0).cast_unsigned())
}

/// How many ended how: a walk over the index of ended jobs, some 20 bytes for each.
fn counts(c: &Connection) -> rusqlite::Result<BTreeMap<JobState, u64>> {
    c.prepare(
        "SELECT state, count(*) FROM jobs INDEXED BY jobs_ended WHERE finished_ms IS NOT NULL GROUP BY state",
    )?
    .query_and_then([], |row| {
        Ok((parsed("job's state", text(row, 0)?)?, row.get::<_, i64>(1)?.cast_unsigned()))
    })?
    .collect()
}

/// Ids by the first of their digits.
pub(in super::super) fn find(c: &Connection, prefix: &str, limit: usize) -> rusqlite::Result<Vec<JobId>> {
    let digits = prefix.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if !digits {
        return Ok(Vec::new());
    }
    // `g` is behind every digit that may follow.
    c.prepare_cached("SELECT id FROM jobs WHERE id >= ?1 AND id < ?1 || 'g' ORDER BY id LIMIT ?2")?
        .query_and_then(params![prefix, limit_of(limit)], |row| id_of(text(row, 0)?))?
        .collect()
}

/// The job with the last of the keys that begin so.
pub(in super::super) fn last_of_key(c: &Connection, prefix: &str) -> rusqlite::Result<Option<JobId>> {
    c.prepare_cached(
        "SELECT id FROM jobs INDEXED BY jobs_key WHERE key IS NOT NULL AND key >= ?1 \
         AND key < ?1 || char(0x10ffff) ORDER BY key DESC LIMIT 1",
    )?
    .query_and_then([prefix], |row| id_of(text(row, 0)?))?
    .next()
    .transpose()
}

fn limit_of(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// Everything about the first of these jobs, as many as are read at a time.
pub(in super::super) fn rows(c: &Connection, ids: &[JobId]) -> rusqlite::Result<Vec<Option<JobRow>>> {
    let mut left = limits::ROWS_READ_BYTES;
    let mut rows = Vec::new();
    for id in ids {
        let row = job(c, *id)?;
        let bytes = row.as_ref().map_or(0, |row| row.bytes.0 + row.bytes.1);
        rows.push(row);
        if bytes >= left {
            break;
        }
        left -= bytes;
    }
    Ok(rows)
}

/// Which of these jobs are not there.
pub(in super::super) fn missing(c: &Connection, mut ids: Vec<JobId>) -> rusqlite::Result<Vec<JobId>> {
    let mut there = c.prepare_cached("SELECT 1 FROM jobs WHERE id = ?1")?;
    let mut found = HashSet::new();
    for id in &ids {
        if there.exists([id.to_string()])? {
            found.insert(*id);
        }
    }
    ids.retain(|id| !found.contains(id));
    Ok(ids)
}

/// Everything about one job.
pub(in super::super) fn job(c: &Connection, id: JobId) -> rusqlite::Result<Option<JobRow>> {
    let mut statement = c.prepare_cached(&format!("SELECT {JOB}, {BYTES} FROM jobs WHERE id = ?1"))?;
    let mut rows = statement.query([id.to_string()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    job_row(c, row, false).map(Some)
}

/// The inputs of one job.
pub(in super::super) fn inputs(c: &Connection, id: JobId) -> rusqlite::Result<Option<String>> {
    c.prepare_cached("SELECT inputs FROM jobs WHERE id = ?1")?
        .query_row([id.to_string()], |row| row.get(0))
        .optional()
}

fn job_row(c: &Connection, row: &Row<'_>, last_only: bool) -> rusqlite::Result<JobRow> {
    let seq: i64 = row.get(0)?;
    let mut job = new_job(row)?;
    job.after = parents(c, seq)?.into_iter().map(|(id, edge, _)| (id, edge)).collect();
    let mut attempts = c
        .prepare_cached(
            "SELECT attempt, starting_ms, ended_ms, record, failure, retry FROM attempts WHERE seq = ?1 \
             ORDER BY attempt DESC LIMIT ?2",
        )?
        .query_and_then(params![seq, if last_only { 1 } else { -1 }], attempt_row)?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    attempts.reverse();
    Ok(JobRow {
        job,
        state: parsed("job's state", text(row, 20)?)?,
        finished_at: wall(row, 23)?,
        again_at: wall(row, 22)?,
        failure: json(row, 24)?,
        outputs: row.get(25)?,
        bytes: (row.get::<_, i64>(26)?.cast_unsigned(), row.get::<_, i64>(27)?.cast_unsigned()),
        attempts,
    })
}

fn attempt_row(row: &Row<'_>) -> rusqlite::Result<AttemptRow> {
    Ok(AttemptRow {
        attempt: row.get(0)?,
        starting_at: Wall::from_unix_ms(row.get(1)?),
        ended_at: wall(row, 2)?,
        record: json(row, 3)?,
        failure: json(row, 4)?,
        retry: json(row, 5)?,
    })
}

/// What a column holds as JSON. What this build does not understand reads as nothing: it is for people.
fn json<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<T>> {
    let text = row.get_ref(column)?.as_str_or_null()?;
    Ok(text.and_then(|t| serde_json::from_str(t).ok()))
}

/// Jobs by state and script, the youngest first. Each part of the question has an index in the order of the
/// numbers, so that no more rows are read than are asked for; jobs that live are few, and are filtered.
pub(in super::super) fn jobs(c: &Connection, filter: &Filter) -> rusqlite::Result<Listed> {
    let wanted = |state: JobState| filter.states.is_empty() || filter.states.contains(&state);
    // One more tells whether there are more.
    let limit = limit_of(filter.limit.saturating_add(1));
    let (mut found, mut cut) = (Vec::new(), 0);
    let mut take = |sql: &str, values: &[&dyn rusqlite::ToSql]| -> rusqlite::Result<()> {
        let sql = format!("SELECT {}, {BYTES} FROM jobs {sql} ORDER BY seq DESC LIMIT ?1", *LISTED);
        let mut statement = c.prepare_cached(&sql)?;
        let mut rows = statement.query(values)?;
        let mut bytes = 0;
        while let Some(row) = rows.next()? {
            let row = job_row(c, row, true)?;
            bytes += frame::size(&show::doc(row.clone(), None));
            if bytes > limits::LISTED_BYTES_MAX {
                // Older ones would stand behind a gap.
                cut = cut.max(row.job.seq);
                break;
            }
            found.push(row);
        }
        Ok(())
    };
    if filter.states.is_empty() && filter.script.is_none() {
        take("", &[&limit])?;
        return Ok(listed(found, cut, filter.limit));
    }
    for state in [JobState::Queued, JobState::Running].into_iter().filter(|s| wanted(*s)) {
        let sql =
            "INDEXED BY jobs_live WHERE finished_ms IS NULL AND state = ?2 AND (?3 IS NULL OR script = ?3)";
        take(sql, &[&limit, &state.as_str(), &filter.script])?;
    }
    for state in JobState::ALL.into_iter().filter(|s| s.is_final() && wanted(*s)) {
        match &filter.script {
            None => {
                let sql = "INDEXED BY jobs_ended WHERE finished_ms IS NOT NULL AND state = ?2";
                take(sql, &[&limit, &state.as_str()])?;
            }
            Some(script) => {
                let sql = "INDEXED BY jobs_ended_script WHERE finished_ms IS NOT NULL AND state = ?2 AND script = ?3";
                take(sql, &[&limit, &state.as_str(), script])?;
            }
        }
    }
    Ok(listed(found, cut, filter.limit))
}

/// The youngest of what was found, without a gap: one at `cut` did not fit.
fn listed(mut rows: Vec<JobRow>, cut: u64, limit: usize) -> Listed {
    rows.sort_by_key(|row| std::cmp::Reverse(row.job.seq));
    rows.retain(|row| row.job.seq > cut);
    let more = cut > 0 || rows.len() > limit;
    rows.truncate(limit);
    Listed { rows, more }
}

/// Jobs that have ended, the oldest first. Each state has an index in the order of the numbers.
pub(in super::super) fn select(c: &Connection, which: &Selection) -> rusqlite::Result<Selected> {
    let behind = which.behind.map_or(0, u64::cast_signed);
    // One more tells whether there are more.
    let limit = limit_of(limits::SELECTED_MAX + 1);
    let mut found = Vec::new();
    for state in JobState::ALL.into_iter().filter(|s| s.is_final() && which.states.contains(s)) {
        let index = if which.script.is_some() { "jobs_ended_script" } else { "jobs_ended" };
        let script = if which.script.is_some() { "script = ?4" } else { "?4 IS NULL" };
        let mut statement = c.prepare_cached(&format!(
            "SELECT seq, id, script FROM jobs INDEXED BY {index} \
             WHERE finished_ms IS NOT NULL AND state = ?2 AND seq > ?3 AND {script} \
             AND (?5 IS NULL OR session = ?5) AND (?6 IS NULL OR job_group = ?6) ORDER BY seq LIMIT ?1"
        ))?;
        let Selection { script, session, group, .. } = which;
        let mut rows = statement.query(params![limit, state.as_str(), behind, script, session, group])?;
        while let Some(row) = rows.next()? {
            found.push(Picked {
                seq: row.get::<_, i64>(0)?.cast_unsigned(),
                id: id_of(text(row, 1)?)?,
                script: row.get(2)?,
                state,
            });
        }
    }
    Ok(Selected::page(found, false, limits::SELECTED_MAX))
}

/// Finished jobs that may go, those that ended first.
pub(in super::super) fn forgettable(
    c: &Connection,
    before: Wall,
    keep_at_most: u64,
    limit: usize,
) -> rusqlite::Result<Vec<JobId>> {
    let kept: u64 =
        counts(c)?.into_iter().filter(|(state, _)| *state != JobState::Dead).map(|(_, n)| n).sum();
    let too_many = usize::try_from(kept.saturating_sub(keep_at_most)).unwrap_or(usize::MAX);
    c.prepare_cached(
        "SELECT id, finished_ms FROM jobs INDEXED BY jobs_ended_at \
         WHERE finished_ms IS NOT NULL AND state <> 'dead' ORDER BY finished_ms, seq LIMIT ?1",
    )?
    .query_and_then([limit_of(limit)], |row| Ok((id_of(text(row, 0)?)?, Wall::from_unix_ms(row.get(1)?))))?
    .enumerate()
    .take_while(|(n, found)| *n < too_many || found.as_ref().map_or(true, |(_, finished)| *finished < before))
    .map(|(_, found)| found.map(|(id, _)| id))
    .collect()
}
