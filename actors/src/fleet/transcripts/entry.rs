//! What is known of one agent's transcript between two looks.

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
