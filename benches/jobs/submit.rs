//! What a durable submission costs: alone, behind many others, and from many clients at once.

use std::time::Instant;

use tsup::ctl::client::Client;
use tsup_core::tes::job::Priority;
use tsup_core::wire::verb::{Body, Submit, Verb};

use super::percentile;
use super::talk::ask;
use super::world::{Supervisor, World};

/// Submissions in one request.
pub(crate) const BATCH: usize = 500;

/// A world of one slot, which a job holds until it is let go, so that whatever is submitted waits.
pub(crate) fn world() -> World {
    let mut world = World::new("submit");
    world.script("true", "exit 0", "");
    let fifo = |name: &str| {
        let path = world.dir.join("scripts").join(name);
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
    };
    fifo("began");
    fifo("go");
    world.script("probe", "echo > began; read x < go", "");
    world.configure("slots = 1");
    world
}

pub(crate) fn batch_job() -> Submit {
    Submit { priority: Some(Priority::Batch), ..ask("true") }
}

pub(crate) fn probe() -> Submit {
    Submit { priority: Some(Priority::Critical), ..ask("probe") }
}

/// Submits so many jobs that wait.
pub(crate) fn fill(client: &mut Client, jobs: usize) {
    for first in (0..jobs).step_by(BATCH) {
        let some = (first..jobs.min(first + BATCH)).map(|_| batch_job()).collect();
        assert!(matches!(client.ask(Verb::SubmitBatch(some)), Ok(Body::Batch(_))));
    }
}

pub(crate) fn submit_one(client: &mut Client, submit: Submit) {
    match client.ask(Verb::Submit(Box::new(submit))) {
        Ok(Body::Job(_)) => {}
        other => panic!("{other:?}"),
    }
}

/// Reads what a probe says when it begins.
pub(crate) fn began(world: &World) {
    std::fs::read(world.dir.join("scripts/began")).unwrap();
}

/// Lets a probe end.
pub(crate) fn go(world: &World) {
    std::fs::write(world.dir.join("scripts/go"), "\n").unwrap();
}

pub(crate) fn submit(size: super::Size) {
    println!("\n### Submitting durably, {} submissions each\n", size.submits);
    println!("| queued before | p50 ms | p99 ms | largest ms |\n|---|---|---|---|");
    let world = world();
    let supervisor = world.start();
    let mut client = supervisor.client();
    submit_one(&mut client, probe());
    began(&world);
    for queued in [0, size.queued] {
        fill(&mut client, queued);
        let mut took: Vec<f64> = (0..size.submits)
            .map(|_| {
                let asked = Instant::now();
                submit_one(&mut client, batch_job());
                asked.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        took.sort_by(f64::total_cmp);
        let largest = took.last().copied().unwrap_or(f64::NAN);
        println!(
            "| {queued} | {:.2} | {:.2} | {largest:.2} |",
            percentile(&took, 50.0),
            percentile(&took, 99.0)
        );
    }
    println!("\n| clients at once | submissions/s |\n|---|---|");
    for clients in [1, 16, size.clients] {
        println!(
            "| {clients} | {:.0} |",
            rate(&supervisor, clients, size.submits.max(clients * 100) / clients)
        );
    }
    let began_at = Instant::now();
    fill(&mut client, 10 * BATCH);
    println!("| 1, in batches of {BATCH} | {:.0} |", (10 * BATCH) as f64 / began_at.elapsed().as_secs_f64());
    go(&world);
}

fn rate(supervisor: &Supervisor, clients: usize, each: usize) -> f64 {
    let mut connections: Vec<Client> = (0..clients).map(|_| supervisor.client()).collect();
    let began = Instant::now();
    std::thread::scope(|scope| {
        for client in &mut connections {
            scope.spawn(move || {
                for _ in 0..each {
                    submit_one(client, batch_job());
                }
            });
        }
    });
    (clients * each) as f64 / began.elapsed().as_secs_f64()
}
