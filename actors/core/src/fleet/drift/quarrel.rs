//! One agent's hooks against its screen.

use super::Kind;
use crate::clock::Mono;
use crate::fleet::evidence::Verdict;
use crate::limits;

/// What both say, and since when that is not the same.
///
/// One old word of a hook against a screen is no sign: a turn that is interrupted has no hook for its end.
/// A sign are several hooks, over a time in which the screen never once agreed.
#[derive(Debug, Clone, Default)]
pub(super) struct Quarrel {
    hook: Option<Kind>,
    screen: Option<Kind>,
    since: Option<Mono>,
    /// Hooks that were called while they disagreed.
    hooks: u32,
}

impl Quarrel {
    pub(super) fn hooked(&mut self, says: Verdict, now: Mono) {
        self.hook = Kind::of(says);
        self.judge(true, now);
    }

    pub(super) fn read(&mut self, says: Option<Verdict>, now: Mono) {
        // A screen that says nothing does not disagree.
        if let Some(kind) = says.and_then(Kind::of) {
            self.screen = Some(kind);
            self.judge(false, now);
        }
    }

    fn judge(&mut self, hooked: bool, now: Mono) {
        match (self.hook, self.screen) {
            (Some(hook), Some(screen)) if hook != screen => {
                self.since.get_or_insert(now);
                self.hooks = self.hooks.saturating_add(u32::from(hooked));
            }
            _ => (self.since, self.hooks) = (None, 0),
        }
    }

    /// What is the matter, when it has been for too long.
    pub(super) fn stands(&self, now: Mono) -> Option<String> {
        let long = self.since.is_some_and(|at| now.since(at) >= limits::DRIFT_QUARREL);
        let (hook, screen) = (self.hook?.word(), self.screen?.word());
        (long && self.hooks >= limits::DRIFT_HOOKS)
            .then(|| format!("its hooks say that it {hook}, its screen that it {screen}, again and again"))
    }
}
