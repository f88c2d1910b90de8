//! What a CLI's hooks would say at each step: `tsup hook CLI` is called with that CLI's JSON.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

/// Calls `tsup hook` as the CLI's hooks would.
pub(super) struct Hooks {
    cli: String,
    session: String,
}

/// The event that a CLI tells at a kind of screen, with what else its JSON says. CLIs that are not listed
/// have no hooks, or speak Claude's language.
fn event(cli: &str, kind: &str) -> Option<(&'static str, Value)> {
    let none = || json!({});
    Some(match (cli, kind) {
        ("gemini", "fresh") => ("SessionStart", json!({"source": "startup"})),
        ("gemini", "thinking") => ("BeforeAgent", json!({"prompt": "go on"})),
        ("gemini", "tool") => ("BeforeTool", json!({"tool_name": "run_shell_command"})),
        ("gemini", "permission") => ("Notification", json!({"notification_type": "ToolPermission"})),
        ("gemini", "compact") => ("PreCompress", json!({"trigger": "manual"})),
        ("gemini", "idle") => ("AfterAgent", none()),
        ("gemini", "exit") => ("SessionEnd", json!({"reason": "exit"})),
        ("cursor", "fresh") => ("sessionStart", none()),
        ("cursor", "thinking") => ("beforeSubmitPrompt", json!({"prompt": "go on"})),
        ("cursor", "tool") => ("preToolUse", json!({"tool_name": "Shell"})),
        ("cursor", "compact") => ("preCompact", none()),
        ("cursor", "idle") => ("stop", json!({"status": "completed"})),
        ("cursor", "exit") => ("sessionEnd", none()),
        ("claude" | "codex" | "qwen" | "droid", _) => return claude(kind),
        _ => return None,
    })
}

/// Claude Code's events; others took them over.
fn claude(kind: &str) -> Option<(&'static str, Value)> {
    Some(match kind {
        "fresh" => ("SessionStart", json!({"source": "startup"})),
        "thinking" => ("UserPromptSubmit", json!({"prompt": "go on"})),
        "tool" => ("PreToolUse", json!({"tool_name": "Bash", "tool_input": {"command": "make test"}})),
        "permission" => ("PermissionRequest", json!({"tool_name": "Bash"})),
        "question" => ("PreToolUse", json!({"tool_name": "AskUserQuestion"})),
        "plan" => ("PreToolUse", json!({"tool_name": "ExitPlanMode"})),
        "compact" => ("PreCompact", json!({"trigger": "auto"})),
        "idle" => ("Stop", json!({"stop_hook_active": false})),
        "exit" => ("SessionEnd", json!({"reason": "prompt_input_exit"})),
        _ => return None,
    })
}

impl Hooks {
    pub(super) fn of(cli: &str) -> Hooks {
        Hooks { cli: cli.to_owned(), session: format!("fake-{}", std::process::id()) }
    }

    /// Tells that a screen is shown. A hook that fails is no failure of the agent.
    pub(super) fn tell(&self, case: &str) {
        let kind = case.split('-').next().unwrap_or(case);
        if let Some(payload) = self.payload(kind) {
            let _ = call(&self.cli, &payload);
        }
    }

    fn payload(&self, kind: &str) -> Option<Value> {
        let (name, mut payload) = event(&self.cli, kind)?;
        payload["hook_event_name"] = json!(name);
        payload["session_id"] = json!(self.session);
        payload["cwd"] = json!(std::env::current_dir().unwrap_or_default());
        Some(payload)
    }
}

fn call(cli: &str, payload: &Value) -> std::io::Result<()> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["hook", cli])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(payload.to_string().as_bytes())?;
    }
    child.wait().map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cli_tells_in_its_own_words() {
        for (cli, kind, event) in [
            ("claude", "thinking", Some("UserPromptSubmit")),
            ("codex", "permission", Some("PermissionRequest")),
            ("gemini", "thinking", Some("BeforeAgent")),
            ("cursor", "idle", Some("stop")),
            ("cursor", "permission", None),
            ("aider", "thinking", None),
        ] {
            let payload = Hooks::of(cli).payload(kind);
            let name = payload.as_ref().and_then(|p| p["hook_event_name"].as_str());
            assert_eq!(name, event, "{cli} {kind}");
        }
    }
}
