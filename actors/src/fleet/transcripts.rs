//! Owns: which transcript belongs to which agent, and how far each was read.
//! Receives: agents with their processes, paths that hooks told, changes in folders, what its threads read.
//! Sends: what a transcript says now to its agent, tokens into the table of metrics.
//! Bounded by: limits::TRANSCRIPTS_MAX transcripts, the others wait; one look of limits::TRANSCRIPTS_PER_LOOK at a time, limits::TRANSCRIPT_LOOKS_LOST_MAX that hang.
//! Restart: permanent; whom it follows passes on as an heirloom, their transcripts are read anew.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tsup_core::clock::{Mono, Wall};
use tsup_core::fleet::drift;
use tsup_core::fleet::transcript::{Format, Heard, place};
use tsup_core::ids::{AgentId, Generation, ProcId};
use tsup_core::limits;
use tsup_core::untrusted::Untrusted;

use super::{Shared, agent};
use crate::actor::{Actor, Cx, Failure, Timer};
use crate::clock::{now_mono, now_wall};
use crate::gate::Lane;
use crate::heirloom::Held;
use crate::os::folder::{FolderId, FolderWatch, Seen};

mod entry;
mod figures;
mod find;
mod folders;
mod job;
mod looks;
mod tail;

use entry::{Entry, next};
use figures::Figures;
use job::{Done, Others, Task};
use looks::{Back, Looks};
use tail::Tail;

/// Whose transcript is followed.
#[derive(Debug, Clone)]
pub(super) struct Follow {
    /// The language of the transcript.
    pub(super) format: Format,
    /// The profile's name, for the metrics.
    pub(super) cli: Arc<str>,
    /// The process that writes it.
    pub(super) process: ProcId,
    /// Where a hook said that it is.
    pub(super) told: Option<PathBuf>,
    /// Tokens of lines from then on are counted: since its agent asked, not since the question was read.
    pub(super) counted: Wall,
}

/// Whom it follows, over all incarnations.
pub(super) type Followed = BTreeMap<AgentId, Follow>;

/// What it receives.
#[derive(Debug)]
pub(super) enum Msg {
    /// An agent runs in a process from now on.
    Follow(AgentId, Follow),
    /// A hook told where an agent's transcript is.
    Told(AgentId, Untrusted),
    /// An agent's process is gone.
    Forget(AgentId),
    /// What changed in folders.
    Seen(Vec<Seen>),
    /// Something is due.
    Turn,
    /// What was read, in which look, for the incarnation that asked.
    Looked(Generation, u64, Option<Done>),
    /// A look takes too long.
    Late(Generation, u64),
}

/// The actor.
pub(super) struct TranscriptsActor {
    shared: Shared,
    followed: Held<Followed>,
    /// In boxes: the table itself has room for twice as many.
    entries: HashMap<AgentId, Box<Entry>>,
    watch: Option<Arc<FolderWatch>>,
    folders: HashMap<PathBuf, FolderId>,
    figures: Figures,
    looks: Looks,
    /// When the look that is waited for has hung.
    deadline: Option<Timer>,
    timer: Option<(Mono, Timer)>,
}

impl TranscriptsActor {
    pub(super) fn new(shared: Shared) -> Self {
        let followed = shared.followed.reach();
        TranscriptsActor {
            followed,
            entries: HashMap::new(),
            watch: None,
            folders: HashMap::new(),
            figures: Figures::new(&shared.metrics),
            looks: Looks::default(),
            deadline: None,
            timer: None,
            shared,
        }
    }

    fn follow(&mut self, id: AgentId, follow: &Follow, now: Mono) {
        if self.followed.len() >= limits::TRANSCRIPTS_WANTED_MAX && !self.followed.contains_key(&id) {
            return tracing::warn!(agent = %id, "its transcript is not followed: too many agents are");
        }
        if let Some(entry) = self.entries.get_mut(&id).filter(|e| e.follow.process == follow.process) {
            // Its actor began anew and may have lost what it was told.
            entry.sent = Heard::default();
            return entry.soon(now);
        }
        self.followed.insert(id, follow.clone());
        self.entries.remove(&id);
        self.enter(now);
        if !self.entries.contains_key(&id) {
            tracing::warn!(agent = %id, "its transcript waits to be followed: too many are");
        }
    }

    /// Follows whoever waits, as far as there is room.
    fn enter(&mut self, now: Mono) {
        let room = limits::TRANSCRIPTS_MAX.saturating_sub(self.entries.len());
        // Who is followed is looked for only while somebody waits.
        if room == 0 || self.followed.len() == self.entries.len() {
            return;
        }
        let waits = self.followed.iter().filter(|(id, _)| !self.entries.contains_key(id));
        let next: Vec<(AgentId, Follow)> = waits.take(room).map(|(id, f)| (*id, f.clone())).collect();
        self.entries.extend(next.into_iter().map(|(id, follow)| (id, Box::new(Entry::new(follow, now)))));
    }

    fn told(&mut self, id: AgentId, path: &Untrusted, now: Mono) {
        let Some(path) = place::told(path.raw()).map(PathBuf::from) else {
            return tracing::debug!(agent = %id, %path, "this is no transcript's path");
        };
        let Some(kept) = self.followed.get_mut(&id) else { return };
        kept.told = Some(path.clone());
        let Some(entry) = self.entries.get_mut(&id) else { return };
        entry.follow.told = Some(path);
        entry.soon(now + limits::TRANSCRIPT_GATHER);
    }

    fn seen(&mut self, seen: &[Seen], now: Mono) {
        for one in seen {
            let (folder, name) = match one {
                Seen::Changed(folder, name) => (*folder, Some(name.as_os_str())),
                Seen::Gone(folder) => (*folder, None),
                Seen::Overflow => {
                    self.entries.values_mut().for_each(|entry| entry.soon(now));
                    continue;
                }
            };
            let paths: Vec<&Path> = self
                .folders
                .iter()
                .filter(|(_, id)| **id == folder)
                .map(|(path, _)| path.as_path())
                .collect();
            for entry in self.entries.values_mut() {
                entry.saw(&paths, name, now);
            }
            if name.is_none() {
                self.folders.retain(|_, id| *id != folder);
            }
        }
    }

    /// Looks at what is due, unless a look is under way.
    fn look(&mut self, cx: &mut Cx<Self>) {
        self.timer = None;
        let now = cx.now();
        let due = if self.looks.are_busy() { Vec::new() } else { self.due(now) };
        if due.is_empty() {
            return;
        }
        let number = self.looks.begin(due.clone());
        let mut others = Others::default();
        for (_, entry) in self.entries.iter().filter(|(id, _)| !due.contains(id)) {
            others.taken.extend(entry.tail.as_ref().map(|tail| tail.path().to_path_buf()));
            others.taken.extend(entry.follow.told.clone());
            if entry.follow.told.is_none() {
                others.keys.extend(find::keys(&entry.homes));
            }
        }
        let tasks = due.into_iter().filter_map(|id| {
            let entry = self.entries.get_mut(&id)?;
            let seek = entry.follow.told.is_none() && (entry.tail.is_none() || entry.seek_due <= now);
            if seek {
                entry.seek_due = now + limits::TRANSCRIPT_RECHECK;
            }
            entry.begin_look();
            Some(Task {
                id,
                process: entry.follow.process,
                format: entry.follow.format,
                since: entry.since,
                told: entry.follow.told.clone(),
                seek,
                homes: entry.homes.clone(),
                tail: entry.tail.take(),
                more: false,
                refused: None,
            })
        });
        let tasks: Vec<Task> = tasks.collect();
        let (generation, watch) = (cx.generation(), self.watch.clone());
        let late = Msg::Late(generation, number);
        self.deadline = Some(cx.after(limits::TRANSCRIPT_LOOK_MAX, Lane::Control, late));
        cx.offload(
            move || job::run(tasks, others, watch.as_deref()),
            move |done| Msg::Looked(generation, number, Some(done)),
        );
    }

    /// Whose transcripts are to be looked at now. One at which a look may have hung is looked at alone.
    fn due(&self, now: Mono) -> Vec<AgentId> {
        let due = self.entries.iter().filter(|(_, e)| e.due <= now && !e.looking);
        let mut due: Vec<(Mono, AgentId, bool)> = due.map(|(id, e)| (e.due, *id, e.suspect)).collect();
        due.sort_unstable();
        let first_alone = due.first().is_some_and(|(_, _, suspect)| *suspect);
        due.retain(|(_, _, suspect)| *suspect == first_alone);
        due.truncate(if first_alone { 1 } else { limits::TRANSCRIPTS_PER_LOOK });
        due.into_iter().map(|(_, id, _)| id).collect()
    }

    /// Goes on without a look that hangs.
    fn late(&mut self, number: u64, now: Mono) {
        let Some(agents) = self.looks.give_up(number) else { return };
        let first = agents.first().map(ToString::to_string);
        tracing::warn!(agents = agents.len(), first, "a look at transcripts hangs: is their disk there?");
        for id in &agents {
            if let Some(entry) = self.entries.get_mut(id).filter(|e| e.looking) {
                entry.give_up(number, agents.len() == 1, now);
            }
        }
    }

    fn looked(&mut self, number: u64, done: Done, now: Mono, cx: &mut Cx<Self>) {
        if self.looks.back(number) == Back::Late {
            for entry in self.entries.values_mut().filter(|e| e.stuck == Some(number)) {
                entry.go_on(now);
            }
            return;
        }
        self.deadline = None;
        let Done { tasks, watched } = done;
        let wall = now_wall();
        let begun: Vec<PathBuf> = watched
            .iter()
            .filter(|(folder, id)| self.folders.get(*folder) != Some(*id))
            .map(|(f, _)| f.clone())
            .collect();
        self.folders.extend(watched);
        for task in tasks {
            // An agent that has another process by now has another entry.
            let entry = self.entries.get_mut(&task.id);
            let Some(entry) = entry.filter(|e| e.looking && e.follow.process == task.process) else {
                continue;
            };
            (entry.looking, entry.suspect) = (false, false);
            entry.homes = task.homes;
            entry.since = task.since;
            entry.tail = task.tail;
            if let Some(tail) = &mut entry.tail {
                self.figures.count(&entry.follow.cli, tail.take_counts());
                let version = tail.transcript().version();
                // A new file does not tell its version before its first lines.
                if let Some(version) = version.filter(|version| Some(*version) != entry.version.as_ref()) {
                    entry.version = Some(version.clone());
                    let seen = drift::Seen::Version(Arc::clone(&entry.follow.cli), version.to_string());
                    self.shared.drift.telemetry(super::drift::Msg::Saw(seen));
                }
            }
            Self::refused(task.id, entry, task.refused.as_deref());
            let folder = entry.folder();
            // What was written between the look and the watch is told to nobody.
            let more = task.more
                || entry.has_moved()
                || folder.as_ref().is_some_and(|folder| begun.contains(folder));
            let watched = folder.is_some_and(|folder| self.folders.contains_key(&folder));
            entry.due = next(entry, more, watched, now, wall);
            Self::tell(&self.shared, task.id, entry, wall);
        }
        self.settle(cx);
    }

    /// Brings what depends on all transcripts up to date.
    fn settle(&mut self, cx: &mut Cx<Self>) {
        let heard = self.entries.values().filter(|e| e.tail.is_some() || e.looking);
        self.figures.all(heard.map(|e| &e.sent));
        self.unwatch(cx);
    }

    /// Says once for each file that it cannot be read.
    fn refused(id: AgentId, entry: &mut Entry, why: Option<&str>) {
        let path = entry.tail.as_ref().map(Tail::path).filter(|_| why.is_some());
        if path != entry.refused.as_deref() {
            entry.refused = path.map(Path::to_path_buf);
            if let (Some(path), Some(why)) = (path, why) {
                let path = Untrusted::new(path.to_string_lossy());
                tracing::warn!(agent = %id, %path, error = why, "its transcript cannot be read");
            }
        }
    }

    /// Tells an agent what its transcript says, when that is something else than before.
    fn tell(shared: &Shared, id: AgentId, entry: &mut Entry, wall: Wall) {
        let heard = entry.tail.as_ref().map(|tail| tail.transcript().heard(wall)).unwrap_or_default();
        if heard == entry.sent {
            return;
        }
        let Some(agent) = shared.directory.agent(id) else { return };
        // What finds no room is told with the next look.
        if agent.gate.work(agent::Msg::Transcript(Box::new(heard.clone()))).is_ok() {
            entry.sent = heard;
        }
    }

    fn arm(&mut self, cx: &mut Cx<Self>) {
        if self.looks.are_busy() {
            return;
        }
        let Some(due) = self.entries.values().filter(|e| !e.looking).map(|e| e.due).min() else { return };
        if self.timer.as_ref().is_none_or(|(at, _)| due < *at) {
            let timer = cx.after(due.since(cx.now()), Lane::Control, Msg::Turn);
            self.timer = Some((due, timer));
        }
    }
}

impl Actor for TranscriptsActor {
    type Msg = Msg;

    async fn started(&mut self, cx: &mut Cx<Self>) -> Result<(), Failure> {
        self.followed.filled().await;
        // What was written up to here was counted before, or is not known to have been.
        let wall = now_wall();
        self.followed.values_mut().for_each(|follow| follow.counted = wall);
        self.watch(cx);
        let now = now_mono();
        self.enter(now);
        self.arm(cx);
        cx.ready();
        Ok(())
    }

    async fn handle(&mut self, message: &mut Msg, cx: &mut Cx<Self>) -> Result<(), Failure> {
        let now = cx.now();
        match message {
            Msg::Follow(id, follow) => self.follow(*id, follow, now),
            Msg::Told(id, path) => self.told(*id, path, now),
            Msg::Forget(id) => {
                self.followed.remove(id);
                self.entries.remove(id);
                self.enter(now);
                self.settle(cx);
            }
            Msg::Seen(seen) => self.seen(seen, now),
            Msg::Turn => self.look(cx),
            Msg::Looked(by, number, done) if *by == cx.generation() => {
                if let Some(done) = done.take() {
                    self.looked(*number, done, now, cx);
                }
            }
            Msg::Late(by, number) if *by == cx.generation() => self.late(*number, now),
            // The incarnation that asked is gone, and this one reads for itself.
            Msg::Looked(..) | Msg::Late(..) => {}
        }
        self.arm(cx);
        Ok(())
    }
}
