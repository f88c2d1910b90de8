//! Tests of the fusion: made-up words of all sources, and what follows from them.

use super::*;
use crate::fleet::state::Detail;
use crate::untrusted::Untrusted;

mod interleave;
mod leftovers;
mod limited;
mod stage;

use stage::{OLD, READS, Stage, at, claim, proc, shows};

#[test]
fn a_whole_life_is_told_in_order() {
    let mut s = Stage::aged(READS, Duration::ZERO);
    s.until(500).paint("trust").is("waiting/trust");
    s.until(4_000).paint("fresh").until(6_000).is("fresh");
    s.write().animate("spinner", 12_000).is("busy/thinking");
    s.paint("menu").is("waiting/permission");
    assert_eq!(s.because(), "the permission menu `Do you want to proceed?` is on its screen");
    s.until(60_000).animate("compacting", 62_000).is("busy/compacting");
    s.paint("composer").until(64_000).is("idle");
    s.paint("typed").is("queued");
    assert_eq!(
        s.story(),
        [
            "waiting/trust",
            "fresh",
            "busy/thinking",
            "waiting/permission",
            "busy/compacting",
            "idle",
            "queued"
        ]
    );
    let lasting: Vec<_> = s.agent.history().iter().map(|c| c.to.state).collect();
    assert_eq!(lasting.len(), 7, "{lasting:?}");
}

#[test]
fn idle_is_believed_after_about_a_second_and_no_earlier() {
    let mut s = Stage::new(READS);
    s.animate("spinner", 5_000).is("busy/thinking");
    let stopped = s.ms;
    s.write().until(stopped + 300).screen("composer").is("busy/thinking");
    s.until(stopped + 900).is("busy/thinking");
    s.until(stopped + 1_500).is("idle");
    // A capture between two paintings of a spinner is not rest.
    let mut flicker = Stage::new(READS);
    flicker.animate("spinner", 3_000);
    for _ in 0..30 {
        flicker.paint("composer").pass(300).paint("spinner").pass(300);
    }
    assert_eq!(flicker.story(), ["busy/thinking"]);
}

#[test]
fn a_ticking_status_line_does_not_keep_it_busy_and_a_stream_of_words_does() {
    let mut ticks = Stage::new(READS);
    ticks.animate("spinner", 3_000).is("busy/thinking");
    for _ in 0..4 {
        ticks.paint("composer").pass(700);
    }
    ticks.is("idle");
    let mut stream = Stage::new(READS);
    stream.animate("spinner", 3_000).animate("composer", 9_000).is("busy/thinking");
    stream.animate("composer", 20_000).is("idle");
}

#[test]
fn a_banner_between_two_paintings_starts_nothing() {
    let mut s = Stage::aged(READS, Duration::ZERO);
    s.until(500).paint("banner").is("starting");
    s.until(4_000).paint("fresh").until(6_000).is("fresh");
    for _ in 0..5 {
        s.write().pass(120).capture("banner", false).pass(300).screen("fresh").pass(2_000);
    }
    assert_eq!(s.story(), ["fresh"]);
}

#[test]
fn output_alone_makes_nobody_busy_whose_screen_can_be_read() {
    let mut s = Stage::new(READS);
    s.paint("composer").until(3_000).is("idle");
    for _ in 0..40 {
        s.write().pass(100);
    }
    s.is("idle");
    s.capture("typed", false).is("queued");
    s.paint("composer").is("queued").pass(2_000).is("idle");
    let mut unknown = Stage::new(Nature::default());
    unknown.until(2_000).is("idle").write().is("busy/output");
}

#[test]
fn without_a_capture_output_is_the_only_sign_and_quiet_is_no_rest() {
    let mut s = Stage::new(READS);
    s.write().is("busy/output").until(20_000).is("unknown");
    assert!(s.because().contains("its screen was not seen yet"), "{}", s.because());
    assert!((3..5).contains(&s.wanted), "{}", s.wanted);
    s.screen("nothing").until(30_000).is("unknown");
    assert!(s.agent.confidence(at(s.ms).mono).abs() < f64::EPSILON);
    s.paint("menu").is("waiting/permission");
}

#[test]
fn a_screen_that_did_not_come_is_asked_for() {
    let mut s = Stage::new(READS);
    s.paint("composer").until(5_000).is("idle");
    assert_eq!((s.wanted, s.agent.next_look(at(s.ms).mono)), (0, None), "an idle agent costs nothing");
    s.write().until(9_000);
    assert_eq!(s.wanted, 0);
    s.until(11_000);
    assert_eq!(s.wanted, 1);
    s.screen("composer").until(60_000);
    assert_eq!(s.wanted, 1);
}

#[test]
fn a_last_capture_in_the_middle_of_writing_is_followed_by_another() {
    let mut s = Stage::new(READS);
    s.animate("spinner", 3_000).write().pass(120).capture("composer", false).is("busy/thinking");
    let looks = s.looks;
    s.until(8_000);
    assert_eq!(s.wanted, 0);
    s.until(9_000);
    assert_eq!((s.wanted, s.looks - looks), (1, 1), "and it is not looked at meanwhile");
    s.screen("composer").pass(2_000).is("idle");
}

#[test]
fn a_pane_that_is_written_in_all_the_time_is_asked_for() {
    let mut s = Stage::new(READS);
    s.paint("composer").until(5_000).is("idle");
    for _ in 0..300 {
        s.write().pass(100);
    }
    assert_eq!(s.wanted, 6);
}

#[test]
fn a_hook_is_named_by_all_of_its_name() {
    let mut s = Stage::new(READS);
    s.hook("session.error", "error").is("error");
    assert!(s.because().starts_with("its hook session.error says error"), "{}", s.because());
}

#[test]
fn a_viewer_holds_the_state_and_a_hook_goes_on_behind_it() {
    let mut s = Stage::new(READS);
    s.animate("spinner", 2_000).paint("viewer").until(60_000).is("busy/thinking");
    s.hook("PermissionRequest", "waiting/permission").is("waiting/permission");
    s.hook("PreToolUse", "busy/tool").is("busy/tool");
    s.paint("composer").until(70_000).is("idle");
}

#[test]
fn a_hook_is_believed_at_once_and_outranks_the_composer() {
    let mut s = Stage::new(Nature { reads_screen: true, busy_is_drawn: false });
    s.paint("composer").until(3_000).is("idle");
    s.hook("UserPromptSubmit", "busy/thinking").is("busy/thinking");
    s.until(600_000).is("busy/thinking");
    s.hook("Stop", "idle").is("idle");
    assert_eq!(s.because(), "its hook Stop says that its turn is over `Bash`");
}

#[test]
fn a_stop_that_never_came_is_repaired_from_the_screen() {
    let mut s = Stage::new(READS);
    s.hook("UserPromptSubmit", "busy/thinking").animate("spinner", 5_000);
    // Escape: the composer stands alone, and no hook tells.
    s.paint("composer").pass(2_000).is("busy/thinking");
    s.pass(5_000).is("idle");
    assert!(s.because().starts_with("its hook UserPromptSubmit said busy (thinking)"), "{}", s.because());
    s.until(200_000).is("idle");
    s.hook("UserPromptSubmit", "busy/thinking").is("busy/thinking");
    // A tool that says nothing for an hour is no rest while its spinner stands.
    s.animate("spinner", 210_000).until(3_600_000).is("busy/thinking");
}

#[test]
fn a_tool_that_runs_speaks_for_the_hook_that_told_of_it() {
    let mut s = Stage::new(READS);
    s.hook("PreToolUse", "busy/tool");
    s.tell(Event::Front(Front { tool: Some(at(s.ms).mono), ..Front::default() }));
    s.paint("composer").until(60_000).is("busy/tool");
    s.tell(Event::Front(Front::default()));
    s.until(63_000).is("idle");
}

#[test]
fn a_parallel_tool_does_not_hide_a_question() {
    let mut s = Stage::new(READS);
    s.animate("spinner", 2_000).hook("PermissionRequest", "waiting/permission").is("waiting/permission");
    // The spinner was seen before the question; a capture of the same moment proves nothing either.
    s.pass(200).capture("spinner", false).is("waiting/permission");
    s.paint("menu").hook("PreToolUse", "busy/tool").is("waiting/permission");
    s.pass(30_000).is("waiting/permission");
    s.moves("spinner", 3_000).is("busy/thinking");
}

#[test]
fn a_hook_that_waits_gives_way_to_a_spinner_seen_afterwards() {
    let mut s = Stage::new(READS);
    s.hook("PermissionRequest", "waiting/permission").is("waiting/permission");
    s.until(4_000).animate("spinner", 6_000).is("busy/thinking");
}

#[test]
fn what_works_on_after_a_stop_works_in_the_background() {
    let mut s = Stage::new(READS);
    s.hook("UserPromptSubmit", "busy/thinking").animate("spinner", 5_000);
    s.hook("Stop", "idle").is("busy/thinking");
    s.animate("spinner", 9_000).is("busy/background");
    s.paint("composer").pass(2_000).is("idle");
    s.until(60_000).animate("spinner", 65_000).is("busy/thinking");
}

#[test]
fn a_limit_ends_at_its_time_though_a_viewer_covers_the_screen() {
    let mut s = Stage::new(READS);
    s.animate("spinner", 2_000).transcript("limited", Some(100_000)).paint("composer").is("limited");
    s.paint("viewer").until(99_000).is("limited").until(104_000).is("idle");
    assert_eq!(s.because(), "its usage limit is over, and something covers its screen");
    let mut seen = Stage::new(READS);
    seen.animate("spinner", 2_000).paint("limit").is("limited").paint("viewer");
    let six_hours = u64::try_from(crate::limits::LIMIT_HOLD.as_millis()).unwrap();
    seen.until(six_hours).is("limited").pass(5_000).is("idle");
}

#[test]
fn a_limit_holds_until_its_time_or_until_work_is_seen() {
    let mut s = Stage::new(READS);
    s.animate("spinner", 2_000).transcript("limited", Some(100_000));
    s.paint("composer").is("limited").until(99_000).is("limited");
    s.until(103_000).is("idle");
    let mut worked = Stage::new(READS);
    worked.paint("limit").is("limited").until(50_000).paint("composer").until(60_000).is("limited");
    worked.animate("spinner", 65_000).is("busy/thinking");
    worked.paint("composer").until(70_000).is("idle");
}

#[test]
fn an_old_transcript_says_nothing_after_work_was_seen() {
    let mut s = Stage::new(READS);
    s.transcript("error", None).until(3_000).is("error");
    s.until(10_000).animate("spinner", 14_000).is("busy/thinking");
    s.paint("composer").pass(2_000).is("idle");
}

#[test]
fn a_title_that_only_turns_leaves_what_the_cli_says_it_works_at() {
    let turns = || Event::Title(vec![claim(Source::Title, Rank::Spinner, "busy", "⠋")]);
    let mut hooked = Stage::new(READS);
    hooked.hook("pre_tool_use", "busy/tool").is("busy/tool");
    hooked.write().tell(turns());
    hooked.is("busy/tool");
    assert_eq!(hooked.story(), ["busy/tool"]);
    let mut heard = Stage::new(READS);
    heard.transcript("busy/tool", None).write().tell(turns());
    heard.is("busy/tool");
    // Of an end that was told nothing is taken over.
    let mut over = Stage::new(READS);
    over.hook("stop", "idle").until(8_000).write().tell(turns());
    over.is("busy");
}

#[test]
fn a_title_that_stopped_turning_is_no_work() {
    let mut s = Stage::new(READS);
    s.screen("composer").write().pass(300).titled("composer", "⠋ working");
    s.is("busy/thinking").pass(3_000).is("busy/thinking");
    s.pass(4_000).is("idle");
}

#[test]
fn a_stopped_process_waits_for_a_person() {
    let mut s = Stage::new(READS);
    s.animate("spinner", 3_000);
    s.tell(Event::Front(Front { stopped: true, shows: Shows::Other, tool: None }));
    s.is("waiting/stopped");
    s.tell(Event::Front(Front { stopped: false, shows: Shows::Other, tool: None }));
    s.pass(6_000).is("unknown");
    s.tell(Event::Front(Front::default()));
    s.paint("composer").pass(2_000).is("idle");
}

#[test]
fn words_about_a_process_that_was_replaced_are_dropped() {
    let mut s = Stage::new(READS);
    s.until(60_000).paint("menu").is("waiting/permission");
    s.tell(Event::Died { process: proc(5), facts: ExitFacts::UNKNOWN });
    s.until(61_000).tell(Event::Attached { process: proc(6), age: Duration::ZERO });
    s.is("starting");
    let old = at(60_500).mono;
    s.tell(Event::Screen { reading: Box::new(shows("menu")), calm: true, at: old });
    let says = HookSays::State(AgentState::Waiting, Some(Detail::Permission));
    s.tell(Event::Hook { says, rule: "hook.late".into(), words: Untrusted::default(), at: old });
    s.is("starting");
    assert!(s.agent.evidence().is_empty());
}

#[test]
fn how_it_ended_is_not_forgotten_when_tmux_does_not_know() {
    let mut agent = Agent::new(at(0), true, Duration::from_secs(120));
    let crashed = Verdict::new(AgentState::Crashed, Some(Detail::Login));
    agent.restore(History::default(), Some((crashed, at(0).wall)));
    let effects = agent.step(Event::PaneDead { facts: ExitFacts::UNKNOWN }, at(1_000));
    assert_eq!((agent.verdict(), effects), (crashed, vec![Effect::Died(ExitFacts::UNKNOWN)]));
    let facts = ExitFacts { status: Some(2), signal: None };
    agent.step(Event::PaneDead { facts }, at(2_000));
    assert_eq!(agent.verdict(), Verdict::new(AgentState::Crashed, Some(Detail::Status)));
}

#[test]
fn a_screen_that_is_to_be_read_again_is_asked_for_until_it_comes() {
    let mut s = Stage::new(READS);
    s.paint("composer").until(60_000).is("idle");
    assert_eq!(s.wanted, 0);
    s.agent.read_again(at(s.ms).mono);
    s.until(90_000);
    assert!((4..=7).contains(&s.wanted), "{}", s.wanted);
    s.screen("menu").is("waiting/permission");
    let before = s.wanted;
    s.until(200_000);
    assert_eq!(s.wanted, before);
}

#[test]
fn a_restored_state_holds_until_something_is_seen() {
    let mut s = Stage::new(READS);
    s.paint("menu");
    let history = s.agent.history().clone();
    let last = history.last().map(|c| (c.to, c.at));
    let mut again = Agent::new(at(90_000), false, Duration::from_secs(120));
    again.restore(history, last);
    again.set_nature(READS);
    let mut next = Stage { agent: again, ms: 90_000, changes: Vec::new(), wanted: 0, looks: 0 };
    next.tell(Event::Attached { process: proc(5), age: OLD });
    next.until(91_500).is("waiting/permission");
    next.screen("menu").until(99_000).is("waiting/permission");
    assert!(next.changes.is_empty(), "{:?}", next.changes);
}

#[test]
fn who_agrees_makes_it_surer_and_who_contradicts_less() {
    let mut s = Stage::new(READS);
    s.animate("spinner", 2_000);
    let alone = s.agent.confidence(at(s.ms).mono);
    s.hook("PreToolUse", "busy/tool");
    let agreed = s.agent.confidence(at(s.ms).mono);
    s.hook("Stop", "idle");
    let contradicted = s.agent.confidence(at(s.ms).mono);
    assert!(contradicted < alone && alone < agreed && agreed < 1.0, "{contradicted} {alone} {agreed}");
}

#[test]
fn a_repaint_after_a_resize_is_no_work() {
    let mut s = Stage::new(READS);
    s.until(300).wide("menu", 100).is("waiting/permission");
    for _ in 0..3 {
        s.write().pass(300).wide("nothing", 14).is("waiting/permission");
    }
    s.write().is("waiting/permission");
    s.pass(300).wide("menu", 100).is("waiting/permission");
    assert_eq!(s.story(), ["waiting/permission"]);
    // What stays unreadable is unknown, and no repaint makes it busy.
    s.write().pass(300).wide("nothing", 14).pass(30_000).is("unknown").write().pass(300).is("unknown");
    s.wide("nothing", 12).pass(3_000).is("unknown");
    // Once it was read, what is written counts as before.
    s.wide("composer", 80).pass(3_000).is("idle").write().pass(300).wide("nothing", 80).is("busy/output");
}
