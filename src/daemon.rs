//! The shell around the supervision tree: the home and its lock, log, limits, signals, readiness, and
//! what starts and stops all this from outside.

mod home;
pub mod lifecycle;
pub mod limits;
pub mod lock;
pub mod log;
pub mod notify;
pub mod panic;
pub(crate) mod profiles;
pub mod signals;
pub mod start;
pub mod stop;

pub use lifecycle::run;
