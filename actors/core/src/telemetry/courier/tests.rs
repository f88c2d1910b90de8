//! The courier against a model of the network.

use super::*;
use crate::telemetry::dialect::Dialect;
use crate::telemetry::name::SeriesKey;
use crate::telemetry::snapshot::{Reading, Value};
use proptest::prelude::*;

/// A network with one receiver; UDP bounces show after the call that caused them, or only later.
struct World {
    courier: Courier,
    now: Mono,
    alive: bool,
    late: bool,
    bounce_waits: bool,
    full_for: u32,
    received: u64,
    packets: Vec<String>,
    total: u64,
}

fn write(wire: &WireName, emit: &Emit) -> String {
    match emit {
        Emit::Count(n) => format!("{}:{n}|c", wire.name),
        Emit::Gauge { value, .. } => format!("{}:{value}|g", wire.name),
        Emit::Times { .. } => unreachable!("the model has no timers"),
    }
}

impl World {
    fn new(transport: Transport, payload: usize) -> Self {
        World {
            courier: Courier::new(transport, payload, Feed::new(Dialect::Etsy, 0, payload)),
            now: Mono::ZERO,
            alive: true,
            late: false,
            bounce_waits: false,
            full_for: 0,
            received: 0,
            packets: Vec::new(),
            total: 0,
        }
    }

    fn offer(&mut self, grown: u64) {
        self.total += grown;
        let part = |i: u64| self.total / 3 + u64::from(i < self.total % 3);
        let name = |i: u64| Arc::new(SeriesKey::new(&format!("counter.{i}"), &[]).unwrap());
        let mut readings: Vec<_> =
            (0..3).map(|i| Reading { key: name(i), value: Value::Counter(part(i)) }).collect();
        readings.push(Reading { key: name(9), value: Value::Gauge(Some(1.0)) });
        self.courier.offer(Arc::new(Snapshot { readings }));
    }

    fn deliver(&mut self, text: &str) -> Outcome {
        if self.full_for > 0 {
            self.full_for -= 1;
            return Outcome::Blocked;
        }
        let unix = self.courier.transport == Transport::UnixDatagram;
        if self.bounce_waits {
            self.bounce_waits = false;
            return Outcome::Refused;
        }
        if !self.alive {
            if unix {
                return Outcome::Refused;
            }
            self.bounce_waits = self.late;
            return if self.late { Outcome::Sent } else { Outcome::Bounced };
        }
        for line in text.lines().filter(|l| l.ends_with("|c")) {
            let (_, n) = line.trim_end_matches("|c").split_once(':').unwrap();
            self.received += n.parse::<u64>().unwrap();
        }
        self.packets.push(text.to_owned());
        Outcome::Sent
    }

    /// Runs for `span` of the model's time.
    fn run(&mut self, span: Duration) {
        let end = self.now + span;
        for _ in 0..100_000 {
            let outcome = match self.courier.next(self.now, &mut write) {
                Next::Rest => break,
                Next::At(at) if at > end => break,
                Next::At(at) => {
                    assert!(at > self.now, "it must not spin");
                    self.now = at;
                    continue;
                }
                Next::Open if self.alive || self.courier.transport == Transport::Udp => Outcome::Opened,
                Next::Open => Outcome::OpenFailed,
                Next::Probe => self.deliver(""),
                Next::Check if std::mem::take(&mut self.bounce_waits) => Outcome::Bounced,
                Next::Check => Outcome::Quiet,
                Next::Send => {
                    let text = self.courier.packet().expect("there is a packet to send").to_owned();
                    self.deliver(&text)
                }
            };
            self.courier.outcome(outcome, self.now);
        }
        self.now = end;
    }
}

const TICK: Duration = Duration::from_secs(1);

fn lost(w: &World) -> u64 {
    w.courier.tally.lost_increments
}

#[test]
fn a_steady_receiver_gets_everything_and_only_what_changed() {
    for transport in [Transport::UnixDatagram, Transport::Udp, Transport::Stream] {
        let mut w = World::new(transport, 1432);
        for grown in [5, 0, 7] {
            w.offer(grown);
            w.run(TICK);
        }
        assert_eq!((w.received, lost(&w)), (12, 0));
        let figures: Vec<_> = w.packets.iter().filter(|p| !p.is_empty()).collect();
        assert_eq!(figures.len(), 2, "an unchanged table is no packet: {figures:?}");
    }
}

#[test]
fn nobody_there_costs_nothing_before_the_first_answer() {
    let mut w = World::new(Transport::Udp, 1432);
    w.alive = false;
    for _ in 0..20 {
        w.offer(3);
        w.run(TICK);
    }
    assert!(w.courier.degraded());
    w.alive = true;
    w.run(limits::STATSD_RETRY_MAX + TICK);
    assert_eq!((w.received, lost(&w), w.courier.degraded()), (60, 0, false));
}

#[test]
fn gauges_are_told_again_after_an_outage() {
    let mut w = World::new(Transport::UnixDatagram, 1432);
    w.offer(1);
    w.run(TICK);
    w.alive = false;
    w.offer(1);
    w.run(TICK);
    w.alive = true;
    w.run(limits::STATSD_RETRY_MAX);
    let last = w.packets.last().unwrap();
    assert!(last.contains("|g") && last.contains("|c"), "{last}");
}

#[test]
fn what_is_too_long_is_counted_and_does_not_stop_the_rest() {
    let mut w = World::new(Transport::UnixDatagram, 13);
    w.offer(3_000_000_000);
    w.run(TICK);
    let tally = w.courier.take_tally();
    assert_eq!((tally.dropped, tally.lost_increments), (3, 3_000_000_000));
    assert_eq!(w.packets, ["counter.9:1|g"]);
    assert!(w.courier.is_done());
}

#[derive(Debug, Clone)]
enum Step {
    Grow(u64),
    Down,
    Up,
    Full(u32),
    Move,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(
        prop_oneof![
            4 => (0_u64..100).prop_map(Step::Grow),
            1 => Just(Step::Down),
            1 => Just(Step::Up),
            1 => (1_u32..300).prop_map(Step::Full),
            1 => Just(Step::Move),
        ],
        1..60,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]
    #[test]
    fn totals_are_kept(steps in steps(), udp in any::<bool>(), late in any::<bool>(), small in any::<bool>()) {
        let transport = if udp { Transport::Udp } else { Transport::UnixDatagram };
        let mut w = World::new(transport, if small { 20 } else { 1432 });
        w.late = late;
        let (mut outages, mut largest) = (0, 0);
        for step in steps {
            match step {
                Step::Grow(n) => {
                    let before = w.total - w.received.min(w.total);
                    largest = largest.max(n + before);
                    w.offer(n);
                }
                Step::Down if w.alive => {
                    outages += 1;
                    w.alive = false;
                }
                Step::Up => w.alive = true,
                Step::Full(n) => w.full_for = n,
                Step::Move => w.courier.move_over(w.now),
                Step::Down => {}
            }
            w.run(TICK);
        }
        w.alive = true;
        w.full_for = 0;
        for _ in 0..40 {
            w.offer(0);
            w.run(TICK);
        }
        prop_assert_eq!(w.received + lost(&w), w.total);
        prop_assert!(udp || lost(&w) == 0, "a Unix datagram socket loses nothing");
        prop_assert!(lost(&w) <= outages * largest, "one flush an outage at most");
        prop_assert!(!w.courier.degraded() && w.courier.is_done());
        prop_assert!(w.packets.iter().all(|p| p.len() <= w.courier.payload_bytes));
    }
}
