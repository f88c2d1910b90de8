//! Sinks under a real supervisor: what dies in the middle of its work passes its memory on.

use std::os::unix::net::UnixDatagram;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tsup_core::clock::Wall;
use tsup_core::settings::{StatsdSettings, StatsdTarget};
use tsup_core::wire::doc::NodeState;

use super::*;
use crate::supervisor::spawn;
use crate::telemetry::registry::RegistryPlan;
use crate::telemetry::statsd::{self, Lines, StatsdPlan};

/// Waits for something to be true.
async fn until(what: &str, mut is_true: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !is_true() {
        assert!(Instant::now() < end, "not in time: {what}");
        // How often the condition is looked at; the deadline above ends it.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Adds up one counter on a Unix datagram socket until the sender says the end.
fn receiver(path: &std::path::Path) -> std::thread::JoinHandle<u64> {
    let socket = UnixDatagram::bind(path).unwrap();
    std::thread::spawn(move || {
        let (mut buffer, mut total) = (vec![0; 65_536], 0);
        loop {
            let n = socket.recv(&mut buffer).unwrap();
            let text = std::str::from_utf8(&buffer[..n]).unwrap();
            if text == "end" {
                return total;
            }
            let values = text.lines().filter_map(|line| line.strip_prefix("t.work:")?.strip_suffix("|c"));
            total += values.map(|value| value.parse::<u64>().unwrap()).sum::<u64>();
        }
    })
}

struct Bench {
    tree: Tree,
    metrics: Metrics,
    armed: Arc<AtomicBool>,
    panics: Arc<AtomicU64>,
}

impl Bench {
    async fn new(path: &std::path::Path) -> Self {
        let metrics = Metrics::new(Wall::from_unix_ms(0));
        let settings = StatsdSettings { prefix: "t".into(), ..StatsdSettings::default() };
        let target = StatsdTarget::Unix(path.display().to_string());
        let plan = StatsdPlan::new("statsd", target, &settings, metrics.clone());
        let (armed, panics) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let (wire, count) = (Arc::clone(&armed), Arc::clone(&panics));
        let make = move || {
            let (wire, count) = (Arc::clone(&wire), Arc::clone(&count));
            plan.make().writing(Lines::after("t", move || {
                if wire.swap(false, Ordering::SeqCst) {
                    count.fetch_add(1, Ordering::SeqCst);
                    panic!("asked to, in the middle of a flush");
                }
            }))
        };
        let root = ActorPath::root();
        let sink = statsd::gate(root.child("statsd"));
        let registry = {
            let sinks = vec![sink.clone()];
            let plan = RegistryPlan::new(metrics.clone(), &Bus::new(), sinks, Duration::from_millis(1));
            move || plan.make()
        };
        // As in the product: the sinks stop after the registry, so that what they send last is the last word.
        let spec = SupervisorSpec::new(root.clone(), Strategy::OneForOne)
            .intensity(10_000, Duration::from_secs(60))
            .child(child("statsd", sink, make))
            .child(child("registry", Gate::new(root.child("registry")), registry));
        Bench { tree: spawn(spec).await.unwrap(), metrics, armed, panics }
    }

    fn restarts(&self) -> (u64, NodeState) {
        let node = self.tree.view().node().children.into_iter().find(|c| c.path.ends_with("/statsd"));
        let node = node.expect("the sink has its place in the tree");
        (node.restarts, node.state)
    }

    /// Waits until the sink runs for the time after so many restarts.
    async fn runs_after(&self, restarts: u64) {
        until("the sink runs again", || self.restarts() == (restarts, NodeState::Running)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sink_that_dies_in_the_middle_passes_its_memory_on_and_totals_are_exact() {
    const DEATHS: u64 = 40;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("statsd.sock");
    let received = receiver(&path);
    let mut bench = Bench::new(&path).await;

    let (counter, go_on) = (bench.metrics.counter("work", &[]), Arc::new(AtomicBool::new(true)));
    let going = Arc::clone(&go_on);
    let counting = std::thread::spawn(move || {
        let mut counted = 0_u64;
        while going.load(Ordering::SeqCst) {
            counter.inc();
            counted += 1;
            std::thread::yield_now();
        }
        counted
    });
    bench.runs_after(0).await;
    for death in 1..=DEATHS {
        if death % 2 == 0 {
            bench.tree.handle().crash("statsd").await.unwrap();
        } else {
            bench.armed.store(true, Ordering::SeqCst);
        }
        bench.runs_after(death).await;
    }
    go_on.store(false, Ordering::SeqCst);
    let counted = counting.join().unwrap();
    bench.tree.stop();
    bench.tree.ended().await;
    UnixDatagram::unbound().unwrap().send_to(b"end", &path).unwrap();

    assert_eq!(bench.panics.load(Ordering::SeqCst), DEATHS / 2);
    let doc = bench.metrics.doc();
    let own = |name: &str| doc.counters.iter().filter(|(key, _)| key.starts_with(name)).map(|(_, n)| n).sum();
    assert_eq!((own("sink.dropped"), own("sink.lost_increments")), (0_u64, 0_u64));
    assert_eq!(received.join().unwrap(), counted, "nothing is told twice, nothing is forgotten");
    assert_eq!(bench.restarts().0, DEATHS, "no successor found the memory in another hand");
}

#[tokio::test]
async fn a_second_sink_with_the_memory_of_the_first_does_not_start() {
    let metrics = Metrics::new(Wall::from_unix_ms(0));
    let plan = StatsdPlan::new(
        "statsd",
        StatsdTarget::Unix("/nowhere".into()),
        &StatsdSettings::default(),
        metrics.clone(),
    );
    let root = ActorPath::root();
    let mut spec =
        SupervisorSpec::new(root.clone(), Strategy::OneForOne).intensity(0, Duration::from_secs(60));
    for id in ["first", "second"] {
        let plan = plan.clone();
        spec = spec.child(child(id, statsd::gate(root.child(id)), move || plan.make()));
    }
    let mut tree = spawn(spec).await.unwrap();
    let end = tokio::time::timeout(Duration::from_secs(30), tree.ended()).await;
    end.expect("one does not start").expect("the supervisor decided");
    let why = tree.view().node().children.into_iter().find_map(|child| child.last_error);
    assert_eq!(why.as_deref(), Some("the sink before has not let go of its memory"));
}
