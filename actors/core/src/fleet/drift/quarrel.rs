//! One agent's hooks against its screen.

use super::Kind;
use crate::clock::Mono;
use crate::fleet::evidence::Verdict;
use crate::limits;

/// What both say, and since when that is not the same.
///
/// One old word of a hook against a screen is no sign: a turn that is interrupted has no hook for its end. One
/// old screen against hooks is none either. A sign are several of both, over a time in which they never agreed.
#[derive(Debug, Clone, Default)]
pub(super) struct Quarrel {
    hook: Option<Kind>,
    screen: Option<Kind>,
    since: Option<Mono>,
    /// Hooks that were called while they disagreed.
    hooks: u32,
    /// Screens that were read since then, and disagreed.
    readings: u32,
}

impl Quarrel {
    pub(super) fn hooked(&mut self, says: Verdict, now: Mono) {
        self.hook = Kind::of(says);
        if self.disagree(now) {
            self.hooks = self.hooks.saturating_add(1);
        }
    }

    pub(super) fn read(&mut self, says: Option<Verdict>, now: Mono) {
        // A screen that says nothing does not disagree.
        let Some(kind) = says.and_then(Kind::of) else { return };
        self.screen = Some(kind);
        let since = self.since;
        if self.disagree(now) && since.is_some() {
            self.readings = self.readings.saturating_add(1);
        }
    }

    /// Whether both say something else, and since when.
    fn disagree(&mut self, now: Mono) -> bool {
        match (self.hook, self.screen) {
            // The question stands while another tool runs beside it: that is no contradiction.
            (Some(Kind::Works), Some(Kind::Asks)) => {}
            (Some(hook), Some(screen)) if hook != screen => {
                self.since.get_or_insert(now);
                return true;
            }
            _ => {}
        }
        (self.since, self.hooks, self.readings) = (None, 0, 0);
        false
    }

    /// What is the matter, when it has been for too long.
    pub(super) fn stands(&self, now: Mono) -> Option<String> {
        let long = self.since.is_some_and(|at| now.since(at) >= limits::DRIFT_QUARREL);
        let (hook, screen) = (self.hook?.word(), self.screen?.word());
        let often = self.hooks >= limits::DRIFT_HOOKS && self.readings >= limits::DRIFT_READINGS;
        (long && often)
            .then(|| format!("its hooks say that it {hook}, its screen that it {screen}, again and again"))
    }
}
