//! A screen changes → its agent's new state on `ctl watch`, and what reading screens costs.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use tsup_core::event::Event;
use tsup_core::fleet::state::AgentState;
use tsup_core::ids::AgentId;

use crate::cost::{load, pass};
use crate::reaction::{until, watch};
use crate::world::{Shape, Supervisor, World};
use crate::{Size, percentile};

/// Of all agents, so many work at any time.
const BUSY: usize = 50;
/// A spinner's next frame.
const FRAME: Duration = Duration::from_millis(125);
/// A title's next frame.
const TITLE: Duration = Duration::from_millis(960);

/// What a pane shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shows {
    Rest,
    Work,
    Menu,
}

impl Shows {
    fn state(self) -> AgentState {
        match self {
            Shows::Rest => AgentState::Idle,
            Shows::Work => AgentState::Busy,
            Shows::Menu => AgentState::Waiting,
        }
    }
}

struct Painted {
    tty: File,
    shows: Shows,
    frame: u64,
    due: Instant,
    title_due: Instant,
}

const RULE: &str = "────────────────────────────────────────────────────────────────────────────────";

impl Painted {
    fn paint(&mut self, shows: Shows) {
        self.shows = shows;
        let head = "\x1b[2J\x1b[H ✻ Welcome back\r\n\r\n● Reading the sources of the parser\r\n\r\n";
        let composer = format!("{RULE}\r\n❯\u{a0}\r\n{RULE}\r\n  ? for shortcuts\r\n");
        let text = match shows {
            Shows::Rest => format!("\x1b]2;✳ parser\x07{head}✻ Worked for 2s\r\n\r\n{composer}"),
            Shows::Work => format!("\x1b]2;⠂ parser\x07{head}{}\r\n\r\n{composer}", spinner(self.frame)),
            Shows::Menu => format!(
                "\x1b]2;✳ parser\x07{head} Bash command\r\n\r\n   make build\r\n\r\n Do you want to proceed?\r\n \
                 ❯ 1. Yes\r\n   2. No\r\n\r\n Esc to cancel\r\n"
            ),
        };
        self.tty.write_all(text.as_bytes()).unwrap();
    }

    /// The next frame of a spinner, drawn in its place as the real ones are.
    fn animate(&mut self, now: Instant) {
        self.frame += 1;
        let mut text = format!("\x1b7\x1b[5;1H{}\x1b[K\x1b8", spinner(self.frame));
        if now >= self.title_due {
            self.title_due = now + TITLE;
            text.push_str(if self.frame.is_multiple_of(2) {
                "\x1b]2;⠂ parser\x07"
            } else {
                "\x1b]2;⠐ parser\x07"
            });
        }
        self.tty.write_all(text.as_bytes()).unwrap();
    }
}

fn spinner(frame: u64) -> String {
    let glyph = ["·", "✢", "✳", "✶", "✻", "✽"][(frame % 6) as usize];
    format!("{glyph} Sorting… ({}s · ↓ {} tokens)", frame / 8, frame * 7)
}

/// What the painter is told: which pane shows what from now on. It answers when that is painted.
type Order = (String, Shows, SyncSender<Instant>);

/// Paints all panes in a thread of its own, until nobody gives orders any more.
fn painter(panes: HashMap<String, PathBuf>) -> SyncSender<Order> {
    let (tx, orders): (SyncSender<Order>, Receiver<Order>) = sync_channel(64);
    let open = |tty: PathBuf| OpenOptions::new().write(true).open(tty).unwrap();
    let began = Instant::now();
    let mut all: HashMap<String, Painted> = panes
        .into_iter()
        .enumerate()
        .map(|(n, (pane, tty))| {
            // Independent agents do not paint in step.
            let due = began + FRAME.mul_f64((n as f64 * 0.618).fract());
            let title_due = began + TITLE.mul_f64((n as f64 * 0.377).fract());
            (pane, Painted { tty: open(tty), shows: Shows::Rest, frame: 0, due, title_due })
        })
        .collect();
    for painted in all.values_mut() {
        painted.paint(Shows::Rest);
    }
    std::thread::spawn(move || {
        loop {
            match orders.recv_timeout(Duration::from_millis(3)) {
                Ok((pane, shows, done)) => {
                    let painted = all.get_mut(&pane).unwrap();
                    painted.paint(shows);
                    let _ = done.send(Instant::now());
                }
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {}
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return,
            }
            let now = Instant::now();
            for painted in all.values_mut().filter(|p| p.shows == Shows::Work && p.due <= now) {
                painted.due = now + FRAME;
                painted.animate(now);
            }
        }
    });
    tx
}

fn order(painter: &SyncSender<Order>, pane: &str, shows: Shows) -> Instant {
    let (done, painted) = sync_channel(1);
    painter.send((pane.to_owned(), shows, done)).unwrap();
    painted.recv().unwrap()
}

/// Waits until every agent is known as what its pane shows.
fn settled(supervisor: &Supervisor, shown: &HashMap<String, Shows>) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let agents = supervisor.agents();
        let wrong = agents.iter().filter(|a| shown[&a.pane].state() != a.state).count();
        if wrong == 0 {
            return;
        }
        assert!(Instant::now() < deadline, "{wrong} agents are not known as what they show");
        std::thread::park_timeout(Duration::from_millis(100));
    }
}

/// 200 agents of which 50 work: how soon a change is told, and what it costs.
pub(crate) fn screen(size: Size) {
    println!(
        "\n### A screen changes → its agent's new state on `ctl watch`; 200 agents, {BUSY} of them at work\n\n\
         | shape | change | n | p50 ms | p95 ms | max ms | missed |\n|---|---|---|---|---|---|---|"
    );
    let mut costs = Vec::new();
    for shape in [Shape { sessions: 4, windows: 50, panes: 1 }, Shape { sessions: 200, windows: 1, panes: 1 }]
    {
        let world = World::new(shape);
        let panes = world.panes();
        let mut names: Vec<String> = panes.keys().cloned().collect();
        names.sort();
        let painter = painter(panes);
        let mut shown: HashMap<String, Shows> = names.iter().map(|n| (n.clone(), Shows::Rest)).collect();
        for name in names.iter().step_by(names.len() / BUSY).take(BUSY) {
            order(&painter, name, Shows::Work);
            shown.insert(name.clone(), Shows::Work);
        }
        pass(2);
        let (_, before) = load(None, world.tmux_pid, size.idle_seconds / 2);
        let supervisor = world.supervise(shape.total());
        settled(&supervisor, &shown);
        pass(5);
        let (ours, tmux) = load(Some(&supervisor), world.tmux_pid, size.idle_seconds);
        costs.push((shape, ours, before, tmux));
        changes(&supervisor, &painter, &mut shown, shape, size);
    }
    println!(
        "\n| shape | supervisor and clients, % of a core | tmux alone before | tmux while watched | sum added |\n\
         |---|---|---|---|---|"
    );
    for (shape, ours, before, tmux) in costs {
        let added = ours + (tmux - before).max(0.0);
        println!("| {} | {ours:.2} | {before:.2} | {tmux:.2} | {added:.2} |", shape.name());
    }
}

/// Each change many times, on agents in turn: work → question → work → rest → work.
fn changes(
    supervisor: &Supervisor,
    painter: &SyncSender<Order>,
    shown: &mut HashMap<String, Shows>,
    shape: Shape,
    size: Size,
) {
    let ids: HashMap<String, AgentId> = supervisor.agents().into_iter().map(|a| (a.pane, a.id)).collect();
    let events = watch(supervisor, &["agent_state"]);
    let mut workers: Vec<String> =
        shown.iter().filter(|(_, s)| **s == Shows::Work).map(|(pane, _)| pane.clone()).collect();
    workers.sort();
    let steps = [
        ("work → question", Shows::Menu),
        ("question → work", Shows::Work),
        ("work → rest", Shows::Rest),
        ("rest → work", Shows::Work),
    ];
    let mut told: HashMap<&str, (Vec<f64>, usize)> = HashMap::new();
    for n in 0..size.changes {
        let pane = &workers[(n * 7) % workers.len()];
        for (name, shows) in steps {
            let began = order(painter, pane, shows);
            let wanted = |e: &Event| matches!(e, Event::AgentState { agent, to, .. } if agent.id == ids[pane] && *to == shows.state());
            let entry = told.entry(name).or_default();
            match until(&events, began, wanted) {
                Some(ms) => entry.0.push(ms),
                None => entry.1 += 1,
            }
            // The next change comes at a moment of its own in the rhythm of captures.
            std::thread::park_timeout(Duration::from_millis(200 + (n as u64 * 7919) % 1500));
        }
    }
    for (name, _) in steps {
        let (mut values, missed) = told.remove(name).unwrap_or_default();
        values.sort_by(f64::total_cmp);
        println!(
            "| {} | {name} | {} | {:.0} | {:.0} | {:.0} | {missed} |",
            shape.name(),
            values.len(),
            percentile(&values, 50.0),
            percentile(&values, 95.0),
            values.last().copied().unwrap_or(f64::NAN),
        );
    }
}
