//! The traces of attempts, by which whoever comes later knows what became of each.
//!
//! One file has, behind a page that says what it is, a *slot* for each attempt that may be under way at the same time; a slot is one page, and the store
//! knows which attempt has which. The shim claims it, and holds a lock on its bytes until the record is in place. Both
//! are lines of JSON at their own offsets, written by one call within the page: whoever is killed leaves them whole, or
//! not at all. A claim is written as the whole page, zeros and all: so the record of what is about to run has its place
//! on the disk before it runs, also when the disk is full by then. When the attempt's end is durable elsewhere the slot is
//! given to another one, so nothing is made or removed for an attempt.
//!
//! A script of the same user may reach the file, as it may reach the database. Whatever stands there is never followed
//! elsewhere and nobody waits for it: a link, a folder or a pipe in its place cannot be read.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tsup_core::ids::ProcId;
use tsup_core::limits;
use tsup_core::tes::attempt::{AttemptId, Claim, FILES_VERSION, Found, Record};

use crate::os::range;

#[cfg(test)]
mod tests;

/// Bytes of a slot: a page of every kernel there is, so that what is written within it is there whole.
const SLOT: usize = 4096;
/// What the file begins with. A file without it was emptied, or put there by somebody else: whatever had traces there has
/// none any more.
const HEAD: &[u8] = b"tsup attempts 1\n";
/// Where its lines begin, and where the last one ends at the latest.
const LINES: [usize; 3] = [0, 1024, SLOT];

/// What stands on a line.
#[derive(Debug, Clone, Copy)]
enum Line {
    Claim,
    Record,
}

impl Line {
    fn bytes(self) -> Range<usize> {
        LINES[self as usize]..LINES[self as usize + 1]
    }
}

/// The file, open. What one opening has locked, others have not.
#[derive(Debug)]
pub struct Traces(File);

/// What came of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claimed {
    /// It is made, and the slot locked.
    Now,
    /// Somebody claimed it before, for this very attempt: it must not run again.
    Before,
    /// The slot is another attempt's that came later, or is not over.
    Taken,
}

/// What stands in all slots.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scan {
    /// Who claimed them last.
    pub slots: Vec<(u32, AttemptId)>,
    /// The largest number of an order.
    pub newest: u64,
}

impl Traces {
    /// Opens the file of that name, and makes it where there is none.
    ///
    /// # Errors
    /// Whatever the system says; `InvalidInput` when something else is in its place.
    pub fn make(path: &Path) -> io::Result<Self> {
        Self::plain(options().create(true).open(path)?)
    }

    /// Opens the file of that name; `None` where there is none.
    ///
    /// # Errors
    /// As of [`make`](Traces::make).
    pub fn find(path: &Path) -> io::Result<Option<Self>> {
        match options().open(path) {
            Ok(file) => Self::plain(file).map(Some),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Makes it one that is whole from here on; claims that were made since it was lost stay.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn begin(&self) -> io::Result<()> {
        let mut first = [0];
        // One that shims have made anew has nothing there; another one is no file of this kind.
        if self.0.read_at(&mut first, 0)? == 1 && first != [0] {
            self.0.set_len(0)?;
        }
        self.0.write_all_at(HEAD, 0)
    }

    /// Whether it is as it was since it was [begun](Traces::begin): what has no traces there never had any.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn is_whole(&self) -> io::Result<bool> {
        let mut head = [0; HEAD.len()];
        match self.0.read_exact_at(&mut head, 0) {
            Err(e) if e.kind() == ErrorKind::UnexpectedEof => Ok(false),
            read => read.map(|()| head == HEAD),
        }
    }

    fn plain(file: File) -> io::Result<Self> {
        if file.metadata()?.is_file() {
            return Ok(Traces(file));
        }
        Err(io::Error::new(ErrorKind::InvalidInput, "it is not a plain file"))
    }

    /// Whether this is the file that has that name now.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        use std::os::unix::fs::MetadataExt as _;
        let own = |facts: std::fs::Metadata| (facts.dev(), facts.ino());
        let (Ok(open), Ok(named)) = (self.0.metadata(), std::fs::symlink_metadata(path)) else {
            return false;
        };
        own(open) == own(named)
    }

    /// Claims a slot and keeps its lock; what was there of an attempt before is gone.
    pub(super) fn claim(&self, slot: u32, claim: &Claim) -> io::Result<Claimed> {
        let mut tries = 0;
        while !range::try_lock(&self.0, &bytes(slot))? {
            if whose(&self.page(slot)?) == Some(claim.id) {
                return Ok(Claimed::Before);
            }
            // Whoever has the lock may be about to write whose it is, and may be this very attempt: only what stays
            // as it is can be told.
            if tries == limits::CLAIM_TRIES {
                return Ok(Claimed::Taken);
            }
            tries += 1;
            std::thread::park_timeout(limits::CLAIM_RETRY);
        }
        let made = self.claim_locked(slot, claim);
        if !matches!(made, Ok(Claimed::Now)) {
            self.release(slot);
        }
        made
    }

    fn claim_locked(&self, slot: u32, claim: &Claim) -> io::Result<Claimed> {
        let page = self.page(slot)?;
        let other = claim_of(&page).flatten();
        if whose(&page) == Some(claim.id) {
            // One that was called off for an order before this one may begin by this one.
            let called_off = |other: &Claim| other.shim == NOBODY && other.order < claim.order;
            if !other.as_ref().is_some_and(called_off) {
                return Ok(Claimed::Before);
            }
        }
        // A supervisor that knew of that one gave the slot away; this order comes late.
        if other.is_some_and(|other| other.order > claim.order) {
            return Ok(Claimed::Taken);
        }
        let mut page = [0; SLOT];
        let line = line(claim, Line::Claim)?;
        page[..line.len()].copy_from_slice(&line);
        self.0.write_all_at(&page, bytes(slot).start)?;
        Ok(Claimed::Now)
    }

    /// Puts a record in place, whole or not at all.
    pub(super) fn record(&self, slot: u32, record: &Record) -> io::Result<()> {
        self.write(slot, Line::Record, record)
    }

    /// Lets go of a slot's lock.
    pub(super) fn release(&self, slot: u32) {
        // The lock goes with the process at the latest.
        let _ = range::unlock(&self.0, &bytes(slot));
    }

    /// Makes the claim of an attempt that nothing of may run any more by this order, or one before it. `false` when somebody
    /// claimed it before. A slot that is another one's can be claimed by no shim of this one.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn revoke(&self, slot: u32, id: AttemptId, order: u64, boot_id: &str) -> io::Result<bool> {
        let claim = Claim { version: FILES_VERSION, id, order, shim: NOBODY, boot_id: boot_id.to_owned() };
        let made = self.claim(slot, &claim)?;
        if made == Claimed::Now {
            self.release(slot);
        }
        Ok(made != Claimed::Before)
    }

    /// What is found of an attempt in a slot.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn look(&self, slot: u32, id: AttemptId) -> io::Result<Found> {
        self.look_for(slot, id, 0)
    }

    /// The same by whoever ordered it with that number: a claim by nobody, for an order before, called that one off.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn look_for(&self, slot: u32, id: AttemptId, order: u64) -> io::Result<Found> {
        // The claim first: it is made under the lock, so a lock that is free behind it belonged to a shim that has
        // ended. The record last: it is in place before the lock is let go.
        let page = self.page(slot)?;
        if whose(&page).is_some_and(|whose| (whose.job, whose.attempt) != (id.job, id.attempt)) {
            return Ok(Found::default());
        }
        // A claim that cannot be read is a claim: something may have run.
        let unreadable =
            || Claim { version: FILES_VERSION, id, order: 0, shim: NOBODY, boot_id: String::new() };
        let called_off =
            |claim: &Claim| claim.shim == NOBODY && claim.order < order && !claim.boot_id.is_empty();
        let claim = claim_of(&page).map(|claim| claim.unwrap_or_else(unreadable));
        let claim = claim.filter(|claim| !called_off(claim));
        let locked = range::is_locked(&self.0, &bytes(slot))?;
        let record = read::<Record>(&self.page(slot)?, Line::Record).flatten();
        Ok(Found { locked, record, claim })
    }

    /// What stands in all slots.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn scan(&self) -> io::Result<Scan> {
        let slots = self.0.metadata()?.len().div_ceil(SLOT as u64).saturating_sub(1);
        let slots = u32::try_from(slots).unwrap_or(u32::MAX).min(limits::ATTEMPT_SLOTS_MAX);
        let mut scan = Scan::default();
        for slot in 0..slots {
            let page = self.page(slot)?;
            let claim = claim_of(&page).flatten();
            scan.newest = claim.map_or(scan.newest, |claim| claim.order.max(scan.newest));
            scan.slots.extend(whose(&page).map(|id| (slot, id)));
        }
        Ok(scan)
    }

    /// A slot as it stands; what is beyond the file's end is empty.
    fn page(&self, slot: u32) -> io::Result<[u8; SLOT]> {
        let mut page = [0; SLOT];
        let mut read = 0;
        while read < SLOT {
            match self.0.read_at(&mut page[read..], bytes(slot).start + read as u64) {
                Ok(0) => break,
                Ok(n) => read += n,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(page)
    }

    fn write(&self, slot: u32, at: Line, what: &impl Serialize) -> io::Result<()> {
        self.0.write_all_at(&line(what, at)?, bytes(slot).start + at.bytes().start as u64)
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    options
}

fn bytes(slot: u32) -> Range<u64> {
    let start = (u64::from(slot) + 1) * SLOT as u64;
    start..start + SLOT as u64
}

/// A line as it is written. One that has no room is refused: half of it would mean nothing.
fn line(what: &impl Serialize, at: Line) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(what)?;
    line.push(b'\n');
    if line.len() > at.bytes().len() {
        return Err(io::Error::new(ErrorKind::InvalidData, "it is longer than its place"));
    }
    Ok(line)
}

/// The shim of a claim by which nothing runs.
const NOBODY: ProcId = ProcId { pid: 0, start_ticks: 0 };

/// The claim in a slot. A number that no queue ever gives to an order makes it one that cannot be read: the next order would
/// have to be larger.
#[expect(clippy::option_option, reason = "as of `read`")]
fn claim_of(page: &[u8; SLOT]) -> Option<Option<Claim>> {
    let claim = read::<Claim>(page, Line::Claim)?;
    Some(claim.filter(|claim| claim.order <= limits::ORDERS_MAX))
}

/// Whose a slot is: who claimed it, and where nobody did, who left a record. Of a claim that cannot be read nobody
/// knows.
fn whose(page: &[u8; SLOT]) -> Option<AttemptId> {
    match claim_of(page) {
        Some(claim) => claim.map(|claim| claim.id),
        None => read::<Record>(page, Line::Record).flatten().map(|record| record.id),
    }
}

/// `None` when nothing stands on a line, `Some(None)` when it does not hold what it should.
#[expect(
    clippy::option_option,
    reason = "a line that is not there and one that cannot be read mean different things"
)]
fn read<T: DeserializeOwned>(page: &[u8; SLOT], at: Line) -> Option<Option<T>> {
    let place = &page[at.bytes()];
    if place[0] == 0 {
        return None;
    }
    let end = place.iter().position(|b| *b == b'\n');
    Some(end.and_then(|end| serde_json::from_slice(&place[..end]).ok()))
}
