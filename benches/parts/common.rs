//! What the benches of the whole product share: which questions are asked, how figures are read, how a
//! supervisor is ended.

use std::path::Path;
use std::process::{Child, ExitCode};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tsup::ctl::client::Client;
use tsup_core::wire::verb::Verb;

/// A question by its name, and what answers it in a given size.
pub(crate) type Question<S> = (&'static str, fn(S));

/// Measures what the command line asks for, or everything; `--quick` takes the smaller size.
pub(crate) fn ask<S: Copy>(questions: &[Question<S>], full: S, quick: S) -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let size = if args.iter().any(|a| a == "--quick") { quick } else { full };
    let asked: Vec<&String> = args.iter().filter(|a| !a.starts_with("--")).collect();
    if let Some(unknown) = asked.iter().find(|a| !questions.iter().any(|(name, _)| name == *a)) {
        let names: Vec<_> = questions.iter().map(|(name, _)| *name).collect();
        eprintln!("no question `{unknown}`: ask {}", names.join(", "));
        return ExitCode::from(2);
    }
    for (name, measure) in questions {
        if asked.is_empty() || asked.iter().any(|a| a == name) {
            measure(size);
        }
    }
    ExitCode::SUCCESS
}

/// The value below which `percent` of the sorted values lie.
pub(crate) fn percentile(sorted: &[f64], percent: f64) -> f64 {
    if sorted.is_empty() {
        return f64::NAN;
    }
    let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}

/// Ends a supervisor in order, and one that does not end all the same.
pub(crate) fn end(supervisor: &mut Child, socket: &Path) {
    let _ = Client::connect(socket).and_then(|mut client| client.ask(Verb::Shutdown));
    let deadline = Instant::now() + Duration::from_secs(10);
    while matches!(supervisor.try_wait(), Ok(None)) {
        if Instant::now() > deadline {
            let _ = supervisor.kill();
            let _ = supervisor.wait();
            return;
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// A number that no folder of this process has yet.
pub(crate) fn unique() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
