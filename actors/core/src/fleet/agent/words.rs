//! The words of the machine: what happens to an agent, what is said about it, what follows.

use std::time::Duration;

use crate::clock::{Mono, Wall};
use crate::fleet::evidence::{Claim, RuleName};
use crate::fleet::hook::HookSays;
use crate::fleet::process::ExitFacts;
use crate::fleet::relaunch::Hold;
use crate::fleet::screen::Reading;
use crate::fleet::transcript::Heard;
use crate::ids::ProcId;
use crate::untrusted::Untrusted;

use super::Change;

/// A moment by both clocks: the first decides, the second is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Monotonic.
    pub mono: Mono,
    /// By the wall clock.
    pub wall: Wall,
}

/// What happened to an agent.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A process of it is watched from now on; `age` is how long that process runs already.
    Attached {
        /// Which.
        process: ProcId,
        /// How long it runs.
        age: Duration,
    },
    /// Something was written in its pane.
    Activity {
        /// When that was seen.
        at: Mono,
    },
    /// The time asked for by [`Agent::next_look`] has come.
    Look,
    /// A process ended.
    Died {
        /// Which.
        process: ProcId,
        /// How.
        facts: ExitFacts,
    },
    /// tmux says that the pane's process ended and the pane stays.
    PaneDead {
        /// How, as far as tmux knows.
        facts: ExitFacts,
    },
    /// The process that tmux started in its pane has ended; its own is another one, below that.
    PaneEnding {
        /// How that process ended.
        facts: ExitFacts,
    },
    /// Its pane is no longer there.
    PaneGone,
    /// Its pane is there (again).
    PaneThere,
    /// Its tmux server does not answer (`stalled`), or has ended.
    ServerLost {
        /// Whether it may still be alive.
        stalled: bool,
    },
    /// Its tmux server answers.
    ServerBack,
    /// A person asked to end it.
    EndAsked,
    /// It stays down, for this.
    Held(Hold<Wall>),
    /// What its screen says, read from a capture.
    Screen {
        /// What was read.
        reading: Box<Reading>,
        /// Whether nothing had been written for a moment when it was captured.
        calm: bool,
        /// When the screen was captured.
        at: Mono,
    },
    /// What its title says now; nothing when no rule fits it.
    Title(Vec<Claim>),
    /// One of its CLI's hooks was called, by its present process.
    Hook {
        /// What the call means.
        says: HookSays,
        /// Which hook.
        rule: RuleName,
        /// The tool, the question, the reason; bounded.
        words: Untrusted,
        /// When it was called.
        at: Mono,
    },
    /// Its CLI's transcript says something else than before.
    Transcript(Box<Heard>),
    /// How its process stands, beside that it lives.
    Front(Front),
}

/// Whose output a pane shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shows {
    /// The agent's: its process group has the terminal, or nobody knows better.
    #[default]
    Agent,
    /// That of a program which the agent started in front of itself, an editor for example.
    Child,
    /// That of another program: a shell, while the agent is in the background.
    Other,
}

/// What the kernel says about the agent's process while it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Front {
    /// Whether it is stopped (Ctrl-Z, SIGSTOP).
    pub stopped: bool,
    /// Who has its terminal.
    pub shows: Shows,
    /// When the youngest process below it was started, where one runs.
    pub tool: Option<Mono>,
}

impl Front {
    /// Whether what its pane shows is its own.
    pub fn shows_agent(self) -> bool {
        self.shows == Shows::Agent
    }
}

/// What follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Its state or its detail changed; told after [`Effect::Died`] of the same step.
    Changed(Change),
    /// Its process ended. Told once for each process.
    Died(ExitFacts),
    /// Nothing of it is left to watch.
    Gone,
    /// Its screen changed and no capture of it came: look again.
    WantScreen,
}
