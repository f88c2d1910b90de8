//! What Codex writes about itself, line by line as it does.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::harness::{Watch, World};
use crate::transcript::{append, one, time};

/// Where a Codex with that home keeps what it begins today.
fn today(codex_home: &Path) -> PathBuf {
    let folder = codex_home.join("sessions").join(jiff::Zoned::now().strftime("%Y/%m/%d").to_string());
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Writes one line of a rollout.
fn write(file: &Path, kind: &str, payload: &Value) {
    append(file, &json!({"timestamp": time(0), "type": kind, "payload": payload}).to_string());
}

fn event(file: &Path, payload: &Value) {
    write(file, "event_msg", payload);
}

fn meta(cwd: &Path) -> Value {
    json!({"id": "01a1", "cwd": cwd, "originator": "codex-tui", "cli_version": "0.169.0", "source": "cli"})
}

fn tokens(input: u64, output: u64, used_percent: f64, resets_at: i64) -> Value {
    let usage = |input, output| json!({"input_tokens": input, "output_tokens": output, "total_tokens": input + output});
    json!({
        "type": "token_count",
        "info": {"total_token_usage": usage(input * 3, output * 3), "last_token_usage": usage(input, output), "model_context_window": 200_000},
        "rate_limits": {"primary": {"used_percent": used_percent, "window_minutes": 300, "resets_at": resets_at}, "secondary": null},
    })
}

#[track_caller]
fn told(watch: &mut Watch, state: &str, detail: Option<&str>) {
    let event = watch.next(state, |e| e["to"] == state && e["detail"].as_str() == detail);
    assert!(event["because"].as_str().unwrap().contains("its transcript"), "{event:#}");
}

#[test]
fn a_rollout_tells_turns_tools_errors_and_limits() {
    let mut w = World::new();
    let (home, cwd) = (w.dir.join("codex-home"), w.dir.join("project"));
    fs::create_dir_all(&cwd).unwrap();
    let (env, at) = (format!("CODEX_HOME={}", home.display()), cwd.display().to_string());
    let fake = w.fake("codex", "start 0.1, idle 3600");
    w.dev(&["-e", &env, "-c", &at, &fake]);
    w.run();
    w.agents_when("it rests", |a| a.len() == 1 && matches!(a[0]["state"].as_str(), Some("fresh" | "idle")));
    let mut watch = w.watch(&["--kind", "agent_state"]);
    let folder = today(&home);
    // A subagent's rollout is younger, and not the agent's own.
    let file = folder.join("rollout-2026-11-21T08-12-59-01a1.jsonl");
    let child = folder.join("rollout-2026-11-21T08-13-00-01a2.jsonl");
    write(&child, "session_meta", &json!({"id": "01a2", "cwd": cwd, "source": {"subagent": "review"}}));
    write(&file, "session_meta", &meta(&cwd));
    event(&file, &json!({"type": "task_started", "model_context_window": 258_400}));
    told(&mut watch, "busy", Some("thinking"));
    write(
        &file,
        "response_item",
        &json!({"type": "function_call", "name": "exec_command", "arguments": "{}", "call_id": "c1"}),
    );
    told(&mut watch, "busy", Some("tool"));
    write(&file, "response_item", &json!({"type": "function_call_output", "call_id": "c1", "output": "ok"}));
    told(&mut watch, "busy", Some("thinking"));
    event(&file, &tokens(40_000, 10_000, 30.0, 0));
    event(&file, &json!({"type": "task_complete", "last_agent_message": "done"}));
    watch.next("the turn is over", |e| e["to"] == "idle");
    let agents = w.agents_when("its tokens are known", |a| a[0]["context_tokens"] == 50_000);
    let dev = one(&agents, "dev");
    assert_eq!(dev["context_percent"], 25.0);
    assert_eq!((&dev["input_tokens"], &dev["output_tokens"]), (&120_000.into(), &30_000.into()));
    // A server that fails.
    event(&file, &json!({"type": "task_started"}));
    told(&mut watch, "busy", Some("thinking"));
    let error = json!({"message": "high demand", "codex_error_info": "internal_server_error"});
    event(&file, &json!({"type": "task_complete", "last_agent_message": null, "error": error}));
    told(&mut watch, "error", None);
    // A limit with its end.
    let end = jiff::Timestamp::now().as_second() + 3 * 3600;
    event(&file, &json!({"type": "task_started"}));
    told(&mut watch, "busy", Some("thinking"));
    event(&file, &tokens(1, 1, 100.0, end));
    event(
        &file,
        &json!({"type": "error", "message": "You've hit your usage limit.", "codex_error_info": "usage_limit_exceeded"}),
    );
    told(&mut watch, "limited", None);
    let agents = w.agents_when("its end is known", |a| !a[0]["limit_resets_at"].is_null());
    let told: jiff::Timestamp = agents[0]["limit_resets_at"].as_str().unwrap().parse().unwrap();
    assert_eq!(told.as_second(), end);
}

#[test]
fn a_rollout_that_its_process_has_open_is_known_wherever_it_lies() {
    let mut w = World::new();
    let (one_file, two_file) = (w.dir.join("rollout-a.jsonl"), w.dir.join("rollout-b.jsonl"));
    let fake = w.fake("codex", "start 0.1, idle 3600");
    // Two in one folder: only what they have open tells them apart.
    let open = |file: &Path| format!("exec 7>>{}; exec {fake}", file.display());
    w.tmux(&["new-session", "-d", "-s", "web", "-n", "one", "bash", "-c", &open(&one_file)]);
    w.tmux(&["new-window", "-d", "-t", "web:", "-n", "two", "bash", "-c", &open(&two_file)]);
    w.run();
    w.agents_when("both are there", |a| a.len() == 2 && a.iter().all(|a| a["pid"].is_u64()));
    for (file, context) in [(&one_file, 1_000), (&two_file, 2_000)] {
        write(file, "session_meta", &meta(Path::new("/elsewhere")));
        event(file, &tokens(context - 1, 1, 0.0, 0));
    }
    w.agents_when("each has its own", |a| {
        one(a, "one")["context_tokens"] == 1_000 && one(a, "two")["context_tokens"] == 2_000
    });
}
