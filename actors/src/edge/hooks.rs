//! Owns: the datagram socket of the hooks, `HOME/hook.sock`, and how many reports of each agent are taken.
//! Receives: reports of hooks, by its own reader from the socket.
//! Sends: each report to the agent that it is about.
//! Bounded by: `limits::HOOK_FRAME_BYTES_MAX` a report, `limits::HOOK_RATE` and `limits::HOOK_BURST` an agent; the lanes of its gate.
//! Restart: permanent; a new incarnation binds the socket again. What is sent meanwhile is lost.

use std::path::PathBuf;
use std::time::Duration;

use tsup_core::fleet::hook::HookReport;
use tsup_core::fleet::hook::pace::Pace;
use tsup_core::fleet::hook::route::Way;
use tsup_core::fleet::hook::wire;
use tsup_core::limits::HOOK_FRAME_BYTES_MAX;
use tsup_core::telemetry::metric;

use crate::actor::{Actor, Cx, Failure, blocking};
use crate::fleet::Fleet;
use crate::gate::Gate;
use crate::os::datagram::Mailbox;
use crate::os::socket;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::Counter;

/// What the listener receives.
#[derive(Debug)]
pub struct Heard(HookReport);

/// What it counts.
#[derive(Debug, Clone)]
struct Counters {
    received: Counter,
    dropped: Counter,
    unmatched: Counter,
    late: Counter,
}

/// The listener.
pub struct Hooks {
    path: PathBuf,
    fleet: Fleet,
    counters: Counters,
    pace: Pace,
    /// The socket's name, once it has one.
    own: Option<socket::Own>,
}

impl Hooks {
    /// Listens at `path`, whose folder is private to the user.
    pub fn new(path: PathBuf, fleet: Fleet, metrics: &Metrics) -> Self {
        let counters = Counters {
            received: metrics.counter(metric::HOOKS_RECEIVED, &[]),
            dropped: metrics.counter(metric::HOOKS_DROPPED, &[]),
            unmatched: metrics.counter(metric::HOOKS_UNMATCHED, &[]),
            late: metrics.counter(metric::HOOKS_LATE, &[]),
        };
        Hooks { path, fleet, counters, pace: Pace::default(), own: None }
    }
}

impl Actor for Hooks {
    type Msg = Heard;

    async fn started(&mut self, cx: &mut Cx<Self>) -> Result<(), Failure> {
        // What stands at the path is looked at and replaced: a disk may be slow, so a thread waits for it.
        let path = self.path.clone();
        let bound = blocking(move || socket::bind(&path, "hook socket", Mailbox::bind)).await;
        let mailbox = bound.ok_or_else(|| Failure::new("the runtime ends"))?;
        let (mailbox, own) = mailbox.map_err(|e| Failure::new(e.to_string()))?;
        self.own = Some(own);
        cx.spawn(read(mailbox, cx.gate().clone(), self.counters.clone()));
        cx.ready();
        Ok(())
    }

    async fn handle(&mut self, Heard(report): &mut Heard, cx: &mut Cx<Self>) -> Result<(), Failure> {
        match self.fleet.way_of(report) {
            Way::To(id) if !self.pace.take(id, cx.now()) => self.counters.dropped.inc(),
            Way::To(id) => {
                if !self.fleet.hook(id, report.clone()) {
                    self.counters.dropped.inc();
                }
            }
            Way::Late => self.counters.late.inc(),
            Way::Nobody => self.counters.unmatched.inc(),
        }
        Ok(())
    }

    async fn stopping(&mut self, _cx: &mut Cx<Self>) {
        if let Some(own) = self.own {
            own.remove(&self.path);
        }
    }
}

/// A socket that cannot be read is tried again after this time: a pace that keeps a broken one from taking a
/// whole processor, not a wait for anything.
const AGAIN: Duration = Duration::from_millis(100);

/// Takes datagrams until the actor ends.
async fn read(mailbox: Mailbox, gate: Gate<Heard>, counters: Counters) {
    let me = rustix::process::geteuid().as_raw();
    let mut buffer = vec![0; HOOK_FRAME_BYTES_MAX];
    loop {
        let received = match mailbox.receive(&mut buffer).await {
            Ok(received) => received,
            Err(e) => {
                tracing::warn!(error = %e, "hook socket cannot be read");
                tokio::time::sleep(AGAIN).await;
                continue;
            }
        };
        counters.received.inc();
        // The folder's mode keeps other users out; this is the second wall.
        let foreign = received.uid.is_some_and(|uid| uid != me && uid != 0);
        let report = match wire::decode(&buffer[..received.len]) {
            Ok(report) if !foreign && !received.cut => report,
            Ok(_) => {
                tracing::warn!(uid = received.uid, cut = received.cut, "hook report refused");
                counters.dropped.inc();
                continue;
            }
            Err(e) => {
                tracing::debug!(error = %e, "hook report cannot be read");
                counters.dropped.inc();
                continue;
            }
        };
        if gate.work(Heard(report)).is_err() {
            counters.dropped.inc();
        }
    }
}
