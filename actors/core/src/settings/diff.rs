//! What a reload changes.

use super::{Settings, TesSettings};

/// The keys that differ between two configurations.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// Keys that take effect at once.
    pub live: Vec<&'static str>,
    /// Keys that take effect when the supervisor is restarted.
    pub on_restart: Vec<&'static str>,
}

impl Changes {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.live.is_empty() && self.on_restart.is_empty()
    }
}

impl std::fmt::Display for Changes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_empty() {
            return f.write_str("nothing changed");
        }
        if !self.live.is_empty() {
            write!(f, "changed: {}", self.live.join(", "))?;
        }
        if !self.on_restart.is_empty() {
            let gap = if self.live.is_empty() { "" } else { "; " };
            write!(f, "{gap}after `tsup restart`: {}", self.on_restart.join(", "))?;
        }
        Ok(())
    }
}

/// What runs once `read` is taken: the keys that wait for a restart stay as they are, so that what runs
/// can be compared with the next reading.
pub fn taken(running: &Settings, read: Settings) -> Settings {
    Settings { tmux: running.tmux.clone(), statsd: running.statsd.clone(), log: running.log.clone(), ..read }
}

/// Compares what runs with what was read. The values are not named: some are secrets.
pub fn diff(running: &Settings, read: &Settings) -> Changes {
    let mut changes = Changes::default();
    let mut note = |differs: bool, live: bool, key: &'static str| {
        if differs {
            if live { changes.live.push(key) } else { changes.on_restart.push(key) }
        }
    };
    let (a, b) = (running, read);
    note(a.tmux.sockets != b.tmux.sockets, false, "tmux.sockets");
    note(a.tmux.push != b.tmux.push, false, "tmux.push");
    note(a.fleet.adopt != b.fleet.adopt, true, "fleet.adopt");
    note(a.fleet.strategy != b.fleet.strategy, true, "fleet.strategy");
    note(a.fleet.missing_grace != b.fleet.missing_grace, true, "fleet.missing_grace_seconds");
    note(a.fleet.shadow_profiles != b.fleet.shadow_profiles, true, "fleet.shadow_profiles");
    note(a.fleet.profiles != b.fleet.profiles, true, "fleet.profiles");
    note(a.sessions != b.sessions, true, "session");
    note(a.relaunch.initial_delay != b.relaunch.initial_delay, true, "relaunch.initial_delay_seconds");
    note(a.relaunch.max_delay != b.relaunch.max_delay, true, "relaunch.max_delay_seconds");
    note(a.relaunch.max_restarts != b.relaunch.max_restarts, true, "relaunch.max_restarts");
    note(a.relaunch.period != b.relaunch.period, true, "relaunch.period_seconds");
    note(a.relaunch.fleet_breaker != b.relaunch.fleet_breaker, true, "relaunch.fleet_breaker");
    for (differs, key) in tes(&a.tes, &b.tes) {
        note(differs, true, key);
    }
    note(a.statsd != b.statsd, false, "statsd");
    note(a.log != b.log, false, "log");
    changes
}

fn tes(a: &TesSettings, b: &TesSettings) -> [(bool, &'static str); 11] {
    [
        (a.registries != b.registries, "tes.registries"),
        (a.slots != b.slots, "tes.slots"),
        (a.session_slots != b.session_slots, "tes.session_slots"),
        (a.groups != b.groups, "tes.groups"),
        (a.specialists != b.specialists, "tes.specialists"),
        (a.retention_days != b.retention_days, "tes.retention_days"),
        (a.retention_jobs != b.retention_jobs, "tes.retention_jobs"),
        (a.output_mb != b.output_mb, "tes.output_mb"),
        (a.strict != b.strict, "tes.strict"),
        (a.allow_outside_root != b.allow_outside_root, "tes.allow_outside_root"),
        (a.schedules != b.schedules, "tes.schedule"),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::StatsdSettings;
    use super::*;

    #[test]
    fn names_what_changed_and_what_waits() {
        let running = Settings::default();
        assert!(diff(&running, &running).is_empty());
        let mut read = running.clone();
        read.relaunch.max_restarts = 9;
        read.tmux.sockets.clear();
        let changes = diff(&running, &read);
        assert_eq!(changes.to_string(), "changed: relaunch.max_restarts; after `tsup restart`: tmux.sockets");
    }

    #[test]
    fn what_waits_is_named_until_the_restart_or_until_it_is_taken_back() {
        let running = Settings::default();
        let mut read = running.clone();
        read.relaunch.max_restarts = 9;
        read.statsd = Some(StatsdSettings::default());
        read.log.rotate_mb += 1;
        let now = taken(&running, read.clone());
        assert_eq!(diff(&running, &now).to_string(), "changed: relaunch.max_restarts", "nothing else runs");
        assert_eq!(diff(&now, &read).to_string(), "after `tsup restart`: statsd, log");
        read.statsd = None;
        assert_eq!(diff(&now, &read).on_restart, ["log"]);
    }
}
