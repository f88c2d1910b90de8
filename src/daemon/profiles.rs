//! Follows the person's own profiles: a task that looks at their folder every few seconds, and points the
//! link in the home at it for hooks.

use std::io::ErrorKind;
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
pub(super) async fn follow(settings: watch::Receiver<Arc<Settings>>, link: PathBuf) -> Followed {
    let profiles = watch::Sender::new(Arc::new(shipped()));
    let complaints = watch::Sender::new(Vec::new());
    let followed = Followed { profiles: profiles.subscribe(), complaints: complaints.subscribe() };
    let shelf = look(Shelf::default(), &link, &settings, &profiles, &complaints).await;
    tokio::spawn(keep(shelf, link, settings, profiles, complaints));
    followed
}

async fn keep(
    mut shelf: Shelf,
    link: PathBuf,
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
        shelf = look(shelf, &link, &settings, &profiles, &complaints).await;
    }
}

/// One look, off the runtime's threads: the folder may lie on a slow disk.
async fn look(
    shelf: Shelf,
    link: &Path,
    settings: &watch::Receiver<Arc<Settings>>,
    profiles: &watch::Sender<Arc<Profiles>>,
    complaints: &watch::Sender<Vec<String>>,
) -> Shelf {
    let folder = folder(&settings.borrow());
    let link = link.to_owned();
    let looked = tokio::task::spawn_blocking(move || {
        let mut shelf = shelf;
        if let Err(error) = point(&link, folder.as_deref()) {
            tracing::warn!(link = %link.display(), %error, "hooks do not find the folder of the profiles");
        }
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

/// Points a link at a folder, in one step for whoever reads it.
fn point(link: &Path, folder: Option<&Path>) -> std::io::Result<()> {
    let there = std::fs::read_link(link);
    match (folder, there) {
        (Some(folder), Ok(there)) if there == folder => Ok(()),
        (None, Err(e)) if e.kind() == ErrorKind::NotFound => Ok(()),
        // Somebody's own file or folder of this name.
        (_, Err(e)) if e.kind() != ErrorKind::NotFound => Err(e),
        (None, _) => std::fs::remove_file(link),
        (Some(folder), _) => {
            let new = link.with_extension("new");
            let _ = std::fs::remove_file(&new);
            std::os::unix::fs::symlink(folder, &new)?;
            std::fs::rename(&new, link)
        }
    }
}

/// The folder of the configuration, else `$XDG_CONFIG_HOME/tsup/profiles`.
pub(crate) fn folder(settings: &Settings) -> Option<PathBuf> {
    let own = settings.fleet.profiles.as_deref().map(Path::new).map(Path::to_owned);
    own.or_else(|| config_folder().map(|dir| dir.join("tsup").join("profiles")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_follows_the_folder_and_takes_nobodys_place() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("profiles");
        let leads = || std::fs::read_link(&link).ok();
        point(&link, None).unwrap();
        for folder in ["/a", "/b", "/b"] {
            point(&link, Some(Path::new(folder))).unwrap();
            assert_eq!(leads(), Some(folder.into()));
        }
        point(&link, None).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        std::fs::create_dir(&link).unwrap();
        assert!(point(&link, Some(Path::new("/a"))).is_err());
        assert!(link.is_dir() && leads().is_none());
    }
}
