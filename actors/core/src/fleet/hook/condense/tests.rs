//! What the tables say about calls as the CLIs make them.

use proptest::prelude::*;

use super::*;
use crate::fleet::hook::rules::Hooks;
use crate::fleet::state::{AgentState, Detail};

fn table() -> Hooks {
    toml::from_str(
        r#"on = [
            { event = "Ask", when = { tool_name = "Q", kind = ["a", "b*"] }, state = "waiting", detail = "question" },
            { event = "Ask", state = "busy", detail = "tool" },
            { event = "Bye", state = "ends" },
        ]"#,
    )
    .unwrap()
}

fn made(json: &str) -> Option<HookReport> {
    let call = Call { cli: "claude", named: None, payload: json.as_bytes() };
    condense(&table(), &call, Caller::default(), Wall::from_unix_ms(1), 2)
}

fn says(json: &str) -> HookSays {
    made(json).unwrap().says
}

#[test]
fn the_first_rule_that_fits_counts() {
    let question = HookSays::State(AgentState::Waiting, Some(Detail::Question));
    let tool = HookSays::State(AgentState::Busy, Some(Detail::Tool));
    assert_eq!(says(r#"{"hook_event_name":"Ask","tool_name":"Q","kind":"a"}"#), question);
    assert_eq!(says(r#"{"hook_event_name":"Ask","tool_name":"Q","kind":"bcd"}"#), question);
    assert_eq!(says(r#"{"hook_event_name":"Ask","tool_name":"Q","kind":"c"}"#), tool);
    assert_eq!(says(r#"{"hook_event_name":"Ask","tool_name":"Q"}"#), tool);
    assert_eq!(says(r#"{"hook_event_name":"Ask","tool_name":7}"#), tool);
    assert_eq!(says(r#"{"hook_event_name":"Bye"}"#), HookSays::Ends);
    assert_eq!(says(r#"{"hook_event_name":"Else"}"#), HookSays::Nothing);
}

#[test]
fn a_subagents_event_says_nothing() {
    assert_eq!(says(r#"{"hook_event_name":"Bye","agent_id":"a1"}"#), HookSays::Nothing);
    assert_eq!(says(r#"{"hook_event_name":"Bye","agent_id":null}"#), HookSays::Ends);
    assert_eq!(says(r#"{"hook_event_name":"Bye","agent_id":""}"#), HookSays::Ends);
}

#[test]
fn an_event_is_named_by_the_json_or_by_the_call() {
    let named = |payload: &str| {
        let call = Call { cli: "x", named: Some("Bye"), payload: payload.as_bytes() };
        condense(&table(), &call, Caller::default(), Wall::from_unix_ms(1), 2).unwrap()
    };
    assert_eq!(named("").says, HookSays::Ends);
    assert_eq!(named(r#"{"hook_event_name":"Else"}"#).event.raw(), "Else");
    for nameless in ["", "{}", "[1]", r#"{"hook_event_name":5e}"#, r#"{"hook_event_name":[]}"#, "\u{0}"] {
        assert!(made(nameless).is_none(), "{nameless}");
    }
}

#[test]
fn texts_are_taken_along_and_bounded() {
    let report = made(
        r#"{"session_id":"s1","transcript_path":"/t/a.jsonl","hook_event_name":"Ask","tool_name":"Bash","message":"hello","tool_input":{"command":"secret"}}"#,
    )
    .unwrap();
    assert_eq!(report.session, Some("s1".into()));
    assert_eq!(report.transcript, Some("/t/a.jsonl".into()));
    assert_eq!(report.words.raw(), "Bash: hello", "what a tool is given stays with its CLI");
    assert_eq!((report.cli.as_str(), report.order), ("claude", 2));
    let long =
        format!(r#"{{"hook_event_name":"{0}","message":"{0}","session_id":"{0}"}}"#, "é".repeat(20_000));
    let report = made(&long).unwrap();
    assert!(report.event.raw().len() <= limits::HOOK_EVENT_BYTES);
    assert!(report.words.raw().len() <= limits::EXCERPT_BYTES);
    assert!(report.session.unwrap().raw().len() <= limits::HOOK_SESSION_BYTES);
}

#[test]
fn what_stands_behind_the_limit_is_not_looked_at() {
    let big = "x".repeat(2 * limits::HOOK_INPUT_BYTES_MAX);
    let report = made(&format!(r#"{{"hook_event_name":"Bye","output":"{big}","agent_id":"late"}}"#)).unwrap();
    assert_eq!(report.says, HookSays::Ends);
    assert!(made(&format!(r#"{{"output":"{big}","hook_event_name":"Bye"}}"#)).is_none());
}

#[test]
fn a_rule_is_named_after_its_event() {
    let rule = |event: &str| {
        let json = serde_json::json!({ "hook_event_name": event });
        made(&json.to_string()).unwrap().rule().to_string()
    };
    assert_eq!(rule("PreToolUse"), "hook.pre_tool_use");
    assert_eq!(rule("stop"), "hook.stop");
    assert_eq!(rule("beforeMCPExecution"), "hook.before_mcpexecution");
    assert_eq!(rule("session.idle"), "hook.session.idle");
    assert_eq!(rule("agent-turn-complete"), "hook.agent_turn_complete");
    assert_eq!(rule("a\u{1b}[31m|b"), "hook.a__31m_b");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    /// Any bytes, and JSON that was cut or had bytes changed: a bounded report or none, never a panic.
    #[test]
    fn hostile_payloads_never_panic(
        junk in prop::collection::vec(any::<u8>(), 0..200),
        cut in 0usize..400,
        at in 0usize..400,
        byte in any::<u8>(),
    ) {
        let call = |payload: &[u8]| {
            let call = Call { cli: "claude", named: Some("Ask"), payload };
            let report = condense(&table(), &call, Caller::default(), Wall::from_unix_ms(1), 2).unwrap();
            assert!(report.event.raw().len() <= limits::HOOK_EVENT_BYTES);
            assert!(super::super::wire::encode(&report).is_ok());
        };
        call(&junk);
        let text = String::from_utf8_lossy(&junk);
        let json = format!(r#"{{"hook_event_name":"Ask","deep":{{"a":[1,{{"b":null}}]}},"message":{text:?},"tool_name":"Q","kind":"b"}}"#);
        let mut bytes = json.into_bytes();
        let at = at % bytes.len();
        bytes[at] = byte;
        call(&bytes);
        call(&bytes[..cut.min(bytes.len())]);
    }
}
