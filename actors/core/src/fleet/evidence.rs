//! What is said about an agent, by whom, and how much that weighs.
//!
//! Every observer (the kernel, tmux, the screen reader, a CLI's hooks, its transcript) speaks in
//! [`Claim`]s. The machine of [`super::agent`] keeps the latest of each source as [`Evidence`] and takes
//! the state that the strongest rank says.

use std::fmt;
use std::sync::Arc;

use crate::clock::Mono;
use crate::fleet::relaunch::speaks_of_login;
use crate::fleet::state::{AgentState, Detail};
use crate::untrusted::Untrusted;

/// A state with its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// What the agent is doing.
    pub state: AgentState,
    /// Which kind of that.
    pub detail: Option<Detail>,
}

impl Verdict {
    /// A state of that kind.
    pub const fn new(state: AgentState, detail: Option<Detail>) -> Self {
        Verdict { state, detail }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.detail {
            Some(detail) => write!(f, "{} ({detail})", self.state),
            None => write!(f, "{}", self.state),
        }
    }
}

/// Where a piece of evidence comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The kernel: the process lives, or how it ended.
    Process,
    /// tmux: the pane is there, is dead, is gone; the server answers or not.
    Pane,
    /// Something was written in the pane.
    Activity,
    /// A person asked for it.
    Person,
    /// What the pane shows.
    Screen,
    /// The pane's title.
    Title,
    /// The CLI said so by a hook.
    Hook,
    /// The CLI wrote it into its transcript.
    Transcript,
}

impl Source {
    /// The word of the contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Source::Process => "process",
            Source::Pane => "pane",
            Source::Activity => "activity",
            Source::Person => "person",
            Source::Screen => "screen",
            Source::Title => "title",
            Source::Hook => "hook",
            Source::Transcript => "transcript",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How much a claim weighs, strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rank {
    /// The process itself: it ended, or it is stopped.
    Process,
    /// A gate before any work: folder trust, login, set-up.
    Gate,
    /// A question that stands on the screen and holds everything: a permission, a menu, a limit.
    Blocker,
    /// A live sign of work on the screen or in the title.
    Spinner,
    /// The CLI's own word by a hook.
    Hook,
    /// The CLI's own word in its transcript.
    Transcript,
    /// The composer: empty, a placeholder, typed text; an error above it.
    Composer,
    /// Only that something is written, or nothing is.
    Activity,
    /// Nothing can be said.
    Unknown,
}

/// The name of a rule: `claude.spinner`, `hook.stop`, `activity.quiet`. Profiles make them, so they are
/// no constants.
pub type RuleName = Arc<str>;

/// What one rule says about an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Where it comes from.
    pub source: Source,
    /// How much it weighs.
    pub rank: Rank,
    /// Which rule spoke.
    pub rule: RuleName,
    /// What it says the agent is doing.
    pub says: Verdict,
    /// The words it stands on, bounded by [`crate::limits::EXCERPT_BYTES`]; empty when there are none.
    pub excerpt: Untrusted,
}

impl Claim {
    /// Whether it says that there is no login, or that a key is refused: by the name of its rule (`login`, `auth`
    /// or `auth-…` behind the last dot), or by the words that it saw.
    pub fn is_about_login(&self) -> bool {
        let name = self.rule.rsplit('.').next().unwrap_or_default();
        let named = name.split('-').any(|word| matches!(word, "auth" | "login"));
        named || speaks_of_login(&self.excerpt.raw().to_ascii_lowercase())
    }
}

/// A claim with its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// What was said.
    pub claim: Claim,
    /// When it was observed.
    pub at: Mono,
}
