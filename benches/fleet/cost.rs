//! What watching costs, in CPU and in memory; tmux's own share stated apart.

use std::fs;
use std::time::{Duration, Instant};

use crate::Size;
use crate::world::{Shape, Supervisor, World};

/// CPU time that a process has used, all threads, from the scheduler's own accounting.
fn cpu(pid: u32) -> Duration {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let ns: u64 = tasks
        .filter_map(|t| fs::read_to_string(t.path().join("schedstat")).ok())
        .filter_map(|s| s.split(' ').next()?.parse::<u64>().ok())
        .sum();
    Duration::from_nanos(ns)
}

fn cpu_all(pids: &[u32]) -> Duration {
    pids.iter().map(|&p| cpu(p)).sum()
}

/// Lets `seconds` pass while nothing is done.
fn pass(seconds: u64) {
    let end = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < end {
        std::thread::park_timeout(end.saturating_duration_since(Instant::now()));
    }
}

/// Percent of one core over the next `seconds`: supervisor with its clients, and the tmux server.
fn load(supervisor: Option<&Supervisor>, tmux: u32, seconds: u64) -> (f64, f64) {
    let ours = supervisor.map(Supervisor::processes).unwrap_or_default();
    let (our_begin, tmux_begin, began) = (cpu_all(&ours), cpu(tmux), Instant::now());
    pass(seconds);
    let elapsed = began.elapsed().as_secs_f64();
    let percent =
        |end: Duration, begin: Duration| (end.saturating_sub(begin)).as_secs_f64() / elapsed * 100.0;
    (percent(cpu_all(&ours), our_begin), percent(cpu(tmux), tmux_begin))
}

/// CPU with idle panes, and how it grows.
pub(crate) fn idle(size: Size) {
    println!(
        "\n### CPU while all panes are idle, percent of one core over {} s\n\n\
         | shape | panes | supervisor and clients | tmux alone before | tmux while watched | sum added | added per agent, ‰ of 1 % |\n\
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
