//! The sampler against real processes.

use std::process::{Command, Stdio};
use std::sync::Arc;

use parking_lot::Mutex;
use tsup_actors::actor::{Actor, Cx, Failure};
use tsup_actors::gate::Gate;
use tsup_actors::os::proc;
use tsup_actors::telemetry::Metrics;
use tsup_actors::telemetry::resources::{ResourcesMsg, ResourcesPlan, Subscriber};
use tsup_core::clock::Wall;
use tsup_core::ids::{ActorPath, AgentId, SocketName};
use tsup_core::telemetry::resources::Sample;

use super::stage::{Stage, stop, until};

struct Reader(Arc<Mutex<Vec<Sample>>>);

impl Actor for Reader {
    type Msg = Sample;
    async fn handle(&mut self, sample: &mut Sample, _: &mut Cx<Self>) -> Result<(), Failure> {
        self.0.lock().push(*sample);
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_tree_is_seen_with_all_its_processes() {
    let (stage, metrics) = (Stage::new().await, Metrics::new(Wall::from_unix_ms(0)));
    let (reader, seen) = (Gate::new(ActorPath::root().child("reader")), Arc::new(Mutex::new(Vec::new())));
    let samples = Arc::clone(&seen);
    let reading = stage.start(&reader, move || Reader(Arc::clone(&samples))).await;
    let (gate, plan) = (Gate::new(ActorPath::root().child("resources")), ResourcesPlan::new(metrics.clone()));
    let sampler = stage.start(&gate, move || plan.make()).await;

    // The shell waits; its child works.
    let script = "sh -c 'while :; do :; done' & trap 'kill $!' TERM; wait";
    let mut shell = Command::new("sh").args(["-c", script]).stdin(Stdio::null()).spawn().unwrap();
    let root = proc::identify(shell.id()).unwrap();
    let id = AgentId::owned(&SocketName("s".into()), "web", "dev");
    let to = Subscriber::gate(reader.clone(), |sample| sample);
    gate.work(ResourcesMsg::Track { id, root, to }).unwrap();
    gate.work(ResourcesMsg::Busy { id, busy: true }).unwrap();
    let busy = until("CPU of the tree", async || seen.lock().iter().find_map(|s| s.cpu_percent)).await;
    assert!(busy > 5.0, "{busy}");
    assert!(seen.lock().iter().all(|s| s.rss_bytes > 0));
    let own =
        until("CPU of this process", async || metrics.doc().gauges.get("supervisor.cpu_percent").copied())
            .await;
    assert!(own >= 0.0 && metrics.doc().gauges["supervisor.rss_bytes"] > 1e6);

    gate.work(ResourcesMsg::Untrack { id }).unwrap();
    let pid = rustix::process::Pid::from_raw(shell.id() as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    shell.wait().unwrap();
    stop(&sampler).await;
    stop(&reading).await;
}
