//! What is done beside the writer, so that no commit waits for it: copying the log into the file, and reading a
//! large file through after it was opened.
//!
//! A copy follows the writer but never catches up with one that goes on writing. So it is made in two steps:
//! a thread copies what is there, which is nearly all, and the writer copies the little that came meanwhile. Only
//! then does the log begin anew instead of growing.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use rusqlite::{Connection, InterruptHandle, OpenFlags};
use tsup_core::limits;

use super::StoreError;
use super::db::error;

/// What was found wrong after the file was opened. It stays until the store is opened again.
pub(super) type Damage = Arc<OnceLock<StoreError>>;

/// The thread that copies the log. It ends when this is dropped, after the copy in hand.
pub(super) struct Copier {
    asks: SyncSender<()>,
    done: Receiver<Result<(), StoreError>>,
    busy: bool,
}

impl Copier {
    pub(super) fn start(path: &Path) -> io::Result<Self> {
        let (asks, queue) = sync_channel(1);
        let (tell, done) = sync_channel(1);
        let path = path.to_owned();
        thread("tsup-store-copy", move || {
            while queue.recv().is_ok() {
                // A connection of its own each time: it is rare, and none is left behind in a file that is replaced.
                if tell.send(copy_all(&path)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Copier { asks, done, busy: false })
    }

    /// Asks for a copy, unless one is being made.
    pub(super) fn ask(&mut self) {
        self.busy = self.busy || self.asks.try_send(()).is_ok();
    }
    /// What became of a copy, once.
    pub(super) fn done(&mut self) -> Option<Result<(), StoreError>> {
        let done = self.done.try_recv().ok()?;
        self.busy = false;
        Some(done)
    }
}

fn copy_all(path: &Path) -> Result<(), StoreError> {
    let name = path.display().to_string();
    let copy = || {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let c = Connection::open_with_flags(path, flags)?;
        c.execute_batch("PRAGMA synchronous = FULL;")?;
        copy(&c)
    };
    copy().map_err(|e| error(&name, &e))
}

/// Copies what is in the log into the file, as far as no reader needs the log.
pub(super) fn copy(c: &Connection) -> rusqlite::Result<()> {
    c.prepare_cached("PRAGMA wal_checkpoint(PASSIVE)")?.query_row([], |_| Ok(()))
}

/// Pages in the log that are not in the file yet.
pub(super) fn pages_to_copy(c: &Connection) -> rusqlite::Result<u64> {
    c.prepare_cached("PRAGMA wal_checkpoint(NOOP)")?.query_row([], |row| {
        let (log, copied): (i64, i64) = (row.get(1)?, row.get(2)?);
        Ok(u64::try_from(log - copied).unwrap_or(0))
    })
}

/// A check of a whole file on a thread of its own. Dropping it ends it.
pub(super) struct Check(InterruptHandle);

impl Check {
    /// Starts it; `found` is told what is wrong, and nothing when all is well.
    pub(super) fn start(path: &Path, found: impl FnOnce(StoreError) + Send + 'static) -> io::Result<Self> {
        let name = path.display().to_string();
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(io::Error::other)?;
        let handle = connection.get_interrupt_handle();
        thread("tsup-store-check", move || match check(&connection, &name) {
            Ok(()) => tracing::info!(path = name, "the database was read through and is well"),
            Err(e @ StoreError::Corrupt { .. }) => found(e),
            Err(e) => tracing::warn!(error = %e, "the database could not be read through"),
        })?;
        Ok(Check(handle))
    }
}

impl Drop for Check {
    fn drop(&mut self) {
        self.0.interrupt();
    }
}

/// Reads the whole file through: every page has its place, every row its columns.
pub(super) fn check(c: &Connection, name: &str) -> Result<(), StoreError> {
    let verdict: String =
        c.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(|e| error(name, &e))?;
    if verdict == "ok" { Ok(()) } else { Err(StoreError::Corrupt { path: name.to_owned(), what: verdict }) }
}

fn thread(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let builder = std::thread::Builder::new().name(name.into()).stack_size(limits::STORE_STACK_BYTES);
    builder.spawn(run).map(|_| ())
}
