//! Limits of jobs and the scripts that they run.

use std::time::Duration;

/// Bytes of a megabyte, as people who configure one count it.
pub const MIB: u64 = 1024 * 1024;

// --- queue ----------------------------------------------------------------------------------------

/// After each such time a waiting job counts as one class more urgent. A batch job counts as critical
/// after four of them, and among critical ones the oldest of its session goes first.
pub const AGE_STEP: Duration = Duration::from_secs(60);
/// By how much a session may be behind the others, of all slots together: whoever has had the machine for a day does
/// not wait for a day.
pub const SHARE_LAG: Duration = Duration::from_secs(60);
/// Sessions without jobs of which it is known what they used.
pub const SHARES_OWED_MAX: usize = 4096;
/// Jobs that wait or run. Each takes some 250 bytes in memory, and its inputs where they are small; the store has the rest.
pub const JOBS_LIVE_MAX: usize = 200_000;
/// Bytes of inputs of all jobs that wait.
pub const JOBS_LIVE_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// When a refused submission should be tried again: some hundred jobs end meanwhile.
pub const SUBMIT_RETRY_AFTER: Duration = Duration::from_secs(1);
/// Jobs that one answer names of those that are meant by what they have in common: some 1.6 MiB of names at worst, and as
/// many as a list has.
pub const SELECTED_MAX: usize = 10_000;
/// Jobs that a command changes at a time: their answers come before the supervisor takes no more requests of one client.
pub const CHANGED_AT_A_TIME: usize = 16;
/// Jobs that one job may wait for.
pub const JOB_PARENTS_MAX: usize = 64;
/// Bytes of a word that ties a job to something: its key, user, session, specialist or correlation id.
pub const JOB_WORD_BYTES_MAX: usize = 256;
/// Slots that one job may take.
pub const JOB_SLOTS_MAX: u16 = 1_000;
/// What a job is taken to use of its session's share until jobs of its script have ended. Little: what was charged too
/// low is made good when it ends, while others who come meanwhile begin at a charge that was too high, and stay there.
pub const JOB_EXPECTED: Duration = Duration::from_millis(1);

// --- retry ----------------------------------------------------------------------------------------

/// Upper bound of the pause before the second attempt.
pub const RETRY_FIRST: Duration = Duration::from_secs(1);
/// Upper bound of the pause before any attempt.
pub const RETRY_LAST: Duration = Duration::from_secs(300);
/// Longest pause that a script may ask for.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 3600);

// --- registry -------------------------------------------------------------------------------------

/// Bytes that an input's pattern takes when it is compiled. A registry may have thousands of them.
pub const INPUT_PATTERN_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a registry's file. The original's nine entries take 20 KiB.
pub const REGISTRY_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Scripts of all registries together.
pub const SCRIPTS_MAX: usize = 10_000;
/// Inputs of one script, and outputs of one.
pub const SCRIPT_ARGS_MAX: usize = 256;
/// Characters of a script's id.
pub const SCRIPT_ID_MAX: usize = 128;
/// How long an attempt may run when its registry does not say; the original's own default.
pub const SCRIPT_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest time that a registry may give; longer ones are meant as none.
pub const SCRIPT_TIMEOUT_MAX: Duration = Duration::from_secs(30 * 24 * 3600);
/// From the request to end to the kill, when the registry does not say.
pub const SCRIPT_GRACE: Duration = Duration::from_secs(5);
/// Attempts that a registry may ask for.
pub const ATTEMPTS_MAX: u32 = 100;

// --- inputs and outputs ---------------------------------------------------------------------------

/// Bytes of one argument or variable: `MAX_ARG_STRLEN` of Linux, its closing zero not counted.
pub const JOB_ARG_BYTES_MAX: usize = 128 * 1024 - 1;
/// Bytes of all arguments and variables: half of what Linux takes with the usual stack of 8 MiB.
pub const JOB_ARGV_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of a job's inputs as JSON.
pub const JOB_INPUT_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of output that are read for its values.
pub const JOB_RESULT_BYTES_MAX: usize = 1024 * 1024;

// --- attempts -------------------------------------------------------------------------------------

/// From the request to end to the kill, for processes that a script left behind.
pub const LEFT_BEHIND_GRACE: Duration = Duration::from_millis(500);
/// Between two kills of a tree that forks while it is killed.
pub const KILL_AGAIN: Duration = Duration::from_millis(20);
/// Bytes of a stack trace that are kept: some hundred frames.
pub const TRACE_BYTES_MAX: usize = 16 * 1024;
/// Characters of a script's own words in an error.
pub const FAILURE_WORDS_CHARS: usize = 500;
/// Orders of attempts that a queue may have sent beyond the last one that left a trace: each start that finds no process
/// or no descriptor counts one, ten a second for each of [`ATTEMPT_SLOTS_MAX`].
pub const ORDERS_LEAP: u64 = 1 << 32;
/// The largest number of an order: with some 2^32 more at each start of a queue, there are 2^30 starts up to it.
pub const ORDERS_MAX: u64 = 1 << 62;
/// Names of scripts, sessions, specialists and groups that jobs share in memory.
pub const SHARED_NAMES_MAX: usize = 4096;
/// Attempts that may be under way at the same time, each with a page among the traces: more than
/// [`TES_SLOTS`](super::TES_SLOTS) allows to run, since some have ended whose end is not durable yet.
pub const ATTEMPT_SLOTS_MAX: u32 = 16_384;
/// Bytes of an order to a shim server: inputs as arguments and once more as JSON.
pub const ORDER_BYTES_MAX: u32 = 4 * 1024 * 1024;
/// Of these, what is left for paths, bounds and the fence.
pub const ORDER_BYTES_BESIDE: usize = 512 * 1024;
/// Bytes of an order that is handed to a shim that is there: a socket takes them at once. A larger one gets a shim of its
/// own, which has it from its birth.
pub const ORDER_HANDED_BYTES_MAX: usize = 64 * 1024;
/// Bytes of what a shim tells of an attempt: a record, which has its place in 3 KiB as JSON.
pub const SHIM_REPORT_BYTES_MAX: usize = 8 * 1024;
/// Between two looks whether the shim server was stopped.
pub const SHIM_SERVER_LOOK: Duration = Duration::from_secs(2);
/// How long a shim waits for another attempt before it ends: a burst of short jobs is over by then.
pub const SHIM_IDLE: Duration = Duration::from_secs(10);
/// Attempts that one shim runs: what it may have gathered by a defect goes with it.
pub const SHIM_ATTEMPTS_MAX: u64 = 1000;
/// Jobs of a script that took no longer than this lately end soon: about as long as the next one takes from its choice to
/// its first instruction, with two syncs of a busy disk. While a shim's attempt is no older, it may be handed the next one.
pub const AHEAD_QUICK: Duration = Duration::from_millis(10);
/// How long the jobs take, one after the other, that are handed out ahead for each one that ends soon: some times as long as the
/// way of the next one, so that starts and ends gather and share a sync.
pub const AHEAD_SPAN: Duration = Duration::from_millis(32);
/// And at most so many in all: what a power cut may leave in doubt besides those that run.
pub const AHEAD_MAX: u32 = 64;
/// They are called back when nothing has ended for so long: whoever was expected to end soon does not. What a shim was handed
/// besides an attempt that is so old begins elsewhere.
pub const AHEAD_PATIENCE: Duration = Duration::from_millis(20);
/// How long ends of attempts gather with the shim server before they are told, while more attempts wait there than run: what
/// comes together is written down together, and nobody has nothing to do meanwhile.
pub const NEWS_GATHER: Duration = Duration::from_millis(8);
/// Bytes of orders that are read at a time.
pub const ORDER_READ_BYTES: usize = 16 * 1024;
/// Bytes of a stream that are kept when nobody says.
pub const OUTPUT_KEEP_BYTES: u64 = 16 * MIB;
/// Bytes of the end of a stream that are kept when not all of it is.
pub const OUTPUT_TAIL_BYTES: usize = 64 * 1024;
/// Bytes of a stream that are read at a time: what a pipe holds.
pub const OUTPUT_READ_BYTES: usize = 64 * 1024;
/// Reads of one stream before the shim looks at everything else.
pub const OUTPUT_READS: usize = 16;
/// From an attempt's start to the first look at its tree, which then is only for its figures. Most jobs have ended
/// by then.
pub const TREE_LOOK_FIRST_UNBOUND: Duration = Duration::from_millis(100);
/// The same where looking is what bounds it.
pub const TREE_LOOK_FIRST: Duration = Duration::from_millis(20);
/// Longest pause between two such looks.
pub const TREE_LOOK_LAST: Duration = Duration::from_secs(1);
/// How often a slot is looked at that somebody has locked and that bears another attempt's name, [`CLAIM_RETRY`] apart:
/// between the lock and the name are some microseconds, and a machine that swaps may make seconds of them.
pub const CLAIM_TRIES: u32 = 3000;
/// Between two such looks.
pub const CLAIM_RETRY: Duration = Duration::from_millis(1);
/// A shim that finds the disk full tries again to write its record after this time.
pub const RECORD_RETRY: Duration = Duration::from_millis(500);
/// How often it tries where something else than space is missing, [`RECORD_RETRY`] apart: a disk that fails for five
/// minutes does not come back by itself.
pub const RECORD_TRIES: u32 = 600;
/// How long what is known of an attempt is waited for where its shim cannot be watched yet: it has its lock and
/// has not made its claim.
pub const CLAIM_LOOK_AGAIN: Duration = Duration::from_millis(20);
/// An attempt whose shim another supervisor ordered is looked at again after this time, also when the process that
/// its claim names still runs: a script that can write there may have named any.
pub const ADOPTED_LOOK: Duration = Duration::from_secs(5);
/// How often an attempt's actor is tried to be started, [`CLAIM_LOOK_AGAIN`] apart, while another one of its name is
/// on its way out.
pub const JOB_ACTOR_TRIES: usize = 500;
/// Crashes of an attempt's actor, less than [`JOB_ACTOR_CALM`] apart, after which nobody tries any more to read what the
/// attempt left: it ends as one that cannot be known.
pub const JOB_ACTOR_CRASHES: u32 = 5;
/// An actor that went on for so long after a crash has not crashed for what it found.
pub const JOB_ACTOR_CALM: Duration = Duration::from_secs(60);
/// Rounds in which processes that a killed shim left behind are looked for and killed.
pub const STRAY_ROUNDS: usize = 100;
/// Orders that wait for the shim server: a start and a stop for each job that runs, and what is taken elsewhere as it changes.
pub const ORDERS_PENDING_MAX: usize = 4096;
/// From the end of a shim server to its successor: one that cannot be started must not spin.
pub const SHIMS_AGAIN: Duration = Duration::from_millis(200);

// --- keeping --------------------------------------------------------------------------------------

/// A write about jobs that could not be made is made again after this time.
pub const JOBS_KEEP_AGAIN: Duration = Duration::from_millis(500);
/// An attempt that could not begin for want of processes, files or space is begun again after this time.
pub const ATTEMPT_BEGIN_AGAIN: Duration = Duration::from_secs(1);
/// Attempts in a row that could not begin, after which that is told as something that does not work.
pub const ATTEMPTS_NOT_BEGUN: u32 = 3;
/// How long that is told after the last one.
pub const ATTEMPTS_NOT_BEGUN_CALM: Duration = Duration::from_secs(5);
/// Between two tries to remove what scripts left in their TMPDIR that could not be removed: somebody has to see to it.
pub const TMP_LEFT_LOOK: Duration = Duration::from_secs(10);
/// Of these, how many are told one by one.
pub const TMP_LEFT_TOLD: usize = 5;
/// Ends of jobs that are remembered for submissions that wait for them and are on their way to the store.
pub const RECENT_ENDS: usize = 65_536;
/// Inputs of a waiting job that are kept in memory, in bytes; larger ones are read again when it starts.
pub const INPUTS_IN_MEMORY_BYTES: usize = 256;
/// Questions of people about jobs that are with the store at the same time; others wait for their turn. A quarter of
/// what its reader takes: whatever is asked, there is room for what the queue must know.
pub const JOB_ASKS: usize = 64;
/// Waits for ends of jobs that are handed to the queue at the same time; others wait for their turn, so that a crowd leaves room
/// in its mailbox.
pub const JOB_WAITS_ENTER: usize = 64;
/// Between two looks for finished jobs that are to be forgotten.
pub const RETENTION_EVERY: Duration = Duration::from_secs(600);
/// Finished jobs that are forgotten at a time.
pub const RETENTION_BATCH: usize = 500;
/// Dead jobs that are kept for a person: nobody looks through more of them, and each has a row and what it printed. Where
/// there are more, those that were submitted first are forgotten.
pub const DEAD_JOBS_MAX: u64 = 10_000;
/// Jobs that a list shows when nobody says how many.
pub const JOBS_LISTED: usize = 50;
/// Jobs that a list shows at most.
pub const JOBS_LISTED_MAX: usize = 10_000;
/// Bytes of jobs in one list: half a frame. Those behind are left out, and that is said.
pub const LISTED_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes of a job's inputs, and of its outputs, that a list shows; larger ones are on the job's own page.
pub const LISTED_VALUES_BYTES: usize = 4 * 1024;
/// Jobs that one request may wait for: what is told of each takes some 400 bytes of the answer.
pub const WAITED_FOR_MAX: usize = 10_000;
/// Lists of jobs that are made or sent at once, all clients together: 64 MiB at worst. Others wait their turn.
pub const LISTS_AT_ONCE: usize = 8;
/// Jobs whose rows are read at a time at most, and bytes of inputs and outputs after which no more are.
pub const ROWS_READ: usize = 64;
/// See [`ROWS_READ`].
pub const ROWS_READ_BYTES: u64 = MIB;
/// Jobs that may wait for a whole id of which somebody gave the beginning.
pub const JOB_PREFIX_MATCHES: usize = 5;
/// Between two looks at a registry's files where changes cannot be watched.
pub const REGISTRY_LOOK: Duration = Duration::from_secs(2);
/// After a change of a registry's file until it is read: editors write in several steps.
pub const REGISTRY_SETTLE: Duration = Duration::from_millis(100);
/// A registry that could not be opened for want of descriptors or memory is read again after this time.
pub const REGISTRY_AGAIN: Duration = Duration::from_secs(1);

// --- schedules ------------------------------------------------------------------------------------

/// Runs of one schedule that are made up for after an absence, the youngest: a day of a run each minute.
pub const MISSED_RUNS_MAX: usize = 1_440;
/// A run that is told of so late after its time is on time all the same, if no later one is due: timers fire late
/// on a machine that is busy, and a clock is put right by seconds.
pub const SCHEDULE_ON_TIME: Duration = Duration::from_secs(60);
/// Between two looks at the clock, whatever is due: it may have been set.
pub const SCHEDULE_LOOK: Duration = Duration::from_secs(30);
/// A clock that goes back by at most this is waited for, and nothing runs twice. One that goes back by more was
/// wrong before, and nobody waits for that.
pub const SCHEDULE_CLOCK_BACK: Duration = Duration::from_secs(24 * 3600);
/// After a submission that was not taken in, for no fault of its own, until the next try.
pub const SCHEDULE_RETRY: Duration = Duration::from_secs(2);
/// Due times that are counted one by one, before the last of them are looked for instead.
pub const SCHEDULE_STEPS: usize = 4 * MISSED_RUNS_MAX;
