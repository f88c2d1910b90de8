//! One event as one line, for live views.

use tsup_core::event::{AgentRef, AlertState, Event, Stamped};

use super::words::count;

/// The time of day (UTC) and what happened.
pub fn line(stamped: &Stamped) -> String {
    let at = stamped.at.to_string();
    let time = at.get(11..19).unwrap_or(&at);
    format!("{time}  {}", what(&stamped.event))
}

fn what(event: &Event) -> String {
    match event {
        Event::AgentFound(a) => format!("{} found in {}", name(a), pane(a)),
        Event::AgentState { agent, from, to, detail, because } => {
            let detail = detail.map(|d| format!(" ({d})")).unwrap_or_default();
            format!("{} {from} → {to}{detail}: {because}", name(agent))
        }
        Event::AgentDied { agent, exit_code, signal } => match (exit_code, signal) {
            (_, Some(signal)) => format!("{} died of signal {signal}", name(agent)),
            (Some(status), None) => format!("{} ended with status {status}", name(agent)),
            (None, None) => format!("{} ended, nobody knows how", name(agent)),
        },
        Event::AgentRelaunched { agent, relaunches } => {
            format!(
                "{} relaunched in {}: {} by now",
                name(agent),
                pane(agent),
                count(*relaunches, "relaunch")
            )
        }
        Event::AgentGone(a) => format!("{} is gone", name(a)),
        Event::SessionFound { session, socket } => format!("session {session} found on {socket}"),
        Event::SessionGone { session, socket } => format!("session {session} on {socket} is gone"),
        Event::ActorRestarted { path, reason, restarts } => {
            format!("actor {path} restarted after: {reason} ({} by now)", count(*restarts, "restart"))
        }
        Event::ActorQuarantined { path, reason, .. } => format!("actor {path} rests: {reason}"),
        Event::TmuxLost { socket } => format!("tmux on {socket} does not answer"),
        Event::TmuxBack { socket } => format!("tmux on {socket} answers again"),
        Event::Ready => "supervisor is up".into(),
        Event::Draining => "supervisor goes down".into(),
        Event::Alert { alert, state: AlertState::Firing, because, .. } => format!("alert {alert}: {because}"),
        Event::Alert { alert, .. } => format!("alert {alert} is resolved"),
        Event::JobState { job, script, to, attempt: 0 | 1, .. } => format!("job {job} ({script}) {to}"),
        Event::JobState { job, script, to, attempt, .. } => {
            format!("job {job} ({script}) {to}, attempt {attempt}")
        }
        Event::JobForgotten { job, because } => format!("job {job} is forgotten: {because}"),
        Event::Lagged { missed } => format!("{missed} events missed: this reader was too slow"),
    }
}

fn name(agent: &AgentRef) -> String {
    format!("{}/{}", agent.session, agent.name)
}

fn pane(agent: &AgentRef) -> &str {
    if agent.pane.is_empty() { "no pane" } else { &agent.pane }
}
