//! What an agent is and what it does: states, and the machine that moves between them.

pub mod agent;
pub mod drift;
pub mod evidence;
pub mod hook;
pub mod process;
pub mod profile;
pub mod record;
pub mod relaunch;
pub mod roster;
pub mod screen;
pub mod session;
pub mod spec;
pub mod stage;
pub mod state;
pub mod target;
pub mod transcript;
