//! Follows the person's own profiles: a task that looks at their folder every few seconds.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::watch;
use tsup_actors::fleet::profiles::{Shelf, Shelved, shipped};
use tsup_core::fleet::profile::Profiles;
use tsup_core::limits::PROFILES_LOOK;
use tsup_core::settings::Settings;

use crate::config::config_folder;

/// What the fleet reads, and what `status` tells of it.
pub(super) struct Followed {
    pub(super) profiles: watch::Receiver<Arc<Profiles>>,
    pub(super) complaints: watch::Receiver<Vec<String>>,
}

/// Reads the profiles, and again whenever their folder changes, for as long as somebody wants them.
pub(super) async fn follow(settings: watch::Receiver<Arc<Settings>>) -> Followed {
    let profiles = watch::Sender::new(Arc::new(shipped()));
    let complaints = watch::Sender::new(Vec::new());
    let followed = Followed { profiles: profiles.subscribe(), complaints: complaints.subscribe() };
    let shelf = look(Shelf::default(), &settings, &profiles, &complaints).await;
    tokio::spawn(keep(shelf, settings, profiles, complaints));
    followed
}

async fn keep(
    mut shelf: Shelf,
    mut settings: watch::Receiver<Arc<Settings>>,
    profiles: watch::Sender<Arc<Profiles>>,
    complaints: watch::Sender<Vec<String>>,
) {
    loop {
        tokio::select! {
            changed = settings.changed() => if changed.is_err() { return },
            () = profiles.closed() => return,
            () = tokio::time::sleep(PROFILES_LOOK) => {}
        }
        shelf = look(shelf, &settings, &profiles, &complaints).await;
    }
}

/// One look, off the runtime's threads: the folder may lie on a slow disk.
async fn look(
    shelf: Shelf,
    settings: &watch::Receiver<Arc<Settings>>,
    profiles: &watch::Sender<Arc<Profiles>>,
    complaints: &watch::Sender<Vec<String>>,
) -> Shelf {
    let folder = folder(&settings.borrow());
    let looked = tokio::task::spawn_blocking(move || {
        let mut shelf = shelf;
        let shelved = shelf.look(folder.as_deref());
        (shelf, shelved)
    });
    let Ok((shelf, shelved)) = looked.await else { return Shelf::default() };
    if let Some(Shelved { profiles: read, complaints: wrong }) = shelved {
        for complaint in &wrong {
            tracing::error!(complaint, "a profile is not taken as it is; what was good before holds");
        }
        profiles.send_if_modified(|before| {
            let changed = *before != read;
            *before = read;
            changed
        });
        complaints.send_replace(wrong);
    }
    shelf
}

/// The folder of the configuration, else `$XDG_CONFIG_HOME/tsup/profiles`.
pub(crate) fn folder(settings: &Settings) -> Option<PathBuf> {
    let own = settings.fleet.profiles.as_deref().map(Path::new).map(Path::to_owned);
    own.or_else(|| config_folder().map(|dir| dir.join("tsup").join("profiles")))
}
