//! The agents, as a table.

use anstyle::{AnsiColor, Style};
use tsup_core::clock::Wall;
use tsup_core::fleet::state::AgentState;
use tsup_core::wire::doc::{AgentDoc, AgentsDoc};

use super::table::{Cell, Column, Table};
use super::{Look, words};

/// The colour of a state. The word always stands beside it.
pub fn state_style(state: AgentState) -> Style {
    let color = match state {
        AgentState::Busy => AnsiColor::Green,
        AgentState::Idle | AgentState::Fresh => AnsiColor::Blue,
        AgentState::Starting | AgentState::Queued => AnsiColor::Cyan,
        AgentState::Waiting | AgentState::Limited => AnsiColor::Yellow,
        AgentState::Error | AgentState::Crashed | AgentState::Missing => AnsiColor::Red,
        AgentState::Exited | AgentState::Unknown => return Style::new().dimmed(),
    };
    color.on_default()
}

const COLUMNS: [Column; 10] = [
    Column::text("SESSION", 8, 0),
    Column::text("NAME", 12, 0),
    Column::text("ROLE", 6, 3),
    Column::text("AGENT", 6, 2),
    Column::text("STATE", 18, 0),
    Column::number("FOR", 0),
    Column::number("PID", 4),
    Column::number("CPU", 5),
    Column::number("MEM", 6),
    Column::text("TITLE", 10, 1),
];

/// Draws the agents; `now` tells how long each is in its state.
pub fn draw(doc: &AgentsDoc, now: Wall, look: Look) -> String {
    if doc.agents.is_empty() {
        return "no agents\n".into();
    }
    let mut table = Table::new(&COLUMNS);
    for agent in &doc.agents {
        table.row(row(agent, now));
    }
    table.draw(look)
}

fn row(a: &AgentDoc, now: Wall) -> Vec<Cell> {
    let known = |v: Option<String>| Cell::from(v.unwrap_or_else(|| "-".into()));
    vec![
        a.session.to_string().into(),
        a.name.to_string().into(),
        known(a.role.clone()),
        a.agent.clone().into(),
        Cell::styled(state_words(a), state_style(a.state)),
        words::ago(a.since, now).into(),
        known(a.pid.map(|p| p.to_string())),
        known(a.cpu_percent.map(|c| format!("{c:.1}%"))),
        known(a.rss_bytes.map(words::bytes)),
        a.title.to_string().into(),
    ]
}

/// The state with its detail, and what else a person should know at a glance.
fn state_words(a: &AgentDoc) -> String {
    let mut text = a.state.to_string();
    if let Some(detail) = a.detail {
        text.extend([" ", detail.as_str()]);
    }
    if a.paused {
        text.push_str(" (paused)");
    }
    text
}
