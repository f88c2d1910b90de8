//! What the doctor asks of the system: kernel, memory, disk, limits, service manager.

use std::fs::read_to_string;
use std::path::Path;

use rustix::process::{PidfdFlags, Resource, getpid, getrlimit, pidfd_open};
use sysinfo::{MemoryRefreshKind, RefreshKind, System};
use tsup_core::limits::OPEN_FILES_WANTED;

use super::Finding;
use super::tmux::on_path;
use crate::config::paths::Paths;
use crate::config::plain;
use crate::render::words::bytes;

/// Panes that a large fleet has: each takes a watch and a few processes.
const LARGE_FLEET: u64 = 1000;
/// Bytes below which a disk is nearly full.
const DISK_LOW_BYTES: u64 = 256 * 1024 * 1024;
/// Bytes below which it is full: a fresh database with its log takes a tenth.
const DISK_FULL_BYTES: u64 = 1024 * 1024;

pub(super) fn look() -> Vec<Finding> {
    let mut out = vec![system(), memory(), open_files()];
    out.extend(inotify());
    out.extend([pids(), pidfd(), cgroup(), systemd()]);
    out
}

/// The oldest Linux that is supported: from it on a pidfd can be waited for without blocking.
const LINUX_MIN: (u32, u32) = (5, 10);
/// Free memory below which agents may not start: one takes some hundred megabytes.
const MEMORY_LOW_BYTES: u64 = 512 * 1024 * 1024;

/// What this host is: its system, kernel and processors.
fn system() -> Finding {
    let name = "system";
    let system = System::long_os_version().unwrap_or_else(|_| std::env::consts::OS.into());
    let kernel = System::kernel_version().unwrap_or_else(|_| "not known".into());
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let says = format!("{system}, kernel {kernel}, {cores} processors");
    match release(&kernel) {
        Some(found) if cfg!(target_os = "linux") && found < LINUX_MIN => {
            let (major, minor) = LINUX_MIN;
            Finding::warn(name, says, format!("Linux {major}.{minor} or later tells deaths at once"))
        }
        _ => Finding::ok(name, says),
    }
}

/// Major and minor number of a kernel's release, `6.1.0-18-amd64`.
fn release(kernel: &str) -> Option<(u32, u32)> {
    let mut numbers = kernel.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Memory of the host, or of the container where that has less.
fn memory() -> Finding {
    let name = "memory";
    let what = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
    let Ok(system) = System::new_with_specifics(what) else {
        return Finding::ok(name, "not known");
    };
    let group = system.cgroup_limits().filter(|g| g.total_memory > 0);
    let total = group.as_ref().map_or(u64::MAX, |g| g.total_memory).min(system.total_memory());
    let free = group.as_ref().map_or(u64::MAX, |g| g.free_memory).min(system.available_memory());
    let says = format!("{} of {} are free", bytes(free), bytes(total));
    if free < MEMORY_LOW_BYTES {
        return Finding::warn(name, says, "make room: the kernel ends agents when there is none");
    }
    Finding::ok(name, says)
}

/// File systems on which locks or a database in WAL mode cannot be trusted (statfs(2)).
const REMOTE: [(u64, &str); 7] = [
    (0x6969, "nfs"),
    (0xff53_4d42, "cifs"),
    (0xfe53_4d42, "smb2"),
    (0x517b, "smb"),
    (0x0102_1997, "9p"),
    (0x00c3_6400, "ceph"),
    (0x5346_414f, "afs"),
];

/// The home directory: can it be made, is it on a disk of this host, is there room?
pub(super) fn home(paths: &Paths) -> Finding {
    let name = "home";
    let shown = paths.home.display();
    if paths.home.exists()
        && let Err(e) = paths.create()
    {
        return Finding::fix(name, e.what, e.hint.unwrap_or_default());
    }
    // What is not there yet will be made under the nearest folder that is.
    let Some(there) = paths.home.ancestors().find(|p| p.exists()) else {
        return Finding::fix(name, format!("{shown} cannot be made"), "choose another with `--home DIR`");
    };
    if !paths.home.exists() && rustix::fs::access(there, rustix::fs::Access::WRITE_OK).is_err() {
        let says = format!("{shown} cannot be made: {} is not writable", there.display());
        return Finding::fix(name, says, "choose another with `--home DIR`");
    }
    let stat = match rustix::fs::statfs(there) {
        Ok(stat) => stat,
        Err(e) => {
            return Finding::warn(
                name,
                format!("{shown}: {}", plain(&e.into())),
                "see whether its disk is well",
            );
        }
    };
    // The magic numbers are 32 bits wide; the field's type differs between systems.
    let kind = u64::try_from(stat.f_type).unwrap_or_default() & 0xffff_ffff;
    if let Some((_, fs)) = REMOTE.iter().find(|(magic, _)| *magic == kind) {
        return Finding::fix(
            name,
            format!("{shown} is on {fs}, where locks and the database are not safe"),
            "choose a folder on a local disk with `--home DIR` or TSUP_HOME",
        );
    }
    let free = stat.f_bavail * u64::try_from(stat.f_bsize).unwrap_or_default();
    if free < DISK_FULL_BYTES {
        let says = format!("{shown}: the disk is full");
        return Finding::fix(name, says, "make room: without it nothing is kept over a restart");
    }
    if free < DISK_LOW_BYTES {
        let says = format!("{shown}: {} are free", bytes(free));
        return Finding::warn(name, says, "make room: the database and the logs need it");
    }
    Finding::ok(name, format!("{shown}"))
}

fn open_files() -> Finding {
    let name = "open files";
    let limit = getrlimit(Resource::Nofile);
    match limit.maximum {
        Some(hard) if hard < 1024 => {
            Finding::fix(name, format!("at most {hard}"), "raise the hard limit: `ulimit -Hn`")
        }
        Some(hard) if hard < OPEN_FILES_WANTED => Finding::warn(
            name,
            format!("at most {hard}, which is enough for about {} agents", hard / 4),
            format!("raise the hard limit to {OPEN_FILES_WANTED} for large fleets"),
        ),
        hard => Finding::ok(
            name,
            format!("at most {}", hard.map_or_else(|| "unlimited".into(), |h| h.to_string())),
        ),
    }
}

fn number(path: &str) -> Option<u64> {
    read_to_string(path).ok()?.trim().parse().ok()
}

fn inotify() -> Vec<Finding> {
    let at_least =
        |name: &'static str, key: &str, wanted: u64| match number(&format!("/proc/sys/fs/inotify/{key}")) {
            Some(n) if n < wanted => Finding::warn(
                name,
                format!("at most {n}"),
                format!("sysctl fs.inotify.{key}={wanted}; without it changes are seen later"),
            ),
            Some(n) => Finding::ok(name, format!("at most {n}")),
            None => Finding::warn(name, "not known", "changes may be seen later"),
        };
    vec![
        at_least("file watches", "max_user_watches", 4 * LARGE_FLEET),
        at_least("watch queues", "max_user_instances", 64),
    ]
}

fn pids() -> Finding {
    let name = "processes";
    let own = getrlimit(Resource::Nproc).current;
    let system = number("/proc/sys/kernel/pid_max");
    let group = own_cgroup().and_then(|g| number(&format!("/sys/fs/cgroup{g}/pids.max")));
    match [own, system, group].into_iter().flatten().min() {
        Some(n) if n < 4 * LARGE_FLEET => Finding::warn(
            name,
            format!("at most {n}, which is enough for about {} agents", n / 4),
            "raise `ulimit -u`, TasksMax of the service, or the container's limit",
        ),
        Some(n) => Finding::ok(name, format!("at most {n}")),
        None => Finding::ok(name, "no limit known"),
    }
}

fn pidfd() -> Finding {
    let name = "pidfd";
    match pidfd_open(getpid(), PidfdFlags::empty()) {
        Ok(_) => Finding::ok(name, "deaths are told at once"),
        Err(e) => Finding::warn(
            name,
            format!("not there: {}", plain(&e.into())),
            "Linux 5.10 or later, or a container that allows pidfd_open; until then deaths are found by looking",
        ),
    }
}

fn own_cgroup() -> Option<String> {
    let text = read_to_string("/proc/self/cgroup").ok()?;
    text.lines().find_map(|l| l.strip_prefix("0::")).map(str::to_owned)
}

fn cgroup() -> Finding {
    let name = "cgroups";
    let root = Path::new("/sys/fs/cgroup/cgroup.controllers");
    match (root.exists(), own_cgroup()) {
        (true, Some(group)) => {
            let folder = format!("/sys/fs/cgroup{group}");
            let ours = rustix::fs::access(folder.as_str(), rustix::fs::Access::WRITE_OK).is_ok();
            Finding::ok(
                name,
                format!("version 2, {}", if ours { "delegated to this user" } else { "not delegated" }),
            )
        }
        _ => Finding::warn(name, "no version 2 here", "memory and CPU are then read process by process"),
    }
}

fn systemd() -> Finding {
    let name = "systemd";
    if !sd_notify::booted().unwrap_or(false) || !on_path("systemctl") {
        return Finding::ok(name, "not here; `tsup start` needs none");
    }
    let user = std::env::var("USER").unwrap_or_default();
    let stays =
        !user.is_empty() && !user.contains('/') && Path::new("/var/lib/systemd/linger").join(&user).exists();
    if stays || rustix::process::geteuid().is_root() {
        return Finding::ok(name, "here; a unit is in docs/systemd/tsup.service");
    }
    Finding::warn(
        name,
        "ends the services of this user at logout",
        "`loginctl enable-linger` keeps tmux and tsup when nobody is logged in",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::Level;

    #[test]
    fn a_release_is_read_as_numbers() {
        assert_eq!(release("6.1.0-18-amd64"), Some((6, 1)));
        assert_eq!(release("5.9"), Some((5, 9)));
        assert!(release("5.9").unwrap() < LINUX_MIN && release("5.10.1").unwrap() >= LINUX_MIN);
        assert_eq!(release("not known"), None);
    }

    #[test]
    fn a_home_that_can_be_made_is_well() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::resolve(Some(&dir.path().join("a/b"))).unwrap();
        assert_ne!(home(&paths).level, Level::Fix);
        assert!(!paths.home.exists(), "the doctor only looks");
        std::fs::create_dir(dir.path().join("a")).unwrap();
        std::fs::write(dir.path().join("a/b"), "").unwrap();
        assert_eq!(home(&paths).level, Level::Fix);
    }
}
