//! What is known of one agent's transcript between two looks.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tsup_core::clock::{Mono, Wall};
use tsup_core::fleet::transcript::{Format, Heard, Since};
use tsup_core::limits;
use tsup_core::untrusted::Untrusted;

use super::Follow;
use super::find::Home;
use super::tail::Tail;
use crate::clock::now_wall;
use crate::os::proc;

/// One agent's transcript.
pub(super) struct Entry {
    pub(super) follow: Follow,
    pub(super) since: Since,
    /// Where its CLI may keep its files: of its process, and of those below it where a script stands before.
    pub(super) homes: Vec<Home>,
    /// In a look's hand while that runs.
    pub(super) tail: Option<Tail>,
    pub(super) looking: bool,
    /// Where it lay, or would, when the look began.
    lay: Option<PathBuf>,
    /// Whether a look at it and others hung: it is looked at alone until one comes back.
    pub(super) suspect: bool,
    /// The look at it alone that hangs. It rests until that comes back.
    pub(super) stuck: Option<u64>,
    /// What is to be done when the look is over.
    pub(super) again: bool,
    pub(super) due: Mono,
    pub(super) seek_due: Mono,
    pub(super) pause: Duration,
    pub(super) sent: Heard,
    pub(super) refused: Option<PathBuf>,
    pub(super) version: Option<Untrusted>,
}

impl Entry {
    pub(super) fn new(follow: Follow, now: Mono) -> Self {
        let since = Since { born: now_wall().minus(proc::age(follow.process)), counted: follow.counted };
        Entry {
            follow,
            since,
            homes: Vec::new(),
            tail: None,
            looking: false,
            lay: None,
            suspect: false,
            stuck: None,
            again: false,
            due: now,
            seek_due: now,
            pause: limits::TRANSCRIPT_SEEK_FIRST,
            sent: Heard::default(),
            refused: None,
            version: None,
        }
    }

    /// The folder in which its transcript lies, or will.
    pub(super) fn folder(&self) -> Option<PathBuf> {
        folder(self.follow.format, self.follow.told.as_deref(), self.tail.as_ref(), &self.homes)
    }

    /// A look takes its tail along. What is seen meanwhile is for the next.
    pub(super) fn begin_look(&mut self) {
        self.lay = self.folder();
        (self.looking, self.again) = (true, false);
    }

    /// Whether it lies elsewhere since the look: what happened there meanwhile was not taken for its own.
    pub(super) fn has_moved(&self) -> bool {
        self.tail.is_some() && self.folder() != self.lay
    }

    /// Something happened to a file of that `name` in a watched folder, known by `paths`; without a name the
    /// watch itself ended.
    pub(super) fn saw(&mut self, paths: &[&Path], name: Option<&OsStr>, now: Mono) {
        let lies = if self.looking { self.lay.clone() } else { self.folder() };
        if !lies.is_some_and(|folder| paths.contains(&folder.as_path())) {
            return;
        }
        // What was read before it happened may be all that a look under way brings.
        if self.looking {
            return self.soon(now);
        }
        let own = self.tail.as_ref().map(Tail::path).or(self.follow.told.as_deref());
        if name.is_none() || own.and_then(Path::file_name) == name {
            self.soon(now);
        } else if self.follow.told.is_none() {
            // Another file in its folder: it may be a newer one of its own.
            self.seek_due = now;
            self.pause = limits::TRANSCRIPT_SEEK_FIRST;
            self.soon(now + limits::TRANSCRIPT_GATHER);
        }
    }

    /// A look at it hung: what the look took along is lost. Of several it may be another
    /// that hung, so it is looked at again, by itself; if it was `alone`, once look `number` comes back.
    pub(super) fn give_up(&mut self, number: u64, alone: bool, now: Mono) {
        self.suspect = true;
        // It will be read anew; what was counted before the look is not counted again.
        self.since.counted = self.since.counted.max(now_wall().minus(limits::TRANSCRIPT_LOOK_MAX));
        if alone {
            self.stuck = Some(number);
        } else {
            self.go_on(now);
        }
    }

    pub(super) fn go_on(&mut self, now: Mono) {
        (self.looking, self.stuck, self.due) = (false, None, now);
    }

    pub(super) fn soon(&mut self, at: Mono) {
        self.due = self.due.min(at);
        self.again |= self.looking;
    }
}

/// The folder in which a transcript lies, or will.
pub(super) fn folder(
    format: Format,
    told: Option<&Path>,
    tail: Option<&Tail>,
    homes: &[Home],
) -> Option<PathBuf> {
    match told.or_else(|| tail.map(Tail::path)) {
        Some(file) => file.parent().map(Path::to_path_buf),
        None if format == Format::Claude => homes.iter().rev().find_map(Home::sessions),
        None => None,
    }
}

/// When a transcript is looked at again.
pub(super) fn next(entry: &mut Entry, more: bool, watched: bool, now: Mono, wall: Wall) -> Mono {
    if more || std::mem::take(&mut entry.again) {
        return now;
    }
    let after = match &entry.tail {
        None => {
            let pause = entry.pause;
            entry.pause = (pause * 2).min(limits::TRANSCRIPT_RECHECK);
            pause
        }
        Some(_) if watched => limits::TRANSCRIPT_RECHECK,
        Some(_) => limits::TRANSCRIPT_POLL,
    };
    let ends = entry.tail.as_ref().and_then(|tail| tail.transcript().due(wall));
    now + ends.map_or(after, |end| after.min(end.since(wall) + limits::TRANSCRIPT_GATHER))
}

#[cfg(test)]
mod tests {
    use tsup_core::ids::ProcId;

    use super::*;

    const FILE: &str = "/logs/day/rollout-1.jsonl";

    fn codex(now: Mono) -> Entry {
        let process = ProcId { pid: std::process::id(), start_ticks: 0 };
        let (format, counted) = (Format::Codex, Wall::from_unix_ms(0));
        let mut entry = Entry::new(Follow { format, cli: "codex".into(), process, told: None, counted }, now);
        entry.tail = Some(Tail::new(FILE.into(), format, entry.since));
        entry.due = now + limits::TRANSCRIPT_RECHECK;
        entry
    }

    #[test]
    fn what_happens_during_a_look_is_for_the_next() {
        let now = crate::clock::now_mono();
        let (day, other) = (Path::new("/logs/day"), Path::new("/logs/other"));
        let name = Some(OsStr::new("rollout-1.jsonl"));
        for (folder, again) in [(day, true), (other, false)] {
            let mut entry = codex(now);
            entry.begin_look();
            let taken = entry.tail.take();
            entry.saw(&[folder], name, now);
            entry.tail = taken;
            assert!(!entry.has_moved());
            let next = next(&mut entry, false, true, now, Wall::from_unix_ms(0));
            assert_eq!(next == now, again, "{folder:?}");
        }
        // What happened where nobody knew yet that it lies is looked at, too.
        let mut entry = codex(now);
        let found = entry.tail.take();
        entry.begin_look();
        entry.tail = found;
        assert!(entry.has_moved());
    }

    #[test]
    fn between_looks_only_what_happens_in_its_folder_counts() {
        let now = crate::clock::now_mono();
        let day = Path::new("/logs/day");
        let after = |paths: &[&Path], name: Option<&str>| {
            let mut entry = codex(now);
            entry.saw(paths, name.map(OsStr::new), now);
            entry.due.since(now)
        };
        assert_eq!(after(&[day], Some("rollout-1.jsonl")), Duration::ZERO);
        assert_eq!(after(&[day], Some("rollout-2.jsonl")), limits::TRANSCRIPT_GATHER);
        assert_eq!(after(&[day], None), Duration::ZERO, "nothing of it is told any more");
        assert_eq!(after(&[Path::new("/logs")], Some("rollout-1.jsonl")), limits::TRANSCRIPT_RECHECK);
        assert_eq!(after(&[], None), limits::TRANSCRIPT_RECHECK);
    }
}
