mod faults;
mod jobs;
mod model;
mod torn;

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use tempfile::TempDir;
use tsup_core::clock::Wall;
use tsup_core::fleet::agent::{Change, Verdict};
use tsup_core::fleet::relaunch::{Hold, Kept};
use tsup_core::fleet::state::{AgentState, Detail};
use tsup_core::ids::{AgentId, ProcId, SocketName};

use super::db::{Db, Unit};
use super::writer::{Job, Plan, Turn, Writer};
use super::*;

fn home() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tsup.db");
    (dir, path)
}

/// A home in memory where there is such a thing: for tests that open many files and lose none.
fn fast_home() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let path = dir.path().join("tsup.db");
    (dir, path)
}

fn open(path: &Path) -> Result<Db, StoreError> {
    Db::open(path, |e| panic!("{e}"))
}

fn id(n: u64) -> AgentId {
    AgentId::owned(&SocketName("s".into()), "web", &n.to_string())
}

const HOLDS: [Option<Hold<Wall>>; 5] = [
    Some(Hold::Restarts),
    Some(Hold::Login),
    Some(Hold::Limit { until: Wall::from_unix_ms(1_795_225_162_138), known: true }),
    Some(Hold::Limit { until: Wall::from_unix_ms(1_795_225_162_138), known: false }),
    None,
];

fn record(n: u64) -> AgentRecord {
    AgentRecord {
        id: id(n),
        socket: SocketName("s".into()),
        session: "web\u{1b}".into(),
        name: "dev".into(),
        profile: "claude".into(),
        spec: None,
        owned: n.is_multiple_of(2),
        process: Some(ProcId { pid: 7, start_ticks: u64::MAX }),
        first_seen: Wall::from_unix_ms(5),
        kept: Kept { total: n, hold: HOLDS[usize::try_from(n).unwrap() % HOLDS.len()], stopped: false },
        paused: Some(if n.is_multiple_of(2) {
            Paused::UntilResumed
        } else {
            Paused::Until(Wall::from_unix_ms(9))
        }),
    }
}

fn change(n: i64) -> Change {
    Change {
        at: Wall::from_unix_ms(n),
        from: AgentState::Busy,
        to: Verdict { state: AgentState::Exited, detail: Some(Detail::UnknownCause) },
        because: format!("reason {n}").into(),
    }
}

fn writer(path: &Path) -> (Writer, Arc<watch::Sender<Option<StoreError>>>) {
    let health = Arc::new(watch::Sender::new(None));
    let (opened, _) = std::sync::mpsc::sync_channel(0);
    let plan = Plan { health: Arc::clone(&health), open: Arc::default(), turn: Arc::default(), opened };
    (Writer::start(path, plan, |why| panic!("{why}")).unwrap(), health)
}

async fn write(writer: &Writer, op: Op) -> Result<(), StoreError> {
    let (reply, answer) = Reply::channel();
    writer.send(Job::Write(op, reply));
    answer.await.unwrap()
}

fn put(db: &mut Db, ops: &[Op]) {
    for wrote in db.write(&ops.iter().map(Unit::Op).collect::<Vec<_>>()) {
        wrote.unwrap();
    }
}

fn reopened(path: &Path) -> Loaded {
    open(path).unwrap().load("boot").unwrap()
}

#[tokio::test]
async fn what_was_written_is_read_again() {
    let (_dir, path) = home();
    let (w, _) = writer(&path);
    for n in 0..5 {
        write(&w, Op::PutAgent(Box::new(record(n)))).await.unwrap();
    }
    for n in 0..limits::AGENT_HISTORY as i64 + 7 {
        w.send(Job::WriteLazily(Op::AddChange(id(1), change(n))));
    }
    write(&w, Op::ForgetAgent(id(2))).await.unwrap();
    w.finish();
    let loaded = reopened(&path);
    assert!(!loaded.same_boot);
    assert!(reopened(&path).same_boot);
    let mut expected = vec![record(0), record(1), record(3), record(4)];
    expected.sort_by_key(|r| r.id.to_string());
    assert_eq!(loaded.agents.iter().map(|(r, _)| r.clone()).collect::<Vec<_>>(), expected);
    let history = &loaded.agents.iter().find(|(r, _)| r.id == id(1)).unwrap().1;
    assert_eq!(history.len(), limits::AGENT_HISTORY);
    assert_eq!(history.last(), Some(&change(limits::AGENT_HISTORY as i64 + 6)));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

/// Writes one agent after the other and prints each that was acknowledged, until it is killed.
fn write_until_killed(path: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (w, _) = writer(path);
        for n in 0.. {
            write(&w, Op::PutAgent(Box::new(record(n)))).await.unwrap();
            println!("acked {n}");
        }
    });
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    if let Ok(path) = std::env::var("TSUP_TEST_STORE_CHILD") {
        return write_until_killed(Path::new(&path));
    }
    for round in 1..6 {
        let (_dir, path) = home();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::tests::what_was_acknowledged_survives_kill_9", "--nocapture"])
            .env("TSUP_TEST_STORE_CHILD", &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut last = 0;
        while last < round * 3 {
            let line = lines.next().expect("the child writes until it is killed").unwrap();
            if let Some(n) = line.strip_prefix("acked ") {
                last = n.parse::<u64>().unwrap();
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let last = lines
            .map_while(Result::ok)
            .filter_map(|l| l.strip_prefix("acked ")?.parse::<u64>().ok())
            .last()
            .unwrap_or(last);
        let kept: std::collections::BTreeSet<u64> =
            reopened(&path).agents.iter().map(|(r, _)| r.kept.total).collect();
        for n in 0..=last {
            assert!(kept.contains(&n), "agent {n} was acknowledged and is lost");
        }
    }
}

#[test]
fn a_newer_database_is_refused_and_not_touched() {
    let (_dir, path) = home();
    let newer = rusqlite::Connection::open(&path).unwrap();
    newer.execute_batch("CREATE TABLE later (x); PRAGMA user_version = 99;").unwrap();
    drop(newer);
    let before = std::fs::read(&path).unwrap();
    let error = check(&path).unwrap_err();
    assert_eq!(open(&path).map(|_| ()).unwrap_err(), error);
    assert!(error.to_string().contains("has schema 99, this tsup knows up to 3"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn a_store_that_cannot_write_says_so_and_recovers() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("later").join("tsup.db");
    let (w, health) = writer(&path);
    let refused = write(&w, Op::PutAgent(Box::new(record(1)))).await;
    assert!(matches!(refused, Err(StoreError::Io { .. })), "{refused:?}");
    assert!(health.borrow().is_some());
    std::fs::create_dir(dir.path().join("later")).unwrap();
    write(&w, Op::PutAgent(Box::new(record(1)))).await.unwrap();
    assert_eq!(*health.borrow(), None);
    w.finish();
    assert_eq!(reopened(&path).agents.len(), 1);
}

#[tokio::test]
async fn many_writers_share_a_transaction() {
    let (_dir, path) = home();
    let (w, _) = writer(&path);
    write(&w, Op::PutAgent(Box::new(record(0)))).await.unwrap();
    let answers: Vec<_> = (0..1_000)
        .map(|n| {
            let (reply, answer) = Reply::channel();
            w.send(Job::Write(Op::PutAgent(Box::new(record(n))), reply));
            answer
        })
        .collect();
    for answer in answers {
        answer.await.unwrap().unwrap();
    }
    w.finish();
    assert_eq!(reopened(&path).agents.len(), 1_000);
}

/// What the writer of a crashed incarnation still has in hand is written before its successor reads anything.
#[tokio::test]
async fn a_successor_waits_for_the_writes_of_its_predecessor() {
    let (_dir, path) = home();
    let turn = Turn::default();
    let start = |turn: &Turn| {
        let (opened, _) = std::sync::mpsc::sync_channel(0);
        let health = Arc::new(watch::Sender::new(None));
        Writer::start(&path, Plan { health, open: Arc::default(), turn: Arc::clone(turn), opened }, |why| {
            panic!("{why}")
        })
        .unwrap()
    };
    // Nobody writes before the test lets go of the turn.
    let held = turn.lock();
    let predecessor = start(&turn);
    for n in 0..50 {
        predecessor.send(Job::WriteLazily(Op::PutAgent(Box::new(record(n)))));
    }
    drop(held);
    // It is dropped as a crash drops it: its thread goes on by itself.
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while turn.try_lock().is_some() {
        assert!(std::time::Instant::now() < until, "it takes its turn");
        std::thread::yield_now();
    }
    drop(predecessor);
    let successor = start(&turn);
    let (reply, loaded) = Reply::channel();
    successor.send(Job::Load(reply));
    assert_eq!(loaded.await.unwrap().unwrap().agents.len(), 50);
    successor.finish();
}
