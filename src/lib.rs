//! What a person types and sees: the command line, the client of the control socket, the daemon's
//! shell around the supervision tree. Everything that runs is in `tsup-actors`, everything that
//! decides in `tsup-core`.

pub mod cli;
pub mod config;
pub mod ctl;
pub mod daemon;
pub mod render;
