//! One look at the transcripts that are due, on a thread of its own.

use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use jiff::tz::TimeZone;
use tsup_core::fleet::transcript::reset::Zones;
use tsup_core::fleet::transcript::{Format, Since};
use tsup_core::ids::{AgentId, ProcId};

use super::entry::folder;
use super::find::{self, Home};
use super::tail::Tail;
use crate::clock::now_wall;
use crate::os::folder::{FolderId, FolderWatch};
use crate::os::proc;

/// One agent's part of a look: what is known goes in, and comes out with what was found.
#[derive(Debug)]
pub(in crate::fleet) struct Task {
    pub(super) id: AgentId,
    pub(super) process: ProcId,
    pub(super) format: Format,
    pub(super) since: Since,
    /// Where a hook said that it is.
    pub(super) told: Option<PathBuf>,
    /// Whether it is to be looked for.
    pub(super) seek: bool,
    pub(super) homes: Vec<Home>,
    pub(super) tail: Option<Tail>,
    /// Whether more could be read at once.
    pub(super) more: bool,
    /// Why it could not be read, but that it is not there.
    pub(super) refused: Option<String>,
}

/// What other agents have: their files are not this one's.
#[derive(Debug, Default)]
pub(super) struct Others {
    pub(super) taken: HashSet<PathBuf>,
    /// What agents share whose file no hook told.
    pub(super) keys: Vec<PathBuf>,
}

/// What a look brings back.
#[derive(Debug)]
pub(in crate::fleet) struct Done {
    pub(super) tasks: Vec<Task>,
    /// The watches on their folders. Setting one looks up a path, which may lie on a disk that is slow or away.
    pub(super) watched: HashMap<PathBuf, FolderId>,
}

/// Looks for what is to be found, reads what there is to read, and has the folders watched.
pub(super) fn run(tasks: Vec<Task>, others: Others, watch: Option<&FolderWatch>) -> Done {
    let tasks = read(tasks, others);
    let folder = |task: &Task| folder(task.format, task.told.as_deref(), task.tail.as_ref(), &task.homes);
    let folders: HashSet<PathBuf> = tasks.iter().filter_map(folder).collect();
    let watched = watch.into_iter().flat_map(|watch| {
        folders.iter().filter_map(|folder| Some((folder.clone(), watch.add(folder).ok()?)))
    });
    Done { watched: watched.collect(), tasks }
}

fn read(mut tasks: Vec<Task>, mut others: Others) -> Vec<Task> {
    let named = |name: &str| TimeZone::get(name).ok();
    let zones = Zones { local: TimeZone::system(), named: &named };
    for task in &mut tasks {
        others.taken.extend(task.told.clone());
        // A script may stand before the program, and start it a moment later.
        if task.seek && proc::identify(task.process.pid).is_ok_and(|id| id == task.process) {
            task.homes = Home::all(task.format, task.process.pid);
        }
        others.keys.extend(task.keys());
    }
    for task in &mut tasks {
        // What anybody wrote is read here: a defect that it meets costs this one look, and none of the others.
        if catch_unwind(AssertUnwindSafe(|| task.read(&others, &zones))).is_err() {
            (task.tail, task.more) = (None, false);
        }
    }
    tasks
}

impl Task {
    /// Looks which file it is, and reads on.
    fn read(&mut self, others: &Others, zones: &Zones<'_>) {
        if let Some(path) = self.wanted(others)
            && self.tail.as_ref().is_none_or(|tail| tail.path() != path)
        {
            self.since.counted = self.tail.as_ref().map_or(self.since.counted, Tail::counted);
            self.tail = Some(Tail::new(path, self.format, self.since));
        }
        (self.more, self.refused) = (false, None);
        match self.tail.as_mut().map(|tail| tail.read(zones)) {
            Some(Ok(more)) => self.more = more,
            Some(Err(e)) if e.kind() != std::io::ErrorKind::NotFound => self.refused = Some(e.to_string()),
            Some(Err(_)) | None => {}
        }
    }

    /// What it shares with others, unless a hook tells it from them.
    fn keys(&self) -> HashSet<PathBuf> {
        if self.told.is_none() { find::keys(&self.homes) } else { HashSet::new() }
    }

    /// The file that is to be read from now on; `None` leaves it as it is.
    fn wanted(&self, others: &Others) -> Option<PathBuf> {
        if self.told.is_some() || !self.seek {
            return self.told.clone();
        }
        let born = self.since.born;
        // Of several agents in one folder nothing tells whose file is whose, but hooks.
        let alone = |key: &PathBuf| others.keys.iter().filter(|other| *other == key).count() <= 1;
        match self.format {
            Format::Claude => find::session(self.keys().into_iter().filter(alone), born, &others.taken),
            Format::Codex => {
                let alone = self.keys().iter().all(alone);
                find::rollout(&self.homes, self.process.pid, born, now_wall(), &others.taken, alone)
            }
        }
    }
}
