//! Scripts that run at times: which runs are due, and what becomes of each.
//!
//! Every run is a time at which its schedule is due, and is decided once: it is submitted, left out because an
//! earlier one has not ended, or left out because its time passed while nobody looked. `until` is kept in the
//! store, the time up to which all was decided; the key of a submission names its run, so that one that was
//! submitted and not noted is submitted again without effect.
//!
//! - `schedule/cron.rs`: times of a crontab, in zones whose clocks change
//! - `schedule/timing.rs`: when a schedule is due, and which of its times have passed
//! - `schedule/entry.rs`: one schedule: what it decided and what it waits for

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::clock::{Mono, Wall};
use crate::ids::JobId;
use crate::limits;
use crate::settings::tes::{Missed, Overlap, ScheduleSettings};
use crate::tes::job::JobState;
use crate::wire::verb::Submit;

pub mod cron;
mod entry;
#[cfg(test)]
mod tests;
pub mod timing;

use cron::Cron;
use entry::Entry;
use timing::Timing;

/// A schedule as it is configured.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Its name.
    pub name: Arc<str>,
    /// When it is due; `None` while that cannot be told, because its zone is unknown.
    pub timing: Option<Timing>,
    /// What becomes of runs whose time passed while nobody looked.
    pub missed: Missed,
    /// What becomes of a run while the one before has not ended.
    pub overlap: Overlap,
    /// By how much runs are put off at most.
    pub jitter: Duration,
    /// Whether it runs at all.
    pub enabled: bool,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// These are all schedules there are.
    Configured(Vec<Plan>),
    /// A run was submitted, or had been before.
    Submitted(Arc<str>, Last),
    /// A run was not taken in: it cannot be, or (`again`) it may be later.
    NotSubmitted {
        /// Whose.
        schedule: Arc<str>,
        /// Whether to try again.
        again: bool,
    },
    /// A run's job stands otherwise.
    Job(Arc<str>, JobId, JobState),
    /// A job could not be cancelled.
    NotCancelled(Arc<str>),
    /// Nothing but time.
    Look,
}

/// A run that was submitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Last {
    /// When it was due.
    pub due: Wall,
    /// Its job.
    pub job: JobId,
    /// Where that stands.
    pub state: JobState,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Submit this run, under its key.
    Submit {
        /// Whose.
        schedule: Arc<str>,
        /// When it was due.
        due: Wall,
    },
    /// Cancel this job and tell when it has ended.
    Cancel {
        /// Whose.
        schedule: Arc<str>,
        /// Which.
        job: JobId,
    },
    /// Keep until when all was decided.
    Keep {
        /// Whose.
        schedule: Arc<str>,
        /// Until when; the beginning of 1970 is never.
        until: Wall,
    },
    /// A run is left out.
    Skipped {
        /// Whose.
        schedule: Arc<str>,
        /// When it was due; the last one of several.
        due: Wall,
        /// Why.
        why: Skip,
    },
}

/// Why a run is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skip {
    /// The one before has not ended.
    Overlap,
    /// Its time passed while nobody looked.
    Missed,
}

/// The time that stands for never in [`Effect::Keep`].
pub const NEVER: Wall = Wall::from_unix_ms(0);

/// All schedules.
#[derive(Debug, Default)]
pub struct Schedules {
    entries: BTreeMap<Arc<str>, Entry>,
    /// What the store had of schedules that have not been configured.
    kept: BTreeMap<String, Wall>,
    /// And of their last runs.
    found: BTreeMap<String, Last>,
}

impl Schedules {
    /// Begins with what the store had: until when each was seen to, and its last run.
    pub fn new(kept: BTreeMap<String, Wall>, found: BTreeMap<String, Last>) -> Self {
        Schedules { entries: BTreeMap::new(), kept, found }
    }

    /// Takes in what happened, and decides what is due.
    pub fn step(&mut self, event: Event, wall: Wall, now: Mono) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Configured(plans) => self.configured(plans, wall, &mut effects),
            Event::Submitted(name, last) => self.with(&name, |e| e.submitted(last)),
            Event::NotSubmitted { schedule, again } => self.with(&schedule, |e| e.not_submitted(again, now)),
            Event::Job(name, job, state) => self.with(&name, |e| e.job(job, state)),
            Event::NotCancelled(name) => self.with(&name, |e| e.not_cancelled(now)),
            Event::Look => {}
        }
        for entry in self.entries.values_mut() {
            entry.look(wall, &mut effects);
            entry.pump(now, &mut effects);
            entry.keep(&mut effects);
        }
        effects
    }

    /// After how long [`Event::Look`] is wanted, whatever else happens.
    pub fn look_in(&self, wall: Wall, now: Mono) -> Duration {
        let waits = self.entries.values().filter_map(|e| e.look_in(wall, now));
        waits.fold(limits::SCHEDULE_LOOK, Duration::min)
    }

    /// When a schedule is due next.
    pub fn next(&self, name: &str) -> Option<Wall> {
        self.entries.get(name)?.next()
    }

    /// A schedule's last run.
    pub fn last(&self, name: &str) -> Option<Last> {
        self.entries.get(name)?.last
    }

    fn with(&mut self, name: &str, act: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.entries.get_mut(name) {
            act(entry);
        }
    }

    fn configured(&mut self, plans: Vec<Plan>, wall: Wall, effects: &mut Vec<Effect>) {
        let mut before = std::mem::take(&mut self.entries);
        for plan in plans {
            let name = Arc::clone(&plan.name);
            let entry = if let Some(mut entry) = before.remove(&name) {
                entry.configure(plan, wall);
                entry
            } else {
                let kept = self.kept.remove(&*name).filter(|until| *until > NEVER);
                Entry::new(plan, kept, self.found.remove(&*name), wall)
            };
            self.entries.insert(name, entry);
        }
        // Of those that are gone nothing is remembered: one that comes again later begins anew.
        let gone =
            before.into_keys().chain(self.kept.iter().filter(|k| *k.1 > NEVER).map(|k| k.0.as_str().into()));
        effects.extend(gone.map(|schedule| Effect::Keep { schedule, until: NEVER }));
        self.kept.clear();
    }
}

impl Plan {
    /// From the configuration, which was checked; `zone` finds a zone by its name, or the machine's own.
    pub fn new(settings: &ScheduleSettings, zone: impl FnOnce(Option<&str>) -> Option<TimeZone>) -> Self {
        let timing = match (&settings.cron, settings.every) {
            (Some(line), _) => Cron::parse(line)
                .ok()
                .and_then(|cron| Some(Timing::Cron(Box::new(cron), zone(settings.timezone.as_deref())?))),
            (None, every) => every.map(Timing::Every),
        };
        Plan {
            name: settings.name.as_str().into(),
            timing,
            missed: settings.missed,
            overlap: settings.overlap,
            jitter: settings.jitter,
            enabled: settings.enabled,
        }
    }
}

/// The key under which a run is submitted: whatever is killed when, it is the same.
pub fn key(schedule: &str, due: Wall) -> String {
    format!("{PREFIX}{schedule}:{due}")
}

/// How the keys of all runs of a schedule begin.
pub fn keys_of(schedule: &str) -> String {
    format!("{PREFIX}{schedule}:")
}

const PREFIX: &str = "schedule:";

/// The run that a key names.
pub fn run_of_key(key: &str) -> Option<(&str, Wall)> {
    let (name, due) = key.strip_prefix(PREFIX)?.split_once(':')?;
    let due: jiff::Timestamp = due.parse().ok()?;
    Some((name, Wall::from_unix_ms(due.as_millisecond())))
}

/// What is asked for to run a schedule once.
pub fn submission(settings: &ScheduleSettings, due: Wall) -> Submit {
    let inputs = &settings.inputs;
    Submit {
        script: settings.script.clone(),
        input: (!inputs.is_empty()).then(|| serde_json::Value::Object(inputs.clone()).to_string()),
        priority: Some(settings.priority),
        key: Some(key(&settings.name, due)),
        specialist: settings.specialist.clone(),
        user: Some("schedule".into()),
        ..Submit::default()
    }
}

/// By how much a run is put off: always the same for the same run (splitmix64 over FNV-1a).
fn put_off(name: &str, due: Wall, jitter: Duration) -> Duration {
    let span = u64::try_from(jitter.as_millis()).unwrap_or(u64::MAX);
    if span == 0 {
        return Duration::ZERO;
    }
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in name.bytes().chain(due.unix_ms().to_le_bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    Duration::from_millis((hash ^ (hash >> 31)) % span.saturating_add(1))
}
