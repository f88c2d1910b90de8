//! What a supervisor decides, without running anything.
//!
//! The semantics are those of Erlang/OTP's `supervisor` (stdlib reference manual), with what a fleet
//! needs on top: exponential backoff with full jitter, cancellable pending restarts, and quarantine.
//!
//! - [`spec`]: what a supervisor and its children are told to be
//! - [`event`]: what happens to a planner and what it asks for
//! - [`backoff`]: how long a restart waits
//! - [`intensity`]: how many restarts are too many
//! - [`restart`]: the planner, `step(&mut self, Event, now, &mut effects)`

pub mod backoff;
pub mod event;
pub mod intensity;
pub mod restart;
pub mod spec;

pub use backoff::Backoff;
pub use event::{Command, Effect, End, Event, Exit, Notice, Refusal, Ticket, Timer, TimerKind};
pub use intensity::Intensity;
pub use restart::Planner;
pub use spec::{
    AutoShutdown, ChildId, ChildPolicy, OnIntensity, Policy, Restart, Shutdown, SpecError, Strategy,
};
