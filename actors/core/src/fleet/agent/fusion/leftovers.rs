//! What stands in a pane, or in its title, that is not the agent's, or not of now.

use super::*;

#[test]
fn what_a_program_left_above_the_shell_says_nothing_about_the_next_one() {
    for what in ["limit", "menu", "spinner", "viewer", "typed"] {
        let mut s = Stage::aged(READS, Duration::ZERO);
        s.until(250).left(what).is("starting");
        s.until(2_500).screen("fresh").until(6_000).is("fresh");
        assert_eq!(s.story(), ["fresh"], "{what}");
        // By now it is its own.
        s.paint("menu").left("menu").is("waiting/permission");
    }
}

#[test]
fn it_says_nothing_until_something_else_is_painted() {
    let mut s = Stage::aged(READS, Duration::ZERO);
    s.until(250).left("limit").until(2_000).left("limit").until(20_000).is("unknown");
    assert!(s.because().contains("was left there by a program before it"), "{}", s.because());
    assert_eq!(s.wanted, 0, "it was seen, and changes when something is written");
    s.left("spinner").is("busy/thinking");
    // Of a process that was found running nobody knows what it painted.
    let mut found = Stage::new(READS);
    found.left("menu").is("waiting/permission");
}

#[test]
fn what_an_editor_shows_is_not_read_when_it_ends() {
    for shows in [Shows::Child, Shows::Other] {
        let mut s = Stage::new(READS);
        s.screen("composer").until(4_000).is("idle").hook("PreToolUse", "busy/tool");
        s.front(false, shows).paint("menu").paint("limit").until(60_000).is("busy/tool");
        s.front(false, Shows::Agent).is("busy/tool");
        assert_eq!(s.wanted, 1, "its screen is wanted at once");
        s.write().pass(120).capture("spinner", false).is("busy/thinking");
        s.hook("Stop", "idle").paint("composer").pass(2_000).is("idle");
        assert_eq!(s.story(), ["idle", "busy/tool", "busy/thinking", "idle"]);
    }
}

#[test]
fn what_stood_there_before_an_editor_is_not_believed_after_it() {
    let mut s = Stage::new(READS);
    s.animate("spinner", 3_000).paint("viewer").is("busy/thinking");
    s.front(false, Shows::Child).until(30_000).front(false, Shows::Agent);
    s.paint("composer").pass(2_000).is("idle");
    let mut asked = Stage::new(READS);
    asked.paint("menu").is("waiting/permission").pass(2_000);
    asked.front(false, Shows::Child).hook("PreToolUse", "busy/tool").is("busy/tool").pass(30_000);
    asked.front(false, Shows::Agent).is("busy/tool");
}

#[test]
fn a_process_that_is_continued_behind_a_viewer_goes_on_as_before() {
    let mut s = Stage::new(READS);
    s.animate("spinner", 3_000).paint("viewer").is("busy/thinking");
    s.front(true, Shows::Agent).is("waiting/stopped");
    s.until(8_000).front(false, Shows::Agent).until(60_000).is("busy/thinking");
    // Where the shell took the terminal meanwhile, the screen must be seen again.
    let mut other = Stage::new(READS);
    other.paint("composer").until(3_000).paint("viewer").is("idle");
    other.front(true, Shows::Other).is("waiting/stopped").until(8_000);
    other.front(false, Shows::Agent).paint("viewer").pass(60_000).is("idle");
}

#[test]
fn a_title_that_does_not_turn_is_no_work_whoever_writes() {
    let mut s = Stage::new(READS);
    s.titled("composer", "⠂ Old task").until(7_000).is("idle").until(60_000);
    for _ in 0..20 {
        s.write().pass(350).titled("composer", "⠂ Old task").pass(150);
    }
    assert_eq!(s.story(), ["idle"]);
    let title = s.agent.evidence().into_iter().find(|e| e.claim.source == Source::Title).unwrap();
    assert!(title.at < at(1_000).mono, "its age is that of its words");
    s.write().titled("composer", "⠐ Old task").is("busy/thinking");
}

#[test]
fn a_title_is_left_behind_by_any_process_before() {
    let mut s = Stage::new(READS);
    s.titled("spinner", "⠂ Task").is("busy/thinking");
    for (pid, ms) in [(6, 5_000), (7, 8_000)] {
        let process = s.agent.process().unwrap();
        s.until(ms).tell(Event::Died { process, facts: ExitFacts::UNKNOWN });
        s.until(ms + 500).tell(Event::Attached { process: proc(pid), age: Duration::ZERO });
        s.pass(400).write().pass(300).titled("nothing", "⠂ Task").is("starting");
    }
    s.pass(1_000).write().until(30_000).is("unknown");
    assert!(!s.changes.iter().any(|(ms, word)| *ms > 5_000 && word.starts_with("busy")), "{:?}", s.changes);
}
