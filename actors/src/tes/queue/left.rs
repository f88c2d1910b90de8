//! What a queue that begins finds of the traces of attempts.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use tsup_core::tes::attempt::AttemptId;

use crate::tes::shim::traces::Traces;

/// What was found.
#[derive(Debug, Clone, Default)]
pub(in crate::tes) struct Left {
    /// Whose traces stand in which slot.
    pub(super) found: BTreeMap<u32, AttemptId>,
    /// The largest number of an order that stands there.
    pub(super) newest: u64,
    /// Whether there was no file, or one that somebody emptied: whatever is not found may have run.
    pub(super) is_new: bool,
}

impl Left {
    /// Reads the file with the traces, and makes it where there is none. It may take as long as the disk does.
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        match Traces::find(path)? {
            Some(traces) => {
                let is_new = !traces.is_whole()?;
                if is_new {
                    traces.begin()?;
                }
                let scan = traces.scan()?;
                Ok(Left { found: scan.slots.into_iter().collect(), newest: scan.newest, is_new })
            }
            None => Traces::make(path)?.begin().map(|()| Left { is_new: true, ..Left::default() }),
        }
    }
}
