//! The database file: opening, migrating, and one transaction for what was gathered.

use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, ErrorCode, OpenFlags, ffi};
use tsup_core::limits;
use tsup_core::tes::kept::{Write, Wrote};

use super::StoreError;
use super::jobs::{self, LoadedJobs};
use super::op::{Loaded, Op};
use super::schema::{MIGRATIONS, SCHEMA};
use super::upkeep::{self, Check, Copier, Damage};

/// An open database.
pub(super) struct Db {
    connection: Connection,
    path: String,
    copier: Copier,
    /// Rows that were written since the length of the log was looked at.
    rows_since_look: usize,
    /// What a check that goes on after the opening has found.
    damage: Damage,
    /// That check, while there is one.
    _check: Option<Check>,
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
    log_has_its_file(path)?;
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
    /// Opens or creates the file (0600), checks it and brings it to [`SCHEMA`]. A large file is checked on while
    /// it is used, and `found` is told what is wrong with it.
    pub(super) fn open(
        path: &Path,
        found: impl FnOnce(StoreError) + Send + 'static,
    ) -> Result<Self, StoreError> {
        let name = path.display().to_string();
        let usable = match check(path) {
            Err(e @ StoreError::Newer { .. }) => return Err(e),
            Err(e) if length(path) == 0 => return Err(e),
            other => other,
        };
        // Before what SQLite says of a file that it cannot use: the system's words say why.
        create_private(path).map_err(|e| io_error(&name, &e))?;
        usable?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(|e| error(&name, &e))?;
        prepare(&connection).map_err(|e| error(&name, &e))?;
        let is_large = length(path) > limits::STORE_CHECK_AT_ONCE_BYTES;
        if !is_large {
            upkeep::check(&connection, &name)?;
        }
        begin_log_anew(&connection, &name)?;
        let damage = Damage::default();
        // A check that reads already would keep the log from beginning anew.
        let check = is_large.then(|| {
            let damage = Arc::clone(&damage);
            Check::start(path, move |e: StoreError| {
                let _ = damage.set(e.clone());
                found(e);
            })
        });
        let check = check.transpose().map_err(|e| io_error(&name, &e))?;
        let copier = Copier::start(path).map_err(|e| io_error(&name, &e))?;
        let mut db = Db { connection, path: name, copier, rows_since_look: 0, damage, _check: check };
        db.keep_copy(path)?;
        db.migrate().map_err(|e| error(&db.path, &e))?;
        Ok(db)
    }

    /// Leaves a file without a log behind.
    pub(super) fn finish(self) -> Result<(), StoreError> {
        begin_log_anew(&self.connection, &self.path)
    }

    /// What was found wrong after the opening.
    pub(super) fn damage(&self) -> Option<StoreError> {
        self.damage.get().cloned()
    }

    /// Keeps what a file of an older schema held, beside it: whoever goes back to the build before can begin with that.
    fn keep_copy(&self, path: &Path) -> Result<(), StoreError> {
        let found = user_version(&self.connection).map_err(|e| error(&self.path, &e))?;
        if found == 0 || found == SCHEMA {
            return Ok(());
        }
        let copy = path.with_extension(format!("db.schema{found}"));
        let part = path.with_extension("db.part");
        let io = |e: std::io::Error| io_error(&part.display().to_string(), &e);
        // Made anew each time: what an earlier try left may be half of it.
        create_private(&part).and_then(|()| std::fs::write(&part, "")).map_err(io)?;
        let into = part.display().to_string();
        self.connection.execute("VACUUM INTO ?1", [&into]).map_err(|e| error(&into, &e))?;
        std::fs::File::open(&part).and_then(|file| file.sync_all()).map_err(io)?;
        std::fs::rename(&part, &copy).map_err(io)
    }

    fn migrate(&mut self) -> rusqlite::Result<()> {
        let found = user_version(&self.connection)?;
        if found == SCHEMA {
            return Ok(());
        }
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

    /// Looks after the log, between two transactions. The error is one after which nothing may be written.
    pub(super) fn look_after_log(&mut self, rows: usize) -> Result<(), StoreError> {
        let nearly_all = match self.copier.done() {
            Some(copied) => copied.map_or_else(not_copied, |()| Ok(true))?,
            None => false,
        };
        self.rows_since_look += rows;
        if !nearly_all && self.rows_since_look < limits::STORE_LOG_LOOK_ROWS {
            return Ok(());
        }
        self.rows_since_look = 0;
        let look = || {
            let pages = upkeep::pages_to_copy(&self.connection)?;
            if (nearly_all && pages > 0) || pages >= limits::STORE_LOG_PAGES_MAX {
                upkeep::copy(&self.connection)?;
                return Ok(false);
            }
            Ok(pages >= limits::STORE_LOG_PAGES)
        };
        if look().map_err(|e| error(&self.path, &e)).or_else(not_copied)? {
            self.copier.ask();
        }
        Ok(())
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

/// WAL with a sync at each commit: what is answered survives a power loss too.
fn prepare(c: &Connection) -> rusqlite::Result<()> {
    c.busy_timeout(limits::STORE_BUSY_TIMEOUT)?;
    c.set_prepared_statement_cache_capacity(limits::STORE_STATEMENTS);
    c.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    c.execute_batch("PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = 0;")?;
    c.pragma_update(None, "cache_size", -limits::STORE_CACHE_KIB)
}

/// What the last life left in the log goes into the file. After a sync that failed, the log may have a hole on
/// the disk that memory hides, behind which nothing must be written.
fn begin_log_anew(c: &Connection, name: &str) -> Result<(), StoreError> {
    let copied = c.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(false));
    copied.map_err(|e| error(name, &e)).or_else(not_copied).map(|_| ())
}

/// What is not copied stays in the log, and is copied later; unless the disk does not confirm what it has.
fn not_copied(e: StoreError) -> Result<bool, StoreError> {
    if matches!(e, StoreError::Sync { .. }) {
        return Err(e);
    }
    tracing::warn!(error = %e, "the database's log was not copied into the file");
    Ok(false)
}

fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |m| m.len())
}

fn io_error(name: &str, e: &std::io::Error) -> StoreError {
    StoreError::Io { path: name.to_owned(), what: e.to_string() }
}

/// SQLite removes a log whose file is gone or empty, and with it what was acknowledged.
fn log_has_its_file(path: &Path) -> Result<(), StoreError> {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    if length(path) == 0 && length(Path::new(&log)) > 0 {
        let what = format!("it is empty, but {} still has writes of it", Path::new(&log).display());
        return Err(StoreError::Corrupt { path: path.display().to_string(), what });
    }
    Ok(())
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
