//! Limits of metrics.

use std::time::Duration;

/// Bytes of a metric's name, labels apart.
pub const METRIC_NAME_BYTES_MAX: usize = 128;
/// Labels on one series.
pub const METRIC_LABELS_MAX: usize = 4;
/// Bytes of a label's key or value. Escaped it may take four times that, and two such labels still
/// fit into a packet.
pub const METRIC_LABEL_BYTES_MAX: usize = 128;
/// Series of one metric before the rest share its `overflow=true` series.
pub const SERIES_PER_METRIC_MAX: usize = 2_048;
/// Scripts that are measured each for itself; the rest share a series. A receiver keeps some thirty files for a timer, and a
/// registry may have ten thousand scripts.
pub const SCRIPTS_MEASURED: usize = 128;
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

// --- execution log --------------------------------------------------------------------------------

/// Entries that may wait in the journal's gate; one that finds no room is lost, and counted.
pub const JOURNAL_QUEUE: usize = 16_384;
/// Bytes of entries that wait for the disk: some 20,000 of the usual kind, or 15 with all the inputs there may be.
pub const JOURNAL_PENDING_BYTES: usize = 16 * 1024 * 1024;
/// The execution log's files may together be so many times as large as one may grow, 6.4 GB unless configured otherwise: some
/// ten million jobs. Beyond that the oldest go before their time, because a log must not fill the disk that jobs need.
pub const JOURNAL_FILES: u64 = 64;
/// Bytes of lines that are written at a time, a line's own length apart.
pub const JOURNAL_WRITE_BYTES: usize = 1024 * 1024;
/// After a failure the log is tried again after this time.
pub const JOURNAL_AGAIN: Duration = Duration::from_secs(1);
