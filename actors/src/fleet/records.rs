//! Owns: the records that are being written, `HOME/records/AGENT-DATE.jsonl`.
//! Receives: beginnings, frames and ends from the agents; what its threads wrote.
//! Sends: to an agent that its record has ended, to who asked where it is.
//! Bounded by: limits::RECORDS_OPEN_MAX records of limits::RECORD_BYTES_MAX, limits::RECORD_PENDING_BYTES waiting.
//! Restart: permanent; records that were open end where they are, and their agents are told.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::oneshot;
use tsup_core::error::{Exit, UserError};
use tsup_core::fleet::record::{Line, write};
use tsup_core::ids::{AgentId, Generation};
use tsup_core::limits;

use super::{Shared, agent};
use crate::actor::{Actor, Cx, Failure, blocking};
use crate::clock::now_wall;
use crate::gate::{Lane, Reply};

mod file;

/// Where the records of a home are.
pub(super) fn folder(home: impl AsRef<Path>) -> PathBuf {
    home.as_ref().join("records")
}

/// Says where a record is.
pub(super) type Begun = Reply<Result<PathBuf, UserError>>;

/// What it receives.
#[derive(Debug)]
pub(super) enum Msg {
    /// An agent is to be recorded; the first lines of its record, and for how long.
    Begin(AgentId, u64, String, Duration, Begun),
    /// A line of the record of that number.
    Frame(AgentId, u64, String),
    /// Nothing more comes of an agent.
    End(AgentId, String),
    /// A record has gone on for as long as was asked.
    Due(AgentId, u64),
    /// A file is there, or cannot be made; for the incarnation that asked.
    Made(Generation, AgentId, u64, Begun),
    /// A piece is written, or cannot be.
    Written(Generation, AgentId, u64),
}

/// One record.
struct Record {
    number: u64,
    /// In a thread's hand while that writes.
    file: Option<File>,
    /// Where it comes back from there: an ordered stop waits for it, to write the last line.
    away: Option<oneshot::Receiver<io::Result<(PathBuf, File)>>>,
    path: PathBuf,
    pending: String,
    /// Frames that found no room since the last one that did.
    missed: u64,
    bytes: u64,
    /// Whether its last line waits or is written.
    ended: bool,
}

/// The actor.
pub(super) struct RecordsActor {
    shared: Shared,
    folder: PathBuf,
    open: HashMap<AgentId, Record>,
}

impl RecordsActor {
    pub(super) fn new(shared: Shared) -> Self {
        let folder = folder(&shared.home);
        RecordsActor { shared, folder, open: HashMap::new() }
    }

    fn begin(&mut self, id: AgentId, number: u64, lines: &mut String, mut reply: Begun, cx: &mut Cx<Self>) {
        let max = limits::RECORDS_OPEN_MAX;
        let refusal = if self.open.contains_key(&id) {
            Some(UserError::new(Exit::Refused, "its last record is still being written"))
        } else if self.open.len() >= max {
            Some(UserError::new(Exit::Refused, format!("{max} agents are being recorded already")))
        } else {
            None
        };
        if let Some(error) = refusal {
            reply.send(Err(error.hint("try again when that record has ended")));
            return self.over(id, number);
        }
        let (path, pending, bytes) = (PathBuf::new(), String::new(), lines.len() as u64);
        let (done, away) = oneshot::channel();
        let record =
            Record { number, file: None, away: Some(away), path, pending, missed: 0, bytes, ended: false };
        self.open.insert(id, record);
        let (folder, lines, generation) = (self.folder.clone(), std::mem::take(lines), cx.generation());
        let work = move || drop(done.send(file::begin(&folder, id, now_wall(), &lines)));
        cx.offload(work, move |()| Msg::Made(generation, id, number, reply));
    }

    /// What a thread has given back.
    fn back(&mut self, id: AgentId, number: u64) -> Option<(&mut Record, io::Result<(PathBuf, File)>)> {
        let record = self.open.get_mut(&id).filter(|r| r.number == number)?;
        let file = record.away.take()?.try_recv().ok()?;
        Some((record, file))
    }

    fn made(&mut self, id: AgentId, number: u64, mut reply: Begun) {
        let Some((record, made)) = self.back(id, number) else { return };
        match made {
            Ok((path, file)) => {
                record.path.clone_from(&path);
                record.file = Some(file);
                reply.send(Ok(path));
            }
            Err(e) => {
                self.open.remove(&id);
                let what = format!("no record can be made in {}: {e}", self.folder.display());
                reply.send(Err(UserError::new(Exit::Failed, what)));
                self.over(id, number);
            }
        }
    }

    fn frame(&mut self, id: AgentId, number: u64, line: &str) {
        let Some(record) = self.open.get_mut(&id).filter(|r| r.number == number) else {
            return self.over(id, number);
        };
        if record.ended {
            return;
        }
        let room = limits::RECORD_PENDING_BYTES.saturating_sub(record.pending.len());
        if line.len() > room || line.len() > limits::RECORD_LINE_BYTES_MAX {
            record.missed += 1;
            return;
        }
        let missed = std::mem::take(&mut record.missed);
        if missed > 0 {
            record.add(&write(&Line::Gap { missed }));
        }
        record.add(line);
        if record.bytes >= limits::RECORD_BYTES_MAX {
            record.end("it has reached the size that a record may have");
        }
    }

    /// Writes what waits, one piece of a record at a time; closes what has ended.
    fn flush(&mut self, id: AgentId, cx: &mut Cx<Self>) {
        let Some(record) = self.open.get_mut(&id) else { return };
        if record.pending.is_empty() {
            if record.ended && record.file.is_some() {
                let number = record.number;
                tracing::info!(agent = %id, path = %record.path.display(), "a record has ended");
                self.open.remove(&id);
                self.over(id, number);
            }
            return;
        }
        let Some(mut file) = record.file.take() else { return };
        let (text, number, generation) =
            (std::mem::take(&mut record.pending), record.number, cx.generation());
        let (done, away) = oneshot::channel();
        record.away = Some(away);
        let path = record.path.clone();
        let work = move || drop(done.send(file.write_all(text.as_bytes()).map(|()| (path, file))));
        cx.offload(work, move |()| Msg::Written(generation, id, number));
    }

    fn written(&mut self, id: AgentId, number: u64) {
        let Some((record, written)) = self.back(id, number) else { return };
        match written {
            Ok((_, file)) => record.file = Some(file),
            Err(e) => {
                tracing::error!(agent = %id, path = %record.path.display(), error = %e, "a record cannot be written");
                self.open.remove(&id);
                self.over(id, number);
            }
        }
    }

    /// Tells an agent that its record has ended.
    fn over(&self, id: AgentId, number: u64) {
        if let Some(entry) = self.shared.directory.agent(id) {
            let _ = entry.gate.control(agent::Msg::RecordEnded(number));
        }
    }
}

impl Record {
    fn add(&mut self, line: &str) {
        self.bytes += line.len() as u64;
        self.pending.push_str(line);
    }

    fn end(&mut self, why: &str) {
        if !std::mem::replace(&mut self.ended, true) {
            self.add(&write(&Line::End { at: now_wall(), why: why.to_owned() }));
        }
    }
}

impl Actor for RecordsActor {
    type Msg = Msg;

    async fn started(&mut self, cx: &mut Cx<Self>) -> Result<(), Failure> {
        cx.ready();
        Ok(())
    }

    async fn handle(&mut self, message: &mut Msg, cx: &mut Cx<Self>) -> Result<(), Failure> {
        let id = match message {
            Msg::Begin(id, number, lines, for_, reply) => {
                self.begin(*id, *number, lines, reply.take(), cx);
                cx.after(*for_, Lane::Control, Msg::Due(*id, *number)).detach();
                *id
            }
            Msg::Frame(id, number, line) => {
                self.frame(*id, *number, line);
                *id
            }
            Msg::End(id, why) => {
                self.open.entry(*id).and_modify(|record| record.end(why));
                *id
            }
            Msg::Due(id, number) => {
                let record = self.open.get_mut(id).filter(|r| r.number == *number);
                if let Some(record) = record {
                    record.end("it has gone on for as long as was asked");
                }
                *id
            }
            Msg::Made(by, id, number, reply) if *by == cx.generation() => {
                self.made(*id, *number, reply.take());
                *id
            }
            Msg::Written(by, id, number) if *by == cx.generation() => {
                self.written(*id, *number);
                *id
            }
            // The incarnation that asked is gone, and its records with it.
            Msg::Made(..) | Msg::Written(..) => return Ok(()),
        };
        self.flush(id, cx);
        Ok(())
    }

    async fn stopping(&mut self, _cx: &mut Cx<Self>) {
        let mut records: Vec<Record> = self.open.drain().map(|(_, record)| record).collect();
        for record in &mut records {
            record.end("the supervisor has ended");
            if let Some(away) = record.away.take() {
                record.file = away.await.ok().and_then(Result::ok).map(|(_, file)| file);
            }
        }
        let last = move || {
            for record in records {
                if let Some(mut file) = record.file {
                    let _ = file.write_all(record.pending.as_bytes());
                }
            }
        };
        let _ = blocking(last).await;
    }
}
