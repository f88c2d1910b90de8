//! The shell and the gate together, under a supervisor that only counts exits.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ractor::SupervisionEvent;
use tokio::sync::mpsc;

use super::*;
use crate::gate::{Capacity, Reply};

/// Tells each end of its children, and restarts nothing.
struct Watcher;

impl ractor::Actor for Watcher {
    type Msg = ();
    type State = mpsc::Sender<String>;
    type Arguments = mpsc::Sender<String>;

    async fn pre_start(
        &self,
        _: ActorRef<()>,
        ends: Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        Ok(ends)
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<()>,
        event: SupervisionEvent,
        ends: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorFailed(_, why) => ends.send(why.to_string()).await?,
            SupervisionEvent::ActorTerminated(..) => ends.send("ended".into()).await?,
            _ => {}
        }
        Ok(())
    }
}

enum Say {
    Note(u32),
    Panic,
    Hold(Reply<()>, tokio::sync::oneshot::Receiver<()>),
    Seen(Reply<Vec<u32>>),
    /// Have this done on a thread; a note comes of it.
    Offload(Option<Box<dyn FnOnce() -> u32 + Send>>),
    /// Have a task panic.
    Task,
    Stop,
}

#[derive(Default)]
struct Scribe {
    seen: Vec<u32>,
}

impl Actor for Scribe {
    type Msg = Say;
    async fn handle(&mut self, message: &mut Say, cx: &mut Cx<Self>) -> Result<(), Failure> {
        match message {
            Say::Note(n) => self.seen.push(*n),
            Say::Panic => panic!("asked to"),
            Say::Hold(held, go) => {
                held.send(());
                let _ = go.await;
            }
            Say::Seen(reply) => reply.send(std::mem::take(&mut self.seen)),
            Say::Offload(work) => cx.offload(work.take().unwrap(), Say::Note),
            Say::Task => drop(cx.spawn(async { panic!("a task was asked to") })),
            Say::Stop => cx.stop(),
        }
        Ok(())
    }
}

struct Bench {
    gate: Gate<Say>,
    supervisor: ActorRef<()>,
    ends: mpsc::Receiver<String>,
    start: StartFn,
}

impl Bench {
    async fn new(capacity: Capacity) -> Bench {
        let (tx, ends) = mpsc::channel(64);
        let (supervisor, _) = ractor::Actor::spawn(None, Watcher, tx).await.unwrap();
        let gate = Gate::with_capacity(ActorPath::root().child("scribe"), capacity);
        let start = starter(gate.clone(), Scribe::default);
        let bench = Bench { gate, supervisor, ends, start };
        bench.start().await;
        bench
    }

    async fn start(&self) {
        let start = Start {
            supervisor: self.supervisor.get_cell(),
            generation: Generation(1),
            ready: Box::new(|| {}),
        };
        (self.start)(start).await.unwrap();
    }

    /// Puts the actor to wait inside a handler until the sender is used.
    async fn hold(&self) -> tokio::sync::oneshot::Sender<()> {
        let (go, wait) = tokio::sync::oneshot::channel();
        let (held, is_held) = Reply::channel();
        self.gate.control(Say::Hold(held, wait)).unwrap();
        is_held.await.unwrap();
        go
    }

    async fn end(&mut self) -> String {
        let end = tokio::time::timeout(Duration::from_secs(20), self.ends.recv()).await;
        end.expect("it ends").unwrap()
    }

    async fn seen(&self) -> Vec<u32> {
        self.gate.call(Lane::Telemetry, Duration::from_secs(5), Say::Seen).await.unwrap()
    }
}

#[tokio::test]
async fn control_overtakes_a_thousand_queued_work_messages() {
    let bench = Bench::new(Capacity::default()).await;
    let go = bench.hold().await;
    for n in 0..1000 {
        bench.gate.work(Say::Note(n)).unwrap();
    }
    bench.gate.control(Say::Note(9999)).unwrap();
    assert_eq!(bench.gate.mailbox().depth, 1001);
    go.send(()).unwrap();
    let seen = bench.seen().await;
    assert_eq!(seen.len(), 1001);
    assert_eq!(seen[0], 9999, "control is handled next");
    assert!(seen[1..].windows(2).all(|w| w[0] < w[1]), "work keeps its order");
}

#[tokio::test]
async fn work_that_panics_ends_who_waits_for_it() {
    let mut bench = Bench::new(Capacity::default()).await;
    bench.gate.work(Say::Offload(Some(Box::new(|| panic!("the disk is square"))))).unwrap();
    assert_eq!(bench.end().await, "its work panicked: the disk is square");
    bench.start().await;
    bench.gate.work(Say::Task).unwrap();
    assert_eq!(bench.end().await, "its work panicked: a task was asked to");
    // What waited meanwhile is not lost, and the message that asked for the work is not done again.
    bench.gate.work(Say::Note(7)).unwrap();
    bench.start().await;
    assert_eq!(bench.seen().await, [7]);
}

#[tokio::test]
async fn a_result_waits_for_room_in_a_full_mailbox() {
    let bench = Bench::new(Capacity { control: 2, work: 4, telemetry: 4 }).await;
    let (finish, finished) = std::sync::mpsc::sync_channel::<()>(1);
    let work = move || finished.recv().map_or(0, |()| 5);
    bench.gate.work(Say::Offload(Some(Box::new(work)))).unwrap();
    assert!(bench.seen().await.is_empty(), "what was asked before has begun");
    let go = bench.hold().await;
    while bench.gate.control(Say::Note(1)).is_ok() {}
    let refused = bench.gate.mailbox().refused;
    finish.send(()).unwrap();
    let patience = Duration::from_secs(20);
    let refusal = async {
        while bench.gate.mailbox().refused == refused {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(patience, refusal).await.expect("the result finds no room");
    go.send(()).unwrap();
    let result = async { while !bench.seen().await.contains(&5) {} };
    tokio::time::timeout(patience, result).await.expect("the result comes all the same");
}

#[tokio::test]
async fn a_flood_of_telemetry_evicts_nothing_but_telemetry() {
    let bench = Bench::new(Capacity { control: 8, work: 4, telemetry: 16 }).await;
    let go = bench.hold().await;
    bench.gate.control(Say::Note(1)).unwrap();
    for n in 100..1000 {
        bench.gate.telemetry(Say::Note(n));
    }
    go.send(()).unwrap();
    let (reply, answer) = Reply::channel();
    // The question goes by the work lane, which telemetry cannot touch either.
    bench.gate.work(Say::Seen(reply)).unwrap();
    assert_eq!(answer.await.unwrap(), vec![1], "control came first, work before telemetry");
    assert_eq!(bench.gate.mailbox().dropped, 900 - 16);
    assert_eq!(bench.seen().await, (984..1000).collect::<Vec<_>>(), "the newest stayed");
}

#[tokio::test]
async fn a_full_lane_gives_the_message_back_and_counts() {
    let bench = Bench::new(Capacity { control: 2, work: 2, telemetry: 2 }).await;
    let go = bench.hold().await;
    bench.gate.work(Say::Note(1)).unwrap();
    bench.gate.work(Say::Note(2)).unwrap();
    let full = bench.gate.work(Say::Note(3)).unwrap_err();
    assert!(matches!(full.message, Say::Note(3)));
    assert!(!full.retry_after.is_zero());
    bench.gate.control(Say::Note(4)).unwrap();
    assert_eq!(bench.gate.mailbox().refused, 1);
    go.send(()).unwrap();
    assert_eq!(bench.seen().await, vec![4, 1, 2]);
}

#[tokio::test]
async fn lanes_outlive_the_actor_and_a_poison_message_is_set_aside() {
    let mut bench = Bench::new(Capacity::default()).await;
    let go = bench.hold().await;
    bench.gate.control(Say::Panic).unwrap();
    bench.gate.work(Say::Note(7)).unwrap();
    go.send(()).unwrap();
    assert!(bench.ends.recv().await.unwrap().contains("asked to"));
    // The next incarnation meets the same message once more, the one after does not.
    bench.start().await;
    assert!(bench.ends.recv().await.unwrap().contains("asked to"));
    assert_eq!(bench.gate.mailbox().dropped, 1);
    bench.start().await;
    assert_eq!(bench.seen().await, vec![7], "what waited is still there");
}

#[tokio::test]
async fn stop_ends_the_actor_before_the_next_message() {
    let mut bench = Bench::new(Capacity::default()).await;
    let go = bench.hold().await;
    bench.gate.control(Say::Stop).unwrap();
    bench.gate.work(Say::Note(1)).unwrap();
    go.send(()).unwrap();
    assert_eq!(bench.ends.recv().await.unwrap(), "ended");
    bench.start().await;
    assert_eq!(bench.seen().await, vec![1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bound_holds_under_many_senders() {
    let bench = Bench::new(Capacity { control: 4, work: 100, telemetry: 4 }).await;
    let go = bench.hold().await;
    let mut senders = JoinSet::new();
    for _ in 0..8 {
        let gate = bench.gate.clone();
        senders.spawn(async move { (0..200).filter(|n| gate.work(Say::Note(*n)).is_ok()).count() });
    }
    let mut accepted = 0;
    while let Some(n) = senders.join_next().await {
        accepted += n.unwrap();
    }
    assert_eq!(accepted, 100);
    assert_eq!(bench.gate.mailbox().refused, 1500);
    go.send(()).unwrap();
    assert_eq!(bench.seen().await.len(), 100);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_timer_is_called_off() {
    struct Alarm {
        timer: Option<Timer>,
        rang: u32,
    }
    enum Msg {
        Ring,
        CallOff,
        Rang(Reply<u32>),
    }
    impl Actor for Alarm {
        type Msg = Msg;
        async fn started(&mut self, cx: &mut Cx<Self>) -> Result<(), Failure> {
            self.timer = Some(cx.after(Duration::from_secs(60), Lane::Control, Msg::Ring));
            cx.after(Duration::from_secs(30), Lane::Control, Msg::Ring).detach();
            Ok(())
        }
        async fn handle(&mut self, message: &mut Msg, _: &mut Cx<Self>) -> Result<(), Failure> {
            match message {
                Msg::Ring => self.rang += 1,
                Msg::CallOff => self.timer = None,
                Msg::Rang(reply) => reply.send(self.rang),
            }
            Ok(())
        }
    }
    let (tx, _ends) = mpsc::channel(4);
    let (supervisor, _) = ractor::Actor::spawn(None, Watcher, tx).await.unwrap();
    let gate = Gate::new(ActorPath::root().child("alarm"));
    let start = starter(gate.clone(), || Alarm { timer: None, rang: 0 });
    let first =
        Start { supervisor: supervisor.get_cell(), generation: Generation(1), ready: Box::new(|| {}) };
    start(first).await.unwrap();
    gate.control(Msg::CallOff).unwrap();
    tokio::time::sleep(Duration::from_secs(120)).await;
    let rang = gate.call(Lane::Control, Duration::from_secs(1), Msg::Rang).await.unwrap();
    assert_eq!(rang, 1, "the detached one rang, the dropped one did not");
}

/// Where a [`Stuck`] incarnation waits for its end.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Start,
    Handler,
    Stop,
}

/// Never comes back from one place. When it is dropped it waits a little for its supervisor to hear of its
/// end, which must not come first.
struct Stuck {
    place: Place,
    is_there: mpsc::Sender<()>,
    told: Arc<AtomicBool>,
    told_first: mpsc::Sender<bool>,
}

impl Stuck {
    async fn at(&self, place: Place) {
        if self.place == place {
            self.is_there.send(()).await.unwrap();
            std::future::pending::<()>().await;
        }
    }
}

impl Actor for Stuck {
    type Msg = ();

    async fn started(&mut self, _: &mut Cx<Self>) -> Result<(), Failure> {
        self.at(Place::Start).await;
        Ok(())
    }

    async fn handle(&mut self, (): &mut (), cx: &mut Cx<Self>) -> Result<(), Failure> {
        self.at(Place::Handler).await;
        cx.stop();
        Ok(())
    }

    async fn stopping(&mut self, _: &mut Cx<Self>) {
        self.at(Place::Stop).await;
    }
}

impl Drop for Stuck {
    fn drop(&mut self) {
        let end = std::time::Instant::now() + Duration::from_millis(100);
        // The worker's own queue must go on: the supervisor may wait in it.
        tokio::task::block_in_place(|| {
            while !self.told.load(Ordering::SeqCst) && std::time::Instant::now() < end {
                std::thread::yield_now();
            }
        });
        let _ = self.told_first.try_send(self.told.load(Ordering::SeqCst));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_incarnation_held_is_free_before_its_end_is_told() {
    for place in [Place::Start, Place::Handler, Place::Stop] {
        let (tx, mut ends) = mpsc::channel(4);
        let (supervisor, _) = ractor::Actor::spawn(None, Watcher, tx).await.unwrap();
        let gate = Gate::new(ActorPath::root().child("stuck"));
        let (is_there, mut there) = mpsc::channel(4);
        let (told, (first, mut told_first)) = (Arc::<AtomicBool>::default(), mpsc::channel(4));
        let tell = Arc::clone(&told);
        let make = move || Stuck {
            place,
            is_there: is_there.clone(),
            told: Arc::clone(&tell),
            told_first: first.clone(),
        };
        let start =
            Start { supervisor: supervisor.get_cell(), generation: Generation(1), ready: Box::new(|| {}) };
        let actor = starter(gate.clone(), make)(start).await.unwrap();
        gate.control(()).unwrap();
        there.recv().await.unwrap();
        let hears = tokio::spawn(async move {
            let end = ends.recv().await;
            told.store(true, Ordering::SeqCst);
            end
        });
        actor.kill();
        assert_eq!(hears.await.unwrap().as_deref(), Some("ended"));
        assert_eq!(told_first.recv().await, Some(false), "killed in {place:?}, its end was told first");
    }
}
