//! Which rules of one profile fire, and which do no more.

use std::collections::BTreeMap;
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
    version: Option<String>,
    /// When another version was seen, and how many screens had been read by then.
    changed: Option<(Mono, u64)>,
}

impl Rules {
    pub(super) fn read(&mut self, rules: &[RuleName], now: Mono) {
        if rules.is_empty() {
            return;
        }
        self.reads += 1;
        for rule in rules {
            if let Some(fired) = self.fired.get_mut(rule) {
                *fired = Fired { times: fired.times + 1, last: now, reads: self.reads };
            } else if self.fired.len() < limits::DRIFT_RULES_MAX {
                self.fired.insert(Arc::clone(rule), Fired { times: 1, last: now, reads: self.reads });
            }
        }
    }

    pub(super) fn version(&mut self, version: String, now: Mono) {
        if self.version.as_ref().is_some_and(|before| *before != version) {
            self.changed = Some((now, self.reads));
        }
        self.version = Some(version);
    }

    /// Rules that used to fire and do no more, each with what is the matter.
    pub(super) fn silent(&self, now: Mono) -> Vec<(&RuleName, String)> {
        let mut silent = Vec::new();
        for (rule, fired) in self.fired.iter().filter(|(_, f)| f.times >= limits::DRIFT_RULE_TIMES) {
            // How many screens it usually takes until it fires again.
            let gap = fired.reads / fired.times + 1;
            let (reads, time) = (self.reads - fired.reads, now.since(fired.last));
            let since_change = self.changed.filter(|(at, _)| fired.last < *at);
            let changed = since_change.is_some_and(|(at, then)| {
                self.reads - then >= gap.saturating_mul(limits::DRIFT_RULE_GAPS)
                    && now.since(at) >= limits::DRIFT_VERSION_SILENCE
            });
            let long =
                reads >= gap.saturating_mul(limits::DRIFT_RULE_GAPS) && time >= limits::DRIFT_RULE_SILENCE;
            if changed {
                let version = self.version.as_deref().unwrap_or("?");
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
