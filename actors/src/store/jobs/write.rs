//! One function for each write of jobs, inside a transaction.

use rusqlite::{Connection, OptionalExtension, params};
use tsup_core::clock::Wall;
use tsup_core::ids::JobId;
use tsup_core::tes::failure::Failure;
use tsup_core::tes::job::JobState;
use tsup_core::tes::kept::{AttemptEnd, NewJob, NextState, Write, Wrote};

use super::super::db::word;

type Outcome = rusqlite::Result<Wrote>;

/// Applies one write.
pub(in super::super) fn apply(c: &Connection, write: &Write) -> Outcome {
    match write {
        Write::Submit(job) => submit(c, job),
        Write::Starting { job, attempt, boot_id, at, slot } => {
            starting(c, *job, (*attempt, *slot), boot_id, *at)
        }
        Write::Ended(end) => ended(c, end),
        Write::Finish { job, state, at, failure } => finish(c, *job, *state, *at, failure.as_deref()),
        Write::Held { job, held } => {
            let mut s =
                c.prepare_cached("UPDATE jobs SET held = ?2 WHERE id = ?1 AND finished_ms IS NULL")?;
            s.execute(params![job.to_string(), held]).map(done_if)
        }
        Write::Requeue { job, attempt, ended, max_attempts, at } => {
            requeue(c, *job, (*attempt, *ended), *max_attempts, *at)
        }
        Write::Forget(jobs) => forget(c, jobs),
        Write::Schedule { name, until } => {
            let mut s = c.prepare_cached("INSERT OR REPLACE INTO schedules VALUES (?1, ?2)")?;
            s.execute(params![name, until.unix_ms()]).map(done_if)
        }
    }
}

fn done_if(rows: usize) -> Wrote {
    if rows == 0 { Wrote::Nothing } else { Wrote::Done }
}

fn json(value: &impl serde::Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))
}

fn submit(c: &Connection, job: &NewJob) -> Outcome {
    let id = job.id.to_string();
    let mut insert = c.prepare_cached(
        "INSERT INTO jobs (seq, id, state, script, priority, session, agent, specialist, user, correlation_id, \
         key, print, job_group, slots, attempt, max_attempts, timeout_ms, submitted_ms, not_before_ms, \
         start_by_ms, held, inputs) \
         VALUES (?1, ?2, 'queued', ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, 0, ?14, ?15, ?16, ?17, ?18, ?19, ?20) \
         ON CONFLICT (id) DO NOTHING ON CONFLICT (key) WHERE key IS NOT NULL DO NOTHING",
    )?;
    let inserted = insert.execute(params![
        job.seq.cast_signed(),
        id,
        &*job.script,
        job.priority.as_str(),
        &*job.session,
        job.agent.map(|a| a.to_string()),
        job.specialist.as_deref(),
        job.user,
        job.correlation_id,
        job.key,
        job.print.cast_signed(),
        job.group.as_deref(),
        job.slots,
        job.max_attempts,
        job.timeout.map(|t| i64::try_from(t.as_nanos().div_ceil(1_000_000)).unwrap_or(i64::MAX)),
        job.submitted_at.unix_ms(),
        job.not_before.map(Wall::unix_ms),
        job.start_by.map(Wall::unix_ms),
        job.held,
        job.inputs,
    ])?;
    if inserted == 0 {
        return before(c, job);
    }
    for (place, (parent, edge)) in (0_i64..).zip(&job.after) {
        // A parent may have ended while this was on its way.
        c.prepare_cached(
            "INSERT INTO parents VALUES (?1, ?2, ?3, ?4, \
             (SELECT state FROM jobs WHERE id = ?3 AND finished_ms IS NOT NULL))",
        )?
        .execute(params![job.seq.cast_signed(), place, parent.to_string(), word(edge)])?;
    }
    Ok(Wrote::Done)
}

/// What stands in the way of a submission. The key decides: whoever comes again with it need not draw a new id.
fn before(c: &Connection, job: &NewJob) -> Outcome {
    let Some(key) = &job.key else { return Ok(Wrote::IdTaken) };
    let found = c
        .prepare_cached("SELECT id, print, script FROM jobs WHERE key = ?1")?
        .query_row([key], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, String>(2)?))
        })
        .optional()?;
    let Some((id, print, script)) = found else { return Ok(Wrote::IdTaken) };
    let same = print == job.print.cast_signed() && script == *job.script;
    Ok(Wrote::Before { id: super::read::id_of(&id)?, same })
}

/// A job runs while its last attempt has no end; no other one begins meanwhile.
fn starting(c: &Connection, job: JobId, (attempt, slot): (u32, u32), boot_id: &str, at: Wall) -> Outcome {
    let seq: Option<i64> = c
        .prepare_cached(
            "UPDATE jobs SET state = 'running', attempt = ?2, again_ms = NULL \
             WHERE id = ?1 AND finished_ms IS NULL \
             AND (attempt = ?2 AND state = 'running' OR attempt < ?2 AND state <> 'running') RETURNING seq",
        )?
        .query_row(params![job.to_string(), attempt], |row| row.get(0))
        .optional()?;
    let Some(seq) = seq else { return Ok(Wrote::Nothing) };
    c.prepare_cached(
        "INSERT OR REPLACE INTO attempts (seq, attempt, boot_id, starting_ms, slot) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![seq, attempt, boot_id, at.unix_ms(), slot])?;
    Ok(Wrote::Done)
}

fn ended(c: &Connection, end: &AttemptEnd) -> Outcome {
    let at = end.at.unix_ms();
    let (state, finished, again) = match end.next {
        NextState::Final(state) => {
            debug_assert!(state.is_final(), "a job ends in a final state, not {state}");
            (state, Some(at), None)
        }
        NextState::Again(not_before) | NextState::Same(not_before) => {
            (JobState::Queued, None, Some(not_before.unix_ms()))
        }
    };
    let seq: Option<i64> = c
        .prepare_cached(
            "UPDATE jobs SET state = ?3, finished_ms = ?4, again_ms = ?5, outputs = ?6 \
             WHERE id = ?1 AND state = 'running' AND attempt = ?2 RETURNING seq",
        )?
        .query_row(
            params![end.job.to_string(), end.attempt, state.as_str(), finished, again, end.outputs],
            |row| row.get(0),
        )
        .optional()?;
    let Some(seq) = seq else { return Ok(Wrote::Nothing) };
    if matches!(end.next, NextState::Same(_)) {
        return never_began(c, seq, end.attempt);
    }
    #[cfg(feature = "planted")]
    if crate::planted::is(crate::planted::Bug::ResultInTwoParts) {
        c.execute_batch("COMMIT; BEGIN")?;
    }
    c.prepare_cached(
        "UPDATE attempts SET ended_ms = ?3, record = ?4, failure = ?5, retry = ?6 \
         WHERE seq = ?1 AND attempt = ?2",
    )?
    .execute(params![
        seq,
        end.attempt,
        at,
        end.record.as_ref().map(json).transpose()?,
        end.failure.as_ref().map(json).transpose()?,
        end.retry.as_ref().map(json).transpose()?,
    ])?;
    if finished.is_some() {
        tell_children(c, end.job, state)?;
    }
    Ok(Wrote::Done)
}

/// An attempt that never began leaves no trace: its number is free.
fn never_began(c: &Connection, seq: i64, attempt: u32) -> Outcome {
    c.prepare_cached("DELETE FROM attempts WHERE seq = ?1 AND attempt = ?2")?
        .execute(params![seq, attempt])?;
    c.prepare_cached(
        "UPDATE jobs SET attempt = (SELECT ifnull(max(attempt), 0) FROM attempts a WHERE a.seq = ?1) \
         WHERE seq = ?1",
    )?
    .execute([seq])
    .map(done_if)
}

fn finish(c: &Connection, job: JobId, state: JobState, at: Wall, failure: Option<&Failure>) -> Outcome {
    debug_assert!(state.is_final(), "a job ends in a final state, not {state}");
    let at = at.unix_ms();
    let failure = failure.map(json).transpose()?;
    let ended: Option<(i64, u32)> = c
        .prepare_cached(
            "UPDATE jobs SET state = ?2, finished_ms = ?3, again_ms = NULL, failure = ?4 \
             WHERE id = ?1 AND finished_ms IS NULL RETURNING seq, attempt",
        )?
        .query_row(params![job.to_string(), state.as_str(), at, failure], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let Some((seq, attempt)) = ended else { return Ok(Wrote::Nothing) };
    c.prepare_cached(
        "UPDATE attempts SET ended_ms = ?3 WHERE seq = ?1 AND attempt = ?2 AND ended_ms IS NULL",
    )?
    .execute(params![seq, attempt, at])?;
    tell_children(c, job, state)?;
    Ok(Wrote::Done)
}

/// Children know from now on how their parent ended, even when it is forgotten or wanted again.
fn tell_children(c: &Connection, parent: JobId, state: JobState) -> rusqlite::Result<()> {
    c.prepare_cached("UPDATE parents SET ended = ?2 WHERE parent = ?1 AND ended IS NULL")?
        .execute(params![parent.to_string(), state.as_str()])
        .map(|_| ())
}

fn requeue(c: &Connection, job: JobId, seen: (u32, JobState), max_attempts: u32, at: Wall) -> Outcome {
    let (attempt, ended) = seen;
    c.prepare_cached(
        "UPDATE jobs SET state = 'queued', held = 0, finished_ms = NULL, again_ms = ?3, max_attempts = ?2, \
         failure = NULL, outputs = NULL WHERE id = ?1 AND finished_ms IS NOT NULL AND attempt = ?4 AND state = ?5",
    )?
    .execute(params![job.to_string(), max_attempts, at.unix_ms(), attempt, ended.as_str()])
    .map(done_if)
}

fn forget(c: &Connection, jobs: &[JobId]) -> Outcome {
    let last: Option<i64> = c.prepare_cached("SELECT max(seq) FROM jobs")?.query_row([], |row| row.get(0))?;
    let mut forgotten = 0;
    for job in jobs {
        let seq: Option<i64> = c
            .prepare_cached("DELETE FROM jobs WHERE id = ?1 AND finished_ms IS NOT NULL RETURNING seq")?
            .query_row([job.to_string()], |row| row.get(0))
            .optional()?;
        let Some(seq) = seq else { continue };
        forgotten += 1;
        c.prepare_cached("DELETE FROM attempts WHERE seq = ?1")?.execute([seq])?;
        c.prepare_cached("DELETE FROM parents WHERE seq = ?1")?.execute([seq])?;
        if Some(seq) == last {
            // Numbers are not given twice.
            c.prepare_cached(
                "INSERT INTO meta VALUES ('last_seq', ?1) ON CONFLICT (key) DO UPDATE SET value = excluded.value \
                 WHERE CAST(excluded.value AS INTEGER) > CAST(meta.value AS INTEGER)",
            )?
            .execute([seq.to_string()])?;
        }
    }
    Ok(done_if(forgotten))
}
