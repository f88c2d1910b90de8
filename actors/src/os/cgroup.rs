//! Control groups: where they can be made, what bounds they hold, what their processes use.
//!
//! Both versions serve: the controllers of the second one where this process may use them, and the hierarchies
//! of the first one where it may write to them, which is root's.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::ability::is_shortage;

/// A folder below which groups with one controller can be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// 1 or 2.
    pub version: u8,
    /// The folder.
    pub folder: PathBuf,
}

/// Where groups with `controller` can be made: below this process' own, so that what bounds it still does.
///
/// # Errors
/// The system lacks descriptors or memory to look: then nothing is known.
pub fn base(controller: &str) -> io::Result<Option<Base>> {
    let (Some(mounts), Some(own)) = (read("/proc/self/mountinfo")?, read("/proc/self/cgroup")?) else {
        return Ok(None);
    };
    Ok(second(controller, &mounts, &own)?.or_else(|| first(controller, &mounts, &own)))
}

/// What a file says; `None` when there is none, or it cannot be read here at all.
fn read(path: impl AsRef<Path>) -> io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(e) if is_shortage(&e) => Err(e),
        Err(_) => Ok(None),
    }
}

fn second(controller: &str, mounts: &str, own: &str) -> io::Result<Option<Base>> {
    let own = own.lines().find_map(|line| line.strip_prefix("0::"));
    let Some(folder) = own.and_then(|own| place(mounts, own, |kind, _| kind == "cgroup2")) else {
        return Ok(None);
    };
    // A group with processes has no groups with controllers; the one around it may be ours too. A slice never is:
    // what stands in it is its service manager's.
    let around =
        folder.parent().map(Path::to_path_buf).filter(|f| f.extension().is_none_or(|e| e != "slice"));
    for folder in [Some(folder), around].into_iter().flatten() {
        if is_open(&folder, controller)? {
            return Ok(Some(Base { version: 2, folder }));
        }
    }
    Ok(None)
}

fn is_open(folder: &Path, controller: &str) -> io::Result<bool> {
    let has = |file: &str| {
        let text = read(folder.join(file))?;
        Ok::<_, io::Error>(text.is_some_and(|t| t.split_whitespace().any(|w| w == controller)))
    };
    let empty =
        || Ok::<_, io::Error>(read(folder.join("cgroup.procs"))?.is_some_and(|t| t.trim().is_empty()));
    Ok(may_write(folder)
        && may_write(&folder.join("cgroup.procs"))
        && (has("cgroup.subtree_control")? || (has("cgroup.controllers")? && empty()?)))
}

fn first(controller: &str, mounts: &str, own: &str) -> Option<Base> {
    let own = own.lines().find_map(|line| {
        let (names, path) = line.split_once(':')?.1.split_once(':')?;
        names.split(',').any(|n| n == controller).then_some(path)
    })?;
    let wanted = |kind: &str, options: &str| kind == "cgroup" && options.split(',').any(|o| o == controller);
    let folder = place(mounts, own, wanted).filter(|f| may_write(f))?;
    Some(Base { version: 1, folder })
}

fn may_write(path: &Path) -> bool {
    rustix::fs::accessat(CWD, path, Access::WRITE_OK, AtFlags::EACCESS).is_ok()
}

/// Where the group `own` stands in the file system, by the mount that `wanted` takes (proc_pid_mountinfo(5)).
fn place(mounts: &str, own: &str, wanted: impl Fn(&str, &str) -> bool) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let mut right = right.split(' ');
        let (kind, options) = (right.next()?, right.nth(1)?);
        if !wanted(kind, options) {
            return None;
        }
        let mut left = left.split(' ').skip(3);
        let (root, at) = (left.next()?, left.next()?);
        // In a container the mount may begin at its own group.
        let below = Path::new(own).strip_prefix(root).ok()?;
        Some(if below == Path::new("") { at.into() } else { Path::new(at).join(below) })
    })
}

/// A group of one attempt.
#[derive(Debug)]
pub struct Group {
    version: u8,
    folder: PathBuf,
}

impl Group {
    /// Makes a group, empty and without bounds.
    pub fn make(base: &Base, name: &str) -> io::Result<Self> {
        let folder = base.folder.join(name);
        fs::create_dir(&folder)?;
        Ok(Group { version: base.version, folder })
    }

    /// A group that somebody else made.
    pub fn found(version: u8, folder: PathBuf) -> Self {
        Group { version, folder }
    }

    /// Kills every process in it, once.
    pub fn kill(&self) {
        self.close();
        let text = fs::read_to_string(self.folder.join("cgroup.procs")).unwrap_or_default();
        // One of another namespace of numbers is told as 0, which would be this process' own group.
        for pid in text.lines().filter_map(|l| l.parse().ok()).filter_map(Pid::from_raw) {
            let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else { continue };
            // The number may be another's since it was read; what is held now is in the group or is not.
            let name = self.folder.file_name().and_then(|n| n.to_str()).unwrap_or("/");
            let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
            if groups.lines().any(|line| line.ends_with(name)) {
                let _ = pidfd_send_signal(&process, Signal::KILL);
            }
        }
    }

    /// 1 or 2.
    pub fn version(&self) -> u8 {
        self.version
    }

    /// Where it stands.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file by which a process of one thread joins it: it writes a zero.
    pub fn door(&self) -> io::Result<File> {
        // Moving itself as a thread spares it the lock that all forks of the host wait for.
        let name = if self.version == 1 { "tasks" } else { "cgroup.procs" };
        OpenOptions::new().write(true).open(self.folder.join(name))
    }

    /// Bounds its memory. What it swaps counts too, where that can be counted.
    pub fn bound_memory(&self, bytes: u64) -> io::Result<()> {
        let bytes = bytes.to_string();
        if self.version == 1 {
            self.set("memory.limit_in_bytes", &bytes)?;
            let _ = self.set("memory.memsw.limit_in_bytes", &bytes);
            return Ok(());
        }
        self.enabled("memory", "memory.max", &bytes)?;
        let _ = self.set("memory.swap.max", "0");
        let _ = self.set("memory.oom.group", "1");
        Ok(())
    }

    /// Bounds its processes, and their threads with them.
    pub fn bound_processes(&self, most: u64) -> io::Result<()> {
        self.enabled("pids", "pids.max", &most.to_string())
    }

    fn set(&self, file: &str, value: &str) -> io::Result<()> {
        // Not `fs::write`: what is not there must not be made.
        io::Write::write_all(
            &mut OpenOptions::new().write(true).open(self.folder.join(file))?,
            value.as_bytes(),
        )
    }

    /// Sets a value of a controller, which groups of the second version get from the one around them.
    fn enabled(&self, controller: &str, file: &str, value: &str) -> io::Result<()> {
        if self.version == 2 && !self.folder.join(file).exists() {
            let around = self.folder.parent().unwrap_or(&self.folder).join("cgroup.subtree_control");
            io::Write::write_all(
                &mut OpenOptions::new().write(true).open(around)?,
                format!("+{controller}").as_bytes(),
            )?;
        }
        self.set(file, value)
    }

    fn number(&self, first: &str, second: &str) -> Option<u64> {
        let file = if self.version == 1 { first } else { second };
        fs::read_to_string(self.folder.join(file)).ok()?.trim().parse().ok()
    }

    /// A count on a line of its own, behind its name.
    fn count(&self, file: &str, name: &str) -> u64 {
        let text = fs::read_to_string(self.folder.join(file)).unwrap_or_default();
        let line = text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|n| n.parse().ok()).unwrap_or(0)
    }

    /// Bytes of memory that it uses.
    pub fn memory(&self) -> Option<u64> {
        self.number("memory.usage_in_bytes", "memory.current")
    }

    /// The most that it used; `None` where the kernel does not keep it.
    pub fn memory_peak(&self) -> Option<u64> {
        self.number("memory.max_usage_in_bytes", "memory.peak")
    }

    /// Processes of it that were killed because there was no memory within its bound.
    pub fn killed_for_memory(&self) -> u64 {
        self.count(if self.version == 1 { "memory.oom_control" } else { "memory.events" }, "oom_kill")
    }

    /// Processes and threads in it.
    pub fn processes(&self) -> Option<u64> {
        self.number("pids.current", "pids.current")
    }

    /// Processes that were refused because there were as many as may be.
    pub fn refused_processes(&self) -> u64 {
        self.count("pids.events", "max")
    }

    /// Seconds of CPU of all that ever were in it; the first version does not count them here.
    pub fn cpu_seconds(&self) -> Option<f64> {
        (self.version == 2).then(|| self.count("cpu.stat", "usage_usec") as f64 / 1e6).filter(|s| *s > 0.0)
    }

    /// Kills all in it, or at least lets none come to it, as far as its version knows that.
    pub fn close(&self) {
        if self.set("cgroup.kill", "1").is_err() {
            let _ = self.set("pids.max", "0");
        }
    }

    /// Takes it away. One with processes stays.
    pub fn remove(&self) -> io::Result<()> {
        fs::remove_dir(&self.folder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
36 31 0:33 /docker/abc /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate
";

    #[test]
    fn a_group_is_found_where_its_hierarchy_is_mounted() {
        let v1 = |name: &'static str, own| {
            place(MOUNTS, own, move |kind, o| kind == "cgroup" && o.split(',').any(|o| o == name))
        };
        assert_eq!(v1("memory", "/a/b"), Some("/sys/fs/cgroup/memory/a/b".into()));
        assert_eq!(v1("cpuacct", "/docker/abc/x"), Some("/sys/fs/cgroup/cpu,cpuacct/x".into()));
        assert_eq!(v1("cpuacct", "/elsewhere"), None, "the container does not see it");
        assert_eq!(v1("pids", "/"), None);
        assert_eq!(place(MOUNTS, "/", |kind, _| kind == "cgroup2"), Some("/sys/fs/cgroup/unified/".into()));
    }

    #[test]
    fn a_delegated_group_is_one_that_may_hand_its_controllers_on() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
        write("cgroup.controllers", "cpu memory pids\n");
        write("cgroup.subtree_control", "\n");
        write("cgroup.procs", "12\n");
        assert!(!is_open(dir.path(), "memory").unwrap(), "it has processes of its own");
        write("cgroup.procs", "");
        assert!(is_open(dir.path(), "memory").unwrap() && !is_open(dir.path(), "io").unwrap());
        write("cgroup.procs", "12\n");
        write("cgroup.subtree_control", "memory\n");
        assert!(is_open(dir.path(), "memory").unwrap() && !is_open(dir.path(), "pids").unwrap());
    }

    #[test]
    fn a_group_bounds_what_it_is_told_and_counts_what_is_in_it() {
        let Some(base) = base("pids").unwrap() else {
            println!("skipped: this process may make no groups");
            return;
        };
        let group = Group::make(&base, &format!("tsup-test-{}", std::process::id())).unwrap();
        group.bound_processes(7).unwrap();
        assert_eq!((group.processes(), group.refused_processes()), (Some(0), 0));
        group.close();
        group.remove().unwrap();
        assert!(!group.folder().exists());
    }
}
