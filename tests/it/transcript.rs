//! What agents' CLIs write about themselves, while they run.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::harness::{World, eventually};

/// The time of now, as both CLIs write it, `minutes` from now.
pub(crate) fn time(minutes: i64) -> String {
    use jiff::ToSpan as _;
    format!("{:.3}", jiff::Timestamp::now().checked_add(minutes.minutes()).unwrap())
}

/// Where Claude Code keeps the sessions of a folder.
pub(crate) fn sessions(home: &Path, cwd: &Path) -> PathBuf {
    let name: String =
        cwd.to_str().unwrap().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    home.join(".claude/projects").join(name)
}

pub(crate) fn append(file: &Path, line: &str) {
    let mut file = fs::File::options().create(true).append(true).open(file).unwrap();
    writeln!(file, "{line}").unwrap();
}

pub(crate) fn answer(id: &str, stop: &str, tokens: u64) -> String {
    format!(
        r#"{{"type":"assistant","isSidechain":false,"timestamp":"{}","message":{{"id":"{id}","model":"claude-sonnet-4-5","stop_reason":"{stop}","usage":{{"input_tokens":{tokens},"output_tokens":7}},"content":[{{"type":"text","text":"ok"}}]}}}}"#,
        time(0)
    )
}

pub(crate) fn one<'a>(agents: &'a [Value], name: &str) -> &'a Value {
    agents.iter().find(|a| a["name"] == name).unwrap_or_else(|| panic!("no agent {name} in {agents:#?}"))
}

#[test]
fn a_claude_code_that_hits_its_limit_says_until_when() {
    let mut w = World::new();
    let (home, cwd) = (w.dir.join("user"), w.dir.join("my.project"));
    fs::create_dir_all(&cwd).unwrap();
    let (env, at) = (format!("HOME={}", home.display()), cwd.display().to_string());
    let fake = w.fake("claude", "start 0.1, idle 3600");
    w.dev(&["-e", &env, "-c", &at, &fake]);
    w.run();
    // Long attached when the limit is met below.
    let mut watch = w.watch(&["--kind", "agent_state"]);
    w.agents_when("the agent is there", |a| a.len() == 1 && a[0]["pid"].is_u64());
    let folder = sessions(&home, &cwd);
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("5f0c.jsonl");
    append(&file, &answer("m1", "end_turn", 50_000));
    let agents = w.agents_when("its context is known", |a| a[0]["context_tokens"].is_u64());
    let dev = one(&agents, "dev");
    assert_eq!(dev["context_tokens"], 50_007);
    assert_eq!(dev["context_percent"], 25.0);
    assert_eq!((&dev["input_tokens"], &dev["output_tokens"]), (&50_000.into(), &7.into()));
    assert!(dev["limit_resets_at"].is_null());
    append(
        &file,
        &format!(
            r#"{{"type":"assistant","isSidechain":false,"timestamp":"{}","isApiErrorMessage":true,"apiErrorStatus":429,"error":"rate_limit","message":{{"model":"<synthetic>","content":[{{"type":"text","text":"You've hit your session limit · resets 12am (UTC)"}}]}}}}"#,
            time(0)
        ),
    );
    watch.next("limited", |e| e["kind"] == "agent_state" && e["to"] == "limited");
    let agents = w.agents_when("its limit is known", |a| {
        a[0]["state"] == "limited" && !a[0]["limit_resets_at"].is_null()
    });
    let end = one(&agents, "dev")["limit_resets_at"].as_str().unwrap().to_owned();
    assert!(end.ends_with("T00:00:00.000Z"), "{end}");
    // A version that nobody has seen yet is told, and changes nothing.
    append(&file, r#"{"type":"user","isSidechain":false,"version":"99.1.0"}"#);
    let note = "this is Claude Code 99.1.0; the rules were checked with 1.0 to 2.1 only";
    eventually("its version is told", || {
        let doc = w.json(&["ctl", "explain", "web/dev", "--json"]);
        doc["notes"].as_array()?.iter().find(|n| *n == note).map(drop)
    });
    // Another file takes its place: the agent went on.
    let other = folder.join("other");
    append(&other, &answer("m2", "end_turn", 60_000));
    fs::rename(&other, &file).unwrap();
    w.agents_when("the limit is over", |a| {
        a[0]["limit_resets_at"].is_null() && a[0]["context_tokens"] == 60_007
    });
    let metrics = w.json(&["ctl", "metrics", "--current", "--json"]);
    assert_eq!(metrics["counters"]["agent.input_tokens;cli=claude"], 110_000);
    assert_eq!(metrics["gauges"]["transcripts.followed"], 1.0);
    w.tmux(&["kill-session", "-t", "web"]);
    eventually("nothing is followed when the last one has ended", || {
        let gauges = &w.json(&["ctl", "metrics", "--current", "--json"])["gauges"];
        (gauges["transcripts.followed"] == 0.0 && gauges["agents.context_max_percent"] == 0.0).then_some(())
    });
}

#[test]
fn two_agents_in_one_folder_are_not_taken_for_each_other() {
    let mut w = World::new();
    let (home, cwd) = (w.dir.join("user"), w.dir.join("both"));
    fs::create_dir_all(&cwd).unwrap();
    let (env, at) = (format!("HOME={}", home.display()), cwd.display().to_string());
    let fake = w.fake("claude", "start 0.1, idle 3600");
    w.tmux(&["new-session", "-d", "-s", "web", "-n", "one", "-e", &env, "-c", &at, &fake]);
    w.tmux(&["new-window", "-d", "-t", "web:", "-n", "two", "-e", &env, "-c", &at, &fake]);
    // A third in a folder of its own shows when all were looked at.
    let alone = w.dir.join("alone");
    fs::create_dir_all(&alone).unwrap();
    let there = alone.display().to_string();
    w.tmux(&["new-window", "-d", "-t", "web:", "-n", "three", "-e", &env, "-c", &there, &fake]);
    w.run();
    w.agents_when("all are there", |a| a.len() == 3 && a.iter().all(|a| a["pid"].is_u64()));
    for folder in [sessions(&home, &cwd), sessions(&home, &alone)] {
        fs::create_dir_all(&folder).unwrap();
        append(&folder.join("5f0c.jsonl"), &answer("m1", "end_turn", 1_000));
    }
    let agents = w.agents_when("the third is known", |a| one(a, "three")["context_tokens"].is_u64());
    assert!(
        one(&agents, "one")["context_tokens"].is_null() && one(&agents, "two")["context_tokens"].is_null()
    );
}
