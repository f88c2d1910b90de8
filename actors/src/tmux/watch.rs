//! Which pane's terminal is watched by what.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use tsup_core::ids::PaneId;

use crate::os::tty::{Seen, TtyWatch, WatchId};

/// Watches on terminals, and whose they are.
#[derive(Debug, Default)]
pub(super) struct Ttys {
    watch: Option<Arc<TtyWatch>>,
    panes: HashMap<WatchId, PaneId>,
    watches: HashMap<PaneId, WatchId>,
}

/// What was seen, by pane.
#[derive(Debug, Default)]
pub(super) struct SeenPanes {
    pub(super) wrote: Vec<PaneId>,
    pub(super) gone: Vec<PaneId>,
    pub(super) overflow: bool,
}

impl Ttys {
    /// Begins to watch, where the system can; gives what is to be waited on.
    pub(super) fn open(&mut self) -> Option<Arc<TtyWatch>> {
        match TtyWatch::new() {
            Ok(watch) => self.watch = Some(Arc::new(watch)),
            Err(e) => tracing::warn!(error = %e, "terminals cannot be watched"),
        }
        self.watch.clone()
    }

    /// Watches a pane's terminal. False when that is not possible.
    pub(super) fn add(&mut self, pane: PaneId, tty: &str) -> bool {
        let Some(watch) = &self.watch else { return false };
        match watch.add(Path::new(tty)) {
            Ok(id) => {
                self.panes.insert(id, pane);
                self.watches.insert(pane, id);
                true
            }
            Err(e) => {
                tracing::debug!(%pane, error = %e, "terminal cannot be watched");
                false
            }
        }
    }

    /// Ends the watch of a pane's terminal. A device that went and came belongs to whoever asked last.
    pub(super) fn remove(&mut self, pane: PaneId) {
        let Some(id) = self.watches.remove(&pane) else { return };
        if self.panes.get(&id) == Some(&pane) {
            self.panes.remove(&id);
            if let Some(watch) = &self.watch {
                watch.remove(id);
            }
        }
    }

    /// Says of which panes this was seen.
    pub(super) fn translate(&mut self, seen: &[Seen]) -> SeenPanes {
        let mut out = SeenPanes::default();
        for seen in seen {
            match seen {
                Seen::Overflow => out.overflow = true,
                Seen::Wrote(id) => out.wrote.extend(self.panes.get(id)),
                // An ended watch reports itself as well; then nobody is found here.
                Seen::Gone(id) => {
                    if let Some(pane) = self.panes.remove(id) {
                        self.watches.remove(&pane);
                        out.gone.push(pane);
                    }
                }
            }
        }
        out
    }
}
