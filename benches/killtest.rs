//! Kills a supervisor that runs jobs, in every way there is, and looks whether a job is lost or runs twice.
//!
//! Clients submit jobs with keys and keep what was sent and what was answered. The supervisor is killed, its shims
//! and their server now and then too, and started again; what was not answered is sent again with the same key.
//! Each job appends a line to a file of its own that names the job and the attempt. From these files, the
//! clients' memory and the database follows whether the promise holds: launched at most once for each attempt,
//! recorded exactly once, nothing lost that was answered.
//!
//! `CYCLES=1000 SEED=7 cargo bench --bench killtest`. The seed draws what is done; when it hits what, the machine
//! decides. `-- planted` (built with the feature `planted`) breaks the product on purpose, in four ways, and counts the
//! cycles until that is noticed.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it tells what it found")]
#![expect(clippy::unwrap_used, reason = "a harness that cannot go on has nothing to tell")]

use std::process::ExitCode;

#[path = "killtest/check.rs"]
mod check;
#[path = "parts/common.rs"]
#[expect(dead_code, reason = "the benches that measure use more of it")]
mod common;
#[path = "killtest/cycle.rs"]
mod cycle;
#[path = "killtest/driver.rs"]
mod driver;
#[path = "killtest/procs.rs"]
mod procs;
#[path = "killtest/rng.rs"]
mod rng;
#[path = "killtest/run.rs"]
mod run;
#[path = "killtest/scripts.rs"]
mod scripts;
#[path = "jobs/world.rs"]
mod world;

use run::{Plan, run};

/// Ways in which a product that is built for it can be broken (`actors/src/planted.rs`).
const PLANTED: [&str; 4] =
    ["spawn-before-journal", "answer-before-commit", "result-in-two-parts", "no-dedupe"];
/// Cycles in which a planted bug must be noticed.
const PLANTED_CYCLES: u32 = 400;

fn number<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

fn main() -> ExitCode {
    let seed = number("SEED").unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        now.as_micros() as u64 % 1_000_000
    });
    if std::env::args().any(|arg| arg == "planted") {
        return planted(seed);
    }
    let plan = Plan {
        cycles: number("CYCLES").unwrap_or(1000),
        seed,
        every: number("EVERY").unwrap_or(25),
        strace: number("STRACE").unwrap_or(1_u8) != 0,
        planted: None,
    };
    match run(&plan) {
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(broken) => {
            eprintln!("{broken}");
            ExitCode::FAILURE
        }
    }
}

/// Breaks the product in each way and counts the cycles until somebody notices.
fn planted(seed: u64) -> ExitCode {
    if !cfg!(feature = "planted") {
        eprintln!("this build cannot be broken: build it with `--features planted`");
        return ExitCode::FAILURE;
    }
    let mut missed = 0;
    println!("\n| planted | noticed after cycles | by |\n|---|---|---|");
    for bug in PLANTED {
        let plan = Plan { cycles: PLANTED_CYCLES, seed, every: 5, strace: false, planted: Some(bug) };
        match run(&plan) {
            Ok(_) => {
                missed += 1;
                println!("| {bug} | not in {PLANTED_CYCLES} | – |");
            }
            Err(broken) => {
                // Behind the sentence stands the whole job.
                let by = broken.what.split(['\n', ';']).next().unwrap_or_default();
                println!("| {bug} | {} | {by} |", broken.cycle + 1);
            }
        }
    }
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
