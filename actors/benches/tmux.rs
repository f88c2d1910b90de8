//! What watching tmux costs, and how soon a write is known.
//!
//! `cargo bench -p tsup-actors --bench tmux [-- --quick]`. CPU is the kernel's run time of the processes
//! concerned (`/proc/PID/schedstat`, all threads), tmux's own stated apart. It starts tmux servers on
//! private sockets and ends them.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a program that prints figures")]

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tsup_actors::gate::Gate;
use tsup_actors::supervisor::{SupervisorSpec, Tree, child, spawn};
use tsup_actors::telemetry::Metrics;
use tsup_actors::tmux::{Gateway, GatewaySettings, Place};
use tsup_core::clock::Wall;
use tsup_core::ids::{ActorPath, PaneId, SessionId, SocketName};
use tsup_core::limits::ACTIVITY_INTERVAL;
use tsup_core::settings::PushMode;
use tsup_core::supervision::Strategy;
use tsup_core::tmux::command::{self, Scope};
use tsup_core::tmux::report::Report;

#[derive(Clone, Copy)]
enum Shape {
    FourSessions,
    OneEach,
    SplitByFive,
}

impl Shape {
    fn name(self, panes: usize) -> String {
        match self {
            Shape::FourSessions => format!("4 sessions x {}", panes / 4),
            Shape::OneEach => format!("{panes} sessions x 1"),
            Shape::SplitByFive => format!("{} windows split by 5", panes / 5),
        }
    }
}

/// A tmux server with so many panes, each with an idle program.
struct Fleet {
    dir: tempfile::TempDir,
    pid: u32,
}

impl Fleet {
    fn new(shape: Shape, panes: usize) -> Self {
        let dir = tempfile::Builder::new().prefix("tsup-bench-").tempdir().unwrap();
        let mut fleet = Fleet { dir, pid: 0 };
        let (sessions, windows, splits) = match shape {
            Shape::FourSessions => (4, panes.div_ceil(4), 1),
            Shape::OneEach => (panes, 1, 1),
            Shape::SplitByFive => (4, panes.div_ceil(20), 5),
        };
        for s in 0..sessions {
            let name = format!("s{s}");
            let mut line = vec!["new-session", "-d", "-x", "200", "-y", "50", "-s", &name, "exec cat"];
            for w in 0..windows {
                if w > 0 {
                    line.extend([";", "new-window", "-t", &name, "exec cat"]);
                }
                for _ in 1..splits {
                    line.extend([
                        ";",
                        "split-window",
                        "-t",
                        &name,
                        "exec cat",
                        ";",
                        "select-layout",
                        "-t",
                        &name,
                        "tiled",
                    ]);
                }
            }
            // One message to tmux takes about 16 KiB.
            for part in line.split(|w| *w == ";").collect::<Vec<_>>().chunks(60) {
                fleet.run(&part.join(&";"));
            }
        }
        fleet.pid = fleet.run(&["display-message", "-p", "#{pid}"]).trim().parse().unwrap();
        let there = fleet.run(&["list-panes", "-a", "-F", "x"]).lines().count();
        assert_eq!(there, panes, "{}", shape.name(panes));
        fleet
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut c = Command::new("tmux");
        c.env("TMUX_TMPDIR", self.dir.path()).env_remove("TMUX");
        c.args(["-u", "-f", "/dev/null", "-L", "b"]).args(args).stdin(Stdio::null());
        c
    }

    fn run(&self, args: &[&str]) -> String {
        let out = self.command(args).output().unwrap();
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        let _ = self.command(&["kill-server"]).status();
    }
}

/// CPU time of a process so far, all its threads.
fn cpu(pid: u32) -> Duration {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return Duration::ZERO };
    let nanos = tasks.flatten().filter_map(|t| {
        let text = std::fs::read_to_string(t.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}

/// CPU time of children that were waited for: ticks of 10 ms, good for seconds of it.
fn cpu_of_children() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[13].parse::<u64>().unwrap() + fields[14].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

/// Control clients that are children of this process.
fn clients() -> Vec<u32> {
    let me = std::process::id().to_string();
    let is_ours = |pid: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.contains("(tmux: client)") && stat.rsplit(')').next().unwrap().split(' ').nth(2) == Some(&me)
    };
    let pids = std::fs::read_dir("/proc").unwrap().flatten();
    pids.filter_map(|d| d.file_name().to_str()?.parse().ok()).filter(is_ours).collect()
}

/// One look at all panes: the filtered listing over a control client against a fork for each pane.
fn look(panes: usize) {
    let fleet = Fleet::new(Shape::FourSessions, panes);
    let args = command::attach_args(&SocketName("b".into()), SessionId(0), false, Duration::from_secs(1));
    let mut client = Command::new("tmux")
        .env("TMUX_TMPDIR", fleet.dir.path())
        .env_remove("TMUX")
        .args(&args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = client.stdin.take().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(client.stdout.take().unwrap()));
    let mut ask = |scope: Scope, mark: &str| {
        let line = command::list_panes(scope);
        let text = format!("{}\n{}\n", line.as_str(), command::mark(mark).as_str());
        input.write_all(text.as_bytes()).unwrap();
        lines.by_ref().map_while(Result::ok).take_while(|l| l != mark).count()
    };
    ask(Scope::All, "warm");
    let all = |client: u32| cpu(fleet.pid) + cpu(client) + cpu(std::process::id());
    let measure = |ask: &mut dyn FnMut(Scope, &str) -> usize, scope: Scope, name: &str| {
        let (before, began) = (all(client.id()), Instant::now());
        let looks = 50;
        for n in 0..looks {
            ask(scope, &format!("mark{n}"));
        }
        let cost = all(client.id()).saturating_sub(before) / looks;
        println!("  {name:<42} {:>10.3} ms CPU {:>10.3} ms wall", ms(cost), ms(began.elapsed() / looks));
        cost
    };
    println!("one look at {panes} panes, CPU of everybody with tmux's");
    // Nothing was written since: the usual case.
    let filtered = measure(&mut ask, Scope::Since(4_000_000_000), "filtered listing, control client");
    measure(&mut ask, Scope::All, "full listing, control client");
    let ids: Vec<String> =
        fleet.run(&["list-panes", "-a", "-F", "#{pane_id}"]).lines().map(str::to_owned).collect();
    let (server, children, me) = (cpu(fleet.pid), cpu_of_children(), cpu(std::process::id()));
    let began = Instant::now();
    for id in &ids {
        fleet.run(&["capture-pane", "-p", "-t", id]);
    }
    let wall = began.elapsed();
    let server = cpu(fleet.pid).saturating_sub(server);
    let children = cpu_of_children().saturating_sub(children);
    let forks = server + children + cpu(std::process::id()).saturating_sub(me);
    println!(
        "  {:<42} {:>10.3} ms CPU {:>10.3} ms wall ({:.0} % of it tmux's server)",
        "fork of capture-pane for each pane",
        ms(forks),
        ms(wall),
        100.0 * server.as_secs_f64() / forks.as_secs_f64()
    );
    println!("  ratio {:.0}", forks.as_secs_f64() / filtered.as_secs_f64());
    drop(input);
    let _ = client.wait();
}

fn ms(d: Duration) -> f64 {
    d.as_secs_f64() * 1e3
}

struct Watching {
    tree: Tree,
    heard: mpsc::Receiver<(Instant, Report)>,
}

async fn watch(fleet: &Fleet, push: PushMode, panes: usize) -> (Watching, Duration) {
    let (tell, heard) = mpsc::channel(100_000);
    let place = Place { program: PathBuf::from("tmux"), tmpdir: Some(fleet.dir.path().into()), config: None };
    let settings = GatewaySettings { socket: SocketName("b".into()), push, place };
    let metrics = Metrics::new(Wall::from_unix_ms(0));
    let make = move || {
        let tell = tell.clone();
        let listener = move |_: &SocketName, report: Report| {
            tell.try_send((Instant::now(), report)).map_err(|_| tsup_actors::tmux::Refused)
        };
        Gateway::new(settings.clone(), Arc::new(listener), &metrics)
    };
    let path = ActorPath::root();
    let gate = Gate::new(path.child("gateway"));
    let began = Instant::now();
    let tree = spawn(SupervisorSpec::new(path, Strategy::OneForOne).child(child("gateway", gate, make)))
        .await
        .unwrap();
    let mut watching = Watching { tree, heard };
    loop {
        let (at, report) = watching.heard.recv().await.unwrap();
        if let Report::Snapshot { panes: listed, .. } = report {
            assert_eq!(listed.len(), panes);
            return (watching, at - began);
        }
    }
}

async fn stop(mut w: Watching) {
    w.tree.stop();
    w.tree.ended().await;
}

/// CPU while nothing happens.
async fn idle(shape: Shape, panes: usize, push: PushMode, seconds: u64) {
    let fleet = Fleet::new(shape, panes);
    let span = Duration::from_secs(seconds);
    let alone = cpu(fleet.pid);
    tokio::time::sleep(span / 4).await;
    let alone = cpu(fleet.pid).saturating_sub(alone) * 4;
    let (mut w, took) = watch(&fleet, push, panes).await;
    // The first looks and captures are over by then.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let (me, server) = (cpu(std::process::id()), cpu(fleet.pid));
    let ours = clients();
    let in_clients = |of: &[u32]| of.iter().map(|p| cpu(*p)).sum::<Duration>();
    let before = in_clients(&ours);
    tokio::time::sleep(span).await;
    let share = |d: Duration| 100.0 * d.as_secs_f64() / span.as_secs_f64();
    let (me, server) = (cpu(std::process::id()).saturating_sub(me), cpu(fleet.pid).saturating_sub(server));
    let clients = in_clients(&ours).saturating_sub(before);
    println!(
        "  {:<24} {:<8} snapshot {:>7.1} ms; gateway {:.3} %, {} clients {:.3} %, tmux {:.3} % (alone {:.3} %): {:.3} %",
        shape.name(panes),
        format!("{push:?}"),
        ms(took),
        share(me),
        ours.len(),
        share(clients),
        share(server),
        share(alone),
        share(me + clients + server.saturating_sub(alone)),
    );
    while w.heard.try_recv().is_ok() {}
    stop(w).await;
}

/// A line printed in a pane to its report.
async fn latency(shape: Shape, panes: usize, push: PushMode, samples: usize) {
    let fleet = Fleet::new(shape, panes);
    let (mut w, _) = watch(&fleet, push, panes).await;
    let listed = fleet.run(&["list-panes", "-a", "-F", "#{pane_id} #{pane_tty}"]);
    let mut ttys: Vec<(PaneId, std::fs::File)> = listed
        .lines()
        .map(|l| l.split_once(' ').unwrap())
        .map(|(id, tty)| (id.parse().unwrap(), std::fs::OpenOptions::new().write(true).open(tty).unwrap()))
        .collect();
    if push == PushMode::Clients {
        // Only the sessions that got a client, and those in their order.
        ttys.truncate(20 * panes / fleet.run(&["list-sessions"]).lines().count().max(20));
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    let mut took = Vec::new();
    for n in 0..samples {
        // Spread over the panes, so that none has been told of within the coalescing interval.
        let count = ttys.len();
        let pause = Duration::from_millis(8 + (n % 7) as u64).max(ACTIVITY_INTERVAL * 2 / count as u32);
        tokio::time::sleep(pause).await;
        let (pane, tty) = &mut ttys[(n * 17) % count];
        while w.heard.try_recv().is_ok() {}
        let began = Instant::now();
        tty.write_all(b"a line\n").unwrap();
        loop {
            let (at, report) = w.heard.recv().await.unwrap();
            if matches!(&report, Report::Activity { panes, .. } if panes.contains(pane)) {
                took.push(at - began);
                break;
            }
        }
    }
    took.sort_unstable();
    let at = |q: f64| ms(took[((took.len() - 1) as f64 * q) as usize]);
    println!(
        "  {:<24} {:<8} p50 {:.2} ms, p99 {:.2} ms, worst {:.2} ms ({} lines)",
        shape.name(panes),
        format!("{push:?}"),
        at(0.5),
        at(0.99),
        at(1.0),
        took.len()
    );
    stop(w).await;
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let quick = std::env::args().any(|a| a == "--quick");
    look(if quick { 200 } else { 1000 });
    println!("a line printed in a pane until it is told");
    let samples = if quick { 100 } else { 500 };
    latency(Shape::FourSessions, 48, PushMode::Tty, samples).await;
    latency(Shape::OneEach, 200, PushMode::Tty, samples).await;
    latency(Shape::OneEach, 20, PushMode::Clients, samples).await;
    println!("CPU while nothing happens, share of one core");
    let (sizes, seconds): (&[usize], u64) = if quick { (&[60, 200], 12) } else { (&[60, 200, 1000], 24) };
    for &panes in sizes {
        for shape in [Shape::FourSessions, Shape::OneEach, Shape::SplitByFive] {
            idle(shape, panes, PushMode::Auto, seconds).await;
        }
    }
    idle(Shape::FourSessions, 200, PushMode::Clients, seconds).await;
    idle(Shape::FourSessions, 200, PushMode::Off, seconds).await;
}
