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

/// Whether an attempt's folder is there, or can be made once there is something to put into it.
pub(super) fn may_be_made(folder: &Path) -> io::Result<()> {
    for place in folder.ancestors().take(3) {
        match fs::symlink_metadata(place) {
            Ok(facts) if facts.is_dir() => {
                return Ok(rustix::fs::accessat(
                    CWD,
                    place,
                    Access::WRITE_OK | Access::EXEC_OK,
                    AtFlags::EACCESS,
                )?);
            }
            Ok(_) => return Err(rustix::io::Errno::NOTDIR.into()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
    }
    // The folder of all jobs is missing, and is made with the first of them.
    Ok(())
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

/// Makes the folder for an attempt's temporary files, or empties it.
pub(super) fn make_tmp(folder: &Path) -> io::Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => empty_tmp(folder),
        Err(e) if e.kind() == io::ErrorKind::NotFound => make(folder),
        Err(e) => Err(e),
    }
}

/// Empties the folder for temporary files, whatever its script left there. Another folder takes its place where it
/// left something, since it may have changed the folder itself.
pub(super) fn empty_tmp(folder: &Path) -> io::Result<()> {
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
        make_tmp(&tmp).unwrap();
        assert!(is_fresh());
        fs::create_dir(tmp.join("shut")).unwrap();
        fs::write(tmp.join("shut/file"), "x").unwrap();
        fs::set_permissions(tmp.join("shut"), fs::Permissions::from_mode(0o000)).unwrap();
        make_tmp(&tmp).unwrap();
        assert!(is_fresh());
        fs::set_permissions(&tmp, fs::Permissions::from_mode(0o500)).unwrap();
        empty_tmp(&tmp).unwrap();
        assert!(is_fresh());
        fs::remove_dir(&tmp).unwrap();
        fs::write(dir.path().join("victim"), "x").unwrap();
        std::os::unix::fs::symlink("../victim", &tmp).unwrap();
        make_tmp(&tmp).unwrap();
        assert!(is_fresh() && dir.path().join("victim").exists());
    }
}
