//! Why nothing that must not be lost is given to a ractor factory.

use ractor::factory::queues::{PriorityManager, PriorityQueue, StandardPriority};
use ractor::factory::routing::QueuerRouting;
use ractor::factory::*;

use super::*;

type Discarded = Arc<parking_lot::Mutex<Vec<u32>>>;

struct Bin(Discarded);

impl DiscardHandler<u32, Do> for Bin {
    fn discard(&self, _: DiscardReason, job: &mut Job<u32, Do>) {
        self.0.lock().push(job.key);
    }
}

struct Clerk(Log);

impl Worker for Clerk {
    type Key = u32;
    type Message = Do;
    type State = ();
    type Arguments = ();

    async fn pre_start(
        &self,
        _: WorkerId,
        _: &ActorRef<FactoryMessage<u32, Do>>,
        (): (),
    ) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle(
        &self,
        _: WorkerId,
        _: &ActorRef<FactoryMessage<u32, Do>>,
        job: Job<u32, Do>,
        (): &mut (),
    ) -> Result<u32, ActorProcessingErr> {
        match job.msg {
            Do::Panic => panic!("over job {}", job.key),
            Do::Wait(until) => {
                self.0.write("waits");
                until.notified().await;
            }
            _ => self.0.write(format!("job {}", job.key)),
        }
        Ok(job.key)
    }
}

struct Office(Log);

impl WorkerBuilder<Clerk, ()> for Office {
    fn build(&mut self, _: usize) -> (Clerk, ()) {
        (Clerk(self.0.clone()), ())
    }
}

/// Jobs below ten are of the highest priority and say that they may not be discarded.
struct Rank;

impl PriorityManager<u32, StandardPriority> for Rank {
    fn is_discardable(&self, job: &u32) -> bool {
        *job >= 10
    }

    fn get_priority(&self, job: &u32) -> Option<StandardPriority> {
        Some(if *job < 10 { StandardPriority::Highest } else { StandardPriority::BestEffort })
    }
}

type Queue = PriorityQueue<u32, Do, StandardPriority, Rank, { StandardPriority::size() }>;
type Works = Factory<u32, Do, (), Clerk, QueuerRouting<u32, Do>, Queue>;

async fn works(mode: DiscardMode) -> (ActorRef<FactoryMessage<u32, Do>>, Log, Discarded) {
    let (log, discarded) = (Log::default(), Discarded::default());
    let arguments = FactoryArguments::builder()
        .queue(Queue::new(Rank))
        .router(QueuerRouting::default())
        .worker_builder(Box::new(Office(log.clone())))
        .discard_handler(Arc::new(Bin(Arc::clone(&discarded))))
        .discard_settings(DiscardSettings::Static { limit: 2, mode })
        .build();
    let (factory, _) = Actor::spawn(None, Works::default(), arguments).await.expect("a factory starts");
    (factory, log, discarded)
}

fn send(factory: &ActorRef<FactoryMessage<u32, Do>>, key: u32, msg: Do) {
    let job = Job { key, msg, options: JobOptions::default(), accepted: None };
    factory.cast(FactoryMessage::Dispatch(job)).expect("it takes jobs");
}

#[tokio::test]
async fn a_job_whose_worker_panics_is_lost_in_silence() {
    let (factory, log, discarded) = works(DiscardMode::Newest).await;
    send(&factory, 1, Do::Panic);
    send(&factory, 2, Do::Count);
    log.wait_for("job 2").await;
    assert!(discarded.lock().is_empty(), "nobody was told of job 1");
    factory.stop(None);
}

#[tokio::test]
async fn discarding_the_oldest_takes_what_said_it_may_not_be_discarded() {
    for (mode, lost) in [(DiscardMode::Oldest, vec![1]), (DiscardMode::Newest, vec![])] {
        let (factory, log, discarded) = works(mode).await;
        let go = Arc::new(Notify::new());
        send(&factory, 50, Do::Wait(Arc::clone(&go)));
        log.wait_for("waits").await;
        for key in [1, 2, 3] {
            send(&factory, key, Do::Count);
        }
        go.notify_one();
        log.wait_for("job 3").await;
        assert_eq!(*discarded.lock(), lost, "{mode:?}");
        factory.stop(None);
    }
}
