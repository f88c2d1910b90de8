//! Files that were cut or damaged: they open, or it is said exactly what is wrong with them.

use tsup_core::tes::job::JobState;
use tsup_core::tes::kept::{Filter, NextState};

use super::super::jobs::read;
use super::super::upkeep;
use super::jobs::{ended, finish, kept, starting, submit};
use super::*;

/// Fills a database with some of everything.
fn filled(path: &Path, agents: u64, jobs: u64) -> Vec<u8> {
    let mut db = open(path).unwrap();
    let ops: Vec<Op> = (0..agents).map(|n| Op::PutAgent(Box::new(record(n)))).collect();
    put(&mut db, &ops);
    put(&mut db, &[Op::AddChange(id(1), change(1))]);
    for n in 1..=jobs {
        let end = match n % 3 {
            0 => ended(n, 1, NextState::Final(JobState::Succeeded)),
            1 => ended(n, 1, NextState::Again(Wall::from_unix_ms(5))),
            _ => finish(n, JobState::Dead),
        };
        kept(&mut db, &[submit(n), starting(n, 1), end]);
    }
    drop(db);
    std::fs::read(path).unwrap()
}

/// Opens a file and reads all that is in it.
fn read_all(path: &Path) -> Result<usize, StoreError> {
    let mut db = Db::open(path, |_| {})?;
    let agents = db.load("boot")?.agents.len();
    let live = db.load_jobs()?.live.len();
    let c = db.connection();
    let sorted = |e| super::super::db::error("", &e);
    let jobs = read::jobs(c, &Filter { limit: 1_000, ..Filter::default() }).map_err(sorted)?.rows;
    read::forgettable(c, Wall::from_unix_ms(9), 1, 1_000).map_err(sorted)?;
    for row in &jobs {
        read::job(c, row.job.id).map_err(sorted)?;
    }
    Ok(agents + live + jobs.len())
}

#[test]
fn every_part_of_a_file_opens_or_says_what_is_wrong() {
    let (_dir, path) = fast_home();
    let whole = filled(&path, 40, 60);
    assert!(whole.len() > 20 * 4_096, "{}", whole.len());
    let (_torn_dir, torn) = fast_home();
    let pages = (0..=whole.len()).step_by(4_096).flat_map(|at| [at.saturating_sub(1), at, at + 1]);
    let (mut opened, mut refused) = (0, 0);
    for cut in pages.chain((0..whole.len()).step_by(509)).chain([15, 16, 99, 100]) {
        std::fs::write(&torn, &whole[..cut.min(whole.len())]).unwrap();
        match read_all(&torn) {
            Ok(_) => opened += 1,
            Err(e @ StoreError::Corrupt { .. }) => {
                assert!(e.to_string().contains(&torn.display().to_string()), "{e}");
                assert!(e.to_string().contains("aside"), "{e}");
                refused += 1;
            }
            Err(e) => panic!("cut at {cut}: {e}"),
        }
        for log in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{log}", torn.display()));
        }
    }
    assert!(opened >= 2 && refused > 100, "{opened} opened, {refused} refused");
}

/// What stands in the log before the cut was acknowledged, and is there.
#[test]
fn every_part_of_a_log_keeps_what_was_acknowledged_before_its_end() {
    let (dir, path) = fast_home();
    let log = dir.path().join("tsup.db-wal");
    let mut db = open(&path).unwrap();
    kept(&mut db, &[submit(1)]);
    let mut acknowledged = Vec::new();
    for n in 2..=25 {
        kept(&mut db, &[submit(n), starting(n, 1)]);
        acknowledged.push((std::fs::metadata(&log).unwrap().len(), n));
    }
    // Copied while it is open: a store that closes leaves no log.
    let (file, logged) = (std::fs::read(&path).unwrap(), std::fs::read(&log).unwrap());
    drop(db);
    assert!(logged.len() > 50 * 4_096);
    let (torn_dir, torn) = fast_home();
    let ends = acknowledged.iter().flat_map(|(len, _)| [*len as usize - 1, *len as usize]);
    for cut in ends.chain((0..logged.len()).step_by(1_021)) {
        std::fs::write(&torn, &file).unwrap();
        std::fs::write(torn_dir.path().join("tsup.db-wal"), &logged[..cut]).unwrap();
        let _ = std::fs::remove_file(torn_dir.path().join("tsup.db-shm"));
        let mut db = open(&torn).unwrap_or_else(|e| panic!("cut at {cut}: {e}"));
        let loaded = db.load_jobs().unwrap();
        let numbers: Vec<u64> = loaded.live.iter().map(|l| l.job.seq).collect();
        let last = acknowledged.iter().filter(|(len, _)| *len as usize <= cut).map(|(_, n)| *n).max();
        // All of a call or nothing, and no hole.
        assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
        assert!(loaded.live.iter().skip(1).all(|l| l.attempt == 1), "cut at {cut}");
        assert!(numbers.len() as u64 >= last.unwrap_or(0), "cut at {cut}: {} of {last:?}", numbers.len());
    }
}

/// SQLite removes the log of a file that is empty or gone. tsup does not let it.
#[test]
fn a_log_without_its_file_is_not_removed() {
    let (dir, path) = fast_home();
    let log = dir.path().join("tsup.db-wal");
    let mut db = open(&path).unwrap();
    kept(&mut db, &[submit(1)]);
    let logged = std::fs::read(&log).unwrap();
    drop(db);
    std::fs::write(&log, &logged).unwrap();
    for is_there in [true, false] {
        if is_there {
            std::fs::write(&path, b"").unwrap();
        } else {
            std::fs::remove_file(&path).unwrap();
        }
        let error = open(&path).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("tsup.db-wal still has writes of it"), "{error}");
        assert_eq!(std::fs::read(&log).unwrap(), logged);
    }
}

#[test]
fn five_thousand_random_flips_end_in_words() {
    let (_dir, path) = fast_home();
    let whole = Arc::new(filled(&path, 6, 9));
    let halves = [1_u64, 2].map(|seed| {
        let whole = Arc::clone(&whole);
        std::thread::spawn(move || flips(&whole, seed, 2_500))
    });
    let (mut read, mut refused) = (0, 0);
    for half in halves {
        let (well, badly) = half.join().expect("a damaged file makes no thread panic");
        (read, refused) = (read + well, refused + badly);
    }
    assert!(read > 100 && refused > 100, "{read} read, {refused} refused");
}

fn flips(whole: &[u8], seed: u64, rounds: usize) -> (usize, usize) {
    let (_dir, torn) = fast_home();
    let mut random = seed;
    let mut draw = |below: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % below
    };
    let (mut read, mut refused) = (0, 0);
    std::fs::write(&torn, whole).unwrap();
    for _ in 0..rounds {
        let (at, bits) = (draw(whole.len()), draw(255) as u8 + 1);
        poke(&torn, at, whole[at] ^ bits);
        match read_all(&torn) {
            Ok(_) => read += 1,
            Err(e) => {
                assert!(!e.to_string().is_empty());
                refused += 1;
            }
        }
        // Opening may have written: the boot, a migration that a flipped version seemed to need.
        std::fs::write(&torn, whole).unwrap();
        let log = format!("{}-wal", torn.display());
        let _ = std::fs::remove_file(log);
    }
    (read, refused)
}

fn poke(path: &Path, at: usize, byte: u8) {
    use std::os::unix::fs::FileExt;
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(&[byte], at as u64).unwrap();
}

/// What a check finds while the file is in use is told.
#[test]
fn a_check_beside_the_writer_tells_what_it_finds() {
    let (_dir, path) = fast_home();
    let whole = filled(&path, 40, 60);
    let (tell, told) = std::sync::mpsc::sync_channel(1);
    let well = tell.clone();
    upkeep::check(&rusqlite::Connection::open(&path).unwrap(), "x").unwrap();
    // Not the first page: the file is still a database.
    for page in 2..whole.len() / 4_096 {
        poke(&path, page * 4_096, 0x7f);
    }
    let check = upkeep::Check::start(&path, move |e| well.send(e).unwrap()).unwrap();
    let found = told.recv_timeout(std::time::Duration::from_secs(20)).unwrap();
    assert!(matches!(found, StoreError::Corrupt { .. }), "{found}");
    drop((check, tell));
}
