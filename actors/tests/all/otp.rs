//! Our supervisor held against the real one of Erlang/OTP: random scenarios go through both, and both
//! must start and end the same children in the same order, for the same reasons, with the same answers.
//!
//! Needs `escript` (Debian: `erlang-base`). `TSUP_OTP_SEED` and `TSUP_OTP_SCENARIOS` try others.

use std::fmt::Write as _;
use std::process::Command;

mod ours;
mod scenario;

use scenario::Scenario;

/// How many scenarios run in one go.
const SCENARIOS: u64 = 300;

fn from_env(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |v| v.parse().expect("a number"))
}

/// What OTP did in each scenario.
fn oracle(scenarios: &[Scenario]) -> Vec<String> {
    let mut terms = String::new();
    for (n, scenario) in scenarios.iter().enumerate() {
        writeln!(terms, "{}.", scenario.term(n)).expect("a string takes everything");
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("scenarios");
    std::fs::write(&file, terms).expect("the scenarios can be written");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/otp/oracle.escript");
    let out = Command::new("escript").arg(script).arg(&file).output();
    let out = out.expect("escript is on the PATH; install erlang-base");
    assert!(out.status.success(), "the oracle failed: {}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8(out.stdout).expect("the oracle writes text");
    let lines: Vec<String> =
        text.lines().map(|l| l.split_once('|').expect("number and trace").1.to_owned()).collect();
    assert_eq!(lines.len(), scenarios.len(), "the oracle answers each scenario");
    lines
}

#[test]
fn the_supervisor_does_what_erlangs_does() {
    let seed = from_env("TSUP_OTP_SEED", 20_26);
    let count = from_env("TSUP_OTP_SCENARIOS", SCENARIOS);
    let scenarios: Vec<Scenario> = (0..count).map(|n| Scenario::random(seed, n)).collect();
    let theirs = oracle(&scenarios);
    let mut differ = Vec::new();
    for (n, (scenario, theirs)) in scenarios.iter().zip(&theirs).enumerate() {
        let ours = ours::run(scenario);
        if ours != *theirs {
            differ.push(format!("{}\n  otp:  {theirs}\n  ours: {ours}", scenario.term(n)));
        }
    }
    assert!(
        differ.is_empty(),
        "seed {seed}: {} of {count} scenarios differ, the first:\n{}",
        differ.len(),
        differ[..differ.len().min(3)].join("\n")
    );
    // The scenarios are worth something: each kind of end and event is met many times.
    for word in ["over shutdown", "stopped", "not started", "fail ", "killed", "terminate", ": running"] {
        let met = theirs.iter().filter(|t| t.contains(word)).count() as u64;
        assert!(met * 100 >= count, "{word:?} is met only {met} times");
    }
}
