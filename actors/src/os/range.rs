//! Locks on a part of a file that belong to whoever has it open (fcntl_locking(2), "open file description locks").
//!
//! Such a lock ends when the last descriptor of that one opening is closed, so it ends with its process, however
//! that ends. Closing another descriptor of the same file does not touch it, which other locks on parts do not promise.
#![expect(unsafe_code, reason = "locks of an open file description have no safe wrapper")]

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd as _;

/// Takes the lock on these bytes. `false` when somebody else has it.
pub fn try_lock(file: &File, bytes: &Range<u64>) -> io::Result<bool> {
    match call(file, libc::F_OFD_SETLK, libc::F_WRLCK, bytes) {
        Ok(_) => Ok(true),
        Err(e) if matches!(e.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
        Err(e) => Err(e),
    }
}

/// Lets go of it. Nothing happens where it was not taken.
pub fn unlock(file: &File, bytes: &Range<u64>) -> io::Result<()> {
    call(file, libc::F_OFD_SETLK, libc::F_UNLCK, bytes).map(drop)
}

/// Whether somebody else has it.
pub fn is_locked(file: &File, bytes: &Range<u64>) -> io::Result<bool> {
    Ok(call(file, libc::F_OFD_GETLK, libc::F_WRLCK, bytes)? != libc::F_UNLCK)
}

/// Answers the kind of lock that stands in the structure afterwards.
fn call(file: &File, what: i32, kind: i32, bytes: &Range<u64>) -> io::Result<i32> {
    // SAFETY: the structure is plain numbers, for which zeroes are a value.
    let mut lock = unsafe { std::mem::zeroed::<libc::flock>() };
    let offset =
        |at: u64| libc::off_t::try_from(at).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput));
    lock.l_type = kind as libc::c_short;
    lock.l_whence = libc::SEEK_SET as libc::c_short;
    lock.l_start = offset(bytes.start)?;
    lock.l_len = offset(bytes.end.saturating_sub(bytes.start))?;
    loop {
        // SAFETY: the descriptor is open for as long as `file` is borrowed; the kernel reads the structure and may
        // write to it, and it outlives the call.
        if unsafe { libc::fcntl(file.as_raw_fd(), what, &raw mut lock) } != -1 {
            return Ok(lock.l_type.into());
        }
        let e = io::Error::last_os_error();
        if e.kind() != io::ErrorKind::Interrupted {
            return Err(e);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_belongs_to_one_opening() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let open = || File::options().read(true).write(true).open(file.path()).unwrap();
        let (one, other) = (open(), open());
        assert!(try_lock(&one, &(0..10)).unwrap());
        assert!(try_lock(&one, &(0..10)).unwrap(), "one's own lock is no obstacle");
        assert!(!is_locked(&one, &(0..10)).unwrap());
        assert!(is_locked(&other, &(0..10)).unwrap());
        assert!(!try_lock(&other, &(5..15)).unwrap());
        assert!(try_lock(&other, &(10..20)).unwrap());
        drop(open());
        assert!(is_locked(&other, &(0..10)).unwrap(), "closing another opening lets nothing go");
        unlock(&one, &(0..10)).unwrap();
        assert!(!is_locked(&other, &(0..10)).unwrap());
        drop(other);
        assert!(!is_locked(&one, &(10..20)).unwrap());
    }
}
