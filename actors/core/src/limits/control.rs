//! Limits of the control socket, its events and its audit log.

use std::time::Duration;

// --- control socket -------------------------------------------------------------------------------

/// Bytes in one frame of the control socket. A tree of 2,000 nodes takes about 0.5 MiB.
pub const FRAME_BYTES_MAX: u32 = 8 * 1024 * 1024;
/// Bytes in one request frame: a client is not trusted to be honest, and a submission carries a job's inputs.
pub const REQUEST_BYTES_MAX: u32 = 2 * 1024 * 1024;
/// A started frame must be complete within this time.
pub const FRAME_READ_TIMEOUT: Duration = Duration::from_secs(5);
/// A client that reads nothing for this long while an answer waits is cut off.
pub const FRAME_WRITE_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections at the same time, all clients together. Each agent of a fleet of 1,000 may wait for a job, and ask
/// for another one beside it. One that waits costs a descriptor and some 10 KiB, so that all of them take 20 MiB.
pub const CONNECTIONS_MAX: usize = 2_048 + CONNECTIONS_SHORT + CONNECTIONS_RESERVED;
/// Of [`CONNECTIONS_MAX`], kept from those that wait: for short questions, and for streams.
pub const CONNECTIONS_SHORT: usize = 128;
/// Of [`CONNECTIONS_MAX`], kept for one short administrative request each when all other places are taken.
pub const CONNECTIONS_RESERVED: usize = 8;
/// Connections that are being told that there are too many; further ones are closed without a word.
pub const REFUSALS_MAX: usize = 128;
/// Requests that wait for jobs, all connections together. They never take the places of [`CONNECTIONS_SHORT`].
pub const WAITS_MAX: usize = 2_048;
/// Streams of events. Each is woken by each event, and may lag by [`EVENT_RING`] events.
pub const STREAMS_MAX: usize = 112;
/// KiB of requests that are being read, all connections together: 32 of the largest. Others wait their turn.
pub const REQUESTS_KIB_MAX: u32 = 64 * 1024;
/// Requests under way on one connection.
pub const REQUESTS_PER_CONNECTION_MAX: usize = 32;
/// A connection that asks nothing for this long is closed.
pub const CONNECTION_IDLE_MAX: Duration = Duration::from_secs(60);
/// A connection on a reserved place must have asked within this time; its answer takes what it takes.
pub const SHORT_CONNECTION_MAX: Duration = Duration::from_secs(2);
/// Time a domain may take to answer a request of the control socket.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// Events written together when a reader has fallen behind.
pub const EVENTS_PER_WRITE: usize = 64;
/// Between two looks whether a client that says nothing more still reads.
pub const HALF_CLOSED_LOOK: Duration = Duration::from_millis(250);
/// Requests to the process itself (reload, shutdown) that may wait for its main loop.
pub const ADMIN_WAITING_MAX: usize = 4;

// --- events ---------------------------------------------------------------------------------------

/// Events kept for slow live readers before they are told `lagged`.
pub const EVENT_RING: usize = 4096;

// --- audit log ------------------------------------------------------------------------------------

/// Bytes of the audit log before it turns over; one older file is kept. Some 60,000 lines.
pub const AUDIT_BYTES_MAX: u64 = 10 * 1024 * 1024;
/// Bytes of what a verb was aimed at, in an audit line: two names and the path above them have room.
pub const AUDIT_TARGET_BYTES_MAX: usize = 512;
/// Audit lines that may wait for the disk.
pub const AUDIT_PENDING_MAX: usize = 10_000;
