//! The life of one shim, from its fork through the attempts that it runs, one after the other.
//!
//! - `run/life.rs`: one attempt, from its start until nobody of it is left
//! - `run/start.rs`: how a script's own process is started

use std::io;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Instant;

use tsup_core::clock::Wall;
use tsup_core::ids::ProcId;
use tsup_core::limits;
use tsup_core::tes::attempt::plan::Plan;
use tsup_core::tes::attempt::watch::Event;
use tsup_core::tes::attempt::{Claim, FILES_VERSION, Record};

use super::desk::{Desk, Report};
use super::traces::{Claimed, Traces};
use super::{fence, files, tree};
use crate::os::fork::Signals;
use crate::os::proc;

mod life;
mod start;

use life::Life;

/// What a shim has besides its attempts.
pub(super) struct Tools {
    /// Signals, held.
    pub(super) signals: Signals,
    /// An empty network that attempts may share, where there is one.
    pub(super) network: Option<OwnedFd>,
}

/// Runs attempts, `first` before those that come over `desk`, until the server wants no more of them. Called in a
/// process that was forked for it; returns its exit code.
///
/// What counts is in the traces. What is reported says when to look at them. A shim that ends without a report was
/// killed, as far as anybody can tell, and the server ends what it leaves behind.
pub(super) fn live(first: Box<Plan>, mut desk: Desk, tools: &Tools) -> u8 {
    let me = match settle() {
        Ok(me) => me,
        Err(e) => {
            desk.report(&Report::NotBegun(e.raw_os_error().unwrap_or(libc::EIO)));
            return 1;
        }
    };
    let mut shim = Shim {
        me,
        kills: tree::Kills::new(),
        tools,
        traces: None,
        spare: fence::Spare::default(),
        buffer: vec![0; limits::OUTPUT_READ_BYTES],
        wants_end: false,
    };
    let mut next = Some((first, None));
    while let Some((plan, asked)) = next {
        // A defect in here is this attempt's alone: the server does the rest.
        let done = catch_unwind(AssertUnwindSafe(|| shim.run(&plan, asked == Some(plan.id.key()))));
        let Ok(Some(report)) = done else { return 1 };
        if !desk.report(&report) || shim.wants_end {
            break;
        }
        next = desk.next(&tools.signals);
    }
    shim.spare.remove();
    0
}

/// Makes this process a reaper with a session of its own.
fn settle() -> io::Result<ProcId> {
    let _ = rustix::process::setsid();
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    proc::identify(std::process::id())
}

struct Shim<'a> {
    me: ProcId,
    /// What the kernel killed for want of memory.
    kills: tree::Kills,
    tools: &'a Tools,
    /// The file with the traces, and its name.
    traces: Option<(String, Traces)>,
    spare: fence::Spare,
    buffer: Vec<u8>,
    /// Whether it was told to end, with what it runs.
    wants_end: bool,
}

impl Shim<'_> {
    /// Runs an attempt to its end, at once where somebody `wants_end`. `None` when something is left of it that this
    /// process cannot end.
    fn run(&mut self, plan: &Plan, wants_end: bool) -> Option<Report> {
        match self.claim(plan) {
            Ok(Claimed::Now) => {}
            Ok(Claimed::Before) => return Some(Report::Ended),
            Ok(Claimed::Taken) => return Some(Report::NotBegun(libc::EBUSY)),
            Err(e) => return Some(Report::NotBegun(e.raw_os_error().unwrap_or(libc::EIO))),
        }
        // An error here leaves a claim without a record, which says all that can be known.
        let done = self.attempt(plan, wants_end);
        let (_, traces) = self.traces.as_ref()?;
        let record = done.ok()?;
        traces.release(plan.slot);
        Some(Report::Done(Box::new(record)))
    }

    /// Makes the attempt this process's own. Its slot is locked until the attempt has ended, so that its record is
    /// there when the lock is free.
    fn claim(&mut self, plan: &Plan) -> io::Result<Claimed> {
        files::may_be_made(Path::new(&plan.folder), Path::new(&plan.tmp))?;
        let path = Path::new(&plan.traces);
        // Another file may have taken its place: whoever comes later looks into that one.
        if self.traces.as_ref().is_none_or(|(name, open)| *name != plan.traces || !open.is_at(path)) {
            self.traces = Some((plan.traces.clone(), Traces::make(path)?));
        }
        let Some((_, traces)) = &self.traces else { return Ok(Claimed::Taken) };
        let claim = Claim {
            version: FILES_VERSION,
            id: plan.id,
            order: plan.order,
            shim: self.me,
            boot_id: plan.boot_id.clone(),
        };
        traces.claim(plan.slot, &claim)
    }

    fn attempt(&mut self, plan: &Plan, wants_end: bool) -> io::Result<Record> {
        let started_at = wall();
        let clock = Instant::now();
        let mut life = Life::begin(plan, self.me, clock, self.tools.network.as_ref(), &mut self.spare)?;
        self.kills.refresh();
        life.kills = self.kills;
        if wants_end {
            life.step(Event::Cancel);
        }
        let finish = life.watch(&self.tools.signals, plan.id.key(), &mut self.buffer);
        self.kills = life.kills;
        self.wants_end = life.terminated;
        let used = life.used();
        life.groups.done(&mut self.spare);
        for stream in &mut life.streams {
            stream.keeper.finish();
        }
        let [out, err] = &life.streams;
        let record = Record {
            version: FILES_VERSION,
            id: plan.id,
            boot_id: plan.boot_id.clone(),
            started_at,
            ended_at: wall(),
            wall_seconds: clock.elapsed().as_secs_f64(),
            end: finish.end,
            cause: finish.cause,
            left_behind: finish.left_behind,
            stdout_bytes: out.keeper.came,
            stderr_bytes: err.keeper.came,
            truncated: out.keeper.is_cut() || err.keeper.is_cut(),
            used,
            enforced: life.enforced(plan),
        };
        files::leave_tmp(Path::new(&plan.tmp));
        self.store(plan.slot, &record)?;
        Ok(record)
    }

    /// Writes the record. While that cannot be done the shim holds it: the attempt has ended, and must be told so.
    /// Nothing tells that it can be done again, so it is tried from time to time.
    fn store(&self, slot: u32, record: &Record) -> io::Result<()> {
        let Some((_, traces)) = &self.traces else { return Ok(()) };
        let mut tries = 0;
        loop {
            match traces.record(slot, record) {
                // The record itself has no place.
                Err(e) if e.kind() == io::ErrorKind::InvalidData => return Err(e),
                Err(e) if is_disk_full(&e) || tries < limits::RECORD_TRIES => tries += 1,
                other => return other,
            }
            std::thread::park_timeout(limits::RECORD_RETRY);
        }
    }
}

fn is_disk_full(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn wall() -> Wall {
    Wall::from_unix_ms(jiff::Timestamp::now().as_millisecond())
}
