//! The schedules, as a table.

use anstyle::{AnsiColor, Style};
use tsup_core::clock::Wall;
use tsup_core::untrusted::Untrusted;
use tsup_core::wire::doc::schedules::{ScheduleDoc, SchedulesDoc};

use super::table::{Cell, Column, Table};
use super::{Look, words};

const COLUMNS: [Column; 7] = [
    Column::text("NAME", 8, 0),
    Column::text("SCRIPT", 10, 2),
    Column::text("WHEN", 9, 1),
    Column::text("ZONE", 6, 4),
    Column::text("NEXT", 10, 0),
    Column::text("LAST", 22, 0),
    Column::text("JOB", 12, 3),
];

/// Draws the schedules; `now` tells in how long and how long ago they run.
pub fn draw(doc: &SchedulesDoc, now: Wall, look: Look) -> String {
    if doc.schedules.is_empty() {
        return "no schedules; `[[tes.schedule]]` in the configuration declares one\n".into();
    }
    let mut table = Table::new(&COLUMNS);
    for schedule in &doc.schedules {
        table.row(row(schedule, now));
    }
    let mut text = table.draw(look);
    for schedule in &doc.schedules {
        if let Some(problem) = &schedule.problem {
            text.extend([schedule.name.as_str(), ": ", &Untrusted::new(problem.as_str()).to_string(), "\n"]);
        }
    }
    text
}

fn row(s: &ScheduleDoc, now: Wall) -> Vec<Cell> {
    let when = match (&s.cron, s.every_seconds) {
        (Some(cron), _) => Untrusted::new(cron.as_str()).to_string(),
        (None, Some(every)) => format!("every {}", words::seconds(every)),
        (None, None) => String::new(),
    };
    let next = match (s.enabled, s.next_at) {
        (false, _) => Cell::styled("off", Style::new().dimmed()),
        (true, Some(at)) if at <= now => "now".into(),
        (true, Some(at)) => format!("in {}", words::duration(at.since(now))).into(),
        (true, None) => Cell::styled("never", AnsiColor::Red.on_default()),
    };
    let last = match (s.last_at, s.last_state) {
        (Some(at), Some(state)) => format!("{state} {} ago", words::ago(at, now)),
        _ => "not yet".into(),
    };
    let zone = s.timezone.as_deref().unwrap_or(if s.cron.is_some() { "local" } else { "" });
    vec![
        s.name.clone().into(),
        Untrusted::new(s.script.as_str()).to_string().into(),
        when.into(),
        Untrusted::new(zone).to_string().into(),
        next,
        last.into(),
        s.last_job.map(|job| job.to_string()).unwrap_or_default().into(),
    ]
}
