//! Tells that files of a folder changed: written to, made, or moved there.
//!
//! One watch on a folder (inotify(7)) tells of all files in it, also of those that take another's place.
//! Where there is no inotify, [`FolderWatch::new`] says so and its caller looks from time to time.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use super::inotify::{Inotify, Told, Wanted};

/// A watch on a folder, for as long as it stands.
pub use super::inotify::WatchId as FolderId;

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

/// Watches folders.
#[derive(Debug)]
pub struct FolderWatch(Inotify);

impl FolderWatch {
    /// A watcher of nothing yet. Must be called within the runtime.
    pub fn new() -> io::Result<Self> {
        Inotify::new().map(FolderWatch)
    }

    /// Watches a folder. The same folder has the same watch, whatever path leads there.
    pub fn add(&self, folder: &Path) -> io::Result<FolderId> {
        self.0.add(folder, Wanted::Entries)
    }

    /// The same, and tells also of files that go or change their rights, and of a folder that is moved away.
    pub fn add_fates(&self, folder: &Path) -> io::Result<FolderId> {
        self.0.add(folder, Wanted::Fates)
    }

    /// Tells of a folder only that it is gone or was moved away.
    pub fn add_place(&self, folder: &Path) -> io::Result<FolderId> {
        self.0.add(folder, Wanted::Place)
    }

    /// Ends a watch; nothing happens when it has ended.
    pub fn remove(&self, folder: FolderId) {
        self.0.remove(folder);
    }

    /// Waits until something is seen, and gives all that has been seen by then.
    pub async fn seen(&self, mut each: impl FnMut(Seen)) -> io::Result<()> {
        let say = |told: Told<'_>| match told {
            Told::Changed(folder, Some(name)) => each(Seen::Changed(folder, name.to_owned())),
            // A change of the folder itself concerns none of its files.
            Told::Changed(_, None) => {}
            Told::Gone(folder) => each(Seen::Gone(folder)),
            Told::Overflow => each(Seen::Overflow),
        };
        self.0.told(say).await
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_folder_that_is_moved_away_is_told_for_what_is_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let (above, moved) = (dir.path().join("a"), dir.path().join("b"));
        std::fs::create_dir_all(above.join("in")).unwrap();
        let watch = FolderWatch::new().unwrap();
        let place = watch.add_place(&above).unwrap();
        watch.add_fates(&above.join("in")).unwrap();
        // What else becomes of it says nothing.
        std::fs::write(above.join("beside"), "x").unwrap();
        std::fs::rename(&above, &moved).unwrap();
        let mut all = Vec::new();
        watch.seen(|s| all.push(s)).await.unwrap();
        assert_eq!(all, [Seen::Gone(place)]);
    }

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
