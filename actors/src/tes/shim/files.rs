//! Lock, claim and record of an attempt.
//!
//! A script of the same user may reach its own folder. What it puts there is never followed elsewhere, and nobody
//! waits for it: a link, a folder or a pipe in a file's place counts as a file that cannot be read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde::de::DeserializeOwned;
use tsup_core::ids::ProcId;
use tsup_core::limits;
use tsup_core::tes::attempt::{AttemptId, Claim, FILES_VERSION, Found, Record};

const CLAIM: &str = "claim";
const RECORD: &str = "record";
const RECORD_BEFORE: &str = "record.new";

/// The folder of an attempt below the folder of all jobs.
pub fn folder(jobs: &Path, id: AttemptId) -> PathBuf {
    jobs.join(id.job.to_string()).join(id.attempt.to_string())
}

/// Makes an attempt's folder, for its owner only.
pub(super) fn make(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.mode(0o700);
    // The job's folder first: it is missing most of the time, and the folder of all jobs almost never is.
    if let Some(job) = folder.parent() {
        match builder.create(job) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => builder.recursive(true).create(job)?,
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
            _ => {}
        }
    }
    match builder.recursive(false).create(folder) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(e),
        _ => Ok(()),
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

/// Makes a file of an attempt for writing, in place of one that is there.
pub(super) fn create(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    private(OpenOptions::new().write(true).create_new(true)).open(path)
}

/// The folder itself bears the lock: a file for it would cost as much as the claim.
fn open_folder(folder: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_DIRECTORY).open(folder)
}

/// Takes the attempt's lock; another shim that has it is waited for. It is held until the file is closed.
pub(super) fn lock(folder: &Path) -> io::Result<File> {
    let file = open_folder(folder)?;
    loop {
        match flock(&file, FlockOperation::LockExclusive) {
            Ok(()) => return Ok(file),
            Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
}

/// Claims an attempt. `false` when it was claimed before: then nothing of it may run.
pub(super) fn claim(folder: &Path, claim: &Claim) -> io::Result<bool> {
    let opened = private(OpenOptions::new().write(true).create_new(true)).open(folder.join(CLAIM));
    let mut file = match opened {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
        Err(e) => return Err(e),
    };
    if let Err(e) = file.write_all(&serde_json::to_vec(claim)?) {
        // A claim that is not whole says that something may have run, and nothing will.
        let _ = fs::remove_file(folder.join(CLAIM));
        return Err(e);
    }
    Ok(true)
}

/// Makes the claim of an attempt that nothing of may run any more. `false` when it was claimed before.
pub fn revoke(folder: &Path, id: AttemptId, boot_id: &str) -> io::Result<bool> {
    make(folder)?;
    let nobody = ProcId { pid: 0, start_ticks: 0 };
    claim(folder, &Claim { version: FILES_VERSION, id, shim: nobody, boot_id: boot_id.to_owned() })
}

/// Puts the record in place, whole or not at all.
pub(super) fn record(folder: &Path, record: &Record) -> io::Result<()> {
    let before = folder.join(RECORD_BEFORE);
    let mut file = create(&before)?;
    file.write_all(&serde_json::to_vec(record)?)?;
    drop(file);
    fs::rename(before, folder.join(RECORD))
}

/// What is found of an attempt.
pub fn look(folder: &Path, id: AttemptId) -> io::Result<Found> {
    // The claim first: it is made under the lock, so a lock that is free behind it belonged to a shim that has
    // ended. The record last: it is in place before the lock is let go.
    let claim = match read::<Claim>(&folder.join(CLAIM)) {
        // What is in the folder's place is told by the lock.
        Err(e) if is_no_folder(&e) => None,
        claim => claim?,
    };
    let locked = is_locked(folder)?;
    // A claim that was begun and cannot be read is a claim: something may have run.
    let unreadable = || Claim {
        version: FILES_VERSION,
        id,
        shim: ProcId { pid: 0, start_ticks: 0 },
        boot_id: String::new(),
    };
    let Some(locked) = locked else {
        // Whatever was there is gone with what it said.
        return Ok(Found { locked: false, record: None, claim: Some(unreadable()) });
    };
    let record = read::<Record>(&folder.join(RECORD))?.flatten();
    Ok(Found { locked, record, claim: claim.map(|c| c.unwrap_or_else(unreadable)) })
}

fn is_no_folder(e: &io::Error) -> bool {
    matches!(e.raw_os_error(), Some(libc::ENOTDIR | libc::ELOOP))
}

/// `None` when something else is in the folder's place.
fn is_locked(folder: &Path) -> io::Result<Option<bool>> {
    let file = match open_folder(folder) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Some(false)),
        Err(e) if is_no_folder(&e) => return Ok(None),
        Err(e) => return Err(e),
    };
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(Some(false)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(Some(true)),
        Err(e) => Err(e.into()),
    }
}

/// `None` when there is no file, `Some(None)` when it does not hold what it should.
#[expect(
    clippy::option_option,
    reason = "a file that is not there and one that cannot be read mean different things"
)]
fn read<T: DeserializeOwned>(path: &Path) -> io::Result<Option<Option<T>>> {
    let file = match open(path) {
        Ok(Some(file)) => file,
        Ok(None) => return Ok(Some(None)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    let mut bytes = Vec::new();
    file.take(limits::ATTEMPT_FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(Some(serde_json::from_slice(&bytes).ok()))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tsup_core::ids::JobId;

    use super::*;

    #[test]
    fn a_shim_that_begins_meanwhile_is_not_taken_for_a_dead_one() {
        let dir = tempfile::tempdir().unwrap();
        let rounds = 300;
        let ids: Vec<_> =
            (1..=rounds).map(|n| AttemptId { job: JobId::drawn(n), attempt: 1, epoch: 0 }).collect();
        for id in &ids {
            make(&folder(dir.path(), *id)).unwrap();
        }
        let at = AtomicU32::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for (n, id) in (0..).zip(&ids) {
                    while at.load(Ordering::Acquire) < n {
                        std::thread::yield_now();
                    }
                    let folder = folder(dir.path(), *id);
                    // Held until somebody has seen it.
                    let held = lock(&folder).unwrap();
                    let shim = ProcId { pid: 1, start_ticks: 1 };
                    let own = Claim { version: FILES_VERSION, id: *id, shim, boot_id: String::new() };
                    claim(&folder, &own).unwrap();
                    while at.load(Ordering::Acquire) == n {
                        std::thread::yield_now();
                    }
                    drop(held);
                }
            });
            for (n, id) in (0..).zip(&ids) {
                let folder = folder(dir.path(), *id);
                loop {
                    let found = look(&folder, *id).unwrap();
                    let seen_dead = !found.locked && found.claim.is_some();
                    if seen_dead || (found.locked && found.claim.is_some()) {
                        at.store(n + 1, Ordering::Release);
                        assert!(!seen_dead, "round {n}: it lives, and was taken for dead");
                        break;
                    }
                }
            }
        });
    }
}
