//! What an attempt's actor is told, and what it looks at.

use std::sync::Arc;
use std::time::Duration;

use tsup_core::ids::ProcId;
use tsup_core::tes::attempt::plan::Plan;
use tsup_core::tes::attempt::{AttemptId, Record};
use tsup_core::tes::failure::Failure as Failed;

use crate::gate::Capacity;
use crate::tes::queue;

/// Waiting messages of one attempt: there may be thousands of them.
pub(in crate::tes) const CAPACITY: Capacity = Capacity { control: 32, work: 1, telemetry: 1 };

/// What an attempt needs to know.
#[derive(Debug, Clone)]
pub(in crate::tes) struct Task {
    /// Which.
    pub(in crate::tes) id: AttemptId,
    /// The script's id.
    pub(in crate::tes) script: Arc<str>,
    /// The job's inputs, a JSON object; `None` where they have to be read from the store.
    pub(in crate::tes) inputs: Option<Box<str>>,
    /// How long it may run, where the job says so.
    pub(in crate::tes) timeout: Option<Duration>,
    /// In which boot it was written down as starting.
    pub(in crate::tes) started_in: Arc<str>,
    /// Where its traces are.
    pub(in crate::tes) traces: Place,
    /// Which order it is, counted over all.
    pub(in crate::tes) order: u64,
    /// Slots that it takes.
    pub(in crate::tes) slots: u16,
    /// Slots that all may take together.
    pub(in crate::tes) within: u32,
}

/// Where an attempt's traces are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::tes) enum Place {
    /// In that slot, or nowhere yet.
    Slot(u32),
    /// They were removed with all others.
    Gone,
}

/// What an attempt's actor receives.
#[derive(Debug)]
pub(in crate::tes) enum Msg {
    /// Its inputs were read from the store.
    Inputs(Option<Box<str>>),
    /// What its shim is to be given, or why it cannot run. `None` once taken.
    Planned(Option<Result<Box<Plan>, Box<Failed>>>),
    /// A shim has it, or had it.
    ShimEnded,
    /// The shim that had it, or was about to, was killed.
    ShimDied,
    /// It has ended, and this is its record. `None` once taken.
    Done(Option<Box<Record>>),
    /// It has ended, and what it printed was read. `None` once taken.
    Collected(Option<Box<queue::Ended>>),
    /// No shim could be made, for this error of the system.
    NotStarted(i32),
    /// Why such an error stays for good, where it does. `None` once taken.
    Unusable(i32, Option<Box<Failed>>),
    /// The shim server is gone: what became of the order is not known.
    ServerGone,
    /// Time to look again.
    Look,
    /// What it left on disk means that. `None` once taken.
    Looked(Option<std::io::Result<Seen>>),
    /// Its end was told.
    Told,
    /// What was left of it was ended.
    Swept(&'static str, u32),
    /// Its claim was made so that nothing can run any more; or it had one. `None` where that could not be done.
    Revoked(Option<bool>),
    /// End it.
    Cancel,
}

/// What an attempt left on disk.
#[derive(Debug)]
pub(in crate::tes) enum Seen {
    /// It has ended, and what it printed was read.
    Ended(Box<queue::Ended>),
    /// It is under way: its shim, where that is known.
    Runs(Option<ProcId>),
    /// What became of it will never be known.
    Lost(&'static str),
    /// Nothing of it ran.
    Nothing,
}
