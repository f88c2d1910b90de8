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

/// Whether the system refused for want of something that it may have again in a moment. That answers nothing about
/// what it can.
pub fn is_shortage(e: &io::Error) -> bool {
    let short = [libc::EMFILE, libc::ENFILE, libc::ENOMEM, libc::EAGAIN, libc::EINTR, libc::ENOBUFS];
    e.raw_os_error().is_some_and(|errno| short.contains(&errno))
}

/// What the child writes when it lacked something.
const SHORT: &[u8; 1] = b"!";

/// Tries in a child that executes nothing; within a namespace of users of its own, if `users`.
///
/// # Errors
/// It could not be tried, or the system lacked something meanwhile.
pub fn namespaces(users: bool) -> io::Result<Tried> {
    let (from, to) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let mut command = Command::new("true");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let attempt = move || {
        for (mark, what) in [
            (b"m", namespace::Leave { users, mounts: true, network: false }),
            (b"n", namespace::Leave { users: false, mounts: false, network: true }),
        ] {
            let hidden = || if mark == b"m" { namespace::hide_folder("/proc", &[]) } else { Ok(()) };
            match namespace::leave(what).and_then(|()| hidden()) {
                Ok(()) => _ = rustix::io::write(to.as_fd(), mark)?,
                Err(e) if is_shortage(&e) => _ = rustix::io::write(to.as_fd(), SHORT)?,
                Err(_) => {}
            }
        }
        // Nothing is executed: trying was all.
        Err(io::Error::from(io::ErrorKind::Interrupted))
    };
    // SAFETY: the closure makes system calls on constants and descriptors and allocates nothing, so it may run
    // in the child of a process with several threads; its error is built from a constant.
    unsafe { command.pre_exec(attempt) };
    if let Err(e) = command.spawn()
        && is_shortage(&e)
    {
        return Err(e);
    }
    drop(command);
    let mut marks = [0; 2];
    let read = rustix::io::read(&from, &mut marks)?;
    let marks = &marks[..read];
    if marks.contains(&SHORT[0]) {
        return Err(io::Error::from_raw_os_error(libc::EAGAIN));
    }
    Ok(Tried { mounts: marks.contains(&b'm'), network: marks.contains(&b'n') })
}
