//! One look at the transcripts that are due, on a thread of its own.

use std::collections::HashSet;
use std::path::PathBuf;

use jiff::tz::TimeZone;
use tsup_core::fleet::transcript::reset::Zones;
use tsup_core::fleet::transcript::{Format, Since};
use tsup_core::ids::{AgentId, ProcId};

use super::find::{self, Home};
use super::tail::Tail;
use crate::clock::now_wall;
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
    pub(super) home: Option<Home>,
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
    /// Folders of Claude Code's agents whose file no hook told.
    pub(super) folders: Vec<PathBuf>,
}

/// Looks for what is to be found and reads what there is to read.
pub(super) fn run(mut tasks: Vec<Task>, mut others: Others) -> Vec<Task> {
    let named = |name: &str| TimeZone::get(name).ok();
    let zones = Zones { local: TimeZone::system(), named: &named };
    for task in &mut tasks {
        others.taken.extend(task.told.clone());
        if task.home.is_none()
            && task.told.is_none()
            && proc::identify(task.process.pid).is_ok_and(|id| id == task.process)
        {
            task.home = Home::of(task.format, task.process.pid);
        }
        others.folders.extend(task.claude_folder());
    }
    for task in &mut tasks {
        if let Some(path) = task.wanted(&others)
            && task.tail.as_ref().is_none_or(|tail| tail.path() != path)
        {
            task.since.counted = task.tail.as_ref().map_or(task.since.counted, Tail::counted);
            task.tail = Some(Tail::new(path, task.format, task.since));
        }
        (task.more, task.refused) = (false, None);
        match task.tail.as_mut().map(|tail| tail.read(&zones)) {
            Some(Ok(more)) => task.more = more,
            Some(Err(e)) if e.kind() != std::io::ErrorKind::NotFound => task.refused = Some(e.to_string()),
            Some(Err(_)) | None => {}
        }
    }
    tasks
}

impl Task {
    /// The folder in which it is looked for among others.
    fn claude_folder(&self) -> Option<PathBuf> {
        let seeks = self.format == Format::Claude && self.told.is_none();
        self.home.as_ref().filter(|_| seeks)?.sessions()
    }

    /// The file that is to be read from now on; `None` leaves it as it is.
    fn wanted(&self, others: &Others) -> Option<PathBuf> {
        if self.told.is_some() || !self.seek {
            return self.told.clone();
        }
        let home = self.home.as_ref()?;
        match self.format {
            Format::Claude => {
                let folder = self.claude_folder()?;
                // Of several in one folder nothing tells whose file is whose, but hooks.
                let alone = others.folders.iter().filter(|f| **f == folder).count() <= 1;
                alone.then(|| find::session(home, self.since.born, &others.taken))?
            }
            Format::Codex => {
                find::rollout(home, self.process.pid, self.since.born, now_wall(), &others.taken)
            }
        }
    }
}
