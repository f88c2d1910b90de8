//! What can be had of namespaces: found by trying, since no number of a kernel tells what a container forbids.
#![expect(unsafe_code, reason = "what runs between fork and exec can only be given to std as unsafe")]

use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use super::namespace;

/// Which namespaces could be left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tried {
    /// Of mounts, with something mounted there.
    pub mounts: bool,
    /// Of the network.
    pub network: bool,
}

/// Tries in a child that executes nothing; within a namespace of users of its own, if `users`.
pub fn namespaces(users: bool) -> Tried {
    let mut tried = Tried::default();
    let Ok((from, to)) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC) else { return tried };
    let mut command = Command::new("true");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let attempt = move || {
        for (mark, what) in [
            (b"m", namespace::Leave { users, mounts: true, network: false }),
            (b"n", namespace::Leave { users: false, mounts: false, network: true }),
        ] {
            let left = namespace::leave(what);
            let seen = left.is_ok() && (mark == b"n" || namespace::hide_folder("/proc", &[]).is_ok());
            if seen {
                rustix::io::write(to.as_fd(), mark)?;
            }
        }
        // Nothing is executed: trying was all.
        Err(io::Error::from(io::ErrorKind::Interrupted))
    };
    // SAFETY: the closure makes system calls on constants and descriptors and allocates nothing, so it may run
    // in the child of a process with several threads; its error is built from a constant.
    unsafe { command.pre_exec(attempt) };
    let _ = command.spawn();
    drop(command);
    let mut marks = [0; 2];
    let read = rustix::io::read(&from, &mut marks).unwrap_or(0);
    tried.mounts = marks[..read].contains(&b'm');
    tried.network = marks[..read].contains(&b'n');
    tried
}
