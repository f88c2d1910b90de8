//! Limits of the store.

use std::time::Duration;

/// Writes that wait for the store's thread before more are refused.
pub const STORE_QUEUE: usize = 4096;
/// Questions that wait for the thread that reads before more are refused.
pub const STORE_ASKS: usize = 256;
/// Rows in one transaction. A sync costs the same for one row and for hundreds; the writes of one call stay
/// together even if they are more.
pub const STORE_BATCH_ROWS: usize = 1024;
/// Prepared statements that a connection keeps: all there are.
pub const STORE_STATEMENTS: usize = 64;
/// Pages of the file that the writing connection keeps in memory, in KiB.
pub const STORE_CACHE_KIB: i64 = 8 * 1024;
/// Rows between two looks at the length of the log.
pub const STORE_LOG_LOOK_ROWS: usize = 256;
/// Pages of 4 KiB in the log after which they are copied into the file, beside the writes: 16 MiB. The more there
/// are, the more often a page is written over before it is copied.
pub const STORE_LOG_PAGES: u64 = 4_096;
/// Pages in the log after which writes wait until they are copied: 128 MiB. A start reads all of them.
pub const STORE_LOG_PAGES_MAX: u64 = 32_768;
/// Bytes of a file that is read through before it is used; a larger one is used meanwhile. Some 0.1 s.
pub const STORE_CHECK_AT_ONCE_BYTES: u64 = 32 * 1024 * 1024;
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
