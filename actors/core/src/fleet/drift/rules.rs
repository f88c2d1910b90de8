//! Which rules of one profile fire, and which do no more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::clock::Mono;
use crate::fleet::evidence::RuleName;
use crate::limits;

/// One rule.
#[derive(Debug, Clone, Copy)]
struct Fired {
    times: u64,
    last: Mono,
    /// How many screens had been read when it last fired.
    reads: u64,
}

/// The rules of one profile.
#[derive(Debug, Clone, Default)]
pub(super) struct Rules {
    /// Screens on which any rule fired.
    reads: u64,
    fired: BTreeMap<RuleName, Fired>,
    /// Its versions: several may run at the same time.
    versions: BTreeSet<String>,
    /// Which one was last seen for the first time after others, when, and how many screens had been read by then.
    changed: Option<(String, Mono, u64)>,
}

impl Rules {
    /// Takes in which rules fired on an agent's screen, and which had on the one before. A rule that stands on
    /// screen after screen fired once: one long wait is no habit.
    pub(super) fn read(&mut self, rules: &[RuleName], before: &[RuleName], now: Mono) {
        if rules.is_empty() {
            return;
        }
        self.reads += 1;
        for rule in rules {
            if let Some(fired) = self.fired.get_mut(rule) {
                let times = fired.times + u64::from(!before.contains(rule));
                *fired = Fired { times, last: now, reads: self.reads };
            } else if self.fired.len() < limits::DRIFT_RULES_MAX {
                self.fired.insert(Arc::clone(rule), Fired { times: 1, last: now, reads: self.reads });
            }
        }
    }

    pub(super) fn version(&mut self, version: String, now: Mono) {
        if version.is_empty() || self.versions.contains(&version) {
            return;
        }
        if !self.versions.is_empty() {
            self.changed = Some((version.clone(), now, self.reads));
        }
        if self.versions.len() < limits::DRIFT_VERSIONS_MAX {
            self.versions.insert(version);
        }
    }

    /// Rules that used to fire and do no more, each with what is the matter.
    pub(super) fn silent(&self, now: Mono) -> Vec<(&RuleName, String)> {
        let mut silent = Vec::new();
        for (rule, fired) in self.fired.iter().filter(|(_, f)| f.times >= limits::DRIFT_RULE_TIMES) {
            // How many screens it usually takes until it fires again.
            let gap = fired.reads / fired.times + 1;
            let (reads, time) = (self.reads - fired.reads, now.since(fired.last));
            let changed = self.changed.as_ref().filter(|(_, at, then)| {
                fired.last < *at
                    && self.reads - then >= gap.saturating_mul(limits::DRIFT_RULE_GAPS)
                    && now.since(*at) >= limits::DRIFT_VERSION_SILENCE
            });
            let long =
                reads >= gap.saturating_mul(limits::DRIFT_RULE_GAPS) && time >= limits::DRIFT_RULE_SILENCE;
            if let Some((version, ..)) = changed {
                let words = format!("rule {rule} has not fired since the CLI's version is {version}");
                silent.push((rule, words));
            } else if long {
                let hours = time.as_secs() / 3600;
                silent.push((rule, format!("rule {rule} has not fired for {hours} hours, and others have")));
            }
        }
        silent
    }
}
