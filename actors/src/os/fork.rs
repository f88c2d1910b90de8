//! Processes that are copies of this one, and what waits for their ends.
#![expect(unsafe_code, reason = "fork, a signal's descriptor and the use of children have no safe wrapper")]

use std::io;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd as _, OwnedFd};

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

/// A signal that [`Signals`] tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// A child ended, or more than one.
    Child,
    /// Somebody asks this process to end.
    Terminate,
}

impl Signals {
    /// Takes hold of SIGCHLD and SIGTERM. A copy of this process inherits that, and so does what it executes, unless
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
        // The first field is the signal's number.
        let signal = u32::from_ne_bytes(info[..4].try_into().ok()?);
        (read == info.len()).then_some(if signal == libc::SIGTERM.unsigned_abs() {
            Seen::Terminate
        } else {
            Seen::Child
        })
    }
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

/// What all children that were waited for used: seconds of CPU, and the memory of the largest in bytes.
pub fn children_used() -> (f64, u64) {
    // SAFETY: the structure is plain numbers, for which zeroes are a value, and outlives the call.
    let usage = unsafe {
        let mut usage = std::mem::zeroed::<libc::rusage>();
        libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage);
        usage
    };
    let seconds = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 / 1e6;
    let kilobytes = u64::try_from(usage.ru_maxrss).unwrap_or(0);
    (seconds(usage.ru_utime) + seconds(usage.ru_stime), kilobytes * 1024)
}
