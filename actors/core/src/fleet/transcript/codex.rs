//! Codex's rollouts.
//!
//! Each line is `{timestamp, type, payload}`. `event_msg` tells what happened, `response_item` what went
//! to and came from the model; `session_meta` stands first and says whether this is a subagent's.

use serde_json::Value;

use super::{Line, News, Said, Usage, count, tokens};
use crate::clock::Wall;
use crate::fleet::state::{AgentState, Detail};

/// What is kept between lines.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    /// The rollout of a subagent says nothing about the agent.
    subagent: bool,
    /// Whether a turn runs, as far as a line said.
    turn: Option<bool>,
    /// Whether the turn that ends now ended with an error, which stays after it.
    failed: bool,
    /// When the limits end that are used up.
    used_up_until: Option<Wall>,
}

/// Used-up limits are told as 100 percent, or a little less where it was rounded.
const USED_UP_PERCENT: f64 = 99.5;

impl State {
    pub(super) fn line(&mut self, line: &Line<'_>, usage: &mut Usage) -> (News, (u64, u64)) {
        let payload = line.json.get("payload").unwrap_or(&Value::Null);
        let kind = payload.get("type").and_then(Value::as_str).unwrap_or_default();
        let mut spent = (0, 0);
        let news = match line.str("type") {
            Some("session_meta") => {
                self.subagent = payload.get("source").is_some_and(|s| s.get("subagent").is_some());
                News::Silent
            }
            Some("event_msg") if kind == "token_count" => {
                spent = self.token_count(line, payload, usage);
                News::Silent
            }
            Some("event_msg") => self.event(line, kind, payload, usage),
            Some("response_item") => self.item(kind, payload),
            Some("compacted") => {
                usage.context_tokens = None;
                News::Silent
            }
            _ => News::Silent,
        };
        if self.subagent { (News::Silent, spent) } else { (news, spent) }
    }

    fn token_count(&mut self, line: &Line<'_>, payload: &Value, usage: &mut Usage) -> (u64, u64) {
        let before = (usage.input_tokens, usage.output_tokens);
        self.used_up_until = payload.get("rate_limits").and_then(|limits| used_up(limits, line.at?));
        let Some(info) = payload.get("info").filter(|i| i.is_object()) else { return (0, 0) };
        let mut spent = (0, 0);
        // Sums that cannot be are let go whole: taken for nothing, the next ones would all count as spent.
        let absurd = |total: &&Value| {
            ["input_tokens", "output_tokens"]
                .iter()
                .any(|key| total.get(key).is_some_and(|n| count(Some(n)).is_none()))
        };
        if let Some(total) = info.get("total_token_usage").filter(|total| !absurd(total)) {
            let sums = (tokens(total, "input_tokens"), tokens(total, "output_tokens"));
            // What stood in the sums before the first line that was read was spent before it; the last
            // request's figures tell that line's own part.
            let last = info.get("last_token_usage");
            let own = |key| last.map_or(0, |l| tokens(l, key));
            let step = |sum: u64, before: Option<u64>, own: u64| {
                before.map_or(own.min(sum), |b| sum.saturating_sub(b))
            };
            spent =
                (step(sums.0, before.0, own("input_tokens")), step(sums.1, before.1, own("output_tokens")));
            (usage.input_tokens, usage.output_tokens) = (Some(sums.0), Some(sums.1));
        }
        if let Some(last) = info.get("last_token_usage") {
            usage.context_tokens = count(last.get("total_tokens"));
        }
        window(info, usage);
        spent
    }

    fn event(&mut self, line: &Line<'_>, kind: &str, payload: &Value, usage: &mut Usage) -> News {
        let words = payload.get("message").and_then(Value::as_str).unwrap_or_default();
        let say = |rule, state, detail, words: &str| News::Said(Said::new(rule, state, detail, words));
        match kind {
            "task_started" | "turn_started" => {
                (self.turn, self.failed) = (Some(true), false);
                window(payload, usage);
                say("transcript.codex.turn_start", AgentState::Busy, Some(Detail::Thinking), "")
            }
            "task_complete" | "turn_complete" => {
                self.turn = Some(false);
                if let Some(error) = payload.get("error").filter(|e| e.is_object()) {
                    let words = error.get("message").and_then(Value::as_str).unwrap_or_default();
                    return News::Said(self.fault(line, error, words));
                }
                if std::mem::take(&mut self.failed) {
                    return News::Silent;
                }
                say("transcript.codex.turn_end", AgentState::Idle, None, "")
            }
            "turn_aborted" | "task_aborted" => {
                (self.turn, self.failed) = (Some(false), false);
                let why = payload.get("reason").and_then(Value::as_str).unwrap_or_default();
                if why == "replaced" {
                    return News::Over;
                }
                say("transcript.codex.interrupted", AgentState::Idle, None, why)
            }
            "error" => {
                self.failed = true;
                News::Said(self.fault(line, payload, words))
            }
            "stream_error" => say("transcript.codex.retry", AgentState::Busy, Some(Detail::Thinking), words),
            "exec_approval_request" | "apply_patch_approval_request" => {
                say("transcript.codex.permission", AgentState::Waiting, Some(Detail::Permission), kind)
            }
            "request_user_input" | "elicitation_request" => {
                say("transcript.codex.question", AgentState::Waiting, Some(Detail::Question), kind)
            }
            "context_compacted" => {
                usage.context_tokens = None;
                News::Silent
            }
            _ => News::Silent,
        }
    }

    /// What goes to and comes from the model means work only while a turn is not known to have ended.
    fn item(&self, kind: &str, payload: &Value) -> News {
        if self.turn == Some(false) || self.failed {
            return News::Silent;
        }
        let busy =
            |rule, detail, words: &str| News::Said(Said::new(rule, AgentState::Busy, Some(detail), words));
        let name = payload.get("name").and_then(Value::as_str).unwrap_or(kind);
        match kind {
            "reasoning" => busy("transcript.codex.thinking", Detail::Thinking, ""),
            "function_call" | "custom_tool_call" | "local_shell_call" | "web_search_call" => {
                busy("transcript.codex.tool", Detail::Tool, name)
            }
            "function_call_output" | "custom_tool_call_output" => {
                busy("transcript.codex.tool_result", Detail::Thinking, "")
            }
            _ => News::Silent,
        }
    }

    fn fault(&self, line: &Line<'_>, error: &Value, words: &str) -> Said {
        // A word, or an object with one word that holds more.
        let info = match error.get("codex_error_info") {
            Some(Value::String(word)) => word.as_str(),
            Some(Value::Object(one)) => one.keys().next().map_or("", String::as_str),
            _ => "",
        };
        let lower = words.to_ascii_lowercase();
        let limit = info.starts_with("usage_limit")
            || (info.is_empty() && (lower.contains("usage limit") || lower.contains("usage_limit_reached")));
        if limit {
            let said = Said::new("transcript.codex.usage_limit", AgentState::Limited, None, words);
            return Said { resets: line.resets(words).or(self.used_up_until), ..said };
        }
        let auth =
            info == "unauthorized" || lower.contains("401 unauthorized") || lower.contains("codex login");
        let rule = if auth { "transcript.codex.auth" } else { "transcript.codex.api_error" };
        Said::new(rule, AgentState::Error, None, words)
    }
}

fn window(json: &Value, usage: &mut Usage) {
    if let Some(window) = json.get("model_context_window").and_then(Value::as_u64) {
        usage.context_window = Some(window);
    }
}

/// When the last of the windows ends that are used up.
fn used_up(limits: &Value, at: Wall) -> Option<Wall> {
    let windows = ["primary", "secondary"].into_iter().filter_map(|name| limits.get(name));
    let full = windows
        .filter(|w| w.get("used_percent").and_then(Value::as_f64).is_some_and(|p| p >= USED_UP_PERCENT));
    full.filter_map(|window| {
        let seconds = |key: &str| window.get(key).and_then(Value::as_i64).filter(|s| *s >= 0);
        let end = seconds("resets_at").map(|s| s.checked_mul(1000));
        let after = || seconds("resets_in_seconds").map(|s| s.checked_mul(1000)?.checked_add(at.unix_ms()));
        end.or_else(after)?.map(Wall::from_unix_ms)
    })
    .max()
}
