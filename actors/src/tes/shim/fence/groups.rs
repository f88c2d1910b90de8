//! The control groups of one attempt: what bounds its memory and its processes, and counts them.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::Duration;

use rustix::event::{Timespec, poll};
use tsup_core::limits;
use tsup_core::tes::attempt::{AttemptId, Cause};
use tsup_core::tes::sandbox::{Bound, Fence, Group as Wanted};

use super::{NotStarted, Step};
use crate::os::cgroup::{Base, Group};
use crate::os::proc;

/// How a group's name begins. It ends with the number of the shim that made it.
const NAME: &str = "tsup-";

/// A group that its shim keeps for its next attempt, since making one costs as much as a small script: one that only bounds
/// processes, of the first version. Others count what cannot be counted anew.
#[derive(Debug, Default)]
pub(in crate::tes::shim) struct Spare {
    group: Option<Group>,
    made: u32,
}

impl Spare {
    /// A group in `folder` in which nobody is.
    fn take(&mut self, base: &Wanted) -> io::Result<Group> {
        if let Some(group) = self.group.take() {
            if group.folder().parent() == Some(Path::new(&base.folder)) && group.processes() == Some(0) {
                return Ok(group);
            }
            remove(&group);
        }
        self.made += 1;
        let name = format!("{NAME}shim-{}-{}", self.made, std::process::id());
        Group::make(&Base { version: base.version, folder: base.folder.clone().into() }, &name)
    }

    /// Takes it away.
    pub(in crate::tes::shim) fn remove(&mut self) {
        self.group.take().as_ref().map(remove).unwrap_or_default();
    }
}

/// The groups of an attempt, as far as they could be made.
#[derive(Debug, Default)]
pub(in crate::tes::shim) struct Groups {
    made: Vec<Group>,
    memory: Option<usize>,
    processes: Option<usize>,
    /// What the group of the processes had refused when the attempt came to it.
    refused_before: u64,
    /// Whether that group is the shim's, which keeps it.
    kept: bool,
}

impl Groups {
    /// Makes what the fence asks for. Under `strict` all of it must be had; else looking at the tree does the
    /// same, later.
    pub(in crate::tes::shim) fn make(
        fence: &Fence,
        id: AttemptId,
        spare: &mut Spare,
    ) -> Result<Self, NotStarted> {
        let mut groups = Groups::default();
        let made = groups.fill(fence, id, spare);
        if made.is_err() {
            groups.done(spare);
        }
        made.map(|()| groups)
    }

    fn fill(&mut self, fence: &Fence, id: AttemptId, spare: &mut Spare) -> Result<(), NotStarted> {
        let name = format!("{NAME}{}-{}-{}", id.job, id.attempt, std::process::id());
        let made = self.bound(fence.memory.as_ref(), &name, Group::bound_memory);
        self.memory = or_look(fence, made)?;
        if let Some(base) = fence.processes.as_ref().and_then(|b| b.group.as_ref())
            && base.version == 1
            && self.made.iter().all(|g| g.folder().parent() != Some(Path::new(&base.folder)))
            && let Ok(group) = spare.take(base)
        {
            self.refused_before = group.refused_processes();
            self.kept = true;
            self.made.push(group);
        }
        let made = self.bound(fence.processes.as_ref(), &name, Group::bound_processes);
        self.processes = or_look(fence, made)?;
        Ok(())
    }

    fn bound(
        &mut self,
        bound: Option<&Bound>,
        name: &str,
        set: impl Fn(&Group, u64) -> io::Result<()>,
    ) -> io::Result<Option<usize>> {
        let Some((max, base)) = bound.and_then(|b| Some((b.max, b.group.as_ref()?))) else { return Ok(None) };
        let folder = Path::new(&base.folder);
        let has = |g: &Group| g.folder().parent() == Some(folder);
        let at = if let Some(at) = self.made.iter().position(has) {
            at
        } else {
            let base = Base { version: base.version, folder: folder.to_path_buf() };
            self.made.push(Group::make(&base, name)?);
            self.made.len() - 1
        };
        set(&self.made[at], max)?;
        Ok(Some(at))
    }

    /// The files by which the script's process joins.
    pub(in crate::tes::shim) fn doors(&self) -> io::Result<Vec<File>> {
        self.made.iter().map(Group::door).collect()
    }

    fn memory(&self) -> Option<&Group> {
        self.made.get(self.memory?)
    }

    fn processes(&self) -> Option<&Group> {
        self.made.get(self.processes?)
    }

    pub(in crate::tes::shim) fn bound_memory(&self) -> bool {
        self.memory.is_some()
    }

    pub(in crate::tes::shim) fn bound_processes(&self) -> bool {
        self.processes.is_some()
    }

    /// Bytes of memory that are used now.
    pub(in crate::tes::shim) fn memory_bytes(&self) -> Option<u64> {
        self.memory()?.memory()
    }

    /// The most that were used.
    pub(in crate::tes::shim) fn memory_peak(&self) -> Option<u64> {
        self.memory()?.memory_peak()
    }

    /// Seconds of CPU, where a group counts them.
    pub(in crate::tes::shim) fn cpu_seconds(&self) -> Option<f64> {
        self.made.iter().find_map(Group::cpu_seconds)
    }

    /// Which bound the attempt met, if it did.
    pub(in crate::tes::shim) fn met(&self) -> Option<Cause> {
        if self.memory().is_some_and(|g| g.killed_for_memory() > 0) {
            return Some(Cause::Memory);
        }
        self.processes()
            .is_some_and(|g| g.refused_processes() > self.refused_before)
            .then_some(Cause::Processes)
    }

    /// Lets no process come to them any more, and kills those in them where the kernel does that by itself.
    pub(in crate::tes::shim) fn close(&self) {
        self.made.iter().for_each(Group::close);
    }

    /// Takes them away when the attempt is over, or keeps one.
    pub(in crate::tes::shim) fn done(&mut self, spare: &mut Spare) {
        let kept = if std::mem::take(&mut self.kept) { self.made.pop() } else { None };
        self.made.drain(..).for_each(|group| remove(&group));
        spare.group = kept.or(spare.group.take());
    }
}

/// Takes a group away. The last process may be on its way out still.
fn remove(group: &Group) {
    let mut tries = 0;
    while group.remove().is_err_and(|e| e.kind() != io::ErrorKind::NotFound)
        && tries < limits::GROUP_REMOVE_TRIES
    {
        tries += 1;
        pause(limits::GROUP_REMOVE_RETRY);
    }
}

fn or_look(fence: &Fence, made: io::Result<Option<usize>>) -> Result<Option<usize>, NotStarted> {
    match made {
        Err(e) if fence.strict => Err(NotStarted::at(Step::Group.name())(e)),
        made => Ok(made.unwrap_or(None)),
    }
}

/// Nothing tells that a group is empty but looking again.
fn pause(time: Duration) {
    let _ = poll(&mut [], Some(&Timespec::try_from(time).unwrap_or_default()));
}

/// Takes away the groups of shims that are no more, and ends whoever is in them: with its shim an attempt is over.
/// Nobody else gets into such a group.
pub(in crate::tes::shim) fn sweep(base: &Wanted) {
    let Ok(entries) = fs::read_dir(&base.folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let shim = name.to_str().and_then(|n| n.strip_prefix(NAME)?.rsplit('-').next()?.parse().ok());
        if shim.is_some_and(|pid| proc::stat(pid).map_or(true, |s| s.is_zombie())) {
            let group = Group::found(base.version, entry.path());
            group.kill();
            remove(&group);
        }
    }
}
