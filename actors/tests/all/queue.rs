//! The queue before a store that answers when and how a test wants it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tsup_actors::bus::Bus;
use tsup_actors::supervisor::{SupervisorSpec, Tree, spawn};
use tsup_actors::telemetry::{JobMetrics, Metrics, journal};
use tsup_actors::tes::{NotSubmitted, Plan, Tes};
use tsup_core::clock::Wall;
use tsup_core::error::Exit;
use tsup_core::event::Event;
use tsup_core::ids::{ActorPath, JobId};
use tsup_core::limits::{DEAD_JOBS_MAX, RETRY_AFTER_MAX, SUBMIT_RETRY_AFTER};
use tsup_core::settings::Settings;
use tsup_core::supervision::Strategy;
use tsup_core::tes::job::JobState;
use tsup_core::tes::kept::{AttemptRow, Live, NewJob, NextState, Write, Wrote};
use tsup_core::tes::select::Picked;
use tsup_core::wire::verb::Submit;

use super::stage::until;

mod slow;

use slow::{Slow, full};

const REGISTRY: &str = "[[scripts]]\nid = \"t/x\"\npath = \"x.sh\"\nexecution.args = [\"a\"]\n";

struct Bench {
    tree: Tree,
    tes: Tes,
    store: Slow,
    bus: Bus,
    _settings: watch::Sender<Arc<Settings>>,
}

impl Bench {
    /// There is no server of shims here, so that no attempt begins: each ends as one that never began.
    async fn new(home: &Path) -> Bench {
        Bench::of(home, Slow::default()).await
    }

    async fn of(home: &Path, store: Slow) -> Bench {
        std::fs::write(home.join("registry.toml"), REGISTRY).unwrap();
        std::fs::write(home.join("x.sh"), "true\n").unwrap();
        let mut settings = Settings::default();
        settings.tes.registries.files = vec![home.join("registry.toml").display().to_string()];
        let (kept, settings) = watch::channel(Arc::new(settings));
        let root = ActorPath::root();
        let bus = Bus::new();
        let tes = Tes::new(Plan {
            path: root.child("tes"),
            home: home.to_owned(),
            exe: "/nonexistent".into(),
            sockets: Vec::new(),
            settings,
            store: Arc::new(store.clone()),
            bus: bus.clone(),
            metrics: JobMetrics::new(&Metrics::new(Wall::from_unix_ms(0))),
            journal: journal::gate(root.child("journal")),
        });
        let spec = SupervisorSpec::new(root, Strategy::OneForOne)
            .intensity(0, Duration::from_secs(60))
            .child(tes.child());
        let tree = spawn(spec).await.unwrap();
        tes.loaded().wait_for(|loaded| *loaded).await.unwrap();
        Bench { tree, tes, store, bus, _settings: kept }
    }

    async fn state(&self, job: &str) -> JobState {
        self.tes.job(job).await.unwrap().state
    }

    /// Ends an actor the hard way, once it is there.
    async fn crash(&self, path: &str) {
        until("an actor is crashed", async || self.try_crash(path).await).await;
    }

    async fn try_crash(&self, path: &str) -> Option<()> {
        let (above, id) = path.rsplit_once('/').unwrap();
        self.tree.view().find(above)?.handle()?.crash(id).await.ok()
    }

    async fn stop(mut self) {
        self.tree.stop();
        self.tree.ended().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_a_job_overtakes_the_end_of_its_attempt_on_the_way_to_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::new(dir.path()).await;
    let ask = Submit { script: "t/x".into(), ..Submit::default() };
    let job = bench.tes.submit(ask).await.unwrap().id.to_string();
    let first = bench.store.end().await;
    // Its next turn comes while the store has not answered: nothing is written down yet.
    until("it has its turn again", async || (bench.state(&job).await == JobState::Running).then_some(()))
        .await;
    bench.state(&job).await;
    assert_eq!(bench.store.handed(), ["submit", "starting", "ended"]);
    // The end was not kept. It is written again, and the start only after it.
    first.send(Err(full())).unwrap();
    let again = bench.store.end().await;
    assert_eq!(bench.store.handed(), ["submit", "starting", "ended", "ended"]);
    again.send(Ok(vec![Wrote::Done])).unwrap();
    until("it starts", async || (bench.store.handed().len() > 4).then_some(())).await;
    assert_eq!(bench.store.handed()[4], "starting");
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_for_the_moment_says_when_to_ask_again() {
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::new(dir.path()).await;
    let ask = Submit { script: "t/x".into(), ..Submit::default() };
    bench.tes.submit(ask.clone()).await.unwrap();
    bench.store.end().await.send(Err(full())).unwrap();
    let refused = until("nothing is taken in", async || bench.tes.submit(ask.clone()).await.err()).await;
    let NotSubmitted::Error(e) = refused else { panic!("{refused:?}") };
    assert_eq!((e.exit, e.retry_after), (Exit::Refused, Some(SUBMIT_RETRY_AFTER)), "{e}");
    // What asking again does not change says nothing of it.
    let unknown = Submit { script: "t/y".into(), ..Submit::default() };
    let NotSubmitted::Error(e) = bench.tes.submit(unknown).await.unwrap_err() else { panic!("a misfit") };
    assert_eq!((e.exit, e.retry_after), (Exit::NotFound, None), "{e}");
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_between_two_attempts_is_written_after_the_end_of_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::new(dir.path()).await;
    let ask = Submit { script: "t/x".into(), ..Submit::default() };
    let job = bench.tes.submit(ask).await.unwrap().id.to_string();
    let first = bench.store.end().await;
    let (tes, asked) = (bench.tes.clone(), job.clone());
    let cancel = tokio::spawn(async move { tes.cancel(&asked).await });
    let waits = async || bench.tes.job(&job).await.unwrap().waiting_for.is_none().then_some(());
    until("it waits for nothing any more", waits).await;
    bench.state(&job).await;
    assert_eq!(bench.store.handed(), ["submit", "starting", "ended"]);
    first.send(Ok(vec![Wrote::Done])).unwrap();
    assert!(cancel.await.unwrap().is_ok());
    assert_eq!(bench.store.handed(), ["submit", "starting", "ended", "finish"]);
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_of_which_files_are_left_is_not_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::new(dir.path()).await;
    let ask = Submit { script: "t/x".into(), hold: true, ..Submit::default() };
    bench.tes.submit(ask).await.unwrap();
    let dead = JobId::drawn(7);
    bench.store.has_dead(dead);
    let job = dead.to_string();
    // Where the folders of jobs are to be there is something else, so that nothing in it can be removed.
    let jobs = dir.path().join("jobs");
    let _ = std::fs::remove_dir_all(&jobs);
    std::fs::write(&jobs, "").unwrap();
    let refused = bench.tes.drop_dead(&job).await.unwrap_err();
    assert!(refused.to_string().contains("cannot be removed"), "{refused}");
    assert_eq!(bench.store.handed(), ["submit"]);
    std::fs::remove_file(&jobs).unwrap();
    std::fs::create_dir_all(jobs.join(&job).join("1")).unwrap();
    bench.tes.drop_dead(&job).await.unwrap();
    assert_eq!(bench.store.handed(), ["submit", "forget"]);
    assert!(!jobs.join(&job).exists());
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_whose_actor_crashes_again_and_again_ends() {
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::new(dir.path()).await;
    bench.store.0.lock().hangs = true;
    let input = format!("{{\"a\":\"{}\"}}", "x".repeat(1000));
    let ask = Submit { script: "t/x".into(), input: Some(input), ..Submit::default() };
    let job = bench.tes.submit(ask).await.unwrap().id.to_string();
    let path = format!("root/tes/jobs/{job}");
    let crashed = async || {
        bench.try_crash(&path).await;
        bench.store.0.lock().ends.pop()
    };
    until("it ends", crashed).await.send(Ok(vec![Wrote::Done])).unwrap();
    let handed = bench.store.0.lock().handed.clone();
    let ends = handed.iter().filter_map(|write| if let Write::Ended(end) = write { Some(end) } else { None });
    let failures: Vec<_> = ends.filter_map(|end| Some(end.failure.as_ref()?.message.to_string())).collect();
    assert_eq!(failures, ["what became of it is not known: tsup could not read what it left"]);
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_begins_when_what_the_one_before_removes_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::new(dir.path()).await;
    let ask = Submit { script: "t/x".into(), hold: true, ..Submit::default() };
    bench.tes.submit(ask).await.unwrap();
    let dead = JobId::drawn(7);
    let folder = dir.path().join("jobs").join(dead.to_string());
    std::fs::create_dir_all(&folder).unwrap();
    for n in 0..20_000 {
        std::fs::write(folder.join(n.to_string()), "").unwrap();
    }
    bench.store.has_dead(dead);
    {
        let mut inside = bench.store.0.lock();
        inside.gone = Some(folder.clone());
        inside.was_gone.clear();
    }
    let (tes, asked) = (bench.tes.clone(), dead.to_string());
    let removal = tokio::spawn(async move { tes.drop_dead(&asked).await });
    let begun = async || (std::fs::read_dir(&folder).map_or(0, Iterator::count) < 20_000).then_some(());
    until("the removal has begun", begun).await;
    bench.crash("root/tes/queue").await;
    until("another queue begins", async || bench.store.0.lock().was_gone.first().copied()).await;
    assert_eq!(bench.store.0.lock().was_gone, [true]);
    assert!(removal.await.unwrap().is_err());
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_too_many_dead_jobs_the_oldest_are_forgotten_and_told() {
    let dir = tempfile::tempdir().unwrap();
    let store = Slow::default();
    {
        let mut inside = store.0.lock();
        let state = JobState::Dead;
        let dead = |seq| Picked { seq, id: JobId::drawn(seq), script: "t/x".into(), state };
        inside.dead = (1..=5).rev().map(dead).collect();
        inside.loaded.counts.insert(state, DEAD_JOBS_MAX + 2);
    }
    let bench = Bench::of(dir.path(), store).await;
    let mut events = bench.bus.subscribe();
    let mut told = Vec::new();
    let forgotten = async || {
        while let Some(stamped) = events.try_next() {
            if let Event::JobForgotten { job, because } = &stamped.event {
                assert!(because.contains("10000"), "{because}");
                told.push(*job);
            }
        }
        (told.len() == 2).then_some(())
    };
    until("both are forgotten", forgotten).await;
    assert_eq!(told, [JobId::drawn(1), JobId::drawn(2)], "those that were submitted first");
    let forgotten = bench.store.0.lock().handed.clone();
    assert_eq!(forgotten, told.iter().map(|job| Write::Forget(vec![*job])).collect::<Vec<_>>());
    assert_eq!(bench.tes.counts()["dead"], DEAD_JOBS_MAX);
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_is_no_longer_than_one_can_be_whatever_the_clock_says() {
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::new(dir.path()).await;
    let ask = Submit { script: "t/x".into(), hold: true, ..Submit::default() };
    let asked = bench.tes.submit(ask).await.unwrap().id.to_string();
    let store = Slow::default();
    let job = bench.store.0.lock().jobs[0].clone();
    bench.stop().await;
    {
        let mut inside = store.0.lock();
        let far = Some(Wall::from_unix_ms(i64::MAX / 4));
        let job = NewJob { held: false, ..job };
        inside.jobs.push(job.clone());
        inside.loaded.live =
            vec![Live { job, attempt: 1, starting_in: None, slot: None, again_at: far, parents: Vec::new() }];
    }
    let before = tsup_actors::clock::now_wall();
    let bench = Bench::of(dir.path(), store).await;
    let at = bench.tes.job(&asked).await.unwrap().next_attempt_at.unwrap();
    assert!(at.since(before) <= RETRY_AFTER_MAX + Duration::from_secs(60), "{at}");
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_is_followed_when_a_folder_above_it_is_swapped() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().canonicalize().unwrap().join("a/b");
    std::fs::create_dir_all(&home).unwrap();
    let bench = Bench::new(&home).await;
    let scripts = async || bench.tes.scripts().await.unwrap().scripts.len();
    assert_eq!(scripts().await, 1);
    let (a, old) = (dir.path().join("a"), dir.path().join("old"));
    std::fs::rename(&a, &old).unwrap();
    until("it is gone", async || (scripts().await == 0).then_some(())).await;
    let two = REGISTRY.replace("t/x", "t/y") + REGISTRY;
    std::fs::create_dir_all(&home).unwrap();
    std::fs::write(home.join("registry.toml"), two).unwrap();
    until("it is there again", async || (scripts().await == 2).then_some(())).await;
    // And it is watched again.
    std::fs::remove_file(home.join("registry.toml")).unwrap();
    until("it is seen to be removed", async || (scripts().await == 0).then_some(())).await;
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_that_was_found_again_started_when_the_store_says() {
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::new(dir.path()).await;
    let ask = Submit { script: "t/x".into(), hold: true, ..Submit::default() };
    let asked = bench.tes.submit(ask).await.unwrap();
    let store = Slow::default();
    let job = bench.store.0.lock().jobs[0].clone();
    bench.stop().await;
    let starting_at = Wall::from_unix_ms(asked.submitted_at.unix_ms() + 5_000);
    {
        let mut inside = store.0.lock();
        inside.jobs.push(job.clone());
        let (ended_at, record, failure, retry) = (None, None, None, None);
        inside.attempts = vec![AttemptRow { attempt: 1, starting_at, ended_at, record, failure, retry }];
        let starting_in = Some("an earlier boot".into());
        inside.loaded.live =
            vec![Live { job, attempt: 1, starting_in, slot: None, again_at: None, parents: Vec::new() }];
    }
    let bench = Bench::of(dir.path(), store).await;
    assert_eq!(bench.tes.job(&asked.id.to_string()).await.unwrap().started_at, Some(starting_at));
    bench.stop().await;
}

/// A release that keeps traces elsewhere wrote it down: what it left is not in the file of now, and it may have run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_without_a_slot_is_not_started_again() {
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::new(dir.path()).await;
    let ask = Submit { script: "t/x".into(), hold: true, ..Submit::default() };
    bench.tes.submit(ask).await.unwrap();
    let store = Slow::default();
    let job = bench.store.0.lock().jobs[0].clone();
    bench.stop().await;
    {
        let mut inside = store.0.lock();
        let starting_in = tsup_actors::os::proc::boot_id().ok();
        inside.jobs.push(job.clone());
        inside.loaded.live =
            vec![Live { job, attempt: 1, starting_in, slot: None, again_at: None, parents: Vec::new() }];
    }
    let bench = Bench::of(dir.path(), store).await;
    bench.store.end().await.send(Ok(vec![Wrote::Done])).unwrap();
    let handed = bench.store.0.lock().handed.clone();
    let Some(Write::Ended(end)) = handed.last() else { panic!("{handed:?}") };
    assert_eq!(end.next, NextState::Final(JobState::Interrupted), "{end:?}");
    bench.stop().await;
}
