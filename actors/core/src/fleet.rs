//! What an agent is and what it does: states, and the machine that moves between them.

pub mod process;
pub mod state;
