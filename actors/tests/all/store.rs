//! The store under a supervisor.

use std::time::Duration;

use tsup_actors::store::{Msg, Op, Store};
use tsup_actors::supervisor::{SupervisorSpec, child, spawn};
use tsup_core::ids::{ActorPath, Generation};
use tsup_core::supervision::Strategy;

#[tokio::test]
async fn a_writer_that_ends_costs_one_restart_and_old_news_of_one_costs_none() {
    let dir = tempfile::tempdir().unwrap();
    let root = ActorPath::root();
    let store = Store::new(&root, "store", dir.path().join("tsup.db"));
    let actor = store.clone();
    let spec = SupervisorSpec::new(root, Strategy::OneForOne)
        .intensity(10, Duration::from_secs(60))
        .child(child("store", store.gate(), move || actor.actor()));
    let mut tree = spawn(spec).await.unwrap();
    let view = tree.view().find("root/store").unwrap();
    store.write(Op::Nothing).await.unwrap();

    let ended = || Msg::WriterEnded(Generation(1), "the disk did not confirm a write".into());
    store.gate().control(ended()).unwrap();
    let mut status = view.watch();
    let wait = status.wait_for(|s| s.restarts == 1);
    tokio::time::timeout(Duration::from_secs(10), wait).await.expect("it is restarted").unwrap();
    // The message that ended it is delivered to the next incarnation once more, and then told again.
    store.gate().control(ended()).unwrap();
    store.write(Op::Nothing).await.unwrap();
    assert_eq!(view.status().restarts, 1);
    assert_eq!(store.gate().mailbox().dropped, 0, "no message was set aside");
    tree.stop();
    assert!(tree.ended().await.is_some());
}
