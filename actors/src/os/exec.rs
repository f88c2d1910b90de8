//! Starts programs at little cost.
//!
//! A fork copies the tables of all memory and makes every page that is written afterwards a copy: for a small process
//! that costs as much again as a small program. Here the child borrows this process's memory until it executes (as
//! posix_spawn(3) does), and this process stands still for so long. What it may do in between is little, and known
//! before: it is written down in [`Program`].
#![expect(unsafe_code, reason = "a child that borrows memory has no safe wrapper")]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::process::Pid;

/// What is executed, and how.
#[derive(Debug)]
pub struct Program<'a> {
    /// Its file; absolute.
    pub path: &'a CStr,
    /// Its arguments, its own name first.
    pub argv: &'a [CString],
    /// Its whole environment, as `NAME=value`.
    pub env: &'a [CString],
    /// Its working directory.
    pub cwd: &'a CStr,
    /// Its standard input, output and error. Each is above 2 here, and closed by an execution.
    pub streams: [BorrowedFd<'a>; 3],
    /// Limits that it gets: which, soft, hard.
    pub limits: &'a [(Limit, u64, u64)],
    /// Files of control groups, open for writing, through which it joins them.
    pub doors: &'a [BorrowedFd<'a>],
}

/// A limit of one process (setrlimit(2)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Seconds of CPU.
    Cpu,
    /// Bytes of a file that it writes.
    FileBytes,
    /// Open files.
    OpenFiles,
    /// Bytes of a core dump.
    Core,
}

/// How far a child came that could not execute its program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Before anything.
    Start,
    /// Joining its groups.
    Group,
    /// Setting its limits.
    Limits,
    /// Going to its directory, and executing.
    Exec,
}

/// Bytes of stack for the child: it makes a dozen system calls.
const STACK_BYTES: usize = 64 * 1024;

struct Child {
    path: *const c_char,
    argv: *const *const c_char,
    env: *const *const c_char,
    cwd: *const c_char,
    streams: [c_int; 3],
    limits: *const (c_int, libc::rlimit),
    limits_len: usize,
    doors: *const c_int,
    doors_len: usize,
    step: Step,
    error: c_int,
}

/// Starts a program in a process group of its own, with no signal held back. It is refused in a process of several
/// threads.
///
/// # Errors
/// The step that failed, and the system's error. Nothing runs then.
pub fn spawn(program: &Program<'_>) -> Result<Pid, (Step, io::Error)> {
    super::fork::alone().map_err(|e| (Step::Start, e))?;
    let pointers = |all: &[CString]| -> Vec<*const c_char> {
        all.iter().map(|one| one.as_ptr()).chain([std::ptr::null()]).collect()
    };
    let (argv, env) = (pointers(program.argv), pointers(program.env));
    let limits: Vec<_> = program.limits.iter().map(|limit| lowered(*limit)).collect();
    let doors: Vec<c_int> = program.doors.iter().map(AsRawFd::as_raw_fd).collect();
    let mut child = Child {
        path: program.path.as_ptr(),
        argv: argv.as_ptr(),
        env: env.as_ptr(),
        cwd: program.cwd.as_ptr(),
        streams: program.streams.map(|fd| fd.as_raw_fd()),
        limits: limits.as_ptr(),
        limits_len: limits.len(),
        doors: doors.as_ptr(),
        doors_len: doors.len(),
        step: Step::Start,
        error: 0,
    };
    // Of units that are aligned as a stack must be, whatever the processor.
    let mut stack = vec![0_u128; STACK_BYTES / size_of::<u128>()];
    let top = stack.as_mut_ptr_range().end.cast::<c_void>();
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    // SAFETY: the child runs on its own stack, and this process stands still until it has executed or ended
    // (CLONE_VFORK), so `child`, the stack and everything they point to outlive its use of them, and nobody else uses
    // them meanwhile: this process has one thread, as was just seen. The child makes system calls only.
    let pid = unsafe { libc::clone(run, top, flags, (&raw mut child).cast()) };
    if pid == -1 {
        return Err((Step::Start, io::Error::last_os_error()));
    }
    if child.error != 0 {
        // SAFETY: it takes the end of a child that has just ended, and writes nothing.
        unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) };
        return Err((child.step, io::Error::from_raw_os_error(child.error)));
    }
    Pid::from_raw(pid).ok_or_else(|| (Step::Start, io::ErrorKind::NotFound.into()))
}

/// Sets limits of this process, for whatever it executes; what is lower already stays.
pub fn lower(limits: &[(Limit, u64, u64)]) -> io::Result<()> {
    for (resource, limit) in limits.iter().map(|limit| lowered(*limit)) {
        // SAFETY: the call reads the structure, which outlives it.
        if unsafe { libc::setrlimit(resource.cast_unsigned() as _, &raw const limit) } == -1 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// A limit that is lower already stays.
fn lowered((limit, soft, hard): (Limit, u64, u64)) -> (c_int, libc::rlimit) {
    let resource = match limit {
        Limit::Cpu => libc::RLIMIT_CPU,
        Limit::FileBytes => libc::RLIMIT_FSIZE,
        Limit::OpenFiles => libc::RLIMIT_NOFILE,
        Limit::Core => libc::RLIMIT_CORE,
    };
    let mut old = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: the structure outlives the call, which writes to it or leaves it as it is.
    unsafe { libc::getrlimit(resource, &raw mut old) };
    let hard = old.rlim_max.min(hard as libc::rlim_t);
    let soft = old.rlim_cur.min(soft as libc::rlim_t).min(hard);
    (resource as c_int, libc::rlimit { rlim_cur: soft, rlim_max: hard })
}

extern "C" fn run(child: *mut c_void) -> c_int {
    // SAFETY: it is the structure that `spawn` handed over, which nobody else uses meanwhile.
    let child = unsafe { &mut *child.cast::<Child>() };
    // SAFETY: every pointer in it is valid until this process has executed or ended. Only system calls are made here;
    // the error number that they leave belongs to the process that stands still, and is read at once.
    unsafe {
        if !enter(child) {
            child.error = *libc::__errno_location();
        }
        libc::_exit(127)
    }
}

/// Does everything up to the execution; `false` when something failed.
///
/// # Safety
/// The pointers in `child` must be valid, and the process a child that borrows memory.
unsafe fn enter(child: &mut Child) -> bool {
    // SAFETY: as the caller promises; the mask is made before it is read.
    unsafe {
        let mut none = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
        libc::sigemptyset(none.as_mut_ptr());
        // What this program ignores, others expect to be told.
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        if libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), std::ptr::null_mut()) == -1
            || libc::setpgid(0, 0) == -1
        {
            return false;
        }
        child.step = Step::Group;
        for door in std::slice::from_raw_parts(child.doors, child.doors_len) {
            if libc::write(*door, c"0".as_ptr().cast(), 1) == -1 {
                return false;
            }
        }
        child.step = Step::Limits;
        for (resource, limit) in std::slice::from_raw_parts(child.limits, child.limits_len) {
            if libc::setrlimit((*resource).cast_unsigned() as _, limit) == -1 {
                return false;
            }
        }
        child.step = Step::Exec;
        for (to, from) in (0..).zip(child.streams) {
            if libc::dup2(from, to) == -1 {
                return false;
            }
        }
        if libc::chdir(child.cwd) == -1 {
            return false;
        }
        libc::execve(child.path, child.argv, child.env);
        false
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd as _;

    use super::*;

    /// What it starts is tried where it is used, under shims; a test runs in a process of several threads.
    #[test]
    fn a_process_of_several_threads_starts_nothing() {
        let null = std::fs::File::open("/dev/null").unwrap();
        let argv = [c"true".to_owned()];
        let streams = [null.as_fd(); 3];
        let program = Program {
            path: c"/bin/true",
            argv: &argv,
            env: &[],
            cwd: c"/",
            streams,
            limits: &[],
            doors: &[],
        };
        let (go, wait) = std::sync::mpsc::sync_channel::<()>(0);
        let other = std::thread::spawn(move || wait.recv());
        assert_eq!(spawn(&program).unwrap_err().0, Step::Start);
        drop(go);
        let _ = other.join();
    }
}
