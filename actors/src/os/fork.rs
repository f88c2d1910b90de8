//! Processes that are copies of this one, what waits for their ends, and what asks them for theirs.
#![expect(unsafe_code, reason = "fork, signals with a value and what a child used have no safe wrapper")]

use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};

use rustix::process::Pid;

/// Which of the two this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fork {
    /// The one that asked.
    Parent {
        /// The other one.
        child: u32,
    },
    /// The copy.
    Child,
}

/// Makes a copy of this process.
///
/// It is refused in a process of several threads: the copy has one of them only, and would wait for ever
/// for a lock that another held.
pub fn fork() -> io::Result<Fork> {
    alone()?;
    // SAFETY: the process has one thread, as was just seen, so the copy may do whatever the original may.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Fork::Child),
        child => Ok(Fork::Parent { child: child.unsigned_abs() }),
    }
}

/// Refuses what is only safe in a process of one thread.
pub(super) fn alone() -> io::Result<()> {
    if threads()? == 1 {
        return Ok(());
    }
    Err(io::Error::other("a process of several threads cannot be copied"))
}

#[cfg(target_os = "linux")]
fn threads() -> io::Result<usize> {
    // The third number behind the name, as the links to a folder are its subfolders and two more.
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self/task").map(|m| usize::try_from(m.nlink().saturating_sub(2)).unwrap_or(0))
}

#[cfg(not(target_os = "linux"))]
fn threads() -> io::Result<usize> {
    Ok(1)
}

/// A descriptor that tells of signals in place of their handlers (signalfd(2)).
#[derive(Debug)]
pub struct Signals(OwnedFd);

/// Where the value stands in what is read of a signal.
const VALUE: usize = std::mem::offset_of!(libc::signalfd_siginfo, ssi_ptr);

/// A signal that [`Signals`] tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// A child ended, or more than one.
    Child,
    /// Somebody asks this process to end.
    Terminate,
    /// Somebody asked by [`ask`] or [`ask_own`], with that value.
    Asked(u64),
}

impl Signals {
    /// Takes hold of SIGCHLD, SIGTERM and the signals of [`ask`] and [`ask_own`]. A copy of this process inherits that, and so does what it executes, unless
    /// [`let_go`] comes before.
    pub fn hold() -> io::Result<Self> {
        // SAFETY: the set is made by `sigemptyset` before it is read, and outlives both calls; `signalfd`
        // answers a descriptor that nobody else owns.
        unsafe {
            let mut set = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
            libc::sigemptyset(set.as_mut_ptr());
            let mut set = set.assume_init();
            libc::sigaddset(&raw mut set, libc::SIGCHLD);
            libc::sigaddset(&raw mut set, libc::SIGTERM);
            libc::sigaddset(&raw mut set, libc::SIGUSR1);
            libc::sigaddset(&raw mut set, libc::SIGRTMIN());
            if libc::sigprocmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut()) == -1 {
                return Err(io::Error::last_os_error());
            }
            let fd = libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK);
            if fd == -1 {
                return Err(io::Error::last_os_error());
            }
            Ok(Signals(OwnedFd::from_raw_fd(fd)))
        }
    }

    /// The next signal that came, if one did.
    pub fn next(&self) -> Option<Seen> {
        let mut info = [0_u8; size_of::<libc::signalfd_siginfo>()];
        let read = rustix::io::read(&self.0, &mut info).ok()?;
        if read != info.len() {
            return None;
        }
        // The first field is the signal's number.
        let signal = u32::from_ne_bytes(info[..4].try_into().ok()?).cast_signed();
        let value = info.get(VALUE..VALUE + 8)?.try_into().ok()?;
        Some(match signal {
            libc::SIGTERM => Seen::Terminate,
            signal if signal == libc::SIGUSR1 || signal == libc::SIGRTMIN() => {
                Seen::Asked(u64::from_ne_bytes(value))
            }
            _ => Seen::Child,
        })
    }
}

/// What comes with a signal that was sent with a value (`sigqueue(3)`).
#[repr(C)]
struct WithValue {
    signal: i32,
    error: i32,
    code: i32,
    from: From,
}

#[repr(C)]
struct From {
    pid: i32,
    user: u32,
    value: *mut libc::c_void,
}

/// Asks the process behind a pidfd for what `value` says; it sees [`Seen::Asked`]. A process that does not
/// hold its signals ends. While one such question waits for it, another is lost.
pub fn ask(process: &OwnedFd, value: u64) -> io::Result<()> {
    send(process, libc::SIGUSR1, value)
}

/// The same of a copy of this very process, where none is lost (signal(7), real-time signals): one of another version may not
/// hold that signal.
pub fn ask_own(process: &OwnedFd, value: u64) -> io::Result<()> {
    send(process, libc::SIGRTMIN(), value)
}

fn send(process: &OwnedFd, signal: i32, value: u64) -> io::Result<()> {
    const { assert!(size_of::<WithValue>() <= size_of::<libc::siginfo_t>()) };
    let from = From {
        pid: rustix::process::getpid().as_raw_nonzero().get(),
        user: rustix::process::getuid().as_raw(),
        value: std::ptr::without_provenance_mut(usize::try_from(value).unwrap_or_default()),
    };
    let what = WithValue { signal, error: 0, code: libc::SI_QUEUE, from };
    let mut info = std::mem::MaybeUninit::<libc::siginfo_t>::zeroed();
    // SAFETY: the structure begins as the kernel's does for a signal with a value, and is no longer than that, as was
    // asserted; the call reads it and keeps nothing.
    let done = unsafe {
        info.as_mut_ptr().cast::<WithValue>().write(what);
        libc::syscall(libc::SYS_pidfd_send_signal, process.as_raw_fd(), signal, info.as_ptr(), 0)
    };
    if done == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Lets every signal through again, for what is executed next: a mask outlives the execution, and a program that does
/// not expect one would never see that it is asked to end.
pub fn let_go() -> io::Result<()> {
    // SAFETY: the set is made by `sigemptyset` before it is read, and outlives the call.
    let done = unsafe {
        let mut set = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, set.as_ptr(), std::ptr::null_mut())
    };
    if done == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A child that has ended, with what it and the children that it waited for used.
#[derive(Debug, Clone, Copy)]
pub struct Reaped {
    /// Which.
    pub pid: Pid,
    /// How, as wait(2) tells it.
    pub status: i32,
    /// Seconds of CPU.
    pub cpu_seconds: f64,
    /// Memory of the largest process, in bytes.
    pub largest: u64,
}

/// Takes the end of a child. `Ok(None)` when there are children and none has ended.
///
/// # Errors
/// `ECHILD` when there is no child.
pub fn reap() -> io::Result<Option<Reaped>> {
    let mut status = 0;
    // SAFETY: the structure is plain numbers, for which zeroes are a value; both places outlive the call.
    let (pid, usage) = unsafe {
        let mut usage = std::mem::zeroed::<libc::rusage>();
        (libc::wait4(-1, &raw mut status, libc::WNOHANG, &raw mut usage), usage)
    };
    if pid == -1 {
        return Err(io::Error::last_os_error());
    }
    let seconds = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 / 1e6;
    Ok(Pid::from_raw(pid).map(|pid| Reaped {
        pid,
        status,
        cpu_seconds: seconds(usage.ru_utime) + seconds(usage.ru_stime),
        largest: u64::try_from(usage.ru_maxrss).unwrap_or(0) * 1024,
    }))
}
