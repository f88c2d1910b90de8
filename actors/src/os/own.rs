//! Files that are this user's alone, and descriptors that this process was started with.
#![expect(unsafe_code, reason = "closing what nobody in this process owns has no safe wrapper")]

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags};

/// Opens a file for appending, and makes it when it is not there: private, a plain file of this user, and no
/// link. A link could lead into any file of the user, a pipe would wait for a reader; both are refused. One
/// that others may read is closed to them.
pub fn append(path: &Path) -> io::Result<File> {
    let flags = OFlags::WRONLY
        | OFlags::APPEND
        | OFlags::CREATE
        | OFlags::NOFOLLOW
        | OFlags::NONBLOCK
        | OFlags::CLOEXEC;
    let private = Mode::RUSR | Mode::WUSR;
    let file = rustix::fs::open(path, flags, private)?;
    let facts = rustix::fs::fstat(&file)?;
    if FileType::from_raw_mode(facts.st_mode) != FileType::RegularFile {
        return Err(io::Error::other("it is not a plain file"));
    }
    if facts.st_uid != rustix::process::geteuid().as_raw() {
        return Err(io::Error::other(format!("it belongs to uid {}", facts.st_uid)));
    }
    if facts.st_mode & 0o777 != private.bits() {
        rustix::fs::fchmod(&file, private)?;
    }
    Ok(file.into())
}

/// Closes every descriptor above the standard ones: what a shell or a service manager left open for its own ends goes on
/// to whatever is executed, past every fence, and a lock among them is held for as long.
/// It is for the beginning of a program, before that opens anything, and refused once it has more than one thread.
pub fn close_inherited() -> io::Result<()> {
    const FIRST: libc::c_uint = 3;
    super::fork::alone()?;
    #[cfg(target_os = "linux")]
    // SAFETY: the call reads numbers. Nothing was opened yet, so nobody here owns what it closes.
    if unsafe { libc::syscall(libc::SYS_close_range, FIRST, libc::c_uint::MAX, 0) } == 0 {
        return Ok(());
    }
    let open: Vec<i32> = std::fs::read_dir("/dev/fd")?
        .filter_map(|fd| fd.ok()?.file_name().to_str()?.parse().ok())
        .filter(|fd: &i32| fd.cast_unsigned() >= FIRST)
        .collect();
    for fd in open {
        // SAFETY: as above; the one that listed them is closed by now, and closing it again does nothing.
        unsafe { libc::close(fd) };
    }
    Ok(())
}

/// Closes every descriptor above the standard ones but one. It is for a copy of this process that uses none of the others
/// again.
pub fn close_but(kept: BorrowedFd<'_>) {
    #[cfg(target_os = "linux")]
    {
        let kept = kept.as_raw_fd().cast_unsigned();
        for (first, last) in [(3, kept.saturating_sub(1)), (kept.saturating_add(1).max(3), libc::c_uint::MAX)]
        {
            if first <= last {
                // SAFETY: the call reads numbers, and the caller gave up whatever it closes.
                unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
            }
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = kept;
}

/// Keeps other processes of the user from looking into this one and its copies, or driving them. What it executes
/// can be looked into again.
pub fn close_to_others() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn only_a_plain_file_of_ones_own_is_written_to_and_it_becomes_private() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link, pipe) = (dir.path().join("a"), dir.path().join("link"), dir.path().join("pipe"));
        append(&file).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        append(&file).unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        symlink(&file, &link).unwrap();
        assert!(append(&link).is_err(), "a link is not followed");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        assert!(append(&pipe).is_err(), "nobody reads from it");
        let reader = std::fs::File::options().read(true).write(true).open(&pipe).unwrap();
        assert!(append(&pipe).is_err(), "whoever reads from it");
        drop(reader);
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&file, Some(65534), None).unwrap();
            assert!(append(&file).unwrap_err().to_string().contains("uid 65534"));
        }
    }
}
