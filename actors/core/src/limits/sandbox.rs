//! Limits of how scripts are shut in.

use std::time::Duration;

/// Processes and threads of a script that says nothing of them: tests on a large machine take a thousand or two, a
/// fork bomb takes all there are.
pub const SCRIPT_PROCESSES: u32 = 4_096;
/// Seconds of CPU beyond a script's time, so that the time is what ends it; the original's figure.
pub const SCRIPT_CPU_MORE: Duration = Duration::from_secs(10);
/// Bytes of a file that a script writes. The original's 100 MB are less than a build's output.
pub const SCRIPT_FILE_BYTES: u64 = 1024 * 1024 * 1024;
/// Files that a process of a script may have open: the usual limit of a login four times over.
pub const SCRIPT_OPEN_FILES: u64 = 4_096;
/// The newest version of Landlock whose rights are known here.
pub const LANDLOCK_KNOWN: u32 = 7;
/// Bytes of a script's first line that are read for its interpreter; the kernel reads 256.
pub const FIRST_LINE_BYTES: u64 = 256;
/// A script that was killed within this time of a kill for want of memory is taken to be the one: such a process is gone
/// only when all its memory was given back.
pub const MEMORY_KILL_RECENT: Duration = Duration::from_secs(10);
/// Processes of one tree whose shares of common memory are asked for, at some 50 µs each; in larger trees what they share
/// counts for each.
pub const SHARED_LOOKED_AT: usize = 256;
/// A control group that is not empty yet is looked at again after this time, so many times.
pub const GROUP_REMOVE_RETRY: Duration = Duration::from_millis(1);
/// After these a group stays, and the next server takes it away.
pub const GROUP_REMOVE_TRIES: u32 = 50;
