//! Limits of actors and their supervision.

use std::time::Duration;

// --- messages -------------------------------------------------------------------------------------

/// Control messages an actor may have waiting. Senders of control have few outstanding each.
pub const LANE_CONTROL: usize = 4096;
/// Work messages an actor may have waiting before a sender is refused.
pub const LANE_WORK: usize = 4096;
/// Telemetry messages an actor may have waiting before the oldest goes.
pub const LANE_TELEMETRY: usize = 1024;
/// Messages for which an empty lane keeps room, at least; what a flood took beyond that is given back.
pub const LANE_ROOM_KEPT: usize = 8;
/// Messages an actor handles before it lets its supervisor have a word.
pub const MESSAGES_PER_WAKE: usize = 64;
/// When a sender that was refused should try again: a full work lane drains in about this time.
pub const LANE_RETRY_AFTER: Duration = Duration::from_millis(100);
/// Deaths of its actor after which a message is set aside.
pub const MESSAGE_DEATHS_MAX: u8 = 2;

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
