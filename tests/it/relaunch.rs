//! Why an agent ended decides whether and when there is a new process.

use std::fmt::Write as _;

use serde_json::Value;

use crate::harness::{World, eventually};

/// Declares a team of agents that are all taken for Claude Code, each with its command.
fn declare(w: &World, agents: &[(&str, &[&str])]) {
    let mut text =
        "[relaunch]\ninitial_delay_seconds = 0.1\nmax_restarts = 3\n[[session]]\nname = \"team\"\n"
            .to_owned();
    for (name, command) in agents {
        let command = serde_json::to_string(command).unwrap();
        let _ = write!(
            text,
            "[[session.agent]]\nname = \"{name}\"\nagent = \"claude\"\nenv = [\"PATH\", \"HOME\"]\ncommand = {command}\n"
        );
    }
    w.configure(&text);
}

fn by_name<'a>(agents: &'a [Value], name: &str) -> &'a Value {
    agents.iter().find(|a| a["name"] == name).unwrap_or_else(|| panic!("no agent {name} in {agents:#?}"))
}

/// A program that says something and fails as soon as tmux has taken it: it asks tmux for the cursor, and the answer
/// comes after what was written before. What tmux has not read when a process ends it drops.
fn says(words: &str) -> [String; 3] {
    let script = format!("stty -icanon -echo; printf '{words}\\n\\033[6n'; head -c 1 >/dev/null; exit 1");
    ["sh".into(), "-c".into(), script]
}

/// An agent's state with its detail, and its relaunches.
fn stands(agents: &[Value], name: &str) -> (String, u64) {
    let agent = agents.iter().find(|a| a["name"] == name);
    let word =
        agent.map(|a| format!("{}/{}", a["state"].as_str().unwrap(), a["detail"].as_str().unwrap_or("-")));
    (word.unwrap_or_default(), agent.and_then(|a| a["relaunches"].as_u64()).unwrap_or(0))
}

fn explained(w: &World, agent: &str) -> String {
    String::from_utf8(w.tsup(&["ctl", "explain", agent]).stdout).unwrap()
}

#[test]
fn an_agent_without_a_login_or_at_its_limit_is_not_relaunched_in_a_loop() {
    let mut w = World::new();
    let bin = w.dir.join("bin/claude").display().to_string();
    let fake = |life: &'static str| [bin.clone(), "fake-agent".into(), "--life".into(), life.into()];
    let (gate, limit) = (fake("start 0.1, login 1.5, exit 1"), fake("start 0.1, limit 1.5, exit 1"));
    let said = says("Invalid API key · Please run /login");
    let full = says("Usage limit reached. Try again in 3 hours.");
    declare(
        &w,
        &[
            ("gate", &gate.each_ref().map(String::as_str)),
            ("limit", &limit.each_ref().map(String::as_str)),
            ("said", &said.each_ref().map(String::as_str)),
            ("full", &full.each_ref().map(String::as_str)),
            ("broken", &["sh", "-c", "echo 'index out of bounds'; exit 1"]),
        ],
    );
    w.run();
    // One that only fails is tried until its restarts are used up: by then the others had their chance.
    let all = [
        ("broken", "crashed/held"),
        ("gate", "crashed/login"),
        ("said", "crashed/login"),
        ("limit", "crashed/backing_off"),
        ("full", "crashed/backing_off"),
    ];
    let agents = w.agents_when("all are down, each for its reason", |a| {
        all.iter().all(|(name, stand)| stands(a, name).0 == *stand)
    });
    assert_eq!(stands(&agents, "broken").1, 3);
    for name in ["gate", "said", "limit", "full"] {
        assert_eq!(stands(&agents, name).1, 0, "{name} was relaunched: {agents:#?}");
    }
    let until: jiff::Timestamp =
        by_name(&agents, "full")["limit_resets_at"].as_str().unwrap().parse().unwrap();
    let hours = until.duration_since(jiff::Timestamp::now()).as_secs_f64() / 3600.0;
    assert!((2.8..3.1).contains(&hours), "{hours}");
    for name in ["gate", "said"] {
        let text = explained(&w, &format!("team/{name}"));
        assert!(
            text.contains("log in with its CLI") && text.contains(&format!("tsup ctl restart team/{name}")),
            "{text}"
        );
    }
    let resets = by_name(&agents, "full")["limit_resets_at"].as_str().unwrap();
    let text = explained(&w, "team/full");
    assert!(text.contains(&format!("is started again at {resets}")), "{resets}\n{text}");
    let listed = String::from_utf8(w.tsup(&["ctl", "agents"]).stdout).unwrap();
    assert!(listed.contains("tsup ctl restart team/gate"), "{listed}");
    // The next supervisor holds them for the same reasons, once these are on the disk.
    let database = rusqlite::Connection::open(w.home().join("tsup.db")).unwrap();
    let held = "SELECT count(*) FROM agents WHERE held != 0";
    eventually("the reasons are kept", || {
        database
            .query_row(held, [], |row| row.get::<_, i64>(0))
            .is_ok_and(|n| n == all.len() as i64)
            .then_some(())
    });
    drop(database);
    w.kill9();
    w.run();
    let agents =
        w.agents_when("all are down again", |a| all.iter().all(|(name, stand)| stands(a, name).0 == *stand));
    assert!(
        agents.iter().all(|a| a["relaunches"] == if a["name"] == "broken" { 3 } else { 0 }),
        "{agents:#?}"
    );
    assert_eq!(by_name(&agents, "full")["limit_resets_at"].as_str().unwrap()[..16], until.to_string()[..16]);
    // A person who has logged in starts it again.
    w.json(&["ctl", "restart", "team/gate", "--json"]);
    w.agents_when("it runs again", |a| by_name(a, "gate")["pid"].is_u64());
}
