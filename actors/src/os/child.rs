//! Children that end with this process, even when it is killed.
#![expect(unsafe_code, reason = "what runs between fork and exec can only be given to std as unsafe")]

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command};

use rustix::process::{Pid, PidfdFlags, Signal};

/// The child gets SIGTERM when the *thread* that starts it ends, which the kernel takes for its parent
/// (PR_SET_PDEATHSIG): start it from a thread that lives as long as the child should. Systems without
/// such a signal leave the child to notice that its pipes are closed.
pub fn end_with_parent(command: &mut Command) {
    #[cfg(target_os = "linux")]
    {
        let parent = rustix::process::getpid();
        let tie = move || {
            rustix::process::set_parent_process_death_signal(Some(Signal::TERM))?;
            // The parent may have ended before the line above.
            if rustix::process::getppid() == Some(parent) {
                Ok(())
            } else {
                Err(io::Error::from(io::ErrorKind::BrokenPipe))
            }
        };
        // SAFETY: the closure makes two system calls and allocates nothing, so it may run in the child of
        // a process with several threads; its error is built from a constant.
        unsafe { command.pre_exec(tie) };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = command;
}

/// Lets the child do `what` before it executes its program, in the state in which it executes it.
///
/// It is refused in a process of several threads: the child has one of them only, and what `what` needs could
/// be locked by another for ever.
pub fn before_exec(
    command: &mut Command,
    what: impl FnMut() -> io::Result<()> + Send + Sync + 'static,
) -> io::Result<()> {
    super::fork::alone()?;
    // SAFETY: this process has one thread, so the child may do whatever this process may.
    unsafe { command.pre_exec(what) };
    Ok(())
}

/// A way to signal a child that cannot meet another process, though somebody else waits for the child.
#[derive(Debug)]
pub struct Leash(Option<OwnedFd>);

impl Leash {
    /// A leash on a child that has not been waited for.
    pub fn of(child: &Child) -> Self {
        let pid = Pid::from_raw(child.id().cast_signed());
        Leash(pid.and_then(|pid| rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok()))
    }

    /// Asks the child to end. Nothing happens when it has ended.
    pub fn terminate(&self) {
        if let Some(fd) = &self.0 {
            let _ = rustix::process::pidfd_send_signal(fd, Signal::TERM);
        }
    }
}
