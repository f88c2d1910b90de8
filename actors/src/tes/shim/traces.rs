//! The traces of attempts, by which whoever comes later knows what became of each.
//!
//! One file has a *slot* for each attempt that may be under way at the same time; a slot is one page. The supervisor
//! reserves it, the shim claims it and holds a lock on its bytes until the record is in place. Each of the three is a
//! line of JSON at its own offset, written by one call within the page: whoever is killed leaves it whole, or not at
//! all. When the attempt's end is durable elsewhere the slot is reserved for another one, so nothing is made or removed
//! for an attempt, and there is room for its record on a full disk.
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
use tsup_core::tes::attempt::{AttemptId, Claim, FILES_VERSION, Found, Record, Reservation};

use crate::os::range;

/// Bytes of a slot: a page of every kernel there is, so that what is written within it is there whole.
const SLOT: usize = 4096;
/// Where its lines begin, and where the last one ends at the latest.
const LINES: [usize; 4] = [0, 512, 1024, SLOT];

/// What stands on a line.
#[derive(Debug, Clone, Copy)]
enum Line {
    Reservation,
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

/// What came of a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reserved {
    /// The slot is the attempt's, and nobody has claimed it.
    Now,
    /// A shim has it, or had it, for this very attempt.
    Claimed,
    /// It is another attempt's.
    Taken,
}

/// What is known of all slots.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scan {
    /// Which attempts have one. Where one has two, the one that somebody claimed.
    pub slots: Vec<(u32, AttemptId)>,
    /// The largest number by which one was reserved.
    pub newest: u64,
}

/// What came of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claimed {
    /// It is made, and the slot locked.
    Now,
    /// The slot is another attempt's, or somebody claimed it before: nothing may run.
    Before,
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

    /// Reserves a slot for an attempt; what was there of another one is gone.
    ///
    /// # Errors
    /// Whatever the system says, a full disk among it.
    pub fn reserve(&self, slot: u32, id: AttemptId, by: u64) -> io::Result<Reserved> {
        let same = |page: &[u8; SLOT]| whose(page) == Some(id);
        let done = self.locked(slot, || {
            let page = self.page(slot)?;
            // What ran must not be wiped out by somebody who did not see it.
            if same(&page) && page[Line::Claim.bytes().start] != 0 {
                return Ok(Reserved::Claimed);
            }
            if read::<Reservation>(&page, Line::Reservation).flatten().is_some_and(|r| r.by > by) {
                return Ok(Reserved::Taken);
            }
            let mut page = [0; SLOT];
            let line = line(&Reservation { version: FILES_VERSION, id, by }, Line::Reservation)?;
            page[..line.len()].copy_from_slice(&line);
            self.0.write_all_at(&page, bytes(slot).start)?;
            Ok(Reserved::Now)
        })?;
        Ok(match done {
            Some(done) => done,
            None if same(&self.page(slot)?) => Reserved::Claimed,
            None => Reserved::Taken,
        })
    }

    /// Claims a slot and keeps its lock.
    pub(super) fn claim(&self, slot: u32, claim: &Claim) -> io::Result<Claimed> {
        if !range::try_lock(&self.0, &bytes(slot))? {
            return Ok(Claimed::Before);
        }
        let made = self.claim_locked(slot, claim);
        if !matches!(made, Ok(Claimed::Now)) {
            self.release(slot);
        }
        made
    }

    fn claim_locked(&self, slot: u32, claim: &Claim) -> io::Result<Claimed> {
        let page = self.page(slot)?;
        let reserved =
            matches!(read::<Reservation>(&page, Line::Reservation), Some(Some(r)) if r.id == claim.id);
        if !reserved || read::<Claim>(&page, Line::Claim).is_some() {
            return Ok(Claimed::Before);
        }
        self.write(slot, Line::Claim, claim)?;
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

    /// Makes the claim of an attempt that nothing of may run any more. `false` when somebody claimed it before.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn revoke(&self, slot: u32, id: AttemptId, boot_id: &str) -> io::Result<bool> {
        let nobody = ProcId { pid: 0, start_ticks: 0 };
        let claim = Claim { version: FILES_VERSION, id, shim: nobody, boot_id: boot_id.to_owned() };
        let made = self.locked(slot, || self.claim_locked(slot, &claim))?;
        Ok(made == Some(Claimed::Now))
    }

    /// What is found of an attempt in a slot.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn look(&self, slot: u32, id: AttemptId) -> io::Result<Found> {
        // The claim first: it is made under the lock, so a lock that is free behind it belonged to a shim that has
        // ended. The record last: it is in place before the lock is let go.
        let page = self.page(slot)?;
        if whose(&page).is_none_or(|whose| (whose.job, whose.attempt) != (id.job, id.attempt)) {
            return Ok(Found::default());
        }
        // A claim that was begun and cannot be read is a claim: something may have run.
        let unreadable = || Claim {
            version: FILES_VERSION,
            id,
            shim: ProcId { pid: 0, start_ticks: 0 },
            boot_id: String::new(),
        };
        let claim = read::<Claim>(&page, Line::Claim).map(|claim| claim.unwrap_or_else(unreadable));
        let locked = range::is_locked(&self.0, &bytes(slot))?;
        let record = read::<Record>(&self.page(slot)?, Line::Record).flatten();
        Ok(Found { reserved: true, locked, record, claim })
    }

    /// What stands in all slots.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn scan(&self) -> io::Result<Scan> {
        let slots = self.0.metadata()?.len().div_ceil(SLOT as u64);
        let slots = u32::try_from(slots).unwrap_or(u32::MAX).min(limits::ATTEMPT_SLOTS_MAX);
        let mut found: Vec<(bool, u32, AttemptId)> = Vec::new();
        let mut newest = 0;
        for slot in 0..slots {
            let page = self.page(slot)?;
            let reservation = read::<Reservation>(&page, Line::Reservation).flatten();
            newest = reservation.map_or(newest, |r| r.by.max(newest));
            if let Some(id) = whose(&page) {
                found.push((read::<Claim>(&page, Line::Claim).is_none(), slot, id));
            }
        }
        found.sort_by_key(|(unclaimed, slot, _)| (*unclaimed, *slot));
        let mut seen = std::collections::HashSet::new();
        found.retain(|(_, _, id)| seen.insert(*id));
        Ok(Scan { slots: found.into_iter().map(|(_, slot, id)| (slot, id)).collect(), newest })
    }

    /// Does something under a slot's lock; `None` while somebody else has it.
    fn locked<T>(&self, slot: u32, what: impl FnOnce() -> io::Result<T>) -> io::Result<Option<T>> {
        if !range::try_lock(&self.0, &bytes(slot))? {
            return Ok(None);
        }
        let done = what();
        self.release(slot);
        done.map(Some)
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
    let start = u64::from(slot) * SLOT as u64;
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

/// Whose a slot is: who reserved it, and where that cannot be read any more, who left something in it.
fn whose(page: &[u8; SLOT]) -> Option<AttemptId> {
    let reserved = read::<Reservation>(page, Line::Reservation).flatten().map(|r| r.id);
    let claimed = || read::<Claim>(page, Line::Claim).flatten().map(|c| c.id);
    reserved.or_else(claimed).or_else(|| read::<Record>(page, Line::Record).flatten().map(|r| r.id))
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tsup_core::ids::JobId;

    use super::*;

    fn id(n: u64) -> AttemptId {
        AttemptId { job: JobId::drawn(n), attempt: 1, epoch: 0 }
    }

    fn claim(id: AttemptId) -> Claim {
        let shim = ProcId { pid: 7, start_ticks: 1 };
        Claim { version: FILES_VERSION, id, shim, boot_id: "b1".into() }
    }

    #[test]
    fn a_slot_is_claimed_once_and_by_whom_it_is_reserved_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("attempts");
        assert!(Traces::find(&path).unwrap().is_none());
        let open = || Traces::make(&path).unwrap();
        let supervisor = open();
        assert_eq!(supervisor.look(3, id(1)).unwrap(), Found::default());
        assert_eq!(open().claim(3, &claim(id(1))).unwrap(), Claimed::Before, "nobody reserved it");
        assert_eq!(supervisor.reserve(3, id(1), 5).unwrap(), Reserved::Now);
        assert_eq!(supervisor.reserve(3, id(2), 4).unwrap(), Reserved::Taken, "of one that is late");
        assert_eq!(open().claim(3, &claim(id(2))).unwrap(), Claimed::Before);
        let found = supervisor.look(3, id(1)).unwrap();
        assert_eq!((found.reserved, found.locked, found.claim), (true, false, None));

        let shim = open();
        assert_eq!(shim.claim(3, &claim(id(1))).unwrap(), Claimed::Now);
        assert_eq!(open().claim(3, &claim(id(1))).unwrap(), Claimed::Before);
        assert!(!supervisor.revoke(3, id(1), "b1").unwrap());
        assert_eq!(supervisor.reserve(3, id(2), 6).unwrap(), Reserved::Taken, "it is held");
        assert_eq!(supervisor.reserve(3, id(1), 6).unwrap(), Reserved::Claimed);
        let found = supervisor.look(3, id(1)).unwrap();
        assert_eq!((found.locked, found.claim), (true, Some(claim(id(1)))));
        assert_eq!(supervisor.look(3, id(2)).unwrap(), Found::default(), "of another nothing is found");
        drop(shim);
        let found = supervisor.look(3, id(1)).unwrap();
        assert_eq!((found.locked, found.record.is_some()), (false, false));
        assert!(!supervisor.revoke(3, id(1), "b1").unwrap(), "it was claimed");
        assert_eq!(supervisor.reserve(3, id(1), 7).unwrap(), Reserved::Claimed, "what ran is not wiped out");

        assert_eq!(supervisor.reserve(3, id(2), 7).unwrap(), Reserved::Now);
        assert!(supervisor.revoke(3, id(2), "b1").unwrap());
        assert_eq!(open().claim(3, &claim(id(2))).unwrap(), Claimed::Before);
        assert_eq!(supervisor.reserve(0, id(3), 9).unwrap(), Reserved::Now);
        assert_eq!(supervisor.reserve(5, id(2), 8).unwrap(), Reserved::Now);
        let scan = Scan { slots: vec![(3, id(2)), (0, id(3))], newest: 9 };
        assert_eq!(supervisor.scan().unwrap(), scan, "the claimed one of two");
    }

    /// However little of the file is left, and whatever stands in it.
    #[test]
    fn every_rest_of_the_file_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("attempts");
        let traces = Traces::make(&path).unwrap();
        traces.reserve(1, id(1), 1).unwrap();
        assert_eq!(traces.claim(1, &claim(id(1))).unwrap(), Claimed::Now);
        drop(traces);
        let whole = std::fs::read(&path).unwrap();
        let written = |n: usize| whole[..n].iter().rposition(|b| *b != 0).map_or(0, |at| at + 1);
        for n in 0..whole.len() {
            std::fs::write(&path, &whole[..n]).unwrap();
            let found = Traces::make(&path).unwrap().look(1, id(1)).unwrap();
            let (reserved, claimed) = (written(SLOT + 512) <= n, n > SLOT + 512);
            assert_eq!((found.reserved, found.claim.is_some()), (reserved, claimed && reserved), "{n}");
        }
        std::fs::write(&path, vec![b'x'; 3 * SLOT]).unwrap();
        assert_eq!(Traces::make(&path).unwrap().look(1, id(1)).unwrap(), Found::default());
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("elsewhere", &path).unwrap();
        assert!(Traces::make(&path).is_err() && Traces::find(&path).is_err());
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(Traces::make(&path).is_err());
    }

    #[test]
    fn a_shim_that_begins_meanwhile_is_not_taken_for_a_dead_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("attempts");
        let supervisor = Traces::make(&path).unwrap();
        let rounds = 300;
        let at = AtomicU32::new(0);
        for n in 0..rounds {
            supervisor.reserve(n, id(n.into()), 1).unwrap();
        }
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for n in 0..rounds {
                    while at.load(Ordering::Acquire) < n {
                        std::thread::yield_now();
                    }
                    // Held until somebody has seen it.
                    let shim = Traces::make(&path).unwrap();
                    assert_eq!(shim.claim(n, &claim(id(n.into()))).unwrap(), Claimed::Now);
                    while at.load(Ordering::Acquire) == n {
                        std::thread::yield_now();
                    }
                }
            });
            for n in 0..rounds {
                loop {
                    let found = supervisor.look(n, id(n.into())).unwrap();
                    if found.claim.is_some() {
                        at.store(n + 1, Ordering::Release);
                        assert!(found.locked, "round {n}: it lives, and was taken for dead");
                        break;
                    }
                }
            }
        });
    }
}
