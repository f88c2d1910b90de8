//! The sessions, as a table.

use tsup_core::wire::doc::SessionsDoc;

use super::Look;
use super::status::by_state;
use super::table::{Column, Table};

const COLUMNS: [Column; 6] = [
    Column::text("SESSION", 8, 0),
    Column::text("ID", 2, 3),
    Column::text("SOCKET", 7, 2),
    Column::text("OWNED", 5, 1),
    Column::number("PANES", 4),
    Column::text("AGENTS", 10, 0),
];

/// Draws the sessions.
pub fn draw(doc: &SessionsDoc, look: Look) -> String {
    if doc.sessions.is_empty() {
        return "no sessions\n".into();
    }
    let mut table = Table::new(&COLUMNS);
    for s in &doc.sessions {
        let id = if s.present { s.id.as_str() } else { "gone" };
        table.row(vec![
            s.name.to_string().into(),
            id.into(),
            tsup_core::untrusted::Untrusted::new(s.socket.as_str()).to_string().into(),
            if s.owned { "yes" } else { "no" }.into(),
            s.panes.to_string().into(),
            by_state(&s.agents, "none").into(),
        ]);
    }
    table.draw(look)
}
