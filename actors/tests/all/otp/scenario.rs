//! Random scenarios, and how they are written as Erlang terms.

use tsup_core::supervision::backoff::Jitter;
use tsup_core::supervision::{AutoShutdown, Restart, Strategy};

/// How a child takes being asked to end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Manner {
    Obeys,
    /// Ends after this many milliseconds.
    Takes(u64),
    Refuses,
}

/// Time a child has to end when asked, where it matters and where it does not.
const GRACE_SHORT_MS: u64 = 150;
const GRACE_LONG_MS: u64 = 20_000;

#[derive(Debug, Clone)]
pub(super) struct Kid {
    pub(super) name: &'static str,
    pub(super) restart: Restart,
    pub(super) significant: bool,
    /// `None`: killed without being asked.
    pub(super) grace_ms: Option<u64>,
    pub(super) manner: Manner,
}

#[derive(Debug, Clone)]
pub(super) enum Step {
    /// The child ends: `normal`, `shutdown`, `boom` or `killed`.
    Exit(&'static str, &'static str),
    Terminate(&'static str),
    Restart(&'static str),
    Delete(&'static str),
    Add(Kid),
    /// Its next starts fail.
    Fail(&'static str, u64),
    /// All earlier restarts leave the window.
    Wait,
}

#[derive(Debug, Clone)]
pub(super) struct Scenario {
    pub(super) strategy: Strategy,
    pub(super) intensity: u32,
    /// Whether the window is short enough for [`Step::Wait`] to matter.
    pub(super) short_window: bool,
    pub(super) auto_shutdown: AutoShutdown,
    pub(super) kids: Vec<Kid>,
    pub(super) steps: Vec<Step>,
}

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

struct Dice(Jitter);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0.next() % sides
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len() as u64) as usize]
    }

    fn kid(&mut self, name: &'static str, auto_shutdown: AutoShutdown) -> Kid {
        use Restart::{Permanent, Temporary, Transient};
        let restart = self.pick(&[Permanent, Permanent, Transient, Transient, Temporary]);
        let may_be_significant = auto_shutdown != AutoShutdown::Never && restart != Permanent;
        let manner = self.pick(&[Manner::Obeys, Manner::Obeys, Manner::Takes(20), Manner::Refuses]);
        let grace_ms = match (manner, self.roll(5)) {
            (_, 0) => None,
            (Manner::Refuses, _) => Some(GRACE_SHORT_MS),
            _ => Some(GRACE_LONG_MS),
        };
        Kid { name, restart, significant: may_be_significant && self.roll(2) == 0, grace_ms, manner }
    }

    fn step(&mut self, auto_shutdown: AutoShutdown) -> Step {
        let name = self.pick(&NAMES);
        match self.roll(16) {
            0..=8 => Step::Exit(name, self.pick(&["boom", "boom", "boom", "normal", "shutdown", "killed"])),
            9 | 10 => Step::Terminate(name),
            11 => Step::Restart(name),
            12 => Step::Delete(name),
            13 | 14 => Step::Add(self.kid(name, auto_shutdown)),
            _ => Step::Fail(name, 1 + self.roll(3)),
        }
    }
}

impl Scenario {
    /// The n-th scenario of a seed.
    pub(super) fn random(seed: u64, n: u64) -> Scenario {
        let mut dice = Dice(Jitter::seeded(seed.wrapping_mul(1_000_003).wrapping_add(n)));
        let auto_shutdown = dice.pick(&[
            AutoShutdown::Never,
            AutoShutdown::Never,
            AutoShutdown::AnySignificant,
            AutoShutdown::AllSignificant,
        ]);
        let kids = NAMES[..=dice.roll(5) as usize].iter().map(|n| dice.kid(n, auto_shutdown)).collect();
        let short_window = dice.roll(6) == 0;
        // Without a wait, a short window must not run out: few steps.
        let length = if short_window { 3 } else { 4 + dice.roll(9) };
        let mut steps: Vec<Step> = (0..length).map(|_| dice.step(auto_shutdown)).collect();
        if short_window {
            steps.push(Step::Wait);
            steps.extend((0..3).map(|_| dice.step(auto_shutdown)));
        }
        if dice.roll(12) == 0 {
            steps.insert(0, Step::Fail(dice.pick(&NAMES[..2]), 1));
        }
        Scenario {
            strategy: dice.pick(&[Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne]),
            intensity: dice.roll(5) as u32,
            short_window,
            auto_shutdown,
            kids,
            steps,
        }
    }

    /// As an Erlang term. Times here are real: a step takes milliseconds, a window is four seconds or an
    /// hour, and OTP counts whole seconds.
    pub(super) fn term(&self, n: usize) -> String {
        let auto = match self.auto_shutdown {
            AutoShutdown::Never => "never",
            AutoShutdown::AnySignificant => "any_significant",
            AutoShutdown::AllSignificant => "all_significant",
        };
        let kids: Vec<String> = self.kids.iter().map(kid_term).collect();
        let steps: Vec<String> = self.steps.iter().map(step_term).collect();
        let period = if self.short_window { 4 } else { 3600 };
        let (strategy, intensity) = (self.strategy.name(), self.intensity);
        format!("{{{n},{strategy},{intensity},{period},{auto},[{}],[{}]}}", kids.join(","), steps.join(","))
    }
}

fn kid_term(kid: &Kid) -> String {
    let restart = match kid.restart {
        Restart::Permanent => "permanent",
        Restart::Transient => "transient",
        Restart::Temporary => "temporary",
    };
    let grace = kid.grace_ms.map_or("brutal_kill".to_owned(), |ms| ms.to_string());
    let manner = match kid.manner {
        Manner::Obeys => "obeys".to_owned(),
        Manner::Takes(ms) => format!("{{takes,{ms}}}"),
        Manner::Refuses => "refuses".to_owned(),
    };
    format!("{{{},{restart},{},{grace},{manner}}}", kid.name, kid.significant)
}

fn step_term(step: &Step) -> String {
    match step {
        Step::Exit(name, why) => format!("{{exit,{name},{why}}}"),
        Step::Terminate(name) => format!("{{terminate,{name}}}"),
        Step::Restart(name) => format!("{{restart,{name}}}"),
        Step::Delete(name) => format!("{{delete,{name}}}"),
        Step::Add(kid) => format!("{{add,{}}}", kid_term(kid)),
        Step::Fail(name, times) => format!("{{fail,{name},{times}}}"),
        Step::Wait => "{wait,6000}".to_owned(),
    }
}
