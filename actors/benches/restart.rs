//! How long a crash takes to be made good: from the instant of the panic, or of the returned error, to
//! the first line that the next incarnation runs. Beside it, the same with bare ractor in the same run.
//!
//! `cargo bench -p tsup-actors --bench restart [-- --quick]`

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on stops")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use ractor::{ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::sync::mpsc;
use tsup_actors::actor::{Actor, Cx, Failure};
use tsup_actors::bus::Bus;
use tsup_actors::gate::{Gate, Lane, Reply};
use tsup_actors::supervisor::{SupervisorSpec, child, spawn};
use tsup_core::ids::ActorPath;
use tsup_core::supervision::Strategy;

/// How the victim ends.
#[derive(Clone, Copy, PartialEq)]
enum How {
    Panic,
    Err,
}

/// When the victim ended last, told to its successor.
#[derive(Clone)]
struct Clock {
    ended: Arc<Mutex<Option<Instant>>>,
    restarts: mpsc::Sender<Duration>,
}

impl Clock {
    fn new() -> (Clock, mpsc::Receiver<Duration>) {
        let (restarts, measured) = mpsc::channel(16);
        (Clock { ended: Arc::default(), restarts }, measured)
    }

    fn ends(&self) {
        *self.ended.lock() = Some(Instant::now());
    }

    /// The first start measures nothing.
    fn starts(&self) {
        if let Some(ended) = self.ended.lock().take() {
            self.restarts.try_send(ended.elapsed()).unwrap();
        }
    }
}

enum Msg {
    End(How),
    Note,
    Noted(Reply<u64>),
}

/// The one that crashes. Its notes stand outside of it, to see which messages are lost.
struct Victim {
    clock: Clock,
    notes: Arc<std::sync::atomic::AtomicU64>,
}

impl Actor for Victim {
    type Msg = Msg;

    async fn started(&mut self, _: &mut Cx<Self>) -> Result<(), Failure> {
        self.clock.starts();
        Ok(())
    }

    async fn handle(&mut self, message: &mut Msg, _: &mut Cx<Self>) -> Result<(), Failure> {
        use std::sync::atomic::Ordering::Relaxed;
        match message {
            Msg::Note => {
                self.notes.fetch_add(1, Relaxed);
            }
            Msg::Noted(reply) => reply.send(self.notes.load(Relaxed)),
            Msg::End(How::Err) => {
                self.clock.ends();
                return Err(Failure::new("bench"));
            }
            Msg::End(How::Panic) => {
                self.clock.ends();
                panic!("bench");
            }
        }
        Ok(())
    }
}

struct Measured {
    times: Vec<Duration>,
    lost_children: usize,
    set_aside: u64,
    lost_messages: u64,
}

/// `crashes` crashes under our supervisor, among `siblings` other children.
async fn ours(how: How, crashes: usize, siblings: usize) -> Measured {
    let (clock, mut restarts) = Clock::new();
    let notes = Arc::default();
    let at = ActorPath::root();
    let gate = Gate::new(at.child("victim"));
    let mut spec = SupervisorSpec::new(at.clone(), Strategy::OneForOne).unlimited().bus(&Bus::new());
    for n in 0..siblings {
        let name = format!("sibling-{n}");
        let (clock, notes) = (Clock::new().0, Arc::clone(&notes));
        let make = move || Victim { clock: clock.clone(), notes: Arc::clone(&notes) };
        spec = spec.child(child(&name, Gate::new(at.child(&name)), make));
    }
    let victims = Arc::clone(&notes);
    let make = move || Victim { clock: clock.clone(), notes: Arc::clone(&victims) };
    let mut tree = spawn(spec.child(child("victim", gate.clone(), make))).await.unwrap();
    let mut times = Vec::with_capacity(crashes);
    // A message that ends its actor is delivered once more and then set aside: two crashes each.
    while times.len() < crashes {
        gate.control(Msg::End(how)).unwrap();
        gate.work(Msg::Note).unwrap();
        times.push(restarts.recv().await.unwrap());
        times.push(restarts.recv().await.unwrap());
    }
    let noted = gate.call(Lane::Telemetry, Duration::from_secs(5), Msg::Noted).await.unwrap();
    let node = tree.view().node();
    let running =
        node.children.iter().filter(|c| c.state == tsup_core::wire::doc::NodeState::Running).count();
    assert_eq!(node.children[siblings].restarts as usize, times.len());
    tree.stop();
    tree.ended().await;
    Measured {
        lost_children: siblings + 1 - running,
        set_aside: gate.mailbox().dropped,
        lost_messages: times.len() as u64 / 2 - noted,
        times,
    }
}

struct BareParent;
struct BareChild(Clock);

impl ractor::Actor for BareChild {
    type Msg = How;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<How>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn post_start(&self, _: ActorRef<How>, (): &mut ()) -> Result<(), ActorProcessingErr> {
        self.0.starts();
        Ok(())
    }

    async fn handle(&self, _: ActorRef<How>, how: How, (): &mut ()) -> Result<(), ActorProcessingErr> {
        self.0.ends();
        assert!(how == How::Err, "bench");
        Err("bench".into())
    }
}

impl ractor::Actor for BareParent {
    type Msg = How;
    type State = (Clock, ActorRef<How>);
    type Arguments = Clock;

    async fn pre_start(&self, me: ActorRef<How>, clock: Clock) -> Result<Self::State, ActorProcessingErr> {
        let (child, _) = me.spawn_linked(None, BareChild(clock.clone()), ()).await?;
        Ok((clock, child))
    }

    #[expect(clippy::disallowed_methods, reason = "bare ractor has no gate")]
    async fn handle(
        &self,
        _: ActorRef<How>,
        how: How,
        (_, child): &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        child.cast(how)?;
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        me: ActorRef<How>,
        event: SupervisionEvent,
        (clock, child): &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        if let SupervisionEvent::ActorFailed(..) = event {
            *child = me.spawn_linked(None, BareChild(clock.clone()), ()).await?.0;
        }
        Ok(())
    }
}

#[expect(clippy::disallowed_methods, reason = "bare ractor has no gate")]
async fn bare(how: How, crashes: usize) -> Vec<Duration> {
    let (clock, mut restarts) = Clock::new();
    let (parent, _) = ractor::Actor::spawn(None, BareParent, clock).await.unwrap();
    let mut times = Vec::with_capacity(crashes);
    while times.len() < crashes {
        parent.cast(how).unwrap();
        times.push(restarts.recv().await.unwrap());
    }
    parent.stop(None);
    times
}

fn row(name: &str, mut times: Vec<Duration>, rest: &str) {
    times.sort();
    let us = |q: f64| times[((times.len() - 1) as f64 * q) as usize].as_secs_f64() * 1e6;
    println!("| {name} | {} | {:.1} | {:.1} | {:.1} | {rest} |", times.len(), us(0.5), us(0.99), us(1.0));
}

fn main() {
    let quick = std::env::args().any(|a| a == "--quick");
    let crashes = if quick { 2_000 } else { 10_000 };
    // The words of ten thousand panics are not what is measured.
    std::panic::set_hook(Box::new(|_| {}));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    println!("### Restart of a crashed child, without backoff\n");
    println!("| what | crashes | p50 µs | p99 µs | max µs | lost children · messages set aside · lost |");
    println!("|---|---|---|---|---|---|");
    for (name, how) in [("after a panic", How::Panic), ("after a returned error", How::Err)] {
        // On a worker thread, as in the daemon: `block_on` would add its own thread to each step.
        let times = runtime.block_on(async move { tokio::spawn(bare(how, crashes)).await.unwrap() });
        row(&format!("bare ractor, {name}"), times, "–");
        for siblings in [0, 1_000] {
            let measured =
                runtime.block_on(async move { tokio::spawn(ours(how, crashes, siblings)).await.unwrap() });
            let Measured { times, lost_children, set_aside, lost_messages } = measured;
            let rest = format!("{lost_children} · {set_aside} · {lost_messages}");
            row(&format!("supervised, {name}, {siblings} siblings"), times, &rest);
        }
    }
}
