//! The registry and its sinks against real receivers: what they counted is what was counted here.

use std::collections::BTreeMap;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ractor::ActorCell;
use tsup_actors::bus::Bus;
use tsup_actors::gate::Gate;
use tsup_actors::telemetry::Metrics;
use tsup_actors::telemetry::registry::RegistryPlan;
use tsup_actors::telemetry::statsd::{self, StatsdMsg, StatsdPlan};
use tsup_core::clock::Wall;
use tsup_core::ids::ActorPath;
use tsup_core::settings::{StatsdSettings, StatsdTarget};
use tsup_core::telemetry::dialect::Dialect;
use tsup_core::telemetry::metric::Kind;
use tsup_core::telemetry::name::SeriesKey;

use super::stage::{Stage, stop, until};
use super::statsd_server::{Ports, Server};

/// Counted at once, so that what the sink counts about itself is small beside it.
const MUCH: u64 = 1_000_000;

struct Feed {
    stage: Stage,
    metrics: Metrics,
    registry: ActorCell,
    sinks: Vec<(StatsdPlan, Gate<StatsdMsg>, ActorCell)>,
}

impl Feed {
    async fn to(targets: &[(&str, String)]) -> Self {
        let (stage, metrics) = (Stage::new().await, Metrics::new(Wall::from_unix_ms(0)));
        let mut sinks = Vec::new();
        for (prefix, target) in targets {
            let target: StatsdTarget = target.parse().unwrap();
            let settings = StatsdSettings { prefix: (*prefix).into(), ..StatsdSettings::default() };
            let plan = StatsdPlan::new(prefix, target, &settings, metrics.clone());
            let gate = statsd::gate(ActorPath::root().child(prefix));
            let maker = plan.clone();
            let actor = stage.start(&gate, move || maker.make()).await;
            sinks.push((plan, gate, actor));
        }
        let gates: Vec<_> = sinks.iter().map(|(_, gate, _)| gate.clone()).collect();
        let registry = Gate::new(ActorPath::root().child("registry"));
        let plan = RegistryPlan::new(metrics.clone(), &Bus::new(), gates, Duration::from_millis(50));
        let registry = stage.start(&registry, move || plan.make()).await;
        Feed { stage, metrics, registry, sinks }
    }

    /// Kills the first sink and starts it again.
    async fn restart_sink(&mut self) {
        let (plan, gate, actor) = &mut self.sinks[0];
        self.stage.kill(actor).await;
        let maker = plan.clone();
        *actor = self.stage.start(gate, move || maker.make()).await;
    }

    /// Stops in the order of a tree: sinks first, which then send what is left.
    async fn stop(&self) {
        stop(&self.registry).await;
        for (_, _, sink) in &self.sinks {
            stop(sink).await;
        }
    }

    /// One of the sinks' own counters, over all targets.
    fn own(&self, name: &str) -> u64 {
        let of = |key: &String| key.split(';').next() == Some(name);
        self.metrics.doc().counters.iter().filter(|(key, _)| of(key)).map(|(_, n)| n).sum()
    }
}

/// Names and label values that receivers cut, split or rewrite.
const HOSTILE: [&str; 14] = [
    "plain",
    "é",
    "ö",
    "a b",
    "a/b",
    "a-b",
    "a:1|c\nb",
    "x|@0.1",
    "#tag,more:5",
    ";k=v",
    "a..b",
    "_x2F",
    "日本",
    "%n\0\u{202E}",
];

/// Counters, gauges, and how many samples of each timer.
type Held = (BTreeMap<String, f64>, BTreeMap<String, f64>, BTreeMap<String, u64>);

/// Counts all sorts of things; answers what a receiver must hold under `prefix`.
fn count(metrics: &Metrics) -> impl Fn(&str) -> Held {
    let (mut counters, mut gauges, mut timers) = (Vec::new(), Vec::new(), Vec::new());
    for (i, name) in HOSTILE.iter().enumerate() {
        let n = i as u64 + 1;
        for (key, labels) in [(format!("hostile.{name}"), vec![]), ("by.label".into(), vec![("k", *name)])] {
            metrics.counter(&key, &labels).add(n);
            counters.push((SeriesKey::new(&key, &labels).unwrap(), n as f64));
        }
        let value = if i % 2 == 0 { n as f64 / 8.0 } else { -(n as f64) };
        metrics.gauge(format!("gauge.{name}"), &[]).set(value);
        gauges.push((SeriesKey::new(&format!("gauge.{name}"), &[]).unwrap(), value));
    }
    for (name, samples) in [("few_seconds", 20_u64), ("many_seconds", 5_000)] {
        let timer = metrics.timer(name, &[]);
        (1..=samples).for_each(|ms| timer.record(Duration::from_millis(ms)));
        timers.push((SeriesKey::new(name, &[]).unwrap(), samples));
    }
    move |prefix| {
        (
            named(prefix, Kind::Counter, &counters),
            named(prefix, Kind::Gauge, &gauges),
            named(prefix, Kind::Timer, &timers),
        )
    }
}

fn named<V: Copy>(prefix: &str, kind: Kind, of: &[(SeriesKey, V)]) -> BTreeMap<String, V> {
    let wire = |key| format!("{prefix}.{}", Dialect::Etsy.wire_name(kind, key).name);
    of.iter().map(|(key, value)| (wire(key), *value)).collect()
}

fn under<V: Clone>(prefix: &str, table: &BTreeMap<String, V>) -> BTreeMap<String, V> {
    let own = [".sink.", ".metrics.", ".mailbox."].map(|part| format!("{prefix}{part}"));
    let wanted =
        |name: &str| name.starts_with(&format!("{prefix}.")) && !own.iter().any(|o| name.starts_with(o));
    table.iter().filter(|(name, _)| wanted(name)).map(|(name, v)| (name.clone(), v.clone())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn etsys_server_holds_exactly_what_was_counted() {
    let ports = Ports::free();
    let server = Server::start(ports);
    let udp = ("udp", format!("127.0.0.1:{}", ports.udp));
    let feed = Feed::to(&[udp, ("tcp", format!("tcp://127.0.0.1:{}", ports.tcp))]).await;
    let expected = count(&feed.metrics);
    until("the first values arrived", async || {
        let timers = server.timers();
        (timers.contains_key("udp.many_ms") && timers.contains_key("tcp.many_ms")).then_some(())
    })
    .await;
    // A gauge that moves below zero and up again, by a sign that would be relative.
    let mover = feed.metrics.gauge("gauge.plain", &[]);
    mover.set(-7.25);
    until("the gauge moved", async || {
        (server.numbers("gauges").get("tcp.gauge.plain") == Some(&-7.25)).then_some(())
    })
    .await;
    mover.set(0.125);
    feed.metrics.counter("hostile.plain", &[]).add(MUCH);
    feed.stop().await;

    let lines = feed.own("sink.lines");
    until("everything that was sent is read", async || {
        (server.numbers("counters")["statsd.metrics_received"] as u64 >= lines).then_some(())
    })
    .await;
    let (counters, gauges, timers) = (server.numbers("counters"), server.numbers("gauges"), server.timers());
    for prefix in ["udp", "tcp"] {
        let (mut our_counters, our_gauges, our_timers) = expected(prefix);
        *our_counters.get_mut(&format!("{prefix}.hostile.plain")).unwrap() += MUCH as f64;
        assert_eq!(under(prefix, &counters), our_counters);
        let mut their_gauges = under(prefix, &gauges);
        their_gauges.retain(|name, _| our_gauges.contains_key(name));
        assert_eq!(their_gauges, our_gauges);
        assert_eq!(timers[&format!("{prefix}.few_ms")].len(), 20);
        assert!(our_timers.keys().all(|name| timers.contains_key(name)));
        let many = &timers[&format!("{prefix}.many_ms")];
        let mean = many.iter().sum::<f64>() / many.len() as f64;
        assert!(many.len() <= 100 && (mean - 2500.5).abs() < 2500.5 * 0.02, "{mean}");
    }
    assert_eq!(counters["statsd.bad_lines_seen"] as u64, 0, "no line was bad");
    assert_eq!(counters["statsd.metrics_received"] as u64, lines, "each line was seen once");
    assert_eq!(feed.own("sink.dropped"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_over_udp_costs_one_flush_at_most_and_it_is_counted() {
    let ports = Ports::free();
    let feed = Feed::to(&[("t", format!("udp://127.0.0.1:{}", ports.udp))]).await;
    let counter = feed.metrics.counter("work", &[]);
    // Nobody is there yet: that costs nothing.
    counter.add(3 * MUCH);
    until("the outage is seen", async || degraded(&feed).then_some(())).await;
    let server = Server::start(ports);
    let received = |server: &Server| server.numbers("counters").get("t.work").map_or(0, |n| *n as u64);
    until("the total arrived", async || (received(&server) == 3 * MUCH).then_some(())).await;
    assert_eq!(feed.own("sink.lost_increments"), 0, "a receiver that was never there costs nothing");

    server.kill();
    counter.add(MUCH);
    until("the outage is seen", async || degraded(&feed).then_some(())).await;
    for _ in 0..5 {
        counter.add(MUCH);
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    let server = Server::start(ports);
    counter.add(MUCH);
    let lost = || feed.own("sink.lost_increments") / MUCH * MUCH;
    until("received and lost make the total", async || {
        (3 * MUCH + received(&server) + lost() == 10 * MUCH).then_some(())
    })
    .await;
    assert!(lost() <= MUCH, "one flush at most: {}", lost());
    feed.stop().await;
    assert_eq!(3 * MUCH + received(&server) + lost(), 10 * MUCH);
    assert!(!degraded(&feed));
}

fn degraded(feed: &Feed) -> bool {
    feed.metrics.doc().gauges.iter().any(|(name, v)| name.starts_with("sink.degraded") && *v > 0.0)
}

/// A receiver on a Unix datagram socket that adds up one counter.
fn receive(path: &Path, name: &'static str) -> (Arc<UnixDatagram>, impl FnMut() -> u64 + use<>) {
    let socket = Arc::new(UnixDatagram::bind(path).unwrap());
    socket.set_nonblocking(true).unwrap();
    let (reader, mut buffer, mut total) = (Arc::clone(&socket), vec![0; 65_536], 0);
    let read = move || {
        while let Ok(n) = reader.recv(&mut buffer) {
            for line in std::str::from_utf8(&buffer[..n]).unwrap().lines() {
                if let Some(("c", value)) =
                    line.strip_prefix(name).and_then(|l| l.strip_prefix(':')).map(kind)
                {
                    total += value;
                }
            }
        }
        total
    };
    (socket, read)
}

fn kind(rest: &str) -> (&str, u64) {
    let (value, kind) = rest.split_once('|').unwrap();
    (kind, value.parse().unwrap_or(0))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_over_a_unix_socket_costs_nothing_nor_does_a_crash_of_the_sink() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("statsd.sock");
    let mut feed = Feed::to(&[("t", format!("unix://{}", path.display()))]).await;
    let counter = feed.metrics.counter("work", &[]);
    counter.add(5);
    let (socket, mut read) = receive(&path, "t.work");
    until("what was counted before there was a receiver", async || (read() == 5).then_some(())).await;

    feed.restart_sink().await;
    counter.add(2);
    until("what was counted after the crash", async || (read() == 7).then_some(())).await;

    // The receiver reads what it has been given and goes.
    std::fs::remove_file(&path).unwrap();
    drop(socket);
    let before = read();
    drop(read);
    counter.add(10);
    until("the outage is seen", async || degraded(&feed).then_some(())).await;
    counter.add(100);
    let (_socket, mut read) = receive(&path, "t.work");
    until("what was counted during the outage", async || (before + read() == 117).then_some(())).await;
    counter.add(1000);
    feed.stop().await;
    assert_eq!(before + read(), 1117, "the last flush is sent on stop");
    assert_eq!(feed.own("sink.dropped"), 0);
}
