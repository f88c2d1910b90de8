//! What watching costs, in CPU and in memory; tmux's own share stated apart.

use std::collections::HashMap;
use std::fs;
use std::time::{Duration, Instant};

use crate::Size;
use crate::world::{Shape, Supervisor, World};

/// Adds up what the threads of some processes use, from the scheduler's own accounting. Threads come and
/// go, and a thread that ended takes its account along: so it is read every second, and an idle thread
/// lives longer than that.
struct Meter {
    pids: Vec<u32>,
    threads: HashMap<String, u64>,
    used_ns: u64,
}

impl Meter {
    fn new(pids: Vec<u32>) -> Meter {
        let mut meter = Meter { pids, threads: HashMap::new(), used_ns: 0 };
        meter.read();
        meter.used_ns = 0;
        meter
    }

    fn read(&mut self) {
        for pid in &self.pids {
            for thread in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
                let account = fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
                let Some(now) = account.split(' ').next().and_then(|ns| ns.parse::<u64>().ok()) else {
                    continue;
                };
                let before = self.threads.insert(thread.path().display().to_string(), now).unwrap_or(0);
                self.used_ns += now.saturating_sub(before);
            }
        }
    }
}

/// Percent of one core over the next `seconds`: supervisor with its clients, and the tmux server.
pub(crate) fn load(supervisor: Option<&Supervisor>, tmux: u32, seconds: u64) -> (f64, f64) {
    let mut ours = Meter::new(supervisor.map(Supervisor::processes).unwrap_or_default());
    let mut theirs = Meter::new(vec![tmux]);
    let began = Instant::now();
    for _ in 0..seconds {
        pass(1);
        ours.read();
        theirs.read();
    }
    let elapsed = began.elapsed().as_nanos() as f64;
    (ours.used_ns as f64 / elapsed * 100.0, theirs.used_ns as f64 / elapsed * 100.0)
}

/// Lets `seconds` pass while nothing is done.
pub(crate) fn pass(seconds: u64) {
    let end = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < end {
        std::thread::park_timeout(end.saturating_duration_since(Instant::now()));
    }
}

/// CPU with idle panes, and how it grows.
pub(crate) fn idle(size: Size) {
    println!(
        "\n### CPU while all panes are idle, percent of one core over {} s\n\n\
         | shape | panes | supervisor and clients | tmux alone before | tmux while watched | sum added | added per agent, thousandths of a percent |\n\
         |---|---|---|---|---|---|---|",
        size.idle_seconds
    );
    let mut shapes = vec![
        Shape { sessions: 1, windows: 50, panes: 1 },
        Shape { sessions: 4, windows: 50, panes: 1 },
        Shape { sessions: 200, windows: 1, panes: 1 },
        Shape { sessions: 4, windows: 10, panes: 5 },
    ];
    if size.big > 200 {
        shapes.push(Shape { sessions: 20, windows: size.big / 20, panes: 1 });
    }
    for shape in shapes {
        let world = World::new(shape);
        let (_, before) = load(None, world.tmux_pid, size.idle_seconds / 3);
        let supervisor = world.supervise(shape.total());
        // The first captures and samples are behind it after this.
        pass(10.min(size.idle_seconds));
        let (ours, tmux) = load(Some(&supervisor), world.tmux_pid, size.idle_seconds);
        let added = ours + (tmux - before).max(0.0);
        println!(
            "| {} | {} | {ours:.3} | {before:.3} | {tmux:.3} | {added:.3} | {:.2} |",
            shape.name(),
            shape.total(),
            added / shape.total() as f64 * 1000.0
        );
    }
}

/// Proportional set size of the supervisor and its clients.
pub(crate) fn memory(size: Size) {
    println!(
        "\n### Memory (PSS) of the supervisor and its clients\n\n\
         | agents | MiB | KiB per agent above 50 |\n|---|---|---|"
    );
    let mut first = None;
    for total in [50, 200, size.big] {
        let shape = Shape { sessions: total / 50, windows: 50, panes: 1 };
        let world = World::new(shape);
        let supervisor = world.supervise(total);
        pass(5);
        let kib: u64 = supervisor.processes().iter().filter_map(|&p| pss_kib(p)).sum();
        let (base_agents, base_kib) = *first.get_or_insert((total, kib));
        let per = (kib.saturating_sub(base_kib)) as f64 / (total - base_agents).max(1) as f64;
        println!("| {total} | {:.1} | {per:.1} |", kib as f64 / 1024.0);
    }
}

fn pss_kib(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = text.lines().find(|l| l.starts_with("Pss:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
