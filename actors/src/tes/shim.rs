//! The processes that run attempts.
//!
//! A *shim server* is a small process of this binary that forks a shim for each attempt, since a fork of
//! something small costs less than the job and an execution of something large costs more. The shim makes
//! the attempt's claim, starts the script, watches its tree, and writes the record when all of it has ended.
//! Server and shims have sessions of their own: a supervisor that is killed leaves them as they are.
//!
//! - `shim/server.rs`: forks shims by order, and tells of their ends
//! - `shim/run.rs`: the life of one shim
//! - `shim/files.rs`: lock, claim and record of an attempt, for the shim and for whoever looks after it
//! - `shim/fence.rs`: what shuts the script in before it is executed
//! - `shim/keep.rs`: what is kept of a stream
//! - `shim/tree.rs`: the processes of an attempt
//!
//! Nothing here is an actor, and nothing waits but for its own descriptors: one thread, one `poll`.

pub mod fence;
pub mod files;
mod keep;
mod run;
pub mod server;
mod tree;
