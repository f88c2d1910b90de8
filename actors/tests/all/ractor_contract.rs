//! What we know of ractor and build on, or around. Each of these was learned by trying; an upgrade that
//! changes one must fail here, not in production.
#![expect(clippy::disallowed_methods, reason = "ractor itself is tried here, without a gate")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, ActorStatus, SpawnErr, SupervisionEvent};
use tokio::sync::{Notify, mpsc, oneshot};

use super::kit::Log;

mod factory;
mod shared;

/// Writes down everything that it hears of its children.
struct Parent;

#[derive(Debug)]
enum Heard {
    Started,
    Ended { reason: Option<String>, state: Option<u32> },
    Failed(ActorProcessingErr),
}

impl Actor for Parent {
    type Msg = oneshot::Receiver<()>;
    type State = mpsc::Sender<Heard>;
    type Arguments = mpsc::Sender<Heard>;

    async fn pre_start(
        &self,
        _: ActorRef<Self::Msg>,
        heard: Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        Ok(heard)
    }

    /// Stays in its handler until told.
    async fn handle(
        &self,
        _: ActorRef<Self::Msg>,
        go: Self::Msg,
        _: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        let _ = go.await;
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<Self::Msg>,
        event: SupervisionEvent,
        heard: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        heard
            .send(match event {
                SupervisionEvent::ActorStarted(_) => Heard::Started,
                SupervisionEvent::ActorTerminated(_, state, reason) => {
                    let state = state.and_then(|mut s| s.take::<Life>().ok()).map(|life| life.handled);
                    Heard::Ended { reason, state }
                }
                SupervisionEvent::ActorFailed(_, error) => Heard::Failed(error),
                SupervisionEvent::ProcessGroupChanged(_) => return Ok(()),
            })
            .await?;
        Ok(())
    }
}

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("typed {0}")]
struct Typed(u32);

enum Do {
    Count,
    Fail,
    Panic,
    /// Wait without holding the thread.
    Wait(Arc<Notify>),
    /// Hold the thread.
    Block(Duration),
    Logged,
}

/// The state of a child.
struct Life {
    handled: u32,
    log: Log,
}

#[derive(Default)]
struct Child {
    refuses: bool,
}

impl Actor for Child {
    type Msg = Do;
    type State = Life;
    type Arguments = Log;

    async fn pre_start(&self, _: ActorRef<Do>, log: Log) -> Result<Life, ActorProcessingErr> {
        if self.refuses { Err(Box::new(Typed(7))) } else { Ok(Life { handled: 0, log }) }
    }

    async fn handle(&self, _: ActorRef<Do>, message: Do, life: &mut Life) -> Result<(), ActorProcessingErr> {
        life.handled += 1;
        match message {
            Do::Count => life.log.write("count"),
            Do::Fail => return Err(Box::new(Typed(42))),
            Do::Panic => panic!("in so many words"),
            Do::Wait(until) => {
                life.log.write("waits");
                until.notified().await;
                life.log.write("waited");
            }
            Do::Block(time) => {
                life.log.write("blocks");
                let end = std::time::Instant::now() + time;
                while std::time::Instant::now() < end {
                    std::hint::spin_loop();
                }
                life.log.write("blocked");
            }
            Do::Logged => tracing::info!("from the handler"),
        }
        Ok(())
    }

    async fn post_stop(&self, _: ActorRef<Do>, life: &mut Life) -> Result<(), ActorProcessingErr> {
        life.log.write("post_stop");
        Ok(())
    }
}

async fn parent() -> (ActorCell, ActorRef<oneshot::Receiver<()>>, mpsc::Receiver<Heard>) {
    let (tx, heard) = mpsc::channel(1024);
    let (parent, _) = Actor::spawn(None, Parent, tx).await.expect("a parent starts");
    (parent.get_cell(), parent, heard)
}

async fn family() -> (ActorCell, ActorRef<Do>, mpsc::Receiver<Heard>, Log) {
    let (cell, _, mut heard) = parent().await;
    let log = Log::default();
    let (child, _) =
        Actor::spawn_linked(None, Child::default(), log.clone(), cell.clone()).await.expect("a child starts");
    assert!(matches!(heard.recv().await, Some(Heard::Started)));
    (cell, child, heard, log)
}

#[tokio::test]
async fn a_returned_error_keeps_its_type_and_the_mailbox_is_lost() {
    let (_, child, mut heard, log) = family().await;
    child.cast(Do::Fail).unwrap();
    child.cast(Do::Count).unwrap();
    let Some(Heard::Failed(error)) = heard.recv().await else { panic!("no failure") };
    assert_eq!(error.downcast_ref::<Typed>(), Some(&Typed(42)));
    assert!(log.take().is_empty(), "neither the next message nor post_stop");
}

#[tokio::test]
async fn a_panic_arrives_as_text() {
    let (_, child, mut heard, _) = family().await;
    child.cast(Do::Panic).unwrap();
    let Some(Heard::Failed(error)) = heard.recv().await else { panic!("no failure") };
    assert_eq!(error.to_string(), "in so many words");
}

#[tokio::test]
async fn a_kill_cuts_at_the_next_await_and_is_not_told_as_a_failure() {
    let (_, child, mut heard, log) = family().await;
    child.cast(Do::Wait(Arc::default())).unwrap();
    log.wait_for("waits").await;
    child.kill();
    let Some(Heard::Ended { reason, .. }) = heard.recv().await else { panic!("no end") };
    assert_eq!(reason.as_deref(), Some("killed"));
    assert_eq!(log.take(), ["waits"], "no post_stop");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blocking_handler_delays_a_kill_until_it_returns() {
    let (_, child, mut heard, log) = family().await;
    child.cast(Do::Block(Duration::from_millis(50))).unwrap();
    log.wait_for("blocks").await;
    child.kill();
    assert!(matches!(heard.recv().await, Some(Heard::Ended { .. })));
    assert_eq!(log.take(), ["blocks", "blocked"]);
}

#[tokio::test]
async fn a_start_that_fails_is_told_to_the_spawner_only() {
    let (cell, _, mut heard) = parent().await;
    let spawned = Actor::spawn_linked(None, Child { refuses: true }, Log::default(), cell.clone()).await;
    let Err(SpawnErr::StartupFailed(error)) = spawned else { panic!("it started") };
    assert_eq!(error.downcast_ref::<Typed>(), Some(&Typed(7)));
    // The next thing the parent hears is of somebody else.
    Actor::spawn_linked(None, Child::default(), Log::default(), cell).await.unwrap();
    assert!(matches!(heard.recv().await, Some(Heard::Started)));
}

#[tokio::test]
async fn a_parent_that_ends_cleanly_kills_its_children_without_post_stop() {
    let (cell, child, _heard, log) = family().await;
    cell.stop_and_wait(None, None).await.unwrap();
    child.get_cell().wait(None).await.unwrap();
    assert!(log.take().is_empty());
}

#[tokio::test]
async fn a_stop_finishes_the_message_in_hand_and_drops_the_rest() {
    let (_, child, mut heard, log) = family().await;
    let go = Arc::new(Notify::new());
    child.cast(Do::Wait(Arc::clone(&go))).unwrap();
    child.cast(Do::Count).unwrap();
    log.wait_for("waits").await;
    child.stop(Some("enough".into()));
    go.notify_one();
    let Some(Heard::Ended { reason, state }) = heard.recv().await else { panic!("no end") };
    assert_eq!((reason.as_deref(), state), (Some("enough"), Some(1)), "the final state is handed over");
    assert_eq!(log.take(), ["waits", "waited", "post_stop"]);
}

#[tokio::test]
async fn a_drain_handles_the_backlog_first() {
    let (_, child, mut heard, log) = family().await;
    for _ in 0..3 {
        child.cast(Do::Count).unwrap();
    }
    child.drain().unwrap();
    assert!(child.cast(Do::Count).is_err(), "nothing new is taken");
    assert!(matches!(heard.recv().await, Some(Heard::Ended { state: Some(3), .. })));
    assert_eq!(log.take(), ["count", "count", "count", "post_stop"]);
}

#[tokio::test]
async fn a_second_stop_and_wait_does_not_wait() {
    let (_, child, _heard, log) = family().await;
    let go = Arc::new(Notify::new());
    child.cast(Do::Wait(Arc::clone(&go))).unwrap();
    log.wait_for("waits").await;
    let first = tokio::spawn({
        let child = child.clone();
        async move { child.stop_and_wait(None, None).await }
    });
    while child.stop_and_wait(None, Some(Duration::ZERO)).await.is_ok() {}
    let second = child.stop_and_wait(None, None).await;
    assert!(second.is_err() && child.get_status() == ActorStatus::Running, "an error at once, still running");
    go.notify_one();
    assert!(child.get_cell().wait(Some(Duration::from_secs(10))).await.is_ok(), "wait does");
    first.abort();
}

#[tokio::test]
async fn a_name_is_free_when_the_end_is_heard() {
    let (cell, _, mut heard) = parent().await;
    for round in 0..50 {
        let name = Some("contract-name".to_owned());
        let spawned = Actor::spawn_linked(name, Child::default(), Log::default(), cell.clone()).await;
        let (child, _) = spawned.unwrap_or_else(|e| panic!("round {round}: {e}"));
        assert!(matches!(heard.recv().await, Some(Heard::Started)));
        child.cast(Do::Panic).unwrap();
        assert!(matches!(heard.recv().await, Some(Heard::Failed(_))));
    }
}

#[tokio::test]
async fn a_mailbox_has_no_bound() {
    let (_, child, _heard, log) = family().await;
    child.cast(Do::Wait(Arc::default())).unwrap();
    log.wait_for("waits").await;
    for _ in 0..200_000 {
        child.cast(Do::Count).unwrap();
    }
    child.kill();
}

#[tokio::test]
async fn ends_of_children_overtake_messages_and_stops_overtake_both() {
    let (cell, parent, mut heard) = parent().await;
    let (child, _) = Actor::spawn_linked(None, Child::default(), Log::default(), cell.clone()).await.unwrap();
    assert!(matches!(heard.recv().await, Some(Heard::Started)));
    let (go, wait) = oneshot::channel();
    parent.cast(wait).unwrap();
    let (never, wait) = oneshot::channel();
    parent.cast(wait).unwrap();
    child.stop(None);
    child.get_cell().wait(None).await.unwrap();
    go.send(()).unwrap();
    // The parent would hang in the second message for ever if it came first.
    assert!(matches!(heard.recv().await, Some(Heard::Ended { .. })));
    drop(never);
    let (_never, wait) = oneshot::channel();
    let (go, first) = oneshot::channel();
    parent.cast(first).unwrap();
    parent.cast(wait).unwrap();
    cell.stop(None);
    go.send(()).unwrap();
    cell.wait(None).await.unwrap();
}

#[tokio::test]
async fn by_default_a_parent_ends_with_its_first_child_however_that_ends() {
    let (orphan, _) = Actor::spawn(None, Child::default(), Log::default()).await.unwrap();
    let cell = orphan.get_cell();
    let (child, _) = Actor::spawn_linked(None, Child::default(), Log::default(), cell.clone()).await.unwrap();
    child.stop(None);
    assert!(cell.wait(Some(Duration::from_secs(10))).await.is_ok());
}

#[tokio::test]
async fn a_dead_parent_takes_no_new_child() {
    let (cell, _, _heard) = parent().await;
    cell.stop_and_wait(None, None).await.unwrap();
    let spawned = Actor::spawn_linked(None, Child::default(), Log::default(), cell).await;
    assert!(matches!(spawned, Err(SpawnErr::StartupFailed(_))));
}

#[tokio::test]
async fn ticks_come_whether_or_not_they_are_handled() {
    let (_, child, _heard, log) = family().await;
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&sent);
    child.cast(Do::Wait(Arc::default())).unwrap();
    log.wait_for("waits").await;
    let ticker = child.send_interval(Duration::from_millis(1), move || {
        counter.fetch_add(1, Ordering::Relaxed);
        Do::Count
    });
    let enough = async {
        while sent.load(Ordering::Relaxed) < 10 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), enough).await.unwrap();
    assert_eq!(log.take(), ["waits"], "they pile up");
    ticker.abort();
    child.kill();
}

/// Collects lines of the log.
#[derive(Clone, Default)]
struct Lines(Arc<parking_lot::Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_handler_does_not_run_in_the_span_of_the_sender() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
    tracing::subscriber::with_default(subscriber, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (child, _) = Actor::spawn(None, Child::default(), Log::default()).await.unwrap();
            tracing::info_span!("sender").in_scope(|| child.cast(Do::Logged).unwrap());
            child.drain_and_wait(None).await.unwrap();
        });
    });
    let text = String::from_utf8(lines.0.lock().clone()).unwrap();
    let line = text.lines().find(|l| l.contains("from the handler")).unwrap_or_else(|| panic!("{text}"));
    assert!(!line.contains("sender"), "{line}");
}
