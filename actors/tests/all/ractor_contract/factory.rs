//! Why nothing that must not be lost is given to a ractor factory.

use ractor::factory::queues::{PriorityManager, PriorityQueue, Queue as _, StandardPriority};
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
            Do::Fail => return Err(Box::new(Typed(job.key))),
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
async fn a_job_whose_worker_panics_or_fails_is_lost_in_silence() {
    for end in [Do::Panic, Do::Fail] {
        let (factory, log, discarded) = works(DiscardMode::Newest).await;
        send(&factory, 1, end);
        send(&factory, 2, Do::Count);
        log.wait_for("job 2").await;
        assert!(discarded.lock().is_empty(), "nobody was told of job 1");
        factory.stop(None);
    }
}

#[tokio::test]
async fn a_factory_that_stops_waits_for_its_workers_without_end() {
    let (factory, log, _) = works(DiscardMode::Newest).await;
    let go = Arc::new(Notify::new());
    send(&factory, 1, Do::Wait(Arc::clone(&go)));
    log.wait_for("waits").await;
    factory.stop(None);
    let cell = factory.get_cell();
    assert!(cell.wait(Some(Duration::from_millis(50))).await.is_err(), "its worker is busy");
    go.notify_one();
    assert!(cell.wait(Some(Duration::from_secs(10))).await.is_ok());
}

fn job(key: u32) -> Job<u32, Do> {
    Job { key, msg: Do::Count, options: JobOptions::default(), accepted: None }
}

#[test]
fn what_is_urgent_starves_the_rest() {
    let mut queue = Queue::new(Rank);
    queue.push_back(job(50));
    for urgent in 0..100 {
        queue.push_back(job(urgent % 10));
        assert!(queue.pop_front().is_some_and(|next| next.key < 10), "however long the other has waited");
    }
    assert_eq!(queue.len(), 1);
}

#[test]
#[should_panic = "index out of bounds"]
fn a_priority_that_the_queue_has_no_place_for_is_a_panic() {
    let mut queue = PriorityQueue::<u32, Do, StandardPriority, Rank, 1>::new(Rank);
    queue.push_back(job(50));
}

#[tokio::test(start_paused = true)]
async fn a_retriable_message_is_tried_again_by_its_drop_and_at_once() {
    let (parent, _, _heard) = parent().await;
    let tried = Arc::new(AtomicUsize::new(0));
    // An actor in the factory's place, which drops what it gets: no worker has failed.
    let (factory, _) = Actor::spawn_linked(None, Drops, Arc::clone(&tried), parent).await.unwrap();
    let began = tokio::time::Instant::now();
    factory.submit_retriable_job(job(1), MessageRetryStrategy::Count(3)).unwrap();
    let again = async {
        while tried.load(Ordering::Relaxed) < 4 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), again).await.unwrap();
    assert_eq!(began.elapsed(), Duration::ZERO, "there is no pause between the tries");
    factory.stop(None);
}

struct Drops;

impl Actor for Drops {
    type Msg = FactoryMessage<u32, RetriableMessage<u32, Do>>;
    type State = Arc<AtomicUsize>;
    type Arguments = Arc<AtomicUsize>;

    async fn pre_start(
        &self,
        _: ActorRef<Self::Msg>,
        tried: Self::State,
    ) -> Result<Self::State, ActorProcessingErr> {
        Ok(tried)
    }

    async fn handle(
        &self,
        _: ActorRef<Self::Msg>,
        _: Self::Msg,
        tried: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        tried.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
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
