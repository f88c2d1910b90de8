//! What tsup counts, and where it goes.
//!
//! [`metrics::Metrics`] is the table of atomics that everybody counts in: a leaf that outlives every
//! actor here. The [`registry`] reads it on a tick and hands snapshots to the sinks; each [`statsd`]
//! sink tells one receiver what that receiver does not know yet. [`resources`] samples process
//! trees; [`journal`] writes the execution log; [`jobs`] are the handles for what is counted of jobs. Nothing here can hold up who counts: handles never wait, and snapshots travel on the
//! telemetry lane, where the oldest goes first.

pub mod jobs;
pub mod journal;
pub mod metrics;
pub mod registry;
pub mod resources;
pub mod statsd;

pub use jobs::JobMetrics;
pub use metrics::{Counter, Gauge, Metrics, Timer};
