//! The folder of an attempt: what it printed.
//!
//! A script of the same user may reach its own folder. What it puts there is never followed elsewhere, and nobody
//! waits for it: a link, a folder or a pipe in a file's place counts as a file that cannot be read.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD};
use tsup_core::tes::attempt::AttemptId;

use crate::os::remove::remove_all;

/// The folder of an attempt below the folder of all jobs.
pub fn folder(jobs: &Path, id: AttemptId) -> PathBuf {
    jobs.join(id.job.to_string()).join(id.attempt.to_string())
}

/// Makes an attempt's folder, for its owner only.
fn make(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().mode(0o700).recursive(true).create(folder)
}

/// Whether an attempt's folder is there, or can be made once there is something to put into it; and whether there is a
/// place for its temporary files.
pub(super) fn may_be_made(folder: &Path, tmp: &Path) -> io::Result<()> {
    tmp.parent().map(may_be_filled).transpose()?;
    for place in folder.ancestors().take(3) {
        if may_be_filled(place)? {
            return Ok(());
        }
    }
    // The folder of all jobs is missing, and is made with the first of them.
    Ok(())
}

/// Whether something can be put into a folder; `false` where there is none. A link counts as what it is: fences hide
/// what stands in tsup's home, and not what a link leads to.
pub(in crate::tes) fn may_be_filled(folder: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(folder) {
        Ok(facts) if facts.is_dir() => {
            rustix::fs::accessat(CWD, folder, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)?;
            Ok(true)
        }
        Ok(_) => Err(rustix::io::Errno::NOTDIR.into()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options.mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
}

/// Opens a file of an attempt for reading. `None` when something else is in its place.
///
/// # Errors
/// Whatever the system says besides, `NotFound` among it.
pub(in crate::tes) fn open(path: &Path) -> io::Result<Option<File>> {
    match private(OpenOptions::new().read(true)).open(path) {
        Ok(file) => Ok(file.metadata()?.is_file().then_some(file)),
        // A link, or a socket.
        Err(e) if matches!(e.raw_os_error(), Some(libc::ELOOP | libc::ENXIO)) => Ok(None),
        Err(e) => Err(e),
    }
}

/// Makes a file in an attempt's folder for writing, in place of one that is there; the folder too where it is missing.
pub(super) fn create(path: &Path) -> io::Result<File> {
    let new = || private(OpenOptions::new().write(true).create_new(true)).open(path);
    match new() {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            path.parent().map(make).transpose()?;
            new()
        }
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            fs::remove_file(path)?;
            new()
        }
        made => made,
    }
}

/// What stands behind the name of a folder for temporary files that was moved away, and for which attempt.
pub(in crate::tes) const LEFT: &str = ".left-";
/// What stands behind the name of a folder that is used where the usual one can be neither emptied nor moved away.
pub(in crate::tes) const INSTEAD: &str = ".1";

/// Makes the folder for an attempt's temporary files, or empties it. What the attempt before left there may be nobody's to
/// remove: a container's files, a mount. Then it is moved away, and where even that cannot be done, another folder is
/// taken, which is answered: nobody's attempt fails for what another one left.
pub(super) fn make_tmp(folder: &Path, id: AttemptId) -> io::Result<Option<PathBuf>> {
    let instead = beside(folder, INSTEAD);
    let new = || fs::DirBuilder::new().mode(0o700).create(folder);
    let made = match new() {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => empty_tmp(folder),
        Err(e) if e.kind() == io::ErrorKind::NotFound => make(folder),
        Err(e) => return Err(e),
    };
    let away = || beside(folder, &format!("{LEFT}{}-{}", id.job, id.attempt));
    if made.or_else(|_| fs::rename(folder, away()).and_then(|()| new())).is_ok() {
        // It was of use while this one was not.
        let _ = fs::remove_dir(instead);
        return Ok(None);
    }
    match fs::DirBuilder::new().mode(0o700).create(&instead) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => empty_tmp(&instead)?,
        made => made?,
    }
    Ok(Some(instead))
}

/// Empties what [`make_tmp`] made, when the attempt has ended. What cannot be taken away now is when the next one comes.
pub(super) fn leave_tmp(folder: &Path) {
    let _ = empty_tmp(folder);
    let _ = empty_tmp(&beside(folder, INSTEAD));
}

fn beside(folder: &Path, end: &str) -> PathBuf {
    let mut name = folder.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// Empties the folder for temporary files, whatever its script left there. Another folder takes its place where it
/// left something, since it may have changed the folder itself.
fn empty_tmp(folder: &Path) -> io::Result<()> {
    let is_clean = || -> io::Result<bool> {
        use std::os::unix::fs::MetadataExt as _;
        let facts = fs::symlink_metadata(folder)?;
        let own = facts.is_dir() && facts.mode() & 0o7777 == 0o700;
        Ok(own && fs::read_dir(folder)?.next().is_none())
    };
    if is_clean()? {
        return Ok(());
    }
    // A link is removed, never what it names.
    if fs::symlink_metadata(folder)?.is_dir() {
        remove_all(folder)?;
    } else {
        fs::remove_file(folder)?;
    }
    fs::DirBuilder::new().mode(0o700).create(folder)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn id() -> AttemptId {
        AttemptId { job: tsup_core::ids::JobId::drawn(1), attempt: 1, epoch: 0 }
    }

    /// A folder with a file in it that nobody can remove here, for as long as the answer is kept.
    fn held(folder: &Path) -> Option<impl Drop + use<>> {
        struct Mounted(PathBuf);
        impl Drop for Mounted {
            fn drop(&mut self) {
                let _ = rustix::mount::unmount(&self.0, rustix::mount::UnmountFlags::DETACH);
            }
        }
        let flags = rustix::mount::MountFlags::empty();
        rustix::mount::mount("tmpfs", folder, "tmpfs", flags, c"size=64k").ok()?;
        fs::write(folder.join("x"), "x").unwrap();
        Some(Mounted(folder.to_owned()))
    }

    #[test]
    fn what_cannot_be_removed_is_moved_away_or_passed_by() {
        let dir = tempfile::tempdir().unwrap();
        let tmp = dir.path().join("tmp/0");
        let left = dir.path().join(format!("tmp/0{LEFT}{}-1", id().job));
        fs::create_dir_all(tmp.join("out")).unwrap();
        let Some(below) = held(&tmp.join("out")) else {
            return println!("skipped: this user cannot mount anything");
        };
        assert_eq!(make_tmp(&tmp, id()).unwrap(), None);
        assert!(fs::read_dir(&tmp).unwrap().next().is_none());
        assert!(left.join("out").exists());
        drop(below);
        let _ = rustix::mount::unmount(left.join("out"), rustix::mount::UnmountFlags::DETACH);

        let itself = held(&tmp).unwrap();
        let instead = make_tmp(&tmp, id()).unwrap().unwrap();
        assert_eq!(instead, dir.path().join("tmp/0.1"));
        fs::write(instead.join("mine"), "x").unwrap();
        leave_tmp(&tmp);
        assert!(fs::read_dir(&instead).unwrap().next().is_none());
        drop(itself);
        assert_eq!(make_tmp(&tmp, id()).unwrap(), None);
        assert!(!instead.exists());
    }

    #[test]
    fn a_temporary_folder_is_empty_whatever_was_left() {
        let dir = tempfile::tempdir().unwrap();
        let tmp = dir.path().join("tmp/3");
        let is_fresh = || {
            let facts = fs::symlink_metadata(&tmp).unwrap();
            facts.is_dir()
                && facts.permissions().mode() & 0o7777 == 0o700
                && fs::read_dir(&tmp).unwrap().next().is_none()
        };
        assert_eq!(make_tmp(&tmp, id()).unwrap(), None);
        assert!(is_fresh());
        fs::create_dir(tmp.join("shut")).unwrap();
        fs::write(tmp.join("shut/file"), "x").unwrap();
        fs::set_permissions(tmp.join("shut"), fs::Permissions::from_mode(0o000)).unwrap();
        assert_eq!(make_tmp(&tmp, id()).unwrap(), None);
        assert!(is_fresh());
        fs::set_permissions(&tmp, fs::Permissions::from_mode(0o500)).unwrap();
        empty_tmp(&tmp).unwrap();
        assert!(is_fresh());
        fs::remove_dir(&tmp).unwrap();
        fs::write(dir.path().join("victim"), "x").unwrap();
        std::os::unix::fs::symlink("../victim", &tmp).unwrap();
        assert_eq!(make_tmp(&tmp, id()).unwrap(), None);
        assert!(is_fresh() && dir.path().join("victim").exists());
    }
}
