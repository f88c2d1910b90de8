//! The whole product under load: a real supervisor, a real tmux on a private socket, real processes.
//!
//! `cargo bench --bench fleet` measures everything and prints a Markdown table for each question;
//! `-- --quick` takes smaller numbers, `-- death idle` only those questions. Figures of one run are
//! meant to be read together: machines differ, ratios hold.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a bench prints its figures")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on has nothing to tell")]

#[path = "parts/common.rs"]
mod common;
#[path = "fleet/cost.rs"]
mod cost;
#[path = "fleet/hook.rs"]
mod hook;
#[path = "fleet/reaction.rs"]
mod reaction;
#[path = "fleet/screens.rs"]
mod screens;
#[path = "fleet/world.rs"]
mod world;

pub(crate) use common::percentile;

use common::Question;

/// How much of everything.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) deaths: usize,
    pub(crate) lines: usize,
    pub(crate) hooks: usize,
    pub(crate) idle_seconds: u64,
    pub(crate) commands: usize,
    pub(crate) big: usize,
    pub(crate) changes: usize,
}

const FULL: Size =
    Size { deaths: 200, lines: 300, hooks: 500, idle_seconds: 30, commands: 100, big: 1000, changes: 40 };
const QUICK: Size =
    Size { deaths: 20, lines: 30, hooks: 50, idle_seconds: 6, commands: 20, big: 200, changes: 12 };

const QUESTIONS: [Question<Size>; 8] = [
    ("death", reaction::death),
    ("line", reaction::line),
    ("hook", hook::hook),
    ("start", reaction::start),
    ("status", reaction::status),
    ("screen", screens::screen),
    ("idle", cost::idle),
    ("memory", cost::memory),
];

fn main() -> std::process::ExitCode {
    common::ask(&QUESTIONS, FULL, QUICK)
}

/// A row of percentiles in milliseconds.
pub(crate) fn print_row(what: &str, values: &mut [f64], missed: usize) {
    values.sort_by(f64::total_cmp);
    println!(
        "| {what} | {} | {:.2} | {:.2} | {:.2} | {missed} |",
        values.len(),
        percentile(values, 50.0),
        percentile(values, 99.0),
        values.last().copied().unwrap_or(f64::NAN),
    );
}
