//! Jobs of the whole product: a real supervisor with its shims, real scripts, clients on its socket.
//!
//! `cargo bench --bench jobs` measures everything and prints a Markdown table for each question; `-- --quick`
//! takes smaller numbers, `-- run submit` only those questions. Figures of one run are meant to be read together:
//! machines differ, ratios hold.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a bench prints its figures")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on has nothing to tell")]

#[path = "parts/common.rs"]
mod common;
#[path = "jobs/cpu.rs"]
mod cpu;
#[path = "jobs/peers.rs"]
mod peers;
#[path = "jobs/queue.rs"]
mod queue;
#[path = "jobs/run.rs"]
mod run;
#[path = "jobs/submit.rs"]
mod submit;
#[path = "jobs/talk.rs"]
mod talk;
#[path = "jobs/world.rs"]
mod world;

pub(crate) use common::percentile;

use common::Question;

/// How much of everything.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    /// Jobs that are run against the plain loop.
    pub(crate) run: usize,
    /// Submissions that are timed.
    pub(crate) submits: usize,
    /// Jobs that are queued before they are timed again.
    pub(crate) queued: usize,
    /// Clients at the same time; the socket keeps some places for short questions.
    pub(crate) clients: usize,
    /// Urgent jobs that are timed.
    pub(crate) urgent: usize,
    /// Jobs that are queued before them.
    pub(crate) many: usize,
    /// Jobs of each session that does not flood.
    pub(crate) share: usize,
    /// Jobs of peers.
    pub(crate) peers: usize,
}

const FULL: Size = Size {
    run: 2000,
    submits: 2000,
    queued: 10_000,
    clients: 64,
    urgent: 50,
    many: 100_000,
    share: 40,
    peers: 1000,
};
const QUICK: Size = Size {
    run: 400,
    submits: 500,
    queued: 2000,
    clients: 64,
    urgent: 20,
    many: 10_000,
    share: 20,
    peers: 100,
};

const QUESTIONS: [Question<Size>; 5] = [
    ("run", run::run),
    ("submit", submit::submit),
    ("urgent", queue::urgent),
    ("share", queue::share),
    ("peers", peers::peers),
];

fn main() -> std::process::ExitCode {
    common::ask(&QUESTIONS, FULL, QUICK)
}
