//! Who is next: an urgent job behind very many others, and sessions beside one that floods.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use tsup_core::wire::verb::{Body, Submit, Verb};

use super::percentile;
use super::submit::{began, fill, go, probe, submit_one, world};
use super::talk::ask;
use super::world::{PATIENCE, World};

/// A critical job behind queued ones: from the end of the job that has the slot until the other one's first line.
pub(crate) fn urgent(size: super::Size) {
    let world = world();
    let supervisor = world.start();
    let mut client = supervisor.client();
    submit_one(&mut client, probe());
    began(&world);
    let empty = pss(supervisor.pid());
    println!("\n### A critical job when a slot frees, {} times\n", size.urgent);
    println!("| batch jobs queued | p50 ms | largest ms | PSS of the supervisor, MiB |\n|---|---|---|---|");
    let mut queued = 0;
    for more in [0, size.many] {
        fill(&mut client, more);
        queued += more;
        let mut took: Vec<f64> = (0..size.urgent)
            .map(|_| {
                submit_one(&mut client, probe());
                let ends = Instant::now();
                go(&world);
                began(&world);
                ends.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        took.sort_by(f64::total_cmp);
        let memory = if more == 0 { empty } else { pss(supervisor.pid()) };
        let largest = took.last().copied().unwrap_or(f64::NAN);
        println!("| {queued} | {:.1} | {largest:.1} | {memory:.1} |", percentile(&took, 50.0));
    }
}

fn pss(pid: u32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kib: f64 =
        line.and_then(|l| l.split_whitespace().next()).and_then(|n| n.parse().ok()).unwrap_or(f64::NAN);
    kib / 1024.0
}

/// Ten sessions want four slots, and one of them has fifty times as many jobs as each other.
pub(crate) fn share(size: super::Size) {
    let mut world = World::new("share");
    world.script(
        "turn",
        "echo $1 >> turns; sleep 0.01",
        "execution.args = [{name=\"session\", required=true}]",
    );
    world.configure("slots = 4");
    let supervisor = world.start();
    let mut client = supervisor.client();
    let of = |session: usize| Submit {
        session: Some(format!("s{session}")),
        args: vec![("session".into(), session.to_string())],
        ..ask("turn")
    };
    let flood = vec![of(0); size.share * 50];
    for some in flood.chunks(500) {
        assert!(matches!(client.ask(Verb::SubmitBatch(some.to_vec())), Ok(Body::Batch(_))));
    }
    // What ran before the others came is not a question of shares.
    let all: Vec<Submit> = (1..10).flat_map(|session| vec![of(session); size.share]).collect();
    let turns = world.dir.join("scripts/turns");
    let before = fs::read_to_string(&turns).unwrap_or_default().lines().count();
    assert!(matches!(client.ask(Verb::SubmitBatch(all)), Ok(Body::Batch(_))));
    let deadline = Instant::now() + PATIENCE;
    // Until the first of the others has had all its turns, all ten want some.
    let counts = loop {
        let text = fs::read_to_string(&turns).unwrap_or_default();
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        let mut sum = 0_usize;
        for session in text.lines().skip(before) {
            sum += 1;
            *counts.entry(session).or_insert(0) += 1;
            if session != "0" && counts[session] == size.share {
                break;
            }
        }
        if counts.iter().any(|(session, n)| *session != "0" && *n == size.share) || Instant::now() > deadline
        {
            let least = (1..10).map(|s| counts.get(s.to_string().as_str()).copied().unwrap_or(0)).min();
            break (sum, counts.get("0").copied().unwrap_or(0), least.unwrap_or(0));
        }
        std::thread::park_timeout(Duration::from_millis(50));
    };
    let (sum, flooding, least) = counts;
    let fair = sum as f64 / 10.0;
    println!("\n### Ten sessions, one floods, four slots\n");
    println!(
        "| turns while all wanted some | a fair share | the one that floods | the least of the others | of its share |"
    );
    println!("|---|---|---|---|---|");
    println!("| {sum} | {fair:.0} | {flooding} | {least} | {:.0} % |", least as f64 * 100.0 / fair);
    drop(supervisor);
}
