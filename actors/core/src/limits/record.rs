//! Limits of records and their replay.

use std::time::Duration;

/// Bytes of one line of a record: a screen of [`CAPTURE_BYTES_MAX`], each byte of it escaped.
pub const RECORD_LINE_BYTES_MAX: usize = 512 * 1024;
/// Bytes of one record. A busy agent of 200 by 50 cells takes about 10 KiB a second.
pub const RECORD_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// How long a record goes on when nobody says.
pub const RECORD_FOR_DEFAULT: Duration = Duration::from_secs(10 * 60);
/// How long one may be asked to go on.
pub const RECORD_FOR_MAX: Duration = Duration::from_secs(24 * 3600);
/// Records that are written at the same time.
pub const RECORDS_OPEN_MAX: usize = 16;
/// Records that `HOME/records` may hold before no other is begun: they hold screens, and are the user's to
/// remove.
pub const RECORDS_KEPT_MAX: usize = 256;
/// Bytes of frames that wait for the disk; what comes while they do is missing in the record, and counted.
pub const RECORD_PENDING_BYTES: usize = 4 * 1024 * 1024;
/// Differences that a replay tells of.
pub const REPLAY_DIFFERENCES_MAX: usize = 1_000;
/// Looks that a replay takes between two frames: an hour of them.
pub const REPLAY_LOOKS_MAX: usize = 10_000;
