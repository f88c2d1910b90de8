//! How many jobs a second: `true`, through the supervisor and through a plain loop of spawns and waits.

use std::process::{Command, Stdio};
use std::time::Instant;

use tsup_core::ids::JobId;
use tsup_core::tes::job::JobState;
use tsup_core::wire::doc::jobs::Submitted;
use tsup_core::wire::verb::{Body, Verb};

use super::cpu;
use super::talk::ask;
use super::world::World;

/// Submissions in one request.
const BATCH: usize = 200;

pub(crate) fn run(size: super::Size) {
    println!("\n### {} × `true`\n", size.run);
    println!(
        "| level | parallel | plain loop, jobs/s | tsup, jobs/s | of the loop | CPU ms a job: loop | tsup all | supervisor | server, shims and job |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    // Peers shut nothing in: what is comparable is a script that is only bounded.
    for (level, parallel) in [("minimal", 2), ("minimal", 20), ("standard", 2), ("standard", 20)] {
        let (plain, plain_cpu) = plain(size.run, parallel);
        let own = supervised(size.run, parallel, level);
        let (again, _) = self::plain(size.run, parallel);
        let plain = f64::midpoint(plain, again);
        println!(
            "| {level} | {parallel} | {plain:.0} | {:.0} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} |",
            own.rate,
            own.rate / plain,
            plain_cpu,
            own.supervisor + own.shims,
            own.supervisor,
            own.shims,
        );
    }
}

/// Jobs a second, and CPU of a job in milliseconds, of a loop that spawns and waits.
pub(crate) fn plain(jobs: usize, parallel: usize) -> (f64, f64) {
    let before = cpu::of(std::process::id());
    let began = Instant::now();
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..parallel {
            scope.spawn(|| {
                while next.fetch_add(1, std::sync::atomic::Ordering::Relaxed) < jobs {
                    let mut command = Command::new("/bin/true");
                    command.env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
                    let status = command.status().unwrap();
                    assert!(status.success());
                }
            });
        }
    });
    let rate = jobs as f64 / began.elapsed().as_secs_f64();
    let after = cpu::of(std::process::id());
    let used = after.own - before.own + after.children - before.children;
    (rate, used * 1e3 / jobs as f64)
}

pub(crate) struct Own {
    pub(crate) rate: f64,
    supervisor: f64,
    shims: f64,
}

pub(crate) fn supervised(jobs: usize, parallel: usize, level: &str) -> Own {
    let mut world = World::new("jobs");
    std::os::unix::fs::symlink("/bin/true", world.dir.join("scripts/true")).unwrap();
    world.register("true", "program", &format!("security = {{outside_root = true, sandbox = \"{level}\"}}"));
    world.configure(&format!("slots = {parallel}\nallow_outside_root = true"));
    let supervisor = world.start();
    let server = cpu::children(supervisor.pid());
    // Shims live on for other attempts, and are not waited for yet.
    let shims = |server: &[u32]| {
        let all = server.iter().flat_map(|p| cpu::children(*p).into_iter().chain([*p]));
        all.map(cpu::of).fold(0.0, |sum, c| sum + c.own + c.children)
    };
    let (mut client, before, shims_before) = (supervisor.client(), cpu::of(supervisor.pid()), shims(&server));
    let began = Instant::now();
    let mut ids: Vec<JobId> = Vec::with_capacity(jobs);
    while ids.len() < jobs {
        let some = (0..BATCH.min(jobs - ids.len())).map(|_| ask("true")).collect();
        let Ok(Body::Batch(taken)) = client.ask(Verb::SubmitBatch(some)) else { panic!("not submitted") };
        ids.extend(taken.iter().map(|one| match one {
            Submitted::Job(job) => job.id,
            other => panic!("{other:?}"),
        }));
    }
    // The wait answers behind the commit of the last end.
    for some in ids.chunks(BATCH) {
        let jobs = some.iter().map(ToString::to_string).collect();
        match client.ask(Verb::Wait { jobs, for_ms: Some(100_000) }) {
            Ok(Body::Jobs(doc)) => assert!(
                doc.jobs.iter().all(|job| job.state == JobState::Succeeded),
                "{:#?}",
                doc.jobs.iter().find(|job| job.state != JobState::Succeeded)
            ),
            other => panic!("{other:?}"),
        }
    }
    let took = began.elapsed().as_secs_f64();
    let used = cpu::of(supervisor.pid()).own - before.own;
    let of_shims = shims(&server) - shims_before;
    let each = |seconds: f64| seconds * 1e3 / jobs as f64;
    Own { rate: jobs as f64 / took, supervisor: each(used), shims: each(of_shims) }
}
