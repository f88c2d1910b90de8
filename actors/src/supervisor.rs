//! The supervisor: a thin shell on ractor over the planner of `tsup_core::supervision`.
//!
//! Owns: its children's incarnations, their statuses, the timers of restarts and stops.
//! Receives: ends of children from ractor, [`handle::Msg`] through its gate.
//! Sends: stops and kills to its children, `ActorRestarted` and `ActorQuarantined` on the bus.
//! Bounded by: `limits::CHILDREN_MAX` children, one timer for each, `limits::REQUESTS_WAITING_MAX` requests.
//! Restart: by its own supervisor; its initial children come back with it, dynamic ones do not.
//!
//! - [`spec`]: how a tree is described
//! - [`handle`]: what can be asked of a running supervisor
//! - [`view`]: the tree as `ctl tree` shows it, read without asking anybody
//! - `tree`: the root, started and waited for
//! - `shell`: the actor; `perform`: what it does for the planner

pub mod handle;
mod perform;
mod shell;
pub mod spec;
mod tree;
pub mod view;

pub use handle::{ChildError, Handle};
pub use spec::{ChildSpec, SupervisorSpec, child, supervise};
pub use tree::{Escalated, Tree, spawn};
pub use view::{Status, View};
