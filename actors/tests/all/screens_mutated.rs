//! Screens as no program means them: torn, cut at the head, spliced with others, with bytes changed. Whatever the
//! reader makes of them, it ends, keeps to its order and its bounds, and proves no death from a part of a screen.
//! What is drawn is the same in every run.

use tsup_actors::fleet::{profiles, screens};
use tsup_core::fleet::evidence::Rank;
use tsup_core::fleet::profile::{Profile, Profiles};
use tsup_core::fleet::screen::{self, Shot};
use tsup_core::fleet::stage::Frame;
use tsup_core::fleet::state::AgentState;
use tsup_core::limits::EXCERPT_BYTES;

/// Numbers that look random: a linear congruence.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides.max(1)
    }
}

/// Every painted screen, its CLI, and whether its program has ended.
fn painted() -> Vec<(&'static str, String, bool)> {
    let mut all = Vec::new();
    for screen in screens::all() {
        let painted = screen.painted().unwrap();
        let columns = painted.header.columns[0];
        let shot = painted.shot(&Frame { rows: painted.header.rows, ..Frame::of(columns) });
        let ended = painted.accepts(AgentState::Crashed);
        all.push((screen.cli, shot.text.raw().to_owned(), ended));
    }
    all
}

fn read(profile: &Profile, text: &str) -> AgentState {
    let shot = Shot { text: text.to_owned().into(), title: "title".into(), columns: None };
    let reading = screen::read(profile, &shot);
    assert!(reading.claims.iter().all(|claim| claim.excerpt.raw().len() <= EXCERPT_BYTES));
    assert!(reading.claims.is_sorted_by_key(|claim| claim.rank), "{reading:?}\n{text}");
    assert!(reading.claims.iter().all(|claim| claim.rank != Rank::Process), "{text}");
    screen::classify(profile, &shot).verdict.state
}

fn profile<'p>(profiles: &'p Profiles, cli: &str) -> &'p Profile {
    profiles.get(cli).unwrap()
}

#[test]
fn a_screen_without_its_head_is_no_death() {
    let profiles = profiles::shipped();
    for (cli, text, ended) in painted() {
        let lines: Vec<&str> = text.lines().collect();
        for from in 1..lines.len() {
            let said = read(profile(&profiles, cli), &lines[from..].join("\n"));
            assert!(ended || said != AgentState::Crashed, "{cli}, from line {from}:\n{text}");
        }
    }
}

#[test]
fn a_screen_over_another_is_no_death() {
    let profiles = profiles::shipped();
    let alive: Vec<_> = painted().into_iter().filter(|(_, _, ended)| !ended).collect();
    let mut dice = Dice(7);
    for (cli, text, _) in &alive {
        let (_, other, _) = &alive[dice.roll(alive.len())];
        let above = other.lines().take(dice.roll(12)).collect::<Vec<_>>().join("\n");
        let said = read(profile(&profiles, cli), &format!("{above}\n{text}"));
        assert_ne!(said, AgentState::Crashed, "{cli}:\n{above}\n{text}");
    }
}

#[test]
fn changed_bytes_break_nothing() {
    let profiles = profiles::shipped();
    let mut dice = Dice(11);
    for (cli, text, _) in painted() {
        let mut bytes = text.into_bytes();
        for _ in 0..=bytes.len() / 40 {
            let at = dice.roll(bytes.len());
            bytes[at] = [b'\n', 0x1b, b'[', b'm', 0xe2, 0x94, b'>', b' '][dice.roll(8)];
        }
        let text = String::from_utf8_lossy(&bytes);
        read(profile(&profiles, cli), &text);
        let shot = Shot { text: text.into_owned().into(), ..Shot::default() };
        assert!(screen::guess(&profiles, &shot).is_some());
    }
}
