//! The supervision tree, drawn.

use anstyle::{AnsiColor, Style};
use tsup_core::untrusted::Untrusted;
use tsup_core::wire::doc::{Node, NodeKind, NodeState, TreeDoc};

use super::table::cut;
use super::{Look, words};

/// Draws the tree.
pub fn draw(doc: &TreeDoc, look: Look) -> String {
    let mut out = String::new();
    node(&doc.root, "", "", look, &mut out);
    out
}

fn node(node_: &Node, lead: &str, below: &str, look: Look, out: &mut String) {
    line(node_, lead, look, out);
    let last = node_.children.len().saturating_sub(1);
    for (i, child) in node_.children.iter().enumerate() {
        let (branch, stem) = if i == last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        node(child, &format!("{below}{branch}"), &format!("{below}{stem}"), look, out);
    }
}

/// One line: name, strategy, state, and what is remarkable. In a narrow terminal the remarks are cut
/// first; the state always stands.
fn line(n: &Node, lead: &str, look: Look, out: &mut String) {
    let name = Untrusted::new(n.path.rsplit('/').next().unwrap_or_default()).to_string();
    let (word, style) = state(n.state);
    let mut head = format!("{lead}{name}");
    if let Some(strategy) = &n.strategy {
        head.extend([" [", strategy, "]"]);
    }
    let mut tail = remarks(n);
    if let Some(width) = look.width {
        let room = |used: usize| width.saturating_sub(used);
        let state_width = word.len() + 2;
        head = cut(&head, room(state_width).max(1));
        let left = room(unicode_width::UnicodeWidthStr::width(head.as_str()) + state_width);
        tail = if left < 4 { String::new() } else { cut(&tail, left) };
    }
    let head = if n.kind == NodeKind::Supervisor { look.paint(Style::new().bold(), &head) } else { head };
    out.extend([&head, "  ", &look.paint(style, word), &tail, "\n"]);
}

fn state(state: NodeState) -> (&'static str, Style) {
    match state {
        NodeState::Running => ("running", AnsiColor::Green.on_default()),
        NodeState::BackingOff => ("backing off", AnsiColor::Yellow.on_default()),
        NodeState::Restarting => ("restarting", AnsiColor::Yellow.on_default()),
        NodeState::Stopping => ("stopping", AnsiColor::Cyan.on_default()),
        NodeState::Failed => ("failed", AnsiColor::Red.on_default()),
        NodeState::Quarantined => ("quarantined", AnsiColor::Red.on_default()),
    }
}

fn remarks(n: &Node) -> String {
    let mut parts = vec![words::seconds(n.uptime_seconds)];
    if n.restarts > 0 {
        parts.push(words::count(n.restarts, "restart"));
    }
    if let Some(next) = n.next_restart_in_seconds {
        parts.push(format!("again in {}", words::short_seconds(next)));
    }
    if n.mailbox.depth > 0 {
        parts.push(format!("{} waiting", n.mailbox.depth));
    }
    if n.mailbox.refused > 0 {
        parts.push(format!("{} refused", n.mailbox.refused));
    }
    if n.mailbox.dropped > 0 {
        parts.push(format!("{} dropped", n.mailbox.dropped));
    }
    if let Some(error) = &n.last_error {
        parts.push(Untrusted::new(error.as_str()).to_string());
    }
    format!("  {}", parts.join(" · "))
}
