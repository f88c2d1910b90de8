//! Whether the home is still the one that this supervisor holds.
//!
//! The lock is on a file and the database is open, whatever becomes of their names. Who removes a home and starts
//! another supervisor in its place would have two of them, each with the same paths and schedules; what the first one
//! acknowledges is kept nowhere any more.

use std::path::{Path, PathBuf};

use tokio::sync::watch;
use tsup_actors::os::name::{self, Name};
use tsup_actors::store::StoreError;
use tsup_core::error::{Exit, UserError};
use tsup_core::limits::HOME_LOOK;

/// What is looked at.
#[derive(Debug)]
pub(super) struct Held {
    /// The lock's file, and which one is locked.
    pub(super) lock: (PathBuf, Name),
    /// The database, and which file of it is open.
    pub(super) database: (PathBuf, watch::Receiver<Option<Name>>),
    /// What is wrong with the database: whoever mends it may move it aside.
    pub(super) health: watch::Receiver<Option<StoreError>>,
}

impl Held {
    /// Waits until one of them is not there any more, or another one is in its place.
    pub(super) async fn lost(self) -> UserError {
        loop {
            tokio::time::sleep(HOME_LOOK).await;
            let (lock, named) = self.lock.clone();
            let open = self.health.borrow().is_none().then(|| *self.database.1.borrow()).flatten();
            let mut wanted = vec![(lock, named)];
            wanted.extend(open.map(|file| (self.database.0.clone(), file)));
            // A disk may be slow: a thread waits for it.
            let look = move || wanted.into_iter().find(|(path, file)| !is_there(path, *file));
            let Ok(Some((path, file))) = tokio::task::spawn_blocking(look).await else { continue };
            // One that was opened anew meanwhile is another one, and as it should be.
            if path == self.database.0 && *self.database.1.borrow() != Some(file) {
                continue;
            }
            let what = format!("{} was removed or replaced while it was in use", path.display());
            return UserError::new(Exit::Failed, what)
                .hint("nothing can be kept any more; `tsup start` begins with what is there now");
        }
    }
}

/// What cannot be looked at may be there.
fn is_there(path: &Path, file: Name) -> bool {
    match name::of(path) {
        Ok(there) => there == file,
        Err(e) => e.kind() != std::io::ErrorKind::NotFound,
    }
}
