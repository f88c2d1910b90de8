//! Limits of tmux servers and their clients.

use std::time::Duration;

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
