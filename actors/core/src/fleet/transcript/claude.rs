//! Claude Code's session files.
//!
//! One object a line, told apart by `type`. An answer is written in several lines, one for each block of
//! it, which share `message.id` and its `usage`. Lines with `isSidechain` are a subagent's. What the CLI
//! itself has to say (limits, errors) is an answer of the model `<synthetic>` with `isApiErrorMessage`.

use serde_json::Value;

use super::{Line, News, Said, Usage, count, tokens};
use crate::fleet::state::{AgentState, Detail};
use crate::limits;

/// What is kept between lines.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    /// The answer that the last line of the model belonged to, cut to [`limits::TRANSCRIPT_ANSWER_ID_BYTES`].
    answer: String,
    /// What of it is in the sums already.
    counted: (u64, u64),
    sums_unknown: bool,
    /// Whether the turn ended with an error: the line that tells its end is no end of the error.
    failed: bool,
}

/// Tokens that fit the models before the ones with a million.
const WINDOW: u64 = 200_000;
/// Tokens that fit the large variant.
const LARGE_WINDOW: u64 = 1_000_000;

impl State {
    /// The file was not read from its beginning: sums over it cannot be told.
    pub(super) fn sums_unknown(&mut self) {
        self.sums_unknown = true;
    }

    pub(super) fn line(&mut self, line: &Line<'_>, usage: &mut Usage) -> (News, (u64, u64)) {
        let nothing = (0, 0);
        if line.is("isSidechain") {
            return (News::Silent, nothing);
        }
        match line.str("type") {
            Some("assistant") => {
                let message = line.json.get("message").unwrap_or(&Value::Null);
                let synthetic = message.get("model").and_then(Value::as_str) == Some("<synthetic>");
                let spent = if synthetic { nothing } else { self.spend(message, usage) };
                (self.turn(answer(line, message, synthetic)), spent)
            }
            Some("user") => (self.turn(prompt(line)), nothing),
            Some("system") if self.failed && line.str("subtype") == Some("turn_duration") => {
                (News::Silent, nothing)
            }
            Some("system") => (system(line, usage), nothing),
            _ => (News::Silent, nothing),
        }
    }

    fn turn(&mut self, news: News) -> News {
        match &news {
            News::Silent => {}
            News::Over => self.failed = false,
            News::Said(said) => {
                self.failed = matches!(said.verdict.state, AgentState::Limited | AgentState::Error);
            }
        }
        news
    }

    /// Adds what an answer used; each answer counts once, though it stands in several lines.
    fn spend(&mut self, message: &Value, usage: &mut Usage) -> (u64, u64) {
        let Some(told) = message.get("usage").filter(|u| u.is_object()) else { return (0, 0) };
        let sent = tokens(told, "input_tokens")
            .saturating_add(tokens(told, "cache_creation_input_tokens"))
            .saturating_add(tokens(told, "cache_read_input_tokens"));
        let answered = tokens(told, "output_tokens");
        let id = message.get("id").and_then(Value::as_str).unwrap_or_default();
        let id = &id.as_bytes()[..id.len().min(limits::TRANSCRIPT_ANSWER_ID_BYTES)];
        if self.answer.as_bytes() != id || id.is_empty() {
            self.answer = String::from_utf8_lossy(id).into_owned();
            self.counted = (0, 0);
        }
        let spent = (sent.saturating_sub(self.counted.0), answered.saturating_sub(self.counted.1));
        self.counted = (sent.max(self.counted.0), answered.max(self.counted.1));
        if !self.sums_unknown {
            let add = |sum: Option<u64>, n: u64| Some(sum.unwrap_or(0).saturating_add(n));
            usage.input_tokens = add(usage.input_tokens, spent.0);
            usage.output_tokens = add(usage.output_tokens, spent.1);
        }
        let context = sent.saturating_add(answered);
        usage.context_tokens = Some(context);
        usage.context_window = message.get("model").and_then(Value::as_str).and_then(|m| window(m, context));
        spent
    }
}

/// How many tokens fit a model, where its name says; later models come in both sizes under one name.
fn window(model: &str, context: u64) -> Option<u64> {
    const OLDER: [&str; 8] =
        ["claude-3", "opus-4-1", "opus-4-2", "opus-4-5", "sonnet-4-2", "sonnet-4-5", "haiku-4-5", "claude-2"];
    if model.contains("[1m]") || context > WINDOW {
        return Some(LARGE_WINDOW);
    }
    OLDER.iter().any(|name| model.contains(name)).then_some(WINDOW)
}

/// The text blocks of a message, as one text.
fn text(message: &Value) -> String {
    match message.get("content") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(blocks)) => {
            let texts = blocks.iter().filter_map(|b| b.get("text")?.as_str());
            texts.collect::<Vec<_>>().join(" ")
        }
        _ => String::new(),
    }
}

/// The last block of a kind.
fn last_block<'v>(message: &'v Value, kind: &str) -> Option<&'v Value> {
    let blocks = message.get("content")?.as_array()?;
    blocks.iter().rev().find(|b| b.get("type").and_then(Value::as_str) == Some(kind))
}

fn answer(line: &Line<'_>, message: &Value, synthetic: bool) -> News {
    if line.is("isApiErrorMessage") {
        return News::Said(fault(line, &text(message)));
    }
    if synthetic {
        // Older versions wrote limits without the mark. Other words of the CLI itself say nothing.
        let words = text(message);
        return if is_limit(&words) { News::Said(fault(line, &words)) } else { News::Silent };
    }
    if let Some(call) = last_block(message, "tool_use") {
        return News::Said(tool(call.get("name").and_then(Value::as_str).unwrap_or_default()));
    }
    match message.get("stop_reason").and_then(Value::as_str) {
        // The words before a tool's call are a line of their own.
        Some("tool_use") => News::Said(tool("")),
        Some("end_turn" | "stop_sequence" | "refusal") => {
            News::Said(Said::new("transcript.claude.turn_end", AgentState::Idle, None, ""))
        }
        _ if last_block(message, "thinking").is_some() => {
            let busy = (AgentState::Busy, Some(Detail::Thinking));
            News::Said(Said::new("transcript.claude.thinking", busy.0, busy.1, ""))
        }
        // Text may be the turn's last word or not: some versions do not write why an answer stopped.
        _ => News::Over,
    }
}

/// A tool is called. Two of them ask a person, and nothing goes on before the answer.
fn tool(name: &str) -> Said {
    let waiting = AgentState::Waiting;
    match name {
        "AskUserQuestion" => Said::new("transcript.claude.question", waiting, Some(Detail::Question), name),
        "ExitPlanMode" => Said::new("transcript.claude.plan", waiting, Some(Detail::Plan), name),
        _ => Said::new("transcript.claude.tool", AgentState::Busy, Some(Detail::Tool), name),
    }
}

fn is_limit(words: &str) -> bool {
    let words = words.to_ascii_lowercase();
    let hit = words.contains("hit your") || words.contains("reached");
    words.contains("limit") && hit
}

/// An error that the CLI wrote in place of an answer.
fn fault(line: &Line<'_>, words: &str) -> Said {
    let kind = line.str("error").unwrap_or_default();
    let status = line.json.get("apiErrorStatus").and_then(Value::as_u64);
    let lower = words.to_ascii_lowercase();
    if kind == "rate_limit" || status == Some(429) || (kind.is_empty() && is_limit(words)) {
        let said = Said::new("transcript.claude.rate_limit", AgentState::Limited, None, words);
        return Said { resets: line.resets(words), ..said };
    }
    let login = ["please run /login", "invalid api key", "oauth token", "failed to authenticate"];
    let rule = if kind == "authentication_failed"
        || matches!(status, Some(401 | 403))
        || login.iter().any(|l| lower.contains(l))
    {
        "transcript.claude.auth"
    } else if kind == "billing_error" || lower.contains("credit balance") {
        "transcript.claude.billing"
    } else {
        "transcript.claude.api_error"
    };
    Said::new(rule, AgentState::Error, None, words)
}

fn prompt(line: &Line<'_>) -> News {
    if line.is("isMeta") || line.is("isCompactSummary") {
        return News::Silent;
    }
    let message = line.json.get("message").unwrap_or(&Value::Null);
    let busy = |rule| News::Said(Said::new(rule, AgentState::Busy, Some(Detail::Thinking), ""));
    let words = text(message);
    if words.starts_with("[Request interrupted by user") {
        return News::Said(Said::new("transcript.claude.interrupted", AgentState::Idle, None, &words));
    }
    // What a person typed as a command (`/model`, `!ls`) tells of no turn. A command of the person's own begins
    // one, and looks the same: the answer, or its hook, tells of that.
    let local = ["<local-command-", "<command-name>", "<command-message>", "<bash-"];
    if local.iter().any(|tag| words.starts_with(tag)) {
        return News::Silent;
    }
    if last_block(message, "tool_result").is_some() {
        return busy("transcript.claude.tool_result");
    }
    if message.get("content").is_some() { busy("transcript.claude.prompt") } else { News::Silent }
}

fn system(line: &Line<'_>, usage: &mut Usage) -> News {
    match line.str("subtype") {
        Some("turn_duration") => {
            News::Said(Said::new("transcript.claude.turn_end", AgentState::Idle, None, ""))
        }
        Some("compact_boundary") => {
            usage.context_tokens = line.json.get("compactMetadata").and_then(|m| count(m.get("postTokens")));
            News::Over
        }
        Some("api_error") => {
            let attempt = line.json.get("retryAttempt").and_then(Value::as_u64).unwrap_or(0);
            let words = format!("the request failed and is tried again, attempt {attempt}");
            News::Said(Said::new("transcript.claude.retry", AgentState::Busy, Some(Detail::Thinking), &words))
        }
        _ => News::Silent,
    }
}
