//! What reading a screen costs: 50 lines, plain and with colours, by the rules of a CLI and by all of them.
//! `cargo bench -p tsup-actors --bench screen`.
//!
//! Figures are medians of many rounds, in CPU time of the measuring thread.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::hint::black_box;

use rustix::time::{ClockId, clock_gettime};
use tsup_core::fleet::profile::{Profile, Profiles};
use tsup_core::fleet::screen::{self, Shot};

const ROUNDS: usize = 401;
const LINES: usize = 50;
const COLUMNS: usize = 120;

fn cpu() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 * 1e9 + now.tv_nsec as f64
}

/// Median microseconds of one run of `work`.
fn each(mut work: impl FnMut()) -> f64 {
    let round = |_| {
        let before = cpu();
        (0..20).for_each(|_| work());
        (cpu() - before) / 20.0 / 1e3
    };
    let mut rounds: Vec<f64> = (0..ROUNDS).map(round).collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}

/// A screen of [`LINES`] lines: history of tool calls and prose, then a live region.
fn screen(live: &str, colour: bool) -> Shot {
    let live: Vec<&str> = live.lines().collect();
    let history = [
        "● Bash(cargo test --workspace)",
        "  ⎿  running 218 tests",
        "     test fleet::screen::tests::a_quoted_spinner_is_history ... ok and some more words to fill the line",
        "",
        "● The tests pass. Next I will look at the parser, since its error for a missing field names no column.",
        "  It should point at the key, as the others do; “Do you want to proceed?” is only quoted here.",
        "",
    ];
    let mut lines: Vec<String> =
        history.iter().cycle().take(LINES - live.len()).map(|l| (*l).to_owned()).collect();
    lines.extend(live.iter().map(|line| line.replace("{rule}", &"─".repeat(COLUMNS))));
    if colour {
        for line in &mut lines {
            *line = format!("\u{1b}[38;5;231m{line}\u{1b}[39m\u{1b}[2m \u{1b}[0m");
        }
    }
    Shot { text: lines.join("\n").into(), title: "✳ Mend the parser".into(), columns: None }
}

const IDLE: &str = "✻ Worked for 12s\n\n{rule}\n❯ \n{rule}\n  ? for shortcuts";
const BUSY: &str = "✻ Simmering… (12s · ↓ 1.2k tokens · esc to interrupt)\n  ⎿  ◼ Read\n     ◻ Write\n\n{rule}\n❯ \n{rule}\n  ⏵⏵ accept edits on";
const ASKS: &str = "{rule}\n Bash command\n\n   rm -rf target\n   Remove the build\n\n Do you want to proceed?\n ❯ 1. Yes\n   2. Yes, and \
don't ask again\n   3. No\n\n Esc to cancel · Tab to amend";
const BOXED: &str = "⠏ Thinking (esc to cancel, 12s)\n\n╭────────╮\n│ >   Type your message │\n╰────────╯\n ~/proj   no sandbox";

fn main() {
    let profiles = tsup_actors::fleet::profiles::shipped();
    let cases = [
        ("claude", "idle", IDLE),
        ("claude", "busy", BUSY),
        ("claude", "permission", ASKS),
        ("gemini", "busy", BOXED),
        ("generic", "busy", BOXED),
    ];
    println!("{:<40} {:>10} {:>12}", "a screen of 50 lines, µs", "plain", "with colour");
    for (name, what, live) in cases {
        let Some(profile) = profiles.get(name) else { continue };
        let [plain, colour] = [false, true].map(|colour| read(profile, &screen(live, colour)));
        println!("{:<40} {plain:>10.1} {colour:>12.1}   reach ≤ 60", format!("{name}, {what}"));
    }
    let [plain, colour] = [false, true].map(|colour| guess(&profiles, &screen(BUSY, colour)));
    println!("{:<40} {plain:>10.1} {colour:>12.1}", "whose it is, of all profiles");
}

fn read(profile: &Profile, shot: &Shot) -> f64 {
    each(|| {
        black_box(screen::read(profile, black_box(shot)));
    })
}

fn guess(profiles: &Profiles, shot: &Shot) -> f64 {
    each(|| {
        black_box(screen::guess(profiles, black_box(shot)));
    })
}
