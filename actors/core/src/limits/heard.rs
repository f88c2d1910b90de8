//! Limits of what CLIs say of themselves: hooks and transcripts.

use std::time::Duration;

// --- hooks ----------------------------------------------------------------------------------------

/// A hook ends after this time, come what may: it was promised to end within 100 ms.
pub const HOOK_DEADLINE: Duration = Duration::from_millis(85);
/// Stack of the thread that keeps the deadline: it waits and ends the process.
pub const HOOK_GUARD_STACK_BYTES: usize = 64 * 1024;
/// How long a hook waits for its CLI to write. A CLI may keep the pipe open for ever.
pub const HOOK_INPUT_WAIT: Duration = Duration::from_millis(60);
/// How long a hook looks through the user's own profiles; then the shipped ones do.
pub const HOOK_PROFILES_WAIT: Duration = Duration::from_millis(20);
/// How long a hook waits for room in the supervisor's socket.
pub const HOOK_SEND_WAIT: Duration = Duration::from_millis(15);
/// Bytes of a CLI's JSON that are looked at; what comes behind them is read and let go. The names stand in
/// front, tool results of any size behind them.
pub const HOOK_INPUT_BYTES_MAX: usize = 256 * 1024;
/// Names in the path of a JSON field.
pub const HOOK_FIELD_PARTS_MAX: usize = 4;
/// Bytes of the frame in one datagram: the longest path that a system takes, and all else.
pub const HOOK_FRAME_BYTES_MAX: usize = 8 * 1024;
/// Processes above a hook that are named: a shell or two, the agent, what started it.
pub const HOOK_ANCESTORS_MAX: usize = 24;
/// Bytes of an event's name.
pub const HOOK_EVENT_BYTES: usize = 64;
/// Bytes of a CLI's session id.
pub const HOOK_SESSION_BYTES: usize = 128;
/// Bytes of a path in a report (`PATH_MAX`).
pub const HOOK_PATH_BYTES: usize = 4096;
/// Bytes of `$TMUX`: a socket's path and two numbers.
pub const HOOK_TMUX_BYTES: usize = 256;
/// How much later a hook may arrive than one that was called after it: a hook lives for 100 ms, and its report
/// waits behind a few others.
pub const HOOK_OVERTAKEN_MAX: Duration = Duration::from_secs(60);
/// Calls of ours in a CLI's settings that are taken out: an event has one each.
pub const HOOK_CALLS_MAX: usize = 256;
/// Reports of one agent that are taken each second. A busy agent calls two or three tools a second.
pub const HOOK_RATE: u32 = 50;
/// Reports of one agent that may come at once: a burst of parallel tools.
pub const HOOK_BURST: u32 = 200;
/// Agents whose rate is known; the longest quiet one makes room.
pub const HOOK_PACED_MAX: usize = 8_192;
/// Bytes of the file in which a person follows hooks: then nothing more is written.
pub const HOOK_LOG_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Bytes of a CLI's JSON in a line of that file.
pub const HOOK_LOG_PAYLOAD_BYTES: usize = 4096;
/// Bytes of a CLI's settings that are edited: they take a few kilobytes, in odd cases some hundred.
pub const HOOK_SETTINGS_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Objects and lists in each other, in such settings.
pub const HOOK_SETTINGS_DEPTH: usize = 64;
/// Names that are tried for a new settings file: leftovers of runs that were killed have some.
pub const HOOK_NEW_NAMES_MAX: u32 = 64;

// --- transcripts ----------------------------------------------------------------------------------

/// Tokens that one figure of a transcript can tell: the sums of the longest session stay far below, and a larger
/// figure is let go.
pub const TRANSCRIPT_TOKENS_MAX: u64 = 1_000_000_000_000;
/// Bytes of one line of a transcript. Answers and errors take kilobytes; what is longer is a tool's output
/// or a picture, and is skipped.
pub const TRANSCRIPT_LINE_BYTES_MAX: usize = 1024 * 1024;
/// Bytes read of a transcript at a time; what is left over is read in the next turn of its actor.
pub const TRANSCRIPT_READ_BYTES: usize = 512 * 1024;
/// Bytes from the end of a transcript that are read at first contact: some hundred answers. What is
/// longer is read from the middle.
pub const TRANSCRIPT_FIRST_BYTES: u64 = 1024 * 1024;
/// Bytes before the place up to which a transcript was read that must still be the same: a file that was
/// emptied and written anew can be as long as before, and can have the inode of the one it replaced. A line's
/// time and id are among them.
pub const TRANSCRIPT_MARK_BYTES: usize = 1024;
/// Transcripts that are followed at the same time. Each takes an open file and a watch.
pub const TRANSCRIPTS_MAX: usize = 2_048;
/// Bytes of a line that is not whole yet which are kept in memory between two looks; of a longer one nothing is,
/// and it is read again from its beginning. This times [`TRANSCRIPTS_MAX`] is all that begun lines can take.
pub const TRANSCRIPT_HELD_BYTES: usize = 16 * 1024;
/// Agents that are to be followed, those that wait for a place among them.
pub const TRANSCRIPTS_WANTED_MAX: usize = 16_384;
/// Transcripts that one look reads.
pub const TRANSCRIPTS_PER_LOOK: usize = 64;
/// A look at transcripts takes milliseconds. After this time it hangs in the system and is given up.
pub const TRANSCRIPT_LOOK_MAX: Duration = Duration::from_secs(20);
/// Looks that hang. Each holds a thread of the 512 that may block, until the system lets it go.
pub const TRANSCRIPT_LOOKS_LOST_MAX: usize = 16;
/// Bytes of a transcript's path (`PATH_MAX` of Linux).
pub const TRANSCRIPT_PATH_BYTES_MAX: usize = 4_096;
/// A followed transcript is looked at this often where writes are not told.
pub const TRANSCRIPT_POLL: Duration = Duration::from_secs(2);
/// And this often where they are. What is written is told at once; this look is for what is told to nobody: a
/// folder on a network, a watch that was refused, a folder that did not exist when its agent began, and a second
/// agent that no longer shares it.
pub const TRANSCRIPT_RECHECK: Duration = Duration::from_secs(15);
/// Writes to a transcript are let gather this long: an answer is written in several lines. A pace of reading, not
/// a wait for the writer: what comes later is told again.
pub const TRANSCRIPT_GATHER: Duration = Duration::from_millis(100);
/// Files of a folder that are looked at to find the newest transcript.
pub const TRANSCRIPT_FOLDER_MAX: usize = 4_096;
/// Bytes behind words like `resets at` in which the time stands.
pub const RESET_AHEAD_BYTES: usize = 96;
/// Bytes of a message that are looked at for the end of a limit.
pub const RESET_TEXT_BYTES: usize = 4_096;
/// A limit that ends later than this, in hours, is misread: the longest known runs for a month.
pub const RESET_FAR_HOURS: i64 = 62 * 24;
/// Bytes of an answer's id that are compared; real ones have 28.
pub const TRANSCRIPT_ANSWER_ID_BYTES: usize = 64;
/// Children of a process that are looked at for what belongs to it: a script stands before one program.
pub const BELONGINGS_CHILDREN_MAX: usize = 4;
/// Bytes of a CLI's version that are kept.
pub const CLI_VERSION_BYTES_MAX: usize = 32;
/// Open files of a process that are looked at for its transcript.
pub const TRANSCRIPT_FDS_MAX: usize = 1_024;
/// Rollouts of one day that are opened to see whose they are, newest first.
pub const TRANSCRIPT_HEADS_MAX: usize = 32;
/// Bytes of a rollout's first line that are read for that; it holds the CLI's instructions too.
pub const TRANSCRIPT_HEAD_BYTES: u64 = 128 * 1024;
/// Bytes of a process's environment that are read to find where its CLI keeps its files.
pub const PROC_ENVIRON_BYTES_MAX: u64 = 256 * 1024;
/// First pause before a transcript that was not found is looked for again; it doubles up to
/// [`TRANSCRIPT_RECHECK`].
pub const TRANSCRIPT_SEEK_FIRST: Duration = Duration::from_secs(1);
