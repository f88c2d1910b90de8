//! Tells the end of a process that is not our child, about a millisecond after it.
//!
//! A pidfd becomes readable when its process ends, also while a zombie waits for a parent that lost
//! SIGCHLD (tmux before 3.5 does). How it ended is read from the zombie, or, when the parent was
//! faster, from the pidfd itself (kernel 6.15 and later keep it there). Neither known is
//! [`ExitFacts::UNKNOWN`]; it is never guessed.
#![expect(unsafe_code, reason = "neither PIDFD_GET_INFO nor registering a descriptor has a safe wrapper")]

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::process::{Pid, PidfdFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tsup_core::fleet::process::ExitFacts;
use tsup_core::ids::ProcId;
use tsup_core::limits;

use super::proc;

/// A hold on one process: it stays about this process when the pid is given to another.
#[derive(Debug)]
pub struct Watch {
    id: ProcId,
    fd: Option<AsyncFd<OwnedFd>>,
    may_know: bool,
}

impl Watch {
    /// Takes hold of a process. `NotFound` when it has ended, or when its pid belongs to another
    /// process by now. Must be called within the runtime.
    ///
    /// Where pidfds cannot be had, the end is found by looking every
    /// [`limits::PROC_POLL_INTERVAL`].
    pub fn open(id: ProcId) -> io::Result<Self> {
        let fd = match pidfd_open(id.pid) {
            Ok(fd) => Some(register(fd)?),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(e),
            Err(_) => None,
        };
        // Only after opening is it certain that what is read is what is held.
        let stat = proc::stat(id.pid)?;
        if id.start_ticks != 0 && stat.id != id {
            return Err(io::ErrorKind::NotFound.into());
        }
        let may_know = proc::may_know_exit(id.pid);
        Ok(Watch { id: stat.id, fd, may_know })
    }

    /// The process held, with its start time.
    pub fn id(&self) -> ProcId {
        self.id
    }

    /// Waits until it has ended.
    pub async fn died(&self) -> ExitFacts {
        match &self.fd {
            Some(fd) => {
                while fd.readable().await.is_err() {
                    tokio::time::sleep(limits::PROC_POLL_INTERVAL).await;
                }
            }
            None => {
                while proc::stat(self.id.pid).is_ok_and(|s| s.id == self.id && !s.is_zombie()) {
                    tokio::time::sleep(limits::PROC_POLL_INTERVAL).await;
                }
            }
        }
        self.exit_facts()
    }

    /// How it ended: from the zombie while there is one, else from the pidfd.
    fn exit_facts(&self) -> ExitFacts {
        if !self.may_know {
            return ExitFacts::UNKNOWN;
        }
        match proc::stat(self.id.pid) {
            Ok(stat) if stat.id == self.id && stat.is_zombie() => ExitFacts::from_wait(stat.exit_status),
            _ => self
                .fd
                .as_ref()
                .and_then(|fd| exit_info(fd.get_ref()))
                .map_or(ExitFacts::UNKNOWN, ExitFacts::from_wait),
        }
    }
}

/// Waits for the end of a process. One that has ended before is answered at once, with nothing known
/// about how.
pub async fn died(id: ProcId) -> ExitFacts {
    match Watch::open(id) {
        Ok(watch) => watch.died().await,
        Err(_) => ExitFacts::UNKNOWN,
    }
}

fn register(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: the `AsyncFd` owns the descriptor, and an `OwnedFd` answers the same descriptor for as
    // long as it lives; nothing here takes it out again.
    let registered = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) };
    Ok(registered?)
}

fn pidfd_open(pid: u32) -> io::Result<OwnedFd> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::NotFound)?;
    rustix::process::pidfd_open(pid, PidfdFlags::NONBLOCK).map_err(|e| match e {
        rustix::io::Errno::SRCH => io::ErrorKind::NotFound.into(),
        other => other.into(),
    })
}

/// `struct pidfd_info` in its first published size (include/uapi/linux/pidfd.h); the kernel takes any
/// size from this one on.
#[repr(C)]
#[derive(Default)]
struct PidfdInfo {
    mask: u64,
    cgroup_id: u64,
    pid: u32,
    tgid: u32,
    ppid: u32,
    credentials: [u32; 8],
    exit_code: i32,
}

/// `PIDFD_INFO_EXIT`: asks for, and on return tells the presence of, the exit status.
const PIDFD_INFO_EXIT: u64 = 1 << 3;
/// `PIDFD_GET_INFO`: `_IOWR(0xFF, 11, struct pidfd_info)`.
const PIDFD_GET_INFO: rustix::ioctl::Opcode = rustix::ioctl::opcode::read_write::<PidfdInfo>(0xFF, 11);

/// The raw wait status of a process that was reaped; `None` before, and on kernels before 6.15.
fn exit_info(fd: impl AsFd) -> Option<i32> {
    const { assert!(size_of::<PidfdInfo>() == 64) };
    let mut info = PidfdInfo { mask: PIDFD_INFO_EXIT, ..PidfdInfo::default() };
    // SAFETY: the opcode carries the size of `PidfdInfo`, a plain structure of integers laid out as the
    // kernel's; the kernel writes at most that many bytes into it. A kernel that does not know the call
    // answers ENOTTY and writes nothing.
    let done = unsafe {
        let call = rustix::ioctl::Updater::<PIDFD_GET_INFO, PidfdInfo>::new(&mut info);
        rustix::ioctl::ioctl(fd, call)
    };
    (done.is_ok() && info.mask & PIDFD_INFO_EXIT != 0).then_some(info.exit_code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Child, Command};

    fn sh(script: &str) -> (Child, ProcId) {
        let child = Command::new("sh").args(["-c", script]).spawn().unwrap();
        let id = proc::identify(child.id()).unwrap();
        (child, id)
    }

    #[tokio::test]
    async fn a_zombie_tells_how_it_ended() {
        let (mut child, id) = sh("exit 3");
        assert_eq!(died(id).await, ExitFacts { status: Some(3), signal: None });
        child.wait().unwrap();
    }

    #[tokio::test]
    async fn a_signal_is_told_apart_from_a_status() {
        let (mut child, id) = sh("sleep 60");
        let watch = Watch::open(id).unwrap();
        child.kill().unwrap();
        assert_eq!(watch.died().await, ExitFacts { status: None, signal: Some(9) });
        child.wait().unwrap();
    }

    #[tokio::test]
    async fn a_reaped_process_is_known_where_the_kernel_keeps_it() {
        let (mut child, id) = sh("exit 5");
        let watch = Watch::open(id).unwrap();
        child.wait().unwrap();
        let facts = watch.died().await;
        let kept = exit_info(watch.fd.as_ref().unwrap().get_ref()).is_some();
        let expected = if kept { ExitFacts { status: Some(5), signal: None } } else { ExitFacts::UNKNOWN };
        assert_eq!(facts, expected);
    }

    #[tokio::test]
    async fn another_process_with_the_pid_is_not_the_one() {
        let (mut child, id) = sh("sleep 60");
        let other = ProcId { start_ticks: id.start_ticks + 1, ..id };
        assert_eq!(Watch::open(other).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(died(other).await, ExitFacts::UNKNOWN);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(died(id).await, ExitFacts::UNKNOWN);
    }

    #[tokio::test]
    async fn without_pidfds_the_end_is_found_by_looking() {
        let (mut child, id) = sh("exit 4");
        let mut watch = Watch { id, fd: None, may_know: true };
        assert_eq!(watch.died().await, ExitFacts { status: Some(4), signal: None });
        watch.may_know = false;
        assert_eq!(watch.died().await, ExitFacts::UNKNOWN);
        child.wait().unwrap();
    }
}
