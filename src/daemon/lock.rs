//! The lock of a home, and the identity of whoever holds it.
//!
//! The lock is `flock` on `HOME/tsup.lock`: the kernel takes it from a process that dies, so a leftover
//! file means nothing and a reused pid deceives nobody. What stands in the file is for people and for
//! `tsup stop`; it is believed only while the lock is held.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use tsup_actors::os::name::{self, Name};
use tsup_actors::os::proc;
use tsup_core::clock::Wall;
use tsup_core::error::{Exit, UserError};
use tsup_core::limits::{IDENTITY_BYTES_MAX, LOCK_PATIENCE};

use crate::config::paths::{Paths, open_existing, open_private};
use crate::config::plain;

/// Who holds the lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Its pid.
    pub pid: u32,
    /// Its start time in clock ticks since boot.
    pub start_ticks: u64,
    /// The boot in which pid and start time mean something.
    pub boot_id: String,
    /// Its version.
    pub version: String,
    /// When it started.
    pub started_at: Wall,
    /// Its configuration file, for `tsup restart`.
    pub config: Option<PathBuf>,
    /// Its control socket.
    pub socket: PathBuf,
}

impl Identity {
    /// The identity of this process.
    pub fn own(config: Option<PathBuf>, socket: PathBuf) -> Self {
        let pid = std::process::id();
        Identity {
            pid,
            start_ticks: proc::identify(pid).map_or(0, |p| p.start_ticks),
            boot_id: proc::boot_id().unwrap_or_default(),
            version: env!("CARGO_PKG_VERSION").into(),
            started_at: crate::ctl::now(),
            config,
            socket,
        }
    }

    /// Whether the process that this names runs still: same pid, same start, same boot.
    pub fn lives(&self) -> bool {
        proc::boot_id().is_ok_and(|b| b == self.boot_id)
            && proc::identify(self.pid).is_ok_and(|p| p.start_ticks == self.start_ticks)
    }
}

/// The lock while it is held. Dropping it gives the home free.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

impl Lock {
    /// Which file is locked, whatever has its name by now.
    pub fn name(&self) -> std::io::Result<Name> {
        self.file.metadata().map(|facts| name::of_facts(&facts))
    }
}

/// Takes the lock and writes who has it. Exit code 5 when another supervisor has it.
pub fn take(paths: &Paths, identity: &Identity) -> Result<Lock, UserError> {
    let shown = paths.lock.display();
    let fail = |what: &str, e: &std::io::Error| {
        UserError::new(Exit::Failed, format!("cannot {what} {shown}: {}", plain(e)))
            .hint("see whether its disk is full or broken, or choose another home with `--home DIR`")
    };
    let mut file = open_private(&paths.lock).map_err(|e| fail("open", &e))?;
    let deadline = Instant::now() + LOCK_PATIENCE;
    loop {
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => break,
            Err(Errno::WOULDBLOCK) if Instant::now() < deadline => {
                std::thread::park_timeout(Duration::from_millis(20));
            }
            Err(Errno::WOULDBLOCK) => return Err(held(paths, &mut file)),
            Err(e) => return Err(fail("lock", &e.into())),
        }
    }
    let text = serde_json::to_string(identity).map_err(|e| fail("write", &e.into()))?;
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| file.write_all(format!("{text}\n").as_bytes()))
        .map_err(|e| fail("write", &e))?;
    Ok(Lock { file })
}

fn held(paths: &Paths, file: &mut File) -> UserError {
    let who = match read(file) {
        Some(id) => format!("tsup {} (pid {}, since {})", id.version, id.pid, id.started_at),
        None => "another supervisor".into(),
    };
    UserError::new(Exit::Refused, format!("the home {} is held by {who}", paths.home.display()))
        .hint("use it with `tsup ctl`, end it with `tsup stop`, or choose another home with `--home DIR`")
}

fn read(file: &mut File) -> Option<Identity> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(IDENTITY_BYTES_MAX).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

/// Whether somebody holds a home, and who.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// Nobody.
    Nobody,
    /// This supervisor.
    Known(Box<Identity>),
    /// Somebody who has not written who it is yet.
    Unnamed,
}

/// Looks who holds a home.
pub fn holder(lock: &Path) -> Result<Holder, UserError> {
    let mut file = match open_existing(lock) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Holder::Nobody),
        Err(e) => {
            let what = format!("cannot look at {}: {}", lock.display(), plain(&e));
            return Err(UserError::new(Exit::Refused, what)
                .hint("is it damaged, or the home of another user? choose another with `--home DIR`"));
        }
    };
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(Holder::Nobody),
        Err(_) => Ok(read(&mut file)
            .filter(Identity::lives)
            .map_or(Holder::Unnamed, |id| Holder::Known(Box::new(id)))),
    }
}

/// Waits until nobody holds a home; `false` when somebody still does after `deadline`.
pub fn wait_free(lock: &Path, deadline: Duration) -> bool {
    let Ok(file) = open_existing(lock) else { return true };
    let (freed, wait) = sync_channel(1);
    // The kernel wakes the thread the moment the holder is gone. When the deadline passes, the thread
    // is left behind and ends with this short-lived process.
    std::thread::spawn(move || {
        let outcome = rustix::fs::flock(&file, FlockOperation::LockShared);
        let _ = freed.send(outcome.is_ok());
    });
    wait.recv_timeout(deadline).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home() -> (tempfile::TempDir, Paths) {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::resolve(Some(&dir.path().join("home"))).unwrap();
        paths.create().unwrap();
        (dir, paths)
    }

    #[test]
    fn the_second_is_told_who_was_first() {
        let (_dir, paths) = home();
        let own = Identity::own(None, paths.socket.clone());
        assert!(own.lives());
        assert_eq!(holder(&paths.lock).unwrap(), Holder::Nobody);
        let lock = take(&paths, &own).unwrap();
        let error = take(&paths, &own).unwrap_err();
        assert_eq!(error.exit, Exit::Refused);
        assert!(error.what.contains(&format!("pid {}", std::process::id())), "{}", error.what);
        assert_eq!(holder(&paths.lock).unwrap(), Holder::Known(Box::new(own.clone())));
        assert!(!wait_free(&paths.lock, Duration::from_millis(20)));
        drop(lock);
        assert!(wait_free(&paths.lock, Duration::from_secs(5)));
        assert_eq!(holder(&paths.lock).unwrap(), Holder::Nobody);
        take(&paths, &own).unwrap();
    }

    #[test]
    fn a_leftover_file_holds_nothing() {
        let (_dir, paths) = home();
        let own = Identity::own(None, paths.socket.clone());
        for leftover in [serde_json::to_string(&own).unwrap(), "{".into(), "x".repeat(100_000)] {
            std::fs::write(&paths.lock, leftover).unwrap();
            assert_eq!(holder(&paths.lock).unwrap(), Holder::Nobody);
            take(&paths, &own).unwrap();
        }
    }

    #[test]
    fn a_reused_pid_is_somebody_else() {
        let (_dir, paths) = home();
        let own = Identity::own(None, paths.socket.clone());
        let other = Identity { start_ticks: own.start_ticks + 1, ..own.clone() };
        assert!(!other.lives());
        let _lock = take(&paths, &other).unwrap();
        assert_eq!(holder(&paths.lock).unwrap(), Holder::Unnamed);
        assert!(!Identity { boot_id: "x".into(), ..own }.lives());
    }
}
