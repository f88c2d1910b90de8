//! Tells that files of a folder changed: written to, made, or moved there.
//!
//! One watch on a folder (inotify(7)) tells of all files in it, also of those that take another's place.
//! Where there is no inotify, [`FolderWatch::new`] says so and its caller looks from time to time.
#![cfg_attr(
    target_os = "linux",
    expect(unsafe_code, reason = "registering a descriptor has no safe wrapper")
)]

use std::ffi::OsString;

/// What was seen in a watched folder.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Seen {
    /// A file of that name changed.
    Changed(FolderId, OsString),
    /// The folder is gone, and the watch with it.
    Gone(FolderId),
    /// The kernel dropped events: anything may have changed.
    Overflow,
}

/// A watch on a folder, for as long as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FolderId(i32);

pub use imp::FolderWatch;

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

    use super::{FolderId, Seen};

    /// Bytes read at a time: some hundred events with the names of both CLIs.
    const BUFFER_BYTES: usize = 16 * 1024;

    /// Watches folders.
    #[derive(Debug)]
    pub struct FolderWatch {
        fd: AsyncFd<OwnedFd>,
    }

    impl FolderWatch {
        /// A watcher of nothing yet. Must be called within the runtime.
        pub fn new() -> io::Result<Self> {
            let fd = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
            // SAFETY: the `AsyncFd` owns the descriptor, and an `OwnedFd` answers the same descriptor for as
            // long as it lives; nothing takes it out again.
            let fd = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }?;
            Ok(FolderWatch { fd })
        }

        /// Watches a folder. The same folder has the same watch, whatever path leads there.
        pub fn add(&self, folder: &Path) -> io::Result<FolderId> {
            let flags = WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::ONLYDIR;
            Ok(FolderId(inotify::add_watch(&self.fd, folder, flags)?))
        }

        /// Ends a watch; nothing happens when it has ended.
        pub fn remove(&self, folder: FolderId) {
            let _ = inotify::remove_watch(&self.fd, folder.0);
        }

        /// Waits until something is seen, and gives all that has been seen by then.
        pub async fn seen(&self, mut each: impl FnMut(Seen)) -> io::Result<()> {
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
    fn drain(fd: &AsyncFd<OwnedFd>, each: &mut impl FnMut(Seen)) -> io::Result<bool> {
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
            let (folder, flags) = (FolderId(event.wd()), event.events());
            if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
                each(Seen::Overflow);
            } else if flags.contains(ReadFlags::IGNORED) {
                each(Seen::Gone(folder));
            } else if let Some(name) = event.file_name() {
                each(Seen::Changed(folder, OsStr::from_bytes(name.to_bytes()).to_owned()));
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod imp {
    use std::io;
    use std::path::Path;

    use super::{FolderId, Seen};

    /// Watches nothing: this system tells nothing about changes in a folder.
    #[derive(Debug)]
    pub struct FolderWatch(());

    impl FolderWatch {
        /// Says that there is no such watch.
        pub fn new() -> io::Result<Self> {
            Err(io::ErrorKind::Unsupported.into())
        }

        /// Says that there is no such watch.
        pub fn add(&self, _folder: &Path) -> io::Result<FolderId> {
            Err(io::ErrorKind::Unsupported.into())
        }

        /// Does nothing.
        pub fn remove(&self, _folder: FolderId) {}

        /// Waits for ever.
        pub async fn seen(&self, _each: impl FnMut(Seen)) -> io::Result<()> {
            std::future::pending().await
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn writes_and_replacements_are_told_by_name() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("old"), "").unwrap();
        let watch = FolderWatch::new().unwrap();
        let id = watch.add(dir.path()).unwrap();
        assert!(watch.add(&dir.path().join("old")).is_err(), "a file is no folder");
        let named = |name: &str| Seen::Changed(id, name.into());
        let mut all = Vec::new();
        std::fs::write(dir.path().join("old"), "x").unwrap();
        std::fs::rename(dir.path().join("old"), dir.path().join("new")).unwrap();
        while !all.contains(&named("new")) {
            watch.seen(|s| all.push(s)).await.unwrap();
        }
        assert!(all.contains(&named("old")), "{all:?}");
        drop(dir);
        while !all.contains(&Seen::Gone(id)) {
            watch.seen(|s| all.push(s)).await.unwrap();
        }
    }
}
