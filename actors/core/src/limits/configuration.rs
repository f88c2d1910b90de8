//! Limits of configuration and text that came from outside.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::seconds;

// --- configuration --------------------------------------------------------------------------------

/// Bytes of a configuration file. A thousand declared agents take about 200 KiB.
pub const CONFIG_BYTES_MAX: u64 = 1024 * 1024;
/// tmux sockets watched at the same time: each costs an actor and a control client.
pub const SOCKETS_MAX: usize = 64;
/// Declared sessions.
pub const SESSIONS_MAX: usize = 1000;
/// Declared agents of one session: tmux slows down with the panes of one server.
pub const AGENTS_PER_SESSION_MAX: usize = 500;
/// Arguments of a declared command, the program included.
pub const COMMAND_ARGS_MAX: usize = 256;
/// Bytes of one argument or environment value; tmux takes about 16 KiB of command in one message.
pub const ARG_BYTES_MAX: usize = 4096;
/// Environment entries of a declared agent.
pub const ENV_ENTRIES_MAX: usize = 256;
/// Characters of a declared name: it becomes a tmux name, a tree path and a label.
pub const DECLARED_NAME_MAX: usize = 64;
/// Bytes of a Unix socket's path, the closing zero not counted (`sun_path` of unix(7)).
pub const SOCKET_PATH_BYTES_MAX: usize = 107;
/// StatsD targets fed at the same time.
pub const STATSD_TARGETS_MAX: usize = 8;
/// `fleet.missing_grace_seconds`: below a second a slow server would make agents missing.
pub const MISSING_GRACE: RangeInclusive<Duration> = seconds(1)..=seconds(24 * 3600);
/// `relaunch.initial_delay_seconds`; zero relaunches at once.
pub const RELAUNCH_INITIAL_DELAY: RangeInclusive<Duration> = seconds(0)..=seconds(3600);
/// `relaunch.max_delay_seconds`.
pub const RELAUNCH_MAX_DELAY: RangeInclusive<Duration> = seconds(0)..=seconds(24 * 3600);
/// `relaunch.period_seconds`: over it restarts are counted.
pub const RELAUNCH_PERIOD: RangeInclusive<Duration> = seconds(1)..=seconds(7 * 24 * 3600);
/// `relaunch.max_restarts`; each restart in the period is remembered with its time.
pub const RELAUNCH_RESTARTS: RangeInclusive<u64> = 0..=1000;
/// `relaunch.fleet_breaker`; zero turns it off.
pub const FLEET_BREAKER: RangeInclusive<u64> = 0..=10_000;
/// `statsd.flush_seconds`: faster than ten a second nobody reads, slower than an hour loses too much.
pub const STATSD_FLUSH: RangeInclusive<Duration> = Duration::from_millis(100)..=seconds(3600);
/// `log.rotate_mb`.
pub const LOG_ROTATE_MB: RangeInclusive<u64> = 1..=10_240;
/// `log.retention_days`.
pub const LOG_RETENTION_DAYS: RangeInclusive<u64> = 1..=3650;
/// `tes.slots` and every other bound on slots: more processes at a time no machine has use for.
pub const TES_SLOTS: RangeInclusive<u64> = 1..=10_000;
/// `tes.slots` where nobody says otherwise and there are fewer cores: scripts wait more often than they compute.
pub const SLOTS_DEFAULT_MIN: u64 = 4;
/// Groups, and specialists, that have a bound of their own.
pub const TES_BOUNDS_MAX: usize = 1000;
/// Registries: each is read, and watched.
pub const REGISTRIES_MAX: usize = 64;
/// `tes.retention_days`.
pub const TES_RETENTION_DAYS: RangeInclusive<u64> = 1..=3650;
/// `tes.retention_jobs`: a job takes about a kilobyte in the database, ten million of them ten gigabytes. Some
/// are kept in any case: by its job's key a run is known to have been submitted.
pub const TES_RETENTION_JOBS: RangeInclusive<u64> = 100..=10_000_000;
/// `tes.output_mb`.
pub const TES_OUTPUT_MB: RangeInclusive<u64> = 1..=10_240;
/// Schedules: each is looked at when any of them is due.
pub const SCHEDULES_MAX: usize = 1000;
/// `every` of a schedule: below a second jobs are not what one wants, above a year nobody waits.
pub const SCHEDULE_EVERY: RangeInclusive<Duration> = seconds(1)..=seconds(366 * 24 * 3600);
/// `jitter` of a schedule.
pub const SCHEDULE_JITTER: RangeInclusive<Duration> = seconds(0)..=seconds(24 * 3600);
/// Bytes of a `cron`: lists of all minutes, hours and days take 300.
pub const CRON_BYTES_MAX: usize = 512;

// --- text -----------------------------------------------------------------------------------------

/// Bytes of a pane's title that are kept.
pub const TITLE_BYTES_MAX: usize = 256;
/// Bytes of a session's, window's or agent's name that are kept.
pub const NAME_BYTES_MAX: usize = 128;
