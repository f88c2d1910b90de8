//! Rows of agents: one function for each write, and what the fleet begins with.

use rusqlite::{Connection, OptionalExtension, Row, params};
use tsup_core::clock::Wall;
use tsup_core::fleet::agent::{Change, History, Verdict};
use tsup_core::fleet::relaunch::{Hold, Kept};
use tsup_core::ids::{AgentId, ProcId, SocketName};
use tsup_core::limits;
use tsup_core::untrusted::Untrusted;

use super::db::word;
use super::op::{AgentRecord, Loaded, Op, Paused};

/// What stands in `paused_until_ms` for a pause without end.
const PAUSED_UNTIL_RESUMED: i64 = i64::MAX;

/// Applies one write.
pub(super) fn apply(t: &Connection, op: &Op) -> rusqlite::Result<()> {
    match op {
        Op::Nothing => Ok(()),
        Op::PutAgent(record) => put(t, record),
        Op::ForgetAgent(id) => {
            t.prepare_cached("DELETE FROM agents WHERE id = ?1")?.execute([id.to_string()])?;
            t.prepare_cached("DELETE FROM history WHERE agent = ?1")?.execute([id.to_string()]).map(|_| ())
        }
        Op::AddChange(id, change) => add_change(t, *id, change),
    }
}

fn put(t: &Connection, r: &AgentRecord) -> rusqlite::Result<()> {
    let paused = r.paused.map(|p| match p {
        Paused::Until(wall) => wall.unix_ms(),
        Paused::UntilResumed => PAUSED_UNTIL_RESUMED,
    });
    let spec = r.spec.as_ref().and_then(|spec| serde_json::to_string(spec).ok());
    t.prepare_cached(
        "INSERT OR REPLACE INTO agents VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
    )?
    .execute(params![
        r.id.to_string(),
        r.socket.0,
        r.session.raw(),
        r.name.raw(),
        r.profile,
        spec,
        r.owned,
        r.process.map(|p| i64::from(p.pid)),
        r.process.map(|p| p.start_ticks.cast_signed()),
        r.first_seen.unix_ms(),
        r.kept.total.cast_signed(),
        r.kept.hold.map_or(0, to_number),
        r.kept.stopped,
        paused,
    ])
    .map(|_| ())
}

/// What keeps an agent down, in one number: 1 is the use of its restarts, 2 a missing login, what is larger the
/// millisecond at which a limit ends; less than zero where that is not known to be its end. An older build reads
/// what is not 0 as held.
fn to_number(hold: Hold<Wall>) -> i64 {
    match hold {
        Hold::Restarts => 1,
        Hold::Login => 2,
        Hold::Limit { until, known } => {
            let ms = until.unix_ms().max(HOLD_MS_MIN);
            if known { ms } else { -ms }
        }
    }
}

fn from_number(number: i64) -> Option<Hold<Wall>> {
    match number {
        0 => None,
        1 => Some(Hold::Restarts),
        2 => Some(Hold::Login),
        n => {
            let until = Wall::from_unix_ms(n.checked_abs().unwrap_or(i64::MAX));
            Some(Hold::Limit { until, known: n > 0 })
        }
    }
}

/// The least millisecond that is no word of [`to_number`].
const HOLD_MS_MIN: i64 = 3;

fn add_change(t: &Connection, id: AgentId, change: &Change) -> rusqlite::Result<()> {
    let id = id.to_string();
    let last: Option<i64> = t
        .prepare_cached("SELECT max(seq) FROM history WHERE agent = ?1")?
        .query_row([&id], |row| row.get(0))
        .optional()?
        .flatten();
    let seq = last.unwrap_or(0) + 1;
    t.prepare_cached("INSERT INTO history VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?.execute(params![
        id,
        seq,
        change.at.unix_ms(),
        word(&change.from),
        word(&change.to.state),
        change.to.detail.as_ref().map(word),
        &*change.because,
    ])?;
    let oldest = seq - limits::AGENT_HISTORY as i64;
    t.prepare_cached("DELETE FROM history WHERE agent = ?1 AND seq <= ?2")?.execute(params![id, oldest])?;
    Ok(())
}

fn from_word<T: serde::de::DeserializeOwned>(word: String) -> Option<T> {
    serde_json::from_value(serde_json::Value::String(word)).ok()
}

/// Everything that the fleet begins with; notes the boot for the next time.
pub(super) fn load(t: &Connection, boot_id: &str) -> rusqlite::Result<Loaded> {
    let known: Option<String> =
        t.query_row("SELECT value FROM meta WHERE key = 'boot_id'", [], |row| row.get(0)).optional()?;
    t.execute("INSERT OR REPLACE INTO meta VALUES ('boot_id', ?1)", [boot_id])?;
    let mut loaded = Loaded { same_boot: known.as_deref() == Some(boot_id), agents: Vec::new() };
    {
        let mut agents = t.prepare("SELECT * FROM agents ORDER BY id")?;
        let mut history = t.prepare("SELECT * FROM history WHERE agent = ?1 ORDER BY seq")?;
        let mut rows = agents.query([])?;
        while let Some(row) = rows.next()? {
            // A row that this build cannot read is left where it is.
            let Some(record) = read_agent(row)? else { continue };
            let changes = history.query_map([record.id.to_string()], read_change)?;
            let changes: Vec<Option<Change>> = changes.collect::<rusqlite::Result<_>>()?;
            loaded.agents.push((record, changes.into_iter().flatten().collect::<History>()));
        }
    }
    Ok(loaded)
}

fn read_agent(row: &Row<'_>) -> rusqlite::Result<Option<AgentRecord>> {
    let Ok(id) = row.get::<_, String>("id")?.parse::<AgentId>() else { return Ok(None) };
    let pid: Option<i64> = row.get("pid")?;
    let ticks: Option<i64> = row.get("start_ticks")?;
    let process = pid
        .and_then(|pid| u32::try_from(pid).ok())
        .zip(ticks)
        .map(|(pid, ticks)| ProcId { pid, start_ticks: ticks.cast_unsigned() });
    let paused = row.get::<_, Option<i64>>("paused_until_ms")?.map(|ms| {
        if ms == PAUSED_UNTIL_RESUMED { Paused::UntilResumed } else { Paused::Until(Wall::from_unix_ms(ms)) }
    });
    Ok(Some(AgentRecord {
        id,
        socket: SocketName(row.get("socket")?),
        session: Untrusted::new(row.get::<_, String>("session")?),
        name: Untrusted::new(row.get::<_, String>("name")?),
        profile: row.get("profile")?,
        spec: row.get::<_, Option<String>>("spec")?.and_then(|s| serde_json::from_str(&s).ok()),
        owned: row.get("owned")?,
        process,
        first_seen: Wall::from_unix_ms(row.get("first_seen_ms")?),
        kept: Kept {
            total: row.get::<_, i64>("relaunches")?.cast_unsigned(),
            hold: from_number(row.get("held")?),
            stopped: row.get("stopped")?,
        },
        paused,
    }))
}

fn read_change(row: &Row<'_>) -> rusqlite::Result<Option<Change>> {
    let (Some(from), Some(state)) = (from_word(row.get("from_state")?), from_word(row.get("to_state")?))
    else {
        return Ok(None);
    };
    let detail = row.get::<_, Option<String>>("detail")?.and_then(from_word);
    Ok(Some(Change {
        at: Wall::from_unix_ms(row.get("at_ms")?),
        from,
        to: Verdict { state, detail },
        because: row.get::<_, String>("because")?.into(),
    }))
}
