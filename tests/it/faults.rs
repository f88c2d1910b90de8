//! What becomes of a fleet when its tmux server fails or its sessions change under it, as people see it.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::harness::{World, eventually};

/// Signals the world's tmux server.
struct Server(Pid);

impl Server {
    fn of(w: &World) -> Server {
        let pid = w.tmux(&["display-message", "-p", "#{pid}"]).parse().unwrap();
        Server(Pid::from_raw(pid).unwrap())
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.0, signal).unwrap();
    }
}

/// A stopped server goes on when the test ends, so that it can be ended.
impl Drop for Server {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::CONT);
    }
}

/// Two found agents in two sessions and one of tsup's own, all at rest.
fn fleet() -> World {
    let mut w = World::new();
    let bin = w.dir.join("bin/claude").display().to_string();
    w.configure(&format!(
        "[relaunch]\ninitial_delay_seconds = 0.0\n[[session]]\nname = \"team\"\n\
         [[session.agent]]\nname = \"own\"\nagent = \"claude\"\n\
         command = [\"{bin}\", \"fake-agent\", \"--life\", \"start 0.1, idle 3600\"]\n"
    ));
    for session in ["one", "two"] {
        let fake = w.fake("codex", "start 0.1, idle 3600");
        w.tmux(&["new-session", "-d", "-s", session, "-n", "dev", &fake]);
    }
    w.run();
    w.agents_when("all rest", |a| a.len() == 3 && a.iter().all(|x| x["state"] == "fresh"));
    w
}

fn is_lost(agent: &Value) -> bool {
    agent["state"] == "unknown" && agent["detail"] == "lost_server"
}

#[test]
fn a_stopped_server_makes_its_agents_unknown_and_nothing_worse() {
    let w = fleet();
    let mut watch = w.watch(&[]);
    watch.drill(&w);
    let server = Server::of(&w);
    let before = w.json(&["ctl", "agents", "--json"]);
    server.signal(Signal::STOP);
    watch.next("the loss", |e| e["kind"] == "tmux_lost");
    w.agents_when("all unknown", |a| a.len() == 3 && a.iter().all(is_lost));
    let degraded = w.json(&["ctl", "status", "--json"])["degraded"].to_string();
    assert!(degraded.contains("does not answer"), "{degraded}");
    let captured = w.tsup(&["ctl", "capture", "one/dev"]);
    assert!(!captured.status.success(), "nobody knows what it shows");
    server.signal(Signal::CONT);
    watch.next("its return", |e| e["kind"] == "tmux_back");
    let after = w.agents_when("all rest again", |a| a.iter().all(|x| x["state"] == "fresh"));
    for (was, is) in before["agents"].as_array().unwrap().iter().zip(&after) {
        assert_eq!((&was["id"], &was["pid"], &was["relaunches"]), (&is["id"], &is["pid"], &is["relaunches"]));
    }
    let bad = ["agent_died", "agent_gone", "agent_found", "agent_relaunched", "session_gone"];
    let seen = &watch.seen;
    assert!(!seen.iter().any(|e| bad.iter().any(|kind| e["kind"] == *kind)), "{seen:#?}");
    assert_eq!(seen.iter().filter(|e| e["kind"] == "tmux_lost").count(), 1, "{seen:#?}");
}

#[test]
fn a_killed_server_is_one_notice_and_one_way_back_for_what_is_owned() {
    let w = fleet();
    let mut watch = w.watch(&[]);
    watch.drill(&w);
    Server::of(&w).signal(Signal::KILL);
    watch.next("the loss", |e| e["kind"] == "tmux_lost");
    // What tsup owns is started again, on a server of its own; what it found is not its to start.
    watch.next("the way back", |e| e["kind"] == "agent_relaunched");
    let agents = w.agents_when("one is back, two are unknown", |a| {
        a.len() == 3
            && a.iter().filter(|x| is_lost(x)).count() == 2
            && a.iter().any(|x| x["state"] == "fresh")
    });
    assert!(agents.iter().all(|a| a["owned"] == (a["state"] == "fresh")), "{agents:#?}");
    assert_eq!(w.tmux(&["list-sessions", "-F", "#{session_name}"]), "team");
    w.tmux(&["new-session", "-d", "-s", "last", "sleep 3600"]);
    watch.next("what comes after", |e| e["kind"] == "session_found" && e["session"] == "last");
    let count = |kind: &str| watch.seen.iter().filter(|e| e["kind"] == kind).count();
    assert_eq!((count("tmux_lost"), count("agent_relaunched")), (1, 1), "{:#?}", watch.seen);
}

#[test]
fn a_session_that_is_renamed_keeps_its_agents_and_their_history() {
    let w = fleet();
    let history = |agent: &str| w.json(&["ctl", "explain", agent, "--json"])["history"].clone();
    let before = history("one/dev");
    assert!(!before.as_array().unwrap().is_empty());
    w.tmux(&["rename-session", "-t", "one", "##(touch x) uno"]);
    let agents = w.agents_when("the new name", |a| a.iter().any(|x| x["session"] == "#(touch x) uno"));
    assert_eq!(agents.len(), 3, "{agents:#?}");
    let id = agents.iter().find(|a| a["session"] == "#(touch x) uno").unwrap()["id"].as_str().unwrap();
    assert_eq!(history(id), before);
    assert_eq!(history("#(touch x) uno/dev"), before);
    assert!(!w.dir.join("x").exists());
}

#[test]
fn without_a_server_nobody_starts_one_and_the_first_to_come_is_found() {
    let mut w = World::new();
    w.run();
    assert!(w.json(&["ctl", "agents", "--json"])["agents"].as_array().unwrap().is_empty());
    assert!(!std::path::Path::new(&w.tmux_socket()).exists(), "no server was started");
    w.dev(&[&w.fake("claude", "start 0.1, idle 3600")]);
    w.agents_when("it is found", |a| a.len() == 1 && a[0]["state"] == "fresh");
    w.tmux(&["copy-mode", "-t", "web:dev"]);
    // A person who scrolls up sees an older screen; the agent goes on resting.
    eventually("a look in copy mode", || {
        w.json(&["ctl", "capture", "web/dev", "--json"])["text"].as_str().map(str::to_owned)
    });
    assert_eq!(w.json(&["ctl", "agents", "--json"])["agents"][0]["state"], "fresh");
}

/// As a laptop that is closed and opened again, or a tmux that finds its client too far behind.
#[test]
fn a_supervisor_that_stood_still_knows_what_happened_since_and_blames_nobody() {
    for push in ["auto", "clients"] {
        let mut w = World::new();
        w.configure(&format!("push = \"{push}\"\n[fleet]\nmissing_grace_seconds = 1\n"));
        w.tmux(&["new-session", "-d", "-s", "loud", "-n", "dev", "bash", "-c", "exec -a claude yes"]);
        w.tmux(&["new-session", "-d", "-s", "two", "-n", "dev", &w.fake("codex", "start 0.1, idle 3600")]);
        let pid = Pid::from_raw(i32::try_from(w.run()).unwrap()).unwrap();
        let mut watch = w.watch(&[]);
        w.agents_when("both are known", |a| a.len() == 2 && a.iter().any(|x| x["state"] == "fresh"));
        kill_process(pid, Signal::STOP).unwrap();
        // Longer than any answer of tmux may take: what is tried here is the time that passes.
        let until =
            std::time::Instant::now() + tsup_core::limits::TMUX_DEADLINE + std::time::Duration::from_secs(1);
        w.tmux(&["kill-session", "-t", "two"]);
        w.tmux(&["new-session", "-d", "-s", "since", "-n", "dev", &w.fake("gemini", "start 0.1, idle 3600")]);
        while let Some(left) = until.checked_duration_since(std::time::Instant::now()) {
            std::thread::park_timeout(left);
        }
        kill_process(pid, Signal::CONT).unwrap();
        w.agents_when("what happened since", |a| {
            let at = |session: &str| a.iter().find(|x| x["session"] == session);
            at("since").is_some_and(|x| x["state"] == "fresh") && at("two").is_none() && at("loud").is_some()
        });
        let loud = w.json(&["ctl", "capture", "loud/dev", "--json"]);
        assert!(loud["text"].as_str().unwrap().starts_with("y\ny\n"), "{push}: {loud}");
        watch.next("what happened since", |e| e["kind"] == "agent_gone");
        assert!(!watch.seen.iter().any(|e| e["kind"] == "tmux_lost"), "{push}: {:#?}", watch.seen);
    }
}
