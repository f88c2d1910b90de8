//! Usage limits: what ends one, and by which clock.

use super::*;

const HOUR: u64 = 3_600_000;

/// An agent whose transcript told of a limit at 5 s, which ends after eight hours.
fn met() -> Stage {
    let mut s = Stage::new(READS);
    s.paint("composer").until(5_000).is("idle").transcript("limited", Some(8 * HOUR)).is("limited");
    s.until(20_000);
    s
}

#[test]
fn a_panel_or_a_gate_that_a_person_opens_ends_no_limit() {
    for (what, says) in
        [("panel", "waiting/question"), ("login", "waiting/login"), ("trust", "waiting/trust")]
    {
        let mut s = met();
        s.paint(what).is(says).until(70_000).paint("composer").pass(3_000).is("limited");
        s.hook("Notification", says)
            .is(says)
            .paint("composer")
            .hook("Stop", "idle")
            .pass(3_000)
            .is("limited");
    }
    for what in ["spinner", "menu", "plan"] {
        met().paint(what).until(70_000).paint("composer").pass(9_000).is("idle");
    }
}

#[test]
fn work_keeps_no_later_limit_out() {
    let mut s = met();
    s.paint("spinner").is("busy/thinking").until(60_000).paint("composer").pass(9_000).is("idle");
    // The same words again tell of the limit that work has ended; others of one that was met since, though
    // their time seems earlier by a clock that was set.
    s.written(Some(("limited", 5_000)), Some(8 * HOUR), at(s.ms).wall).pass(3_000).is("idle");
    s.written(Some(("limited", 20_000)), Some(8 * HOUR), at(s.ms).wall).pass(3_000).is("limited");
}

#[test]
fn a_transcript_that_takes_its_limit_back_ends_it() {
    // The machine slept for hours: the monotonic clock stood still, the wall clock did not.
    let mut s = met();
    s.written(None, None, at(9 * HOUR).wall).pass(3_000).is("idle");
    assert!(s.ms < 60_000);
    // Its words may stand on the screen for ever.
    s.paint("limit").pass(60_000).is("idle").transcript("limited", None).pass(3_000).is("limited");
    let mut seen = Stage::new(READS);
    seen.paint("limit").is("limited").written(None, None, at(9_000).wall).pass(9_000).is("limited");
    let mut at_work = met();
    at_work.transcript("busy/tool", None).paint("viewer").is("busy/tool");
}

#[test]
fn the_end_of_a_limit_is_told_anew_with_each_word() {
    let mut s = met();
    // Half of the time passed asleep.
    s.written(Some(("limited", 5_000)), Some(8 * HOUR), at(4 * HOUR).wall);
    s.until(4 * HOUR - 60_000).is("limited").until(4 * HOUR + 60_000).is("idle");
}

#[test]
fn a_clock_that_is_set_back_does_not_bring_an_outlived_word_back() {
    let mut s = Stage::new(READS);
    s.until(1_000).transcript("busy/tool", None).paint("composer").until(10_000).is("idle");
    for wall in [300_000, 310_000 - 600_000] {
        let wall = Wall::from_unix_ms(1_000_000 + wall);
        s.pass(100_000).written(Some(("busy/tool", 1_000)), None, wall).pass(20_000).is("idle");
    }
    assert_eq!(s.story(), ["busy/tool", "idle"]);
    // A clock that is set forward does not make a word older than its process.
    let mut forward = Stage::aged(READS, Duration::ZERO);
    forward.until(9_000).transcript("busy/tool", None).is("busy/tool").pass(1_000);
    forward.written(Some(("busy/tool", 9_000)), None, at(HOUR).wall).is("busy/tool");
}
