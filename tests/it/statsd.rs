//! The whole product and etsy's own StatsD server: what the server counted is what the supervisor counted.

use serde_json::Value;

use crate::harness::{World, eventually};
use crate::statsd_server::{Ports, Server};

#[test]
fn the_reference_server_holds_what_the_supervisor_counted() {
    let ports = Ports::free();
    let server = Server::start(ports);
    let mut w = World::new();
    w.configure(&format!("[statsd]\ntargets = [\"127.0.0.1:{}\"]\nflush_seconds = 0.1\n", ports.udp));
    w.dev(&[&w.fake("claude", "start 0.1, busy 1, idle 4, loop")]);
    w.run();
    // The registry itself is among them: what falls while it is away is counted when it is back.
    let drills =
        ["telemetry/registry", "telemetry/resources", "fleet/web/dev", "edge/audit", "telemetry/statsd"];
    for actor in drills {
        let path = format!("root/system/{actor}");
        eventually("the drill is done", || w.tsup(&["ctl", "crash", &path]).status.success().then_some(()));
    }
    w.agents_when("it works", |a| a.len() == 1 && a[0]["state"] == "busy");
    w.agents_when("it rests", |a| matches!(a[0]["state"].as_str(), Some("idle" | "fresh")));
    let count = |metrics: &Value, name: &str| metrics["counters"][name].as_u64().unwrap();
    // Both sides only grow, so that they meet when the supervisor's last flush has arrived.
    for (name, least) in [("actor.restarts", drills.len() as u64), ("agent.state_changes", 2)] {
        let wire = format!("tsup.{name}");
        eventually(&format!("{name} is the same on both sides"), || {
            let theirs = *server.numbers("counters").get(&wire)? as u64;
            let ours = count(&w.json(&["ctl", "metrics", "--current", "--json"]), name);
            (ours == theirs && ours >= least).then_some(())
        });
    }
    let gauges = server.numbers("gauges");
    let agents = gauges.iter().filter(|(name, _)| name.starts_with("tsup.agents."));
    assert_eq!(agents.map(|(_, n)| *n as u64).sum::<u64>(), 1, "{gauges:?}");
    assert_eq!(server.numbers("counters").get("statsd.bad_lines_seen"), Some(&0.0));
}
