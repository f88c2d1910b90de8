//! Limits of the process itself, and the processes that it looks at.

use std::time::Duration;

// --- start ----------------------------------------------------------------------------------------

/// The supervisor calls itself ready after this time, even when a tmux socket says nothing.
pub const READY_AT_LATEST: Duration = Duration::from_secs(10);

// --- the process ----------------------------------------------------------------------------------

/// Open files that a thousand agents need: two pidfds and a watch each, the connections, and room.
pub const OPEN_FILES_WANTED: u64 = 16_384;
/// Threads of the runtime. Actors wait most of the time; more threads only cost memory.
pub const WORKER_THREADS_MAX: usize = 4;
/// Lines of the own log that may wait for the disk.
pub const LOG_LINES_PENDING_MAX: usize = 4096;
/// How long `tsup start` waits for a supervisor to be ready.
pub const READY_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a supervisor may take to end after it was asked; then it hurries by itself.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(15);
/// How long it may take when it was told to hurry.
pub const HURRY_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a starting supervisor waits for the lock of its home: others take it for an instant to look.
pub const LOCK_PATIENCE: Duration = Duration::from_millis(300);
/// Between two looks whether the home is still the one that the supervisor holds: who removes it and starts another
/// supervisor there has two for so long.
pub const HOME_LOOK: Duration = Duration::from_secs(2);
/// Bytes of the identity in the lock that are read: it is a few hundred.
pub const IDENTITY_BYTES_MAX: u64 = 16 * 1024;
/// Bytes of a daemon's report to `tsup start` that are read.
pub const REPORT_BYTES_MAX: u64 = 64 * 1024;

// --- processes ------------------------------------------------------------------------------------

/// Bytes of `/proc/PID/stat`: 52 numbers of at most 20 digits and a name.
pub const PROC_STAT_BYTES_MAX: usize = 1536;
/// Bytes of a command line that are read: enough for an interpreter, its flags and a script's path.
pub const PROC_ARGV_BYTES_MAX: usize = 2048;
/// Arguments of a command line that are kept.
pub const PROC_ARGS_MAX: usize = 16;
/// How often a process is looked at where its end cannot be waited for.
pub const PROC_POLL_INTERVAL: Duration = Duration::from_millis(250);
/// Pause between two looks at the process tree of a busy agent (about 7 µs a process).
pub const SAMPLE_BUSY_EVERY: Duration = Duration::from_secs(2);
/// Pause between two looks at the process tree of a quiet agent.
pub const SAMPLE_QUIET_EVERY: Duration = Duration::from_secs(15);
/// Process trees that are sampled.
pub const SAMPLE_TRACKED_MAX: usize = 8_192;
/// Processes of one tree that are counted; a fork bomb must not stall the sampler.
pub const SAMPLE_TREE_MAX: usize = 4_096;
/// Processes of one pane that are looked at to recognise its agent; a build below an agent may have many.
pub const PANE_PROCESSES_MAX: usize = 256;
