//! The Tool Execution Service: which scripts there are, which job runs when, and what became of it.
//! (It is not GA4GH's Task Execution Service.)
//!
//! - `job`: the words: states, priorities, what a job waits for
//! - `failure`: why a job did not succeed, in seven categories, and what to do about it
//! - `retry`: whether it is tried again, and when
//! - `queue`: which job starts next
//! - `kept`: what outlives the supervisor
//! - `sandbox`: how a script is shut in, and its variables
//! - `slots`: where each attempt leaves its traces
//!
//! A submission goes this way: [`queue::Queue`] admits it, the store makes it durable, the queue starts it
//! when its turn comes, an attempt runs under a shim, and its end goes through [`retry`] back to the queue.

pub mod attempt;
pub mod describe;
pub mod failure;
pub mod input;
pub mod job;
pub mod kept;
pub mod output;
pub mod queue;
pub mod registry;
pub mod retry;
pub mod sandbox;
pub mod schedule;
pub mod script;
pub mod select;
pub mod show;
pub mod slots;
pub mod submission;
pub mod value;
