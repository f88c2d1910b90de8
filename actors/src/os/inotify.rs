//! Tells that something was written to a terminal device, without opening it.
//!
//! A write of a program to `/dev/pts/N` is a modification of that file to inotify(7), whoever reads the
//! other end and whatever it does. When the terminal is closed for good its device goes, and that is told
//! too. Where there is no inotify, [`TtyWatch::new`] says so and its caller does without.
#![cfg_attr(
    target_os = "linux",
    expect(unsafe_code, reason = "registering a descriptor has no safe wrapper")
)]

/// What was seen at a watched device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Seen {
    /// Something was written.
    Wrote(WatchId),
    /// The device is gone, and the watch with it.
    Gone(WatchId),
    /// The kernel dropped events: anything may have been written anywhere.
    Overflow,
}

/// A watch, for as long as it stands. Ids are not used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WatchId(i32);

pub use imp::TtyWatch;

#[cfg(target_os = "linux")]
mod imp {
    use std::io;
    use std::mem::MaybeUninit;
    use std::os::fd::OwnedFd;
    use std::os::unix::fs::FileTypeExt as _;
    use std::path::Path;

    use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    use super::{Seen, WatchId};

    /// Bytes read at a time: 256 events, which have no names.
    const BUFFER_BYTES: usize = 4096;

    /// Watches terminal devices.
    #[derive(Debug)]
    pub struct TtyWatch {
        fd: AsyncFd<OwnedFd>,
    }

    impl TtyWatch {
        /// A watcher of nothing yet. Must be called within the runtime.
        pub fn new() -> io::Result<Self> {
            let fd = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
            // SAFETY: the `AsyncFd` owns the descriptor, and an `OwnedFd` answers the same descriptor for as
            // long as it lives; nothing takes it out again.
            let fd = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }?;
            Ok(TtyWatch { fd })
        }

        /// Watches a device. Two devices never share a watch.
        pub fn add(&self, tty: &Path) -> io::Result<WatchId> {
            if !tty.starts_with("/dev") || !std::fs::metadata(tty)?.file_type().is_char_device() {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            let flags = WatchFlags::MODIFY | WatchFlags::DELETE_SELF;
            Ok(WatchId(inotify::add_watch(&self.fd, tty, flags)?))
        }

        /// Ends a watch; nothing happens when it has ended.
        pub fn remove(&self, watch: WatchId) {
            let _ = inotify::remove_watch(&self.fd, watch.0);
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
            let (watch, flags) = (WatchId(event.wd()), event.events());
            if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
                each(Seen::Overflow);
            } else if flags.contains(ReadFlags::IGNORED) {
                each(Seen::Gone(watch));
            } else if flags.contains(ReadFlags::MODIFY) {
                each(Seen::Wrote(watch));
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod imp {
    use std::io;
    use std::path::Path;

    use super::{Seen, WatchId};

    /// Watches nothing: this system tells nothing about writes to a terminal.
    #[derive(Debug)]
    pub struct TtyWatch(());

    impl TtyWatch {
        /// Says that there is no such watch.
        pub fn new() -> io::Result<Self> {
            Err(io::ErrorKind::Unsupported.into())
        }

        /// Says that there is no such watch.
        pub fn add(&self, _tty: &Path) -> io::Result<WatchId> {
            Err(io::ErrorKind::Unsupported.into())
        }

        /// Does nothing.
        pub fn remove(&self, _watch: WatchId) {}

        /// Waits for ever.
        pub async fn seen(&self, _each: impl FnMut(Seen)) -> io::Result<()> {
            std::future::pending().await
        }
    }
}
