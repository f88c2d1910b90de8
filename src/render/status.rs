//! How the supervisor is.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anstyle::AnsiColor;
use tsup_core::wire::doc::StatusDoc;

use super::{Look, words};

/// Counts by state in one line: `2 busy, 1 idle`.
pub fn by_state(counts: &BTreeMap<String, u64>, none: &str) -> String {
    let parts: Vec<String> =
        counts.iter().filter(|(_, n)| **n > 0).map(|(state, n)| format!("{n} {state}")).collect();
    if parts.is_empty() { none.to_owned() } else { parts.join(", ") }
}

/// Draws the status.
pub fn draw(doc: &StatusDoc, look: Look) -> String {
    let (word, color) = match (doc.ready, doc.degraded.is_empty()) {
        (false, _) => ("starting", AnsiColor::Cyan),
        (true, true) => ("ready", AnsiColor::Green),
        (true, false) => ("degraded", AnsiColor::Yellow),
    };
    let mut out = String::new();
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(out, "{name:<11} {value}");
    };
    line("supervisor", &look.paint(color.on_default().bold(), word));
    line("version", &doc.supervisor_version);
    line("pid", &doc.pid.to_string());
    line("up", &words::seconds(doc.uptime_seconds));
    line("home", &doc.home);
    line("socket", &doc.socket);
    line("agents", &by_state(&doc.agents, "none"));
    if !doc.jobs.is_empty() {
        line("jobs", &by_state(&doc.jobs, "none"));
    }
    for (i, what) in doc.degraded.iter().enumerate() {
        line(
            if i == 0 { "degraded" } else { "" },
            &tsup_core::untrusted::Untrusted::new(what.as_str()).to_string(),
        );
    }
    out
}
