//! Everything in tsup that runs.
//!
//! Actors decode what happened, let `tsup-core` decide, and perform. A room uses only rooms on lower
//! floors:
//!
//! ```text
//!   root                                   the whole tree in one place
//!   edge                                   control socket
//!   fleet      tes                         the domains; they meet only through events and links
//!   telemetry  supervisor  tmux            services
//!   store      bus      link
//!   actor      gate       os               the ground: every message passes a gate
//! ```

pub mod actor;
pub mod bus;
pub mod clock;
pub mod edge;
pub mod fleet;
pub mod gate;
pub mod heirloom;
pub mod link;
pub mod os;
#[cfg(feature = "planted")]
mod planted;
pub mod root;
pub mod store;
pub mod supervisor;
pub mod telemetry;
pub mod tes;
pub mod tmux;
