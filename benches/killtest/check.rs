//! Whether the promise holds: the effects of jobs against the database and against what was answered.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};
use tsup::ctl::client::Client;
use tsup_actors::tes::shim::traces::Traces;
use tsup_core::clock::Wall;
use tsup_core::error::{Exit, UserError};
use tsup_core::ids::JobId;
use tsup_core::tes::attempt::AttemptId;
use tsup_core::tes::job::JobState;
use tsup_core::wire::doc::jobs::JobDoc;
use tsup_core::wire::verb::{Body, Verb};

use crate::procs;
use crate::world::World;

/// A hundred jobs that nobody disturbs have ended after so many questions of that long.
const WAITS: u32 = 8;
const WAIT_MS: u64 = 5_000;
/// Within this time a script that was ordered has left its mark.
const SHOWS: Duration = Duration::from_millis(20);
/// What an ended job still has must be gone within this time.
const GONE: Duration = Duration::from_secs(2);

/// A job whose end was seen.
#[derive(Debug, Clone)]
struct Settled {
    id: JobId,
    state: JobState,
    finished_at: Option<Wall>,
    attempts: usize,
    effects: usize,
}

/// All jobs whose end was seen, by key.
#[derive(Debug, Default)]
pub(crate) struct Book {
    settled: BTreeMap<String, Settled>,
}

/// What the file of a key says: how often each attempt of each job ran.
type Effects = BTreeMap<(String, u32), u32>;

fn effects(world: &World, key: &str) -> Result<Effects, String> {
    let text = fs::read_to_string(world.dir.join("scripts/effects").join(key)).unwrap_or_default();
    let mut effects = Effects::new();
    for line in text.lines() {
        let parsed =
            line.split_once(' ').and_then(|(job, attempt)| Some((job.to_owned(), attempt.parse().ok()?)));
        let effect =
            parsed.ok_or_else(|| format!("the file of {key} has a line that no job writes: {line:?}"))?;
        *effects.entry(effect).or_insert(0) += 1;
    }
    Ok(effects)
}

fn keys_with_effects(world: &World) -> Vec<String> {
    let files = fs::read_dir(world.dir.join("scripts/effects")).unwrap();
    files.flatten().filter_map(|file| file.file_name().into_string().ok()).collect()
}

fn database(world: &World) -> rusqlite::Result<Connection> {
    // For reading only: what a killed supervisor left is for its successor to mend.
    Connection::open_with_flags(world.home().join("tsup.db"), OpenFlags::SQLITE_OPEN_READ_ONLY)
}

impl Book {
    pub(crate) fn len(&self) -> usize {
        self.settled.len()
    }

    pub(crate) fn is_settled(&self, key: &str) -> bool {
        self.settled.contains_key(key)
    }

    /// How many ended how, and how many attempts ran.
    pub(crate) fn counts(&self) -> (BTreeMap<JobState, u64>, usize, usize) {
        let mut states = BTreeMap::new();
        for one in self.settled.values() {
            *states.entry(one.state).or_insert(0) += 1;
        }
        let sum = |of: fn(&Settled) -> usize| self.settled.values().map(of).sum();
        (states, sum(|s| s.attempts), sum(|s| s.effects))
    }

    /// Right after a kill, before anybody can mend anything: what ran is written down, what was answered is kept.
    pub(crate) fn after_a_kill<'a>(
        &self,
        world: &World,
        answered: impl Iterator<Item = (&'a String, &'a JobId)>,
    ) -> Result<(), String> {
        // What was ordered in the last moment needs another one to show.
        std::thread::park_timeout(SHOWS);
        let mut ran = Vec::new();
        for key in keys_with_effects(world).into_iter().filter(|key| !self.is_settled(key)) {
            ran.extend(effects(world, &key)?.into_keys());
        }
        if !world.home().join("tsup.db").exists() {
            return if ran.is_empty() { Ok(()) } else { Err("jobs ran, and there is no database".into()) };
        }
        let look = || -> rusqlite::Result<Option<String>> {
            let db = database(world)?;
            let tables: i64 =
                db.query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'attempts'", [], |row| {
                    row.get(0)
                })?;
            if tables == 0 {
                return Ok((!ran.is_empty()).then(|| "jobs ran, and there is no table of them".to_owned()));
            }
            let mut attempt = db.prepare(
                "SELECT 1 FROM attempts a JOIN jobs j ON j.seq = a.seq WHERE j.id = ?1 AND a.attempt = ?2",
            )?;
            for (job, number) in &ran {
                if !attempt.exists((job, number))? {
                    return Ok(Some(format!("attempt {number} of {job} ran without being written down")));
                }
            }
            let mut kept = db.prepare("SELECT 1 FROM jobs WHERE id = ?1")?;
            for (key, job) in answered.filter(|(key, _)| !self.is_settled(key)) {
                if !kept.exists([job.to_string()])? {
                    return Ok(Some(format!("lost: {key} was answered with {job}, which is not kept")));
                }
            }
            Ok(None)
        };
        match look() {
            Ok(None) => Ok(()),
            Ok(Some(broken)) => Err(broken),
            Err(e) => Err(format!("the database cannot be read after a kill: {e}")),
        }
    }

    /// Waits for the ends of these and looks at each. The supervisor runs, and all was answered.
    pub(crate) fn settle(
        &mut self,
        world: &World,
        client: &mut Client,
        answered: &[(String, JobId)],
    ) -> Result<(), String> {
        let fresh: Vec<_> = answered.iter().filter(|(key, _)| !self.is_settled(key)).collect();
        for some in fresh.chunks(100) {
            let jobs: Vec<String> = some.iter().map(|(_, job)| job.to_string()).collect();
            let mut asked = Err(UserError::new(Exit::TimedOut, "nobody asked"));
            for _ in 0..WAITS {
                asked = client.ask(Verb::Wait { jobs: jobs.clone(), for_ms: Some(WAIT_MS) });
                if asked.is_ok() {
                    break;
                }
            }
            if let Err(e) = asked {
                let stuck = some.iter().filter_map(|(_, job)| doc(client, *job).ok());
                let stuck: Vec<_> = stuck.filter(|doc| !doc.state.is_final()).collect();
                return Err(format!("jobs do not end: {e}: {stuck:#?}"));
            }
        }
        for (key, job) in &fresh {
            let doc = doc(client, *job)?;
            let ran = effects(world, key)?;
            verify(key, &doc, &ran)?;
            let settled = Settled {
                id: *job,
                state: doc.state,
                finished_at: doc.finished_at,
                attempts: doc.attempts.len(),
                effects: ran.values().sum::<u32>() as usize,
            };
            self.settled.insert(key.clone(), settled);
        }
        nothing_is_left(world, &fresh.iter().map(|(key, _)| &self.settled[key]).collect::<Vec<_>>())
    }

    /// At the end: what was seen to end is as it was then, each key has one job, and nothing else ran.
    pub(crate) fn close(&self, world: &World, client: &mut Client) -> Result<(), String> {
        for (key, before) in &self.settled {
            let doc = doc(client, before.id)?;
            if (doc.state, doc.finished_at) != (before.state, before.finished_at) {
                return Err(format!(
                    "{key} ended as {:?} and later as {:?}: {doc:#?}",
                    before.state, doc.state
                ));
            }
            let ran = effects(world, key)?;
            verify(key, &doc, &ran)?;
            if ran.values().sum::<u32>() as usize != before.effects {
                return Err(format!("doubled: {key} ran again after its end: {ran:?}"));
            }
        }
        if let Some(key) = keys_with_effects(world).into_iter().find(|key| !self.is_settled(key)) {
            return Err(format!("{key} ran and was never answered for"));
        }
        self.count(world)
    }

    /// Each key has one job.
    pub(crate) fn count(&self, world: &World) -> Result<(), String> {
        let jobs = database(world)
            .and_then(|db| db.query_row("SELECT count(*) FROM jobs", [], |r| r.get::<_, i64>(0)));
        let jobs = jobs.map_err(|e| format!("the database cannot be read: {e}"))?;
        if jobs as usize == self.len() {
            return Ok(());
        }
        Err(format!("doubled: {} keys were answered for, and {jobs} jobs are kept", self.len()))
    }
}

fn doc(client: &mut Client, job: JobId) -> Result<JobDoc, String> {
    match client.ask(Verb::Job { job: job.to_string() }) {
        Ok(Body::Job(answer)) => Ok(answer.job),
        other => Err(format!("lost: {job} was answered for, and now: {other:?}")),
    }
}

/// One job that has ended.
fn verify(key: &str, doc: &JobDoc, ran: &Effects) -> Result<(), String> {
    let broken = |what: String| Err(format!("{what}; key {key}, ran {ran:?}, {doc:#?}"));
    if !doc.state.is_final() {
        return broken("a job was waited for and has not ended".into());
    }
    let attempts: HashMap<u32, _> = doc.attempts.iter().map(|a| (a.attempt, a)).collect();
    for ((job, attempt), times) in ran {
        if *job != doc.id.to_string() {
            return broken(format!("doubled: {job} ran for the same key"));
        }
        if *times > 1 {
            return broken(format!("doubled: attempt {attempt} ran {times} times"));
        }
        if !attempts.contains_key(attempt) {
            return broken(format!("attempt {attempt} ran and is not written down"));
        }
    }
    let last = doc.attempts.len();
    for (place, attempt) in (1..).zip(&doc.attempts) {
        if attempt.ended_at.is_none() {
            return broken(format!("the job has ended, and its attempt {} has not", attempt.attempt));
        }
        let effects = ran.get(&(doc.id.to_string(), attempt.attempt)).copied().unwrap_or(0);
        if attempt.exit_code.is_some() && effects != 1 {
            return broken(format!("attempt {} is said to have run and has not", attempt.attempt));
        }
        let again = attempt.error.as_ref().and_then(|e| e.retry.as_ref()).is_some_and(|r| r.is_retryable);
        if place < last && !again {
            return broken(format!("attempt {} was followed by another without a reason", attempt.attempt));
        }
    }
    let code = doc.attempts.last().and_then(|a| a.exit_code);
    if doc.state == JobState::Succeeded && code != Some(0) {
        return broken("a success without a process that says so".into());
    }
    Ok(())
}

/// The attempts whose traces somebody has locked.
fn held(world: &World) -> Vec<AttemptId> {
    let Ok(Some(traces)) = Traces::find(&world.home().join("attempts")) else { return Vec::new() };
    let all = traces.scan().unwrap_or_default().slots.into_iter();
    let held = all.filter(|(slot, id)| traces.look(*slot, *id).is_ok_and(|found| found.locked));
    held.map(|(_, id)| id).collect()
}

/// No process and no lock of jobs that have ended.
fn nothing_is_left(world: &World, ended: &[&Settled]) -> Result<(), String> {
    let deadline = Instant::now() + GONE;
    loop {
        let strays = procs::strays(&world.dir);
        let held = held(world);
        let locked = ended.iter().find(|one| held.iter().any(|id| id.job == one.id));
        match (strays.first(), locked) {
            (None, None) => return Ok(()),
            (Some((pid, name)), _) if Instant::now() > deadline => {
                return Err(format!(
                    "stray: process {pid} ({name}) of a job that has ended, {} in all",
                    strays.len()
                ));
            }
            (_, Some(one)) if Instant::now() > deadline => {
                return Err(format!("the lock of {} is held, and it has ended", one.id));
            }
            _ => std::thread::park_timeout(Duration::from_millis(20)),
        }
    }
}
