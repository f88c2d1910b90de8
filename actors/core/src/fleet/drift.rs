//! Drift: signs that the rules of a profile no longer fit its CLI.
//!
//! Two things tell. The hooks of an agent go on saying one thing while its screen goes on saying another
//! ([`Quarrel`]). Or a rule that used to fire for a CLI does no more, for long or since its version changed,
//! while other rules of the same profile do ([`Rules`]). Either makes an alert that fires once, and is
//! resolved when the sign is gone and stays gone.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::clock::Mono;
use crate::fleet::evidence::{RuleName, Verdict};
use crate::fleet::screen::Reading;
use crate::fleet::state::AgentState;
use crate::ids::AgentId;
use crate::limits;

mod quarrel;
mod rules;

use quarrel::Quarrel;
use rules::Rules;

/// A profile's name.
pub type Cli = Arc<str>;

/// What was seen of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// One of its hooks said what it does.
    Hooked(AgentId, Cli, Verdict),
    /// Its screen was read.
    Read(AgentId, Cli, Glance),
    /// Its CLI is of that version.
    Version(Cli, String),
    /// It is gone.
    Gone(AgentId),
    /// Time went by.
    Tick,
}

/// What a reading tells about drift.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Glance {
    /// Which rules fired.
    pub rules: Vec<RuleName>,
    /// What the strongest says; nothing when none did or the screen is covered.
    pub says: Option<Verdict>,
}

impl Glance {
    /// Of a reading.
    pub fn of(reading: &Reading) -> Self {
        let rules = reading.claims.iter().chain(&reading.hold).map(|c| Arc::clone(&c.rule)).collect();
        let says = reading.claims.first().filter(|_| reading.hold.is_none()).map(|c| c.says);
        Glance { rules, says }
    }
}

/// An alert that began or ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turned {
    /// Which: the same sign has the same id.
    pub alert: String,
    /// Whose profile.
    pub cli: Cli,
    /// Whether it fires now; else it is resolved.
    pub firing: bool,
    /// What is the matter, for a person.
    pub words: String,
}

#[derive(Debug, Clone)]
struct Alarm {
    cli: Cli,
    words: String,
    /// When the sign was last there.
    last: Mono,
}

/// What is known of one agent.
#[derive(Debug, Clone)]
struct One {
    cli: Cli,
    quarrel: Quarrel,
    /// Which rules fired on its last screen.
    fired: Vec<RuleName>,
}

/// What is known of all profiles.
#[derive(Debug, Clone, Default)]
pub struct Drift {
    agents: HashMap<AgentId, One>,
    rules: BTreeMap<Cli, Rules>,
    firing: BTreeMap<String, Alarm>,
}

impl Drift {
    /// Takes in what was seen; says which alerts began or ended by that.
    pub fn step(&mut self, seen: Seen, now: Mono) -> Vec<Turned> {
        match seen {
            Seen::Hooked(id, cli, says) => {
                if let Some(one) = self.one(id, &cli) {
                    one.quarrel.hooked(says, now);
                }
            }
            Seen::Read(id, cli, glance) => {
                let Some(one) = self.one(id, &cli) else { return Vec::new() };
                one.quarrel.read(glance.says, now);
                let before = std::mem::replace(&mut one.fired, glance.rules.clone());
                self.rules.entry(cli).or_default().read(&glance.rules, &before, now);
                // Signs are looked for on the tick: a reading is frequent, and an alert is slow.
                return Vec::new();
            }
            Seen::Version(cli, version) => self.rules.entry(cli).or_default().version(version, now),
            Seen::Gone(id) => drop(self.agents.remove(&id)),
            Seen::Tick => {}
        }
        self.review(now)
    }

    /// What fires now, for a person: whose profile, and what is the matter.
    pub fn firing(&self) -> impl Iterator<Item = (&Cli, &str)> {
        self.firing.values().map(|alarm| (&alarm.cli, alarm.words.as_str()))
    }

    fn one(&mut self, id: AgentId, cli: &Cli) -> Option<&mut One> {
        if !self.agents.contains_key(&id) && self.agents.len() >= limits::DRIFT_AGENTS_MAX {
            return None;
        }
        let new = || One { cli: Arc::clone(cli), quarrel: Quarrel::default(), fired: Vec::new() };
        Some(self.agents.entry(id).or_insert_with(new))
    }

    fn review(&mut self, now: Mono) -> Vec<Turned> {
        let mut signs: BTreeMap<String, (Cli, String)> = BTreeMap::new();
        for (id, One { cli, quarrel, .. }) in &self.agents {
            if let Some(words) = quarrel.stands(now) {
                let words = format!("agent {id}: {words}");
                signs.insert(format!("drift-{cli}-hooks"), (Arc::clone(cli), words));
            }
        }
        for (cli, rules) in &self.rules {
            for (rule, words) in rules.silent(now) {
                signs.insert(format!("drift-{cli}-{rule}"), (Arc::clone(cli), words));
            }
        }
        let mut turned = Vec::new();
        for (alert, (cli, words)) in signs {
            let room = self.firing.len() < limits::DRIFT_ALERTS_MAX;
            match self.firing.get_mut(&alert) {
                Some(alarm) => alarm.last = now,
                None if room => {
                    let alarm = Alarm { cli: Arc::clone(&cli), words: words.clone(), last: now };
                    self.firing.insert(alert.clone(), alarm);
                    turned.push(Turned { alert, cli, firing: true, words });
                }
                None => {}
            }
        }
        self.firing.retain(|alert, alarm| {
            let stays = now.since(alarm.last) < limits::DRIFT_CLEAR;
            if !stays {
                let (cli, words) = (Arc::clone(&alarm.cli), std::mem::take(&mut alarm.words));
                turned.push(Turned { alert: alert.clone(), cli, firing: false, words });
            }
            stays
        });
        turned
    }
}

/// What two sets of rules make of one screen, where that is not the same.
pub fn disagreement(active: &Reading, shadow: &Reading) -> Option<String> {
    let words = |reading: &Reading| match (&reading.hold, reading.claims.first()) {
        (Some(hold), _) => format!("holds by {}", hold.rule),
        (None, Some(claim)) => format!("{} by {}", claim.says, claim.rule),
        (None, None) => "nothing".to_owned(),
    };
    let says = |reading: &Reading| {
        let claim = reading.claims.first().map(|c| c.says);
        (reading.hold.is_some(), claim.filter(|_| reading.hold.is_none()))
    };
    (says(active) != says(shadow)).then(|| format!("{}, the shadow says {}", words(active), words(shadow)))
}

/// What an agent does, as far as two sources can be held against each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Works,
    Asks,
    Rests,
}

impl Kind {
    fn of(says: Verdict) -> Option<Self> {
        Some(match says.state {
            AgentState::Busy => Kind::Works,
            AgentState::Waiting => Kind::Asks,
            AgentState::Idle
            | AgentState::Fresh
            | AgentState::Queued
            | AgentState::Limited
            | AgentState::Error => Kind::Rests,
            _ => return None,
        })
    }

    fn word(self) -> &'static str {
        match self {
            Kind::Works => "works",
            Kind::Asks => "asks",
            Kind::Rests => "rests",
        }
    }
}

#[cfg(test)]
mod tests;
