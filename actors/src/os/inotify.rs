//! What inotify(7) tells of watched paths, for the two watches that are built on it: [`super::tty`] and
//! [`super::folder`]. Where there is no inotify, [`Inotify::new`] says so and its caller does without.
#![cfg_attr(
    target_os = "linux",
    expect(unsafe_code, reason = "registering a descriptor has no safe wrapper")
)]

use std::ffi::OsStr;

/// What is waited for at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Writes to a file or device, until it goes.
    Writes,
    /// Files of a folder that are written, made, or moved there.
    Entries,
    /// Whatever becomes of a folder's files, or of the folder: they may also go, or change their rights.
    Fates,
    /// Only that the folder is gone, or was moved away.
    Place,
}

/// What was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told<'a> {
    /// Something happened; the name is that of a folder's entry.
    Changed(WatchId, Option<&'a OsStr>),
    /// The path is gone or stands elsewhere: the watch tells nothing of it any more.
    Gone(WatchId),
    /// The kernel dropped events: anything may have happened.
    Overflow,
}

/// A watch, for as long as it stands. Ids are not used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WatchId(i32);

pub use imp::Inotify;

#[cfg(target_os = "linux")]
mod imp {
    use std::ffi::OsStr;
    use std::io;
    use std::mem::MaybeUninit;
    use std::os::fd::OwnedFd;
    use std::os::unix::ffi::OsStrExt as _;
    use std::path::Path;

    use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    use super::{Told, Wanted, WatchId};

    /// Bytes read at a time: some thousand events without names, some hundred with them.
    const BUFFER_BYTES: usize = 16 * 1024;

    /// What happens to a folder's entries. Only what a watch asked for is told of it.
    const CHANGES: ReadFlags = ReadFlags::MODIFY
        .union(ReadFlags::ATTRIB)
        .union(ReadFlags::CREATE)
        .union(ReadFlags::DELETE)
        .union(ReadFlags::MOVED_FROM)
        .union(ReadFlags::MOVED_TO);

    /// The kernel's list of watches.
    #[derive(Debug)]
    pub struct Inotify {
        fd: AsyncFd<OwnedFd>,
    }

    impl Inotify {
        /// Watches nothing yet. Must be called within the runtime.
        pub fn new() -> io::Result<Self> {
            let fd = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
            // SAFETY: the `AsyncFd` owns the descriptor, and an `OwnedFd` answers the same descriptor for as
            // long as it lives; nothing takes it out again.
            let fd = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }?;
            Ok(Inotify { fd })
        }

        /// Watches a path. The same file has the same watch, whatever path leads there.
        pub fn add(&self, path: &Path, wanted: Wanted) -> io::Result<WatchId> {
            let flags = match wanted {
                Wanted::Writes => WatchFlags::MODIFY | WatchFlags::DELETE_SELF,
                Wanted::Entries => {
                    WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::ONLYDIR
                }
                Wanted::Fates => {
                    WatchFlags::MODIFY
                        | WatchFlags::ATTRIB
                        | WatchFlags::CREATE
                        | WatchFlags::DELETE
                        | WatchFlags::MOVE
                        | WatchFlags::MOVE_SELF
                        | WatchFlags::ONLYDIR
                }
                Wanted::Place => WatchFlags::MOVE_SELF | WatchFlags::ONLYDIR,
            };
            Ok(WatchId(inotify::add_watch(&self.fd, path, flags)?))
        }

        /// Ends a watch; nothing happens when it has ended.
        pub fn remove(&self, watch: WatchId) {
            let _ = inotify::remove_watch(&self.fd, watch.0);
        }

        /// Waits until something is told, and gives all that has been told by then.
        pub async fn told(&self, mut each: impl FnMut(Told<'_>)) -> io::Result<()> {
            loop {
                let mut ready = self.fd.readable().await?;
                if drain(&self.fd, &mut each)? {
                    return Ok(());
                }
                ready.clear_ready();
            }
        }
    }

    /// Whether there was anything.
    fn drain(fd: &AsyncFd<OwnedFd>, each: &mut impl FnMut(Told<'_>)) -> io::Result<bool> {
        let mut buffer = [MaybeUninit::uninit(); BUFFER_BYTES];
        let mut reader = inotify::Reader::new(fd, &mut buffer);
        let mut any = false;
        loop {
            let event = match reader.next() {
                Ok(event) => event,
                Err(e) if e == rustix::io::Errno::AGAIN => return Ok(any),
                Err(e) if e == rustix::io::Errno::INTR => continue,
                Err(e) => return Err(e.into()),
            };
            any = true;
            let (watch, flags) = (WatchId(event.wd()), event.events());
            if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
                each(Told::Overflow);
            } else if flags.intersects(ReadFlags::IGNORED | ReadFlags::MOVE_SELF) {
                each(Told::Gone(watch));
            } else if flags.intersects(CHANGES) {
                each(Told::Changed(watch, event.file_name().map(|n| OsStr::from_bytes(n.to_bytes()))));
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod imp {
    use std::io;
    use std::path::Path;

    use super::{Told, Wanted, WatchId};

    /// Watches nothing: this system tells nothing of paths.
    #[derive(Debug)]
    pub struct Inotify(());

    impl Inotify {
        /// Says that there is no such watch.
        pub fn new() -> io::Result<Self> {
            Err(io::ErrorKind::Unsupported.into())
        }

        /// Says that there is no such watch.
        pub fn add(&self, _path: &Path, _wanted: Wanted) -> io::Result<WatchId> {
            Err(io::ErrorKind::Unsupported.into())
        }

        /// Does nothing.
        pub fn remove(&self, _watch: WatchId) {}

        /// Waits for ever.
        pub async fn told(&self, _each: impl FnMut(Told<'_>)) -> io::Result<()> {
            std::future::pending().await
        }
    }
}
