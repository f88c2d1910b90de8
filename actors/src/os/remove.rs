//! Removes folders that somebody else filled.

use std::ffi::{CStr, CString};
use std::fs;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Dir, Mode, OFlags, openat, renameat, unlinkat};
use rustix::io::Errno;

/// Removes a folder with everything in it, whatever the rights on it and however deep it is. One that is not there is gone.
///
/// # Errors
/// Whatever the system says; `ResourceBusy` when something is mounted in it, which is somebody else's: then nothing is removed.
pub fn remove_all(folder: &Path) -> io::Result<()> {
    if fs::symlink_metadata(folder).is_ok_and(|facts| facts.is_dir()) && has_mounts(folder)? {
        return Err(Errno::BUSY.into());
    }
    let is_gone = |e: &io::Error| e.kind() == io::ErrorKind::NotFound;
    match fs::remove_dir_all(folder) {
        Ok(()) => Ok(()),
        Err(e) if is_gone(&e) => Ok(()),
        Err(_) => match insist(folder) {
            Err(e) if is_gone(&e) && !folder.exists() => Ok(()),
            done => done,
        },
    }
}

/// Whether something is mounted in a folder (proc_pid_mountinfo(5)).
fn has_mounts(folder: &Path) -> io::Result<bool> {
    let read = fs::canonicalize(folder).and_then(|folder| Ok((folder, fs::read("/proc/self/mountinfo")?)));
    let (folder, mounts) = match read {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
        read => read?,
    };
    let mounts = String::from_utf8_lossy(&mounts);
    let places = mounts.lines().filter_map(|line| line.split(' ').nth(4));
    let mut plain = places.map(|place| {
        place.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
    });
    Ok(plain.any(|place| Path::new(&place).starts_with(&folder)))
}

/// Rights are what stood in the way, or the depth: a descriptor for each level is more than there are. So every folder is
/// opened for us first, and what lies deeper is moved up, until there is one level only. No link is followed.
fn insist(folder: &Path) -> io::Result<()> {
    let name = CString::new(folder.as_os_str().as_encoded_bytes())?;
    let root = ours(rustix::fs::CWD, &name)?;
    let mut moved = 0_u64;
    loop {
        let children = entries(&root)?;
        if children.is_empty() {
            return fs::remove_dir(folder);
        }
        for child in children {
            if unlinkat(&root, &child, AtFlags::empty()).is_ok() {
                continue;
            }
            let inner = ours(&root, &child)?;
            for deeper in entries(&inner)? {
                if unlinkat(&inner, &deeper, AtFlags::empty()).is_ok() {
                    continue;
                }
                // What a folder is moved out of is written down in itself, too.
                drop(ours(&inner, &deeper)?);
                move_up(&inner, &deeper, &root, &mut moved)?;
            }
            unlinkat(&root, &child, AtFlags::REMOVEDIR)?;
        }
    }
}

/// Moves a folder there, under a name that is free.
fn move_up(from: &OwnedFd, name: &CStr, to: &OwnedFd, moved: &mut u64) -> io::Result<()> {
    loop {
        *moved += 1;
        match renameat(from, name, to, format!("moved-{moved}")) {
            Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR) => {}
            done => return Ok(done?),
        }
    }
}

/// Opens a folder, after making it one that we may read and write.
fn ours<F: std::os::fd::AsFd>(at: F, name: &CStr) -> io::Result<OwnedFd> {
    let folder = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let place = openat(&at, name, OFlags::PATH | folder, Mode::empty())?;
    // A descriptor of a place only cannot be asked to change rights; its name in /proc can.
    let itself = format!("/proc/self/fd/{}", place.as_raw_fd());
    rustix::fs::chmod(itself, Mode::RWXU)?;
    Ok(openat(&at, name, OFlags::RDONLY | folder, Mode::empty())?)
}

/// What is in a folder.
fn entries(folder: &OwnedFd) -> io::Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push(entry.file_name().to_owned());
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn closed_folders_and_deep_ones_go_and_what_links_lead_to_stays() {
        let dir = tempfile::tempdir().unwrap();
        // The superuser may everything, so that rights would say nothing.
        let nobody = rustix::fs::Uid::from_raw(65_534);
        if rustix::process::geteuid().is_root() {
            rustix::fs::chown(dir.path(), Some(nobody), None).unwrap();
            rustix::thread::set_thread_res_uid(nobody, nobody, nobody).unwrap();
        }
        let (job, other) = (dir.path().join("job"), dir.path().join("other"));
        fs::create_dir_all(job.join("1/tmp/closed/inner")).unwrap();
        fs::create_dir_all(job.join("moved-1/x")).unwrap();
        fs::create_dir(&other).unwrap();
        fs::write(other.join("kept"), "").unwrap();
        fs::write(job.join("1/tmp/closed/inner/file"), "").unwrap();
        symlink(&other, job.join("1/tmp/link")).unwrap();
        symlink(&other, job.join("1/tmp/closed/inner/link")).unwrap();
        for closed in ["1/tmp/closed/inner", "1/tmp/closed", "1/tmp"] {
            fs::set_permissions(job.join(closed), fs::Permissions::from_mode(0o000)).unwrap();
        }
        let before = fs::metadata(&other).unwrap().permissions();
        remove_all(&job).unwrap();
        assert!(!job.exists());
        assert!(other.join("kept").exists());
        assert_eq!(fs::metadata(&other).unwrap().permissions(), before);
        remove_all(&job).unwrap();
        // Deeper than a path can be long.
        let mut at = rustix::fs::open(dir.path(), OFlags::DIRECTORY, Mode::empty()).unwrap();
        let name = "d".repeat(200);
        rustix::fs::mkdirat(&at, "job", Mode::RWXU).unwrap();
        at = openat(&at, "job", OFlags::DIRECTORY, Mode::empty()).unwrap();
        for _ in 0..60 {
            rustix::fs::mkdirat(&at, &*name, Mode::RWXU).unwrap();
            at = openat(&at, &*name, OFlags::DIRECTORY, Mode::empty()).unwrap();
        }
        rustix::fs::mkdirat(&at, "last", Mode::empty()).unwrap();
        rustix::fs::fchmod(&at, Mode::empty()).unwrap();
        insist(&job).unwrap();
        assert!(!job.exists());
    }
}
