//! Random writes: the tables and a small model of what they promise say the same, after a new start too.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tsup_core::ids::JobId;
use tsup_core::tes::failure::Failure;
use tsup_core::tes::job::{Edge, JobState};
use tsup_core::tes::kept::{AttemptRow, Filter, JobRow, Live, NewJob, NextState, Write, Wrote};
use tsup_core::tes::select::Selection;

use super::super::jobs::{LoadedJobs, read};
use super::jobs::{ended, finish, jid, kept, new_job, starting};
use super::*;

/// Ids that are in play. Few, so that writes meet.
const JOBS: u64 = 5;

#[derive(Debug, Clone)]
struct Kept {
    row: JobRow,
    parents: Vec<(JobId, Edge, Option<JobState>)>,
    slot: u32,
    boot: String,
}

impl Kept {
    fn is_live(&self) -> bool {
        self.row.finished_at.is_none()
    }

    /// The attempt under way.
    fn under_way(&mut self) -> Option<&mut AttemptRow> {
        self.row.attempts.last_mut().filter(|a| a.ended_at.is_none())
    }

    fn live(&self) -> Live {
        let last = self.row.attempts.last();
        let running = last.is_some_and(|a| a.ended_at.is_none());
        Live {
            job: self.row.job.clone(),
            attempt: last.map_or(0, |a| a.attempt),
            starting_in: running.then(|| self.boot.clone()),
            slot: running.then_some(self.slot),
            again_at: self.row.again_at,
            parents: self.parents.clone(),
        }
    }
}

#[derive(Debug, Clone, Default)]
struct Model {
    jobs: BTreeMap<JobId, Kept>,
    last_seq: u64,
    schedules: BTreeMap<String, Wall>,
}

impl Model {
    fn apply(&mut self, write: &Write) -> Wrote {
        match write {
            Write::Submit(job) => return self.submit(job),
            Write::Schedule { name, until } => {
                self.schedules.insert(name.clone(), *until);
                return Wrote::Done;
            }
            Write::Forget(ids) => {
                let before = self.jobs.len();
                self.jobs.retain(|id, job| job.is_live() || !ids.contains(id));
                return done_if(self.jobs.len() < before);
            }
            _ => {}
        }
        let (Write::Starting { job: id, .. }
        | Write::Finish { job: id, .. }
        | Write::Held { job: id, .. }
        | Write::Requeue { job: id, .. }) = write
        else {
            let Write::Ended(end) = write else { unreachable!() };
            return self.ended(end);
        };
        let Some(job) = self.jobs.get_mut(id) else { return Wrote::Nothing };
        if let Write::Finish { state, at, failure, .. } = write {
            if !job.is_live() {
                return Wrote::Nothing;
            }
            if let Some(attempt) = job.under_way() {
                attempt.ended_at = Some(*at);
            }
            job.row.failure = failure.as_deref().cloned();
            self.finish(*id, *state, *at);
            return Wrote::Done;
        }
        let wrote = match write {
            Write::Starting { attempt, boot_id, at, slot, .. } => {
                start(job, *attempt, boot_id, *at).inspect(|()| job.slot = *slot)
            }
            Write::Held { held, .. } => job.is_live().then(|| job.row.job.held = *held),
            Write::Requeue { attempt, ended, max_attempts, at, .. } => {
                let last = job.row.attempts.last().map_or(0, |a| a.attempt);
                (!job.is_live() && last == *attempt && job.row.state == *ended).then(|| {
                    job.row.job.max_attempts = *max_attempts;
                    job.row.job.held = false;
                    job.row.state = JobState::Queued;
                    job.row.again_at = Some(*at);
                    (job.row.finished_at, job.row.failure, job.row.outputs) = (None, None, None);
                    job.row.bytes.1 = 0;
                })
            }
            _ => unreachable!(),
        };
        done_if(wrote.is_some())
    }

    fn submit(&mut self, job: &NewJob) -> Wrote {
        let same_key = |k: &&Kept| job.key.is_some() && k.row.job.key == job.key;
        if let Some(before) = self.jobs.values().find(same_key) {
            let old = &before.row.job;
            return Wrote::Before { id: old.id, same: old.print == job.print && old.script == job.script };
        }
        if self.jobs.contains_key(&job.id) {
            return Wrote::IdTaken;
        }
        let how = |id| self.jobs.get(&id).filter(|j| !j.is_live()).map(|j| j.row.state);
        let parents = job.after.iter().map(|&(id, edge)| (id, edge, how(id))).collect();
        let row = JobRow::new(job.clone());
        self.last_seq = self.last_seq.max(job.seq);
        self.jobs.insert(job.id, Kept { row, parents, boot: String::new(), slot: 0 });
        Wrote::Done
    }

    fn ended(&mut self, end: &tsup_core::tes::kept::AttemptEnd) -> Wrote {
        let Some(job) = self.jobs.get_mut(&end.job).filter(|j| j.is_live()) else { return Wrote::Nothing };
        let Some(attempt) = job.under_way().filter(|a| a.attempt == end.attempt) else {
            return Wrote::Nothing;
        };
        attempt.ended_at = Some(end.at);
        attempt.record.clone_from(&end.record);
        attempt.failure.clone_from(&end.failure);
        attempt.retry.clone_from(&end.retry);
        job.row.outputs.clone_from(&end.outputs);
        job.row.bytes.1 = end.outputs.as_ref().map_or(0, |o| o.len() as u64);
        job.row.state = JobState::Queued;
        match end.next {
            NextState::Final(state) => self.finish(end.job, state, end.at),
            NextState::Again(at) => job.row.again_at = Some(at),
            NextState::Same(at) => {
                job.row.again_at = Some(at);
                job.row.attempts.pop();
            }
        }
        Wrote::Done
    }

    fn finish(&mut self, id: JobId, state: JobState, at: Wall) {
        let row = &mut self.jobs.get_mut(&id).unwrap().row;
        (row.state, row.finished_at, row.again_at) = (state, Some(at), None);
        for child in self.jobs.values_mut() {
            for (parent, _, ended) in &mut child.parents {
                if *parent == id && ended.is_none() {
                    *ended = Some(state);
                }
            }
        }
    }

    fn by_seq(&self) -> Vec<&Kept> {
        let mut jobs: Vec<&Kept> = self.jobs.values().collect();
        jobs.sort_by_key(|j| j.row.job.seq);
        jobs
    }

    fn loaded(&self) -> LoadedJobs {
        let mut loaded = LoadedJobs { last_seq: self.last_seq, ..LoadedJobs::default() };
        loaded.schedules.clone_from(&self.schedules);
        for job in self.by_seq() {
            if job.is_live() {
                loaded.live.push(job.live());
            } else {
                *loaded.counts.entry(job.row.state).or_default() += 1;
            }
        }
        loaded
    }

    fn listed(&self, filter: &Filter) -> Vec<JobRow> {
        let wanted = |row: &JobRow| {
            (filter.states.is_empty() || filter.states.contains(&row.state))
                && filter.script.as_ref().is_none_or(|s| **s == *row.job.script)
        };
        let mut rows: Vec<JobRow> =
            self.by_seq().iter().rev().map(|k| k.row.clone()).filter(wanted).collect();
        for row in &mut rows {
            row.attempts = row.attempts.pop().into_iter().collect();
        }
        rows.truncate(filter.limit);
        rows
    }
}

/// The ended jobs that are meant, as the model has them.
fn meant(model: &Model, which: &Selection) -> Vec<(u64, JobId, JobState)> {
    let rows = model.by_seq().into_iter().map(|kept| &kept.row);
    rows.filter(|row| which.states.contains(&row.state) && which.takes(&row.job))
        .map(|row| (row.job.seq, row.job.id, row.state))
        .collect()
}

fn start(job: &mut Kept, attempt: u32, boot_id: &str, at: Wall) -> Option<()> {
    let fits = match job.row.attempts.last() {
        Some(last) if last.ended_at.is_none() => last.attempt == attempt,
        Some(last) => last.attempt < attempt,
        None => true,
    };
    if !job.is_live() || !fits {
        return None;
    }
    job.row.attempts.retain(|a| a.attempt != attempt);
    job.row.attempts.push(AttemptRow {
        attempt,
        starting_at: at,
        ended_at: None,
        record: None,
        failure: None,
        retry: None,
    });
    (job.row.state, job.row.again_at) = (JobState::Running, None);
    boot_id.clone_into(&mut job.boot);
    Some(())
}

fn done_if(done: bool) -> Wrote {
    if done { Wrote::Done } else { Wrote::Nothing }
}

/// What a write is made of; submissions get their numbers when it is made.
type Draw = (u8, u64, u64, u32, u8);

fn write((kind, n, other, attempt, word): Draw, seq: u64) -> Write {
    let ends =
        [JobState::Succeeded, JobState::Failed, JobState::Cancelled, JobState::Interrupted, JobState::Dead];
    let state = ends[usize::from(word) % 5];
    let at = Wall::from_unix_ms(i64::from(word));
    match kind {
        0..=3 => {
            let after =
                if other == n { Vec::new() } else { vec![(jid(other), Edge::End), (jid(n), Edge::Failure)] };
            let key = (word < 4).then(|| format!("k{}", word / 2));
            let print = u64::from(word % 2);
            Write::Submit(Box::new(NewJob { id: jid(n), seq, after, key, print, ..new_job(n) }))
        }
        4..=7 => starting(n, attempt),
        8..=10 => ended(n, attempt, NextState::Final(state)),
        11 => ended(n, attempt, NextState::Again(at)),
        12 => ended(n, attempt, NextState::Same(at)),
        13 => finish(n, state),
        14 => Write::Held { job: jid(n), held: word.is_multiple_of(2) },
        15 => Write::Requeue { job: jid(n), attempt, ended: state, max_attempts: attempt + 3, at },
        16 => Write::Forget(vec![jid(n), jid(other)]),
        _ => Write::Schedule { name: format!("s{}", n % 2), until: at },
    }
}

fn same(db: &mut Db, model: &Model) {
    assert_eq!(db.load_jobs().unwrap(), model.loaded());
    let c = db.connection();
    for n in 1..=JOBS {
        let found = read::job(c, jid(n)).unwrap();
        assert_eq!(found.as_ref(), model.jobs.get(&jid(n)).map(|k| &k.row));
    }
    for states in [vec![], vec![JobState::Queued, JobState::Dead], vec![JobState::Succeeded]] {
        for script in [None, Some("lint".to_owned())] {
            let filter = Filter { states: states.clone(), script, limit: 3 };
            assert_eq!(read::jobs(c, &filter).unwrap().rows, model.listed(&filter), "{filter:?}");
        }
    }
    let states = vec![JobState::Dead, JobState::Failed, JobState::Succeeded];
    for script in [None, Some("lint".to_owned())] {
        for (session, behind) in [(None, None), (Some("web".to_owned()), Some(2))] {
            let which = Selection {
                states: states.clone(),
                script: script.clone(),
                session,
                behind,
                ..Selection::default()
            };
            let found = read::select(c, &which).unwrap();
            let found: Vec<_> = found.jobs.iter().map(|job| (job.seq, job.id, job.state)).collect();
            assert_eq!(found, meant(model, &which), "{which:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_tables_say_what_the_model_says(
        groups in prop::collection::vec(
            prop::collection::vec((0_u8..18, 1..=JOBS, 1..=JOBS, 1_u32..4, 0_u8..20), 1..8),
            1..12,
        )
    ) {
        let (_dir, path) = fast_home();
        let mut db = open(&path).unwrap();
        let mut model = Model::default();
        for (g, group) in groups.iter().enumerate() {
            let mut made = Vec::new();
            for draw in group {
                let write = write(*draw, model.last_seq + 1);
                made.push((model.apply(&write), write));
            }
            let (expected, writes): (Vec<Wrote>, Vec<Write>) = made.into_iter().unzip();
            assert_eq!(kept(&mut db, &writes), expected, "{writes:?}");
            if g % 4 == 3 {
                drop(db);
                db = open(&path).unwrap();
            }
            same(&mut db, &model);
        }
        drop(db);
        same(&mut open(&path).unwrap(), &model);
    }
}

/// Failures are kept with all that they say.
#[test]
fn a_failure_is_kept_whole() {
    let (_dir, path) = fast_home();
    let mut db = open(&path).unwrap();
    let mut failure = Failure::new(tsup_core::tes::failure::Category::Timeout, "x\u{0}\u{1b}\u{fffd}");
    failure.retry_after = Some(std::time::Duration::from_millis(1_500));
    failure.stack_trace = Some("at line 1\n".into());
    kept(&mut db, &[super::jobs::submit(1)]);
    let finish = Write::Finish {
        job: jid(1),
        state: JobState::Failed,
        at: Wall::from_unix_ms(1),
        failure: Some(Box::new(failure.clone())),
    };
    kept(&mut db, &[finish]);
    assert_eq!(read::job(db.connection(), jid(1)).unwrap().unwrap().failure, Some(failure));
}
