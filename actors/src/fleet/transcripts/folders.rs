//! The watches on the folders in which transcripts lie.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use tsup_core::limits;

use super::{Msg, TranscriptsActor};
use crate::actor::{Cx, blocking};
use crate::os::folder::{FolderId, FolderWatch};

impl TranscriptsActor {
    /// Waits for changes in folders, and lets them gather.
    pub(super) fn watch(&mut self, cx: &mut Cx<Self>) {
        let watch = match FolderWatch::new() {
            Ok(watch) => Arc::new(watch),
            Err(e) => return tracing::warn!(error = %e, "folders of transcripts cannot be watched"),
        };
        self.watch = Some(Arc::clone(&watch));
        let gate = cx.gate().clone();
        cx.spawn(async move {
            loop {
                let mut seen = HashSet::new();
                if watch.seen(|one| seen.extend([one])).await.is_err() {
                    return;
                }
                gate.telemetry(Msg::Seen(seen.into_iter().collect()));
                // A pace: what is written meanwhile waits in the kernel and is told next.
                tokio::time::sleep(limits::TRANSCRIPT_GATHER).await;
            }
        });
    }

    /// Lets go of the watches on folders in which nothing is followed any more. To end one may wait for its disk.
    pub(super) fn unwatch(&mut self, cx: &mut Cx<Self>) {
        let Some(watch) = self.watch.clone() else { return };
        // While a transcript is in a look's hand nobody knows where it lies.
        if self.entries.values().any(|e| e.looking && e.stuck.is_none()) {
            return;
        }
        let wanted: HashSet<PathBuf> = self.entries.values().filter_map(|entry| entry.folder()).collect();
        let (stays, goes): (HashMap<_, _>, HashMap<_, _>) =
            self.folders.drain().partition(|(folder, _)| wanted.contains(folder));
        self.folders = stays;
        // One folder has one watch, whatever paths lead there.
        let stays: HashSet<FolderId> = self.folders.values().copied().collect();
        let goes: Vec<FolderId> = goes.into_values().filter(|id| !stays.contains(id)).collect();
        if !goes.is_empty() {
            cx.spawn(async move {
                blocking(move || goes.into_iter().for_each(|id| watch.remove(id))).await;
            });
        }
    }
}
