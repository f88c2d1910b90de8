//! Owns: the way to one StatsD receiver.
//! Receives: snapshots from the registry; answers of its own threads and timers.
//! Sends: packets; what became of them goes into the table of metrics.
//! Bounded by: one snapshot kept; bursts of limits::STATSD_BURST_PACKETS.
//! Restart: permanent; what the receiver knows, and the socket, pass on as an heirloom.

mod lines;
mod socket;

use std::net::SocketAddr;
use std::sync::Arc;

use tsup_core::ids::{ActorPath, Generation};
use tsup_core::limits;
use tsup_core::settings::{StatsdSettings, StatsdTarget};
use tsup_core::telemetry::courier::{Courier, Next, Outcome, Transport};
use tsup_core::telemetry::feed::Feed;
use tsup_core::telemetry::metric;
use tsup_core::telemetry::snapshot::Snapshot;

pub use lines::Lines;
use socket::Socket;

use super::metrics::{Counter, Gauge, Metrics};
use crate::actor::{Actor, Cx, Failure, Timer};
use crate::clock::now_mono;
use crate::gate::{Capacity, Gate, Lane};
use crate::heirloom::{Heirloom, Held};

/// What a sink receives.
#[derive(Debug)]
pub enum StatsdMsg {
    /// All metrics as they are now.
    Flush(Arc<Snapshot>),
    /// Go on.
    Wake,
    /// A socket, or none, for the incarnation that asked.
    Opened(Generation, Option<Socket>),
    /// Look the name up again.
    Resolve,
    /// What the name stands for now.
    Resolved(Vec<SocketAddr>),
}

/// The gate of a sink: two snapshots may wait, since each says all that the one before said.
pub fn gate(path: ActorPath) -> Gate<StatsdMsg> {
    Gate::with_capacity(path, Capacity { telemetry: 2, ..Capacity::default() })
}

/// What passes from one incarnation to the next: without it a restarted sink would tell the receiver every total twice, and
/// would not hear what the old socket still has to say.
struct Desk {
    courier: Courier,
    socket: Option<Socket>,
}

struct OwnMetrics {
    lines: Counter,
    packets: Counter,
    bytes: Counter,
    dropped: Counter,
    lost: Counter,
    degraded: Gauge,
}

/// Makes the incarnations of one sink.
#[derive(Clone)]
pub struct StatsdPlan {
    name: String,
    target: StatsdTarget,
    settings: Arc<StatsdSettings>,
    metrics: Metrics,
    desk: Heirloom<Desk>,
}

impl StatsdPlan {
    /// A sink that tells `target` all of `metrics`; what it counts about itself carries `name`, which is
    /// also its name in the tree.
    pub fn new(name: &str, target: StatsdTarget, settings: &StatsdSettings, metrics: Metrics) -> Self {
        let (transport, payload) = match &target {
            StatsdTarget::Udp { .. } => (Transport::Udp, limits::STATSD_UDP_BYTES_MAX),
            StatsdTarget::Tcp { .. } => (Transport::Stream, limits::STATSD_UNIX_BYTES_MAX),
            StatsdTarget::Unix(_) => (Transport::UnixDatagram, limits::STATSD_UNIX_BYTES_MAX),
        };
        let prefix = settings.dialect.wire_prefix(&settings.prefix);
        let feed = Feed::new(settings.dialect, prefix.len() + 1, payload);
        let desk = Desk { courier: Courier::new(transport, payload, feed), socket: None };
        let settings = Arc::new(settings.clone());
        StatsdPlan { name: name.to_owned(), target, settings, metrics, desk: Heirloom::new(desk) }
    }

    /// The next incarnation. There is one memory of the receiver, so one runs at a time; another does
    /// not start.
    pub fn make(&self) -> StatsdSink {
        let labels = [("sink", self.name.as_str())];
        let own = OwnMetrics {
            lines: self.metrics.counter(metric::SINK_LINES, &labels),
            packets: self.metrics.counter(metric::SINK_PACKETS, &labels),
            bytes: self.metrics.counter(metric::SINK_BYTES, &labels),
            dropped: self.metrics.counter(metric::SINK_DROPPED, &labels),
            lost: self.metrics.counter(metric::SINK_LOST, &labels),
            degraded: self.metrics.gauge(metric::SINK_DEGRADED, &labels),
        };
        let lines = Lines::new(&self.settings.dialect.wire_prefix(&self.settings.prefix));
        StatsdSink { plan: self.clone(), desk: None, own, lines, wake: None, resolve: None }
    }
}

/// Tells one receiver what it does not know yet.
pub struct StatsdSink {
    plan: StatsdPlan,
    /// In hand from the start on.
    desk: Option<Held<Desk>>,
    own: OwnMetrics,
    lines: Lines,
    wake: Option<Timer>,
    resolve: Option<Timer>,
}

#[cfg(test)]
impl StatsdSink {
    /// The same sink, writing lines in another way.
    pub(crate) fn writing(self, lines: Lines) -> Self {
        StatsdSink { lines, ..self }
    }
}

/// Why a pump came to rest.
enum Rest {
    /// A socket is needed.
    Open,
    /// Nothing before this moment.
    At(tsup_core::clock::Mono),
    /// Nothing before the next message.
    Idle,
}

/// What an incarnation that has started has in hand.
fn in_hand(desk: &mut Option<Held<Desk>>) -> &mut Desk {
    desk.as_deref_mut().expect("it is taken before the first message")
}

impl StatsdSink {
    /// Does what the courier says until it rests or the burst is full.
    fn pump(&mut self) -> Rest {
        let Desk { courier, socket } = in_hand(&mut self.desk);
        let mut rest = Rest::At(now_mono() + limits::STATSD_BURST_PAUSE);
        for _ in 0..limits::STATSD_BURST_PACKETS {
            let next = courier.next(now_mono(), &mut |name, emit| self.lines.write(name, emit));
            let outcome = match (next, socket.as_mut()) {
                (Next::Rest, _) => {
                    rest = Rest::Idle;
                    break;
                }
                (Next::At(at), _) => {
                    rest = Rest::At(at);
                    break;
                }
                (Next::Open, _) => {
                    rest = Rest::Open;
                    break;
                }
                (Next::Probe, Some(socket)) => socket.send(socket::PROBE),
                (Next::Check, Some(socket)) => socket.check(),
                (Next::Send, Some(socket)) => courier.packet().map_or(Outcome::Refused, |p| socket.send(p)),
                (_, None) => Outcome::Refused,
            };
            courier.outcome(outcome, now_mono());
        }
        self.own.account(courier);
        rest
    }

    fn go_on(&mut self, cx: &mut Cx<Self>) {
        self.wake = None;
        match self.pump() {
            Rest::Idle => {}
            Rest::At(at) => self.wake = Some(cx.after(at.since(cx.now()), Lane::Control, StatsdMsg::Wake)),
            Rest::Open => {
                let target = self.plan.target.clone();
                let generation = cx.generation();
                cx.offload(
                    move || socket::open(&target).ok(),
                    move |socket| StatsdMsg::Opened(generation, socket),
                );
            }
        }
    }

    fn opened(&mut self, socket: Option<Socket>) {
        let desk = in_hand(&mut self.desk);
        let outcome = if socket.is_some() { Outcome::Opened } else { Outcome::OpenFailed };
        desk.socket = socket;
        desk.courier.outcome(outcome, now_mono());
    }

    fn resolve_later(&mut self, cx: &mut Cx<Self>) {
        if socket::name_of(&self.plan.target).is_some() {
            self.resolve = Some(cx.after(limits::STATSD_RESOLVE_EVERY, Lane::Control, StatsdMsg::Resolve));
        }
    }

    fn resolved(&mut self, addresses: &[SocketAddr]) {
        let desk = in_hand(&mut self.desk);
        let peer = desk.socket.as_ref().and_then(Socket::peer);
        // A name that cannot be looked up just now says nothing about the address in use.
        if !addresses.is_empty() && peer.is_some_and(|peer| !addresses.contains(&peer)) {
            desk.courier.move_over(now_mono());
        }
    }

    /// Sends what was counted last, and waits for the socket where it must.
    async fn last_flush(&mut self) {
        let snapshot = Arc::new(self.plan.metrics.snapshot());
        in_hand(&mut self.desk).courier.offer(snapshot);
        loop {
            match self.pump() {
                Rest::Idle if in_hand(&mut self.desk).is_done() => return,
                Rest::Idle => tokio::time::sleep(limits::STATSD_BLOCKED_PAUSE).await,
                // Nobody waits for a receiver that is known to be away.
                Rest::At(_) if in_hand(&mut self.desk).courier.degraded() => return,
                Rest::At(at) => tokio::time::sleep(at.since(now_mono())).await,
                Rest::Open => {
                    let target = self.plan.target.clone();
                    let open = tokio::task::spawn_blocking(move || socket::open(&target).ok()).await;
                    self.opened(open.ok().flatten());
                }
            }
        }
    }
}

impl OwnMetrics {
    fn account(&self, courier: &mut Courier) {
        let tally = courier.take_tally();
        self.lines.add(tally.lines);
        self.packets.add(tally.packets);
        self.bytes.add(tally.bytes);
        self.dropped.add(tally.dropped);
        self.lost.add(tally.lost_increments);
        self.degraded.set(if courier.degraded() { 1.0 } else { 0.0 });
    }
}

impl Desk {
    fn is_done(&mut self) -> bool {
        self.courier.is_done() && self.socket.as_mut().is_none_or(Socket::is_empty)
    }
}

impl Actor for StatsdSink {
    type Msg = StatsdMsg;

    async fn started(&mut self, cx: &mut Cx<Self>) -> Result<(), Failure> {
        let desk = self.plan.desk.take();
        let mut desk = desk.ok_or_else(|| Failure::new("the sink before has not let go of its memory"))?;
        desk.courier.resume(cx.now());
        self.desk = Some(desk);
        self.resolve_later(cx);
        self.go_on(cx);
        cx.ready();
        Ok(())
    }

    async fn handle(&mut self, message: &mut StatsdMsg, cx: &mut Cx<Self>) -> Result<(), Failure> {
        match message {
            StatsdMsg::Flush(snapshot) => in_hand(&mut self.desk).courier.offer(Arc::clone(snapshot)),
            StatsdMsg::Opened(by, socket) if *by == cx.generation() => self.opened(socket.take()),
            // The incarnation that asked is gone, and this one has asked for itself.
            StatsdMsg::Wake | StatsdMsg::Opened(..) => {}
            StatsdMsg::Resolve => {
                let target = self.plan.target.clone();
                cx.offload(move || socket::resolve(&target).unwrap_or_default(), StatsdMsg::Resolved);
                self.resolve_later(cx);
            }
            StatsdMsg::Resolved(addresses) => self.resolved(addresses),
        }
        self.go_on(cx);
        Ok(())
    }

    async fn stopping(&mut self, _cx: &mut Cx<Self>) {
        if tokio::time::timeout(limits::STATSD_LAST_FLUSH, self.last_flush()).await.is_err() {
            tracing::warn!(target = %self.plan.target, "the last metrics did not reach the receiver in time");
        }
    }
}
