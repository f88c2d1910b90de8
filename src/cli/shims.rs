//! `tsup shims`: the process that forks shims for jobs. The supervisor starts it, nobody else.

use std::ffi::OsString;
use std::os::fd::AsFd as _;
use std::process::ExitCode;

/// The word that asks for it.
pub const WORD: &str = "shims";

/// Whether the arguments ask for it and for nothing else, and there is a socket to serve on: a person who types
/// the word is told that there is no such verb.
pub fn called(args: &[OsString]) -> bool {
    let is_socket = || {
        rustix::fs::fstat(std::io::stdin())
            .is_ok_and(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode).is_socket())
    };
    args.len() == 2 && args[1] == WORD && is_socket()
}

/// Serves on standard input; see [`tsup_actors::tes::shim::server`].
pub fn main() -> ExitCode {
    let stream = std::io::stdin().as_fd().try_clone_to_owned();
    let served = stream.and_then(tsup_actors::tes::shim::server::serve);
    ExitCode::from(served.unwrap_or(1))
}
