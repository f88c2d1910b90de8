//! The agents, as a table.

use anstyle::{AnsiColor, Style};
use tsup_core::clock::Wall;
use tsup_core::fleet::state::{AgentState, Detail};
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
    let mut text = table.draw(look);
    for agent in &doc.agents {
        text.extend(advice(agent));
    }
    text
}

/// What a person can do for an agent that does not come back by itself.
fn advice(a: &AgentDoc) -> Option<String> {
    let name = format!("{}/{}", a.session, a.name);
    match (a.state.is_dead(), a.detail?) {
        (true, Detail::Login) => {
            Some(format!("{name} has no login: log in with its CLI, then `tsup ctl restart {name}`\n"))
        }
        (true, Detail::Held) => Some(format!(
            "{name} is held: `tsup ctl explain {name}` says why, `tsup ctl restart {name}` starts it\n"
        )),
        (true, Detail::BackingOff) => {
            let until = a.limit_resets_at.map(|at| format!(" until {at}")).unwrap_or_default();
            Some(format!("{name} waits for the end of its usage limit{until}\n"))
        }
        _ => None,
    }
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
