//! The way to the tmux servers: one gateway actor for each socket.
//!
//! `gateway` is the actor: it feeds what happens to the pure machines of `tsup_core::tmux` and does what
//! they say. `asks` are the things others want done. `client` is a control-mode client with its pipes,
//! `probe` finds out whether anybody listens, `watch` sees writes on terminal devices, `pushers` are the
//! clients that do so where terminals cannot be watched, `place` says how the `tmux` program is run,
//! `health` remembers what is wrong.

mod asks;
mod client;
mod gateway;
mod health;
mod place;
mod probe;
mod pushers;
mod watch;

pub use gateway::{Gateway, GatewaySettings, Msg};
pub use health::Health;
pub use place::Place;

use tsup_core::ids::SocketName;
use tsup_core::tmux::report::Report;

/// The listener had no room. It gets a whole snapshot later, so nothing is kept for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused;

/// Who is told what a gateway sees. It must not wait.
pub trait Listener: Send + Sync + 'static {
    /// Takes the next report of the server behind `socket`.
    fn hear(&self, socket: &SocketName, report: Report) -> Result<(), Refused>;
}

impl<F> Listener for F
where
    F: Fn(&SocketName, Report) -> Result<(), Refused> + Send + Sync + 'static,
{
    fn hear(&self, socket: &SocketName, report: Report) -> Result<(), Refused> {
        self(socket, report)
    }
}
