//! Every limit of the house: its unit and its reason. A limit that is not here does not exist.

use std::ops::RangeInclusive;
use std::time::Duration;

// --- control socket -------------------------------------------------------------------------------

/// Bytes in one frame of the control socket. A tree of 2,000 nodes takes about 0.5 MiB.
pub const FRAME_BYTES_MAX: u32 = 8 * 1024 * 1024;
/// Bytes in one request frame: requests are small, and a client is not trusted to be honest.
pub const REQUEST_BYTES_MAX: u32 = 256 * 1024;
/// A started frame must be complete within this time.
pub const FRAME_READ_TIMEOUT: Duration = Duration::from_secs(5);
/// A client that reads nothing for this long while an answer waits is cut off.
pub const FRAME_WRITE_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections at the same time, all clients together.
pub const CONNECTIONS_MAX: usize = 64;
/// Of [`CONNECTIONS_MAX`], kept for short administrative requests when streams have taken the rest.
pub const CONNECTIONS_RESERVED: usize = 8;
/// Requests under way on one connection.
pub const REQUESTS_PER_CONNECTION_MAX: usize = 32;
/// A connection that asks nothing for this long is closed.
pub const CONNECTION_IDLE_MAX: Duration = Duration::from_secs(60);
/// A connection on a reserved place has this long, all told.
pub const SHORT_CONNECTION_MAX: Duration = Duration::from_secs(2);
/// Time a domain may take to answer a request of the control socket.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// Events written together when a reader has fallen behind.
pub const EVENTS_PER_WRITE: usize = 64;
/// Requests to the process itself (reload, shutdown) that may wait for its main loop.
pub const ADMIN_WAITING_MAX: usize = 4;

// --- events ---------------------------------------------------------------------------------------

/// Events kept for slow live readers before they are told `lagged`.
pub const EVENT_RING: usize = 4096;

// --- start ----------------------------------------------------------------------------------------

/// The supervisor calls itself ready after this time, even when a tmux socket says nothing.
pub const READY_AT_LATEST: Duration = Duration::from_secs(10);

// --- messages -------------------------------------------------------------------------------------

/// Control messages an actor may have waiting. Senders of control have few outstanding each.
pub const LANE_CONTROL: usize = 4096;
/// Work messages an actor may have waiting before a sender is refused.
pub const LANE_WORK: usize = 4096;
/// Telemetry messages an actor may have waiting before the oldest goes.
pub const LANE_TELEMETRY: usize = 1024;
/// Messages an actor handles before it lets its supervisor have a word.
pub const MESSAGES_PER_WAKE: usize = 64;
/// When a sender that was refused should try again: a full work lane drains in about this time.
pub const LANE_RETRY_AFTER: Duration = Duration::from_millis(100);
/// Deaths of its actor after which a message is set aside.
pub const MESSAGE_DEATHS_MAX: u8 = 2;

// --- text -----------------------------------------------------------------------------------------

/// Bytes of a pane's title that are kept.
pub const TITLE_BYTES_MAX: usize = 256;
/// Bytes of a session's, window's or agent's name that are kept.
pub const NAME_BYTES_MAX: usize = 128;

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

// --- audit log ------------------------------------------------------------------------------------

/// Bytes of the audit log before it turns over; one older file is kept. Some 60,000 lines.
pub const AUDIT_BYTES_MAX: u64 = 10 * 1024 * 1024;
/// Audit lines that may wait for the disk.
pub const AUDIT_PENDING_MAX: usize = 10_000;

// --- configuration --------------------------------------------------------------------------------

/// Bytes of a configuration file. A thousand declared agents take about 200 KiB.
pub const CONFIG_BYTES_MAX: u64 = 1024 * 1024;
/// tmux sockets watched at the same time: each costs an actor and a control client.
pub const SOCKETS_MAX: usize = 64;
/// Declared sessions.
pub const SESSIONS_MAX: usize = 1000;
/// Declared agents of one session: tmux slows down with the panes of one server.
pub const AGENTS_PER_SESSION_MAX: usize = 500;
/// Arguments of a declared command, the program included.
pub const COMMAND_ARGS_MAX: usize = 256;
/// Bytes of one argument or environment value; tmux takes about 16 KiB of command in one message.
pub const ARG_BYTES_MAX: usize = 4096;
/// Environment entries of a declared agent.
pub const ENV_ENTRIES_MAX: usize = 256;
/// Characters of a declared name: it becomes a tmux name, a tree path and a label.
pub const DECLARED_NAME_MAX: usize = 64;
/// Bytes of a Unix socket's path, the closing zero not counted (`sun_path` of unix(7)).
pub const SOCKET_PATH_BYTES_MAX: usize = 107;
/// StatsD targets fed at the same time.
pub const STATSD_TARGETS_MAX: usize = 8;
/// `fleet.missing_grace_seconds`: below a second a slow server would make agents missing.
pub const MISSING_GRACE: RangeInclusive<Duration> = seconds(1)..=seconds(24 * 3600);
/// `relaunch.initial_delay_seconds`; zero relaunches at once.
pub const RELAUNCH_INITIAL_DELAY: RangeInclusive<Duration> = seconds(0)..=seconds(3600);
/// `relaunch.max_delay_seconds`.
pub const RELAUNCH_MAX_DELAY: RangeInclusive<Duration> = seconds(0)..=seconds(24 * 3600);
/// `relaunch.period_seconds`: over it restarts are counted.
pub const RELAUNCH_PERIOD: RangeInclusive<Duration> = seconds(1)..=seconds(7 * 24 * 3600);
/// `relaunch.max_restarts`; each restart in the period is remembered with its time.
pub const RELAUNCH_RESTARTS: RangeInclusive<u64> = 0..=1000;
/// `relaunch.fleet_breaker`; zero turns it off.
pub const FLEET_BREAKER: RangeInclusive<u64> = 0..=10_000;
/// `statsd.flush_seconds`: faster than ten a second nobody reads, slower than an hour loses too much.
pub const STATSD_FLUSH: RangeInclusive<Duration> = Duration::from_millis(100)..=seconds(3600);
/// `log.rotate_mb`.
pub const LOG_ROTATE_MB: RangeInclusive<u64> = 1..=10_240;
/// `log.retention_days`.
pub const LOG_RETENTION_DAYS: RangeInclusive<u64> = 1..=3650;

const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

// --- tmux -----------------------------------------------------------------------------------------

/// Bytes of one control-mode line. A captured line of a wide pane with combining characters takes a few
/// kilobytes, `%output` lines less; what is longer is skipped and counted.
pub const CONTROL_LINE_BYTES_MAX: usize = 64 * 1024;
/// Bytes of one reply. A listing takes at most about 1 KiB a pane: 4,000 panes.
pub const CONTROL_REPLY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes of one command line to tmux, quoted. Larger ones are refused before they reach tmux.
pub const COMMAND_LINE_BYTES_MAX: usize = 256 * 1024;
/// Bytes of a captured screen that are kept, from its end: 400 columns by 160 rows of ASCII.
pub const CAPTURE_BYTES_MAX: usize = 64 * 1024;
/// The same for a capture with scrollback: 5,000 lines of 200 columns.
pub const CAPTURE_HISTORY_BYTES_MAX: usize = 1024 * 1024;
/// Lines of scrollback that a capture may ask for.
pub const CAPTURE_HISTORY_MAX: u32 = 5_000;
/// Panes of one server that are watched; a listing with more is cut, and what is over is unseen.
pub const PANES_MAX: usize = 4_000;
/// Questions to one server that may be open at the same time. Ticks coalesce, so few are needed.
pub const QUESTIONS_MAX: usize = 512;
/// A pane's screen is asked for once nothing was written in it for this time.
pub const CAPTURE_QUIET: Duration = Duration::from_millis(300);
/// A pane that begins to move is looked at this long after its first write: a screen is painted by then.
pub const CAPTURE_LEAD: Duration = Duration::from_millis(120);
/// And this long after that look, while it is never quiet.
pub const CAPTURE_SECOND: Duration = Duration::from_secs(1);
/// A pane that has moved for longer than that and is never quiet is looked at this often.
pub const CAPTURE_AT_LEAST: Duration = Duration::from_secs(3);
/// Writes with a longer pause between them begin anew.
pub const CAPTURE_STREAK: Duration = Duration::from_millis(1500);
/// Screens asked for at a time: about 10 ms of the server's CPU.
pub const CAPTURES_PER_BATCH: usize = 64;
/// Time between two full batches.
pub const CAPTURE_BATCH_GAP: Duration = Duration::from_millis(50);
/// A pane's activity is told at once, and then at most twice in this time.
pub const ACTIVITY_INTERVAL: Duration = Duration::from_millis(250);
/// Changed panes are listed this often while anything is written, or when writes are not told at once.
pub const LIST_BUSY_INTERVAL: Duration = Duration::from_secs(1);
/// And this often while nothing is.
pub const LIST_IDLE_INTERVAL: Duration = Duration::from_secs(3);
/// All panes are listed this often, whatever was told.
pub const LIST_ALL_INTERVAL: Duration = Duration::from_secs(12);
/// News of panes that came or went are let gather this long before all panes are listed.
pub const LIST_SOON: Duration = Duration::from_millis(20);
/// Time between two such listings, in a storm of news.
pub const LIST_SOON_GAP: Duration = Duration::from_millis(250);
/// Push clients of one server. Each costs tmux a client and about 3.5 MB; they are for servers whose
/// terminals cannot be watched.
pub const PUSH_CLIENTS_MAX: usize = 20;
/// The sessions that have push clients are chosen anew this often.
pub const PUSH_REVIEW: Duration = Duration::from_secs(2);
/// A session keeps its push client unless another was busy so much later.
pub const PUSH_LOYALTY: Duration = Duration::from_secs(10);
/// Writes that a listing shows are those that push told of, when it told of some within this time: two
/// listings.
pub const PUSH_KNOWN_FOR: Duration = Duration::from_secs(2);
/// A listing that shows writes proves a miss when the watch has said nothing for this time.
pub const PUSH_MISS_AFTER: Duration = Duration::from_secs(5);
/// Misses in a row after which a terminal counts as not watched.
pub const PUSH_MISSES_MAX: u8 = 3;
/// A listener that had no room for a report is tried again after this time.
pub const REPORT_RETRY: Duration = Duration::from_millis(250);
/// Time a tmux server may take to answer: a healthy one takes milliseconds, one with thousands of panes
/// under a flood of output still answers well within.
pub const TMUX_DEADLINE: Duration = Duration::from_secs(3);
/// First pause before a server is looked for again; it doubles with each failure.
pub const RECONNECT_FIRST: Duration = Duration::from_millis(100);
/// Longest such pause.
pub const RECONNECT_LAST: Duration = Duration::from_secs(5);
/// A connection that stood this long is replaced at once when it ends.
pub const TMUX_STEADY: Duration = Duration::from_secs(1);
/// A missing or too old tmux is looked at again after this time.
pub const TMUX_UNFIT_RETRY: Duration = Duration::from_secs(15);
/// A push client that falls this far behind is paused by tmux rather than fed.
pub const PUSH_PAUSE_AFTER: Duration = Duration::from_secs(1);
/// A paused pane's output is asked for again after this time.
pub const PUSH_PAUSE_FOR: Duration = Duration::from_secs(2);
/// Time a control client has to end by itself after its input was closed.
pub const CLIENT_END_GRACE: Duration = Duration::from_secs(2);
/// Time a launch that starts a server may take.
pub const SERVER_START_DEADLINE: Duration = Duration::from_secs(10);
/// Bytes that the output of a short `tmux` run may have.
pub const TMUX_RUN_BYTES_MAX: usize = 1024 * 1024;
/// Pause between two looks at what the kernel saw on terminals: a flood of writes costs so many wake-ups.
pub const TTY_PAUSE: Duration = Duration::from_millis(2);
/// Pause between two reads of a push client, for the same reason.
pub const CLIENT_PAUSE: Duration = Duration::from_millis(4);
/// Asks that may wait for a server that is being connected.
pub const ASKS_WAITING_MAX: usize = 1024;
/// Writes that may wait for a client's pipe; each is what one message made the gateway say.
pub const CLIENT_WRITES_WAITING: usize = 256;
/// Bytes read from a client at a time.
pub const CLIENT_READ_BYTES: usize = 64 * 1024;
/// Stack of the thread that starts a client and waits for its end, in bytes: it does nothing else.
pub const CLIENT_STACK_BYTES: usize = 128 * 1024;
/// Replies that one question may get before its mark: the longest sequence sent has six commands.
pub const BLOCKS_PER_QUESTION_MAX: usize = 16;
/// Bytes of tmux's own words in an error.
pub const TMUX_REASON_BYTES_MAX: usize = 400;
/// How often an ask is put again that lost a race.
pub const ASK_TRIES_MAX: u8 = 3;

// --- metrics --------------------------------------------------------------------------------------

/// Bytes of a metric's name, labels apart.
pub const METRIC_NAME_BYTES_MAX: usize = 128;
/// Labels on one series.
pub const METRIC_LABELS_MAX: usize = 4;
/// Bytes of a label's key or value. Escaped it may take four times that, and two such labels still
/// fit into a packet.
pub const METRIC_LABEL_BYTES_MAX: usize = 128;
/// Series of one metric before the rest share its `overflow=true` series.
pub const SERIES_PER_METRIC_MAX: usize = 2_048;
/// Series in all. A counter takes about 0.5 KiB, a timer 1 to 20 KiB.
pub const SERIES_MAX: usize = 8_192;
/// Bytes in one UDP datagram: what an Ethernet frame takes without fragments, headers apart.
pub const STATSD_UDP_BYTES_MAX: usize = 1_432;
/// Bytes in one Unix datagram or one piece of a stream, as other StatsD clients send them.
pub const STATSD_UNIX_BYTES_MAX: usize = 8_192;
/// Durations of one timer that one flush sends one by one; of more, as many stand for all with a rate.
pub const STATSD_SAMPLES_MAX: usize = 32;
/// A gauge that does not change is sent again after this long, for receivers that came later.
pub const STATSD_GAUGE_KEEPALIVE: Duration = Duration::from_secs(10);
/// Packets sent without a pause: an unpaced burst overruns a reader's socket buffer.
pub const STATSD_BURST_PACKETS: usize = 64;
/// The pause between bursts.
pub const STATSD_BURST_PAUSE: Duration = Duration::from_millis(1);
/// How long a full socket is left alone before the same packet is tried again.
pub const STATSD_BLOCKED_PAUSE: Duration = Duration::from_millis(5);
/// How long a UDP receiver gets to refuse a probe before it counts as there.
pub const STATSD_PROBE_SETTLE: Duration = Duration::from_millis(50);
/// First pause after a receiver could not be reached; it doubles.
pub const STATSD_RETRY_FIRST: Duration = Duration::from_millis(250);
/// Longest pause between tries to reach a receiver.
pub const STATSD_RETRY_MAX: Duration = Duration::from_secs(15);
/// How long a TCP receiver may take to accept.
pub const STATSD_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A host name is looked up again after this long.
pub const STATSD_RESOLVE_EVERY: Duration = Duration::from_secs(30);
/// The last flush of a stopping sink may take this long.
pub const STATSD_LAST_FLUSH: Duration = Duration::from_secs(1);

// --- agents ---------------------------------------------------------------------------------------

/// A process younger than this is starting, whatever its pane shows: CLIs paint for seconds before they
/// take input.
pub const START_GRACE: Duration = Duration::from_secs(3);
/// Between two looks at a busy agent for quiet.
pub const QUIET_LOOK_INTERVAL: Duration = Duration::from_millis(400);
/// Quiet looks in a row before an agent is idle: spinners pause, one look is not enough.
pub const QUIET_LOOKS: u8 = 3;
/// Looks for rest closer together than this are one look.
pub const CONFIRM_SPACING: Duration = Duration::from_millis(350);
/// Looks in a row before a state is given up for `unknown`: a screen may be between two paintings.
pub const UNKNOWN_LOOKS: u8 = 8;
/// A pane that is written in without a pause is at rest only after this time, in all of which its screen
/// shows rest: a status line that ticks, not a stream of words.
pub const NOISY_REST: Duration = Duration::from_secs(8);
/// Two observations this close together may be of the same moment: a hook is called a moment before the
/// screen shows why, a transcript written a moment after.
pub const EVIDENCE_SETTLES: Duration = Duration::from_millis(1500);
/// A spinner in a title that was not painted for this time does not turn any more: they turn several times
/// a second.
pub const TITLE_MOVES: Duration = Duration::from_secs(4);
/// What a hook said is doubted when the screen shows no sign of it after this time.
pub const OUTLIVED_AFTER: Duration = Duration::from_secs(4);
/// And when nothing was written for this time: signs of work are painted at least once a second.
pub const OUTLIVED_QUIET: Duration = Duration::from_millis(2500);
/// A usage limit whose end is not known is believed this long: the longest of the short windows that
/// providers have is five hours.
pub const LIMIT_HOLD: Duration = seconds(6 * 3600);
/// A screen that has not come this long after its pane changed is asked for.
pub const SCREEN_LATE: Duration = Duration::from_secs(5);
/// The kernel counts start times in hundredths of a second, so a process may seem younger than its words.
pub const BIRTH_SLACK: Duration = Duration::from_millis(100);
/// Steps from the program in front of a terminal up to the agent that started it.
pub const ANCESTORS_MAX: usize = 24;
/// Words of the evidence that a reason quotes.
pub const QUOTE_BYTES: usize = 120;
/// A pane is gone a moment before its process's end is told; only after this time is the agent missing.
pub const PANE_GONE_CONFIRM: Duration = Duration::from_millis(500);
/// Deaths this shortly before the end of their tmux server were caused by it.
pub const SERVER_LOSS_WINDOW: Duration = Duration::from_secs(5);
/// Changes of state that are kept for each agent, in memory and in the store.
pub const AGENT_HISTORY: usize = 20;

// --- supervision ----------------------------------------------------------------------------------

/// Children of one supervisor: ten times the largest fleet that is promised, in one session.
pub const CHILDREN_MAX: usize = 10_000;
/// Requests that may wait for one supervisor while it stops or starts a group: two for each child.
pub const REQUESTS_WAITING_MAX: usize = 2 * CHILDREN_MAX;
/// Time a child has to end when asked, unless its specification says otherwise (OTP's worker default).
pub const CHILD_SHUTDOWN: Duration = Duration::from_secs(5);
/// The same for a child that is a supervisor: its children are stopped one after another, each with a
/// deadline of its own, and this bounds the sum.
pub const SUPERVISOR_SHUTDOWN: Duration = Duration::from_secs(60);
/// Bytes kept of the words in which a child ended.
pub const LAST_ERROR_BYTES_MAX: usize = 512;

// --- store ----------------------------------------------------------------------------------------

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
/// Bytes of the identity in the lock that are read: it is a few hundred.
pub const IDENTITY_BYTES_MAX: u64 = 16 * 1024;
/// Bytes of a daemon's report to `tsup start` that are read.
pub const REPORT_BYTES_MAX: u64 = 64 * 1024;

// --- evidence -------------------------------------------------------------------------------------

/// Words of a screen, a hook or a transcript that a claim quotes: one line of a wide pane.
pub const EXCERPT_BYTES: usize = 256;

// --- transcripts ----------------------------------------------------------------------------------

/// Bytes of one line of a transcript. Answers and errors take kilobytes; what is longer is a tool's output
/// or a picture, and is skipped.
pub const TRANSCRIPT_LINE_BYTES_MAX: usize = 1024 * 1024;
/// Bytes read of a transcript at a time; what is left over is read in the next turn of its actor.
pub const TRANSCRIPT_READ_BYTES: usize = 512 * 1024;
/// Bytes from the end of a transcript that are read at first contact: some hundred answers. What is
/// longer is read from the middle.
pub const TRANSCRIPT_FIRST_BYTES: u64 = 1024 * 1024;
/// Transcripts that are followed at the same time. Each takes an open file and a watch.
pub const TRANSCRIPTS_MAX: usize = 2_048;
/// Transcripts that one look reads.
pub const TRANSCRIPTS_PER_LOOK: usize = 64;
/// Bytes of a transcript's path (`PATH_MAX` of Linux).
pub const TRANSCRIPT_PATH_BYTES_MAX: usize = 4_096;
/// A followed transcript is looked at this often where writes are not told.
pub const TRANSCRIPT_POLL: Duration = Duration::from_secs(2);
/// And this often where they are: a file may be replaced, or a watch may be refused.
pub const TRANSCRIPT_RECHECK: Duration = Duration::from_secs(15);
/// Writes to a transcript are let gather this long: an answer is written in several lines.
pub const TRANSCRIPT_GATHER: Duration = Duration::from_millis(100);
/// Files of a folder that are looked at to find the newest transcript.
pub const TRANSCRIPT_FOLDER_MAX: usize = 4_096;
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

// --- screens and profiles -------------------------------------------------------------------------

/// Lines of a screen that are read, from its bottom: a tall pane, and what tells whether a turn was taken.
pub const SCREEN_LINES_MAX: usize = 512;
/// Blank lines below them that are passed over.
pub const SCREEN_BLANK_LINES_MAX: usize = 1_024;
/// Bytes of one line that are read: the widest terminals have some 500 cells, with escapes and wide
/// characters.
pub const SCREEN_LINE_BYTES_MAX: usize = 8 * 1024;
/// Lines that a composer may have: a pasted text in a tall pane.
pub const COMPOSER_LINES_MAX: usize = 120;
/// Lines that a dialog may have: a plan or a diff above its options.
pub const DIALOG_LINES_MAX: usize = 120;
/// Lines with words below a dialog's options and above the composer's status that are looked at.
pub const STATUS_LINES_MAX: usize = 40;
/// Lines of the last paragraph that rules look at.
pub const LAST_LINES_MAX: usize = 12;
/// Lines of the bottom that rules look at when there is neither composer nor dialog.
pub const BOTTOM_LINES_MAX: usize = 8;
/// Bytes of a literal or a pattern in a profile.
pub const PATTERN_BYTES_MAX: usize = 512;
/// Bytes that a pattern may take when compiled: a repetition of repetitions is refused.
pub const PATTERN_COMPILED_BYTES_MAX: usize = 256 * 1024;
/// Tables of one kind in a profile.
pub const RULES_PER_PROFILE_MAX: usize = 200;
/// Bytes of a captured screen's file that are read, from its end.
pub const DETECT_FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Bytes of a profile's file.
pub const PROFILE_BYTES_MAX: u64 = 256 * 1024;
/// Entries of a folder of profiles that are looked at.
pub const PROFILE_FILES_MAX: usize = 1_024;
/// Files of a person's own profiles that are read.
pub const PROFILES_MAX: usize = 256;
/// Their folder is looked at this often: a person who edits a profile looks on.
pub const PROFILES_LOOK: Duration = Duration::from_secs(2);

// --- drift ----------------------------------------------------------------------------------------

/// An agent's hooks and its screen may disagree for this long: a whole build takes less than its hooks.
pub const DRIFT_QUARREL: Duration = Duration::from_secs(120);
/// And this many hooks must have been called meanwhile: a single old word is no sign.
pub const DRIFT_HOOKS: u32 = 3;
/// A sign must be gone this long before its alert is resolved.
pub const DRIFT_CLEAR: Duration = Duration::from_secs(300);
/// A rule must have fired this often before its silence means anything.
pub const DRIFT_RULE_TIMES: u64 = 50;
/// It is silent after this many times the screens that it usually takes until it fires again.
pub const DRIFT_RULE_GAPS: u64 = 100;
/// And after this time: nobody may have used what it tells of.
pub const DRIFT_RULE_SILENCE: Duration = Duration::from_secs(6 * 3600);
/// Or after this time since the CLI's version changed.
pub const DRIFT_VERSION_SILENCE: Duration = Duration::from_secs(30 * 60);
/// How often signs of drift are looked for.
pub const DRIFT_REVIEW: Duration = Duration::from_secs(15);
/// Agents whose hooks are held against their screens.
pub const DRIFT_AGENTS_MAX: usize = 8_192;
/// Rules of one profile whose firing is counted.
pub const DRIFT_RULES_MAX: usize = 512;
/// Alerts of drift at the same time.
pub const DRIFT_ALERTS_MAX: usize = 256;
/// A disagreement between shadow profiles and active ones is logged at most this often for each profile.
pub const SHADOW_LOG_EVERY: Duration = Duration::from_secs(60);

// --- records --------------------------------------------------------------------------------------

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

// --- roster ---------------------------------------------------------------------------------------

/// First pause between two looks at the processes of a pane without an agent, while it is active.
pub const LOOK_PAUSE_FIRST: Duration = Duration::from_millis(500);
/// Longest such pause: one pass over /proc for all panes that are due.
pub const LOOK_PAUSE_MAX: Duration = Duration::from_secs(8);
/// Looks at a pane without an agent after the first one, without activity in it.
pub const LOOKS_AT_NEW: u8 = 3;
/// After this much quiet in a pane, activity is taken for a program that starts.
pub const LOOK_QUIET: Duration = Duration::from_secs(3);

// --- fleet actors ---------------------------------------------------------------------------------

/// Starts and ends of children that wait for one supervisor: a session's whole team, twice.
pub const HANDS_QUEUE: usize = 4096;
/// A session's actor that began anew lets go of agents that no picture shows after this time: by then all
/// panes were listed and looked at again.
pub const SWEEP_AFTER: Duration = Duration::from_secs(15);
/// A continued agent's pending relaunch is looked at after this time.
pub const RELAUNCH_RESUME: Duration = Duration::from_secs(1);
/// An agent that waits for the breaker asks again after this time: the breaker may have begun anew.
pub const BREAKER_ASK_AGAIN: Duration = Duration::from_secs(15);
/// How long a person waits for an end that was asked for.
pub const END_WAIT: Duration = Duration::from_secs(5);
/// How long a person waits for a start: a server may have to come up, under load.
pub const START_WAIT: Duration = Duration::from_secs(15);

// --- hooks ----------------------------------------------------------------------------------------

/// A hook ends after this time, come what may: it was promised to end within 100 ms.
pub const HOOK_DEADLINE: Duration = Duration::from_millis(85);
/// How long a hook waits for its CLI to write. A CLI may keep the pipe open for ever.
pub const HOOK_INPUT_WAIT: Duration = Duration::from_millis(60);
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
/// Bytes of a hook's table that a person wrote: the shipped ones take a few kilobytes.
pub const HOOK_PROFILE_BYTES_MAX: u64 = 256 * 1024;
