//! One run of a job: what it leaves on disk, what that means after a restart, and how it ended.
//!
//! An attempt belongs to its *shim*, a small process that outlives the supervisor. The two speak by its traces
//! only: the *claim*, made by the shim before anything runs, and the *record*, made when everything has ended. Both
//! are JSON with a version, since a shim may be older or newer than the supervisor that reads them.
//!
//! - `attempt/plan.rs`: what a shim is given
//! - `attempt/watch.rs`: the shim's decisions: timeouts, limits, the end of the whole tree
//! - `attempt/outcome.rs`: what a record means: success, or which failure
//! - `attempt/trace.rs`: the stack trace in what a script printed

use serde::{Deserialize, Serialize};

use crate::clock::Wall;
use crate::ids::{JobId, ProcId};
use crate::untrusted::Untrusted;

pub mod outcome;
pub mod plan;
pub mod trace;
pub mod watch;

/// The version of claims and records that this build writes. It reads all up to it.
pub const FILES_VERSION: u32 = 1;

/// Which attempt: files and late answers of another one are not about this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AttemptId {
    /// The job.
    pub job: JobId,
    /// Its number, from 1.
    pub attempt: u32,
    /// For nodes that take work from each other: one that lost its lease has an older one. A supervisor alone has no rival, and
    /// writes 0. What comes late here is told by the number of its order ([`Claim::order`]): a shim that was ordered before
    /// another one claims nothing behind it.
    pub epoch: u64,
}

impl AttemptId {
    /// A number that tells it from every other attempt that runs on this machine.
    pub const fn key(&self) -> u64 {
        self.job.number() << 16 | (self.attempt as u64 & 0xffff)
    }
}

/// What a shim writes before anything runs. Whoever finds one starts no other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// [`FILES_VERSION`] of its writer.
    pub version: u32,
    /// For which attempt.
    pub id: AttemptId,
    /// Of which order: they are counted, so that what is late takes nothing from what came after it.
    pub order: u64,
    /// The shim.
    pub shim: ProcId,
    /// In which boot of the machine.
    pub boot_id: String,
}

/// How the script's own process ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// With this code.
    Exited(i32),
    /// By this signal.
    Signalled(i32),
    /// It was never started: what failed, and the system's error number, 0 for none.
    NotStarted {
        /// At which step: `chdir`, `sandbox`, `exec`.
        step: String,
        /// The system's error number.
        errno: i32,
        /// What it means.
        message: Untrusted,
    },
}

/// Why the shim ended an attempt that would have gone on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// It ran for too long.
    Timeout,
    /// It was silent for too long.
    Silence,
    /// Somebody cancelled it.
    Cancel,
    /// Its processes used more memory than they may.
    Memory,
    /// There were more of them than there may be.
    Processes,
    /// Its shim was told to end, as all processes are when a machine goes down.
    Terminated,
}

/// What the processes of an attempt used together.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Used {
    /// Seconds of CPU, of all that were waited for.
    pub cpu_seconds: f64,
    /// Most memory at any look, in bytes.
    pub peak_memory_bytes: u64,
    /// Memory at the first look; `None` when it had ended before anybody looked.
    pub start_memory_bytes: Option<u64>,
    /// Memory at the last look.
    pub end_memory_bytes: Option<u64>,
    /// Where the memory figures are from: `cgroup`, `sampled`, or `rusage`: the largest single process.
    pub memory_source: String,
}

/// What was really enforced, in the words that stand on the job.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Enforced {
    /// Access to files: `landlock7` with the version that was used, `none`.
    pub fs: String,
    /// The network: `open` where it may be used, `netns`, `seccomp`, `landlock` (TCP only), `none`.
    pub network: String,
    /// Memory: `cgroup`, `sampled`, `none`.
    pub memory: String,
    /// CPU: `rlimit`, `none`.
    pub cpu: String,
    /// Processes: `cgroup`, `sampled`, `none`.
    pub processes: String,
    /// The sockets of tmux and of the supervisor: `mountns`, `seccomp`, `none`.
    #[serde(default)]
    pub sockets: String,
}

/// What a shim writes when everything of an attempt has ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// [`FILES_VERSION`] of its writer.
    pub version: u32,
    /// Of which attempt.
    pub id: AttemptId,
    /// In which boot of the machine.
    pub boot_id: String,
    /// When the script was started.
    pub started_at: Wall,
    /// When the last process of it had ended.
    pub ended_at: Wall,
    /// Seconds between the two by the monotonic clock.
    pub wall_seconds: f64,
    /// How its own process ended.
    pub end: End,
    /// Why the shim ended it, if it did.
    pub cause: Option<Cause>,
    /// Processes that were left when its own had ended, and were ended too.
    pub left_behind: u32,
    /// Bytes that it printed, kept or not.
    pub stdout_bytes: u64,
    /// The same on stderr.
    pub stderr_bytes: u64,
    /// Whether not all of it was kept.
    pub truncated: bool,
    /// What it used.
    pub used: Used,
    /// What was enforced.
    pub enforced: Enforced,
}

/// What is found of an attempt that was started before the supervisor came back.
///
/// The order of looking matters: the claim first, then the lock, then the record. A shim makes its claim under its
/// lock, and holds that until its record is in place: a claim, a lock that is free and a record that is not there mean
/// that there will be none.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Found {
    /// Whether somebody holds the attempt's lock.
    pub locked: bool,
    /// The record, looked for after the lock.
    pub record: Option<Record>,
    /// The claim.
    pub claim: Option<Claim>,
}

/// What to do about it.
#[derive(Debug, Clone, PartialEq)]
pub enum Recovery {
    /// It has ended: take its record in.
    Collect(Box<Record>),
    /// Its shim lives: wait for it.
    Adopt,
    /// Something ran, and what became of it will never be known.
    Interrupted(&'static str),
    /// Nothing ran: start it. The claim makes this safe even against a shim that is about to begin.
    Start,
}

/// What is known of an attempt by whoever looks for its traces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known<'a> {
    /// Which.
    pub id: AttemptId,
    /// In which boot of the machine it was written down as starting.
    pub started_in: &'a str,
    /// Whether a shim is known to have had it.
    pub begun: bool,
}

/// Decides about an attempt that was written down as starting; this is boot `boot_id`. What a shim leaves is not
/// synced: of another boot only a whole record says anything.
pub fn recover(known: Known<'_>, found: Found, boot_id: &str) -> Recovery {
    let Known { id, started_in, begun } = known;
    let ours = |claim: &Claim| claim.id.job == id.job && claim.id.attempt == id.attempt;
    // A record beside a lock that is held is a shim's that is about to end, or nothing that a shim wrote.
    if found.locked {
        return Recovery::Adopt;
    }
    if let Some(record) = found.record.filter(|r| (r.id.job, r.id.attempt) == (id.job, id.attempt)) {
        return Recovery::Collect(Box::new(record));
    }
    match found.claim {
        Some(claim) if ours(&claim) && !claim.boot_id.is_empty() && claim.boot_id != boot_id => {
            Recovery::Interrupted("the machine went down while it ran")
        }
        Some(_) => Recovery::Interrupted("its shim was killed while it ran"),
        None if started_in != boot_id => Recovery::Interrupted("the machine went down when it was to start"),
        None if begun => Recovery::Interrupted("somebody removed its traces"),
        None => Recovery::Start,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: AttemptId = AttemptId { job: JobId::drawn(7), attempt: 2, epoch: 1 };

    pub(super) fn record(id: AttemptId) -> Record {
        Record {
            version: FILES_VERSION,
            id,
            boot_id: "b1".into(),
            started_at: Wall::from_unix_ms(1_795_225_162_138),
            ended_at: Wall::from_unix_ms(1_795_225_163_138),
            wall_seconds: 1.0,
            end: End::Exited(0),
            cause: None,
            left_behind: 0,
            stdout_bytes: 3,
            stderr_bytes: 0,
            truncated: false,
            used: Used::default(),
            enforced: Enforced::default(),
        }
    }

    fn claim(boot_id: &str) -> Claim {
        Claim {
            version: 1,
            id: ID,
            order: 3,
            shim: ProcId { pid: 9, start_ticks: 1 },
            boot_id: boot_id.into(),
        }
    }

    #[test]
    fn every_trace_of_an_attempt_means_one_thing() {
        let found = |locked, record: Option<Record>, claim| Found { locked, record, claim };
        let known = |started_in| Known { id: ID, started_in, begun: false };
        let of = |f| recover(known("b1"), f, "b1");
        assert_eq!(of(found(false, None, None)), Recovery::Start);
        let removed = recover(Known { begun: true, ..known("b1") }, Found::default(), "b1");
        assert!(matches!(removed, Recovery::Interrupted(_)), "it has run");
        let before = recover(known("b0"), found(false, None, None), "b1");
        assert!(matches!(before, Recovery::Interrupted(_)), "its claim may be lost");
        assert_eq!(of(found(true, None, None)), Recovery::Adopt, "it has its lock and no claim yet");
        assert_eq!(of(found(true, None, Some(claim("b1")))), Recovery::Adopt);
        assert!(matches!(of(found(false, None, Some(claim("b1")))), Recovery::Interrupted(_)));
        assert!(matches!(of(found(false, None, Some(claim("b0")))), Recovery::Interrupted(_)));
        assert!(matches!(of(found(false, Some(record(ID)), Some(claim("b1")))), Recovery::Collect(_)));
        let early = found(true, Some(record(ID)), Some(claim("b1")));
        assert_eq!(of(early), Recovery::Adopt, "a record counts when its shim lets go of the lock");
        // What was left of another job says nothing about this one.
        let other = record(AttemptId { attempt: 1, ..ID });
        assert_eq!(of(found(false, Some(other), None)), Recovery::Start);
    }

    #[test]
    fn the_files_keep_their_form() {
        let text = serde_json::to_string(&record(ID)).unwrap();
        assert_eq!(
            text,
            "{\"version\":1,\"id\":{\"job\":\"000000000007\",\"attempt\":2,\"epoch\":1},\"boot_id\":\"b1\",\
             \"started_at\":\"2026-11-21T01:39:22.138Z\",\"ended_at\":\"2026-11-21T01:39:23.138Z\",\
             \"wall_seconds\":1.0,\"end\":{\"exited\":0},\"cause\":null,\"left_behind\":0,\"stdout_bytes\":3,\
             \"stderr_bytes\":0,\"truncated\":false,\"used\":{\"cpu_seconds\":0.0,\"peak_memory_bytes\":0,\
             \"start_memory_bytes\":null,\"end_memory_bytes\":null,\"memory_source\":\"\"},\"enforced\":{\"fs\":\"\",\
             \"network\":\"\",\"memory\":\"\",\"cpu\":\"\",\"processes\":\"\",\"sockets\":\"\"}}"
        );
        assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record(ID));
        let older = text.replace(",\"sockets\":\"\"", "");
        assert!(older.len() < text.len());
        assert_eq!(serde_json::from_str::<Record>(&older).unwrap(), record(ID));
        let text = serde_json::to_string(&claim("b1")).unwrap();
        assert_eq!(
            text,
            "{\"version\":1,\"id\":{\"job\":\"000000000007\",\"attempt\":2,\"epoch\":1},\"order\":3,\
             \"shim\":{\"pid\":9,\"start_ticks\":1},\"boot_id\":\"b1\"}"
        );
        assert_eq!(serde_json::from_str::<Claim>(&text).unwrap(), claim("b1"));
    }
}
