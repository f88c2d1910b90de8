//! Every limit of the house: its unit and its reason. A limit that is not here does not exist.

use std::time::Duration;

mod configuration;
mod control;
mod fleet;
mod heard;
mod kit;
mod process;
mod record;
mod sandbox;
mod screen;
mod store;
mod telemetry;
mod tes;
mod tmux;

pub use configuration::*;
pub use control::*;
pub use fleet::*;
pub use heard::*;
pub use kit::*;
pub use process::*;
pub use record::*;
pub use sandbox::*;
pub use screen::*;
pub use store::*;
pub use telemetry::*;
pub use tes::*;
pub use tmux::*;

const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}
