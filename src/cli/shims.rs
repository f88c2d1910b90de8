//! `tsup shims`: the process that forks shims for jobs. The supervisor starts it, nobody else.

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::ExitCode;

use tsup_actors::os::own;

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
    let served = alone().and_then(|()| stream()).and_then(tsup_actors::tes::shim::server::serve);
    ExitCode::from(served.unwrap_or(1))
}

/// Leaves this process with its standard streams alone, and closed to what looks into others: scripts inherit the
/// first, and may try the second.
fn alone() -> std::io::Result<()> {
    own::close_inherited()?;
    own::close_to_others()
}

/// Takes the stream off the standard input. Shims inherit that, and while one of them held the stream nobody would see
/// that the server is gone.
fn stream() -> std::io::Result<OwnedFd> {
    let stream = std::io::stdin().as_fd().try_clone_to_owned()?;
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    Ok(stream)
}
