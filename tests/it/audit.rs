//! What the audit log says of submissions.

use std::fs;

use tsup_core::wire::verb::Verb;

use crate::harness::eventually;
use crate::tes::{Jobs, ask, with};

#[test]
fn what_was_refused_is_not_told_as_done() {
    let arg = "[[scripts.execution.args]]\nname = \"n\"\ntype = \"number\"";
    let mut jobs = Jobs::new().script("ok", "true", arg);
    jobs.w.run();
    let made = jobs.submit(ask("ok")).id;
    jobs.ask(Verb::Submit(Box::new(with("ok", &[("n", "many")])))).unwrap();
    jobs.ask(Verb::SubmitBatch(vec![ask("ok"), with("ok", &[("n", "x")]), ask("none")])).unwrap();
    let outcomes = eventually("three lines", || {
        let log = fs::read_to_string(jobs.w.home().join("log/audit.jsonl")).ok()?;
        let lines: Vec<serde_json::Value> =
            log.lines().filter_map(|l| serde_json::from_str(l).ok()).collect();
        let outcomes: Vec<String> =
            lines.iter().filter_map(|l| Some(l["outcome"].as_str()?.to_owned())).collect();
        (outcomes.len() == 3).then_some(outcomes)
    });
    assert_eq!(outcomes[0], format!("done: {made}"));
    assert!(outcomes[1].starts_with("refused: VALIDATION: input `n`"), "{outcomes:?}");
    assert_eq!(outcomes[2], "1 taken in, 2 refused");
}
