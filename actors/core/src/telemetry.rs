//! Metrics: what they are called, how they are kept, and how they reach a StatsD receiver.
//!
//! - `metric` is the catalogue: every name of the contract with its kind, unit and labels.
//! - `name` turns a name with labels into what a receiver may be sent, without two becoming one.
//! - `sketch` keeps a distribution of durations in a bounded number of buckets.
//! - `snapshot` is one reading of the whole table of metrics, the only thing that sinks get.
//! - `dialect` says what a StatsD receiver understands.
//! - `pack` fills datagrams; `feed` knows what a receiver has been told already; `courier` decides
//!   when to open, probe, send and rest, and what an outage costs.
//! - `line` reads what arrives, for `tsup listen`.
//! - `record` is an entry of the execution log.
//! - `resources` decides when which process tree is looked at.

pub mod courier;
pub mod dialect;
pub mod feed;
pub mod line;
pub mod metric;
pub mod name;
pub mod pack;
pub mod record;
pub mod resources;
pub mod sketch;
pub mod snapshot;
