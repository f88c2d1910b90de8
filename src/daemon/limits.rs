//! What the system lets one process have.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tsup_core::limits::OPEN_FILES_WANTED;

/// Raises the soft limit of open files to what a fleet needs, as far as the hard limit allows. Gives the
/// limit that holds then; `None` is no limit.
pub fn raise_open_files() -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.unwrap_or(OPEN_FILES_WANTED).min(OPEN_FILES_WANTED);
    if current.is_none_or(|c| c >= wanted) {
        return current;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }) {
        Ok(()) => Some(wanted),
        Err(_) => current,
    }
}
