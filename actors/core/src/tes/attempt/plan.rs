//! What a shim is given: everything that it needs to run an attempt without asking anybody.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::watch::Bounds;
use super::{AttemptId, Record};
use crate::tes::sandbox::{Fence, Sockets};

/// How an attempt is to be run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Which attempt.
    pub id: AttemptId,
    /// In which boot of the machine.
    pub boot_id: String,
    /// The file with the traces of attempts; absolute.
    pub traces: String,
    /// Its slot in there.
    pub slot: u32,
    /// Which order this is, counted over all.
    pub order: u64,
    /// Slots that it takes.
    pub slots: u16,
    /// It begins when what runs takes so many slots with it, at most, what is [taken elsewhere](Order::Elsewhere) included; or when
    /// nothing runs here.
    pub within: u32,
    /// The attempt's folder; absolute. The shim makes it when there is something to put there.
    pub folder: String,
    /// The folder for its temporary files; absolute. The shim makes it, or empties it, before and after.
    pub tmp: String,
    /// What is executed: an absolute path, or a name that is looked for on the attempt's own PATH.
    pub program: String,
    /// Its arguments, the program itself apart. They are literal.
    pub argv: Vec<String>,
    /// Its whole environment.
    pub env: Vec<(String, String)>,
    /// Its working directory.
    pub cwd: String,
    /// What it reads on its standard input; nothing is an empty one.
    pub stdin: Option<String>,
    /// How long it may take, and what it may use where looking enforces it.
    pub bounds: Bounds,
    /// Bytes of stdout that are kept, and of stderr.
    pub keep_bytes: u64,
    /// Seconds of CPU that one process may use.
    pub cpu: Option<Duration>,
    /// Bytes that a file may have which it writes.
    pub file_bytes: Option<u64>,
    /// How it is shut in.
    pub fence: Fence,
}

impl Plan {
    /// The same with another folder for its temporary files.
    #[must_use]
    pub fn with_tmp(&self, tmp: &str) -> Plan {
        let mut plan = self.clone();
        let before = std::mem::replace(&mut plan.tmp, tmp.to_owned());
        let is_before = |path: &&mut String| **path == before;
        plan.env.iter_mut().map(|(_, value)| value).filter(is_before).for_each(|v| tmp.clone_into(v));
        let granted = plan.fence.files.iter_mut().flat_map(|files| &mut files.write);
        granted.filter(is_before).for_each(|path| tmp.clone_into(path));
        if let Sockets::Hidden(hidden) = &mut plan.fence.sockets {
            hidden.kept.iter_mut().filter(is_before).for_each(|path| tmp.clone_into(path));
        }
        plan
    }
}

/// What a shim server is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// Run an attempt, as soon as there is room for it and for those that were ordered before and wait for room too.
    Start(Box<Plan>),
    /// End an attempt that runs; nothing happens when it has ended. One that waits for room is not started.
    Stop(AttemptId),
    /// Start nothing of what waits for room.
    Recall,
    /// So many slots are taken by attempts that this server was not ordered to run.
    Elsewhere(u32),
}

/// What a shim server tells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum News {
    /// A shim has it, or had it: its traces say which.
    Ended(AttemptId),
    /// No shim could take it, for this error of the system; nothing ran. `ECANCELED` when it was called back.
    NotStarted(AttemptId, i32),
    /// It has ended, and this is its record, which is in its place too.
    Done(Box<Record>),
    /// Its shim was killed: its record is there, or it will never be.
    Died(AttemptId),
}
