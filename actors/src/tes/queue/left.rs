//! Which attempts have left traces, as a queue finds them that begins.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use tsup_core::tes::attempt::AttemptId;

use crate::tes::shim::traces::Traces;

/// What was found.
#[derive(Debug, Default)]
pub(in crate::tes) struct Left {
    slots: HashMap<AttemptId, u32>,
    /// The largest number by which one was reserved.
    pub(super) newest: u64,
    /// Whether there was no file at all: whatever ran has left nothing that tells of it.
    is_new: bool,
}

impl Left {
    /// Reads the file with the traces, and makes it where there is none. It may take as long as the disk does.
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        match Traces::find(path)? {
            Some(traces) => {
                let scan = traces.scan()?;
                let slots = scan.slots.into_iter().map(|(slot, id)| (id, slot)).collect();
                Ok(Left { slots, newest: scan.newest, is_new: false })
            }
            None => Traces::make(path).map(|_| Left { is_new: true, ..Left::default() }),
        }
    }

    /// The slot of an attempt.
    pub(super) fn slot(&self, id: AttemptId) -> Option<u32> {
        self.slots.get(&id).copied()
    }

    /// Whether all traces are gone.
    pub(super) fn is_new(&self) -> bool {
        self.is_new
    }
}
