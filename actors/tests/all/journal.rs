//! The execution log under a real supervisor.

use std::path::Path;
use std::time::Duration;

use tokio::sync::watch;
use tsup_actors::gate::Gate;
use tsup_actors::supervisor::{SupervisorSpec, Tree, child, spawn};
use tsup_actors::telemetry::Metrics;
use tsup_actors::telemetry::journal::{self, JournalMsg, JournalPlan};
use tsup_core::clock::Wall;
use tsup_core::ids::ActorPath;
use tsup_core::settings::LogSettings;
use tsup_core::supervision::Strategy;
use tsup_core::telemetry::record::Entry;

use super::stage::until;

/// 2026-11-21T01:39:22.138Z
const NOW: Wall = Wall::from_unix_ms(1_795_225_162_138);
const FILE: &str = "executions-2026-11-21.jsonl";

struct Bench {
    tree: Tree,
    gate: Gate<JournalMsg>,
    metrics: Metrics,
    health: watch::Receiver<Option<String>>,
}

impl Bench {
    async fn new(folder: &Path) -> Bench {
        let metrics = Metrics::new(Wall::from_unix_ms(0));
        let (complains, health) = watch::channel(None);
        // The days of these tests lie wherever the clock of this machine is not.
        let settings = LogSettings { retention_days: 3650, ..LogSettings::default() };
        let plan = JournalPlan::new(folder.to_owned(), &settings, complains, &metrics);
        let root = ActorPath::root();
        let gate = journal::gate(root.child("journal"));
        let spec = SupervisorSpec::new(root, Strategy::OneForOne)
            .intensity(1_000, Duration::from_secs(60))
            .child(child("journal", gate.clone(), move || plan.make()));
        Bench { tree: spawn(spec).await.unwrap(), gate, metrics, health }
    }

    fn append(&self, script: &str, inputs: String) {
        let entry = Entry { timestamp: NOW, script_id: script.into(), inputs, ..Entry::default() };
        self.gate.work(JournalMsg::Append(Box::new(entry))).unwrap();
    }

    fn counted(&self, name: &str) -> u64 {
        self.metrics.doc().counters[name]
    }

    async fn stop(mut self) {
        self.tree.stop();
        self.tree.ended().await;
    }
}

fn scripts(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let script = |line: &str| {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        value["script_id"].as_str().unwrap().to_owned()
    };
    text.lines().map(script).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_keep_their_order_over_crashes_and_an_ordered_stop_writes_the_last() {
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::new(dir.path()).await;
    let mut expected = Vec::new();
    for n in 0..300 {
        bench.append(&n.to_string(), "{}".into());
        expected.push(n.to_string());
        if n % 100 == 50 {
            until("all so far is written", async || (bench.counted("journal.lines") == n + 1).then_some(()))
                .await;
            bench.tree.handle().crash("journal").await.unwrap();
        }
    }
    // The one after the last crash runs; the rest may be anywhere between the gate and the disk.
    until("it writes again", async || (bench.counted("journal.lines") > 251).then_some(())).await;
    for n in 300..400 {
        bench.append(&n.to_string(), "{}".into());
        expected.push(n.to_string());
    }
    bench.stop().await;
    assert_eq!(scripts(&dir.path().join(FILE)), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_cannot_be_written_is_told_of_loses_what_finds_no_room_and_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("log");
    std::fs::write(&folder, "in the way").unwrap();
    let bench = Bench::new(&folder).await;
    bench.append("first", "{}".into());
    until("status says so", async || {
        bench.health.borrow().clone().filter(|w| w.contains("cannot be written"))
    })
    .await;
    // Seventeen of the largest, of which sixteen MiB find room.
    let large = format!("{{\"x\":\"{}\"}}", "y".repeat(1 << 20));
    for _ in 0..17 {
        bench.append("large", large.clone());
    }
    until("some are lost", async || (bench.counted("journal.lost") == 2).then_some(())).await;
    std::fs::remove_file(&folder).unwrap();
    until("it is well again", async || bench.health.borrow().is_none().then_some(())).await;
    let found = scripts(&folder.join(FILE));
    assert_eq!((found.len(), found[0].as_str()), (16, "first"));
    assert_eq!((bench.counted("journal.lines"), bench.counted("journal.lost")), (16, 2));
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_torn_line_of_a_crash_is_mended_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(FILE), "{\"script_id\":\"whole\"}\n{\"script_id\":\"to").unwrap();
    let bench = Bench::new(dir.path()).await;
    bench.append("next", "{}".into());
    until("it is mended", async || (bench.counted("journal.mended") == 1).then_some(())).await;
    assert_eq!(scripts(&dir.path().join(FILE)), ["whole", "next"]);
    bench.stop().await;
}
