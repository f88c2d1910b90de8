//! What must hold for any input. Shared by the fuzz targets and the replay of their corpus.
#![allow(dead_code, reason = "each fuzz target uses one of them")]

use tsup_core::limits::{CONTROL_REPLY_BYTES_MAX, NAME_BYTES_MAX, PANES_MAX, TITLE_BYTES_MAX};
use tsup_core::tmux::listing;
use tsup_core::tmux::protocol::{Block, Event, Guard, Parser, unescape};

/// Parses at once, byte by byte, and in pieces whose lengths the input itself chooses.
pub(crate) fn protocol(bytes: &[u8]) {
    let whole = parse([bytes]);
    let single = parse(bytes.chunks(1));
    assert_eq!(whole, single);
    let piece = usize::from(bytes.first().copied().unwrap_or(1)).max(1);
    assert_eq!(whole, parse(bytes.chunks(piece)));
    for event in &whole {
        if let Event::Block(block) = event {
            assert!(block.text.len() <= CONTROL_REPLY_BYTES_MAX);
        }
    }
    assert!(unescape(bytes).len() <= bytes.len());
}

fn parse<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Event> {
    let mut parser = Parser::new().keeping_output();
    let mut events = Vec::new();
    for piece in pieces {
        parser.feed(piece, |e| events.push(e));
    }
    events
}

/// Reads the input as either list.
pub(crate) fn listing(bytes: &[u8]) {
    let guard = Guard { time: 1, number: 1, flags: 1 };
    let block = Block { guard, ok: true, text: bytes.to_vec(), truncated: false };
    let panes = listing::panes(&block);
    assert!(panes.rows.len() <= PANES_MAX);
    for row in &panes.rows {
        assert!(row.facts.title.raw().len() <= TITLE_BYTES_MAX);
        assert!(row.facts.window_name.raw().len() <= NAME_BYTES_MAX);
        assert!(row.facts.tty.len() <= NAME_BYTES_MAX);
    }
    let sessions = listing::sessions(&block);
    assert!(sessions.rows.iter().all(|r| r.facts.name.raw().len() <= NAME_BYTES_MAX));
    // Every line is a row or makes the list incomplete.
    let lines = block.lossy().lines().count();
    assert!(panes.rows.len() == lines || !panes.complete);
    assert!(sessions.rows.len() == lines || !sessions.complete);
}
