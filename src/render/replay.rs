//! What a replay found, as text.

use std::fmt::Write as _;

use tsup_core::fleet::record::Taken;
use tsup_core::fleet::record::replay::Replayed;
use tsup_core::untrusted::Untrusted;

use super::table::{Column, Table};
use super::{Look, agents};

const COLUMNS: [Column; 6] = [
    Column::text("AT", 24, 0),
    Column::number("LINE", 2),
    Column::number("FRAMES", 3),
    Column::text("THEN", 14, 0),
    Column::text("NOW", 14, 0),
    Column::text("RULE", 12, 1),
];

/// Draws what was compared, then each difference.
pub fn draw(replayed: &Replayed, look: Look) -> String {
    let header = &replayed.header;
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{}/{} ({}), recorded {} by tsup {}: {} frames, {} changes",
        header.session,
        header.name,
        Untrusted::from(header.profile.as_str()),
        header.at,
        Untrusted::from(header.tsup.as_str()),
        replayed.frames,
        replayed.changes,
    );
    let rules = if replayed.same_rules { "the same as then" } else { "not those of then" };
    let _ = writeln!(text, "the rules of its profile are {rules}");
    if replayed.missed > 0 {
        let _ =
            writeln!(text, "{} frames are missing in it: differences may come from that", replayed.missed);
    }
    if replayed.torn {
        text.push_str("its last line is torn and was left out\n");
    }
    if replayed.differences.is_empty() {
        text.push_str("no verdict differs\n");
        return text;
    }
    let mut table = Table::new(&COLUMNS);
    for difference in &replayed.differences {
        let rule = difference.now.rule.as_deref().unwrap_or("-");
        table.row(vec![
            difference.at.to_string().into(),
            difference.line.to_string().into(),
            difference.frames.to_string().into(),
            state(&difference.then).into(),
            super::table::Cell::styled(state(&difference.now), agents::state_style(difference.now.state)),
            Untrusted::from(rule).to_string().into(),
        ]);
    }
    text.push_str(&table.draw(look));
    text
}

fn state(taken: &Taken) -> String {
    match taken.detail {
        Some(detail) => format!("{} {detail}", taken.state),
        None => taken.state.to_string(),
    }
}
