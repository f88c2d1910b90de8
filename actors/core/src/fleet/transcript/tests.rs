//! Whole sessions of both CLIs, in any pieces, and files that want to do harm.

use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::*;
use crate::limits::TRANSCRIPT_LINE_BYTES_MAX;

fn unknown(_: &str) -> Option<TimeZone> {
    None
}

fn zones() -> Zones<'static> {
    Zones { local: TimeZone::UTC, named: &unknown }
}

fn wall(text: &str) -> Wall {
    time(text).unwrap()
}

fn now() -> Wall {
    wall("2026-11-21T10:00:30Z")
}

fn read(format: Format, lines: &[&str]) -> Transcript {
    let mut transcript = Transcript::new(format, Since::default());
    transcript.feed((lines.join("\n") + "\n").as_bytes(), &zones());
    transcript
}

/// Rule, state and detail of what is said after these lines.
fn says(format: Format, lines: &[&str]) -> Option<(String, String)> {
    let heard = read(format, lines).heard(now());
    heard.claim.map(|c| (c.rule.to_string(), c.says.to_string()))
}

#[track_caller]
fn assert_says(format: Format, lines: &[&str], rule: &str, verdict: &str) {
    let said = says(format, lines);
    let said = said.as_ref().map(|(r, v)| (r.as_str(), v.as_str()));
    assert_eq!(said, Some((rule, verdict)), "{lines:#?}");
}

const PROMPT: &str = r#"{"type":"user","isSidechain":false,"timestamp":"2026-11-21T09:58:00.000Z","message":{"role":"user","content":"fix it"}}"#;
const TOOL: &str = r#"{"type":"assistant","isSidechain":false,"timestamp":"2026-11-21T09:58:05.000Z","message":{"id":"m1","model":"claude-sonnet-4-5","stop_reason":"tool_use","usage":{"input_tokens":10,"cache_creation_input_tokens":1000,"cache_read_input_tokens":40000,"output_tokens":200},"content":[{"type":"tool_use","id":"t1","name":"Bash","input":{"command":"ls"}}]}}"#;
const RESULT: &str = r#"{"type":"user","isSidechain":false,"timestamp":"2026-11-21T09:58:06.000Z","message":{"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":"You've hit your limit · resets 7pm (UTC)"}]}}"#;
const END: &str = r#"{"type":"assistant","isSidechain":false,"timestamp":"2026-11-21T09:58:09.000Z","message":{"id":"m2","model":"claude-sonnet-4-5","stop_reason":"end_turn","usage":{"input_tokens":20,"cache_creation_input_tokens":0,"cache_read_input_tokens":41000,"output_tokens":300},"content":[{"type":"text","text":"done"}]}}"#;
const LIMIT: &str = r#"{"type":"assistant","isSidechain":false,"timestamp":"2026-11-21T10:00:00.000Z","isApiErrorMessage":true,"apiErrorStatus":429,"error":"rate_limit","message":{"id":"m3","model":"<synthetic>","stop_reason":"stop_sequence","usage":{"input_tokens":0,"output_tokens":0},"content":[{"type":"text","text":"You've hit your session limit · resets 11:30am (UTC)"}]}}"#;

#[test]
fn claude_tells_a_turn_from_its_prompt_to_its_end() {
    let claude = Format::Claude;
    assert_says(claude, &[PROMPT], "transcript.claude.prompt", "busy (thinking)");
    assert_says(claude, &[PROMPT, TOOL], "transcript.claude.tool", "busy (tool)");
    assert_says(claude, &[PROMPT, TOOL, RESULT], "transcript.claude.tool_result", "busy (thinking)");
    assert_says(claude, &[PROMPT, TOOL, RESULT, END], "transcript.claude.turn_end", "idle");
    let heard = read(claude, &[PROMPT, TOOL, RESULT, END]).heard(now());
    let claim = heard.claim.unwrap();
    assert_eq!((claim.source, claim.rank), (Source::Transcript, Rank::Composer), "a turn's end is weak");
    assert_eq!(heard.at, Some(wall("2026-11-21T09:58:09Z")));
    let duration = r#"{"type":"system","subtype":"turn_duration","durationMs":1}"#;
    assert_says(claude, &[PROMPT, duration], "transcript.claude.turn_end", "idle");
    let stopped = r#"{"type":"user","message":{"content":[{"type":"text","text":"[Request interrupted by user for tool use]"}]}}"#;
    assert_says(claude, &[PROMPT, TOOL, stopped], "transcript.claude.interrupted", "idle");
    let ask = TOOL.replace("Bash", "AskUserQuestion");
    assert_says(claude, &[PROMPT, &ask], "transcript.claude.question", "waiting (question)");
    let plan = TOOL.replace("Bash", "ExitPlanMode");
    assert_says(claude, &[PROMPT, &plan], "transcript.claude.plan", "waiting (plan)");
    let retry = r#"{"type":"system","subtype":"api_error","retryAttempt":3}"#;
    assert_says(claude, &[PROMPT, retry], "transcript.claude.retry", "busy (thinking)");
}

#[test]
fn claude_counts_each_answer_once_and_knows_its_context() {
    let transcript = read(Format::Claude, &[PROMPT, TOOL, TOOL, RESULT, TOOL, END, LIMIT]);
    let usage = transcript.heard(now()).usage;
    assert_eq!(usage.input_tokens, Some(41_010 + 41_020));
    assert_eq!(usage.output_tokens, Some(500));
    assert_eq!((usage.context_tokens, usage.context_window), (Some(41_320), Some(200_000)));
    assert_eq!(usage.context_percent(), Some(20.7));
    let counts = transcript.counts();
    assert_eq!((counts.input_tokens, counts.output_tokens), (82_030, 500));
    let later = END.replace("sonnet-4-5", "opus-5-2");
    assert_eq!(
        read(Format::Claude, &[&later]).heard(now()).usage.context_window,
        None,
        "one name, two sizes"
    );
    let large = END.replace("41000", "410000");
    assert_eq!(read(Format::Claude, &[&large]).heard(now()).usage.context_window, Some(1_000_000));
    let compacted = r#"{"type":"system","subtype":"compact_boundary","compactMetadata":{"trigger":"auto","preTokens":155025,"postTokens":14428}}"#;
    let summary =
        r#"{"type":"user","isCompactSummary":true,"message":{"content":"This session is being continued"}}"#;
    let after = read(Format::Claude, &[PROMPT, TOOL, compacted, summary]).heard(now());
    assert_eq!((after.usage.context_tokens, after.claim), (Some(14_428), None));
}

#[test]
fn claude_tells_limits_and_errors_apart() {
    let transcript = read(Format::Claude, &[PROMPT, LIMIT]);
    let heard = transcript.heard(now());
    let claim = heard.claim.unwrap();
    assert_eq!((&*claim.rule, claim.rank), ("transcript.claude.rate_limit", Rank::Transcript));
    assert_eq!(claim.says, Verdict::new(AgentState::Limited, None));
    assert_eq!(claim.excerpt.raw(), "You've hit your session limit · resets 11:30am (UTC)");
    let end = wall("2026-11-21T11:30:00Z");
    assert_eq!(heard.usage.limit_resets_at, Some(end));
    // It holds until it ends, without another line.
    assert_eq!(transcript.due(now()), Some(end));
    let after = transcript.heard(end);
    assert_eq!((after.claim, after.usage.limit_resets_at), (None, None));
    assert_eq!(transcript.due(end), None);
    // It outlives the end of its turn; the next prompt is its end.
    let duration = r#"{"type":"system","subtype":"turn_duration","durationMs":1}"#;
    assert_says(Format::Claude, &[PROMPT, LIMIT, duration], "transcript.claude.rate_limit", "limited");
    assert_says(Format::Claude, &[LIMIT, duration, PROMPT, duration], "transcript.claude.turn_end", "idle");
    assert_says(Format::Claude, &[LIMIT, PROMPT], "transcript.claude.prompt", "busy (thinking)");

    let fault = |status: &str, kind: &str, text: &str| {
        format!(
            r#"{{"type":"assistant","isApiErrorMessage":true,"apiErrorStatus":{status},"error":"{kind}","timestamp":"2026-11-21T10:00:00Z","message":{{"content":[{{"type":"text","text":"{text}"}}]}}}}"#
        )
    };
    for (line, rule, state) in [
        (fault("401", "authentication_failed", "Please run /login"), "auth", "error"),
        (fault("null", "", "OAuth token has expired · Please run /login"), "auth", "error"),
        (fault("400", "billing_error", "Credit balance is too low"), "billing", "error"),
        (fault("529", "server_error", "API Error: 529 Overloaded"), "api_error", "error"),
        (fault("429", "unknown", "API Error: Rate limit reached"), "rate_limit", "limited"),
        (fault("null", "", "5-hour limit reached ∙ resets 3pm"), "rate_limit", "limited"),
        (fault("\"x\"", "", "API Error: the context limit of the model was passed"), "api_error", "error"),
    ] {
        assert_says(Format::Claude, &[PROMPT, &line], &format!("transcript.claude.{rule}"), state);
    }
    let older = r#"{"type":"assistant","timestamp":"2026-11-21T10:00:00Z","message":{"model":"<synthetic>","content":[{"type":"text","text":"Claude AI usage limit reached|1795262400"}]}}"#;
    assert_eq!(read(Format::Claude, &[older]).due(now()), Some(wall("2026-11-21T12:00:00Z")));
}

#[test]
fn claude_is_not_fooled_by_what_is_quoted_or_said_beside() {
    let quoted = END.replace("done", "You've hit your session limit · resets 7pm (UTC)");
    assert_says(Format::Claude, &[PROMPT, &quoted], "transcript.claude.turn_end", "idle");
    let subagent = LIMIT.replace(r#""isSidechain":false"#, r#""isSidechain":true"#);
    assert_says(Format::Claude, &[PROMPT, &subagent], "transcript.claude.prompt", "busy (thinking)");
    let asked = PROMPT.replace("fix it", "API Error: 401 Please run /login");
    assert_says(Format::Claude, &[&asked], "transcript.claude.prompt", "busy (thinking)");
    let command = PROMPT.replace("fix it", "<command-name>/model</command-name>");
    assert_says(Format::Claude, &[END, &command], "transcript.claude.turn_end", "idle");
    let nothing = r#"{"type":"assistant","message":{"model":"<synthetic>","content":[{"type":"text","text":"No response requested."}]}}"#;
    assert_says(Format::Claude, &[END, nothing], "transcript.claude.turn_end", "idle");
}

#[test]
fn what_another_process_left_behind_is_no_state() {
    let born = wall("2026-11-21T09:59:00Z");
    let mut transcript = Transcript::new(Format::Claude, Since { born, counted: born });
    transcript.feed(format!("{PROMPT}\n{TOOL}\n").as_bytes(), &zones());
    let heard = transcript.heard(now());
    assert_eq!(heard.claim, None, "a resumed session's past");
    assert_eq!(heard.usage.context_tokens, Some(41_210), "but its context is there");
    assert_eq!(transcript.counts().input_tokens, 0, "and somebody else's tokens are not counted again");
    transcript.feed(format!("{LIMIT}\n").as_bytes(), &zones());
    assert!(transcript.heard(now()).claim.is_some());
}

fn codex(kind: &str, rest: &str) -> String {
    format!(
        r#"{{"timestamp":"2026-11-21T10:00:00.000Z","type":"event_msg","payload":{{"type":"{kind}"{rest}}}}}"#
    )
}

fn item(kind: &str, rest: &str) -> String {
    format!(
        r#"{{"timestamp":"2026-11-21T10:00:00.000Z","type":"response_item","payload":{{"type":"{kind}"{rest}}}}}"#
    )
}

#[test]
fn codex_tells_a_turn_from_its_start_to_its_end() {
    let start = codex("task_started", r#","model_context_window":258400"#);
    let call = item("function_call", r#","name":"shell","arguments":"{}""#);
    let output = item("function_call_output", "");
    let end = codex("task_complete", r#","last_agent_message":"done""#);
    assert_says(Format::Codex, &[&start], "transcript.codex.turn_start", "busy (thinking)");
    assert_says(Format::Codex, &[&start, &call], "transcript.codex.tool", "busy (tool)");
    assert_says(Format::Codex, &[&start, &call, &output], "transcript.codex.tool_result", "busy (thinking)");
    assert_says(Format::Codex, &[&start, &call, &output, &end], "transcript.codex.turn_end", "idle");
    assert_says(Format::Codex, &[&start, &end, &output], "transcript.codex.turn_end", "idle");
    let aborted = codex("turn_aborted", r#","reason":"interrupted""#);
    assert_says(Format::Codex, &[&start, &aborted], "transcript.codex.interrupted", "idle");
    let stream = codex("stream_error", r#","message":"Reconnecting... 1/5""#);
    assert_says(Format::Codex, &[&start, &stream], "transcript.codex.retry", "busy (thinking)");
    let meta = r#"{"type":"session_meta","payload":{"id":"x","cli_version":"0.169.0"}}"#;
    assert_eq!(read(Format::Codex, &[meta]).version().map(Untrusted::raw), Some("0.169.0"));
    let meta = r#"{"type":"session_meta","payload":{"id":"x","source":{"subagent":"review"}}}"#;
    assert_eq!(says(Format::Codex, &[meta, &start, &call]), None, "a subagent's rollout");
}

#[test]
fn codex_counts_by_its_sums() {
    let count = |input: u64, output: u64, last: u64| {
        codex(
            "token_count",
            &format!(
                r#","info":{{"total_token_usage":{{"input_tokens":{input},"cached_input_tokens":9,"output_tokens":{output},"total_tokens":0}},"last_token_usage":{{"input_tokens":{last},"output_tokens":1,"total_tokens":{last}}},"model_context_window":100000}}"#
            ),
        )
    };
    let nothing = codex("token_count", r#","info":null,"rate_limits":null"#);
    let transcript = read(Format::Codex, &[&nothing, &count(5_000, 70, 500), &count(5_600, 90, 600)]);
    let usage = transcript.heard(now()).usage;
    assert_eq!((usage.input_tokens, usage.output_tokens), (Some(5_600), Some(90)));
    assert_eq!((usage.context_tokens, usage.context_percent()), (Some(600), Some(0.6)));
    let counts = transcript.counts();
    assert_eq!((counts.input_tokens, counts.output_tokens), (1_100, 21), "what was spent before is not ours");
    let compacted = codex("context_compacted", "");
    let after = read(Format::Codex, &[&count(5_000, 70, 500), &compacted]).heard(now()).usage;
    assert_eq!((after.context_tokens, after.input_tokens), (None, Some(5_000)));
}

#[test]
fn codex_tells_limits_and_errors_apart() {
    let start = codex("task_started", "");
    let end = codex("task_complete", r#","last_agent_message":null"#);
    let limit = codex(
        "error",
        r#","message":"You've hit your usage limit. Try again in 3 hours 20 minutes.","codex_error_info":"usage_limit_exceeded""#,
    );
    assert_says(Format::Codex, &[&start, &limit, &end], "transcript.codex.usage_limit", "limited");
    assert_eq!(read(Format::Codex, &[&start, &limit, &end]).due(now()), Some(wall("2026-11-21T13:20:00Z")));
    let later = codex(
        "task_complete",
        r#","error":{"message":"You’ve hit your usage limit. Upgrade or try again later.","codex_error_info":"usage_limit_exceeded"}"#,
    );
    assert_says(Format::Codex, &[&start, &later], "transcript.codex.usage_limit", "limited");
    // The words may be silent where the windows are not.
    let windows = codex(
        "token_count",
        r#","info":null,"rate_limits":{"primary":{"used_percent":100.0,"window_minutes":300,"resets_at":1795262400},"secondary":{"used_percent":41.5,"window_minutes":10080,"resets_in_seconds":600}}"#,
    );
    let silent = codex(
        "error",
        r#","message":"The usage limit has been reached","codex_error_info":"usage_limit_exceeded""#,
    );
    assert_eq!(read(Format::Codex, &[&windows, &silent]).due(now()), Some(wall("2026-11-21T12:00:00Z")));
    let relative = windows.replace(r#""resets_at":1795262400"#, r#""resets_in_seconds":1800"#);
    assert_eq!(read(Format::Codex, &[&relative, &silent]).due(now()), Some(wall("2026-11-21T10:30:00Z")));
    assert_says(
        Format::Codex,
        &[&start, &limit, &end, &start],
        "transcript.codex.turn_start",
        "busy (thinking)",
    );
    for (line, rule) in [
        (codex("error", r#","message":"no","codex_error_info":"unauthorized""#), "auth"),
        (
            codex(
                "error",
                r#","message":"stream disconnected","codex_error_info":{"response_stream_disconnected":{}}"#,
            ),
            "api_error",
        ),
        (
            codex(
                "task_complete",
                r#","error":{"message":"exceeded retry limit, last status: 429","codex_error_info":{"response_too_many_failed_attempts":{"http_status_code":429}}}"#,
            ),
            "api_error",
        ),
        (
            codex(
                "task_complete",
                r#","error":{"message":"unexpected status 401 Unauthorized: bad","codex_error_info":{"http_connection_failed":{"http_status_code":401}}}"#,
            ),
            "auth",
        ),
        (codex("error", ""), "api_error"),
    ] {
        assert_says(Format::Codex, &[&start, &line], &format!("transcript.codex.{rule}"), "error");
    }
}

#[test]
fn long_broken_and_hostile_lines_are_counted_and_skipped() {
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&vec![b'x'; 10 * 1024 * 1024]);
    bytes.extend_from_slice(b"\n\xff\xfe{}\n{\"type\":\n\n   \n");
    bytes.extend_from_slice(&vec![b'['; 100_000]);
    bytes.extend_from_slice(b"\n[1,2]\n\"text\"\nnull\n");
    bytes.extend_from_slice(PROMPT.as_bytes());
    bytes.push(b'\n');
    let odd = r#"{"type":"assistant","timestamp":"never","isSidechain":3,"message":{"id":7,"model":[],"stop_reason":{},"usage":{"input_tokens":-1,"output_tokens":1e99,"cache_read_input_tokens":18446744073709551615},"content":{"type":9}}}"#;
    bytes.extend_from_slice(format!("{odd}\n{odd}\n").as_bytes());
    for format in [Format::Claude, Format::Codex] {
        let mut transcript = Transcript::new(format, Since::default());
        for piece in bytes.chunks(4096) {
            transcript.feed(piece, &zones());
            assert!(transcript.lines.held() <= TRANSCRIPT_LINE_BYTES_MAX);
        }
        let counts = transcript.counts();
        assert_eq!((counts.skipped, counts.lines), (4, 6), "{format:?}");
        let _ = transcript.heard(now());
    }
}

#[test]
fn from_the_middle_the_first_line_is_none_and_sums_are_unknown() {
    let mut transcript = Transcript::from_middle(Format::Claude, Since::default());
    transcript.feed(format!("{}\n{END}\n", &LIMIT[100..]).as_bytes(), &zones());
    let heard = transcript.heard(now());
    assert_eq!(&*heard.claim.unwrap().rule, "transcript.claude.turn_end");
    assert_eq!((heard.usage.input_tokens, heard.usage.context_tokens), (None, Some(41_320)));
    assert_eq!(transcript.counts().skipped, 0);
    let count = codex("token_count", r#","info":{"total_token_usage":{"input_tokens":7,"output_tokens":8}}"#);
    let mut transcript = Transcript::from_middle(Format::Codex, Since::default());
    transcript.feed(format!("tail\n{count}\n").as_bytes(), &zones());
    assert_eq!(transcript.heard(now()).usage.input_tokens, Some(7), "it writes sums");
}

#[test]
fn every_truncation_is_read_without_harm_and_a_torn_line_waits() {
    for (format, text) in [
        (Format::Claude, format!("{PROMPT}\n{TOOL}\n{LIMIT}\n")),
        (Format::Codex, codex("error", r#","message":"usage limit: try again at 7pm""#) + "\n"),
    ] {
        for cut in 0..=text.len() {
            let (mut torn, mut whole) =
                (Transcript::new(format, Since::default()), Transcript::new(format, Since::default()));
            torn.feed(&text.as_bytes()[..cut], &zones());
            assert_eq!(torn.counts().skipped, 0);
            torn.feed(&text.as_bytes()[cut..], &zones());
            whole.feed(text.as_bytes(), &zones());
            assert_eq!(torn.heard(now()), whole.heard(now()));
        }
    }
}

/// A line of any kind, sound or not.
fn any_line() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::sample::select(vec![PROMPT, TOOL, RESULT, END, LIMIT]).prop_map(|l| l.as_bytes().to_vec()),
        prop::sample::select(vec!["task_started", "task_complete", "error", "turn_aborted", "token_count"])
            .prop_map(|kind| codex(kind, r#","message":"usage limit, resets 7pm""#).into_bytes()),
        prop::collection::vec(any::<u8>(), 0..60),
        Just(Vec::new()),
    ]
}

proptest! {
    #[test]
    fn any_split_of_the_bytes_says_the_same(
        lines in prop::collection::vec(any_line(), 0..12),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        claude in any::<bool>(),
    ) {
        let format = if claude { Format::Claude } else { Format::Codex };
        let bytes = lines.join(&b'\n');
        let mut whole = Transcript::new(format, Since::default());
        whole.feed(&bytes, &zones());
        let mut places: Vec<usize> = cuts.iter().map(|c| c.index(bytes.len() + 1)).collect();
        places.extend([0, bytes.len()]);
        places.sort_unstable();
        let mut pieces = Transcript::new(format, Since::default());
        for pair in places.windows(2) {
            pieces.feed(&bytes[pair[0]..pair[1]], &zones());
        }
        prop_assert_eq!(whole.heard(now()), pieces.heard(now()));
        prop_assert_eq!(whole.counts(), pieces.counts());
    }
}

#[test]
fn figures_that_cannot_be_are_let_go() {
    let max = u64::MAX;
    let absurd = format!(
        r#"{{"type":"assistant","timestamp":"2026-11-21T09:58:05.000Z","message":{{"id":"m9","model":"claude-sonnet-4-5","usage":{{"input_tokens":{max},"output_tokens":7}}}}}}"#
    );
    let mut transcript = Transcript::new(Format::Claude, Since::default());
    transcript.feed(format!("{absurd}\n").as_bytes(), &zones());
    assert_eq!((transcript.counts().input_tokens, transcript.counts().output_tokens), (0, 7));
    let count = |n: u64| {
        let info = format!(
            r#","info":{{"total_token_usage":{{"input_tokens":{n},"output_tokens":8}},"last_token_usage":{{"input_tokens":5,"output_tokens":1,"total_tokens":{n}}}}}"#
        );
        codex("token_count", &info) + "\n"
    };
    let mut transcript = Transcript::new(Format::Codex, Since::default());
    transcript.feed([count(100), count(max), count(110)].concat().as_bytes(), &zones());
    assert_eq!(transcript.counts().input_tokens, 15, "what came before and behind it counts");
    assert_eq!(transcript.heard(now()).usage.context_tokens, Some(110));
}
