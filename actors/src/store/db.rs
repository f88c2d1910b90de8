//! The database file: opening, migrating, and one transaction for what was gathered.

use std::path::Path;

use rusqlite::{Connection, ErrorCode, OpenFlags, ffi};
use tsup_core::limits;
use tsup_core::tes::kept::{Write, Wrote};

use super::StoreError;
use super::jobs::{self, LoadedJobs};
use super::op::{Loaded, Op};
use super::schema::{MIGRATIONS, SCHEMA};

/// An open database.
pub(super) struct Db {
    connection: Connection,
    path: String,
}

/// What is written together: one thing of the fleet, or all writes of one call.
pub(super) enum Unit<'a> {
    /// Of the fleet.
    Op(&'a Op),
    /// Of the queue.
    Jobs(&'a [Write]),
}

/// Whether the file at `path` can be used, without changing it. A missing file can.
pub fn check(path: &Path) -> Result<(), StoreError> {
    if !path.exists() {
        return Ok(());
    }
    let name = path.display().to_string();
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(|e| error(&name, &e))?;
    let found = user_version(&connection).map_err(|e| error(&name, &e))?;
    if found > SCHEMA {
        return Err(StoreError::Newer { path: name, found, known: SCHEMA });
    }
    Ok(())
}

fn user_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Sorts an SQLite error into ours.
pub(super) fn error(path: &str, e: &rusqlite::Error) -> StoreError {
    let (path, what) = (path.to_owned(), e.to_string());
    match e {
        rusqlite::Error::SqliteFailure(failure, _) => match failure.code {
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => StoreError::Corrupt { path, what },
            ErrorCode::DiskFull => StoreError::Full { path },
            _ => match failure.extended_code {
                ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC => StoreError::Sync { path, what },
                _ => StoreError::Io { path, what },
            },
        },
        _ => StoreError::Corrupt { path, what },
    }
}

/// Whether one write of several may be the cause, so that the others are worth a try of their own.
fn is_of_one_write(e: &rusqlite::Error) -> bool {
    match e {
        rusqlite::Error::SqliteFailure(failure, _) => {
            matches!(
                failure.code,
                ErrorCode::ConstraintViolation | ErrorCode::TooBig | ErrorCode::TypeMismatch
            )
        }
        _ => true,
    }
}

impl Db {
    /// Opens or creates the file (0600), checks it and brings it to [`SCHEMA`].
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        check(path)?;
        let name = path.display().to_string();
        create_private(path).map_err(|e| StoreError::Io { path: name.clone(), what: e.to_string() })?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(|e| error(&name, &e))?;
        let mut db = Db { connection, path: name };
        db.prepare().map_err(|e| error(&db.path, &e))?;
        let verdict: String = db
            .connection
            .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
            .map_err(|e| error(&db.path, &e))?;
        if verdict != "ok" {
            return Err(StoreError::Corrupt { path: db.path, what: verdict });
        }
        db.migrate().map_err(|e| error(&db.path, &e))?;
        Ok(db)
    }

    /// WAL with a sync at each commit: what is answered survives a power loss too.
    fn prepare(&self) -> rusqlite::Result<()> {
        let c = &self.connection;
        c.busy_timeout(limits::STORE_BUSY_TIMEOUT)?;
        c.set_prepared_statement_cache_capacity(limits::STORE_STATEMENTS);
        c.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
        c.execute_batch("PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY;")?;
        c.pragma_update(None, "cache_size", -limits::STORE_CACHE_KIB)
    }

    fn migrate(&mut self) -> rusqlite::Result<()> {
        let found = user_version(&self.connection)?;
        let transaction = self.connection.transaction()?;
        for step in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or(0)) {
            transaction.execute_batch(step)?;
        }
        transaction.pragma_update(None, "user_version", SCHEMA)?;
        transaction.commit()
    }

    /// Writes all of `units` in one transaction, or nothing of any that failed. One answer for each.
    pub(super) fn write(&mut self, units: &[Unit<'_>]) -> Vec<Result<Vec<Wrote>, StoreError>> {
        match self.transact(units) {
            Ok(wrote) => wrote.into_iter().map(Ok).collect(),
            // Others must not suffer for one that cannot be written.
            Err(e) if units.len() > 1 && is_of_one_write(&e) => units
                .iter()
                .map(|unit| {
                    let wrote = self.transact(std::slice::from_ref(unit));
                    wrote.map(|mut w| w.remove(0)).map_err(|e| error(&self.path, &e))
                })
                .collect(),
            Err(e) => units.iter().map(|_| Err(error(&self.path, &e))).collect(),
        }
    }

    fn transact(&mut self, units: &[Unit<'_>]) -> rusqlite::Result<Vec<Vec<Wrote>>> {
        let transaction = self.connection.transaction()?;
        let wrote = units
            .iter()
            .map(|unit| match unit {
                Unit::Op(op) => super::agents::apply(&transaction, op).map(|()| Vec::new()),
                Unit::Jobs(writes) => {
                    writes.iter().map(|write| jobs::write::apply(&transaction, write)).collect()
                }
            })
            .collect::<rusqlite::Result<_>>()?;
        transaction.commit()?;
        Ok(wrote)
    }

    /// Reads everything the fleet begins with, and notes the boot for the next time.
    pub(super) fn load(&mut self, boot_id: &str) -> Result<Loaded, StoreError> {
        let mut load = || {
            let transaction = self.connection.transaction()?;
            let loaded = super::agents::load(&transaction, boot_id)?;
            transaction.commit()?;
            Ok(loaded)
        };
        load().map_err(|e| error(&self.path, &e))
    }

    /// The connection, for tests that ask it something else.
    #[cfg(test)]
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Reads everything the queue begins with.
    pub(super) fn load_jobs(&mut self) -> Result<LoadedJobs, StoreError> {
        jobs::read::load(&self.connection).map_err(|e| error(&self.path, &e))
    }
}

fn create_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
    let file = std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    file.set_permissions(std::fs::Permissions::from_mode(0o600))
}

/// The word of a state or detail, as the contract spells it.
pub(super) fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}
