//! Owns: the registered scripts, as the registries' files say them.
//! Receives: changes of these files and of the configuration.
//! Sends: nothing; the shelf of scripts is a view that whoever wants to know reads.
//! Bounded by: limits::SCRIPTS_MAX scripts, limits::REGISTRY_BYTES_MAX bytes of a file.
//! Restart: permanent; reads the files again. The shelf stands as it was until then.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::sync::Arc;

use tokio::sync::watch;
use tsup_core::limits;

use super::Shared;
use crate::actor::{Actor, Cx, Failure, Timer};
use crate::gate::{Gate, Lane};
use crate::os::folder::{FolderWatch, Seen};

mod health;
pub(super) mod program;
pub(super) mod shelf;

pub(super) use health::{script_doc, script_page};
use shelf::Watched;
pub use shelf::{Entry, Shelf};

/// What the actor receives.
#[derive(Debug)]
pub(super) enum Msg {
    /// A registry's file changed, or may have.
    Changed,
    /// A folder that holds a registry is gone or another one, or changes are not seen any more.
    Blind,
    /// It has settled, or it is time to look.
    Read,
    /// The shelf as the files say it now. `None` once taken.
    Shelf(Option<Shelf>),
}

/// The actor.
pub(super) struct Registry {
    shared: Shared,
    timer: Option<Timer>,
    /// What is watched.
    watched: Watched,
    watching: Option<tokio::task::AbortHandle>,
    /// Whether the files are being read now, and whether they are to be read once more after that.
    reading: bool,
    again: bool,
}

impl Registry {
    pub(super) fn new(shared: Shared) -> Self {
        Registry {
            shared,
            timer: None,
            watched: Watched::default(),
            watching: None,
            reading: false,
            again: false,
        }
    }

    /// Reads the files, once at a time: what was read first must not be taken in last.
    fn read(&mut self, cx: &mut Cx<Self>) {
        self.again = std::mem::replace(&mut self.reading, true);
        if self.again {
            return;
        }
        let (files, before) = (self.shared.registries(), self.shared.shelf.borrow().clone());
        cx.offload(move || shelf::read(&files, before.as_deref()), |shelf| Msg::Shelf(Some(shelf)));
    }

    /// Watches the folders of the registries. Says whether it could.
    fn watch(&mut self, wanted: &Watched, cx: &mut Cx<Self>) -> bool {
        if self.watching.is_some() && self.watched == *wanted {
            return true;
        }
        self.watched.clone_from(wanted);
        self.unwatch();
        let watch = FolderWatch::new().and_then(|watch| {
            // Before the folders themselves: of two watches on one folder the later one counts. One that may not be read can
            // be moved away unseen.
            for above in wanted.folders.iter().flat_map(|folder| folder.ancestors().skip(1)) {
                let _ = watch.add_place(above);
            }
            wanted.folders.iter().try_for_each(|folder| watch.add_fates(folder).map(|_| ())).map(|()| watch)
        });
        match watch {
            Ok(watch) => {
                let names = wanted.names.clone();
                self.watching = Some(cx.spawn(tell(watch, names, cx.gate().clone())));
                true
            }
            Err(e) => {
                tracing::debug!(error = %e, "registries are looked at from time to time");
                false
            }
        }
    }

    fn unwatch(&mut self) {
        if let Some(old) = self.watching.take() {
            old.abort();
        }
    }

    /// Takes in what was read, and says when it is to be looked at again whatever is seen.
    fn take_in(&mut self, shelf: Shelf, cx: &mut Cx<Self>) {
        let was_watched = self.watching.is_some() && self.watched == shelf.watched;
        let is_watched = self.watch(&shelf.watched, cx);
        if shelf.is_partial {
            self.timer = Some(cx.after(limits::REGISTRY_AGAIN, Lane::Control, Msg::Read));
        } else if !is_watched || shelf.watched.is_blind {
            self.timer = Some(cx.after(limits::REGISTRY_LOOK, Lane::Control, Msg::Read));
        } else if !was_watched {
            // What changed between the reading and the watch was seen by nobody.
            self.timer = Some(cx.after(limits::REGISTRY_SETTLE, Lane::Control, Msg::Read));
        }
        self.shared.shelf.send_if_modified(|now| {
            if now.as_deref() == Some(&shelf) {
                return false;
            }
            let told = now.as_deref().map_or(&[][..], |now| &now.problems);
            for problem in shelf.problems.iter().filter(|problem| !told.contains(problem)) {
                tracing::warn!(%problem, "registry");
            }
            tracing::info!(scripts = shelf.scripts.len(), "registries were read");
            *now = Some(Arc::new(shelf));
            true
        });
        cx.ready();
    }
}

/// Tells of changes of the files of these names. Jobs work in the folder of their registry, and what they write there says nothing.
async fn tell(watch: FolderWatch, names: BTreeSet<OsString>, gate: Gate<Msg>) {
    loop {
        let (mut changed, mut blind) = (false, false);
        let seen = |seen: Seen| match seen {
            Seen::Changed(_, name) => changed |= names.contains(&name),
            Seen::Overflow => changed = true,
            Seen::Gone(_) => blind = true,
        };
        if let Err(e) = watch.seen(seen).await {
            tracing::warn!(error = %e, "changes of registries are not seen any more");
            blind = true;
        }
        if blind {
            return gate.insist(Lane::Control, Msg::Blind).await;
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
            Msg::Blind => {
                self.unwatch();
                self.timer = Some(cx.after(limits::REGISTRY_SETTLE, Lane::Control, Msg::Read));
            }
            Msg::Read => self.read(cx),
            Msg::Shelf(shelf) => {
                self.reading = false;
                if let Some(shelf) = shelf.take() {
                    self.take_in(shelf, cx);
                }
                if std::mem::take(&mut self.again) {
                    self.read(cx);
                }
            }
        }
        Ok(())
    }
}
