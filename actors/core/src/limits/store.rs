//! Limits of the store.

use std::time::Duration;

/// Writes that wait for the store's thread before more are refused.
pub const STORE_QUEUE: usize = 4096;
/// Rows in one transaction. A sync costs the same for one row and for hundreds.
pub const STORE_BATCH_ROWS: usize = 256;
/// How long a write that somebody waits for may wait for others to share its sync.
pub const STORE_GATHER: Duration = Duration::from_millis(2);
/// How long a write that nobody waits for may wait: history costs one sync a second, whatever happens.
pub const STORE_LAZY: Duration = Duration::from_secs(1);
/// How long another process's lock on the database is waited for.
pub const STORE_BUSY_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the read at start-up may take; opening checks the whole file.
pub const STORE_LOAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Stack of the store's thread, in bytes: SQLite needs little.
pub const STORE_STACK_BYTES: usize = 512 * 1024;
/// How long an ordered stop waits for what is still to be written: less than the actor's time to stop, so
/// that a disk that hangs does not hang it.
pub const STORE_LAST_WRITE: Duration = Duration::from_secs(3);
