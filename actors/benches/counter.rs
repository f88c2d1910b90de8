//! What counting costs: an increment, a duration, a flush; and the same million increments sent one by one
//! by cadence's buffered client. `cargo bench -p tsup-actors --bench counter`.
//!
//! Figures are medians of several rounds, in CPU time of the measuring thread, so that other work on the
//! machine shows as noise and not as cost.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]
#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::hint::black_box;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use cadence::prelude::*;
use cadence::{BufferedUdpMetricSink, StatsdClient};
use rustix::time::{ClockId, clock_gettime};
use tsup_actors::telemetry::statsd::Lines;
use tsup_actors::telemetry::{Counter, Metrics};
use tsup_core::clock::{Mono, Wall};
use tsup_core::limits;
use tsup_core::telemetry::courier::{Courier, Next, Outcome, Transport};
use tsup_core::telemetry::dialect::Dialect;
use tsup_core::telemetry::feed::Feed;

const ROUNDS: usize = 9;
const SERIES: usize = 2_000;
const INCREMENTS: usize = 1_000_000;

/// Time that this thread has spent on a CPU, in nanoseconds.
fn cpu() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 * 1e9 + now.tv_nsec as f64
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}

/// Nanoseconds of CPU for one of `n` runs of `work`.
fn each(n: usize, mut work: impl FnMut(usize)) -> f64 {
    let round = |_| {
        let before = cpu();
        (0..n).for_each(&mut work);
        (cpu() - before) / n as f64
    };
    median((0..ROUNDS).map(round).collect())
}

fn say(what: &str, figure: f64, unit: &str, reach: &str) {
    println!("{what:<58} {figure:>10.1} {unit:<9} {reach}");
}

fn two_threads(counter: &Counter) -> f64 {
    let barrier = Arc::new(Barrier::new(2));
    let threads: Vec<_> = (0..2)
        .map(|_| {
            let (counter, barrier) = (counter.clone(), Arc::clone(&barrier));
            std::thread::spawn(move || {
                barrier.wait();
                each(5_000_000, |_| black_box(&counter).inc())
            })
        })
        .collect();
    median(threads.into_iter().map(|t| t.join().unwrap()).collect())
}

fn hot_path() {
    let metrics = Metrics::new(Wall::from_unix_ms(0));
    let (counter, timer) = (metrics.counter("c", &[]), metrics.timer("t_seconds", &[]));
    let gauge = metrics.gauge("g", &[]);
    say("counter, one thread", each(5_000_000, |_| black_box(&counter).inc()), "ns", "reach: 15 ns");
    say("counter, two threads on the same one", two_threads(&counter), "ns", "reach: 15 ns");
    let took = |i: usize| Duration::from_nanos(1_000 + (i as u64 * 7_919) % 10_000_000);
    say("timer", each(2_000_000, |i| black_box(&timer).record(took(i))), "ns", "reach: 30 ns");
    say("gauge", each(2_000_000, |i| black_box(&gauge).set(i as f64)), "ns", "");
    say("handle of a known series", each(100_000, |_| drop(black_box(metrics.counter("c", &[])))), "ns", "");
}

/// A receiver on loopback that counts lines.
struct Receiver {
    address: std::net::SocketAddr,
    lines: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<()>,
}

impl Receiver {
    fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let (lines, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (seen, end, address) = (Arc::clone(&lines), Arc::clone(&over), socket.local_addr().unwrap());
        let thread = std::thread::spawn(move || {
            let mut packet = vec![0; 65_536];
            while !end.load(Ordering::Relaxed) {
                if let Ok(n) = socket.recv(&mut packet) {
                    let lines = packet[..n].split(|b| *b == b'\n').filter(|l| !l.is_empty()).count();
                    seen.fetch_add(lines as u64, Ordering::Relaxed);
                }
            }
        });
        Receiver { address, lines, over, thread }
    }

    /// Lines received, once no more come.
    fn settle(&self) -> u64 {
        let (mut last, mut since) = (0, Instant::now());
        while since.elapsed() < Duration::from_millis(300) {
            let now = self.lines.load(Ordering::Relaxed);
            if now != last {
                (last, since) = (now, Instant::now());
            }
            std::thread::yield_now();
        }
        self.lines.swap(0, Ordering::Relaxed)
    }

    fn end(self) {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
    }
}

fn flush(courier: &mut Courier, lines: &Lines, socket: &UdpSocket) -> u64 {
    let (mut now, mut packets) = (Mono::ZERO, 0);
    loop {
        let outcome = match courier.next(now, &mut |name, emit| lines.write(name, emit)) {
            Next::Rest => return packets,
            Next::At(at) => {
                now = at;
                continue;
            }
            Next::Open => Outcome::Opened,
            Next::Check => Outcome::Quiet,
            Next::Probe => Outcome::Sent,
            Next::Send => {
                socket.send(courier.packet().unwrap().as_bytes()).unwrap();
                packets += 1;
                Outcome::Sent
            }
        };
        courier.outcome(outcome, now);
    }
}

fn a_million_increments(receiver: &Receiver) -> f64 {
    let metrics = Metrics::new(Wall::from_unix_ms(0));
    let counters: Vec<_> =
        (0..SERIES).map(|i| metrics.counter(format!("bench.series_{i:04}"), &[])).collect();
    let feed = Feed::new(Dialect::Etsy, 5, limits::STATSD_UDP_BYTES_MAX);
    let mut courier = Courier::new(Transport::Udp, limits::STATSD_UDP_BYTES_MAX, feed);
    let (lines, socket) = (Lines::new("tsup"), UdpSocket::bind("127.0.0.1:0").unwrap());
    socket.connect(receiver.address).unwrap();
    let (mut counting, mut flushing, mut packets) = (Vec::new(), Vec::new(), 0);
    for _ in 0..ROUNDS {
        let start = cpu();
        (0..INCREMENTS).for_each(|i| counters[i % SERIES].inc());
        let counted = cpu();
        courier.offer(Arc::new(metrics.snapshot()));
        packets = flush(&mut courier, &lines, &socket);
        counting.push((counted - start) / INCREMENTS as f64);
        flushing.push((cpu() - counted) / 1e3);
        receiver.settle();
    }
    let tally = courier.take_tally();
    let (counting, flushing) = (median(counting), median(flushing));
    say("  one flush of 2,000 series: CPU", flushing, "us", "");
    say("  lines", tally.lines as f64 / ROUNDS as f64, "", "reach: 2,000");
    say("  packets", packets as f64, "", "reach: 80");
    let all = counting + flushing * 1e3 / INCREMENTS as f64;
    say("  an increment with its share of the flush", all, "ns", "");
    all
}

fn cadence_one_by_one(receiver: &Receiver) -> f64 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let sink = BufferedUdpMetricSink::with_capacity(receiver.address, socket, 1_432).unwrap();
    let client = StatsdClient::from_sink("tsup", sink);
    let names: Vec<String> = (0..SERIES).map(|i| format!("bench.series_{i:04}")).collect();
    let (mut costs, mut received) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let before = cpu();
        for i in 0..INCREMENTS {
            client.incr(&names[i % SERIES]).unwrap();
        }
        client.flush().unwrap();
        costs.push((cpu() - before) / INCREMENTS as f64);
        received.push(receiver.settle() as f64);
    }
    let cost = median(costs);
    say("  an increment", cost, "ns", "");
    let lost = 100.0 * (1.0 - median(received) / INCREMENTS as f64);
    say("  lines", INCREMENTS as f64, "", "");
    say("  lost on the way, without an error", lost, "%", "");
    cost
}

fn main() {
    hot_path();
    let receiver = Receiver::start();
    println!("a million increments on 2,000 series, to a receiver on loopback: tsup");
    let ours = a_million_increments(&receiver);
    println!("the same, one by one through cadence's buffered client");
    let theirs = cadence_one_by_one(&receiver);
    say("cadence's cost against tsup's", theirs / ours, "times", "");
    receiver.end();
}
