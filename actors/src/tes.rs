//! Jobs: what runs scripts and what looks after them.
//!
//! - `tes/shim.rs`: the processes that run attempts; they outlive the supervisor

pub mod shim;
