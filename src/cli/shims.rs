//! `tsup shims`: the process that forks shims for jobs. The supervisor starts it, nobody else.

use std::ffi::OsString;
use std::os::fd::AsFd as _;
use std::process::ExitCode;

/// The word that asks for it.
pub const WORD: &str = "shims";

/// Whether the arguments ask for it, and for nothing else.
pub fn called(args: &[OsString]) -> bool {
    args.len() == 2 && args[1] == WORD
}

/// Serves on standard input; see [`tsup_actors::tes::shim::server`].
pub fn main() -> ExitCode {
    let stream = std::io::stdin().as_fd().try_clone_to_owned();
    let served = stream.and_then(tsup_actors::tes::shim::server::serve);
    ExitCode::from(served.unwrap_or(1))
}
