//! What ractor shares between actors without saying so, and calls and stops that have no end or order.

use ractor::rpc::CallResult;
use ractor::{OutputPort, RpcReplyPort};

use super::*;

#[tokio::test]
async fn names_belong_to_the_whole_process() {
    let name = || Some("one-of-a-kind".to_owned());
    let (first, _) = Actor::spawn(name(), Child::default(), Log::default()).await.unwrap();
    // Nobody knows of the other, and no supervisor stands between them.
    let second = Actor::spawn(name(), Child::default(), Log::default()).await;
    assert!(matches!(second, Err(SpawnErr::ActorAlreadyRegistered(_))));
    first.stop(None);
}

/// Answers when told, or never.
struct Clerk;

impl Actor for Clerk {
    type Msg = RpcReplyPort<u32>;
    type State = Vec<RpcReplyPort<u32>>;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Self::Msg>, (): ()) -> Result<Self::State, ActorProcessingErr> {
        Ok(Vec::new())
    }

    async fn handle(
        &self,
        _: ActorRef<Self::Msg>,
        port: Self::Msg,
        asked: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        asked.push(port);
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_without_a_timeout_waits_for_ever() {
    let (clerk, _) = Actor::spawn(None, Clerk, ()).await.unwrap();
    let year = Duration::from_secs(365 * 24 * 3600);
    let asked = tokio::time::timeout(year, clerk.call(|port| port, None)).await;
    assert!(asked.is_err(), "nobody ends it");
    let asked = clerk.call(|port| port, Some(Duration::from_secs(1))).await.unwrap();
    assert!(matches!(asked, CallResult::Timeout));
    clerk.stop(None);
}

#[tokio::test]
async fn an_output_port_skips_in_silence_what_is_over_ten() {
    let (child, _) = Actor::spawn(None, Child::default(), Log::default()).await.unwrap();
    let (port, seen) = (OutputPort::<u32>::default(), Arc::new(AtomicUsize::new(0)));
    let (counter, last) = (Arc::clone(&seen), Arc::new(Notify::new()));
    let came = Arc::clone(&last);
    port.subscribe(child.clone(), move |n| {
        counter.fetch_add(1, Ordering::Relaxed);
        if n == 99 {
            came.notify_one();
        }
        None
    });
    // One thread: nothing is forwarded before all are sent, and nobody hears of an error.
    for n in 0..100 {
        port.send(n);
    }
    tokio::time::timeout(Duration::from_secs(10), last.notified()).await.unwrap();
    assert_eq!(seen.load(Ordering::Relaxed), 16, "the ring of ten is rounded up to a power of two");
    child.stop(None);
}

#[tokio::test]
async fn children_are_stopped_all_at_once_and_in_no_order() {
    let (cell, _, _heard) = parent().await;
    let (go, log) = (Arc::new(Notify::new()), Log::default());
    let mut children = Vec::new();
    for _ in 0..9 {
        let spawned = Actor::spawn_linked(None, Child::default(), log.clone(), cell.clone()).await;
        children.push(spawned.unwrap().0);
    }
    // The one in the middle takes its time. In order, forward or backward, some others would wait for it.
    let middle = children.remove(4);
    middle.cast(Do::Wait(Arc::clone(&go))).unwrap();
    log.wait_for("waits").await;
    let stopping = tokio::spawn({
        let cell = cell.clone();
        async move { cell.stop_children_and_wait(None, None).await }
    });
    for child in children {
        assert!(child.get_cell().wait(Some(Duration::from_secs(10))).await.is_ok());
    }
    assert_eq!(middle.get_status(), ActorStatus::Running);
    go.notify_one();
    stopping.await.unwrap();
    cell.stop(None);
}
