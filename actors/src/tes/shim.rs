//! The processes that run attempts.
//!
//! A *shim server* is a small process of this binary that forks shims, since a fork of something small costs less
//! than the job and an execution of something large costs more. A shim runs one attempt at a time: it makes the
//! attempt's claim, starts the script, watches its tree, and writes the record when all of it has ended. Then it
//! waits for another one. Server and shims have sessions of their own: a supervisor that is killed leaves them as
//! they are.
//!
//! - `shim/server.rs`: gives attempts to shims by order, and tells of their ends
//! - `shim/desk.rs`: the way between the server and a shim
//! - `shim/run.rs`: the life of one shim
//! - `shim/traces.rs`: what tells of an attempt to whoever comes later: claim, lock and record, each in its place on a page
//! - `shim/files.rs`: what an attempt printed, and its temporary files
//! - `shim/fence.rs`: what shuts the script in before it is executed
//! - `shim/keep.rs`: what is kept of a stream
//! - `shim/tree.rs`: the processes of an attempt
//!
//! Nothing here is an actor, and nothing waits but for its own descriptors: one thread, one `poll`.

mod desk;
pub mod fence;
pub mod files;
mod keep;
mod run;
pub mod server;
pub mod traces;
mod tree;
