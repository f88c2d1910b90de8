//! Namespaces and rights of one process: its own view of the file system, a network of its own, fewer rights.
//!
//! Everything here changes the process that calls it for ever, and is meant for one that is about to execute
//! something else. Systems other than Linux have none of it: their host says so before anybody calls.
#![expect(
    unsafe_code,
    reason = "leaving namespaces has no safe wrapper, nor has asking for Landlock's version"
)]

use std::ffi::CStr;
use std::fs;
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::mount::{
    MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, mount, mount_bind, mount_change,
    mount_remount, move_mount, open_tree,
};
use rustix::pipe::PipeFlags;
use rustix::thread::{
    CapabilitySet, LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe,
};

use super::fork::{self, Fork};

/// Which namespaces a process leaves.
#[derive(Debug, Clone, Copy, Default)]
pub struct Leave {
    /// Of users: the others can then be left without rights.
    pub users: bool,
    /// Of mounts, and of shared memory and queues with them: what the user's processes leave there has no paths.
    pub mounts: bool,
    /// Of the network.
    pub network: bool,
}

/// Leaves namespaces for ones of its own. Its user and group stay what they are.
pub fn leave(what: Leave) -> io::Result<()> {
    let mut flags = UnshareFlags::empty();
    flags.set(UnshareFlags::NEWUSER, what.users);
    flags.set(UnshareFlags::NEWNS, what.mounts);
    flags.set(UnshareFlags::NEWNET, what.network);
    let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
    let shared = if what.mounts { UnshareFlags::NEWIPC } else { UnshareFlags::empty() };
    // SAFETY: `UnshareFlags::FILES` is not among the flags.
    match unsafe { unshare_unsafe(flags | shared) } {
        // A kernel that shares nothing that way.
        // SAFETY: as above.
        Err(rustix::io::Errno::INVAL) if what.mounts => unsafe { unshare_unsafe(flags) }?,
        left => left?,
    }
    if what.users {
        // What is not to be looked into has files of root's in /proc, and these are written to.
        rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::Dumpable)?;
        // Without this the kernel takes no map of groups from an ordinary user.
        fs::write("/proc/self/setgroups", "deny")?;
        itself("/proc/self/uid_map", user.as_raw())?;
        itself("/proc/self/gid_map", group.as_raw())?;
    }
    if what.mounts {
        // What the host mounts later is seen, and nothing that is mounted here is seen there.
        mount_change("/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)?;
    }
    Ok(())
}

/// Makes an empty network that stays for as long as its descriptor is open, for processes to come. This one
/// must have one thread; it does not go there itself.
pub fn empty_network() -> io::Result<OwnedFd> {
    let (told, tell) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
    let child = match fork::fork()? {
        Fork::Child => {
            // Nobody may take this process for the one that made it, whose descriptors it has copies of, nor may it outlive
            // that one.
            let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
            super::own::close_but(tell.as_fd());
            let left = leave(Leave { network: true, ..Leave::default() });
            let _ = rustix::io::write(&tell, &[u8::from(left.is_ok())]);
            // It is killed as soon as its network is held by somebody else.
            loop {
                let _ = rustix::event::poll(&mut [], None);
            }
        }
        Fork::Parent { child } => child,
    };
    drop(tell);
    let mut made = [0];
    let _ = rustix::io::read(&told, &mut made);
    let held =
        rustix::fs::open(format!("/proc/{child}/ns/net"), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
    if let Some(child) = rustix::process::Pid::from_raw(child.cast_signed()) {
        rustix::process::kill_process(child, rustix::process::Signal::KILL)?;
        rustix::process::waitpid(Some(child), rustix::process::WaitOptions::empty())?;
    }
    if made == [1] { Ok(held?) } else { Err(io::ErrorKind::PermissionDenied.into()) }
}

/// Goes into a network that somebody made.
pub fn enter_network(network: &OwnedFd) -> io::Result<()> {
    Ok(move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))?)
}

/// Writes a map of one number to itself. It takes no memory, so that it can be done between fork and exec.
fn itself(file: &str, number: u32) -> io::Result<()> {
    let mut line = [0_u8; 32];
    let mut rest = &mut line[..];
    write!(rest, "{number} {number} 1")?;
    let left = rest.len();
    fs::write(file, &line[..line.len() - left])
}

/// A piece of the file system that was taken hold of before it is hidden.
#[derive(Debug)]
pub struct Piece<'a> {
    path: &'a str,
    tree: OwnedFd,
    folder: bool,
}

/// Takes hold of what stands at `path`; `None` when there is nothing.
pub fn take(path: &str) -> io::Result<Option<Piece<'_>>> {
    let flags =
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    match open_tree(CWD, path, flags) {
        Ok(tree) => Ok(Some(Piece { path, tree, folder: Path::new(path).is_dir() })),
        Err(rustix::io::Errno::NOENT) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

/// Readable by all, writable by none once it is mounted anew, and too small to keep anything.
const EMPTY: &CStr = c"mode=755,size=64k";

/// Lays an empty folder over `folder`, and `kept` into it again. A folder that is not there needs none.
pub fn hide_folder(folder: &str, kept: &[Piece<'_>]) -> io::Result<()> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    match mount("tmpfs", folder, "tmpfs", flags, EMPTY) {
        Ok(()) => {}
        Err(rustix::io::Errno::NOENT) => return Ok(()),
        Err(e) => return Err(e.into()),
    }
    for piece in kept.iter().filter(|p| Path::new(p.path).starts_with(folder)) {
        let path = Path::new(piece.path);
        if piece.folder {
            fs::create_dir_all(path)?;
        } else {
            fs::create_dir_all(path.parent().unwrap_or(path))?;
            let new = OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC;
            rustix::fs::open(path, new, Mode::RUSR)?;
        }
        move_mount(&piece.tree, "", CWD, path, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?;
    }
    // Of this mount alone, as BIND says: whatever stands at that path, nobody else's is changed.
    mount_remount(folder, flags | MountFlags::BIND | MountFlags::RDONLY, c"")?;
    Ok(())
}

/// Lays a dead device over a socket, so that nobody gets through. One that is not there needs none.
pub fn hide_socket(path: &str) -> io::Result<()> {
    match mount_bind("/dev/null", path) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

/// What root keeps for its own files and processes; the rest leads out of a fence.
const KEPT: CapabilitySet =
    CapabilitySet::DAC_OVERRIDE.union(CapabilitySet::KILL).union(CapabilitySet::NET_BIND_SERVICE);

/// What root keeps besides, unless it is held strictly: to be another user, and to change whose files are, or what is
/// another user's. No mechanism bounds on which files it does so.
const KEPT_OF_OTHERS: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETUID);

/// Gives up what a program could gain rights by, and root's rights over the machine; what is executed next
/// has no more than this.
pub fn shed_rights(strict: bool) -> io::Result<()> {
    let kept = if strict { KEPT } else { KEPT.union(KEPT_OF_OTHERS) };
    if rustix::process::geteuid().is_root() {
        for one in (0..64).map(|bit| CapabilitySet::from_bits_retain(1 << bit)) {
            if kept.contains(one) {
                continue;
            }
            match rustix::thread::remove_capability_from_bounding_set(one) {
                Ok(()) => {}
                // The first one that the kernel does not know.
                Err(rustix::io::Errno::INVAL) => break,
                Err(e) => return Err(e.into()),
            }
        }
        rustix::thread::clear_ambient_capability_set()?;
    }
    Ok(rustix::thread::set_no_new_privs(true)?)
}

/// The version of Landlock; 0 for none.
pub fn landlock() -> u32 {
    const VERSION: libc::c_ulong = 1;
    let none = std::ptr::null::<libc::c_void>();
    // SAFETY: with this flag the kernel takes no attribute and makes nothing; it answers a number.
    let version = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, none, 0_usize, VERSION) };
    u32::try_from(version).unwrap_or(0)
}

/// Whether the kernel can refuse system calls by a filter.
pub fn seccomp() -> bool {
    const ACTION_AVAILABLE: libc::c_ulong = 2;
    let action: u32 = libc::SECCOMP_RET_ERRNO;
    // SAFETY: the kernel reads one number from `action`, which outlives the call, and changes nothing.
    unsafe { libc::syscall(libc::SYS_seccomp, ACTION_AVAILABLE, 0_usize, &raw const action) == 0 }
}

/// Whether `path` is a folder that this process may write to.
pub fn may_write(path: &Path) -> bool {
    let access = rustix::fs::Access::WRITE_OK;
    rustix::fs::accessat(CWD, path, access, AtFlags::EACCESS).is_ok()
}
