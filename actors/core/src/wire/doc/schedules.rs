//! The document of the schedules: what `ctl schedules` shows.

use serde::{Deserialize, Serialize};

use crate::clock::Wall;
use crate::ids::JobId;
use crate::tes::job::JobState;

/// `ctl schedules`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SchedulesDoc {
    /// [`super::VERSION`].
    pub version: u32,
    /// In the order of the configuration.
    pub schedules: Vec<ScheduleDoc>,
}

/// One schedule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScheduleDoc {
    /// Its name.
    pub name: String,
    /// The script's id.
    pub script: String,
    /// The times of a calendar at which it is due, as a crontab says them.
    pub cron: Option<String>,
    /// How often it is due.
    pub every_seconds: Option<f64>,
    /// The zone of these times; `None` is the machine's own.
    pub timezone: Option<String>,
    /// Whether it runs.
    pub enabled: bool,
    /// When it runs next.
    pub next_at: Option<Wall>,
    /// When its last run was due.
    pub last_at: Option<Wall>,
    /// That run's job.
    pub last_job: Option<JobId>,
    /// Where that stands.
    pub last_state: Option<JobState>,
    /// Runs that were left out since the supervisor started, because the one before had not ended or their time
    /// had passed.
    pub skipped: u64,
    /// What keeps it from running.
    pub problem: Option<String>,
}
