//! `[tes]`: which scripts there are, how many run at a time, and when some run by themselves.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::span;
use crate::limits;
use crate::tes::job::Priority;

/// `[tes]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TesSettings {
    /// Where the scripts are registered. Default `registry.json`.
    pub registries: Registries,
    /// Slots in all; a job takes one unless its script says otherwise. Default: one for each core, and at least 4.
    pub slots: u32,
    /// Slots that jobs of any one session may take together; `None` sets no bound.
    pub session_slots: Option<u32>,
    /// Slots that jobs of one group may take together.
    pub groups: BTreeMap<String, u32>,
    /// Slots that jobs for one specialist may take together.
    pub specialists: BTreeMap<String, u32>,
    /// Finished jobs are forgotten after so many days. Default 30.
    pub retention_days: u64,
    /// Of finished jobs at most so many are kept, the youngest. Default 100,000.
    pub retention_jobs: u64,
    /// How much of each stream of an attempt's output is kept. Default 16 MB.
    pub output_mb: u64,
    /// Whether every script is shut in as `strict` says, at least.
    pub strict: bool,
    /// Whether scripts may lie outside of their registry's folder.
    pub allow_outside_root: bool,
    /// `[[tes.schedule]]`: scripts that run at times.
    #[serde(rename = "schedule")]
    pub schedules: Vec<ScheduleSettings>,
}

impl Default for TesSettings {
    fn default() -> Self {
        TesSettings {
            registries: Registries::default(),
            slots: slots_by_cores(),
            session_slots: None,
            groups: BTreeMap::new(),
            specialists: BTreeMap::new(),
            retention_days: 30,
            retention_jobs: 100_000,
            output_mb: limits::OUTPUT_KEEP_BYTES / limits::MIB,
            strict: false,
            allow_outside_root: false,
            schedules: Vec::new(),
        }
    }
}

/// One slot for each core that this process may use, within bounds.
fn slots_by_cores() -> u32 {
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let slots = cores.clamp(limits::SLOTS_DEFAULT_MIN, *limits::TES_SLOTS.end());
    u32::try_from(slots).unwrap_or(u32::MAX)
}

/// The registries' files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registries {
    /// Their paths, absolute once the configuration is loaded; of two scripts with the same id the one in the
    /// earlier file counts.
    pub files: Vec<String>,
    /// Whether somebody named them: then one that is missing is a mistake.
    pub named: bool,
}

impl Default for Registries {
    fn default() -> Self {
        Registries { files: vec!["registry.json".into()], named: false }
    }
}

impl<'de> Deserialize<'de> for Registries {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Ok(Registries { files: Vec::deserialize(d)?, named: true })
    }
}

/// `[[tes.schedule]]`: a script that runs at times.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleSettings {
    /// Its name, one of its kind.
    pub name: String,
    /// The script's id.
    pub script: String,
    /// When, as crontab(5) says it; or else [`every`](Self::every).
    #[serde(default)]
    pub cron: Option<String>,
    /// How often, counted from the beginning of 1970 in UTC.
    #[serde(default, deserialize_with = "span::deserialize_some")]
    pub every: Option<Duration>,
    /// The zone of the times that `cron` names; `None` is the machine's own.
    #[serde(default)]
    pub timezone: Option<String>,
    /// Its inputs.
    #[serde(default)]
    pub inputs: serde_json::Map<String, serde_json::Value>,
    /// How soon its jobs are wanted.
    #[serde(default)]
    pub priority: Priority,
    /// For whom.
    #[serde(default)]
    pub specialist: Option<String>,
    /// What becomes of runs whose time passed while nobody looked.
    #[serde(default)]
    pub missed: Missed,
    /// What becomes of a run while the one before has not ended.
    #[serde(default)]
    pub overlap: Overlap,
    /// Each run is put off by up to this time, always the same for the same run.
    #[serde(default, deserialize_with = "span::deserialize")]
    pub jitter: Duration,
    /// Whether it runs at all.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Where it stands in its file, for whoever has to mend it.
    #[serde(skip)]
    pub place: Standing,
}

fn yes() -> bool {
    true
}

/// What becomes of runs whose time passed while the supervisor was away or the machine slept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Missed {
    /// They are left out.
    Skip,
    /// The last one of them is made up for.
    #[default]
    Once,
    /// All of them are, at most [`limits::MISSED_RUNS_MAX`], the youngest.
    All,
}

/// What becomes of a run while the one before has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Overlap {
    /// It is left out.
    #[default]
    Skip,
    /// It waits in the queue like any other job, and may run beside the one before.
    Queue,
    /// The one before is cancelled, and it runs.
    Replace,
}

/// Where something stands in a file, as `FILE:LINE:COLUMN`. Where a thing stands is not what it is: all are equal.
#[derive(Debug, Clone, Default, Eq)]
pub struct Standing(pub String);

impl PartialEq for Standing {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
