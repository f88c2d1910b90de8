//! What a hook costs its CLI, and how fast its word is out.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tsup_core::event::Event;

use crate::reaction::{until, watch};
use crate::world::{Shape, Supervisor, World};
use crate::{Size, percentile};

const TSUP: &str = env!("CARGO_BIN_EXE_tsup");

/// What Claude Code writes before a tool.
const TOOL: &str = r#"{"session_id":"0b7c","transcript_path":"/home/u/.claude/projects/x/0b7c.jsonl","cwd":"/home/u/x","permission_mode":"default","hook_event_name":"PreToolUse","tool_name":"Bash","tool_input":{"command":"cargo test"},"tool_use_id":"toolu_01"}"#;
/// And when it asks whether it may.
const ASK: &str = r#"{"session_id":"0b7c","transcript_path":"/home/u/.claude/projects/x/0b7c.jsonl","cwd":"/home/u/x","permission_mode":"default","hook_event_name":"PermissionRequest","tool_name":"Bash","tool_input":{"command":"cargo test"}}"#;

/// The wall time of `tsup hook`, and hook called → `agent_state` on `ctl watch`, beside 50 other panes.
pub(crate) fn hook(size: Size) {
    println!(
        "\n### Hooks\n\n| what | n | p50 ms | p95 ms | p99 ms | max ms | missed |\n|---|---|---|---|---|---|---|"
    );
    let shape = Shape { sessions: 50, windows: 1, panes: 1 };
    let world = World::new(shape);
    let pipe = world.dir().join("calls");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let script = world.dir().join("hooked");
    fs::create_dir(&script).unwrap();
    let script = script.join("claude");
    let supervisor = world.supervise(shape.total());
    let home = supervisor.socket.parent().unwrap().to_owned();
    let text = format!(
        "export TSUP_HOME={}\nwhile read -r line; do printf '%s' \"$line\" | {TSUP} hook claude; done < {}\n",
        home.display(),
        pipe.display()
    );
    fs::write(&script, text).unwrap();
    world.tmux(&["new-window", "-d", "-t", "s0:", "-n", "hooked", &format!("sh {}", script.display())]);
    let mut calls = fs::OpenOptions::new().write(true).open(&pipe).unwrap();
    spent("no supervisor", size.hooks, Path::new("/nonexistent"));
    spent("a supervisor", size.hooks, &home);
    heard(size, &supervisor, &mut calls);
}

/// How long the process takes, from its start to its end.
fn spent(what: &str, n: usize, home: &Path) {
    let mut values = Vec::new();
    for _ in 0..n {
        let began = Instant::now();
        let mut child = Command::new(TSUP)
            .args(["hook", "claude"])
            .env("TSUP_HOME", home)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(TOOL.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
        values.push(began.elapsed().as_secs_f64() * 1e3);
    }
    row(&format!("`tsup hook`, start to end, {what}"), &mut values, 0);
}

/// The agent's shell is given a line, calls the hook, and a client hears of the new state.
fn heard(size: Size, supervisor: &Supervisor, calls: &mut fs::File) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let agent = loop {
        let agents = supervisor.agents();
        if let Some(agent) = agents.into_iter().find(|a| a.name.raw() == "hooked") {
            break agent;
        }
        assert!(Instant::now() < deadline, "the hooked agent was not found");
        std::thread::park_timeout(Duration::from_millis(50));
    };
    // A young process is starting, whatever its hooks say.
    std::thread::park_timeout(Duration::from_secs(5));
    let events = watch(supervisor, &["agent_state"]);
    let (mut values, mut missed) = (Vec::new(), 0);
    for n in 0..size.hooks {
        let (line, state) = if n % 2 == 0 { (TOOL, "busy") } else { (ASK, "waiting") };
        std::thread::park_timeout(Duration::from_millis(20 + (n as u64 * 7919) % 37));
        let began = Instant::now();
        writeln!(calls, "{line}").unwrap();
        let fits = |e: &Event| matches!(e, Event::AgentState { agent: a, to, .. } if a.id == agent.id && to.as_str() == state);
        match until(&events, began, fits) {
            Some(ms) => values.push(ms),
            None => missed += 1,
        }
        if missed > 3 {
            break;
        }
    }
    row("hook called by the agent → its new state on `ctl watch`", &mut values, missed);
}

fn row(what: &str, values: &mut [f64], missed: usize) {
    values.sort_by(f64::total_cmp);
    println!(
        "| {what} | {} | {:.2} | {:.2} | {:.2} | {:.2} | {missed} |",
        values.len(),
        percentile(values, 50.0),
        percentile(values, 95.0),
        percentile(values, 99.0),
        values.last().copied().unwrap_or(f64::NAN),
    );
}
