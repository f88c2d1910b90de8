//! A reader of `/proc` for one pass over many processes: no shared state, one small buffer on the
//! stack per file. A `stat` costs about 7 µs, so a pass over 1,000 processes costs about 7 ms: run it
//! off the actors' threads.
//!
//! On a system without `/proc` every call answers an error, and its callers know nothing of processes
//! beyond what tmux tells.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use tsup_core::ids::ProcId;
use tsup_core::limits;

/// One process, as `/proc/PID/stat` tells it (proc_pid_stat(5)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stat {
    /// Its pid and start time.
    pub id: ProcId,
    /// The kernel's short name of it, at most 15 bytes for programs; text from outside.
    pub comm: String,
    /// State letter: `R`, `S`, `D`, `T`, `Z` for a zombie.
    pub state: char,
    /// Its parent.
    pub parent: u32,
    /// Its process group.
    pub group: u32,
    /// Its session (the kernel's, not tmux's).
    pub session: u32,
    /// Device number of its controlling terminal; 0 for none.
    pub terminal: i32,
    /// The foreground process group of that terminal; -1 for none.
    pub foreground: i32,
    /// CPU time in user mode, clock ticks ([`ticks_per_second`]).
    pub user_ticks: u64,
    /// CPU time in kernel mode, clock ticks.
    pub system_ticks: u64,
    /// Threads.
    pub threads: u32,
    /// Resident pages ([`page_bytes`] each).
    pub resident_pages: u64,
    /// Raw wait status once it is a zombie. Zero also where the reader may not know it.
    pub exit_status: i32,
}

impl Stat {
    /// Whether it has ended and waits for its parent to take notice.
    pub fn is_zombie(&self) -> bool {
        matches!(self.state, 'Z' | 'X')
    }

    /// Whether it was stopped, and does nothing until it is let go on.
    pub fn is_stopped(&self) -> bool {
        self.state == 'T'
    }
}

/// Reads one process. `NotFound` when there is none with that pid.
pub fn stat(pid: u32) -> io::Result<Stat> {
    let mut buffer = [0_u8; limits::PROC_STAT_BYTES_MAX];
    let text = read(&format!("/proc/{pid}/stat"), &mut buffer)?;
    parse_stat(text).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
}

/// The identity that a pid has now.
pub fn identify(pid: u32) -> io::Result<ProcId> {
    stat(pid).map(|s| s.id)
}

/// The arguments of a process, at most [`limits::PROC_ARGV_BYTES_MAX`] bytes and
/// [`limits::PROC_ARGS_MAX`] arguments of it; empty for a zombie or a kernel thread.
pub fn argv(pid: u32) -> io::Result<Vec<String>> {
    let mut buffer = [0_u8; limits::PROC_ARGV_BYTES_MAX];
    read(&format!("/proc/{pid}/cmdline"), &mut buffer).map(split_argv)
}

/// The file of its program; an error when the process is another user's or gone.
pub fn program(pid: u32) -> io::Result<PathBuf> {
    fs::read_link(format!("/proc/{pid}/exe"))
}

/// All processes there are, in no order. A process that ends meanwhile is left out.
pub fn scan() -> io::Result<Vec<Stat>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open("/proc", flags, Mode::empty())?;
    let mut all = Vec::with_capacity(512);
    for entry in rustix::fs::Dir::new(root)? {
        let entry = entry?;
        let pid = entry.file_name().to_str().ok().and_then(|name| name.parse::<u32>().ok());
        if let Some(stat) = pid.and_then(|pid| stat(pid).ok()) {
            all.push(stat);
        }
    }
    Ok(all)
}

/// Processes that the kernel killed for want of memory since this machine started; `None` where it does not count them.
pub fn killed_for_memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/vmstat").ok()?;
    text.lines().find_map(|line| line.strip_prefix("oom_kill "))?.trim().parse().ok()
}

/// Whether the reader may know how `pid` ends: the kernel tells the exit status only to its owner and to
/// root, and says 0 to everyone else.
pub fn may_know_exit(pid: u32) -> bool {
    let me = rustix::process::geteuid();
    me.is_root() || rustix::fs::stat(format!("/proc/{pid}")).is_ok_and(|s| s.st_uid == me.as_raw())
}

fn read<'b>(path: &str, buffer: &'b mut [u8]) -> io::Result<&'b [u8]> {
    let file = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut filled = 0;
    while filled < buffer.len() {
        let n = match rustix::io::read(&file, &mut buffer[filled..]) {
            Ok(n) => n,
            Err(rustix::io::Errno::INTR) => continue,
            // A process that ends between open and read answers ESRCH.
            Err(rustix::io::Errno::SRCH) => return Err(io::ErrorKind::NotFound.into()),
            Err(e) => return Err(e.into()),
        };
        if n == 0 {
            break;
        }
        filled += n;
    }
    Ok(&buffer[..filled])
}

/// The identity of this boot: pids and start times of another boot mean other processes.
pub fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

/// Clock ticks a second, the unit of start and CPU times.
pub fn ticks_per_second() -> u64 {
    rustix::param::clock_ticks_per_second()
}

/// How long a process runs, by its start time; zero where the system does not say.
pub fn age(id: ProcId) -> Duration {
    let text = fs::read_to_string("/proc/uptime").unwrap_or_default();
    let up = text.split(' ').next().and_then(|s| s.parse::<f64>().ok()).unwrap_or(0.0);
    let started = id.start_ticks as f64 / ticks_per_second() as f64;
    Duration::try_from_secs_f64(up - started).unwrap_or_default()
}

/// Bytes of a page, the unit of resident memory.
pub fn page_bytes() -> u64 {
    rustix::param::page_size() as u64
}

/// Parses `/proc/PID/stat`. The name stands in parentheses and may itself hold spaces, parentheses and
/// newlines, so the last `)` ends it.
fn parse_stat(bytes: &[u8]) -> Option<Stat> {
    let open = bytes.iter().position(|&b| b == b'(')?;
    let close = bytes.iter().rposition(|&b| b == b')')?;
    let pid = std::str::from_utf8(bytes.get(..open)?).ok()?.trim().parse().ok()?;
    let comm = String::from_utf8_lossy(bytes.get(open + 1..close)?).into_owned();
    let rest = std::str::from_utf8(bytes.get(close + 1..)?).ok()?;
    // `fields[n]` is field n + 3 of the manual page.
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |field: usize| fields.get(field - 3)?.parse::<i64>().ok();
    let unsigned = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    Some(Stat {
        id: ProcId { pid, start_ticks: unsigned(22)? },
        comm,
        state: fields.first()?.chars().next()?,
        parent: u32::try_from(number(4)?).ok()?,
        group: u32::try_from(number(5)?).unwrap_or(0),
        session: u32::try_from(number(6)?).unwrap_or(0),
        terminal: number(7)? as i32,
        foreground: number(8)? as i32,
        user_ticks: unsigned(14)?,
        system_ticks: unsigned(15)?,
        threads: u32::try_from(number(20)?).unwrap_or(0),
        resident_pages: u64::try_from(number(24)?).unwrap_or(0),
        exit_status: number(52).unwrap_or(0) as i32,
    })
}

/// Splits a command line at its NULs. The last argument may be cut by the limit.
fn split_argv(bytes: &[u8]) -> Vec<String> {
    let bytes = bytes.strip_suffix(&[0]).unwrap_or(bytes);
    if bytes.is_empty() {
        return Vec::new();
    }
    bytes
        .split(|&b| b == 0)
        .take(limits::PROC_ARGS_MAX)
        .map(|arg| String::from_utf8_lossy(arg).into_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn reads_itself_and_its_child() {
        let me = stat(std::process::id()).unwrap();
        assert_eq!(me.id.pid, std::process::id());
        assert!(me.id.start_ticks > 0 && me.resident_pages > 0 && me.threads > 0);
        let mut child = Command::new("sleep").arg("60").stdin(Stdio::null()).spawn().unwrap();
        let found = scan().unwrap().into_iter().find(|s| s.id.pid == child.id()).unwrap();
        assert_eq!(found.parent, std::process::id());
        assert_eq!(identify(child.id()).unwrap(), found.id);
        assert!(
            age(found.id) < std::time::Duration::from_secs(60)
                && age(ProcId { pid: 1, start_ticks: 1 }) > age(found.id)
        );
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(stat(found.id.pid).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn names_may_hold_anything() {
        let mut line = String::from("7 (a) R (b\n) S 1 2 3 4 -1");
        line.push_str(&" 9".repeat(43));
        line.push_str(" 256\n");
        let stat = parse_stat(line.as_bytes()).unwrap();
        assert_eq!((stat.comm.as_str(), stat.state, stat.parent, stat.foreground), ("a) R (b\n", 'S', 1, -1));
        for cut in 0..line.len() {
            let _ = parse_stat(&line.as_bytes()[..cut]);
        }
    }

    #[test]
    fn exit_status_is_field_52() {
        let mut child = Command::new("sh").args(["-c", "exit 7"]).spawn().unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        loop {
            let now = stat(child.id()).unwrap();
            if now.is_zombie() {
                assert_eq!(now.exit_status, 7 << 8);
                assert!(may_know_exit(child.id()));
                break;
            }
            assert!(std::time::Instant::now() < deadline, "the child did not end");
            std::thread::yield_now();
        }
        child.wait().unwrap();
    }

    #[test]
    fn command_lines_split_at_nul() {
        assert_eq!(split_argv(b"node\0/usr/bin/x\0\0"), ["node", "/usr/bin/x", ""]);
        assert_eq!(split_argv(b"title set by the program"), ["title set by the program"]);
        assert!(split_argv(b"").is_empty());
    }

    #[test]
    fn this_boot_has_a_name() {
        assert_eq!(boot_id().unwrap().len(), 36);
        assert!(ticks_per_second() > 0 && page_bytes() >= 4096);
    }
}
