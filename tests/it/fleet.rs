//! Agents under a real supervisor: found, watched, died, relaunched, found again.

use serde_json::Value;

use crate::harness::{World, alive, eventually};

fn by_name<'a>(agents: &'a [Value], name: &str) -> &'a Value {
    agents.iter().find(|a| a["name"] == name).unwrap_or_else(|| panic!("no agent {name} in {agents:#?}"))
}

#[test]
fn agents_of_a_running_tmux_are_found_without_being_declared() {
    let mut w = World::new();
    w.dev(&[&w.fake("claude", "start 0.1, idle 3600")]);
    w.tmux(&["new-window", "-d", "-t", "web:", "-n", "shell", "sh"]);
    w.tmux(&["new-session", "-d", "-s", "api", "-n", "two", &w.fake("codex", "start 0.1, idle 3600")]);
    w.tmux(&["split-window", "-d", "-t", "api:two", &w.fake("gemini", "start 0.1, busy 3600")]);
    w.run();
    let agents = w.agents_when("three agents, one busy", |a| {
        let rests = |x: &&Value| x["state"] == "fresh";
        let busy = a.iter().filter(|x| x["state"] == "busy").count();
        a.len() == 3 && a.iter().filter(rests).count() == 2 && busy == 1
    });
    let dev = by_name(&agents, "dev");
    assert_eq!(dev["session"], "web");
    assert_eq!(dev["agent"], "claude");
    assert_eq!(dev["owned"], false);
    assert_eq!(dev["title"], "✳ Claude Code", "titles are read as UTF-8");
    assert!(alive(u32::try_from(dev["pid"].as_u64().unwrap()).unwrap()));
    assert_eq!(by_name(&agents, "two.0")["agent"], "codex");
    let busy = by_name(&agents, "two.1");
    assert_eq!((busy["agent"].as_str(), busy["state"].as_str()), (Some("gemini"), Some("busy")));
    // The tree has a node for each of them.
    let tree = w.json(&["ctl", "tree", "--json"]).to_string();
    for path in ["root/system/fleet/web/dev", "root/system/fleet/api/two.1"] {
        assert!(tree.contains(&format!("\"{path}\"")), "{path} is not in {tree}");
    }
}

#[test]
fn an_agent_typed_into_a_shell_is_found_and_its_end_is_told() {
    let mut w = World::new();
    w.dev(&["sh"]);
    w.run();
    let mut watch = w.watch(&[]);
    eventually("the watch is attached", || {
        w.tmux(&["send-keys", "-t", "web:dev", "", "Enter"]);
        Some(())
    });
    w.tmux(&["send-keys", "-t", "web:dev", &w.fake("claude", "start 0.1, idle 3600"), "Enter"]);
    let found = watch.next("agent_found", |e| e["kind"] == "agent_found");
    let pid = u32::try_from(found["pid"].as_u64().unwrap()).unwrap();
    assert!(alive(pid));
    let process = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
    let died = watch.next("agent_died", |e| e["kind"] == "agent_died");
    assert_eq!(died["agent"], found["agent"]);
}

#[test]
fn a_declared_agent_that_crashes_is_relaunched_and_one_that_finishes_is_not() {
    let mut w = World::new();
    let once = w.dir.join("crashed-once");
    let bin = w.dir.join("bin/claude").display().to_string();
    w.configure(&format!(
        "[relaunch]\ninitial_delay_seconds = 0.1\n\
         [[session]]\nname = \"team\"\n\
         [[session.agent]]\nname = \"flaky\"\nrole = \"developer\"\nagent = \"claude\"\n\
         command = [\"{bin}\", \"fake-agent\", \"--life\", \"start 0.1, busy 1, crash, idle 3600\", \"--once\", \"{}\"]\n\
         [[session.agent]]\nname = \"done\"\nagent = \"claude\"\n\
         command = [\"{bin}\", \"fake-agent\", \"--life\", \"start 0.1, busy 0.3, exit 0\"]\n",
        once.display()
    ));
    w.run();
    let agents = w.agents_when("flaky is back and done has finished", |a| {
        a.len() == 2
            && a.iter().any(|x| x["name"] == "flaky" && x["relaunches"] == 1 && x["state"] == "idle")
            && a.iter().any(|x| x["name"] == "done" && x["state"] == "exited")
    });
    let flaky = by_name(&agents, "flaky");
    assert_eq!(flaky["owned"], true);
    assert_eq!(flaky["role"], "developer");
    let done = by_name(&agents, "done");
    assert_eq!((done["detail"].as_str(), done["relaunches"].as_u64()), (Some("finished"), Some(0)));
}

#[test]
fn after_kill_9_the_next_supervisor_finds_the_same_agents_with_their_counters() {
    let mut w = World::new();
    let once = w.dir.join("crashed-once");
    let bin = w.dir.join("bin/claude").display().to_string();
    w.tmux(&["new-session", "-d", "-s", "own", "-n", "mine", &w.fake("codex", "start 0.1, idle 3600")]);
    w.configure(&format!(
        "[relaunch]\ninitial_delay_seconds = 0.0\n[[session]]\nname = \"team\"\n\
         [[session.agent]]\nname = \"flaky\"\nagent = \"claude\"\n\
         command = [\"{bin}\", \"fake-agent\", \"--life\", \"start 0.1, busy 0.5, crash, idle 3600\", \"--once\", \"{}\"]\n",
        once.display()
    ));
    w.run();
    let settled = |a: &[Value]| {
        a.len() == 2
            && a.iter().all(|x| x["state"] == if x["name"] == "mine" { "fresh" } else { "idle" })
            && a.iter().any(|x| x["name"] == "flaky" && x["relaunches"] == 1)
    };
    let before = w.agents_when("both settled", settled);
    w.kill9();
    // No client of ours outlives it: a client that hangs blocks the whole tmux server.
    eventually("no tmux client is left", || w.tmux(&["list-clients"]).is_empty().then_some(()));
    w.run();
    let after = w.agents_when("both settled again", settled);
    for name in ["flaky", "mine"] {
        let (was, is) = (by_name(&before, name), by_name(&after, name));
        for field in ["id", "pid", "pane", "session", "relaunches", "owned", "role"] {
            assert_eq!(was[field], is[field], "{name}: {field}");
        }
    }
}

#[test]
fn what_is_only_watched_is_never_touched() {
    let mut w = World::new();
    w.dev(&[&w.fake("claude", "start 0.1, idle 3600")]);
    w.run();
    let agents = w.agents_when("one agent", |a| a.len() == 1);
    let id = agents[0]["id"].as_str().unwrap();
    for verb in ["kill", "restart"] {
        let out = w.tsup(&["ctl", verb, id]);
        assert_eq!(out.status.code(), Some(5), "{verb}: {}", String::from_utf8_lossy(&out.stderr));
    }
    let none = w.tsup(&["ctl", "kill", "web/nobody"]);
    assert_eq!(none.status.code(), Some(4));
    assert!(alive(u32::try_from(agents[0]["pid"].as_u64().unwrap()).unwrap()));
}

#[test]
fn spawn_kill_restart_pause_and_resume_act_on_what_is_owned() {
    let mut w = World::new();
    w.configure("[relaunch]\ninitial_delay_seconds = 0.0\n");
    w.run();
    let program = w.dir.join("bin/claude").display().to_string();
    let spawned = w.json(&[
        "ctl",
        "spawn",
        "extra/helper",
        "--agent",
        "claude",
        "--role",
        "qa",
        "--json",
        "--",
        &program,
        "fake-agent",
        "--life",
        "start 0.1, idle 3600",
    ]);
    assert_eq!(spawned["agents"][0]["owned"], true);
    let first = w.agents_when("it is up", |a| a.len() == 1 && a[0]["state"] == "fresh");
    assert_eq!(first[0]["role"], "qa");
    w.json(&["ctl", "restart", "extra/helper", "--json"]);
    let second =
        w.agents_when("another process", |a| a[0]["state"] == "fresh" && a[0]["pid"] != first[0]["pid"]);
    assert_eq!(second[0]["id"], first[0]["id"]);
    w.json(&["ctl", "pause", "extra/helper", "--json"]);
    assert_eq!(w.agents_when("paused", |a| a[0]["paused"] == true).len(), 1);
    w.json(&["ctl", "resume", "extra/helper", "--json"]);
    w.agents_when("not paused", |a| a[0]["paused"] == false);
    w.json(&["ctl", "kill", "extra/helper", "--json"]);
    w.agents_when("gone or ended", |a| a.is_empty() || a[0]["pid"].is_null());
    let audit = std::fs::read_to_string(w.home().join("log/audit.jsonl")).unwrap();
    for verb in ["spawn", "restart", "pause", "resume", "kill"] {
        let line = format!("\"verb\":\"{verb}\",\"target\":\"extra/helper\",\"outcome\":\"done\"");
        assert!(audit.contains(&line), "{verb} is not audited:\n{audit}");
    }
}

#[test]
fn a_paused_agent_that_dies_stays_down_until_it_is_resumed() {
    let mut w = World::new();
    w.configure("[relaunch]\ninitial_delay_seconds = 0.0\n");
    w.run();
    let program = w.dir.join("bin/claude").display().to_string();
    let life = ["fake-agent", "--life", "start 0.1, idle 3600"];
    w.json(
        &[&["ctl", "spawn", "team/one", "--agent", "claude", "--json", "--", &program], &life[..]].concat(),
    );
    let up = w.agents_when("it runs", |a| a.len() == 1 && a[0]["pid"].is_u64());
    let mut watch = w.watch(&[]);
    // A drill is an event for sure: from then on the watch sees everything.
    watch.drill(&w);
    w.json(&["ctl", "pause", "team/one", "--json"]);
    let pid = i32::try_from(up[0]["pid"].as_u64().unwrap()).unwrap();
    let process = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
    watch.next("its death", |e| e["kind"] == "agent_died");
    w.agents_when("it is down", |a| a[0]["state"] == "crashed" && a[0]["paused"] == true);
    w.json(&["ctl", "resume", "team/one", "--json"]);
    watch.next("its way back", |e| e["kind"] == "agent_relaunched");
    let relaunched = watch.seen.iter().filter(|e| e["kind"] == "agent_relaunched").count();
    assert_eq!(relaunched, 1, "{:#?}", watch.seen);
    w.agents_when("it runs again", |a| a[0]["paused"] == false && a[0]["relaunches"] == 1);
}
