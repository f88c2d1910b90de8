//! The thread that reads, with a connection of its own that cannot write. In WAL mode it neither waits for
//! the writer nor holds it up.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use rusqlite::{Connection, OpenFlags};
use tsup_core::limits;

use super::StoreError;
use super::db::error;
use super::jobs::{Ask, read};

/// The way to the thread. It ends when this is dropped, after the question in hand.
pub(super) struct Reader {
    asks: SyncSender<Ask>,
}

impl Reader {
    /// Starts the thread. It reads nothing before the other end of `opened` is dropped: until then the file may
    /// not be there, or be of an older schema.
    pub(super) fn start(path: &Path, opened: Receiver<()>) -> io::Result<Self> {
        let (asks, queue) = sync_channel(limits::STORE_ASKS);
        let path = path.to_owned();
        std::thread::Builder::new()
            .name("tsup-store-read".into())
            .stack_size(limits::STORE_STACK_BYTES)
            .spawn(move || {
                let _ = opened.recv();
                run(&path, &queue);
            })?;
        Ok(Reader { asks })
    }

    /// Hands a question over, or answers it at once when it cannot be.
    pub(super) fn send(&self, ask: Ask) {
        match self.asks.try_send(ask) {
            Ok(()) => {}
            Err(TrySendError::Full(ask)) => {
                ask.refuse(StoreError::Unavailable("too many questions wait".into()));
            }
            Err(TrySendError::Disconnected(ask)) => {
                ask.refuse(StoreError::Unavailable("its reader has ended".into()));
            }
        }
    }
}

fn run(path: &Path, queue: &Receiver<Ask>) {
    let mut connection = None;
    while let Ok(ask) = queue.recv() {
        let open = match connection.take().map_or_else(|| open(path), Ok) {
            Ok(open) => open,
            Err(e) => {
                ask.refuse(e);
                continue;
            }
        };
        // A connection that found something wrong, or panicked, is not used again.
        if let Ok(true) = catch_unwind(AssertUnwindSafe(|| answer(path, &open, ask))) {
            connection = Some(open);
        }
    }
}

fn open(path: &Path) -> Result<Connection, StoreError> {
    let name = path.display().to_string();
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(limits::STORE_BUSY_TIMEOUT)?;
        connection.set_prepared_statement_cache_capacity(limits::STORE_STATEMENTS);
        connection.execute_batch("PRAGMA query_only = 1; PRAGMA temp_store = MEMORY;")?;
        Ok(connection)
    };
    open().map_err(|e| error(&name, &e))
}

/// Answers, and says whether that went well.
fn answer(path: &Path, c: &Connection, ask: Ask) -> bool {
    fn give<T>(
        path: &Path,
        mut reply: crate::gate::Reply<Result<T, StoreError>>,
        found: rusqlite::Result<T>,
    ) -> bool {
        let found = found.map_err(|e| error(&path.display().to_string(), &e));
        let well = found.is_ok();
        reply.send(found);
        well
    }
    match ask {
        Ask::Find(prefix, limit, reply) => give(path, reply, read::find(c, &prefix, limit)),
        Ask::Rows(ids, reply) => give(path, reply, consistent(c, || read::rows(c, &ids))),
        Ask::Missing(ids, reply) => give(path, reply, read::missing(c, ids)),
        Ask::Jobs(filter, reply) => give(path, reply, consistent(c, || read::jobs(c, &filter))),
        Ask::LastOfKey(prefix, reply) => give(path, reply, read::last_of_key(c, &prefix)),
        Ask::Select(which, reply) => give(path, reply, consistent(c, || read::select(c, &which))),
        Ask::Inputs(id, reply) => give(path, reply, read::inputs(c, id)),
        Ask::Forgettable(before, keep, limit, reply) => {
            give(path, reply, consistent(c, || read::forgettable(c, before, keep, limit)))
        }
        Ask::Nothing => true,
    }
}

/// Reads that belong together see one state of the database.
fn consistent<T>(c: &Connection, read: impl FnOnce() -> rusqlite::Result<T>) -> rusqlite::Result<T> {
    let t = c.unchecked_transaction()?;
    let found = read()?;
    t.finish()?;
    Ok(found)
}
