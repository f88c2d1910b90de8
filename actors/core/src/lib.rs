//! Everything in tsup that decides.
//!
//! The core is sans-I/O: it names no runtime, no clock, no file and no socket. A decision is
//! `step(&mut State, Event, now) -> Effects`; the actors of `tsup-actors` decode what happened,
//! step, and perform. The folders here mirror those of `actors/src`, so that whoever knows one
//! knows the other.

pub mod clock;
pub mod error;
pub mod event;
pub mod ids;
pub mod limits;
mod place;
pub mod settings;
pub mod untrusted;
pub mod wire;

pub mod fleet;
pub mod supervision;
pub mod telemetry;
pub mod tes;
pub mod tmux;
