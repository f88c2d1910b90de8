//! The store under a supervisor.

use std::sync::Arc;
use std::time::Duration;

use tsup_actors::store::{JobStore, Msg, Op, Store};
use tsup_actors::supervisor::{SupervisorSpec, child, spawn};
use tsup_core::clock::Wall;
use tsup_core::ids::{ActorPath, Generation, JobId};
use tsup_core::supervision::Strategy;
use tsup_core::tes::job::JobState;
use tsup_core::tes::kept::{Filter, NewJob, Write, Wrote};

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

fn job(seq: u64) -> NewJob {
    NewJob::plain(JobId::drawn(seq + 0xabcd), seq, "lint")
}

#[tokio::test]
async fn calls_take_effect_in_their_order_and_are_read_beside_the_writer() {
    let dir = tempfile::tempdir().unwrap();
    let root = ActorPath::root();
    let store = Store::new(&root, "store", dir.path().join("tsup.db"));
    let actor = store.clone();
    let spec =
        SupervisorSpec::new(root, Strategy::OneForOne)
            .child(child("store", store.gate(), move || actor.actor()));
    let mut tree = spawn(spec).await.unwrap();
    let store: Arc<dyn JobStore> = Arc::new(store);
    let (id, at) = (job(1).id, Wall::from_unix_ms(5));
    assert_eq!(store.job(id).await.unwrap(), None, "asked before anything is written");

    // Nobody polls the first two before the third is answered.
    let first = store.keep(vec![Write::Submit(Box::new(job(1)))]);
    let starting = Write::Starting { job: id, attempt: 1, boot_id: "b".into(), at, slot: 0 };
    let second = store.keep(vec![starting.clone()]);
    let finish = Write::Finish { job: id, state: JobState::Cancelled, at, failure: None };
    assert_eq!(store.keep(vec![finish, starting]).await.unwrap(), [Wrote::Done, Wrote::Nothing]);
    assert_eq!((second.await.unwrap(), first.await.unwrap()), (vec![Wrote::Done], vec![Wrote::Done]));

    let loaded = store.load_jobs().await.unwrap();
    assert_eq!((loaded.last_seq, loaded.live.len(), loaded.counts[&JobState::Cancelled]), (1, 0, 1));
    assert_eq!(store.job(id).await.unwrap().unwrap().attempts.len(), 1);
    assert_eq!(store.find("00000000ab", 1).await.unwrap(), [id]);
    assert_eq!(store.jobs(Filter { limit: 5, ..Filter::default() }).await.unwrap().rows.len(), 1);
    assert_eq!(store.inputs(id).await.unwrap().as_deref(), Some("{}"));
    assert_eq!(store.forgettable(Wall::from_unix_ms(9), 9, 9).await.unwrap(), [id]);
    tree.stop();
    assert!(tree.ended().await.is_some());
}
