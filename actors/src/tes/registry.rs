//! Owns: the registered scripts, as the registries' files say them.
//! Receives: changes of these files and of the configuration.
//! Sends: nothing; the shelf of scripts is a view that whoever wants to know reads.
//! Bounded by: limits::SCRIPTS_MAX scripts, limits::REGISTRY_BYTES_MAX bytes of a file.
//! Restart: permanent; reads the files again. The shelf stands as it was until then.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;
use tsup_core::limits;

use super::Shared;
use crate::actor::{Actor, Cx, Failure, Timer};
use crate::gate::{Gate, Lane};
use crate::os::folder::FolderWatch;

mod health;
pub(super) mod program;
pub(super) mod shelf;

pub(super) use health::script_doc;
pub use shelf::{Entry, Shelf};

/// What the actor receives.
#[derive(Debug)]
pub(super) enum Msg {
    /// Something changed in a folder that holds a registry.
    Changed,
    /// It has settled, or it is time to look.
    Read,
    /// The shelf as the files say it now. `None` once taken.
    Shelf(Option<Shelf>),
}

/// The actor.
pub(super) struct Registry {
    shared: Shared,
    timer: Option<Timer>,
    /// The folders that are watched.
    watched: Vec<PathBuf>,
    watching: Option<tokio::task::AbortHandle>,
}

impl Registry {
    pub(super) fn new(shared: Shared) -> Self {
        Registry { shared, timer: None, watched: Vec::new(), watching: None }
    }

    fn read(&self, cx: &mut Cx<Self>) {
        let files = self.shared.registries();
        cx.offload(move || shelf::read(&files), |shelf| Msg::Shelf(Some(shelf)));
    }

    /// Watches the folders of the registries. Where that cannot be, they are looked at from time to time.
    fn watch(&mut self, shelf: &Shelf, cx: &mut Cx<Self>) {
        if self.watching.is_some() && self.watched == shelf.folders {
            return;
        }
        self.watched.clone_from(&shelf.folders);
        if let Some(old) = self.watching.take() {
            old.abort();
        }
        let watch = FolderWatch::new().and_then(|watch| {
            shelf.folders.iter().try_for_each(|folder| watch.add(folder).map(|_| ())).map(|()| watch)
        });
        match watch {
            Ok(watch) => self.watching = Some(cx.spawn(tell(watch, cx.gate().clone()))),
            Err(e) => {
                tracing::debug!(error = %e, "registries are looked at from time to time");
                self.timer = Some(cx.after(limits::REGISTRY_LOOK, Lane::Control, Msg::Read));
            }
        }
    }
}

async fn tell(watch: FolderWatch, gate: Gate<Msg>) {
    loop {
        let mut changed = false;
        if let Err(e) = watch.seen(|_| changed = true).await {
            tracing::warn!(error = %e, "changes of registries are not seen any more");
            return;
        }
        if changed {
            gate.insist(Lane::Control, Msg::Changed).await;
        }
    }
}

/// Has the files read again with each new configuration.
async fn follow(mut settings: watch::Receiver<Arc<tsup_core::settings::Settings>>, gate: Gate<Msg>) {
    while settings.changed().await.is_ok() {
        gate.insist(Lane::Control, Msg::Read).await;
    }
}

impl Actor for Registry {
    type Msg = Msg;

    async fn started(&mut self, cx: &mut Cx<Self>) -> Result<(), Failure> {
        cx.spawn(follow(self.shared.settings.clone(), cx.gate().clone()));
        self.read(cx);
        Ok(())
    }

    async fn handle(&mut self, message: &mut Msg, cx: &mut Cx<Self>) -> Result<(), Failure> {
        match message {
            // Editors write in several steps; the last one starts the pause again.
            Msg::Changed => self.timer = Some(cx.after(limits::REGISTRY_SETTLE, Lane::Control, Msg::Read)),
            Msg::Read => self.read(cx),
            Msg::Shelf(shelf) => {
                let Some(shelf) = shelf.take() else { return Ok(()) };
                self.watch(&shelf, cx);
                for problem in &shelf.problems {
                    tracing::warn!(%problem, "registry");
                }
                if shelf.is_partial {
                    self.timer = Some(cx.after(limits::REGISTRY_AGAIN, Lane::Control, Msg::Read));
                    // What was read before holds: a script is not gone because its registry could not be opened.
                    if self.shared.shelf.borrow().is_some() {
                        return Ok(());
                    }
                }
                tracing::info!(scripts = shelf.scripts.len(), "registries were read");
                self.shared.shelf.send_if_modified(|now| {
                    let changed = now.as_deref() != Some(&shelf);
                    *now = Some(Arc::new(shelf));
                    changed
                });
                cx.ready();
            }
        }
        Ok(())
    }
}
