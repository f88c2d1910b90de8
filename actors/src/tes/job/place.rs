//! Where a script is, and how its shim is reached.

use std::path::{Path, PathBuf};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tsup_core::ids::ProcId;
use tsup_core::tes::attempt::AttemptId;
use tsup_core::tes::failure::{Category, Failure};
use tsup_core::tes::script::Runtime;

use crate::os::{fork, proc};
use crate::tes::{Entry, Shared, places};

/// The script's file, without links. It must be in the registry's folder, unless the registry and the
/// configuration (`outside`) let it be elsewhere.
pub(in crate::tes) fn script(entry: &Entry, outside: bool) -> Result<PathBuf, Box<Failure>> {
    let script = &*entry.script;
    let missing = |path: &Path| {
        let failure = Failure::new(Category::Dependency, format!("its file is missing: {}", path.display()))
            .fact("path", script.path.clone())
            .fact("registry", entry.registry.display().to_string())
            .suggest(format!("put it there, or correct `path` in {}", entry.registry.display()));
        Box::new(failure)
    };
    let root = entry.root.canonicalize().map_err(|_| missing(&entry.root))?;
    let named = Path::new(&script.path);
    let place = root.join(named);
    let found = place.canonicalize().ok().or_else(|| {
        // A registry in `scripts/` may name its files as they are seen from above it.
        let rest = named.strip_prefix(root.file_name()?).ok()?;
        root.join(rest).canonicalize().ok()
    });
    let found = found.ok_or_else(|| missing(&place))?;
    let may_be_outside = outside && script.security.outside_root;
    if !found.starts_with(&root) && !may_be_outside {
        let failure = Failure::new(
            Category::Permission,
            format!("its file {} is outside of the registry's folder {}", found.display(), root.display()),
        )
        .fact("path", script.path.clone())
        .suggest("move it into the registry's folder")
        .suggest("or allow it: `security.outside_root = true` on the script and `allow_outside_root = true` in `[tes]`");
        return Err(Box::new(failure));
    }
    let facts = std::fs::metadata(&found).map_err(|_| missing(&found))?;
    if !facts.is_file() {
        let failure = Failure::new(Category::Dependency, format!("{} is not a plain file", found.display()))
            .fact("path", script.path.clone())
            .suggest(format!("put the script there, or correct `path` in {}", entry.registry.display()));
        return Err(Box::new(failure));
    }
    let runs_itself = script.runtime == Runtime::Program && script.interpreter.is_none();
    if runs_itself && rustix::fs::access(&found, rustix::fs::Access::EXEC_OK).is_err() {
        let failure = Failure::new(Category::Permission, format!("{} may not be executed", found.display()))
            .fact("path", script.path.clone())
            .suggest(format!("chmod +x {}", found.display()));
        return Err(Box::new(failure));
    }
    Ok(found)
}

/// Why nothing can ever run in this folder, where the error with which a shim could not begin says so. It looks at the
/// disk: the error may be about the places that all attempts share, which are nothing of this one.
pub(super) fn unusable(shared: &Shared, folder: &Path, errno: i32) -> Option<Failure> {
    let shown = folder.display();
    let failure = match errno {
        libc::EEXIST | libc::ENOTDIR | libc::EISDIR | libc::ELOOP | libc::ENXIO => Failure::new(
            Category::Dependency,
            format!("something else is in the place of its folder {shown} or of a file in it"),
        )
        .suggest(format!("see what is there, move it away, then `tsup ctl retry` the job: ls -la {shown}")),
        libc::EACCES | libc::EPERM => {
            Failure::new(Category::Permission, format!("its folder {shown} may not be written"))
                .suggest(format!("give it and the folders above to the supervisor's user: ls -ld {shown}"))
        }
        _ => return None,
    };
    let is_of_all = places::fault(&shared.home, &shared.traces).is_some();
    (!is_of_all).then(|| failure.fact("folder", shown.to_string()))
}

/// Asks a shim to end an attempt. Nothing happens when that has ended.
pub(super) fn terminate(shim: ProcId, id: AttemptId) {
    let Some(pid) = Pid::from_raw(shim.pid.cast_signed()) else { return };
    let Ok(fd) = pidfd_open(pid, PidfdFlags::empty()) else { return };
    // Only after opening is it certain who is held.
    if proc::identify(shim.pid).is_ok_and(|id| id == shim) {
        let _ = fork::ask(&fd, id.key());
        // One that was stopped hears nothing.
        let _ = pidfd_send_signal(&fd, Signal::CONT);
    }
}
