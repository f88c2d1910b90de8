//! A child that does what it is told and writes down what happens to it.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tsup_actors::actor::{Actor, Cx, Failure};
use tsup_actors::gate::{Gate, Lane, Reply};
use tsup_actors::supervisor::{ChildSpec, SupervisorSpec, View, child};
use tsup_core::ids::{ActorPath, Generation};
use tsup_core::supervision::Strategy;
use tsup_core::wire::doc::NodeState;

/// Longest wait for anything, by the runtime's clock.
pub(crate) const LONG: Duration = Duration::from_secs(3600);

/// What was written down, in order.
#[derive(Clone, Default)]
pub(crate) struct Log {
    lines: Arc<Mutex<Vec<String>>>,
    wrote: Arc<Notify>,
}

impl Log {
    pub(crate) fn write(&self, line: impl Into<String>) {
        self.lines.lock().push(line.into());
        self.wrote.notify_waiters();
    }

    /// What was written since the last look.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.lines.lock())
    }

    /// Waits until `line` is written.
    pub(crate) async fn wait_for(&self, line: &str) {
        let seen = async {
            loop {
                let wrote = self.wrote.notified();
                if self.lines.lock().iter().any(|l| l == line) {
                    return;
                }
                wrote.await;
            }
        };
        let seen = tokio::time::timeout(Duration::from_secs(60), seen).await;
        assert!(seen.is_ok(), "no line {line:?} in {:?}", self.lines.lock());
    }
}

/// Tells a probe what to do.
pub(crate) enum Do {
    Note(u32),
    Panic,
    Fail,
    Stop,
    /// Never come back from the handler.
    Hang,
    /// Stay in the handler until told; the reply says that it is there.
    Hold(Reply<()>, tokio::sync::oneshot::Receiver<()>),
    /// The same, without letting go of the thread.
    Block(Reply<()>, std::sync::mpsc::Receiver<()>),
    Ready,
    Who(Reply<(Generation, Vec<u32>)>),
}

pub(crate) struct Probe {
    name: String,
    log: Log,
    /// How long an ordered stop takes.
    stops_in: Duration,
    notes: Vec<u32>,
}

impl Actor for Probe {
    type Msg = Do;

    async fn started(&mut self, _: &mut Cx<Self>) -> Result<(), Failure> {
        self.log.write(format!("start {}", self.name));
        Ok(())
    }

    async fn handle(&mut self, message: &mut Do, cx: &mut Cx<Self>) -> Result<(), Failure> {
        match message {
            Do::Note(n) => self.notes.push(*n),
            Do::Panic => panic!("{} panics", self.name),
            Do::Fail => return Err(Failure::new(format!("{} fails", self.name))),
            Do::Stop => cx.stop(),
            Do::Hang => std::future::pending().await,
            Do::Hold(held, go) => {
                held.send(());
                let _ = go.await;
            }
            Do::Block(held, go) => {
                held.send(());
                let _ = go.recv();
            }
            Do::Ready => cx.ready(),
            Do::Who(reply) => reply.send((cx.generation(), self.notes.clone())),
        }
        Ok(())
    }

    async fn stopping(&mut self, _: &mut Cx<Self>) {
        tokio::time::sleep(self.stops_in).await;
        self.log.write(format!("stop {}", self.name));
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.log.write(format!("end {}", self.name));
    }
}

/// A probe's gate and its specification under `above`.
pub(crate) fn probe(above: &ActorPath, name: &str, log: &Log) -> (Gate<Do>, ChildSpec) {
    probe_that_stops_in(above, name, log, Duration::ZERO)
}

pub(crate) fn probe_that_stops_in(
    above: &ActorPath,
    name: &str,
    log: &Log,
    stops_in: Duration,
) -> (Gate<Do>, ChildSpec) {
    let gate = Gate::new(above.child(name));
    let (log, owned) = (log.clone(), name.to_owned());
    let make = move || Probe { name: owned.clone(), log: log.clone(), stops_in, notes: Vec::new() };
    (gate.clone(), child(name, gate, make))
}

/// Asks a probe who it is: its generation, and what it noted.
pub(crate) async fn who(gate: &Gate<Do>) -> (Generation, Vec<u32>) {
    gate.call(Lane::Telemetry, LONG, Do::Who).await.expect("the probe answers")
}

pub(crate) fn root(strategy: Strategy) -> SupervisorSpec {
    SupervisorSpec::new(ActorPath::root(), strategy).intensity(3, Duration::from_secs(60))
}

/// Waits until the child's state is `state`.
pub(crate) async fn until(view: &View, path: &str, state: NodeState) {
    let node = view.find(path).unwrap_or_else(|| panic!("no {path} in {:?}", view.node()));
    let mut status = node.watch();
    let wait = status.wait_for(|s| s.state == state);
    tokio::time::timeout(LONG, wait).await.expect("in time").expect("its supervisor lives");
}
