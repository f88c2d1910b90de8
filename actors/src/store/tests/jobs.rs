//! What the tables of jobs promise.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use tsup_core::ids::JobId;
use tsup_core::tes::attempt::{AttemptId, Cause, End, Enforced, FILES_VERSION, Record, Used};
use tsup_core::tes::failure::{Category, Failure, RetryInfo};
use tsup_core::tes::job::{Edge, JobState, Priority};
use tsup_core::tes::kept::{AttemptEnd, Filter, JobRow, Live, NewJob, NextState, Write, Wrote};

use super::super::jobs::{LoadedJobs, read};
use super::*;

pub(super) fn jid(n: u64) -> JobId {
    // Spread, so that an id does not tell its number.
    JobId::drawn(n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16)
}

fn at(ms: i64) -> Wall {
    Wall::from_unix_ms(1_795_225_162_000 + ms)
}

pub(super) fn new_job(n: u64) -> NewJob {
    let odd = !n.is_multiple_of(2);
    NewJob {
        id: jid(n),
        seq: n,
        script: if odd { "lint" } else { "deploy" }.into(),
        priority: Priority::ALL[usize::try_from(n).unwrap() % 5],
        session: if odd { "web" } else { "" }.into(),
        agent: odd.then(|| id(n)),
        specialist: odd.then(|| "qa".into()),
        user: odd.then(|| "ann\u{1b}\0".to_owned()),
        correlation_id: odd.then(|| "c\u{2028}1".to_owned()),
        key: None,
        print: u64::MAX - n,
        group: odd.then(|| "disk".into()),
        slots: 2,
        max_attempts: 3,
        timeout: odd.then(|| Duration::from_millis(1_500)),
        submitted_at: at(0),
        not_before: odd.then(|| at(5)),
        start_by: odd.then(|| at(6)),
        held: odd,
        after: Vec::new(),
        inputs: format!("{{\"n\":{n}}}"),
    }
}

pub(super) fn submit(n: u64) -> Write {
    Write::Submit(Box::new(new_job(n)))
}

pub(super) fn starting(n: u64, attempt: u32) -> Write {
    Write::Starting {
        job: jid(n),
        attempt,
        boot_id: "b1".into(),
        at: at(10 + i64::from(attempt)),
        slot: attempt,
    }
}

fn record(n: u64, attempt: u32) -> Record {
    Record {
        version: FILES_VERSION,
        id: AttemptId { job: jid(n), attempt, epoch: 1 },
        boot_id: "b1".into(),
        started_at: at(11),
        ended_at: at(12),
        wall_seconds: 0.25,
        end: End::Signalled(9),
        cause: Some(Cause::Memory),
        left_behind: 1,
        stdout_bytes: 2,
        stderr_bytes: 3,
        truncated: true,
        used: Used { cpu_seconds: 0.125, ..Used::default() },
        enforced: Enforced::default(),
    }
}

pub(super) fn ended(n: u64, attempt: u32, next: NextState) -> Write {
    let failed = next != NextState::Final(JobState::Succeeded);
    Write::Ended(Box::new(AttemptEnd {
        job: jid(n),
        attempt,
        at: at(20 + i64::from(attempt)),
        record: Some(record(n, attempt)),
        failure: failed.then(|| {
            Failure::new(Category::Resource, "too large \u{1b}")
                .fact("limit", "1\0")
                .suggest("less")
                .transient()
        }),
        retry: failed.then(|| RetryInfo {
            is_retryable: true,
            attempts_made: attempt,
            max_attempts: 3,
            next_retry_delay_seconds: Some(0.5),
            retry_reason: "it may go away".into(),
        }),
        outputs: (!failed).then(|| "{\"a\":1}".to_owned()),
        next,
    }))
}

pub(super) fn finish(n: u64, state: JobState) -> Write {
    let failure = Some(Box::new(Failure::new(Category::Dependency, "its parent failed")));
    Write::Finish { job: jid(n), state, at: at(30), failure }
}

pub(super) fn kept(db: &mut Db, writes: &[Write]) -> Vec<Wrote> {
    db.write(&[Unit::Jobs(writes)]).remove(0).unwrap()
}

fn row(db: &Db, n: u64) -> Option<JobRow> {
    read::job(db.connection(), jid(n)).unwrap()
}

fn live(n: u64) -> Live {
    let job = new_job(n);
    Live { job, attempt: 0, starting_in: None, slot: None, again_at: None, parents: Vec::new() }
}

const DONE: Wrote = Wrote::Done;
const NOTHING: Wrote = Wrote::Nothing;
const OK: NextState = NextState::Final(JobState::Succeeded);

#[test]
fn a_job_is_read_as_it_was_written() {
    let (_dir, path) = home();
    let mut db = open(&path).unwrap();
    assert_eq!(db.load_jobs().unwrap(), LoadedJobs::default());
    let schedule = Write::Schedule { name: "nightly".into(), until: at(7) };
    assert_eq!(kept(&mut db, &[submit(1), submit(2), schedule]), [DONE, DONE, DONE]);
    let loaded = db.load_jobs().unwrap();
    assert_eq!(loaded.live, [live(1), live(2)]);
    assert_eq!((loaded.last_seq, loaded.schedules), (2, BTreeMap::from([("nightly".into(), at(7))])));

    assert_eq!(kept(&mut db, &[starting(1, 1)]), [DONE]);
    let running = Live { attempt: 1, starting_in: Some("b1".into()), slot: Some(1), ..live(1) };
    assert_eq!(db.load_jobs().unwrap().live, [running, live(2)]);
    assert_eq!(row(&db, 1).unwrap().state, JobState::Running);

    assert_eq!(kept(&mut db, &[ended(1, 1, NextState::Again(at(50)))]), [DONE]);
    let again = Live { attempt: 1, again_at: Some(at(50)), ..live(1) };
    assert_eq!(db.load_jobs().unwrap().live, [again, live(2)]);

    assert_eq!(kept(&mut db, &[starting(1, 2), ended(1, 2, OK)]), [DONE, DONE]);
    drop(db);
    let mut db = open(&path).unwrap();
    let loaded = db.load_jobs().unwrap();
    assert_eq!(loaded.live, [live(2)]);
    assert_eq!(loaded.counts, BTreeMap::from([(JobState::Succeeded, 1)]));
    let found = row(&db, 1).unwrap();
    assert_eq!((found.job, found.state), (new_job(1), JobState::Succeeded));
    assert_eq!((found.finished_at, found.again_at), (Some(at(22)), None));
    assert_eq!((found.outputs.as_deref(), found.failure), (Some("{\"a\":1}"), None));
    let Write::Ended(end) = ended(1, 1, NextState::Again(at(50))) else { unreachable!() };
    assert_eq!(found.attempts.len(), 2);
    let first = &found.attempts[0];
    assert_eq!((first.attempt, first.starting_at, first.ended_at), (1, at(11), Some(at(21))));
    assert_eq!((&first.record, &first.failure, &first.retry), (&end.record, &end.failure, &end.retry));
    assert_eq!(found.attempts[1].failure, None);
}

#[test]
fn a_key_is_one_submission_as_long_as_its_job_is_kept() {
    let (_dir, path) = home();
    let mut db = open(&path).unwrap();
    let keyed = |n, print| Write::Submit(Box::new(NewJob { key: Some("k".into()), print, ..new_job(n) }));
    let before = |n, same| Wrote::Before { id: jid(n), same };
    assert_eq!(
        kept(&mut db, &[keyed(1, 7), keyed(3, 7), keyed(5, 8), keyed(2, 7), submit(4)]),
        [DONE, before(1, true), before(1, false), before(1, false), DONE],
        "another script is another request"
    );
    // An id that was drawn before is told, unless the key says that this is no new job at all.
    let drawn = |n, key: Option<&str>| {
        Write::Submit(Box::new(NewJob { id: jid(4), key: key.map(Into::into), print: 7, ..new_job(n) }))
    };
    assert_eq!(
        kept(&mut db, &[drawn(7, None), drawn(7, Some("other")), drawn(7, Some("k"))]),
        [Wrote::IdTaken, Wrote::IdTaken, before(1, true)]
    );
    assert_eq!(db.load_jobs().unwrap().live.len(), 2);
    assert_eq!(kept(&mut db, &[finish(1, JobState::Cancelled), keyed(3, 7)]), [DONE, before(1, true)]);
    assert_eq!(kept(&mut db, &[Write::Forget(vec![jid(1)]), keyed(3, 9)]), [DONE, DONE]);
}

#[test]
fn an_attempt_ends_once_and_a_job_ends_once() {
    let (_dir, path) = home();
    let mut db = open(&path).unwrap();
    kept(&mut db, &[submit(1), submit(2)]);
    // Never started, and not the one that was started.
    assert_eq!(kept(&mut db, &[ended(1, 1, OK), ended(9, 1, OK)]), [NOTHING, NOTHING]);
    assert_eq!(kept(&mut db, &[starting(1, 1), ended(1, 2, OK), starting(1, 2)]), [DONE, NOTHING, NOTHING]);
    // It may be announced again: in another boot, say.
    assert_eq!(kept(&mut db, &[starting(1, 1)]), [DONE]);
    let again = NextState::Again(at(50));
    assert_eq!(
        kept(&mut db, &[ended(1, 1, again), ended(1, 1, OK), starting(1, 1)]),
        [DONE, NOTHING, NOTHING]
    );
    // Cancel and completion: whoever is first.
    assert_eq!(
        kept(&mut db, &[starting(1, 2), ended(1, 2, OK), finish(1, JobState::Cancelled)]),
        [DONE, DONE, NOTHING]
    );
    assert_eq!(
        kept(&mut db, &[starting(2, 1), finish(2, JobState::Cancelled), ended(2, 1, OK), starting(2, 2)]),
        [DONE, DONE, NOTHING, NOTHING]
    );
    assert_eq!(row(&db, 1).unwrap().state, JobState::Succeeded);
    let cancelled = row(&db, 2).unwrap();
    assert_eq!((cancelled.state, cancelled.attempts[0].ended_at), (JobState::Cancelled, Some(at(30))));
    assert_eq!(cancelled.failure.unwrap().message.raw(), "its parent failed");
    let held = |n, held| Write::Held { job: jid(n), held };
    assert_eq!(kept(&mut db, &[held(1, true), held(9, true)]), [NOTHING, NOTHING]);
}

#[test]
fn an_attempt_that_never_began_leaves_its_number_free() {
    let (_dir, path) = home();
    let mut db = open(&path).unwrap();
    let same = NextState::Same(at(40));
    assert_eq!(kept(&mut db, &[submit(2), starting(2, 1), ended(2, 1, same)]), [DONE, DONE, DONE]);
    assert_eq!(db.load_jobs().unwrap().live, [Live { again_at: Some(at(40)), ..live(2) }]);
    assert_eq!(kept(&mut db, &[ended(2, 1, OK), starting(2, 1), ended(2, 1, OK)]), [NOTHING, DONE, DONE]);
}

#[test]
fn only_what_has_ended_is_wanted_again() {
    let (_dir, path) = home();
    let mut db = open(&path).unwrap();
    let seen = |attempt, ended| Write::Requeue { job: jid(2), attempt, ended, max_attempts: 6, at: at(60) };
    let requeue = seen(1, JobState::Dead);
    assert_eq!(
        kept(&mut db, &[requeue.clone(), submit(2), requeue.clone(), starting(2, 1), requeue.clone()]),
        [NOTHING, DONE, NOTHING, DONE, NOTHING]
    );
    let dead = ended(2, 1, NextState::Final(JobState::Dead));
    // Whoever saw another end of it comes too late.
    let stale = [seen(0, JobState::Dead), seen(1, JobState::Failed), seen(2, JobState::Dead)];
    assert_eq!(kept(&mut db, &[vec![dead], stale.to_vec()].concat()), [DONE, NOTHING, NOTHING, NOTHING]);
    assert_eq!(kept(&mut db, &[requeue.clone(), requeue]), [DONE, NOTHING]);
    let job = NewJob { max_attempts: 6, ..new_job(2) };
    let expected =
        Live { job, attempt: 1, starting_in: None, slot: None, again_at: Some(at(60)), parents: Vec::new() };
    let loaded = db.load_jobs().unwrap();
    assert_eq!((loaded.live, loaded.counts), (vec![expected], BTreeMap::new()));
    assert_eq!(kept(&mut db, &[starting(2, 1), starting(2, 2)]), [NOTHING, DONE]);
    assert_eq!(row(&db, 2).unwrap().attempts.len(), 2);
}

#[test]
fn children_know_how_their_parents_ended() {
    let (_dir, path) = home();
    let mut db = open(&path).unwrap();
    let after = vec![(jid(1), Edge::Success), (jid(2), Edge::End), (jid(3), Edge::Failure)];
    let child = NewJob { after: after.clone(), ..new_job(4) };
    kept(&mut db, &[submit(1), submit(2), submit(3), finish(3, JobState::Failed)]);
    kept(&mut db, &[Write::Submit(Box::new(child)), finish(1, JobState::Cancelled)]);
    kept(&mut db, &[starting(2, 1), ended(2, 1, OK)]);
    // Neither the end of the memory of a parent nor its second life changes what was.
    let ended = JobState::Succeeded;
    let again = Write::Requeue { job: jid(2), attempt: 1, ended, max_attempts: 9, at: at(1) };
    kept(&mut db, &[Write::Forget(vec![jid(1)]), again]);
    let loaded = db.load_jobs().unwrap();
    let child = loaded.live.iter().find(|l| l.job.seq == 4).unwrap();
    assert_eq!(child.job.after, after);
    let ends = [JobState::Cancelled, JobState::Succeeded, JobState::Failed];
    let known: Vec<_> = after.iter().zip(ends).map(|(&(id, edge), end)| (id, edge, Some(end))).collect();
    assert_eq!(child.parents, known);
    assert_eq!(row(&db, 4).unwrap().job.after, after);
}

#[test]
fn finished_jobs_are_forgotten_and_their_numbers_are_not_given_again() {
    let (_dir, path) = home();
    let mut db = open(&path).unwrap();
    for n in 1..=6 {
        kept(&mut db, &[submit(n), starting(n, 1)]);
    }
    for n in [3, 1, 5, 2] {
        let state = if n == 2 { JobState::Dead } else { JobState::Succeeded };
        let Write::Ended(mut end) = ended(n, 1, NextState::Final(state)) else { unreachable!() };
        end.at = at(100 - n.cast_signed());
        kept(&mut db, &[Write::Ended(end)]);
    }
    let c = db.connection();
    let forgettable = |before, keep, limit| read::forgettable(c, at(before), keep, limit).unwrap();
    assert_eq!(forgettable(0, 9, 9), []);
    assert_eq!(forgettable(98, 9, 9), [jid(5), jid(3)], "those that ended first, not those submitted first");
    assert_eq!(forgettable(0, 1, 9), [jid(5), jid(3)], "more than are to be kept");
    assert_eq!(forgettable(1_000, 0, 9), [jid(5), jid(3), jid(1)], "dead ones wait for a person");
    assert_eq!(forgettable(1_000, 0, 1), [jid(5)]);
    let forget = Write::Forget(vec![jid(5), jid(6), jid(77)]);
    assert_eq!(kept(&mut db, &[forget.clone(), forget]), [DONE, NOTHING], "6 has not ended");
    kept(&mut db, &[finish(6, JobState::Cancelled), Write::Forget(vec![jid(6)])]);
    assert_eq!(row(&db, 6), None);
    drop(db);
    let mut db = open(&path).unwrap();
    assert_eq!(db.load_jobs().unwrap().last_seq, 6);
    let left: i64 = db.connection().query_row("SELECT count(*) FROM attempts", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 4);
}

#[test]
fn rows_are_read_as_far_as_they_are_small_and_what_is_not_there_is_said() {
    let (_dir, path) = home();
    let mut db = open(&path).unwrap();
    let large = |n| {
        let inputs = "x".repeat(usize::try_from(limits::ROWS_READ_BYTES).unwrap() / 2);
        Write::Submit(Box::new(NewJob { inputs, ..new_job(n) }))
    };
    kept(&mut db, &[submit(1), large(2), large(3), submit(4)]);
    let c = db.connection();
    let rows = |ids: &[u64]| {
        let ids: Vec<_> = ids.iter().map(|n| jid(*n)).collect();
        let rows = read::rows(c, &ids).unwrap();
        rows.into_iter().map(|row| row.map(|row| row.job.seq)).collect::<Vec<_>>()
    };
    assert_eq!(rows(&[4, 9, 1, 4]), [Some(4), None, Some(1), Some(4)]);
    assert_eq!(rows(&[1, 2, 3, 4]), [Some(1), Some(2), Some(3)], "the last one is over the limit");
    assert_eq!(rows(&[2, 3, 1]), [Some(2), Some(3)]);
    assert_eq!(rows(&[]), []);
    assert_eq!(read::missing(c, vec![jid(1), jid(9), jid(2), jid(8)]).unwrap(), [jid(9), jid(8)]);
}

#[test]
fn jobs_are_found_by_id_state_and_script() {
    let (_dir, path) = home();
    let mut db = open(&path).unwrap();
    for n in 1..=9 {
        kept(&mut db, &[submit(n)]);
    }
    kept(&mut db, &[starting(4, 1), starting(7, 1), starting(8, 1)]);
    kept(&mut db, &[ended(8, 1, OK), finish(1, JobState::Cancelled), finish(2, JobState::Cancelled)]);
    kept(&mut db, &[ended(7, 1, NextState::Again(at(1))), starting(7, 2)]);
    let c = db.connection();
    let jobs = |states: &[JobState], script: Option<&str>, limit| {
        let filter = Filter { states: states.to_vec(), script: script.map(Into::into), limit };
        read::jobs(c, &filter).unwrap().rows
    };
    let seqs = |states: &[JobState], script, limit| {
        jobs(states, script, limit).iter().map(|row| row.job.seq).collect::<Vec<_>>()
    };
    assert_eq!(seqs(&[], None, 3), [9, 8, 7]);
    assert_eq!(seqs(&[], None, 99).len(), 9);
    assert_eq!(seqs(&[JobState::Cancelled], None, 9), [2, 1]);
    assert_eq!(seqs(&[JobState::Running, JobState::Succeeded], None, 9), [8, 7, 4]);
    assert_eq!(seqs(&[JobState::Running, JobState::Succeeded], Some("deploy"), 9), [8, 4]);
    assert_eq!(seqs(&[], Some("lint"), 4), [9, 7, 5, 3]);
    assert_eq!(seqs(&[JobState::Queued, JobState::Cancelled], Some("lint"), 9), [9, 5, 3, 1]);
    assert_eq!(seqs(&[JobState::Held], None, 9), [0_u64; 0], "never kept as such");
    let running = &jobs(&[JobState::Running], Some("lint"), 9)[0];
    assert_eq!(running.attempts.iter().map(|a| a.attempt).collect::<Vec<_>>(), [2], "the last one only");

    let whole = jid(3).to_string();
    let find = |prefix: &str, limit| read::find(c, prefix, limit).unwrap();
    assert_eq!(find(&whole, 9), [jid(3)]);
    assert!(find(&whole[..4], 9).contains(&jid(3)));
    assert_eq!(find("", 99).len(), 9);
    assert_eq!(find("", 2).len(), 2);
    assert_eq!(find("' OR 1 --", 9), []);
    assert_eq!(read::inputs(c, jid(3)).unwrap().as_deref(), Some("{\"n\":3}"));
    assert_eq!(read::inputs(c, jid(33)).unwrap(), None);
    assert_eq!(row(&db, 33), None);
}

#[test]
fn one_write_that_cannot_be_made_does_not_take_others_along() {
    let (_dir, path) = home();
    let mut db = open(&path).unwrap();
    let same_number = |n| Write::Submit(Box::new(NewJob { seq: 1, ..new_job(n) }));
    let units = [vec![submit(1)], vec![submit(2), same_number(3), submit(4)], vec![submit(5)]];
    let units: Vec<Unit<'_>> = units.iter().map(|writes| Unit::Jobs(writes)).collect();
    let answers = db.write(&units);
    assert_eq!((&answers[0], &answers[2]), (&Ok(vec![DONE]), &Ok(vec![DONE])));
    assert!(matches!(answers[1], Err(StoreError::Io { .. })), "{:?}", answers[1]);
    let numbers: Vec<u64> = db.load_jobs().unwrap().live.iter().map(|l| l.job.seq).collect();
    assert_eq!(numbers, [1, 5], "all of a call or nothing");
}

#[test]
fn a_file_of_the_first_schema_is_brought_along() {
    let (_dir, path) = home();
    let old = rusqlite::Connection::open(&path).unwrap();
    old.execute_batch(super::super::schema::MIGRATIONS[0]).unwrap();
    let first = AgentRecord { process: None, ..super::record(4) };
    old.pragma_update(None, "user_version", 1).unwrap();
    super::super::agents::apply(&old, &Op::PutAgent(Box::new(first.clone()))).unwrap();
    drop(old);
    let mut db = open(&path).unwrap();
    assert_eq!(db.load("boot").unwrap().agents[0].0, first);
    assert_eq!(kept(&mut db, &[submit(1)]), [DONE]);
    drop(db);
    assert_eq!(open(&path).unwrap().load_jobs().unwrap().live, [live(1)]);
    // As it was before, it stands beside.
    let copy = path.with_extension("db.schema1");
    assert_eq!(std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    let old = rusqlite::Connection::open(&copy).unwrap();
    let version: i64 = old.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    let agents: i64 = old.query_row("SELECT count(*) FROM agents", [], |row| row.get(0)).unwrap();
    assert_eq!((version, agents), (1, 1));
}

#[test]
fn the_last_of_the_keys_that_begin_so_is_found() {
    let (_dir, path) = home();
    let mut db = open(&path).unwrap();
    let keyed = |n: u64, key: &str| Write::Submit(Box::new(NewJob { key: Some(key.into()), ..new_job(n) }));
    let of = "schedule:a:";
    let keys = ["2026-01-02", "2026-01-10", "2026-01-09"].map(|due| format!("{of}{due}"));
    let others = ["schedule:ab:2027".to_owned(), "schedule:B:1".to_owned()];
    for (n, key) in (1..).zip(keys.iter().chain(&others)) {
        kept(&mut db, &[keyed(n, key)]);
    }
    // However many jobs are younger.
    kept(&mut db, &(100..400).map(submit).collect::<Vec<_>>());
    let last = |prefix: &str| read::last_of_key(db.connection(), prefix).unwrap();
    assert_eq!(last(of), Some(jid(2)));
    assert_eq!(last(&keys[2]), Some(jid(3)));
    assert_eq!(last("schedule:ab:"), Some(jid(4)));
    assert_eq!(last("schedule:c:"), None);
}
