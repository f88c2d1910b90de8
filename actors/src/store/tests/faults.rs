//! The machine under the store fails: the process is killed, the disk is full, does not confirm, or is read-only.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use tsup_core::tes::job::JobState;
use tsup_core::tes::kept::{NextState, Write};

use super::jobs::{ended, kept, starting, submit};
use super::*;

/// Runs this test again as a child that writes, under `before` where there is something to run it under.
fn child(test: &str, path: &Path, before: &[&str]) -> Command {
    let exe = std::env::current_exe().unwrap();
    let mut words: Vec<std::ffi::OsString> = before.iter().map(Into::into).collect();
    words.push(exe.into());
    let mut command = Command::new(&words[0]);
    command
        .args(&words[1..])
        .args(["--exact", &format!("store::tests::faults::{test}"), "--nocapture"])
        .env("TSUP_TEST_STORE_CHILD", path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

fn is_child() -> Option<PathBuf> {
    std::env::var_os("TSUP_TEST_STORE_CHILD").map(Into::into)
}

async fn keep(w: &Writer, writes: Vec<Write>) -> Result<(), StoreError> {
    let (reply, answer) = Reply::channel();
    w.send(Job::Keep(writes, reply));
    answer.await.unwrap_or_else(|_| Err(StoreError::Unavailable("it ended".into()))).map(|_| ())
}

/// Says it in one write, so that no line is torn.
fn say(words: &str) {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(format!("\n{words}\n").as_bytes()).and_then(|()| out.flush());
}

/// Two jobs in a call, from several tasks at once, until something ends it.
fn submit_until_the_end(path: &Path, tasks: u64, jobs: u64) {
    let health = Arc::new(watch::Sender::new(None));
    let (opened, _) = std::sync::mpsc::sync_channel(0);
    let w = Writer::start(path, Plan { health, open: Arc::default(), turn: Arc::default(), opened }, |_| {})
        .unwrap();
    let next = Arc::new(AtomicU64::new(0));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let w = Arc::new(w);
    runtime.block_on(async {
        let mut running = tokio::task::JoinSet::new();
        for _ in 0..tasks {
            let (w, next) = (Arc::clone(&w), Arc::clone(&next));
            running.spawn(async move {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= jobs {
                        return;
                    }
                    let done = ended(2 * n + 1, 1, NextState::Final(JobState::Succeeded));
                    let writes = vec![submit(2 * n + 1), submit(2 * n + 2), starting(2 * n + 1, 1), done];
                    match keep(&w, writes).await {
                        Ok(()) => say(&format!("acked {n}")),
                        Err(e) => return say(&format!("failed {n}: {e}")),
                    }
                }
            });
        }
        while running.join_next().await.is_some() {}
    });
}

fn acked(line: &str) -> Option<u64> {
    line.strip_prefix("acked ")?.parse().ok()
}

/// Everything that was acknowledged is there, and of each call all or nothing.
fn nothing_lost(path: &Path, acked: &BTreeSet<u64>) {
    let mut db = open(path).unwrap();
    let loaded = db.load_jobs().unwrap();
    let live: BTreeSet<u64> = loaded.live.iter().map(|l| l.job.seq).collect();
    assert!(live.iter().all(|seq| seq.is_multiple_of(2)), "the first one of each call has ended");
    assert_eq!(loaded.counts.get(&JobState::Succeeded).copied().unwrap_or(0), live.len() as u64);
    for n in acked {
        assert!(live.contains(&(2 * n + 2)), "call {n} was acknowledged and is lost");
    }
}

#[test]
fn no_acknowledged_job_is_lost_by_kill_9() {
    if let Some(path) = is_child() {
        return submit_until_the_end(&path, 8, u64::MAX);
    }
    for round in 1..6 {
        let (_dir, path) = home();
        let mut child = child("no_acknowledged_job_is_lost_by_kill_9", &path, &[]).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut seen = BTreeSet::new();
        while seen.len() < round * 23 {
            seen.extend(acked(&lines.next().expect("it writes until it is killed").unwrap()));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        seen.extend(lines.map_while(Result::ok).filter_map(|line| acked(&line)));
        nothing_lost(&path, &seen);
    }
}

/// `strace` with these arguments, or `None` with the reason on the standard error.
fn strace(dir: &Path, args: &[&str]) -> Option<(Vec<String>, PathBuf)> {
    let out = dir.join("trace");
    let works = Command::new("strace").args(["-o", "/dev/null", "true"]).status().is_ok_and(|s| s.success());
    if !works {
        skipped("strace cannot be run here");
        return None;
    }
    let mut words = vec!["strace".to_owned(), "-f".into(), "-o".into(), out.display().to_string()];
    words.extend(args.iter().map(|&a| a.to_owned()));
    Some((words, out))
}

fn skipped(why: &str) {
    eprintln!("skipped: {why}");
}

/// An answer leaves after the sync of what was written for it, by what the kernel saw.
#[test]
fn the_sync_comes_before_the_answer() {
    if let Some(path) = is_child() {
        return submit_until_the_end(&path, 1, 40);
    }
    let (dir, path) = home();
    // Made before, so that every write into the log belongs to an answer.
    drop(open(&path).unwrap());
    let traced = ["-y", "-s", "64", "-e", "trace=pwrite64,fdatasync,fsync,write"];
    let Some((words, out)) = strace(dir.path(), &traced) else { return };
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let ran = child("the_sync_comes_before_the_answer", &path, &words).output().unwrap();
    assert!(ran.status.success());
    let (mut unsynced, mut synced, mut answers) = (false, 0, 0);
    let mut syncing = BTreeSet::new();
    for line in std::fs::read_to_string(out).unwrap().lines() {
        let (pid, call) = line.split_once(' ').unwrap();
        let call = call.trim_start();
        let is_sync = call.starts_with("fdatasync(") || call.starts_with("fsync(");
        let is_done = if is_sync && call.contains("unfinished") {
            syncing.insert(pid.to_owned());
            false
        } else {
            is_sync || (call.contains("sync resumed>") && syncing.remove(pid))
        };
        if call.starts_with("pwrite64(") && call.contains("tsup.db-wal>") {
            unsynced = true;
        } else if is_done && call.ends_with("= 0") && unsynced {
            // The next answer is that of this transaction: one client waits for each.
            (unsynced, synced) = (false, synced + 1);
        } else if call.starts_with("write(1") && call.contains("acked ") {
            answers += 1;
            assert!(synced >= answers, "answer {answers} came after {synced} syncs: {line}");
        }
    }
    assert_eq!(answers, 40);
}

/// After a sync that was not confirmed nothing is acknowledged any more, and what was before is there.
#[test]
fn a_disk_that_does_not_confirm_ends_the_writer() {
    if let Some(path) = is_child() {
        return submit_until_the_end(&path, 2, 1_000);
    }
    let (dir, path) = home();
    // The first syncs are those of the file's making.
    drop(open(&path).unwrap());
    let inject = ["-e", "trace=fdatasync,fsync", "-e", "inject=fdatasync:error=EIO:when=9+"];
    let Some((words, _)) = strace(dir.path(), &inject) else { return };
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let ran = child("a_disk_that_does_not_confirm_ends_the_writer", &path, &words).output().unwrap();
    let lines = String::from_utf8_lossy(&ran.stdout).into_owned();
    let seen: BTreeSet<u64> = lines.lines().filter_map(acked).collect();
    let failed: Vec<&str> = lines.lines().filter(|l| l.starts_with("failed ")).collect();
    assert!(!seen.is_empty() && seen.len() < 20, "{lines}");
    assert_eq!(failed.len(), 2, "each task is told: {lines}");
    assert!(failed.iter().any(|l| l.contains("the disk did not confirm a write")), "{failed:?}");
    nothing_lost(&path, &seen);
}

/// A small disk of its own; taken away at the end.
struct Disk(TempDir);

impl Disk {
    fn new(options: &str) -> Option<Disk> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = mount(&["-t", "tmpfs", "-o", options, "tmpfs"], dir.path());
        if !mounted {
            skipped("no file system can be mounted here");
            return None;
        }
        Some(Disk(dir))
    }
}

fn mount(args: &[&str], at: &Path) -> bool {
    let mut command = Command::new("mount");
    command.args(args).arg(at).stderr(Stdio::null());
    command.status().is_ok_and(|s| s.success())
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn a_full_disk_refuses_and_heals_by_itself() {
    let Some(disk) = Disk::new("size=3m") else { return };
    let path = disk.0.path().join("tsup.db");
    let ballast = disk.0.path().join("ballast");
    std::fs::write(&ballast, vec![7; 1 << 20]).unwrap();
    let (w, health) = writer(&path);
    let (mut n, mut acked) = (0, Vec::new());
    let refused = loop {
        n += 1;
        match keep(&w, vec![submit(n)]).await {
            Ok(()) => acked.push(n),
            Err(e) => break e,
        }
        assert!(n < 10_000, "it is full at some time");
    };
    assert!(matches!(refused, StoreError::Full { .. }), "{refused}");
    assert!(refused.to_string().contains("no space left"), "{refused}");
    assert_eq!(*health.borrow(), Some(refused));
    std::fs::remove_file(ballast).unwrap();
    keep(&w, vec![submit(n + 1)]).await.unwrap();
    acked.push(n + 1);
    assert_eq!(*health.borrow(), None);
    w.finish();
    let mut db = open(&path).unwrap();
    let numbers: Vec<u64> = db.load_jobs().unwrap().live.iter().map(|l| l.job.seq).collect();
    assert_eq!(numbers, acked, "what was refused is not there, what was acknowledged is");
    drop(db);
}

#[test]
fn a_read_only_disk_is_named() {
    let Some(disk) = Disk::new("size=3m") else { return };
    let path = disk.0.path().join("tsup.db");
    let mut db = open(&path).unwrap();
    kept(&mut db, &[submit(1)]);
    drop(db);
    // A test beside this one that starts a child holds copies of all files between its fork and its exec.
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !mount(&["-o", "remount,ro"], disk.0.path()) {
        assert!(std::time::Instant::now() < until, "it can be made read-only");
        std::thread::yield_now();
    }
    for file in [path, disk.0.path().join("other.db")] {
        let refused = open(&file).map(|_| ()).unwrap_err();
        assert!(matches!(refused, StoreError::Io { .. }), "{refused}");
        assert!(refused.to_string().contains("Read-only file system"), "{refused}");
    }
}
