//! Tells that something was written to a terminal device, without opening it.
//!
//! A write of a program to `/dev/pts/N` is a modification of that file to inotify(7), whoever reads the
//! other end and whatever it does. When the terminal is closed for good its device goes, and that is told
//! too. Where there is no inotify, [`TtyWatch::new`] says so and its caller does without.

use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use super::inotify::{Inotify, Told, Wanted};

/// A watch, for as long as it stands. Ids are not used twice.
pub use super::inotify::WatchId;

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

/// Watches terminal devices.
#[derive(Debug)]
pub struct TtyWatch(Inotify);

impl TtyWatch {
    /// A watcher of nothing yet. Must be called within the runtime.
    pub fn new() -> io::Result<Self> {
        Inotify::new().map(TtyWatch)
    }

    /// Watches a device. Two devices never share a watch.
    pub fn add(&self, tty: &Path) -> io::Result<WatchId> {
        if !tty.starts_with("/dev") || !std::fs::metadata(tty)?.file_type().is_char_device() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        self.0.add(tty, Wanted::Writes)
    }

    /// Ends a watch; nothing happens when it has ended.
    pub fn remove(&self, watch: WatchId) {
        self.0.remove(watch);
    }

    /// Waits until something is seen, and gives all that has been seen by then.
    pub async fn seen(&self, mut each: impl FnMut(Seen)) -> io::Result<()> {
        let say = |told: Told<'_>| {
            each(match told {
                Told::Changed(watch, _) => Seen::Wrote(watch),
                Told::Gone(watch) => Seen::Gone(watch),
                Told::Overflow => Seen::Overflow,
            });
        };
        self.0.told(say).await
    }
}
