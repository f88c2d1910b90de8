//! How fast the supervisor sees and says.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use tsup::ctl::client::Client;
use tsup_core::event::{Event, Stamped};

use crate::world::{Shape, Supervisor, World};
use crate::{Size, print_row};

/// An event that has not come by then is missed.
const LOST_AFTER: Duration = Duration::from_secs(5);

const FIFTY: [Shape; 3] = [
    Shape { sessions: 1, windows: 50, panes: 1 },
    Shape { sessions: 50, windows: 1, panes: 1 },
    Shape { sessions: 2, windows: 5, panes: 5 },
];

const HEAD: &str = "| shape | n | p50 ms | p99 ms | max ms | missed |\n|---|---|---|---|---|---|";

/// Events with the moment at which a client had them in hand.
pub(crate) fn watch(supervisor: &Supervisor, kinds: &[&str]) -> Receiver<(Instant, Stamped)> {
    let client = Client::connect(&supervisor.socket).unwrap();
    let events = client.watch(kinds.iter().map(|&k| k.to_owned()).collect()).unwrap();
    let (tx, rx) = sync_channel(100_000);
    std::thread::spawn(move || {
        for event in events {
            let Ok(event) = event else { return };
            if tx.send((Instant::now(), event)).is_err() {
                return;
            }
        }
    });
    rx
}

/// Milliseconds from `began` until an event fits, or nothing when none came.
pub(crate) fn until(
    events: &Receiver<(Instant, Stamped)>,
    began: Instant,
    fits: impl Fn(&Event) -> bool,
) -> Option<f64> {
    let deadline = began + LOST_AFTER;
    loop {
        match events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok((at, stamped)) if fits(&stamped.event) => {
                return Some(at.duration_since(began).as_secs_f64() * 1e3);
            }
            Ok(_) => {}
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return None,
        }
    }
}

/// Death of an agent's process → `agent_died` on `ctl watch`, 50 panes.
pub(crate) fn death(size: Size) {
    println!("\n### An agent's process dies → `agent_died` on `ctl watch`, 50 panes\n\n{HEAD}");
    for shape in FIFTY {
        let (mut values, mut missed) = (Vec::new(), 0);
        while values.len() + missed < size.deaths {
            let world = World::new(shape);
            let supervisor = world.supervise(shape.total());
            let events = watch(&supervisor, &["agent_died"]);
            for agent in supervisor.agents() {
                if values.len() + missed == size.deaths {
                    break;
                }
                let pid = agent.pid.unwrap();
                let process = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
                let began = Instant::now();
                rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
                let died = |e: &Event| matches!(e, Event::AgentDied { agent: a, .. } if a.id == agent.id);
                match until(&events, began, died) {
                    Some(ms) => values.push(ms),
                    None => missed += 1,
                }
            }
        }
        print_row(&shape.name(), &mut values, missed);
    }
}

/// A line printed in a quiet pane → its agent `busy` on `ctl watch`, 50 panes.
pub(crate) fn line(size: Size) {
    println!("\n### A line printed in a pane → seen (`agent_state`) on `ctl watch`\n\n{HEAD}");
    let crowd = Shape { sessions: 200, windows: 1, panes: 1 };
    for shape in FIFTY.into_iter().chain([crowd]) {
        let world = World::new(shape);
        let supervisor = world.supervise(shape.total());
        let panes = world.panes();
        let events = watch(&supervisor, &["agent_state"]);
        let (mut values, mut missed) = (Vec::new(), 0);
        let mut quiet_since: HashMap<String, Instant> = HashMap::new();
        let agents = supervisor.agents();
        while values.len() + missed < size.lines {
            // Only panes whose agent is at rest can turn busy: take the one that rested longest.
            let agent = next_quiet(&supervisor, &agents, &mut quiet_since);
            let mut tty = OpenOptions::new().write(true).open(&panes[&agent.pane]).unwrap();
            // Lines of independent agents come at moments of their own, not as answers to each other.
            std::thread::park_timeout(Duration::from_millis(5 + (values.len() as u64 * 7919) % 37));
            let began = Instant::now();
            tty.write_all(b"something happened\r\n").unwrap();
            let busy = |e: &Event| matches!(e, Event::AgentState { agent: a, to, .. } if a.id == agent.id && to.as_str() == "busy");
            match until(&events, began, busy) {
                Some(ms) => values.push(ms),
                None => missed += 1,
            }
        }
        print_row(&shape.name(), &mut values, missed);
    }
}

fn next_quiet<'a>(
    supervisor: &Supervisor,
    agents: &'a [tsup_core::wire::doc::AgentDoc],
    used: &mut HashMap<String, Instant>,
) -> &'a tsup_core::wire::doc::AgentDoc {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let now = supervisor.agents();
        // What these stand-ins show no profile knows, so that their rest is idle or unknown.
        let idle = |id| now.iter().any(|a| a.id == id && ["idle", "unknown"].contains(&a.state.as_str()));
        let rested = agents.iter().filter(|a| idle(a.id)).min_by_key(|a| used.get(&a.pane).copied());
        if let Some(agent) = rested {
            used.insert(agent.pane.clone(), Instant::now());
            return agent;
        }
        assert!(Instant::now() < deadline, "no agent comes to rest");
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

/// Start → ready, and → every agent found.
pub(crate) fn start(_size: Size) {
    println!("\n### Start → ready\n\n| shape | ready ms | all agents found ms |\n|---|---|---|");
    let shapes = [
        Shape { sessions: 4, windows: 50, panes: 1 },
        Shape { sessions: 200, windows: 1, panes: 1 },
        Shape { sessions: 4, windows: 10, panes: 5 },
    ];
    for shape in shapes {
        let world = World::new(shape);
        let mut ready = Vec::new();
        let mut complete = Vec::new();
        for _ in 0..5 {
            let supervisor = world.supervise(shape.total());
            ready.push(supervisor.ready_after.as_secs_f64() * 1e3);
            complete.push(supervisor.complete_after.as_secs_f64() * 1e3);
        }
        ready.sort_by(f64::total_cmp);
        complete.sort_by(f64::total_cmp);
        println!("| {} | {:.0} | {:.0} |", shape.name(), ready[2], complete[2]);
    }
}

/// `tsup ctl status` as a whole process.
pub(crate) fn status(size: Size) {
    let shape = Shape { sessions: 1, windows: 50, panes: 1 };
    let world = World::new(shape);
    let supervisor = world.supervise(shape.total());
    println!(
        "\n### `tsup ctl status` as a process, 50 agents\n\n| what | n | p50 ms | p99 ms | max ms | failed |\n|---|---|---|---|---|---|"
    );
    let (mut values, mut failed) = (Vec::new(), 0);
    for _ in 0..size.commands {
        let began = Instant::now();
        let status = Command::new(env!("CARGO_BIN_EXE_tsup"))
            .args(["ctl", "status", "--json"])
            .env("TSUP_SOCKET", &supervisor.socket)
            .stdout(Stdio::null())
            .status()
            .unwrap();
        values.push(began.elapsed().as_secs_f64() * 1e3);
        failed += usize::from(!status.success());
    }
    print_row("tsup ctl status", &mut values, failed);
    let mut floor = Vec::new();
    for _ in 0..size.commands {
        let began = Instant::now();
        Command::new("true").status().unwrap();
        floor.push(began.elapsed().as_secs_f64() * 1e3);
    }
    print_row("floor: `true`", &mut floor, 0);
}
