//! What must hold for any input. Shared by the fuzz targets and the replay of their corpus.
#![allow(dead_code, reason = "each fuzz target uses one of them")]

use tsup_core::clock::Wall;
use tsup_core::fleet::evidence::Rank;
use tsup_core::fleet::profile::Profiles;
use tsup_core::fleet::screen::{self, Shot};
use tsup_core::fleet::transcript::reset::Zones;
use tsup_core::fleet::transcript::{Format, Since, Transcript};
use tsup_core::limits::{CONTROL_REPLY_BYTES_MAX, EXCERPT_BYTES, NAME_BYTES_MAX, PANES_MAX, TITLE_BYTES_MAX};
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

const PROFILES: [(&str, &str); 4] = [
    ("claude.toml", include_str!("../../../profiles/claude.toml")),
    ("pi.toml", include_str!("../../../profiles/pi.toml")),
    ("opencode.toml", include_str!("../../../profiles/opencode.toml")),
    ("generic.toml", include_str!("../../../profiles/generic.toml")),
];

/// Reads the input as a screen, by every shape of composer.
pub(crate) fn screen(bytes: &[u8]) {
    static KNOWN: std::sync::LazyLock<Profiles> = std::sync::LazyLock::new(|| Profiles::parse(PROFILES).0);
    let text = String::from_utf8_lossy(bytes).into_owned();
    let shot = Shot { title: text.as_str().into(), text: text.into(), columns: None };
    for profile in KNOWN.iter() {
        let reading = screen::read(profile, &shot);
        assert!(reading.claims.iter().all(|claim| claim.excerpt.raw().len() <= EXCERPT_BYTES));
        assert!(reading.claims.is_sorted_by_key(|claim| claim.rank), "{reading:?}");
        assert!(reading.claims.iter().all(|claim| claim.rank != Rank::Process), "a screen proves no death");
        let alone = screen::classify(profile, &shot);
        assert!(alone.claims.first().is_none_or(|claim| claim.says == alone.verdict));
    }
    assert!(screen::guess(&KNOWN, &shot).is_some());
}

/// Reads the input as a transcript of either CLI, at once and in pieces, from its beginning and from its middle.
pub(crate) fn transcript(bytes: &[u8]) {
    let unknown = |_: &str| None;
    let zones = Zones { local: jiff::tz::TimeZone::UTC, named: &unknown };
    let now = Wall::from_unix_ms(1_790_000_000_000);
    for format in [Format::Claude, Format::Codex] {
        let mut whole = Transcript::new(format, Since::default());
        whole.feed(bytes, &zones);
        let mut torn = Transcript::new(format, Since::default());
        let piece = usize::from(bytes.first().copied().unwrap_or(1)).max(1);
        bytes.chunks(piece).for_each(|piece| torn.feed(piece, &zones));
        assert_eq!(whole.heard(now), torn.heard(now));
        assert_eq!(whole.counts(), torn.counts());
        let claim = whole.heard(now).claim;
        assert!(claim.is_none_or(|claim| claim.excerpt.raw().len() <= EXCERPT_BYTES));
        assert!(whole.due(now).is_none_or(|at| at > now));
        let mut middle = Transcript::from_middle(format, Since::default());
        middle.feed(bytes, &zones);
        assert!(middle.counts().lines <= whole.counts().lines);
    }
}

/// Reads the input as a profile's file, after one that it may extend.
pub(crate) fn profile(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (profiles, errors) = Profiles::parse([PROFILES[1], ("x.toml", &text)]);
    let lines = text.lines().count().max(1) + 1;
    assert!(
        errors.iter().all(|e| e.file == "x.toml" && (1..=lines).contains(&e.line) && e.column > 0),
        "{errors:?}"
    );
    let shot = Shot { text: "> a\n".into(), ..Shot::default() };
    for profile in profiles.iter() {
        let _ = screen::classify(profile, &shot);
    }
}
