//! Limits of agents, and of the actors that look after them.

use std::time::Duration;

use super::seconds;

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
/// A gateway that had no room for the list of agents is told again after this time.
pub const AGENTS_AGAIN: Duration = Duration::from_millis(500);
/// A continued agent's pending relaunch is looked at after this time.
pub const RELAUNCH_RESUME: Duration = Duration::from_secs(1);
/// What a process said last is read this long after its end, where no listing has shown its pane as dead before:
/// tmux has by then taken of it what it takes.
pub const LAST_WORDS_READ: Duration = Duration::from_millis(700);
/// An agent that ended at a usage limit whose end is not known is tried again after this time.
pub const LIMIT_RETRY: Duration = seconds(15 * 60);
/// Nobody waits longer for a usage limit: weekly ones are the longest that are met by day.
pub const LIMIT_WAIT_MAX: Duration = seconds(8 * 24 * 3600);
/// Agents whose limit ends at the same moment come back within this time after it.
pub const LIMIT_SPREAD: Duration = seconds(30);
/// An agent that waits for the breaker asks again after this time: the breaker may have begun anew.
pub const BREAKER_ASK_AGAIN: Duration = Duration::from_secs(15);
/// How long a person waits for an end that was asked for.
pub const END_WAIT: Duration = Duration::from_secs(5);
/// How long a person waits for a start: a server may have to come up, under load.
pub const START_WAIT: Duration = Duration::from_secs(15);
