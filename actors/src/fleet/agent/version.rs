//! Which version of its CLI an agent runs, and whether its profile was checked with that.

use tsup_core::fleet::profile::Profile;
use tsup_core::fleet::screen::{self, Shot};
use tsup_core::ids::ProcId;
use tsup_core::limits;
use tsup_core::untrusted::Untrusted;

use super::AgentActor;
use crate::os::proc;

/// The version of one process's CLI.
#[derive(Debug, Default)]
pub(super) struct Known {
    version: Option<String>,
    /// Screens that were looked through for it.
    looks: u32,
}

impl Known {
    /// By the name of the program's file, where that is a version.
    pub(super) fn of(process: ProcId, profile: Option<&Profile>) -> Self {
        let named = profile.is_some_and(|profile| profile.recognise.version_named);
        let file = if named { proc::program(process.pid).ok() } else { None };
        let name = file.as_deref().and_then(|file| file.file_name()?.to_str());
        let is_version = |name: &&str| name.contains('.') && name.starts_with(|c: char| c.is_ascii_digit());
        Known { version: name.filter(is_version).map(str::to_owned), looks: 0 }
    }

    /// By its first screens.
    pub(super) fn see(&mut self, profile: &Profile, shot: &Shot) {
        if self.version.is_none() && self.looks < limits::VERSION_LOOKS_MAX {
            self.looks += 1;
            self.version = screen::version(profile, shot);
        }
    }

    /// By what its CLI writes.
    pub(super) fn hear(&mut self, version: &Untrusted) {
        self.version = Some(version.raw().to_owned());
    }
}

impl AgentActor {
    /// What a person should know of the version.
    pub(super) fn version_note(&self) -> Option<String> {
        let version = self.version.version.as_deref()?;
        let profiles = self.shared.profiles();
        let profile = profiles.get(&self.held.record.profile)?;
        profile.unchecked(version)
    }
}
