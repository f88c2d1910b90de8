//! `tsup run`.

use super::{Cx, Outcome};

/// Arguments of `tsup run`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Stay in the foreground and log to standard error; this is what happens anyway
    #[arg(long)]
    pub foreground: bool,
    /// Become a daemon whose starter waits on standard output
    #[arg(long, hide = true, conflicts_with = "foreground")]
    pub daemon: bool,
}

/// Runs the supervisor until it is told to end.
pub fn run(cx: &Cx, args: &Args) -> Outcome {
    crate::daemon::run(cx, args.daemon)
}
