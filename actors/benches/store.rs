//! What keeping jobs costs: a durable submission on tables of several lengths, many submitters at once, the
//! whole life of a job, and the start with a million finished ones.
//! `cargo bench -p tsup-actors --bench store -- [submit] [many] [load] [--quick]`.
//!
//! Every answer is durable: the way is that of the queue, through the gate, the actor and its thread. Beside it
//! stands the bare price of the disk: a write of 4 KiB and an fdatasync.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]
#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use tempfile::TempDir;
use tsup_actors::store::{JobStore, Store};
use tsup_actors::supervisor::{SupervisorSpec, Tree, child, spawn};
use tsup_core::clock::Wall;
use tsup_core::ids::{ActorPath, JobId};
use tsup_core::supervision::Strategy;
use tsup_core::tes::attempt::{AttemptId, End, Enforced, FILES_VERSION, Record, Used};
use tsup_core::tes::job::{JobState, Priority};
use tsup_core::tes::kept::{AttemptEnd, Filter, NewJob, NextState, Write, Wrote};

const CLIENTS: usize = 64;

/// An id that is spread like a drawn one.
fn id(seq: u64) -> JobId {
    JobId::drawn(seq.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16)
}

/// A job as agents submit them: 100 bytes of inputs, a key for every second one.
fn submit(seq: u64) -> Write {
    Write::Submit(Box::new(NewJob {
        id: id(seq),
        seq,
        script: ["lint", "test", "deploy"][seq as usize % 3].into(),
        priority: Priority::Normal,
        session: "web".into(),
        agent: None,
        specialist: Some("qa".into()),
        user: Some("ann".into()),
        correlation_id: None,
        key: seq.is_multiple_of(2).then(|| format!("web-{}", id(seq * 3))),
        print: seq.wrapping_mul(0x9e37_79b9_7f4a_7c15),
        group: None,
        slots: 1,
        max_attempts: 3,
        timeout: None,
        submitted_at: Wall::from_unix_ms(1_795_225_162_000 + seq as i64),
        not_before: None,
        start_by: None,
        held: false,
        after: Vec::new(),
        inputs: format!(
            "{{\"path\":\"services/web/src/{seq}\",\"fix\":true,\"rules\":[\"style\",\"types\",\"unused\"],\"limit\":200}}"
        ),
    }))
}

fn starting(seq: u64) -> Write {
    let at = Wall::from_unix_ms(1_795_225_163_000 + seq as i64);
    Write::Starting {
        job: id(seq),
        attempt: 1,
        boot_id: "3d813cbb-47fb-32ba-91df-831e1593ac29".into(),
        at,
        slot: 0,
    }
}

fn ended(seq: u64) -> Write {
    let at = Wall::from_unix_ms(1_795_225_164_000 + seq as i64);
    let used = Used {
        cpu_seconds: 0.25,
        peak_memory_bytes: 44_040_192,
        memory_source: "sampled".into(),
        ..Used::default()
    };
    let record = Record {
        version: FILES_VERSION,
        id: AttemptId { job: id(seq), attempt: 1, epoch: 1 },
        boot_id: "3d813cbb-47fb-32ba-91df-831e1593ac29".into(),
        started_at: at,
        ended_at: at,
        wall_seconds: 0.312,
        end: End::Exited(0),
        cause: None,
        left_behind: 0,
        stdout_bytes: 120,
        stderr_bytes: 0,
        truncated: false,
        used,
        enforced: Enforced { fs: "landlock7".into(), network: "netns".into(), ..Enforced::default() },
    };
    Write::Ended(Box::new(AttemptEnd {
        job: id(seq),
        attempt: 1,
        at,
        record: Some(record),
        failure: None,
        retry: None,
        outputs: Some("{\"warnings\":3,\"fixed\":true}".into()),
        next: NextState::Final(JobState::Succeeded),
    }))
}

/// A directory on the disk that the build is on, since `/tmp` may be memory; or in `TSUP_BENCH_DIR`.
fn directory() -> TempDir {
    let on = std::env::var("TSUP_BENCH_DIR").unwrap_or_else(|_| env!("CARGO_TARGET_TMPDIR").to_owned());
    tempfile::tempdir_in(on).unwrap()
}

/// CPU that this process has used, in seconds, and bytes that it has written.
fn spent() -> (f64, f64) {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    let io = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let written = io.lines().find_map(|l| l.strip_prefix("wchar: ")?.parse().ok()).unwrap_or(0.0);
    (now.tv_sec as f64 + now.tv_nsec as f64 / 1e9, written)
}

async fn open(home: &Path) -> (Store, Tree) {
    let root = ActorPath::root();
    let store = Store::new(&root, "store", home.join("tsup.db"));
    let actor = store.clone();
    let spec = SupervisorSpec::new(root, Strategy::OneForOne);
    let tree = spawn(spec.child(child("store", store.gate(), move || actor.actor()))).await.unwrap();
    (store, tree)
}

async fn close(mut tree: Tree) {
    tree.stop();
    tree.ended().await;
}

async fn keep(store: &Store, writes: Vec<Write>) {
    assert!(store.keep(writes).await.unwrap().iter().all(|w| *w == Wrote::Done));
}

/// Fills the table with the jobs of these numbers.
async fn fill(store: &Store, seqs: std::ops::Range<u64>, each: impl Fn(u64) -> Vec<Write>) {
    let all: Vec<u64> = seqs.collect();
    for part in all.chunks(500) {
        keep(store, part.iter().flat_map(|seq| each(*seq)).collect()).await;
    }
}

struct Times(Vec<Duration>);

impl Times {
    fn ms(&mut self, percent: usize) -> f64 {
        self.0.sort_unstable();
        let at = (self.0.len() * percent / 100).min(self.0.len() - 1);
        self.0[at].as_secs_f64() * 1e3
    }

    fn say(mut self, what: &str, floor_ms: f64) {
        let (p50, p99, max) = (self.ms(50), self.ms(99), self.ms(100));
        let times = p50 / floor_ms;
        println!("| {what} | {} | {p50:.2} | {p99:.2} | {max:.2} | {times:.1} |", self.0.len());
    }
}

/// What the disk takes for itself.
fn floor(n: usize) -> Times {
    let directory = directory();
    let mut file = File::create(directory.path().join("floor")).unwrap();
    let times = (0..n).map(|_| {
        let start = Instant::now();
        file.write_all(&[7; 4096]).unwrap();
        file.sync_data().unwrap();
        start.elapsed()
    });
    Times(times.collect())
}

async fn submits(quick: bool) {
    let n: u64 = if quick { 500 } else { 3_000 };
    println!("\n### One client, each submission durable\n");
    println!("| what | n | p50 ms | p99 ms | max ms | times the bare sync |\n|---|---|---|---|---|---|");
    let mut bare = floor(n as usize);
    let floor_ms = bare.ms(50);
    bare.say("bare write of 4 KiB and fdatasync", floor_ms);
    for queued in if quick { vec![0, 10_000] } else { vec![0, 10_000, 100_000] } {
        let home = directory();
        let (store, tree) = open(home.path()).await;
        fill(&store, 1..queued + 1, |seq| vec![submit(seq)]).await;
        let mut times = Vec::new();
        for seq in queued + 1..=queued + n {
            let write = vec![submit(seq)];
            let start = Instant::now();
            keep(&store, write).await;
            times.push(start.elapsed());
        }
        Times(times).say(&format!("submit, {queued} queued"), floor_ms);
        close(tree).await;
    }
}

/// Tasks that submit one after the other, each waiting for its answer: the rate of all together, the times of
/// answers, and CPU and bytes written for each job.
async fn rate(store: &Store, first: u64, n: u64, each: fn(u64) -> Vec<Vec<Write>>) -> (f64, Times, f64, f64) {
    let next = Arc::new(AtomicU64::new(first));
    let (start, (cpu, bytes)) = (Instant::now(), spent());
    let tasks: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (store, next) = (store.clone(), Arc::clone(&next));
            tokio::spawn(async move {
                let mut times = Vec::new();
                loop {
                    let seq = next.fetch_add(1, Ordering::Relaxed);
                    if seq >= first + n {
                        return times;
                    }
                    for writes in each(seq) {
                        let start = Instant::now();
                        keep(&store, writes).await;
                        times.push(start.elapsed());
                    }
                }
            })
        })
        .collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.unwrap());
    }
    let (took, n, after) = (start.elapsed().as_secs_f64(), n as f64, spent());
    (n / took, Times(times), (after.0 - cpu) / n, (after.1 - bytes) / n)
}

async fn many(quick: bool) {
    let n = if quick { 20_000 } else { 200_000 };
    println!("\n### {CLIENTS} clients at once, each answer durable\n");
    println!("| what | n | a second | p50 ms | p99 ms | max ms | µs of CPU each | bytes written each |");
    println!("|---|---|---|---|---|---|---|---|");
    let home = directory();
    let (store, tree) = open(home.path()).await;
    let say = |what: &str, (rate, mut times, cpu, bytes): (f64, Times, f64, f64)| {
        let (p50, p99, max) = (times.ms(50), times.ms(99), times.ms(100));
        println!(
            "| {what} | {n} | {rate:.0} | {p50:.2} | {p99:.2} | {max:.2} | {:.1} | {:.0} |",
            cpu * 1e6,
            bytes
        );
    };
    say("submit, from an empty table", rate(&store, 1, n, |seq| vec![vec![submit(seq)]]).await);
    say("submit, on top of those", rate(&store, n + 1, n, |seq| vec![vec![submit(seq)]]).await);
    let life = |seq| vec![vec![submit(seq)], vec![starting(seq)], vec![ended(seq)]];
    say("whole jobs: submit, start, end", rate(&store, 2 * n + 1, n, life).await);
    close(tree).await;
}

async fn load(quick: bool) {
    let n: u64 = if quick { 50_000 } else { 1_000_000 };
    println!("\n### A start with {n} finished jobs\n");
    println!("| what | measured |\n|---|---|");
    let home = directory();
    let (store, tree) = open(home.path()).await;
    let start = Instant::now();
    fill(&store, 1..n + 1, |seq| vec![submit(seq), starting(seq), ended(seq)]).await;
    println!("| writing them, 500 in a call | {:.1} s |", start.elapsed().as_secs_f64());
    fill(&store, n + 1..n + 1_001, |seq| vec![submit(seq)]).await;
    close(tree).await;
    let bytes = std::fs::metadata(home.path().join("tsup.db")).unwrap().len();
    println!("| bytes of the file for each job | {} |", bytes / n);
    for _ in 0..3 {
        let start = Instant::now();
        let (store, tree) = open(home.path()).await;
        store.load().await.unwrap();
        let loaded = store.load_jobs().await.unwrap();
        let took = start.elapsed();
        assert_eq!((loaded.live.len(), loaded.counts[&JobState::Succeeded]), (1_000, n));
        println!("| opening, loading agents and jobs (1,000 live) | {:.3} s |", took.as_secs_f64());
        ask(&store, n).await;
        close(tree).await;
    }
}

async fn ask(store: &Store, n: u64) {
    let ms = |start: Instant| start.elapsed().as_secs_f64() * 1e3;
    let start = Instant::now();
    assert!(store.job(id(n / 2)).await.unwrap().is_some());
    let one = ms(start);
    let start = Instant::now();
    let filter = Filter { states: vec![JobState::Succeeded], script: Some("lint".into()), limit: 50 };
    assert_eq!(store.jobs(filter).await.unwrap().rows.len(), 50);
    let listed = ms(start);
    let start = Instant::now();
    assert!(
        store
            .jobs(Filter { states: vec![JobState::Dead], script: None, limit: 50 })
            .await
            .unwrap()
            .rows
            .is_empty()
    );
    let none = ms(start);
    let start = Instant::now();
    store.forgettable(Wall::from_unix_ms(0), n - 100, 1_000).await.unwrap();
    let old = ms(start);
    println!(
        "| one job, 50 of a script, dead ones, what may be forgotten | {one:.1}, {listed:.1}, {none:.1}, {old:.1} ms |"
    );
}

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let quick = asked.iter().any(|a| a == "--quick");
    let wanted = |name: &str| asked.iter().all(|a| a == "--quick") || asked.iter().any(|a| a == name);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        println!("## Keeping jobs");
        if wanted("submit") {
            submits(quick).await;
        }
        if wanted("many") {
            many(quick).await;
        }
        if wanted("load") {
            load(quick).await;
        }
    });
}
