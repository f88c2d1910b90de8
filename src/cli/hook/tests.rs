//! Command lines, and what the shipped tables say about calls as the CLIs make them.

use tsup_core::clock::Wall;
use tsup_core::fleet::hook::{Caller, HookSays};
use tsup_core::fleet::state::AgentState::{self, Busy, Error, Fresh, Idle, Limited, Waiting};
use tsup_core::fleet::state::Detail::{self, Compacting, Login, Permission, Plan, Question, Thinking, Tool};

use super::*;

fn words(line: &str) -> Vec<OsString> {
    line.split(' ').map(OsString::from).collect()
}

/// Name, event and home of a call that nobody types; `None` when it is another verb.
fn read(line: &str) -> Option<[Option<String>; 3]> {
    let (call, home) = called(&words(line), false)?;
    let text = |word: OsString| word.into_string().unwrap();
    Some([call.name, call.event.map(text), home.map(|home| text(home.into()))])
}

#[test]
fn a_call_is_told_from_other_verbs() {
    for other in [
        "tsup",
        "tsup run",
        "tsup hooks show",
        "tsup ctl explain hook",
        "tsup --home /h run hook",
        "tsup --home hook status",
        "tsup --home=hook status",
        "tsup --bogus run hook",
        "tsup help hook",
        "tsup frobnicate hook",
    ] {
        assert_eq!(read(other), None, "{other}");
    }
}

#[test]
fn what_a_call_means_is_told_in_words() {
    for (says, words) in [
        (HookSays::State(Idle, None), "idle"),
        (HookSays::State(Waiting, Some(Permission)), "waiting (permission)"),
        (HookSays::Nothing, "nothing about its state"),
        (HookSays::Ends, "that its session ends"),
    ] {
        assert_eq!(says.to_string(), words);
    }
}

#[test]
fn nothing_in_a_call_can_be_wrong() {
    for (line, name, event, home) in [
        ("tsup hook", None, None, None),
        ("tsup hook --home /h claude Stop more --what", Some("claude"), Some("Stop"), Some("/h")),
        ("tsup hook --home=/h", None, None, Some("/h")),
        ("tsup --home /h hook claude", Some("claude"), None, Some("/h")),
        ("tsup --bogus hook claude", Some("claude"), None, None),
        ("tsup --bogus value hook claude", Some("claude"), None, None),
        ("tsup --color nope hook claude", Some("claude"), None, None),
        ("tsup --color=nope --config=x hook claude", Some("claude"), None, None),
        ("tsup hook --color nope --config /c claude Stop", Some("claude"), Some("Stop"), None),
        ("tsup --home  hook claude", Some("claude"), None, None),
        ("tsup --home= hook claude", Some("claude"), None, None),
        ("tsup --home hook claude", Some("claude"), None, None),
        ("tsup hook --bogus claude", Some("claude"), None, None),
        ("tsup hook claude --home", Some("claude"), None, None),
    ] {
        let want = [name, event, home].map(|word: Option<&str>| word.map(str::to_owned));
        assert_eq!(read(line), Some(want), "{line}");
    }
}

#[test]
fn only_a_person_gets_help() {
    for line in ["tsup hook --help", "tsup hook claude -h", "tsup --help hook claude", "tsup hook -V"] {
        assert!(called(&words(line), true).is_none(), "{line}");
        assert!(called(&words(line), false).is_some(), "{line}");
    }
    assert!(called(&words("tsup --bogus hook claude"), true).is_some());
}

/// Set for the process of the test below.
const WAITS: &str = "TSUP_TEST_HOOK_WAITS";

#[test]
fn a_report_that_waits_for_ever_ends_in_success_all_the_same() {
    if std::env::var_os(WAITS).is_some() {
        // Only the guard ends this.
        guarded(guard(Instant::now()), || {
            loop {
                std::thread::park();
            }
        });
        unreachable!("the report does not end");
    }
    let name = "cli::hook::tests::a_report_that_waits_for_ever_ends_in_success_all_the_same";
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(WAITS, "1")
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let patience = Instant::now() + std::time::Duration::from_secs(30);
    let ended = loop {
        match child.try_wait().unwrap() {
            None if Instant::now() < patience => std::thread::yield_now(),
            ended => break ended,
        }
    };
    if ended.is_none() {
        child.kill().unwrap();
    }
    let out = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&out.stdout);
    assert_eq!(ended.and_then(|status| status.code()), Some(0), "{said}");
    assert!(said.contains("running 1 test") && !said.contains("test result"), "it was broken off: {said}");
}

#[test]
fn without_a_guard_nothing_is_begun() {
    let mut begun = false;
    guarded(Err::<(), _>(std::io::Error::from(std::io::ErrorKind::WouldBlock)), || begun = true);
    assert!(!begun);
    guarded(Ok(()), || begun = true);
    assert!(begun);
}

/// The shipped table of a CLI.
fn table(cli: &str) -> Option<Table> {
    super::table(cli, None, Instant::now())
}

/// What a call means by the shipped table.
fn says(cli: &str, named: Option<&str>, json: &str) -> HookSays {
    let table = table(cli).unwrap_or_else(|| panic!("{cli} has no table"));
    let call = Call { cli, named, payload: json.as_bytes() };
    condense(table.hooks.as_ref().unwrap(), &call, Caller::default(), Wall::from_unix_ms(0), 1).unwrap().says
}

/// What calls mean that end so, put into a CLI's JSON where `@` stands.
#[track_caller]
fn mean(cli: &str, json: &str, cases: &[(&str, HookSays)]) {
    for (rest, meaning) in cases {
        let json = json.replace('@', rest);
        assert_eq!(says(cli, None, &json), *meaning, "{cli} {json}");
    }
}

const fn state(state: AgentState, detail: Option<Detail>) -> HookSays {
    HookSays::State(state, detail)
}

const WORKS: HookSays = state(Busy, Some(Thinking));
const TOOL: HookSays = state(Busy, Some(Tool));
const PACKS: HookSays = state(Busy, Some(Compacting));
const ASKS: HookSays = state(Waiting, Some(Permission));
const QUESTION: HookSays = state(Waiting, Some(Question));
const PLAN: HookSays = state(Waiting, Some(Plan));
const LOGIN: HookSays = state(Waiting, Some(Login));
const IDLE: HookSays = state(Idle, None);
const FRESH: HookSays = state(Fresh, None);
const ERROR: HookSays = state(Error, None);
const LIMIT: HookSays = state(Limited, None);
const ENDS: HookSays = HookSays::Ends;
const NOTHING: HookSays = HookSays::Nothing;

/// CLIs that call as Claude Code does.
const LIKE_CLAUDE: [&str; 6] = ["claude", "codex", "qwen", "droid", "goose", "auggie"];

#[test]
fn claude_and_its_like() {
    let cases = [
        (r#""SessionStart","source":"startup""#, FRESH),
        (r#""SessionStart","source":"clear""#, FRESH),
        (r#""SessionStart","source":"resume""#, IDLE),
        (r#""SessionStart","source":"compact""#, NOTHING),
        (r#""UserPromptSubmit","prompt":"Stop""#, WORKS),
        (r#""PreToolUse","tool_name":"Bash","tool_input":{"command":"x"}"#, TOOL),
        (r#""PreToolUse","tool_name":"AskUserQuestion","tool_input":{}"#, QUESTION),
        (r#""PreToolUse","tool_name":"ExitPlanMode","tool_input":{}"#, PLAN),
        (r#""PostToolUse","tool_name":"AskUserQuestion","tool_response":[]"#, WORKS),
        (r#""PostToolUseFailure","tool_name":"Bash","error":"exit 1""#, WORKS),
        (r#""PermissionRequest","tool_name":"Bash""#, ASKS),
        (r#""PermissionRequest","tool_name":"ExitPlanMode""#, PLAN),
        (r#""PermissionRequest","tool_name":"AskUserQuestion""#, QUESTION),
        (r#""PreCompact","trigger":"auto""#, PACKS),
        (r#""PostCompact","trigger":"auto""#, WORKS),
        (r#""PostCompact","trigger":"manual""#, IDLE),
        (r#""Stop","stop_hook_active":false"#, IDLE),
        (r#""StopFailure","error":"rate_limit""#, LIMIT),
        (r#""StopFailure","error_type":"rate_limit","error":"429""#, LIMIT),
        (r#""StopFailure","error":"authentication_failed""#, LOGIN),
        (r#""StopFailure","error":"server_error""#, ERROR),
        (r#""SessionEnd","reason":"prompt_input_exit""#, ENDS),
        (r#""SessionEnd","reason":"clear""#, NOTHING),
        (r#""SubagentStart","agent_id":"a1""#, NOTHING),
        (r#""SubagentStop","agent_id":"a1""#, NOTHING),
        (r#""PreToolUse","tool_name":"Bash","agent_id":"a1","agent_type":"Explore""#, NOTHING),
        (r#""Stop","agent_type":"reviewer""#, IDLE),
        (r#""TeammateIdle""#, NOTHING),
    ];
    for cli in LIKE_CLAUDE {
        mean(cli, r#"{"session_id":"s","transcript_path":"/t","hook_event_name":@}"#, &cases);
    }
    for (rest, meaning) in [
        (
            r#""notification_type":"permission_prompt","message":"Claude needs your permission to use Bash""#,
            ASKS,
        ),
        (
            r#""notification_type":"permission_prompt","message":"Claude Code needs your approval for the plan""#,
            PLAN,
        ),
        (r#""notification_type":"elicitation_dialog""#, QUESTION),
        (r#""notification_type":"idle_prompt","message":"Claude is waiting for your input""#, IDLE),
        (r#""notification_type":"auth_success""#, NOTHING),
        (r#""message":"Claude needs your permission to use Bash""#, ASKS),
        (r#""message":"Claude is waiting for your input""#, IDLE),
        (r#""message":"hello""#, NOTHING),
    ] {
        let json = format!(r#"{{"hook_event_name":"Notification",{rest}}}"#);
        assert_eq!(says("claude", None, &json), meaning, "{json}");
    }
}

#[test]
fn codex_goose_and_kimi_have_words_of_their_own() {
    let turn = r#"{"type":"agent-turn-complete","thread-id":"t","turn-id":"1","input-messages":["x"],"last-assistant-message":"y"}"#;
    assert_eq!(says("codex", None, turn), IDLE);
    assert_eq!(says("codex", None, r#"{"hook_event_name":"Interrupt"}"#), IDLE);
    assert_eq!(says("goose", None, r#"{"event":"PreToolUse","tool_name":"developer__shell"}"#), TOOL);
    assert_eq!(says("goose", None, r#"{"event":"Stop","session_id":"s"}"#), IDLE);
    for (event, meaning) in [
        ("SessionStart", FRESH),
        ("UserPromptSubmit", WORKS),
        ("TurnStarted", WORKS),
        ("PreToolUse", TOOL),
        ("PermissionRequest", ASKS),
        ("PermissionResult", WORKS),
        ("PostToolUse", WORKS),
        ("Interrupt", IDLE),
        ("Stop", IDLE),
        ("StopFailure", ERROR),
        ("SessionEnd", ENDS),
        ("SessionHeartbeat", NOTHING),
        ("Notification", NOTHING),
    ] {
        let json =
            format!(r#"{{"hook_event_name":"{event}","session_id":"s","message":"waiting for your input"}}"#);
        assert_eq!(says("kimi", None, &json), meaning, "{event}");
    }
}

#[test]
fn gemini_and_cursor() {
    let gemini = [
        (r#""SessionStart","source":"startup""#, FRESH),
        (r#""SessionStart","source":"resume""#, IDLE),
        (r#""BeforeAgent","prompt":"x""#, WORKS),
        (r#""BeforeTool","tool_name":"run_shell_command""#, TOOL),
        (r#""BeforeTool","tool_name":"ask_user""#, QUESTION),
        (r#""AfterTool","tool_name":"run_shell_command""#, WORKS),
        (r#""Notification","notification_type":"ToolPermission","message":"x""#, ASKS),
        (r#""Notification","notification_type":"Other""#, NOTHING),
        (r#""AfterAgent","prompt":"x""#, IDLE),
        (r#""PreCompress","trigger":"auto""#, NOTHING),
        (r#""PreCompress","trigger":"manual""#, PACKS),
        (r#""SessionEnd","reason":"exit""#, ENDS),
        (r#""SessionEnd","reason":"clear""#, NOTHING),
    ];
    mean("gemini", r#"{"session_id":"s","hook_event_name":@}"#, &gemini);
    let cursor = [
        (r#""sessionStart""#, FRESH),
        (r#""beforeSubmitPrompt","prompt":"x""#, WORKS),
        (r#""preToolUse","tool_name":"Shell""#, TOOL),
        (r#""postToolUse","tool_name":"Shell""#, WORKS),
        (r#""postToolUseFailure","tool_name":"Shell""#, WORKS),
        (r#""preCompact""#, PACKS),
        (r#""subagentStop","status":"completed""#, NOTHING),
        (r#""stop","status":"completed""#, IDLE),
        (r#""stop","status":"aborted""#, IDLE),
        (r#""stop","status":"error""#, ERROR),
        (r#""sessionEnd","reason":"completed""#, ENDS),
    ];
    mean("cursor", r#"{"conversation_id":"c","hook_event_name":@}"#, &cursor);
}

#[test]
fn copilot_and_kiro_are_told_the_event_beside_their_json() {
    for (event, rest, meaning) in [
        ("sessionStart", r#""source":"new""#, FRESH),
        ("sessionStart", r#""source":"resume""#, IDLE),
        ("userPromptSubmitted", r#""prompt":"x""#, WORKS),
        ("preToolUse", r#""toolName":"bash""#, TOOL),
        ("preToolUse", r#""toolName":"ask_user""#, QUESTION),
        ("postToolUse", r#""toolName":"bash""#, WORKS),
        ("notification", r#""notification_type":"permission_prompt""#, ASKS),
        ("notification", r#""notificationType":"elicitation_dialog""#, QUESTION),
        ("notification", r#""notification_type":"shell_completed""#, NOTHING),
        ("agentStop", r#""stopReason":"end_turn""#, IDLE),
        ("errorOccurred", r#""recoverable":false"#, ERROR),
        ("errorOccurred", r#""recoverable":true"#, NOTHING),
        ("subagentStop", r#""x":1"#, NOTHING),
        ("sessionEnd", r#""reason":"complete""#, ENDS),
    ] {
        let json = format!(r#"{{"sessionId":"s","timestamp":1,{rest}}}"#);
        assert_eq!(says("copilot", Some(event), &json), meaning, "{event} {json}");
    }
    let kiro = [("agentSpawn", FRESH), ("userPromptSubmit", WORKS), ("preToolUse", TOOL), ("stop", IDLE)];
    mean("kiro", r#"{"hook_event_name":"@"}"#, &kiro);
}

#[test]
fn plugins_of_ours() {
    for (cli, rest, meaning) in [
        ("opencode", r#""session.created""#, FRESH),
        ("opencode", r#""session.status","status":"busy""#, WORKS),
        ("opencode", r#""session.status","status":"retry""#, WORKS),
        ("opencode", r#""session.idle""#, IDLE),
        ("opencode", r#""tool.execute.before","tool_name":"bash""#, TOOL),
        ("opencode", r#""tool.execute.after","tool_name":"bash""#, WORKS),
        ("opencode", r#""permission.asked""#, ASKS),
        ("opencode", r#""permission.replied""#, WORKS),
        ("opencode", r#""question.asked""#, QUESTION),
        ("opencode", r#""session.error","error":"MessageAbortedError""#, IDLE),
        ("opencode", r#""session.error","error":"APIError""#, ERROR),
        ("opencode", r#""file.edited""#, NOTHING),
        ("pi", r#""session_start","reason":"startup""#, FRESH),
        ("pi", r#""session_start","reason":"resume""#, IDLE),
        ("pi", r#""agent_start""#, WORKS),
        ("pi", r#""tool_execution_start","tool_name":"bash""#, TOOL),
        ("pi", r#""tool_execution_end","tool_name":"bash""#, WORKS),
        ("pi", r#""session_before_compact""#, PACKS),
        ("pi", r#""agent_end""#, IDLE),
        ("pi", r#""session_shutdown","reason":"quit""#, ENDS),
        ("pi", r#""session_shutdown","reason":"reload""#, NOTHING),
        ("amp", r#""agent.start""#, WORKS),
        ("amp", r#""agent.end","status":"done""#, IDLE),
        ("amp", r#""agent.end","status":"error""#, ERROR),
    ] {
        assert_eq!(says(cli, None, &format!(r#"{{"event":{rest}}}"#)), meaning, "{cli} {rest}");
    }
}

#[test]
fn the_session_and_the_transcript_are_found_in_each_dialect() {
    for (cli, named, json) in [
        ("claude", None, r#"{"session_id":"s","transcript_path":"/t","hook_event_name":"Stop"}"#),
        ("copilot", Some("agentStop"), r#"{"sessionId":"s","transcriptPath":"/t"}"#),
        ("cursor", None, r#"{"conversation_id":"s","transcript_path":"/t","hook_event_name":"stop"}"#),
    ] {
        let table = table(cli).unwrap();
        let call = Call { cli, named, payload: json.as_bytes() };
        let report =
            condense(table.hooks.as_ref().unwrap(), &call, Caller::default(), Wall::from_unix_ms(0), 1)
                .unwrap();
        assert_eq!((report.session, report.transcript), (Some("s".into()), Some("/t".into())), "{cli}");
    }
    assert!(table("nobody").is_none() && table("../claude").is_none() && table("aider").is_none());
}
