//! What a supervisor holds for others is bounded.

use tsup_actors::gate::CallError;
use tsup_actors::supervisor::{ChildError, spawn};
use tsup_core::ids::ActorPath;
use tsup_core::limits::REQUESTS_WAITING_MAX;
use tsup_core::supervision::{Refusal, Strategy};
use tsup_core::wire::doc::NodeState;

use super::kit::{Do, LONG, Log, probe, probe_that_stops_in, root, until};

#[tokio::test(start_paused = true)]
async fn requests_that_wait_for_a_slow_stop_are_bounded() {
    let (log, at) = (Log::default(), ActorPath::root());
    let (a, a_spec) = probe(&at, "a", &log);
    let slow = probe_that_stops_in(&at, "slow", &log, LONG).1.patient();
    let tree = spawn(root(Strategy::OneForAll).unlimited().child(a_spec).child(slow)).await.unwrap();
    log.wait_for("start slow").await;
    a.control(Do::Panic).unwrap();
    until(tree.view(), "root/slow", NodeState::Stopping).await;
    let mut asks = tokio::task::JoinSet::new();
    for _ in 0..REQUESTS_WAITING_MAX + 3 {
        let handle = tree.handle().clone();
        asks.spawn(async move { handle.delete_child("a").await });
    }
    let mut refused = 0;
    while let Some(answer) = asks.join_next().await {
        match answer.unwrap() {
            Err(ChildError::Refused(Refusal::Overloaded)) => refused += 1,
            // Nobody waits for the slow one as long as it takes.
            Err(ChildError::Call(CallError::Timeout(_))) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(refused, 3);
}
