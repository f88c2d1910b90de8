//! Words that are outlived: by the screen, by a limit's end, by the process that they were about.

use super::*;
use crate::fleet::screen::Reading;
use crate::fleet::transcript::Heard;
use crate::untrusted::Untrusted;

/// An agent whose screen is read and draws all its work.
fn readable() -> Agent {
    let mut agent = agent(OLD);
    agent.set_nature(Nature { reads_screen: true, busy_is_drawn: true });
    agent
}

fn claim(source: Source, rank: Rank, state: AgentState) -> Claim {
    Claim {
        source,
        rank,
        rule: "test".into(),
        says: Verdict::new(state, None),
        excerpt: Untrusted::default(),
    }
}

/// Its transcript says that, in a line of that moment.
fn written(state: AgentState, ms: u64, resets: Option<u64>) -> Event {
    let usage = Usage { limit_resets_at: resets.map(|ms| at(ms).wall), ..Usage::default() };
    let claim = Some(claim(Source::Transcript, Rank::Transcript, state));
    Event::Transcript(Box::new(Heard { claim, at: Some(at(ms).wall), usage, version: None }))
}

/// An empty composer, with these claims of the title.
fn composer(ms: u64, title: &[Claim]) -> Event {
    let claims = [&[claim(Source::Screen, Rank::Composer, AgentState::Idle)], title].concat();
    let reading = Box::new(Reading { claims, live: true, ..Reading::default() });
    Event::Screen { reading, calm: true, at: at(ms).mono }
}

#[test]
fn a_word_of_the_transcript_that_is_outlived_does_not_come_back_with_a_keystroke() {
    let mut a = readable();
    a.step(written(AgentState::Busy, 1_000, None), at(1_000));
    a.step(composer(1_300, &[]), at(1_302));
    assert_eq!(word(&a), "busy");
    pass(&mut a, 1_300, 9_000);
    assert_eq!(word(&a), "idle", "time alone tells");
    a.step(Event::Activity { at: at(9_000).mono }, at(9_000));
    a.step(written(AgentState::Busy, 1_001, None), at(9_100));
    assert_eq!(word(&a), "idle", "only its tokens changed");
    a.step(written(AgentState::Busy, 20_000, None), at(20_000));
    assert_eq!(word(&a), "busy");
}

#[test]
fn a_transcript_does_not_take_the_place_of_a_hook_that_is_outlived() {
    let mut a = readable();
    a.step(written(AgentState::Busy, 1_000, None), at(1_000));
    let says = HookSays::State(AgentState::Busy, None);
    a.step(
        Event::Hook { says, rule: "hook".into(), words: Untrusted::default(), at: at(1_100).mono },
        at(1_100),
    );
    a.step(composer(1_300, &[]), at(1_302));
    pass(&mut a, 1_300, 9_000);
    assert_eq!(word(&a), "idle");
    a.step(Event::Activity { at: at(9_000).mono }, at(9_000));
    assert_eq!(word(&a), "idle");
}

#[test]
fn a_limit_that_is_met_after_another_ended_is_believed() {
    let mut a = readable();
    a.step(written(AgentState::Limited, 1_000, Some(5_000)), at(1_000));
    a.step(composer(1_300, &[]), at(1_302));
    assert_eq!(word(&a), "limited");
    pass(&mut a, 1_300, 10_000);
    assert_eq!(word(&a), "idle");
    a.step(written(AgentState::Limited, 12_000, None), at(12_000));
    pass(&mut a, 12_000, 15_000);
    assert_eq!(word(&a), "limited");
}

#[test]
fn a_title_that_nobody_takes_back_ends_no_limit() {
    let mut a = readable();
    let title = [claim(Source::Title, Rank::Spinner, AgentState::Busy)];
    a.step(Event::Title(title.to_vec()), at(0));
    a.step(written(AgentState::Limited, 2_000, Some(90_000)), at(2_000));
    a.step(composer(6_000, &title), at(6_002));
    pass(&mut a, 6_000, 9_000);
    assert_eq!(word(&a), "limited");
}

#[test]
fn what_the_process_before_left_says_nothing_about_the_next() {
    let mut a = readable();
    let title = [claim(Source::Title, Rank::Spinner, AgentState::Busy)];
    a.step(composer(1_000, &title), at(1_002));
    a.step(Event::Died { process: proc(5), facts: signal(9) }, at(10_000));
    a.step(Event::Attached { process: proc(6), age: Duration::ZERO }, at(20_000));
    a.step(written(AgentState::Limited, 9_000, Some(90_000)), at(20_100));
    a.step(Event::Activity { at: at(21_000).mono }, at(21_000));
    a.step(composer(21_000, &title), at(21_002));
    assert_eq!(word(&a), "starting");
    pass(&mut a, 21_000, 30_000);
    assert_eq!(word(&a), "idle");
    let other = Claim { excerpt: "another frame".into(), ..title[0].clone() };
    a.step(Event::Activity { at: at(30_000).mono }, at(30_000));
    a.step(composer(30_000, &[other]), at(30_002));
    a.step(Event::Activity { at: at(30_100).mono }, at(30_100));
    a.step(composer(30_100, &title), at(30_102));
    assert_eq!(word(&a), "busy", "it is the new one's own by now");
}
